"""The board: cells while they are being filled, and the rules that keep repeats apart."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import FloatArray
from mosaicd.matching.engine import Relaxed, Rules
from mosaicd.matching.index import Candidates
from mosaicd.matching.penalties import with_shots

SIMILARITY_SCALE = 100.0
"""A similarity is 1 minus the distance over this, the span of L*: from 1 (the same) down to 0 (black on white)."""

FIRST_USE, LATER_USE = 1 / 3, 1 / 150
"""Shares of `penalty_step` that a tile's first use in this mosaic takes off its similarity, and each later one."""

_MOST_FROM_HISTORY = np.float32(0.8)


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
    relaxed : Relaxed
        In how many cells which rule gave way.
    """

    positions: NDArray[np.int32]
    mirrored: NDArray[np.bool_]
    similarities: FloatArray
    relaxed: Relaxed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    """What a tile must keep to in one cell; 0 where nothing has to be kept to."""

    shot_distance: int
    uses: int
    distance: int


class Board:
    """What stands where, and what using each tile once more costs.

    Parameters
    ----------
    shape : (rows, columns)
    past_appearances : ndarray of float32, shape (tiles in the index,)
        In how many earlier mosaics each tile appears, as far as that still counts.
    shots : ndarray of int64, shape (tiles in the index,)
        Tiles of one shot have the same number.
    rules : Rules

    Notes
    -----
    A tile's appearances in earlier mosaics take at most 0.8 of `penalty_step` off its similarity: they do not add
    up further, since a tile that was seen in three of them looks no older than one that was seen last week, and
    adding up cost 13% of closeness in the third mosaic against 6%. Within this mosaic, a tile's first use takes
    off a third of `penalty_step`, so that tiles not yet used come first where they are nearly as good, and each
    later use a hundred-and-fiftieth: the minimum distance keeps repeats apart, and more would cost closeness.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        past_appearances: FloatArray,
        shots: NDArray[np.int64],
        rules: Rules,
    ) -> None:
        rows, columns = shape
        self.shape = shape
        self._rules = rules
        self._margin = margin = max(rules.minimum_distance_cells, rules.minimum_shot_distance_cells)
        self._strict, *self._relaxations = _relaxations(rules)
        self._step = np.float32(rules.penalty_step * SIMILARITY_SCALE)
        history = np.minimum(with_shots(past_appearances, shots), _MOST_FROM_HISTORY)
        self._handicaps: FloatArray = self._step * history
        different, self._shots = np.unique(shots, return_inverse=True)
        self._shot_count = len(different)
        self._uses = np.zeros(len(past_appearances), np.int32)
        self._placed = np.full((rows + 2 * margin, columns + 2 * margin), -1, np.int64)
        self._shown = np.full_like(self._placed, -1)
        self._mirrored = np.zeros(shape, bool)
        self._distances = np.empty(shape, np.float32)
        self._relaxed = dict.fromkeys(("shot_distance", "uses", "distance"), 0)

    def handicap(self, positions: NDArray[np.int32]) -> FloatArray:
        """What using the tiles at `positions`, of any shape, costs just now, in units of distance."""
        return self._handicaps[positions]

    def use_costs(self, count: int) -> FloatArray:
        """What the first `count` uses of a tile in this mosaic cost beside its history, in units of distance."""
        shares = np.array([0, *np.full(count - 1, LATER_USE).cumsum() + FIRST_USE - LATER_USE], np.float32)
        costs: FloatArray = self._step * shares
        return costs

    def put(self, cell: int, candidates: Candidates, choice: int) -> bool:
        """Give a cell the candidate `choice` if no rule is against it; whether that was so."""
        position = candidates.positions[cell, choice : choice + 1]
        is_free = bool(self._is_free(position, cell)[0])
        if is_free:
            self._take(
                cell, position[0], candidates.mirrored[cell, choice], candidates.distances[cell, choice]
            )
        return is_free

    def place(
        self,
        cell: int,
        candidates: Candidates,
        distances: FloatArray,
        ask: Callable[[int, NDArray[np.bool_]], Candidates],
    ) -> np.int32:
        """Give a cell the candidate with the highest similarity minus penalty; the position taken.

        Where the rules allow none of its candidates, every tile of the library is asked; where they allow none of
        those, shot distance gives way first, cell by cell of it, then the limit on uses, then the distance of
        uses, so that no cell is ever bare.

        Parameters
        ----------
        cell : int
            Its number, row by row.
        candidates : Candidates
            For all cells.
        distances : ndarray of float32, shape (K,)
            Of this cell's candidates.
        ask : callable
            The best of those tiles that are allowed, shape (tiles in the index,), for a cell.
        """
        positions, mirrored = candidates.positions[cell], candidates.mirrored[cell]
        choice = self._choose(positions, distances, cell)
        if choice is None:
            asked = ask(cell, self._allowed(cell))
            positions, mirrored, distances = asked.positions[0], asked.mirrored[0], asked.distances[0]
            choice = int(np.argmin(distances + self._handicaps[positions]))
        self._take(cell, positions[choice], mirrored[choice], distances[choice])
        return np.int32(positions[choice])

    def placement(self) -> Placement:
        """What stands where, once every cell is filled."""
        rows, columns = self.shape
        inside = slice(self._margin, self._margin + rows), slice(self._margin, self._margin + columns)
        return Placement(
            positions=self._placed[inside].astype(np.int32),
            mirrored=self._mirrored,
            similarities=similarity(self._distances),
            relaxed=Relaxed(
                minimum_shot_distance_cells=self._relaxed["shot_distance"],
                maximum_uses=self._relaxed["uses"],
                minimum_distance_cells=self._relaxed["distance"],
            ),
        )

    def _take(self, cell: int, position: np.int32, mirrored: np.bool_, distance: np.float32) -> None:
        row, column = divmod(cell, self.shape[1])
        place = row + self._margin, column + self._margin
        self._placed[place], self._shown[place] = position, self._shots[position]
        self._handicaps[position] += self._step * np.float32(LATER_USE if self._uses[position] else FIRST_USE)
        self._uses[position] += 1
        self._mirrored[row, column] = mirrored
        self._distances[row, column] = distance

    def _choose(self, positions: NDArray[np.int32], distances: FloatArray, cell: int) -> int | None:
        """Choose the candidate of least cost that keeps to the rules; None if none does."""
        costs = distances + self._handicaps[positions]
        choice = int(costs.argmin())
        if self._is_free(positions[choice : choice + 1], cell)[0]:  # as most are in a large library
            return choice
        costs[~self._is_free(positions, cell)] = np.inf
        choice = int(costs.argmin())
        return choice if np.isfinite(costs[choice]) else None

    def _is_free(self, positions: NDArray[np.int32], cell: int) -> NDArray[np.bool_]:
        """Whether each of `positions`, shape (K,), keeps to the rules in this cell."""
        limits = self._strict
        is_barred = _occur(positions, self._around(self._placed, cell, limits.distance))
        is_barred |= _occur(self._shots[positions], self._around(self._shown, cell, limits.shot_distance))
        if limits.uses:
            is_barred |= self._uses[positions] >= limits.uses
        return ~is_barred

    def _allowed(self, cell: int) -> NDArray[np.bool_]:
        """Which tiles of the library keep to as much of the rules as any does, shape (tiles,)."""
        strict = self._strict
        tiles_away = self._away(self._placed, cell, strict.distance, len(self._uses))
        shots_away = self._away(self._shown, cell, strict.shot_distance, self._shot_count)[self._shots]
        levels = (
            (
                limits,
                (tiles_away > limits.distance)
                & (shots_away > limits.shot_distance)
                & ((self._uses < limits.uses) | (limits.uses == 0)),
            )
            for limits in (strict, *self._relaxations)
        )
        limits, is_allowed = next(level for level in levels if level[1].any())
        for name in self._relaxed:
            self._relaxed[name] += getattr(limits, name) != getattr(strict, name)
        return is_allowed

    def _away(self, grid: NDArray[np.int64], cell: int, reach: int, count: int) -> NDArray[np.int32]:
        """How many cells away each of `count` tiles or shots stands; `reach` + 1 where it is not within reach."""
        offsets = np.abs(np.arange(-reach, reach + 1, dtype=np.int32))
        nearby = self._around(grid, cell, reach)
        is_filled = nearby >= 0
        away = np.full(count, reach + 1, np.int32)
        np.minimum.at(away, nearby[is_filled], np.maximum.outer(offsets, offsets).ravel()[is_filled])
        return away

    def _around(self, grid: NDArray[np.int64], cell: int, reach: int) -> NDArray[np.int64]:
        """What stands within `reach` cells of this one."""
        row, column = divmod(cell, self.shape[1])
        top, left = row + self._margin - reach, column + self._margin - reach
        window: NDArray[np.int64] = grid[top : top + 2 * reach + 1, left : left + 2 * reach + 1].ravel()
        return window


def similarity(distances: FloatArray) -> FloatArray:
    """Turn descriptor distances into similarities in [0, 1]."""
    similarities: FloatArray = np.clip(1 - distances / np.float32(SIMILARITY_SCALE), 0, 1)
    return similarities


def _relaxations(rules: Rules) -> Iterator[_Limits]:
    """The rules, and then what is left of them as one after the other gives way; at last nothing."""
    limits = _Limits(
        shot_distance=rules.minimum_shot_distance_cells,
        uses=rules.maximum_uses,
        distance=rules.minimum_distance_cells,
    )
    yield limits
    for shot_distance in reversed(range(limits.shot_distance)):
        yield _Limits(shot_distance=shot_distance, uses=limits.uses, distance=limits.distance)
    if limits.uses:
        yield _Limits(shot_distance=0, uses=0, distance=limits.distance)
    for distance in reversed(range(limits.distance)):
        yield _Limits(shot_distance=0, uses=0, distance=distance)


def _occur(values: NDArray[np.int32] | NDArray[np.int64], among: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each of `values`, shape (K,), occurs in `among`, which is short."""
    occurs: NDArray[np.bool_] = (values[:, np.newaxis] == among).any(axis=1)
    return occurs
