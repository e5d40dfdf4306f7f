"""The command line."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from sqlalchemy.orm import Session

from mosaicd import __version__
from mosaicd import check as checks
from mosaicd import status as reports
from mosaicd.daemon import AlreadyRunningError, Daemon
from mosaicd.errors import CorruptStateError, MosaicdError, SettingsError
from mosaicd.intake.names import APPEARANCE_FILE, DEFAULT_LIBRARY
from mosaicd.jobs.originals import Folders, reason_path
from mosaicd.jobs.queue import JobQueue, rejected_jobs_named
from mosaicd.logs import complain, configure_logs
from mosaicd.media.files import move_aside, one_line, printable, signature
from mosaicd.settings import Settings, load_settings, settings_file
from mosaicd.status import counted
from mosaicd.store.database import Database
from mosaicd.store.libraries import find_library, library_facts
from mosaicd.store.models import Job, Library, Mosaic, Source

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

Root = Annotated[
    Path | None, typer.Option("--root", readable=False, help="The folder with inbox and outbox.")
]
Config = Annotated[
    Path | None, typer.Option("--config", readable=False, help="The TOML file to read settings from.")
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Any setting; may be given more than once."),
]


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
    settings = _load(root, config, sets)
    configure_logs(settings.log_format, settings.log_level)
    try:
        daemon = Daemon(settings, lambda: _load(root, config, sets))
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
def check(root: Root = None, config: Config = None, sets: Sets = None) -> None:
    """Say what is right and what is wrong with the configuration and the machine."""
    settings = _load(root, config, sets)
    file = config or settings_file()
    typer.echo(f"{'ok':8}settings: {_shown(file) if file else 'defaults, there is no configuration file'}")
    findings = list(checks.findings(settings))
    for finding in findings:
        typer.echo(f"{finding.mark:8}{finding.text}")
    raise typer.Exit(EXIT_FAILED if any(finding.is_problem for finding in findings) else 0)


@app.command()
def status(
    root: Root = None,
    config: Config = None,
    sets: Sets = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Show libraries, queue, running jobs, last mosaics and last rejections."""
    settings = _load(root, config, sets)
    with _store(settings) as database:
        facts = reports.gather(database, settings)
    typer.echo(json.dumps(facts, indent=2) if as_json else reports.in_words(facts))


@app.command()
def libraries(root: Root = None, config: Config = None, sets: Sets = None) -> None:
    """List the libraries."""
    with _store(_load(root, config, sets)) as database, database.read() as session:
        lines = [
            f"{facts.name}: {counted(facts.tiles, 'tile')} from {counted(facts.sources, 'source')},"
            f" {counted(facts.mosaics, 'mosaic')}"
            for facts in library_facts(session)
        ]
    _echo_lines(lines, otherwise="there are no libraries yet: drop a film into the inbox")


@app.command()
def sources(
    library: Annotated[str, typer.Argument(help="The library's name.")],
    root: Root = None,
    config: Config = None,
    sets: Sets = None,
    remove: Annotated[
        str | None,
        typer.Option("--remove", help="Take this source (its number or name) and its tiles out of use."),
    ] = None,
) -> None:
    """List a library's sources, or take one out of use."""
    from mosaicd.store.tiles import remove_source, sources_of

    with _store(_load(root, config, sets)) as database:
        if remove is None:
            with database.read() as session:
                lines = [_in_words(each) for each in sources_of(session, _library(session, library).id)]
            _echo_lines(lines, otherwise=f"library {library} has no sources")
            return
        with database.write() as session:
            named = [
                source
                for source in sources_of(session, _library(session, library).id)
                if remove in (str(source.id), source.name, printable(source.name))
            ]
            source = _the_one(named, "source", remove)
            count = remove_source(session, source, now=time.time())
        typer.echo(
            f"{printable(source.name)}: {counted(count, 'tile')} out of use;"
            " drop the file again to have them back"
        )


@app.command()
def penalties(
    library: Annotated[str, typer.Argument(help="The library's name.")],
    root: Root = None,
    config: Config = None,
    sets: Sets = None,
    *,
    reset: Annotated[bool, typer.Option("--reset", help="Let no earlier use count any more.")] = False,
    undo: Annotated[
        str | None, typer.Option("--undo", help="Take back the charges of this mosaic (its number or name).")
    ] = None,
) -> None:
    """Show a library's penalty history, forget it, or take one mosaic out of it."""
    from mosaicd.store.mosaics import find_mosaic, reset_penalties, undo_charges

    if reset and undo is not None:
        message = "give --reset or --undo, not both"
        raise SettingsError(message)
    with _store(_load(root, config, sets)) as database:
        if reset:
            with database.write() as session:
                reset_penalties(_library(session, library), now=time.time())
            typer.echo(f"no earlier use counts any more in library {library}")
        elif undo is not None:
            with database.write() as session:
                found = find_mosaic(session, _library(session, library).id, undo)
                mosaic = _the_one([found] if found else [], "mosaic", undo)
                was_undone = mosaic.charges_undone_at is not None
                count = undo_charges(session, mosaic, now=time.time())
            what = "were taken back before" if was_undone else f"of {counted(count, 'tile')} are taken back"
            typer.echo(f"{printable(mosaic.stem)}: its uses {what}")
        else:
            with database.read() as session:
                lines = _charges_in_words(session, _library(session, library))
            _echo_lines(lines, otherwise=f"no tile of library {library} has been used yet")


@app.command()
def retry(
    name: Annotated[str, typer.Argument(help="The rejected file: its path in the inbox, or its name.")],
    root: Root = None,
    config: Config = None,
    sets: Sets = None,
) -> None:
    """Put a rejected file back into the inbox and try it again."""
    settings = _load(root, config, sets)
    folders = settings.folders
    with _store(settings) as database:
        with database.read() as session:
            job = _the_one(list(rejected_jobs_named(session, name)), "rejected file", name)
        _put_back(job, folders)
        looks = signature(folders.inbox / job.path)
        if looks is None:
            message = (
                f"{printable(job.path)} is neither in {folders.rejected} nor in {folders.inbox} any more"
            )
            raise MosaicdError(message)
        JobQueue(database).revive(job.id, looks, now=time.time())
    typer.echo(f"{printable(job.path)} is queued again")


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
        list[str] | None, typer.Option("--part", help="suspects or penalties; default: both.")
    ] = None,
) -> None:
    """Find out on a library why a search by mean colour makes freckles, and what a penalty costs."""
    from mosaicd.studies.needed import require_study_libraries

    require_study_libraries()
    from mosaicd.studies.study import parts_named, run_study

    chosen = parts_named(parts or [])
    settings = _load(root, config, sets)
    with _store(settings) as database:
        with database.read() as session:
            found = _library(session, library)
        written = run_study(
            database,
            found,
            photos=photos or [],
            folder=out,
            parts=chosen,
            tile_limit=tiles,
            photo_pixels_limit=settings.photo_pixels_limit,
            appearance=settings.appearance(library),
            say=lambda doing: typer.echo(doing, err=True),
        )
    _echo_lines([_shown(path) for path in written], otherwise="nothing was studied")


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
        with _store(_load(root, config, sets)) as database:
            with database.read() as session:
                library_id = _library(session, library).id
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

    settings = _load(root, config, sets)
    inbox = settings.folders.inbox
    if out.resolve().is_relative_to(inbox.resolve()):
        message = f"--out lies in the inbox ({_shown(inbox)}): what is written would be taken for input"
        raise SettingsError(message)
    points = points_named(at or [])
    with _store(settings) as database, database.read() as session:
        number = _library(session, library).id
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
    _echo_lines([_shown(path) for path in run_compare(wish, say)], otherwise="nothing was compared")


@app.callback(invoke_without_command=True)
def _version(
    *, version: Annotated[bool, typer.Option("--version", help="Show the version and end.")] = False
) -> None:
    if version:
        typer.echo(f"mosaicd {__version__}")
        raise typer.Exit


def _put_back(job: Job, folders: Folders) -> None:
    """Move a rejected original back to the inbox, unless a file stands there; take its reason away."""
    original = folders.inbox / job.path
    rejected = Path(job.moved_to) if job.moved_to is not None else folders.rejected / job.path
    try:
        if job.moved_to is not None and os.path.lexists(rejected) and not os.path.lexists(original):
            move_aside(rejected, original)
        if not os.path.lexists(rejected):
            reason_path(rejected).unlink(missing_ok=True)
    except OSError as error:
        message = f"{printable(job.path)} cannot be moved back to {folders.inbox}: {error.strerror}"
        raise MosaicdError(message) from error


def _in_words(source: Source) -> str:
    skipped = source.skipped_black + source.skipped_blank + source.skipped_repeated
    return (
        f"{source.id}: {printable(source.name)}: {counted(source.tiles_made, 'tile')}"
        f" from {counted(source.next_sample, 'frame')}, {counted(skipped, 'crop')} skipped"
        + (f"; {source.shortfall}" if source.shortfall else "")
    )


def _charges_in_words(session: Session, library: Library) -> list[str]:
    from mosaicd.store.mosaics import charges

    reset_at = library.penalties_reset_at or 0.0
    return [
        f"{charge.mosaic}: {printable(charge.stem)}:"
        f" {counted(charge.uses, 'use')} of {counted(charge.tiles, 'tile')}"
        + (", forgotten" if session.get_one(Mosaic, charge.mosaic).created_at <= reset_at else "")
        for charge in charges(session, library.id)
    ]


def _echo_lines(lines: list[str], *, otherwise: str) -> None:
    for line in lines or [otherwise]:
        typer.echo(line)


def _shown(path: Path) -> str:
    return one_line(str(path))


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
        message = f"there is no database yet at {path}: start `mosaicd run` first, or name its --root"
        raise MosaicdError(message)
    database = Database(path)
    try:
        database.require_current()
        yield database
    finally:
        database.close()


def _library(session: Session, name: str) -> Library:
    library = find_library(session, name)
    if library is None:
        message = f"there is no library {name!r}; `mosaicd libraries` lists them"
        raise MosaicdError(message)
    return library


def _the_one(found: list[Any], what: str, name: str) -> Any:  # noqa: ANN401
    if len(found) == 1:
        return found[0]
    message = f"there is no {what} {name!r}"
    if found:
        message = f"{counted(len(found), what)} are called {name!r}: name one fully"
    raise MosaicdError(message)


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
