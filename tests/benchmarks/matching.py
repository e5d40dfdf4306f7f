"""The index against exhaustive search: numpy's matrix products, and FAISS where installed (the extra ``bench``).

Run with ``OMP_NUM_THREADS=2 python -m tests.benchmarks.matching 190000 --rounds 3``; sides alternate in one run.
Tiles are made from 6,000 varied squares: random crops of 50 to 100% of a square, half of them mirrored, in light
15% brighter or darker and 5% tinted; reduced to 5 x 5 sub-cells. Cells are those of scikit-image's astronaut, 96 a
side, or with ``--cells-file`` and ``--tiles-file`` descriptors of one's own (.npy).
"""

import argparse
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import skimage.data

from mosaicd.imaging import FloatArray
from mosaicd.imaging.descriptors import SUBCELLS, describe, subcells
from mosaicd.imaging.grid import CellGrid
from mosaicd.matching.index import TileIndex
from mosaicd.matching.toning import column_weights
from tests.libraries import varied_squares

SQUARES, EDGE, COUNT, THREADS = 6_000, 64, 64, 2
COLOR_CORRECTION = 0.5
_BLOCK = 1024
_BATCH = 20_000


def astronaut_cells() -> FloatArray:
    """Descriptors of 9,216 cells."""
    photo = skimage.data.astronaut()
    grid = CellGrid.fit(photo.shape, cells_on_long_side=96)
    return describe(grid.cut(grid.sample(photo, pixels_a_cell=SUBCELLS)))


def cropped_tiles(count: int) -> FloatArray:
    """Descriptors of so many tiles, by the recipe above."""
    random = np.random.default_rng(7)
    squares = list(varied_squares(SQUARES, seed=7, edge=EDGE))
    descriptors = np.empty((count, 75), np.float32)
    for start in range(0, count, _BATCH):
        stop = min(start + _BATCH, count)
        batch = np.empty((stop - start, SUBCELLS, SUBCELLS, 3), np.float32)
        for number in range(len(batch)):
            side = int(random.integers(EDGE // 2, EDGE + 1))
            top, left = random.integers(0, EDGE - side + 1, 2)
            square = squares[int(random.integers(SQUARES))][top : top + side, left : left + side]
            reduced = subcells(square[np.newaxis])[0]
            batch[number] = cv2.flip(reduced, 1) if random.random() < 0.5 else reduced
        batch *= random.uniform(0.85, 1.15, (len(batch), 1, 1, 1))
        batch *= random.uniform(0.95, 1.05, (len(batch), 1, 1, 3))
        descriptors[start:stop] = describe(np.clip(batch, 0, 255).astype(np.uint8))
    return descriptors


def exhaustive_best(tiles: FloatArray, cells: FloatArray) -> FloatArray:
    """Distance of each cell's best tile, by float32 matrix products in blocks."""
    squares = np.einsum("ij,ij->i", tiles, tiles)
    best = np.zeros(len(cells), np.int64)
    lowest = np.full(len(cells), np.inf, np.float32)
    for start in range(0, len(tiles), _BLOCK):
        products = squares[start : start + _BLOCK] - 2 * (cells @ tiles[start : start + _BLOCK].T)
        nearest = products.argmin(axis=1)
        values = products[np.arange(len(cells)), nearest]
        better = values < lowest
        best[better], lowest[better] = nearest[better] + start, values[better]
    distances: FloatArray = np.linalg.norm(tiles[best] - cells, axis=1)
    return distances


def measured(work: Callable[[], Any]) -> tuple[Any, float, float, float]:
    """What `work` returns; its seconds, its processor seconds, and its peak of memory in MB over the start."""
    process, done = psutil.Process(), threading.Event()
    before = peak = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.01):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    done.set()
    watcher.join()
    return result, wall, processor, (peak - before) / 1e6


def main() -> None:
    """Print seconds, ratios, recall, certified share and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tiles", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiles-file", type=Path)
    parser.add_argument("--cells-file", type=Path)
    options = parser.parse_args()
    tiles = (
        np.load(options.tiles_file)[: options.tiles] if options.tiles_file else cropped_tiles(options.tiles)
    )
    cells = np.load(options.cells_file) if options.cells_file else astronaut_cells()
    weights = column_weights(COLOR_CORRECTION)
    index = TileIndex(weights)
    index.add(np.arange(len(tiles)), tiles)
    tiles *= weights
    queries = cells * weights
    _, seconds, _, megabytes = measured(lambda: index.nearest(cells[:1], count=COUNT))
    print(
        f"{len(tiles)} tiles, {len(cells)} cells, best {COUNT};"
        f" partition made in {seconds:.2f} s, {megabytes:.0f} MB"
    )
    ways: dict[str, Callable[[], Any]] = {
        "index": lambda: index.nearest(cells, count=COUNT),
        "index, mirror": lambda: index.nearest(cells, count=COUNT, mirror=True),
        "numpy, best 1": lambda: exhaustive_best(tiles, queries),
    }
    against = "numpy, best 1"
    try:
        import faiss
    except ImportError:
        print("FAISS is not installed")
    else:
        faiss.omp_set_num_threads(THREADS)
        flat = faiss.IndexFlatL2(tiles.shape[1])
        flat.add(tiles)
        against = "FAISS"
        ways[against] = lambda: flat.search(queries, COUNT)
    taken: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ways}
    results: dict[str, Any] = {}
    for _ in range(options.rounds):
        for name, work in ways.items():
            results[name], *figures = measured(work)
            taken[name].append((figures[0], figures[1], figures[2]))
    for name, rounds in taken.items():
        wall = statistics.median(
            mine[0] / theirs[0] for mine, theirs in zip(rounds, taken[against], strict=True)
        )
        cpu = statistics.median(
            mine[1] / theirs[1] for mine, theirs in zip(rounds, taken[against], strict=True)
        )
        seconds = statistics.median(figures[0] for figures in rounds)
        megabytes = max(figures[2] for figures in rounds)
        print(
            f"{name:14} {seconds:7.2f} s, {wall:.3f} of {against} (processor {cpu:.3f}), {megabytes:.0f} MB"
        )
    found = results["index"]
    recall = np.mean(found.distances[:, 0] <= results["numpy, best 1"] + 1e-4)
    print(f"recall of the exhaustive best {recall:.2%}, certified {found.certified.mean():.2%}")


if __name__ == "__main__":
    main()
