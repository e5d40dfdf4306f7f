"""The command line."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from mosaicd import __version__
from mosaicd import check as checks
from mosaicd import demo as demos
from mosaicd import status as reports
from mosaicd.daemon import AlreadyRunningError, Daemon
from mosaicd.errors import CorruptStateError, MosaicdError, SettingsError
from mosaicd.jobs.originals import reason_path
from mosaicd.jobs.queue import JobQueue, rejected_jobs_named
from mosaicd.logs import configure_logs
from mosaicd.media.files import move_aside, printable, signature
from mosaicd.settings import Settings, load_settings
from mosaicd.store.database import Database
from mosaicd.store.libraries import find_library, library_facts
from mosaicd.store.models import Library

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

Root = Annotated[Path | None, typer.Option("--root", help="The folder with inbox and outbox.")]
Config = Annotated[Path | None, typer.Option("--config", help="The TOML file to read settings from.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Any setting; may be given more than once."),
]


def main() -> None:
    """Run the command line; errors become one line and an exit code."""
    try:
        app()
    except SettingsError as error:
        _fail(error, EXIT_SETTINGS)
    except AlreadyRunningError as error:
        _fail(error, EXIT_ALREADY_RUNNING)
    except CorruptStateError as error:
        _fail(error, EXIT_STATE)
    except MosaicdError as error:
        _fail(error, EXIT_FAILED)


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
    settings = _load(root, config, sets)
    configure_logs(settings.log_format, settings.log_level)
    daemon = Daemon(settings, lambda: _load(root, config, sets))
    try:
        code = daemon.run_until_idle() if until_idle else daemon.run_forever()
    except MosaicdError as error:
        log.critical("daemon_failed", why=str(error))
        raise
    raise typer.Exit(code)


@app.command()
def demo(
    root: Annotated[
        Path | None, typer.Option("--root", help="A fresh folder; default: a new one here.")
    ] = None,
    config: Config = None,
) -> None:
    """Make films and photos of its own, and three mosaics from them; needs nothing, not even a network."""
    mosaics = demos.run_demo(root or demos.fresh_root(Path.cwd()), config)
    typer.echo("Three mosaics, made of tiles cut from films:")
    for path in mosaics:
        typer.echo(f"  {path}")


@app.command()
def check(root: Root = None, config: Config = None) -> None:
    """Say what is right and what is wrong with the configuration and the machine."""
    findings = list(checks.findings(_load(root, config)))
    for finding in findings:
        typer.echo(f"{finding.mark:8}{finding.text}")
    raise typer.Exit(EXIT_FAILED if any(finding.is_problem for finding in findings) else 0)


@app.command()
def status(
    root: Root = None,
    config: Config = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Show libraries, queue, running jobs, last mosaics and last rejections."""
    settings = _load(root, config)
    with _store(settings) as database:
        facts = reports.gather(database, settings)
    typer.echo(json.dumps(facts, indent=2) if as_json else reports.in_words(facts))


@app.command()
def libraries(root: Root = None, config: Config = None) -> None:
    """List the libraries."""
    with _store(_load(root, config)) as database, database.read() as session:
        for facts in library_facts(session):
            typer.echo(
                f"{facts.name}: {facts.tiles} tiles from {facts.sources} sources, {facts.mosaics} mosaics"
            )


@app.command()
def sources(
    library: Annotated[str, typer.Argument(help="The library's name.")],
    root: Root = None,
    config: Config = None,
    remove: Annotated[
        str | None,
        typer.Option("--remove", help="Take this source (its number or name) and its tiles out of use."),
    ] = None,
) -> None:
    """List a library's sources, or take one out of use."""
    from mosaicd.store.tiles import remove_source, sources_of

    with _store(_load(root, config)) as database:
        if remove is None:
            with database.read() as session:
                for source in sources_of(session, _library(session, library).id):
                    skipped = source.skipped_black + source.skipped_blank + source.skipped_repeated
                    typer.echo(
                        f"{source.id}: {printable(source.name)}: {source.tiles_made} tiles"
                        f" from {source.next_sample} frames, {skipped} crops skipped"
                        + (f"; {source.shortfall}" if source.shortfall else "")
                    )
            return
        with database.write() as session:
            named = [
                source
                for source in sources_of(session, _library(session, library).id)
                if remove in (str(source.id), printable(source.name))
            ]
            source = _the_one(named, "source", remove)
            count = remove_source(session, source, now=time.time())
        typer.echo(
            f"{count} tiles of {printable(source.name)} are out of use; drop the file again to have them back"
        )


@app.command()
def penalties(
    library: Annotated[str, typer.Argument(help="The library's name.")],
    root: Root = None,
    config: Config = None,
    *,
    reset: Annotated[bool, typer.Option("--reset", help="Let no earlier use count any more.")] = False,
    undo: Annotated[
        str | None, typer.Option("--undo", help="Take back the charges of this mosaic (its number or name).")
    ] = None,
) -> None:
    """Show a library's penalty history, forget it, or take one mosaic out of it."""
    from mosaicd.store.mosaics import charges, find_mosaic, reset_penalties, undo_charges

    with _store(_load(root, config)) as database:
        if reset:
            with database.write() as session:
                reset_penalties(_library(session, library), now=time.time())
            typer.echo(f"no earlier use counts any more in library {library}")
        elif undo is not None:
            with database.write() as session:
                found = find_mosaic(session, _library(session, library).id, undo)
                mosaic = _the_one([found] if found else [], "mosaic", undo)
                count = undo_charges(session, mosaic, now=time.time())
            typer.echo(f"the charges of {printable(mosaic.stem)} on {count} tiles are taken back")
        else:
            with database.read() as session:
                for charge in charges(session, _library(session, library).id):
                    typer.echo(f"{charge.mosaic}: {charge.stem}: {charge.uses} uses of {charge.tiles} tiles")


@app.command()
def retry(
    name: Annotated[str, typer.Argument(help="The rejected file: its path in the inbox, or its name.")],
    root: Root = None,
    config: Config = None,
) -> None:
    """Put a rejected file back into the inbox and try it again."""
    settings = _load(root, config)
    folders = settings.folders
    with _store(settings) as database:
        with database.read() as session:
            job = _the_one(list(rejected_jobs_named(session, name)), "rejected file", name)
        original = folders.inbox / job.path
        if job.moved_to is not None and not original.exists():
            move_aside(Path(job.moved_to), original)
            reason_path(Path(job.moved_to)).unlink(missing_ok=True)
        looks = signature(original)
        if looks is None:
            message = (
                f"{printable(job.path)} is neither in {folders.rejected} nor in {folders.inbox} any more"
            )
            raise MosaicdError(message)
        JobQueue(database).revive(job.id, looks, now=time.time())
    typer.echo(f"{printable(job.path)} is queued again")


@app.callback(invoke_without_command=True)
def _version(
    *, version: Annotated[bool, typer.Option("--version", help="Show the version and end.")] = False
) -> None:
    if version:
        typer.echo(f"mosaicd {__version__}")
        raise typer.Exit


def _load(root: Path | None, config: Path | None, sets: list[str] | None = None) -> Settings:
    flags: dict[str, Any] = {"root": root}
    for pair in sets or []:
        name, equals, value = pair.partition("=")
        if not equals:
            message = f"--set wants NAME=VALUE, not {pair!r}"
            raise SettingsError(message)
        flags[name] = value
    return load_settings(flags, config=config)


@contextmanager
def _store(settings: Settings) -> Iterator[Database]:
    path = settings.database_path
    if not path.exists():
        message = f"there is no database yet at {path}: start `mosaicd run` first, or name the right --root"
        raise MosaicdError(message)
    database = Database(path)
    try:
        database.require_current()
        yield database
    finally:
        database.close()


def _library(session: Any, name: str) -> Library:  # noqa: ANN401
    library = find_library(session, name)
    if library is None:
        message = f"there is no library {name!r}; `mosaicd libraries` lists them"
        raise MosaicdError(message)
    return library


def _the_one(found: list[Any], what: str, name: str) -> Any:  # noqa: ANN401
    if len(found) == 1:
        return found[0]
    message = (
        f"there is no {what} {name!r}" if not found else f"{len(found)} are called {name!r}: name it fully"
    )
    raise MosaicdError(message)


def _fail(error: Exception, code: int) -> None:
    sys.stderr.write(f"mosaicd: {printable(str(error))}\n")
    sys.exit(code)
