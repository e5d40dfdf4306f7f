"""What growing the index costs against building it anew, and what two partitions cost against one.

Run with ``python -m tests.benchmarks.index_growth``. Both sides alternate in one run; read the ratios.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np

from mosaicd.imaging import FloatArray
from mosaicd.imaging.descriptors import COLUMNS
from mosaicd.matching.index import TileIndex
from tests.squares import varied_descriptors

START, STEP, STEPS = 100_000, 1_000, 100
CELLS, COUNT, QUERY_STEPS = 6_912, 64, (0, 4, 9)
_PROBE_COUNT = 1


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def index_of(descriptors: FloatArray) -> TileIndex:
    """An index whose partition is made."""
    index = TileIndex(np.ones(COLUMNS, np.float32))
    index.add(np.arange(len(descriptors)), descriptors)
    index.nearest(descriptors[:1], count=_PROBE_COUNT)
    return index


def main() -> None:
    """Print the two ratios."""
    descriptors = varied_descriptors(START + STEPS * STEP, seed=1)
    cells = varied_descriptors(CELLS, seed=2)
    growing = index_of(descriptors[:START])
    growths, rebuilds, query_ratios = [], [], []
    for step in range(STEPS):
        stop = START + (step + 1) * STEP
        batch = slice(stop - STEP, stop)

        def grow(batch: slice = batch) -> None:
            growing.add(np.arange(batch.start, batch.stop), descriptors[batch])
            growing.nearest(cells[:1], count=_PROBE_COUNT)

        growths.append(seconds(grow))
        rebuilds.append(seconds(lambda stop=stop: index_of(descriptors[:stop])))  # type: ignore[misc]
        if step in QUERY_STEPS:
            single = index_of(descriptors[:stop])
            for _ in range(3):
                two = seconds(lambda: growing.nearest(cells, count=COUNT))
                one = seconds(lambda single=single: single.nearest(cells, count=COUNT))  # type: ignore[misc]
                query_ratios.append(two / one)
    print(f"{STEPS} additions of {STEP} to {START} tiles: {statistics.mean(growths) * 1000:.1f} ms each,")
    print(f"building anew each time: {statistics.mean(rebuilds) * 1000:.1f} ms each,")
    print(f"ratio {statistics.mean(growths) / statistics.mean(rebuilds):.3f}")
    print(
        f"queries for {CELLS} cells, two partitions against one: median {statistics.median(query_ratios):.2f}"
        f" (min {min(query_ratios):.2f}, max {max(query_ratios):.2f})"
    )


if __name__ == "__main__":
    main()
