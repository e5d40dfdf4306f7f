"""The benchmark of size: how time and memory grow with the library, against FAISS's exhaustive search."""

import gc
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

from mosaicd.imaging import PixelArray
from mosaicd.imaging.descriptors import describe
from mosaicd.matching.engine import Rules
from mosaicd.matching.perceptual import PerceptualEngine
from mosaicd.matching.search import THREADS
from mosaicd.pipelines.appearance import Appearance
from mosaicd.studies import index_bench
from mosaicd.studies.bench_material import TILE_RECIPE, made_up_tiles, portrait_cells
from mosaicd.studies.bench_report import write_figures
from mosaicd.studies.contests import faiss_side
from mosaicd.studies.index_bench import BEST, SHARE_LIMIT, Growth, grow
from mosaicd.studies.machine import measure, this_machine

BYTES_LIMIT = 450
"""What a tile is to take of memory, beyond what a small library takes."""

_LOADED_AT_ONCE = 10_000
_ADDED, _ADDITIONS = 1000, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What a library of one size gave.

    Attributes
    ----------
    tiles : int
    seconds : float
        Finding the nearest tiles of all cells; median of the rounds.
    faiss_seconds : float or None
        The same by FAISS, in the same rounds; None where it is not installed.
    ratio : float or None
        What mosaicd took of that, median of the rounds' ratios.
    peak_megabytes : float or None
        Of making the engine from sub-cells and choosing with it, beyond the process and the sub-cells.
    growth : Growth
    """

    tiles: int
    seconds: float
    faiss_seconds: float | None
    ratio: float | None
    peak_megabytes: float | None
    growth: Growth


def run(
    *,
    counts: Sequence[int],
    cells: int,
    rounds: int,
    json_file: Path | None,
    say: Callable[[str], None],
) -> None:
    """Run the benchmark and print its table.

    Parameters
    ----------
    counts : sequence of int
        Of tiles.
    cells, rounds : int
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
    asked = portrait_cells(cells)
    sizes = []
    for count in sorted(set(counts)):
        say(f"{count:,} tiles, {cells:,} cells")
        sizes.append(examine(count, asked, rounds=rounds))
    bytes_a_tile = _bytes_a_tile(sizes)
    if json_file is not None:
        content = {
            "tile_recipe": TILE_RECIPE,
            "cells": cells,
            "rounds": rounds,
            "bytes_a_tile": bytes_a_tile,
            "bytes_limit": BYTES_LIMIT,
            "share_limit": SHARE_LIMIT,
            "sizes": [asdict(size) for size in sizes],
        }
        write_figures(json_file, machine, content)
    console = Console()
    console.print(_table(sizes))
    if bytes_a_tile is not None:
        console.print(
            f"Memory: {bytes_a_tile:.0f} bytes a tile between the smallest and the largest library (limit "
            f"{BYTES_LIMIT}), beyond {sizes[0].peak_megabytes:.0f} MB for {sizes[0].tiles:,}."
        )
    console.print(
        f"{machine}. {rounds} rounds, in which the sides take turns: median seconds to find the {BEST} nearest "
        f"tiles of {cells:,} cells, {THREADS} threads each. exponent: of the library's growth since the line "
        f"above, by which the time grew (1: as fast as the library). adding: {_ADDED:,} tiles, until they are "
        f"found, against building anew (wanted where there are a million: at most {SHARE_LIMIT:.0%}). Tiles: "
        f"{TILE_RECIPE}."
    )


def examine(count: int, cells: PixelArray, *, rounds: int) -> Size:
    """Measure a library of `count` tiles; `cells` are sub-cells, shape (N, 5, 5, 3)."""
    growth = grow(
        made_up_tiles(count + _ADDED * _ADDITIONS), added=_ADDED, additions=_ADDITIONS, cells=len(cells)
    )
    tiles = made_up_tiles(count)
    gc.collect()
    _, cost = measure(lambda: _choose(tiles, cells))
    index, described = index_bench.built(tiles), describe(cells)
    rivals = list(
        faiss_side(
            index.weighted(np.arange(count, dtype=np.int32)),
            described * index.weights,
            count=min(BEST, count),
            work="",
        )
    )
    mine, theirs = [], []
    for _ in range(rounds):
        mine.append(measure(lambda: index.nearest(described, count=BEST))[1].seconds)
        theirs += [measure(rival.find)[1].seconds for rival in rivals]
    return Size(
        tiles=count,
        seconds=median(mine),
        faiss_seconds=median(theirs) if theirs else None,
        ratio=median(one / other for one, other in zip(mine, theirs, strict=True)) if theirs else None,
        peak_megabytes=cost.peak_megabytes,
        growth=growth,
    )


def _choose(tiles: PixelArray, cells: PixelArray) -> None:
    """What a worker does that starts with this library: load it, and choose a tile for each cell."""
    looks = Appearance()
    engine = PerceptualEngine(color_correction=looks.color_correction)
    for first in range(0, len(tiles), _LOADED_AT_ONCE):
        batch = tiles[first : first + _LOADED_AT_ONCE]
        engine.add(np.arange(first, first + len(batch)), batch)
    engine.choose(
        cells,
        shape=(1, len(cells)),
        past_appearances=np.zeros(len(tiles), np.float32),
        rules=Rules(**{field.name: getattr(looks, field.name) for field in fields(Rules)}),
    )


def _bytes_a_tile(sizes: Sequence[Size]) -> float | None:
    """What each tile takes of memory beyond the smallest library; None where that cannot be told."""
    smallest, largest = sizes[0], sizes[-1]
    if smallest.peak_megabytes is None or largest.peak_megabytes is None or len(sizes) == 1:
        return None
    return (largest.peak_megabytes - smallest.peak_megabytes) * 1e6 / (largest.tiles - smallest.tiles)


def _table(sizes: Sequence[Size]) -> Table:
    table = Table()
    table.add_column("tiles", justify="right", no_wrap=True)
    for heading in ("mosaicd", "exponent", "FAISS", "exponent", "mosaicd takes", "MB", "adding"):
        table.add_column(heading, justify="right")
    for before, size in zip([None, *sizes], sizes, strict=False):
        table.add_row(
            f"{size.tiles:,}",
            f"{size.seconds:.2f} s",
            "" if before is None else _exponent(before.tiles, before.seconds, size.tiles, size.seconds),
            "" if size.faiss_seconds is None else f"{size.faiss_seconds:.2f} s",
            ""
            if before is None or before.faiss_seconds is None or size.faiss_seconds is None
            else _exponent(before.tiles, before.faiss_seconds, size.tiles, size.faiss_seconds),
            "" if size.ratio is None else f"{size.ratio:.2f}",
            "" if size.peak_megabytes is None else f"{size.peak_megabytes:.0f}",
            f"{size.growth.addition_seconds * 1000:.0f} ms ({size.growth.share:.1%})",
        )
    return table


def _exponent(tiles: int, seconds: float, more_tiles: int, more_seconds: float) -> str:
    return f"{math.log(more_seconds / seconds) / math.log(more_tiles / tiles):.2f}"
