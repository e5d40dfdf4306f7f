"""The assignment: one tile for each cell."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import FloatArray
from mosaicd.matching.engine import Rules
from mosaicd.matching.index import Candidates

SIMILARITY_SCALE = 100.0
"""A similarity is 1 minus the distance over this, the span of L*: from 1 (the same) down to 0 (black on white)."""

_MOST_FROM_HISTORY = np.float32(0.95)
_FIRST_USE, _LATER_USE = np.float32(0.45), np.float32(1 / 150)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placement:
    """One tile for each cell.

    Attributes
    ----------
    positions : ndarray of int32, shape (rows, columns)
        Positions in the index.
    mirrored : ndarray of bool, shape (rows, columns)
    similarities : ndarray of float32, shape (rows, columns)
        In [0, 1], before penalties.
    crowded_cells : int
        Cells where too few tiles forced a repeat within the minimum distance.
    """

    positions: NDArray[np.int32]
    mirrored: NDArray[np.bool_]
    similarities: FloatArray
    crowded_cells: int


def assign(
    candidates: Candidates,
    *,
    shape: tuple[int, int],
    detail: FloatArray,
    past_appearances: FloatArray,
    rules: Rules,
    rank_all: Callable[[int], Candidates],
) -> Placement:
    """Give each cell the candidate with the highest similarity minus penalty.

    Cells rich in detail choose first, since they have the fewest good tiles. Where all of a cell's candidates
    are used nearby, every tile of the library is asked; where even those are, the minimum distance gives way
    cell by cell of it, so that no cell is ever bare.

    A tile's appearances in earlier mosaics take `penalty_step` off its similarity: once, since a tile that was
    seen in three of them looks no older than one that was seen last week, and adding them up cost up to 13% of
    closeness in the third mosaic against 5%. Within this mosaic, a tile's first use takes off 0.45 of that, so
    that tiles not yet used come first where they are nearly as good, and each later use a hundred-and-fiftieth:
    the minimum distance keeps repeats apart, and more would cost closeness.

    Parameters
    ----------
    candidates : Candidates
        For the cells, row by row.
    shape : (rows, columns)
    detail : ndarray of float32, shape (rows * columns,)
    past_appearances : ndarray of float32, shape (tiles in the index,)
        In how many earlier mosaics each tile appears, as far as that still counts.
    rules : Rules
    rank_all : callable
        Every tile, ranked for the cell whose number is given.
    """
    rows, columns = shape
    reach = rules.minimum_distance_cells
    step = np.float32(rules.penalty_step * SIMILARITY_SCALE)
    handicaps = step * np.minimum(past_appearances, _MOST_FROM_HISTORY)
    is_used = np.zeros(len(past_appearances), bool)
    placed = np.full((rows + 2 * reach, columns + 2 * reach), -1, np.int32)
    mirrored = np.zeros(shape, bool)
    distances = np.empty(shape, np.float32)
    crowded = 0
    for cell in np.argsort(-detail, kind="stable"):
        row, column = divmod(int(cell), columns)
        nearby = placed[row : row + 2 * reach + 1, column : column + 2 * reach + 1]
        ranked, line = candidates, int(cell)
        choice = _choose(ranked, line, handicaps, nearby)
        if choice is None:
            ranked, line = rank_all(line), 0
        allowed = reach
        while choice is None:
            inner = slice(reach - allowed, reach + allowed + 1)
            choice = _choose(ranked, line, handicaps, nearby[inner, inner])
            crowded += choice is not None and allowed < reach
            allowed -= 1
        position = ranked.positions[line, choice]
        placed[row + reach, column + reach] = position
        handicaps[position] += step * (_LATER_USE if is_used[position] else _FIRST_USE)
        is_used[position] = True
        mirrored[row, column] = ranked.mirrored[line, choice]
        distances[row, column] = ranked.distances[line, choice]
    return Placement(
        positions=placed[reach : reach + rows, reach : reach + columns].copy(),
        mirrored=mirrored,
        similarities=similarity(distances),
        crowded_cells=crowded,
    )


def similarity(distances: FloatArray) -> FloatArray:
    """Turn descriptor distances into similarities in [0, 1]."""
    similarities: FloatArray = np.clip(1 - distances / np.float32(SIMILARITY_SCALE), 0, 1)
    return similarities


def _choose(ranked: Candidates, line: int, handicaps: FloatArray, nearby: NDArray[np.int32]) -> int | None:
    """Choose the candidate of least cost that is not used nearby; None if all are."""
    positions = ranked.positions[line]
    costs = ranked.distances[line] + handicaps[positions]
    costs[np.isin(positions, nearby)] = np.inf
    choice = int(np.argmin(costs))
    return choice if np.isfinite(costs[choice]) else None
