"""The commands that find out how mosaics come out."""

import time
from pathlib import Path
from typing import Annotated

import typer

from mosaicd.command_line import (
    Config,
    Root,
    Sets,
    echo_lines,
    library_names,
    open_store,
    require_library,
    settings_from,
    shown,
)
from mosaicd.errors import SettingsError
from mosaicd.intake.names import APPEARANCE_FILE, DEFAULT_LIBRARY


def study(
    library: Annotated[
        str, typer.Option("--library", autocompletion=library_names, help="Whose tiles to study.")
    ],
    out: Annotated[Path, typer.Option("--out", help="A folder for tables and plots.")],
    photos: Annotated[
        list[Path] | None, typer.Argument(help="Photos; default: a portrait, a cat and a mug.")
    ] = None,
    root: Root = None,
    config: Config = None,
    sets: Sets = None,
    tiles: Annotated[
        int | None,
        typer.Option("--tiles", min=2, help="Use so many tiles, chosen at random; default: all."),
    ] = None,
    parts: Annotated[
        list[str] | None,
        typer.Option(
            "--part",
            help="suspects, penalties or frontier; may be given more than once; default: the first two.",
        ),
    ] = None,
    peers: Annotated[
        Path | None,
        typer.Option("--peers", readable=False, help="Other makers' figures to set the frontier beside."),
    ] = None,
) -> None:
    """Find out what makes mosaics close, freckled or repetitive."""
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


def compare(
    photo: Annotated[Path, typer.Argument(help="The photo, of any kind that could be dropped.")],
    library: Annotated[
        str,
        typer.Option("--library", autocompletion=library_names, help="Whose tiles and settings to use."),
    ],
    out: Annotated[Path, typer.Option("--out", help="A folder for mosaics, contact sheet and tables.")],
    root: Root = None,
    config: Config = None,
    sets: Sets = None,
    engines: Annotated[
        str,
        typer.Option("--engines", metavar="NAME,NAME", help="Only these; default: all."),
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
    """Make a photo's mosaic by every engine, side by side."""
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


def _require_outside(inbox: Path, out: Path) -> None:
    """Raise SettingsError if what is written to `out` would be taken for input."""
    if out.resolve().is_relative_to(inbox.resolve()):
        message = f"--out lies in the inbox ({shown(inbox)}): what is written would be taken for input"
        raise SettingsError(message)
