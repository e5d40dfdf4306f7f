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

_MOST_FROM_HISTORY = np.float32(0.8)
_FIRST_USE, _LATER_USE = np.float32(1 / 3), np.float32(1 / 150)


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


class Board:
    """The cells while they are being filled: what stands where, and what using each tile once more costs.

    Parameters
    ----------
    shape : (rows, columns)
    past_appearances : ndarray of float32, shape (tiles in the index,)
        In how many earlier mosaics each tile appears, as far as that still counts.
    rules : Rules

    Notes
    -----
    A tile's appearances in earlier mosaics take at most 0.8 of `penalty_step` off its similarity: they do not add
    up further, since a tile that was seen in three of them looks no older than one that was seen last week, and
    adding up cost 13% of closeness in the third mosaic against 6%. Within this mosaic, a tile's first use takes
    off a third of `penalty_step`, so that tiles not yet used come first where they are nearly as good, and each
    later use a hundred-and-fiftieth: the minimum distance keeps repeats apart, and more would cost closeness.
    """

    def __init__(self, shape: tuple[int, int], past_appearances: FloatArray, rules: Rules) -> None:
        rows, columns = shape
        self._shape = shape
        self._reach = rules.minimum_distance_cells
        self._step = np.float32(rules.penalty_step * SIMILARITY_SCALE)
        self._handicaps = self._step * np.minimum(past_appearances, _MOST_FROM_HISTORY)
        self._is_used = np.zeros(len(past_appearances), bool)
        self._placed = np.full((rows + 2 * self._reach, columns + 2 * self._reach), -1, np.int32)
        self._mirrored = np.zeros(shape, bool)
        self._distances = np.empty(shape, np.float32)
        self._crowded = 0

    def place(
        self,
        cell: int,
        candidates: Candidates,
        distances: Callable[[Candidates, int], FloatArray],
        rank_all: Callable[[int], Candidates],
    ) -> np.int32:
        """Give a cell the candidate with the highest similarity minus penalty; the position taken.

        Where all of its candidates are used nearby, every tile of the library is asked; where even those are, the
        minimum distance gives way cell by cell of it, so that no cell is ever bare.

        Parameters
        ----------
        cell : int
            Its number, row by row.
        candidates : Candidates
            For all cells.
        distances : callable
            Distances of the candidates in a line of `Candidates`, shape (K,).
        rank_all : callable
            Every tile, ranked for the cell whose number is given.
        """
        row, column = divmod(cell, self._shape[1])
        reach = self._reach
        nearby = self._placed[row : row + 2 * reach + 1, column : column + 2 * reach + 1]
        ranked, line = candidates, cell
        costs = distances(ranked, line)
        choice = self._choose(ranked, line, costs, nearby)
        if choice is None:
            ranked, line = rank_all(cell), 0
            costs = distances(ranked, line)
        allowed = reach
        while choice is None:
            inner = slice(reach - allowed, reach + allowed + 1)
            choice = self._choose(ranked, line, costs, nearby[inner, inner])
            self._crowded += choice is not None and allowed < reach
            allowed -= 1
        position: np.int32 = ranked.positions[line, choice]
        self._placed[row + reach, column + reach] = position
        self._handicaps[position] += self._step * (_LATER_USE if self._is_used[position] else _FIRST_USE)
        self._is_used[position] = True
        self._mirrored[row, column] = ranked.mirrored[line, choice]
        self._distances[row, column] = costs[choice]
        return position

    def placement(self) -> Placement:
        """What stands where, once every cell is filled."""
        rows, columns = self._shape
        reach = self._reach
        return Placement(
            positions=self._placed[reach : reach + rows, reach : reach + columns].copy(),
            mirrored=self._mirrored,
            similarities=similarity(self._distances),
            crowded_cells=self._crowded,
        )

    def _choose(
        self, ranked: Candidates, line: int, distances: FloatArray, nearby: NDArray[np.int32]
    ) -> int | None:
        """Choose the candidate of least cost that is not used nearby; None if all are."""
        positions = ranked.positions[line]
        costs = distances + self._handicaps[positions]
        costs[np.isin(positions, nearby)] = np.inf
        choice = int(np.argmin(costs))
        return choice if np.isfinite(costs[choice]) else None


def assign(
    candidates: Candidates,
    *,
    shape: tuple[int, int],
    detail: FloatArray,
    past_appearances: FloatArray,
    rules: Rules,
    rank_all: Callable[[int], Candidates],
) -> Placement:
    """Assign greedily: cells rich in detail choose first, since they have the fewest good tiles.

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
    board = Board(shape, past_appearances, rules)
    for cell in np.argsort(-detail, kind="stable"):
        board.place(int(cell), candidates, lambda ranked, line: ranked.distances[line], rank_all)
    return board.placement()


def similarity(distances: FloatArray) -> FloatArray:
    """Turn descriptor distances into similarities in [0, 1]."""
    similarities: FloatArray = np.clip(1 - distances / np.float32(SIMILARITY_SCALE), 0, 1)
    return similarities
