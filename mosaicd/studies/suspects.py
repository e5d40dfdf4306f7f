"""The four suspects: key, mean, number of candidates, measure; each by itself, on the same tiles and photos."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import PixelArray
from mosaicd.matching.mean_color_ssim import CANDIDATES
from mosaicd.studies.material import Quality, Target, Tiles, excerpt, paint, quality, unchanged
from mosaicd.studies.measures import CIELAB, FIXED_KEY, MEAN_SRGB, MEANS, SQUARED_RGB, keys
from mosaicd.studies.search import FORK_MEASURE, MEASURES, Found, Way, recall, search

RECALL_COUNTS = (10, 20, 40, 100, 200, 400, 1000, 2000, 4000, 10_000)
QUALITY_COUNTS = (10, CANDIDATES, 100, 400, 1000, 4000, 10_000)
MANY = 1000
TRUTHS = (SQUARED_RGB, CIELAB, FORK_MEASURE)

FORK = Way(measure=FORK_MEASURE, key=MEAN_SRGB, count=CANDIDATES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """How often the best tile of all is among the nearest by a key.

    Attributes
    ----------
    photo, key : str
    truth : str
        The measure that says which tile is the best of all.
    count : int
        How many of the nearest.
    share : float
        Of the photo's cells.
    """

    photo: str
    key: str
    truth: str
    count: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """A mosaic, and the way in which its tiles were chosen.

    Attributes
    ----------
    photo : str
    way : Way
    tiles : ndarray of int64, shape (N,)
        For each cell.
    quality : Quality
    """

    photo: str
    way: Way
    tiles: NDArray[np.int64]
    quality: Quality


@dataclass(frozen=True, slots=True, kw_only=True)
class Guilt:
    """What mending one thing of the fork's way does to a figure, on the mean over the photos.

    Attributes
    ----------
    suspect, figure : str
    measure : str
        What mends the measure.
    alone : float
        Change of the figure where nothing else is mended.
    last : float
        Where all else is mended before.
    shared : float
        Its mean change over all orders of mending: its Shapley value [1]_. Those of all suspects make up the whole.

    References
    ----------
    .. [1] L. S. Shapley, "A value for n-person games", 1953.
    """

    suspect: str
    figure: str
    measure: str
    alone: float
    last: float
    shared: float


def ways(tile_count: int) -> list[Way]:
    """Every way to choose tiles that is tried, where there are so many tiles."""
    counts = _counts(QUALITY_COUNTS, tile_count)
    shortened = [
        Way(measure=measure, key=key, count=count)
        for measure, key, count in itertools.product(TRUTHS, (MEAN_SRGB, FIXED_KEY), counts)
    ]
    by_means = [Way(measure=FORK_MEASURE, key=key, count=min(CANDIDATES, tile_count)) for key in MEANS]
    return list(dict.fromkeys([*(Way(measure=measure) for measure in MEASURES), *shortened, *by_means]))


def examine(target: Target, tiles: Tiles) -> tuple[list[Recall], list[Outcome]]:
    """Search tiles for a photo's cells in every way, make each way's mosaic, and measure."""
    tried = ways(len(tiles.subcells))
    found = search(target.cells, tiles.subcells, keys=keys(tiles.subcells), truths=TRUTHS, ways=tried)
    outcomes = [
        Outcome(
            photo=target.name,
            way=way,
            tiles=chosen,
            quality=quality(unchanged(chosen, target), tiles, target),
        )
        for way, chosen in found.winners.items()
    ]
    return list(_recalls(target, found, len(tiles.subcells))), outcomes


def pictures(outcomes: Sequence[Outcome], tiles: Tiles, target: Target) -> dict[str, PixelArray]:
    """Excerpts of a photo's mosaics, from the fork's way to the original's."""
    mended = mended_ways(SQUARED_RGB, len(tiles.subcells))
    chosen = {each.way: each.tiles for each in outcomes if each.photo == target.name}
    ways = {
        "the fork": mended[frozenset()],
        "more candidates": mended[frozenset({"candidates"})],
        "other key": mended[frozenset({"key"})],
        "other measure": mended[frozenset({"measure"})],
        "key and measure": mended[frozenset({"key", "measure"})],
        "the original": Way(measure=SQUARED_RGB),
    }
    return {
        label: excerpt(paint(unchanged(chosen[way], target), tiles), target) for label, way in ways.items()
    }


def mended_ways(measure: str, tile_count: int) -> dict[frozenset[str], Way]:
    """The fork's way with any of its key, its number of candidates and its measure mended."""
    few, many = (min(count, tile_count) for count in (CANDIDATES, MANY))
    return {
        frozenset(mended): Way(
            key=FIXED_KEY if "key" in mended else MEAN_SRGB,
            count=many if "candidates" in mended else few,
            measure=measure if "measure" in mended else FORK_MEASURE,
        )
        for size in range(4)
        for mended in itertools.combinations(("key", "candidates", "measure"), size)
    }


def guilt(outcomes: Sequence[Outcome], *, tile_count: int) -> Iterator[Guilt]:
    """How much each suspect is guilty of, by what mending it does."""
    for measure, figure in itertools.product((SQUARED_RGB, CIELAB), FIGURES):
        values = {
            mended: mean_figure(outcomes, way, figure)
            for mended, way in mended_ways(measure, tile_count).items()
        }
        for suspect in ("key", "candidates", "measure"):
            others = frozenset({"key", "candidates", "measure"} - {suspect})
            yield Guilt(
                suspect=suspect,
                figure=figure,
                measure=measure,
                alone=values[frozenset({suspect})] - values[frozenset()],
                last=values[others | {suspect}] - values[others],
                shared=shapley(values, suspect),
            )


FIGURES = ("color_error_1px", "color_error_5px", "ssim_5px", "freckled_share", "off_color_share")


def mean_figure(outcomes: Sequence[Outcome], way: Way, figure: str) -> float:
    """A figure's mean over the photos, for one way."""
    return float(np.mean([getattr(each.quality, figure) for each in outcomes if each.way == way]))


def mean_recall(recalls: Sequence[Recall], key: str, truth: str, count: int) -> float:
    """Mean over the photos."""
    return float(
        np.mean([each.share for each in recalls if (each.key, each.truth, each.count) == (key, truth, count)])
    )


def shapley(values: Mapping[frozenset[str], float], player: str) -> float:
    """What a player adds to the value of a coalition, on the mean over all orders of joining.

    Parameters
    ----------
    values : mapping
        The value of every coalition, the empty one included.
    player : str
    """
    players = len(max(values, key=len))
    total = 0.0
    for coalition, value in values.items():
        if player in coalition:
            others = len(coalition) - 1
            orders = math.factorial(others) * math.factorial(players - others - 1)
            total += orders * (value - values[coalition - {player}])
    return total / math.factorial(players)


def _recalls(target: Target, found: Found, tile_count: int) -> Iterator[Recall]:
    for (key, truth), ranks in found.ranks.items():
        for count in _counts(RECALL_COUNTS, tile_count):
            yield Recall(photo=target.name, key=key, truth=truth, count=count, share=recall(ranks, count))


def _counts(wanted: Sequence[int], tile_count: int) -> list[int]:
    """Those below the number of tiles; and, where they had to be cut short, that number."""
    return sorted({min(count, tile_count) for count in wanted})
