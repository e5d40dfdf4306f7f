"""What a growing penalty does to closeness and repetition: the experiment of the mean-color-ssim program's author.

Run with ``python -m tests.benchmarks.penalty_steps``. Tiles are varied squares of scikit-image's photos, or the
squares in a NumPy file of shape (N, edge, edge, 3), uint8 (``--tiles FILE``). ``--plot FILE`` draws the figures, if
matplotlib is installed.
"""

import argparse
import importlib.util
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mosaicd.imaging import PixelArray
from mosaicd.imaging.descriptors import SUBCELLS, subcells
from mosaicd.imaging.figures import Closeness, Repetition, closeness, repetition
from mosaicd.imaging.grid import CellGrid
from mosaicd.imaging.rendering import render
from mosaicd.matching.codebox import CodeboxEngine
from mosaicd.matching.engine import Engine
from mosaicd.matching.mean_color_ssim import MeanColorSsimEngine
from mosaicd.matching.perceptual import PerceptualEngine
from mosaicd.pipelines.appearance import Appearance
from tests.libraries import photo, varied_squares
from tests.photo_cells import rules

STEPS = (0.0, 0.03, 0.05, 0.15)
ARTICLE = "mean-color-ssim"
_TILE_EDGE_PIXELS = 20
_COUNT, _CELLS_ON_LONG_SIDE = 5000, 81


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One mosaic's figures."""

    engine: str
    step: float
    similarity: float
    closeness: Closeness
    repetition: Repetition
    seconds: float


def measured(
    engine: Engine, *, name: str, step: float, squares: PixelArray, photo: PixelArray, grid: CellGrid
) -> Row:
    """Make a mosaic of `photo` from `squares`, shape (N, edge, edge, 3), and measure it."""
    engine.add(np.arange(len(squares)), subcells(squares))
    start = time.perf_counter()
    chosen = engine.choose(
        grid.cut(grid.sample(photo, pixels_a_cell=SUBCELLS)),
        shape=(grid.rows, grid.columns),
        past_appearances=np.zeros(len(squares), np.float32),
        rules=rules(penalty_step=step),
    )
    seconds = time.perf_counter() - start
    mosaic = render(
        ((tile, squares[tile]) for tile in np.unique(chosen.tiles).tolist()),
        tiles=chosen.tiles,
        mirrored=chosen.mirrored,
        corrections=chosen.corrections,
        tile_edge_pixels=_TILE_EDGE_PIXELS,
    )
    return Row(
        engine=name,
        step=step,
        similarity=chosen.mean_similarity,
        closeness=closeness(mosaic, photo, grid),
        repetition=repetition(chosen.tiles),
        seconds=seconds,
    )


def print_table(rows: Sequence[Row]) -> None:
    """Print the figures as a Markdown table."""
    print("| engine | step | SSIM of 5 x 5 | SSIM, 5 px | colour error, 1 / 5 px | distinct | most used |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        near, repeats = row.closeness, row.repetition
        similarity = f"{row.similarity:.3f}" if row.engine == ARTICLE else ""
        print(
            f"| {row.engine} | {row.step:g} | {similarity} | {near.ssim_5px:.3f} "
            f"| {near.color_error_1px:.2f} / {near.color_error_5px:.2f} "
            f"| {repeats.distinct_tiles:,} | {repeats.most_used_tile_count} |"
        )


def plot(rows: Sequence[Row], file: Path) -> None:
    """Draw closeness over distinct tiles, one line for the article's engine, a dot for each of the others."""
    figure = importlib.import_module("matplotlib.figure").Figure(figsize=(9, 4), layout="constrained")
    measures: dict[str, Callable[[Row], float]] = {
        "structural similarity at 5 px a cell": lambda row: row.closeness.ssim_5px,
        "colour error at 5 px a cell (CIEDE2000)": lambda row: row.closeness.color_error_5px,
    }
    for axes, (label, value) in zip(figure.subplots(1, 2), measures.items(), strict=True):
        article = [row for row in rows if row.engine == ARTICLE]
        axes.plot(
            [row.repetition.distinct_tiles for row in article],
            [value(row) for row in article],
            "o-",
            label=ARTICLE,
        )
        for row in article:
            axes.annotate(f"{row.step:g}", (row.repetition.distinct_tiles, value(row)))
        for row in rows:
            if row.engine != ARTICLE:
                axes.plot(row.repetition.distinct_tiles, value(row), "s", label=row.engine)
        axes.set(xlabel="distinct tiles", ylabel=label)
        axes.legend()
    figure.savefig(file, dpi=120)


def main() -> None:
    """Measure, print and, if asked, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--tiles", type=Path, help="squares, a .npy file of uint8 of shape (N, edge, edge, 3)"
    )
    parser.add_argument("--count", type=int, default=_COUNT, help="how many tiles")
    parser.add_argument("--photo", default="astronaut.png", help="one of scikit-image's photos")
    parser.add_argument("--plot", type=Path, help="a PNG file to draw the figures to; needs matplotlib")
    arguments = parser.parse_args()
    if arguments.plot is not None and importlib.util.find_spec("matplotlib") is None:
        parser.error("--plot needs matplotlib")
    if arguments.tiles is None:
        squares = np.stack(list(varied_squares(arguments.count, seed=1)))
    else:
        every = np.load(arguments.tiles, mmap_mode="r")
        squares = every[np.random.default_rng(0).permutation(len(every))[: arguments.count]]
    picture = photo(arguments.photo)
    grid = CellGrid.fit(picture.shape, cells_on_long_side=_CELLS_ON_LONG_SIDE)
    default = Appearance()
    engines: list[tuple[Engine, str, float]] = [
        *((MeanColorSsimEngine(), ARTICLE, step) for step in STEPS),
        (CodeboxEngine(), "codebox", 0.0),
        (PerceptualEngine(color_correction=default.color_correction), "perceptual", default.penalty_step),
    ]
    rows = [
        measured(engine, name=name, step=step, squares=squares, photo=picture, grid=grid)
        for engine, name, step in engines
    ]
    print_table(rows)
    article = [row for row in rows if row.engine == ARTICLE]
    rising: dict[str, list[float]] = {
        "distinct tiles rise": [row.repetition.distinct_tiles for row in article],
        "mean SSIM falls": [-row.similarity for row in article],
        "structural similarity falls": [-row.closeness.ssim_5px for row in article],
        "colour error at 5 px rises": [row.closeness.color_error_5px for row in article],
        "colour error at 1 px rises": [row.closeness.color_error_1px for row in article],
    }
    for label, values in rising.items():
        print(
            f"{label} with each step: {all(before < after for before, after in itertools.pairwise(values))}"
        )
    print(
        "seconds of matching: " + ", ".join(f"{row.engine} {row.step:g}: {row.seconds:.2f}" for row in rows)
    )
    if arguments.plot is not None:
        plot(rows, arguments.plot)


if __name__ == "__main__":
    main()
