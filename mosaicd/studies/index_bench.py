"""The benchmark of the index: what growing costs against building anew, and what many parts cost against one."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median

import numpy as np
from rich.console import Console
from rich.table import Table

from mosaicd.imaging import PixelArray
from mosaicd.imaging.descriptors import describe
from mosaicd.matching.index import TileIndex
from mosaicd.matching.toning import column_weights
from mosaicd.pipelines.appearance import Appearance
from mosaicd.studies.bench_material import TILE_RECIPE, made_up_tiles, portrait_cells
from mosaicd.studies.bench_report import write_figures
from mosaicd.studies.machine import measure, this_machine

BEST = 64
SHARE_LIMIT, QUERIES_LIMIT = 0.02, 1.3
"""What adding a thousand tiles to a million is to take of building anew; and queries thereafter of those before."""

_DESCRIBED_AT_ONCE = 20_000
_REBUILDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What growing has cost.

    Attributes
    ----------
    tiles, added, additions : int
        To so many tiles, so many were added so many times.
    build_seconds : float
        Describing all tiles and making an index of them that can be asked; median.
    addition_seconds, worst_addition_seconds : float
        The same for what is added, found at once; mean and worst.
    share : float
        What an addition took of building anew, by the mean.
    queries : float
        How long the grown index took to be asked, against one of the same tiles in one part; median.
    """

    tiles: int
    added: int
    additions: int
    build_seconds: float
    addition_seconds: float
    worst_addition_seconds: float
    share: float
    queries: float


def run(
    *,
    tiles: int,
    added: int,
    additions: int,
    cells: int,
    json_file: Path | None,
    say: Callable[[str], None],
) -> None:
    """Run the benchmark and print its table.

    Parameters
    ----------
    tiles, added, additions : int
        To so many tiles, so many are added so many times.
    cells : int
    json_file : Path or None
        Where to write the figures as well.
    say : callable
        Is told what is being done.

    Raises
    ------
    MosaicdError
        If the file cannot be written.
    """
    machine = this_machine()
    say(f"{additions:,} times {added:,} tiles to {tiles:,}")
    found = grow(made_up_tiles(tiles + added * additions), added=added, additions=additions, cells=cells)
    if json_file is not None:
        content = {
            "tile_recipe": TILE_RECIPE,
            "share_limit": SHARE_LIMIT,
            "queries_limit": QUERIES_LIMIT,
            **asdict(found),
        }
        write_figures(json_file, machine, content)
    table = Table()
    for heading in ("tiles", "building", "adding", "worst", "adding / building", "queries"):
        table.add_column(heading, justify="right")
    table.add_row(
        f"{tiles:,} + {additions:,} x {added:,}",
        f"{found.build_seconds:.2f} s",
        f"{found.addition_seconds * 1000:.1f} ms",
        f"{found.worst_addition_seconds * 1000:.1f} ms",
        f"{found.share:.2%}",
        f"{found.queries:.2f}",
    )
    console = Console()
    console.print(table)
    console.print(
        f"{machine}. building: describing all tiles, and the first answer, median of {_REBUILDS}; adding: the "
        "same for those that are added, mean of all, those included at which parts of the index are made anew; "
        f"wanted is at most {SHARE_LIMIT:.0%} of building where a thousand are added to a million. queries: time "
        f"to find the {BEST} nearest tiles of {cells:,} cells once all are added, against one part made anew; "
        f"wanted is at most {QUERIES_LIMIT:g}. Tiles: {TILE_RECIPE}."
    )


def grow(tiles: PixelArray, *, added: int, additions: int, cells: int) -> Growth:
    """Make an index of all but the last `added` x `additions` tiles, add those, and compare with building anew.

    Parameters
    ----------
    tiles : ndarray of uint8, shape (N, 5, 5, 3)
        Sub-cells.
    added, additions : int
    cells : int
        How many are asked for their nearest.
    """
    start = len(tiles) - added * additions
    index = built(tiles[:start])
    adding, building = [], []
    for number in range(additions):
        first = start + number * added

        def add(first: int = first) -> None:
            _add(index, tiles, slice(first, first + added))

        adding.append(measure(add)[1].seconds)
        if number % -(-additions // _REBUILDS) == 0:
            building.append(measure(lambda first=first: built(tiles[:first]))[1].seconds)  # type: ignore[misc]
    single, queries = built(tiles), describe(portrait_cells(cells))
    ratios = []
    for _ in range(_REBUILDS):
        grown, one = (
            measure(lambda asked=asked: asked.nearest(queries, count=BEST))[1].seconds  # type: ignore[misc]
            for asked in (index, single)
        )
        ratios.append(grown / one)
    return Growth(
        tiles=start,
        added=added,
        additions=additions,
        build_seconds=median(building),
        addition_seconds=mean(adding),
        worst_addition_seconds=max(adding),
        share=mean(adding) / median(building),
        queries=median(ratios),
    )


def built(tiles: PixelArray) -> TileIndex:
    """An index of tiles' sub-cells, shape (N, 5, 5, 3), that has been asked once."""
    index = TileIndex(column_weights(Appearance().color_correction))
    _add(index, tiles, slice(0, len(tiles)))
    return index


def _add(index: TileIndex, tiles: PixelArray, batch: slice) -> None:
    """Describe and add some tiles, as a library's are, and ask for one."""
    for first in range(batch.start, batch.stop, _DESCRIBED_AT_ONCE):
        numbers = np.arange(first, min(first + _DESCRIBED_AT_ONCE, batch.stop))
        index.add(numbers, describe(tiles[numbers[0] : numbers[-1] + 1]))
    index.nearest(describe(tiles[:1]), count=1)
