"""The study: why the KD-tree on mean colours made freckles, and what a penalty costs; with figures."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path

from rich.console import Console

from mosaicd.errors import MosaicdError, SettingsError
from mosaicd.pipelines.appearance import Appearance
from mosaicd.store.database import Database
from mosaicd.store.models import Library
from mosaicd.studies import tables
from mosaicd.studies.charts import draw
from mosaicd.studies.frontier import frontier, read_peers
from mosaicd.studies.frontier_report import Frontier, our_table, peer_table, write_frontier
from mosaicd.studies.material import Target, Tiles, photo_files, read_target, read_tiles
from mosaicd.studies.penalty_steps import penalty_outcomes
from mosaicd.studies.suspects import examine, guilt, pictures
from mosaicd.studies.tables import Study

_PAGE_COLUMNS = 110
"""Where tables are written to a file or a pipe, which have no edge."""

_BY_DEFAULT = ("suspects", "penalties")


class Part(StrEnum):
    """What can be studied."""

    SUSPECTS = "suspects"
    PENALTIES = "penalties"
    FRONTIER = "frontier"


def run_study(
    database: Database,
    library: Library,
    *,
    photos: Sequence[Path],
    folder: Path,
    parts: Sequence[Part],
    tile_limit: int | None,
    peers: Path | None,
    photo_pixels_limit: int,
    appearance: Appearance,
    say: Callable[[str], None],
) -> list[Path]:
    """Study a library; the paths of tables and plots.

    Parameters
    ----------
    database : Database
    library : Library
    photos : sequence of Path
        By default those that scikit-image brings along.
    folder : Path
        Where tables and plots go; made if it is missing.
    parts : sequence of Part
    tile_limit : int or None
        Use so many of the library's tiles.
    peers : Path or None
        Figures of other makers' mosaics of the first photo, for the frontier.
    photo_pixels_limit : int
    appearance : Appearance
        How many cells, and what the default engine is compared with.
    say : callable
        Told what is being done.

    Raises
    ------
    MosaicdError
        If there are no tiles, a photo cannot be read, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        say(f"reading the tiles of library {library.name}")
        tiles = read_tiles(database, library.id, limit=tile_limit)
        targets = [
            read_target(
                name,
                file,
                photo_pixels_limit=photo_pixels_limit,
                cells_on_long_side=appearance.cells_on_long_side,
            )
            for name, file in photo_files(photos).items()
        ]
        study = _studied(library.name, tiles, targets, parts, appearance, say)
        _print(study)
        written = [*tables.write_files(study, folder), *draw(study, folder)]
        if Part.FRONTIER in parts:
            written += _frontier(targets[0], tiles, appearance, peers, folder, say)
        return written
    except OSError as error:
        message = f"the study cannot be written to {folder}: {error.strerror}"
        raise MosaicdError(message) from error


def parts_named(names: Sequence[str]) -> list[Part]:
    """The parts of these names; where none is named, what an article asked.

    Raises
    ------
    SettingsError
        If there is no such part.
    """
    for name in names:
        if name not in set(Part):
            message = f"--part should be {' or '.join(Part)}, not {name!r}"
            raise SettingsError(message)
    return [Part(name) for name in names or _BY_DEFAULT]


def _studied(
    name: str,
    tiles: Tiles,
    targets: Sequence[Target],
    parts: Sequence[Part],
    appearance: Appearance,
    say: Callable[[str], None],
) -> Study:
    recalls, outcomes, penalties = [], [], []
    if Part.SUSPECTS in parts:
        for target in targets:
            say(f"comparing {target.grid.cells:,} cells of {target.name} with {len(tiles.squares):,} tiles")
            ranked, made = examine(target, tiles)
            recalls += ranked
            outcomes += made
    if Part.PENALTIES in parts:
        say(f"making mosaics of {targets[0].name} with growing penalties")
        penalties = list(penalty_outcomes(targets[0], tiles, appearance))
    return Study(
        library=name,
        tiles=len(tiles.squares),
        cells={target.name: target.grid.cells for target in targets},
        flat_shares={target.name: float(target.is_flat.mean()) for target in targets},
        recalls=recalls,
        outcomes=outcomes,
        guilt=list(guilt(outcomes, tile_count=len(tiles.squares))) if outcomes else [],
        penalties=penalties,
        pictures=pictures(outcomes, tiles, targets[0]) if outcomes else {},
    )


def _frontier(
    target: Target,
    tiles: Tiles,
    appearance: Appearance,
    peers: Path | None,
    folder: Path,
    say: Callable[[str], None],
) -> list[Path]:
    others = [] if peers is None else read_peers(peers, target.name)
    say(f"making mosaics of {target.name} by many settings")
    found = Frontier(
        photo=target.name,
        tiles=len(tiles.squares),
        cells=target.grid.cells,
        ours=list(frontier(target, tiles, appearance)),
        peers=others,
    )
    console = _console()
    console.print(our_table(found))
    if others:
        console.print(peer_table(found))
    return write_frontier(found, folder)


def _console() -> Console:
    console = Console()
    if not console.is_terminal:
        console.width = _PAGE_COLUMNS
    return console


def _print(study: Study) -> None:
    console = _console()
    if study.recalls:
        console.print(tables.recall_table(study.recalls))
        console.print(tables.outcome_table(study.outcomes))
        console.print(tables.guilt_table(study.guilt))
    if study.penalties:
        console.print(tables.penalty_table(study.penalties))
