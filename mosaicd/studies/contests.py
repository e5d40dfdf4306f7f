"""The sides of each engine's contest: mosaicd, exhaustive products in numpy, plain loops, and FAISS."""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import FloatArray, PixelArray
from mosaicd.imaging.descriptors import COLUMNS, describe
from mosaicd.matching.codebox import CodeboxEngine
from mosaicd.matching.engine import Engine, Rules
from mosaicd.matching.index import TileIndex
from mosaicd.matching.mean_color_ssim import CANDIDATES, MeanColorSsimEngine
from mosaicd.matching.search import THREADS
from mosaicd.matching.toning import column_weights
from mosaicd.pipelines import appearance as appearances
from mosaicd.pipelines.appearance import Appearance
from mosaicd.studies.bench_material import spread
from mosaicd.studies.references import codebox_tile, mean_color_ssim_tiles, perceptual_candidates

BEST = 64
OURS, NUMPY, PLAIN, FAISS = "mosaicd", "numpy", "plain loop", "FAISS"
_SAMPLED_CELLS = 24
_BLOCK = 1024
_BATCH = 20_000
_AS_NEAR = 1e-3

Misses = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]
"""From tiles found for cells, and those cells, to whether a better tile was missed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What one side found.

    Attributes
    ----------
    tiles : ndarray of int64, shape (N,), or None
        The tile it finds best for each cell that it was asked for; None if it does only part of the work.
    certified_share : float or None
        Share of the cells whose candidates are provably the nearest.
    """

    tiles: NDArray[np.int64] | None
    certified_share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """One way to do a piece of work.

    Attributes
    ----------
    name, work : str
        Whose way it is, and what it does.
    find : callable
    cells : ndarray of int64, or None
        The cells it is asked for, where those are not all.
    """

    name: str
    work: str
    find: Callable[[], Answer]
    cells: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contest:
    """One engine's work on some tiles and cells.

    Attributes
    ----------
    sides : list of Side
        Ours first.
    is_missed : callable
    """

    sides: list[Side]
    is_missed: Misses


def contest(engine: appearances.Engine, tiles: PixelArray, cells: PixelArray) -> Contest:
    """Make ready an engine's contest; `tiles` and `cells` are sub-cells, shape (N, 5, 5, 3)."""
    match engine:
        case appearances.Engine.PERCEPTUAL:
            return _perceptual(tiles, cells)
        case appearances.Engine.CODEBOX:
            return _codebox(tiles, cells)
        case appearances.Engine.MEAN_COLOR_SSIM:
            return _mean_color_ssim(tiles, cells)


def _perceptual(tiles: PixelArray, cells: PixelArray) -> Contest:
    weights = column_weights(Appearance().color_correction)
    index = TileIndex(weights)
    for numbers in np.split(np.arange(len(tiles)), range(_BATCH, len(tiles), _BATCH)):
        index.add(numbers, describe(tiles[numbers]))
    described = describe(cells)
    index.nearest(described[:1], count=1)
    weighted, queries = index.weighted(np.arange(len(tiles), dtype=np.int32)), described * weights
    sample = spread(_SAMPLED_CELLS, len(cells))
    count = min(BEST, len(tiles))

    def ours() -> Answer:
        found = index.nearest(described, count=BEST)
        return Answer(
            tiles=found.positions[:, 0].astype(np.int64), certified_share=float(found.certified.mean())
        )

    def plain() -> Answer:
        best = [perceptual_candidates(queries[cell], weighted, count=count)[0] for cell in sample]
        return Answer(tiles=np.array(best))

    sides = [
        Side(name=OURS, work=f"best {count}", find=ours),
        Side(name=NUMPY, work="best 1", find=lambda: Answer(tiles=exhaustive_best(weighted, queries))),
        Side(name=PLAIN, work=f"best {count}", find=plain, cells=sample),
        *faiss_side(weighted, queries, count=count, work=f"best {count}"),
    ]
    return Contest(sides=sides, is_missed=_farther_than_best(weighted, queries))


def _codebox(tiles: PixelArray, cells: PixelArray) -> Contest:
    columns, queries = (pixels.reshape(-1, COLUMNS).astype(np.float32) for pixels in (tiles, cells))
    sample = spread(_SAMPLED_CELLS, len(cells))
    work = "the tile"
    sides = [
        Side(name=OURS, work=work, find=_choosing(CodeboxEngine(), tiles, cells)),
        Side(name=NUMPY, work=work, find=lambda: Answer(tiles=exhaustive_best(columns, queries))),
        Side(
            name=PLAIN,
            work=work,
            find=lambda: Answer(tiles=np.array([codebox_tile(cells[cell], tiles) for cell in sample])),
            cells=sample,
        ),
        *faiss_side(columns, queries, count=1, work=work),
    ]
    return Contest(sides=sides, is_missed=_farther_than_best(columns, queries))


def _mean_color_ssim(tiles: PixelArray, cells: PixelArray) -> Contest:
    """Nothing is charged, so that each cell's tile can be told without those before it."""
    sample = spread(_SAMPLED_CELLS, len(cells))
    means, queries = (pixels.mean(axis=(1, 2), dtype=np.float32) for pixels in (tiles, cells))
    count = min(CANDIDATES, len(tiles))
    never = np.zeros(len(tiles), np.float32)

    def plain() -> Answer:
        chosen = mean_color_ssim_tiles(cells[sample], tiles, count=count, step=0, past_appearances=never)
        return Answer(tiles=np.array(chosen))

    def only_means() -> Answer:
        exhaustive_best(means, queries)
        return Answer(tiles=None)

    sides = [
        Side(name=OURS, work="the tile", find=_choosing(MeanColorSsimEngine(), tiles, cells)),
        Side(name=NUMPY, work="1 nearest mean", find=only_means),
        Side(name=PLAIN, work="the tile", find=plain, cells=sample),
        *(
            replace(side, find=partial(_without_tiles, side))
            for side in faiss_side(means, queries, count=count, work=f"{count} nearest means")
        ),
    ]
    expected = np.array(
        mean_color_ssim_tiles(cells[sample], tiles, count=count, step=0, past_appearances=never)
    )

    def is_missed(found: NDArray[np.int64], asked: NDArray[np.int64]) -> NDArray[np.bool_]:
        """By the plain rule, for the cells that it was asked for; alike tiles are as good."""
        chosen = found[np.searchsorted(asked, sample)]
        different: NDArray[np.bool_] = (tiles[chosen] != tiles[expected]).any(axis=(1, 2, 3))
        return different

    return Contest(sides=sides, is_missed=is_missed)


def exhaustive_best(tiles: FloatArray, queries: FloatArray) -> NDArray[np.int64]:
    """Find the nearest of `tiles`, shape (N, D), for each of `queries`, shape (M, D), by matrix products."""
    squares = np.einsum("ij,ij->i", tiles, tiles)
    best = np.zeros(len(queries), np.int64)
    lowest = np.full(len(queries), np.inf, np.float32)
    for start in range(0, len(tiles), _BLOCK):
        block = slice(start, start + _BLOCK)
        products = queries @ tiles[block].T
        products *= -2
        products += squares[block]
        nearest = products.argmin(axis=1)
        values = np.take_along_axis(products, nearest[:, np.newaxis], axis=1)[:, 0]
        better = values < lowest
        best[better], lowest[better] = nearest[better] + start, values[better]
    return best


def _farther_than_best(tiles: FloatArray, queries: FloatArray) -> Misses:
    """Compare with the exhaustive best, by differences, since products round."""
    lengths = np.linalg.norm(tiles[exhaustive_best(tiles, queries)] - queries, axis=1)

    def is_missed(found: NDArray[np.int64], asked: NDArray[np.int64]) -> NDArray[np.bool_]:
        mine = np.linalg.norm(tiles[found] - queries[asked], axis=1)
        farther: NDArray[np.bool_] = mine > lengths[asked] + _AS_NEAR
        return farther

    return is_missed


def _choosing(engine: Engine, tiles: PixelArray, cells: PixelArray) -> Callable[[], Answer]:
    """An engine's whole choice."""
    engine.add(np.arange(len(tiles)), tiles)
    looks = Appearance(penalty_step=0)
    rules = Rules(**{field.name: getattr(looks, field.name) for field in fields(Rules)})
    never = np.zeros(len(tiles), np.float32)

    def choose() -> Answer:
        choice = engine.choose(cells, shape=(1, len(cells)), past_appearances=never, rules=rules)
        return Answer(tiles=choice.tiles.ravel())

    return choose


def _without_tiles(side: Side) -> Answer:
    side.find()
    return Answer(tiles=None)


def faiss_side(tiles: FloatArray, queries: FloatArray, *, count: int, work: str) -> Iterator[Side]:
    """FAISS's exhaustive search, with as many threads as ours; nothing where it is not installed."""
    faiss = faiss_module()
    if faiss is None:
        return
    faiss.omp_set_num_threads(THREADS)
    index = faiss.IndexFlatL2(tiles.shape[1])
    index.add(tiles)

    def find() -> Answer:
        _, positions = index.search(queries, count)
        return Answer(tiles=positions[:, 0])

    yield Side(name=FAISS, work=work, find=find)


def faiss_module() -> ModuleType | None:
    """FAISS, if it is installed: the extra ``bench``."""
    try:
        return importlib.import_module("faiss")
    except ImportError:
        return None
