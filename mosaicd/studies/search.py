"""Finding tiles by exhaustion: where the best one ranks by a key, and which one a shortened search takes."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from mosaicd.imaging import FloatArray, PixelArray
from mosaicd.imaging.descriptors import describe
from mosaicd.studies.measures import (
    CIELAB,
    SQUARED_RGB,
    Projection,
    Ssim,
    in_rgb,
    mixed,
    squared_distances,
    structural_similarities,
    window_moments,
)

FORK_MEASURE = "SSIM 3"
SSIMS = {
    FORK_MEASURE: Ssim(window=3),
    "SSIM 5": Ssim(window=5),
    "SSIM 3, K x 5": Ssim(window=3, first_constant=0.05, second_constant=0.15),
    "SSIM 5, K x 5": Ssim(window=5, first_constant=0.05, second_constant=0.15),
    "SSIM 5, K x 20": Ssim(window=5, first_constant=0.2, second_constant=0.6),
}
MIXES = {f"{share:.0%} SSIM 3, rest CIELAB": share for share in (0.05, 0.1, 0.25, 0.5, 0.75)}
MEASURES = (SQUARED_RGB, CIELAB, *SSIMS, *MIXES)
_PAIRS_BLOCK = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to choose a tile: the best by `measure` of the `count` tiles nearest by `key`, or of all."""

    measure: str
    key: str | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """What a search found.

    Attributes
    ----------
    ranks : mapping from (key, measure) to ndarray of int64, shape (N,)
        For each cell, how many tiles are nearer by the key than the one that is best of all by the measure.
    winners : mapping from way to ndarray of int64, shape (N,)
        For each cell, the tile that the way chooses.
    """

    ranks: Mapping[tuple[str, str], NDArray[np.int64]]
    winners: Mapping[Way, NDArray[np.int64]]


def search(
    cells: PixelArray,
    tiles: PixelArray,
    *,
    keys: Mapping[str, Projection],
    truths: Sequence[str],
    ways: Sequence[Way],
) -> Found:
    """Compare every cell with every tile, by all `keys` and all measures that are asked for.

    Parameters
    ----------
    cells, tiles : ndarray of uint8, shapes (N, 5, 5, 3) and (M, 5, 5, 3)
    keys : mapping
        The projections to search by.
    truths : sequence of str
        Measures whose best tile is to be ranked by each key.
    ways : sequence of Way
    """
    needed = dict.fromkeys([*truths, *(way.measure for way in ways)])
    features = {name: (project(cells), project(tiles)) for name, project in keys.items()}
    compare = _Comparison(cells, tiles)

    def examine(block: slice) -> Found:
        differences = compare.differences(block, tuple(needed))
        best = {truth: differences[truth].argmin(axis=1) for truth in truths}
        ranks: dict[tuple[str, str], NDArray[np.int64]] = {}
        winners = {way: differences[way.measure].argmin(axis=1) for way in ways if way.key is None}
        for key, (here, there) in features.items():
            distances = squared_distances(here[block], there)
            ranks |= {(key, truth): _ranks(distances, tile) for truth, tile in best.items()}
            shortened = [way for way in ways if way.key == key]
            winners |= _winners(distances, differences, shortened)
        return Found(ranks=ranks, winners=winners)

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        parts = list(pool.map(examine, _blocks(len(cells), len(tiles))))
    return Found(
        ranks={pair: np.concatenate([part.ranks[pair] for part in parts]) for pair in parts[0].ranks},
        winners={way: np.concatenate([part.winners[way] for part in parts]) for way in ways},
    )


def recall(ranks: NDArray[np.int64], count: int) -> float:
    """Share of the cells whose best tile is among the `count` nearest by a key."""
    return float((ranks < count).mean())


class _Comparison:
    """Cells and tiles, described for every measure."""

    def __init__(self, cells: PixelArray, tiles: PixelArray) -> None:
        self._features = {
            SQUARED_RGB: (in_rgb(cells), in_rgb(tiles)),
            CIELAB: (describe(cells), describe(tiles)),
        }
        self._cells = cells
        self._moments = {
            window: window_moments(tiles, window) for window in {ssim.window for ssim in SSIMS.values()}
        }

    def differences(self, block: slice, names: Sequence[str]) -> dict[str, FloatArray]:
        """Differences of a block's N cells to all M tiles, shape (N, M), by measure: the least is the best."""
        found: dict[str, FloatArray] = {}
        has_mix = any(name in MIXES for name in names)
        for name, (here, there) in self._features.items():
            if name in names or (has_mix and name == CIELAB):
                found[name] = squared_distances(here[block], there)
        for name, ssim in SSIMS.items():
            if name in names or (has_mix and name == FORK_MEASURE):
                here_moments = window_moments(self._cells[block], ssim.window)
                found[name] = 1 - structural_similarities(here_moments, self._moments[ssim.window], ssim)
        for name in set(names) & MIXES.keys():
            found[name] = mixed(found[FORK_MEASURE], found[CIELAB], structure_share=MIXES[name])
        return found


def _ranks(distances: FloatArray, tiles: NDArray[np.int64]) -> NDArray[np.int64]:
    reached = np.take_along_axis(distances, tiles[:, np.newaxis], axis=1)
    ranks: NDArray[np.int64] = np.count_nonzero(distances < reached, axis=1)
    return ranks


def _winners(
    distances: FloatArray, differences: Mapping[str, FloatArray], ways: Sequence[Way]
) -> dict[Way, NDArray[np.int64]]:
    """The best of the nearest, for ways of one key."""
    counts = {way: min(way.count or distances.shape[1], distances.shape[1]) for way in ways}
    if not counts:
        return {}
    places = sorted({count - 1 for count in counts.values()})
    nearest = np.argpartition(distances, places, axis=1)[:, : places[-1] + 1]
    found = {}
    for measure in {way.measure for way in ways}:
        reached = np.take_along_axis(differences[measure], nearest, axis=1)
        for way in ways:
            if way.measure == measure:
                best = reached[:, : counts[way]].argmin(axis=1)[:, np.newaxis]
                found[way] = np.take_along_axis(nearest, best, axis=1)[:, 0]
    return found


def _blocks(cells: int, tiles: int) -> Iterator[slice]:
    size = max(1, _PAIRS_BLOCK // tiles)
    for start in range(0, cells, size):
        yield slice(start, min(start + size, cells))
