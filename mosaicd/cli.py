"""The command line."""

import itertools
import json
import sys
import time
from pathlib import Path
from typing import Annotated

import structlog
import typer

from mosaicd import __version__, store_commands
from mosaicd import check as checks
from mosaicd import status as reports
from mosaicd.command_line import (
    Config,
    Root,
    Sets,
    echo_lines,
    open_store,
    require_library,
    settings_from,
    shown,
)
from mosaicd.daemon import Daemon
from mosaicd.errors import CorruptStateError, MosaicdError, SettingsError
from mosaicd.intake.names import APPEARANCE_FILE, DEFAULT_LIBRARY
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
    help="Turns films dropped into a folder into photo-mosaic tiles, and photos into mosaics made of them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)

bench = typer.Typer(help="Measures how fast this machine works.", no_args_is_help=True)
app.add_typer(bench, name="bench")


def main() -> None:
    """Run the command line; errors become one line and an exit code."""
    try:
        app(prog_name="mosaicd")
    except MosaicdError as error:
        complain(str(error))
        sys.exit(_exit_code(error))


@app.command()
def run(
    root: Root = None,
    config: Config = None,
    sets: Sets = None,
    *,
    until_idle: Annotated[
        bool,
        typer.Option(
            "--until-idle",
            help="End when nothing is left to do: 0 all done, 3 something was rejected, 4 something waits.",
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


@app.command()
def demo(
    root: Annotated[
        Path | None, typer.Option("--root", help="A fresh folder; default: a new one here.")
    ] = None,
    config: Config = None,
) -> None:
    """Make films and photos of its own, and three mosaics from them; needs nothing, not even a network."""
    from mosaicd import demo as demos  # its libraries are heavy, and a daemon does without them

    mosaics = demos.run_demo(root or demos.fresh_root(Path.cwd()), config)
    typer.echo("Three mosaics, made of tiles cut from films:")
    for path in mosaics:
        typer.echo(f"  {path}")


@app.command()
def check(
    root: Root = None,
    config: Config = None,
    sets: Sets = None,
    *,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also look at every tile and every mosaic in the database.")
    ] = False,
) -> None:
    """Say what is right and what is wrong with the configuration and the machine."""
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


@app.command()
def status(
    root: Root = None,
    config: Config = None,
    sets: Sets = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Keep showing queue and work, with progress bars, until Ctrl-C."),
    ] = False,
) -> None:
    """Show libraries, queue, running jobs, last mosaics and last rejections."""
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


for _command in (
    store_commands.libraries,
    store_commands.sources,
    store_commands.penalties,
    store_commands.retry,
    store_commands.backup,
):
    app.command()(_command)
app.command("install-service")(install_service)


@app.command()
def study(
    library: Annotated[str, typer.Option("--library", help="Whose tiles to study.")],
    out: Annotated[Path, typer.Option("--out", help="A folder for tables and plots.")],
    photos: Annotated[
        list[Path] | None, typer.Argument(help="Photos; default: a portrait, a cat and a mug.")
    ] = None,
    root: Root = None,
    config: Config = None,
    sets: Sets = None,
    tiles: Annotated[
        int | None,
        typer.Option("--tiles", min=2, help="Use so many of the library's tiles, chosen at random."),
    ] = None,
    parts: Annotated[
        list[str] | None,
        typer.Option("--part", help="suspects, penalties or frontier; default: the first two."),
    ] = None,
    peers: Annotated[
        Path | None,
        typer.Option("--peers", readable=False, help="Other makers' figures to set the frontier beside."),
    ] = None,
) -> None:
    """Find out on a library why a search by mean colour makes freckles, and what a penalty costs."""
    from mosaicd.studies.needed import require_study_libraries

    require_study_libraries()
    from mosaicd.studies.study import parts_named, run_study

    chosen = parts_named(parts or [])
    settings = settings_from(root, config, sets)
    _require_outside(settings.folders.inbox, out)
    with open_store(settings) as database:
        with database.read() as session:
            found = require_library(session, library)
        written = run_study(
            database,
            found,
            photos=photos or [],
            folder=out,
            parts=chosen,
            tile_limit=tiles,
            peers=peers,
            photo_pixels_limit=settings.photo_pixels_limit,
            appearance=settings.appearance(library),
            say=lambda doing: typer.echo(doing, err=True),
        )
    echo_lines([shown(path) for path in written], otherwise="nothing was studied")


@bench.command()
def matching(
    root: Root = None,
    config: Config = None,
    sets: Sets = None,
    tiles: Annotated[
        str, typer.Option("--tiles", help="How many tiles, one number or several.")
    ] = "2000,20000,190000",
    cells: Annotated[int, typer.Option("--cells", min=1, help="How many cells.")] = 6912,
    engines: Annotated[
        str, typer.Option("--engines", help="Which engines.")
    ] = "perceptual,codebox,mean-color-ssim",
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="How often; medians are shown.")] = 5,
    json_file: Annotated[
        Path | None, typer.Option("--json", readable=False, help="Write the figures to this file too.")
    ] = None,
    library: Annotated[
        str | None, typer.Option("--library", help="Use this library's tiles, not made up ones.")
    ] = None,
) -> None:
    """Measure engines against exhaustive search, plain loops and FAISS (if installed), in one run."""
    from mosaicd.studies import matching_bench

    counts = matching_bench.counts_in(tiles)
    chosen = matching_bench.engines_in(engines)
    material = None
    if library is not None:
        with open_store(settings_from(root, config, sets)) as database:
            with database.read() as session:
                library_id = require_library(session, library).id
            material = matching_bench.library_tiles(database, library_id)
    matching_bench.run(
        counts=counts,
        cells=cells,
        engines=chosen,
        rounds=rounds,
        library=material,
        json_file=json_file,
        say=lambda doing: typer.echo(doing, err=True),
    )


@app.command()
def compare(
    photo: Annotated[Path, typer.Argument(help="The photo, of any kind that could be dropped.")],
    library: Annotated[str, typer.Option("--library", help="Whose tiles and settings to use.")],
    out: Annotated[Path, typer.Option("--out", help="A folder for mosaics, contact sheet and tables.")],
    root: Root = None,
    config: Config = None,
    sets: Sets = None,
    engines: Annotated[
        str,
        typer.Option(
            "--engines", metavar="NAME,NAME", help="Only these, such as perceptual-diffusion,codebox."
        ),
    ] = "",
    at: Annotated[
        list[str] | None,
        typer.Option("--at", metavar="DOWN,ACROSS", help="Look closely here too, in percent: 20,45."),
    ] = None,
    *,
    with_history: Annotated[
        bool,
        typer.Option(
            "--with-history",
            help="Let earlier mosaics count, as for a photo dropped now; else all tiles start alike.",
        ),
    ] = False,
) -> None:
    """Make a photo's mosaic by every engine and strategy, side by side, with figures; nothing is charged."""
    from mosaicd.studies.compare import Wish, own_appearance, points_named, run_compare
    from mosaicd.studies.variants import Commission

    def say(doing: str) -> None:
        typer.echo(doing, err=True)

    settings = settings_from(root, config, sets)
    inbox = settings.folders.inbox
    _require_outside(inbox, out)
    points = points_named(at or [])
    with open_store(settings) as database, database.read() as session:
        number = require_library(session, library).id
    folder = "" if library == DEFAULT_LIBRARY else library
    wish = Wish(
        library=library,
        commission=Commission(
            database=settings.database_path,
            library_id=number,
            photo=photo,
            photo_pixels_limit=settings.photo_pixels_limit,
            mosaic_pixels_limit=settings.mosaic_pixels_limit,
            appearance=own_appearance(settings.appearance(library), inbox / folder / APPEARANCE_FILE, say),
            penalty_half_life_days=settings.for_library(library).penalty_half_life_days
            if with_history
            else None,
            now=time.time(),
            image=out,
        ),
        engines=[name.strip() for name in engines.split(",") if name.strip()],
        points=points,
    )
    echo_lines([shown(path) for path in run_compare(wish, say)], otherwise="nothing was compared")


@app.callback(invoke_without_command=True)
def _version(
    *, version: Annotated[bool, typer.Option("--version", help="Show the version and end.")] = False
) -> None:
    if version:
        typer.echo(f"mosaicd {__version__}")
        raise typer.Exit


def _require_outside(inbox: Path, out: Path) -> None:
    """Raise SettingsError if what is written to `out` would be taken for input."""
    if out.resolve().is_relative_to(inbox.resolve()):
        message = f"--out lies in the inbox ({shown(inbox)}): what is written would be taken for input"
        raise SettingsError(message)


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
