"""The benchmark of matching: time, memory and what is found, against exhaustive search, plain loops and FAISS."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from mosaicd.errors import SettingsError
from mosaicd.imaging import PixelArray
from mosaicd.matching.search import THREADS
from mosaicd.pipelines.appearance import Engine
from mosaicd.studies.bench_material import TILE_RECIPE, library_tiles, made_up_tiles, portrait_cells
from mosaicd.studies.bench_report import write_figures
from mosaicd.studies.contests import OURS, Answer, Side, contest
from mosaicd.studies.machine import Cost, measure, this_machine

__all__ = ["compete", "counts_in", "engines_in", "library_tiles", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one side's rounds gave.

    Attributes
    ----------
    engine : str
    tiles, cells : int
    side, work : str
    timed_cells : int
        Where fewer than `cells`, seconds are scaled up.
    seconds, processor_seconds : float
        For all cells, median of the rounds.
    ratio : float
        What mosaicd took of this side's time, median of the rounds' ratios.
    lowest_ratio, highest_ratio : float
    best_share : float or None
        Share of the cells for which it found the engine's best tile of all, or one as good; None where it does
        only part of the work.
    certified_share : float or None
    peak_megabytes : float or None
        Memory beyond that for tiles and cells themselves.
    """

    engine: str
    tiles: int
    cells: int
    side: str
    work: str
    timed_cells: int
    seconds: float
    processor_seconds: float
    ratio: float
    lowest_ratio: float
    highest_ratio: float
    best_share: float | None
    certified_share: float | None
    peak_megabytes: float | None


def counts_in(text: str) -> list[int]:
    """Numbers of tiles, from a list with commas.

    Raises
    ------
    SettingsError
        If they are none.
    """
    counts = [int(part) if part.strip().isdecimal() else 0 for part in text.split(",")]
    if 0 in counts:
        message = f"--tiles wants numbers from 1 on with commas between them, not {text!r}"
        raise SettingsError(message)
    return counts


def engines_in(text: str) -> list[Engine]:
    """Engines, from a list with commas.

    Raises
    ------
    SettingsError
        If there is no such engine.
    """
    names = [part.strip() for part in text.split(",")]
    unknown = [name for name in names if name not in list(Engine)]
    if unknown:
        message = f"--engines: there is no engine {unknown[0]!r}, only {', '.join(Engine)}"
        raise SettingsError(message)
    return [Engine(name) for name in names]


def run(
    *,
    counts: Sequence[int],
    cells: int,
    engines: Sequence[Engine],
    rounds: int,
    library: PixelArray | None,
    json_file: Path | None,
    say: Callable[[str], None],
) -> None:
    """Run the benchmark and print its table.

    Parameters
    ----------
    counts : sequence of int
        Of tiles.
    cells : int
    engines : sequence of Engine
    rounds : int
    library : ndarray of uint8, shape (N, 5, 5, 3), or None
        Tiles to take; counts beyond it are cut to it. By default tiles are made up.
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
    recipe = TILE_RECIPE if library is None else "a library's"
    queries = portrait_cells(cells)
    outcomes: list[Outcome] = []
    for count in dict.fromkeys(count if library is None else min(count, len(library)) for count in counts):
        tiles = made_up_tiles(count) if library is None else library[:count]
        for engine in engines:
            say(f"{engine} engine, {count:,} tiles, {cells:,} cells")
            outcomes += compete(engine, tiles, queries, rounds=rounds)
    if json_file is not None:
        content = {
            "tile_recipe": recipe,
            "rounds": rounds,
            "outcomes": [asdict(each) for each in outcomes],
        }
        write_figures(json_file, machine, content)
    console = Console()
    for table in tables(outcomes):
        console.print(table)
    console.print(
        f"{machine}. {rounds} rounds, in which the sides take turns: median seconds, and what share of a side's "
        f"time mosaicd takes (lowest to highest). {THREADS} threads for mosaicd and FAISS. Where a side does only "
        "some cells, its seconds are scaled up. best: share of cells with the best tile of all. MB: most memory "
        f"beside tiles and cells. Tiles: {recipe}. Cells: a portrait's."
    )


def compete(engine: Engine, tiles: PixelArray, cells: PixelArray, *, rounds: int) -> list[Outcome]:
    """Let all sides of one engine's work take turns.

    Parameters
    ----------
    engine : Engine
    tiles, cells : ndarray of uint8, shape (N, 5, 5, 3)
        Sub-cells.
    rounds : int
    """
    work = contest(engine, tiles, cells)
    costs: dict[str, list[Cost]] = {side.name: [] for side in work.sides}
    answers: dict[str, Answer] = {}
    for _ in range(rounds):
        for side in work.sides:
            answers[side.name], cost = measure(side.find)
            costs[side.name].append(cost)
    outcomes = []
    for side in work.sides:
        asked, answer = np.arange(len(cells)) if side.cells is None else side.cells, answers[side.name]
        outcomes.append(
            _outcome(
                engine,
                side,
                tiles=len(tiles),
                cells=len(cells),
                ours=costs[OURS],
                mine=costs[side.name],
                certified_share=answer.certified_share,
                is_missed=None if answer.tiles is None else work.is_missed(answer.tiles, asked),
            )
        )
    return outcomes


def _outcome(
    engine: Engine,
    side: Side,
    *,
    tiles: int,
    cells: int,
    ours: Sequence[Cost],
    mine: Sequence[Cost],
    certified_share: float | None,
    is_missed: NDArray[np.bool_] | None,
) -> Outcome:
    timed = cells if side.cells is None else len(side.cells)
    scale = cells / timed
    ratios = [one.seconds / (other.seconds * scale) for one, other in zip(ours, mine, strict=True)]
    peaks = [cost.peak_megabytes for cost in mine if cost.peak_megabytes is not None]
    return Outcome(
        engine=engine.value,
        tiles=tiles,
        cells=cells,
        side=side.name,
        work=side.work,
        timed_cells=timed,
        seconds=median(cost.seconds for cost in mine) * scale,
        processor_seconds=median(cost.processor_seconds for cost in mine) * scale,
        ratio=median(ratios),
        lowest_ratio=min(ratios),
        highest_ratio=max(ratios),
        best_share=None if is_missed is None else float(1 - is_missed.mean()),
        certified_share=certified_share,
        peak_megabytes=max(peaks, default=None),
    )


def tables(outcomes: Sequence[Outcome]) -> list[Table]:
    """The outcomes as tables, one for each engine and number of tiles."""
    shown: dict[tuple[str, int], Table] = {}
    for each in outcomes:
        key = each.engine, each.tiles
        if key not in shown:
            shown[key] = _empty_table(f"{each.engine}: {each.tiles:,} tiles, {each.cells:,} cells")
        scaled = f" (of {each.timed_cells} cells)" if each.timed_cells < each.cells else ""
        ratio = f"{each.ratio:.2g} ({each.lowest_ratio:.2g}-{each.highest_ratio:.2g})"
        shown[key].add_row(
            f"{each.side}{scaled}",
            each.work,
            f"{each.seconds:.2f}",
            "" if each.side == OURS else ratio,
            "" if each.best_share is None else f"{each.best_share:.2%}",
            "" if each.certified_share is None else f"{each.certified_share:.1%}",
            "" if each.peak_megabytes is None else f"{each.peak_megabytes:.0f}",
        )
    return list(shown.values())


def _empty_table(title: str) -> Table:
    table = Table(title=title)
    for heading in ("side", "finds"):
        table.add_column(heading)
    for heading in ("seconds", "mosaicd takes", "best", "certified", "MB"):
        table.add_column(heading, justify="right")
    return table
