"""Where to look closely at a mosaic: the places of its photo that tell most."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mosaicd.imaging import FloatArray, PixelArray
from mosaicd.imaging.descriptors import MEAN_COLUMNS, describe, detail

_MIDDLE_WEIGHT = 0.6
"""How much less the corners of a photo count than its middle, where faces are, in the search for detail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A square of cells.

    Attributes
    ----------
    name : str
        What there is to see.
    row, column : int
        Its first cell.
    cells : int
        On its edge.
    """

    name: str
    row: int
    column: int
    cells: int


def place_around(name: str, point: tuple[float, float], *, shape: tuple[int, int], edge_cells: int) -> Place:
    """The place in whose middle a point lies, as nearly as the photo's edges allow.

    Parameters
    ----------
    name : str
    point : (down, across)
        As shares of the photo's height and width, 0 to 1.
    shape : (rows, columns)
    edge_cells : int
        How many cells it has on its edge; fewer, where the photo has not so many.
    """
    edge = min(edge_cells, *shape)
    row, column = (
        min(max(round(share * count - edge / 2), 0), count - edge)
        for share, count in zip(point, shape, strict=True)
    )
    return Place(name=name, row=row, column=column, cells=edge)


def telling_places(
    cells: PixelArray, *, shape: tuple[int, int], edge_cells: int, besides: Sequence[Place] = ()
) -> list[Place]:
    """Find the places that are richest in detail, that have the strongest edge, and that are flattest.

    Parameters
    ----------
    cells : ndarray of uint8, shape (rows * columns, 5, 5, 3)
        A photo's sub-cells, row by row.
    shape : (rows, columns)
    edge_cells : int
        How many cells a place has on its edge; fewer, where the photo has not so many.
    besides : sequence of Place
        Places that are looked at anyway.

    Returns
    -------
    list of three Place
        Apart from each other, and from `besides`, where the photo has room for that.

    Notes
    -----
    The strongest edge is where the two halves of a place, left and right or upper and lower, differ most in mean
    colour, less what each half varies within itself. The flattest place varies least, within cells and between.
    Detail counts more towards the photo's middle.
    """
    rows, columns = shape
    edge = min(edge_cells, rows, columns)
    described = describe(cells)
    means = described[:, MEAN_COLUMNS].reshape(rows, columns, 3)
    varying = _window_means(detail(described).reshape(rows, columns, 1), edge, edge)[..., 0]
    scores = {
        "detail": varying * _middle_weights(varying.shape),
        "edge": _step(means, edge),
        "flat": -(varying + _spread(means, edge, edge)),
    }
    found: list[Place] = []
    for name, score in scores.items():
        row, column = _best(score, [*besides, *found])
        found.append(Place(name=name, row=row, column=column, cells=edge))
    return found


def _best(score: FloatArray, taken: Sequence[Place]) -> tuple[int, int]:
    """The window of the highest score, apart from those taken, or else as far from them as can be."""
    row_indexes, column_indexes = np.indices(score.shape)
    apart = np.full(score.shape, np.inf)
    for place in taken:
        distance = np.maximum(abs(row_indexes - place.row), abs(column_indexes - place.column)) / place.cells
        apart = np.minimum(apart, np.minimum(distance, 1))
    candidates = np.where(apart == apart.max(), score, -np.inf)
    row, column = np.unravel_index(candidates.argmax(), score.shape)
    return int(row), int(column)


def _step(means: FloatArray, edge: int) -> FloatArray:
    """How strong an edge runs through the middle of each window; shape (rows - edge + 1, columns - edge + 1)."""
    half = max(1, edge // 2)
    tall = _halves_differ(means, edge, half)
    wide = _halves_differ(means.swapaxes(0, 1), edge, half).T
    return np.maximum(tall, wide)


def _halves_differ(means: FloatArray, edge: int, half: int) -> FloatArray:
    """The same for the left and the right half."""
    mean, spread = _window_means(means, edge, half), _spread(means, edge, half)
    apart = edge - half
    right = slice(apart, None)
    left = slice(None, mean.shape[1] - apart)
    steps: FloatArray = np.linalg.norm(mean[:, right] - mean[:, left], axis=2)
    return steps - spread[:, right] - spread[:, left]


def _spread(means: FloatArray, rows: int, columns: int) -> FloatArray:
    """Root mean square of the cells' colour differences to the mean of each window."""
    squares = _window_means(means**2, rows, columns)
    variance = squares - _window_means(means, rows, columns) ** 2
    spread: FloatArray = np.sqrt(np.maximum(variance.sum(2), 0))
    return spread


def _window_means(values: FloatArray, rows: int, columns: int) -> FloatArray:
    """Means over windows of `rows` x `columns` of an array of shape (rows, columns, channels)."""
    means: FloatArray = sliding_window_view(values, (rows, columns), axis=(0, 1)).mean((-2, -1))
    return means


def _middle_weights(shape: tuple[int, ...]) -> FloatArray:
    """1 in the middle, less towards the corners; where there is one window only, that is the middle."""
    rows, columns = (np.linspace(-1, 1, count) if count > 1 else np.zeros(1) for count in shape)
    weights: FloatArray = 1 - _MIDDLE_WEIGHT * np.hypot(rows[:, None], columns[None, :]) / np.sqrt(2)
    return weights
