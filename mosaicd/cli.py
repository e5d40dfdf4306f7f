"""The command line."""

import itertools
import json
import sys
import time
from pathlib import Path
from typing import Annotated

import structlog
import typer

from mosaicd import __version__, bench_commands, store_commands, study_commands
from mosaicd import check as checks
from mosaicd import status as reports
from mosaicd.command_line import (
    CommandGroup,
    Config,
    Panel,
    Root,
    Sets,
    examples,
    open_store,
    settings_from,
    shown,
)
from mosaicd.daemon import Daemon
from mosaicd.errors import CorruptStateError, MosaicdError, SettingsError
from mosaicd.logs import complain, configure_logs
from mosaicd.plain_text import one_line
from mosaicd.service_command import install_service
from mosaicd.settings_reading import settings_file
from mosaicd.startup import AlreadyRunningError
from mosaicd.status import counted

EXIT_FAILED = 1
EXIT_SETTINGS = 2
EXIT_STATE = 5
EXIT_ALREADY_RUNNING = 6

log = structlog.get_logger()

app = typer.Typer(
    cls=CommandGroup,
    help="Turns films dropped into a folder into photo-mosaic tiles, and photos into mosaics of them.",
    epilog="""\b
`mosaicd COMMAND --help` tells more. Exit codes of all commands: 0 all done;
1 failed; 2 an option or a setting is wrong; 5 the database cannot be used;
6 another daemon works on the same database.""",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

bench = typer.Typer(help="Measure how fast this machine works.", no_args_is_help=True, rich_markup_mode=None)


def main() -> None:
    """Run the command line; errors become one line and an exit code."""
    try:
        app(prog_name="mosaicd")
    except MosaicdError as error:
        complain(str(error))
        sys.exit(_exit_code(error))


@app.command(
    rich_help_panel=Panel.EVERY_DAY,
    epilog="""\b
Ends by Ctrl-C or SIGTERM, and goes on where it was when it is started again.
SIGHUP lets it read its settings again. Its log goes to standard error.

"""
    + examples(
        "mosaicd run --root ~/Mosaics",
        "mosaicd run --root ~/Mosaics --set cells_on_long_side=120",
        "mosaicd run --until-idle    # for cron and scripts",
    ),
)
def run(
    root: Root = None,
    config: Config = None,
    sets: Sets = None,
    *,
    until_idle: Annotated[
        bool,
        typer.Option(
            "--until-idle",
            help="End when nothing is left to do; exit code 0: all done, 3: something was rejected,"
            " 4: something still waits.",
        ),
    ] = False,
) -> None:
    """Watch the inbox, and work on what is dropped there."""
    settings = settings_from(root, config, sets)
    configure_logs(settings.log_format, settings.log_level)
    try:
        daemon = Daemon(settings, lambda: settings_from(root, config, sets))
        code = daemon.run_until_idle() if until_idle else daemon.run_forever()
    except MosaicdError as error:
        log.critical("daemon_failed", why=str(error))
        code = _exit_code(error)
    raise typer.Exit(code)


@app.command(rich_help_panel=Panel.TO_BEGIN, epilog=examples("mosaicd demo --root ~/mosaicd-demo"))
def demo(
    root: Annotated[
        Path | None, typer.Option("--root", help="A fresh folder; default: a new one where you are.")
    ] = None,
    config: Config = None,
) -> None:
    """Make films and mosaics of its own, to see how it works."""
    from mosaicd import demo as demos  # its libraries are heavy, and a daemon does without them

    mosaics = demos.run_demo(root or demos.fresh_root(Path.cwd()), config)
    typer.echo("Three mosaics, made of tiles cut from films:")
    for path in mosaics:
        typer.echo(f"  {path}")


@app.command(
    rich_help_panel=Panel.TO_BEGIN,
    epilog="""\b
A line each, which begins with "ok" or "PROBLEM". Changes nothing. Exit code 1
if there is a problem.

"""
    + examples("mosaicd check", "mosaicd check --deep | grep PROBLEM"),
)
def check(
    root: Root = None,
    config: Config = None,
    sets: Sets = None,
    *,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also look at every tile and every mosaic; takes a while.")
    ] = False,
) -> None:
    """Say what is right and wrong with settings and machine."""
    from mosaicd.deep_check import deep_findings

    settings = settings_from(root, config, sets)
    file = config or settings_file()
    typer.echo(f"{'ok':8}settings: {shown(file) if file else 'defaults, there is no configuration file'}")
    found = checks.findings(settings)
    has_problem = False
    for finding in itertools.chain(found, deep_findings(settings, _show_progress)) if deep else found:
        typer.echo(f"{finding.mark:8}{one_line(finding.text)}")
        has_problem |= finding.is_problem
    raise typer.Exit(EXIT_FAILED if has_problem else 0)


@app.command(
    rich_help_panel=Panel.EVERY_DAY,
    epilog="""\b
The daemon need not run. Time left is learnt from what this machine has done.

"""
    + examples(
        "mosaicd status --watch",
        "mosaicd status --json | jq .queue",
    ),
)
def status(
    root: Root = None,
    config: Config = None,
    sets: Sets = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Keep showing queue and work, with progress and time left, until Ctrl-C."
        ),
    ] = False,
) -> None:
    """Show what is done, what waits, and what has become of files."""
    if watch and as_json:
        message = "give --watch or --json, not both"
        raise SettingsError(message)
    settings = settings_from(root, config, sets)
    with open_store(settings) as database:
        if watch:
            from mosaicd import status_view

            status_view.require_terminal()
            status_view.watch(lambda: reports.work_at(database, settings, now=time.time()))
            return
        facts = reports.gather(database, settings, now=time.time())
    typer.echo(json.dumps(facts, indent=2) if as_json else reports.in_words(facts))


app.command(
    "install-service",
    rich_help_panel=Panel.TO_BEGIN,
    epilog="""\b
It works now and after each boot; without --user for the whole machine, whose
root is /srv/mosaicd by default. Repeat the command to renew it.

"""
    + examples(
        "mosaicd install-service --user",
        "mosaicd install-service --user --remove",
    ),
)(install_service)
app.command(rich_help_panel=Panel.EVERY_DAY, epilog=examples("mosaicd retry beach.mp4"))(store_commands.retry)
app.command(
    rich_help_panel=Panel.UPKEEP,
    epilog=examples(
        "mosaicd libraries",
        "mosaicd libraries --remove family    # --restore family takes it back",
        "mosaicd libraries --purge family --yes",
    ),
)(store_commands.libraries)
app.command(
    rich_help_panel=Panel.UPKEEP,
    epilog=examples("mosaicd sources default", "mosaicd sources default --remove beach.mp4"),
)(store_commands.sources)
app.command(
    rich_help_panel=Panel.UPKEEP,
    epilog=examples("mosaicd penalties default", "mosaicd penalties default --undo cat.mosaic.jpg"),
)(store_commands.penalties)
app.command(rich_help_panel=Panel.UPKEEP, epilog=examples("mosaicd backup ~/backup.sqlite3"))(
    store_commands.backup
)


app.command(
    rich_help_panel=Panel.STUDIES,
    epilog=examples(
        "mosaicd study --library default --out study",
        "mosaicd study cat.jpg --library default --out study --part penalties",
    ),
)(study_commands.study)
app.command(
    rich_help_panel=Panel.STUDIES,
    epilog="""\b
Engines: perceptual-diffusion, perceptual-greedy, perceptual-optimal,
perceptual-uncorrected, codebox, mean-color-ssim. Nothing is charged.

"""
    + examples("mosaicd compare cat.jpg --library default --out comparison --at 40,50"),
)(study_commands.compare)
bench.command(
    epilog=examples(
        "mosaicd bench matching --tiles 2000,20000 --rounds 3",
        "mosaicd bench matching --library default",
    )
)(bench_commands.matching)
bench.command(epilog=examples("mosaicd bench index", "mosaicd bench index --tiles 1000000 --times 20"))(
    bench_commands.index
)
bench.command(epilog=examples("mosaicd bench mosaic", "mosaicd bench mosaic --tiles 190000"))(
    bench_commands.mosaic
)
bench.command(epilog=examples("mosaicd bench scale", "mosaicd bench scale --tiles 10000,100000 --rounds 3"))(
    bench_commands.scale
)
bench.command(epilog=examples("mosaicd bench splice", "mosaicd bench splice beach.mp4 --interval 0.5"))(
    bench_commands.splice
)
app.add_typer(bench, name="bench", rich_help_panel=Panel.STUDIES)


@app.callback(invoke_without_command=True)
def _version(
    *, version: Annotated[bool, typer.Option("--version", help="Show the version and end.")] = False
) -> None:
    if version:
        typer.echo(f"mosaicd {__version__}")
        raise typer.Exit


def _show_progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        typer.echo(f"\r{done:,} of {counted(total, 'master')}", err=True, nl=done == total)


def _exit_code(error: MosaicdError) -> int:
    match error:
        case SettingsError():
            return EXIT_SETTINGS
        case CorruptStateError():
            return EXIT_STATE
        case AlreadyRunningError():
            return EXIT_ALREADY_RUNNING
        case _:
            return EXIT_FAILED
