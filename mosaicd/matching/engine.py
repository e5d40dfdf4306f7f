"""The one interface of all engines: ways to choose a tile for each cell."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import FloatArray, PixelArray


class Assignment(StrEnum):
    """Ways in which cells get their tiles."""

    GREEDY = "greedy"
    DIFFUSION = "diffusion"
    OPTIMAL = "optimal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a choice may and may not do. An engine that reproduces another program keeps to its rules instead.

    Attributes
    ----------
    minimum_distance_cells : int
        Two uses of a tile are more than this many cells apart, along rows or along columns.
    minimum_shot_distance_cells : int
        Tiles of one shot likewise.
    maximum_uses : int
        A tile is used at most so often; 0: no limit.
    penalty_step : float
        What is taken off a tile's similarity, which lies in [0, 1], for having been used.
    mirror : bool
        Whether tiles may be mirrored left to right.
    color_correction : float
        Share of a tile's difference to its cell, in mean colour and contrast, that is made up for; 0 to 1.
    assignment : Assignment
    """

    minimum_distance_cells: int
    minimum_shot_distance_cells: int
    maximum_uses: int
    penalty_step: float
    mirror: bool
    color_correction: float
    assignment: Assignment


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxed:
    """In how many cells a rule had to give way, because no tile of the library kept to it there."""

    minimum_shot_distance_cells: int = 0
    maximum_uses: int = 0
    minimum_distance_cells: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Choice:
    """A tile for each cell.

    Attributes
    ----------
    tiles : ndarray of int64, shape (rows, columns)
    mirrored : ndarray of bool, shape (rows, columns)
    corrections : ndarray of float32, shape (rows, columns, 4)
        What is added to the tile's L*, a* and b*, and what their spread is multiplied by.
    mean_similarity : float
        As the engine measures it, of the tiles as they are shown; 1 is the same.
    relaxed : Relaxed
    certified_share : float or None
        Share of the cells whose candidates are provably the nearest of all tiles.
    """

    tiles: NDArray[np.int64]
    mirrored: NDArray[np.bool_]
    corrections: FloatArray
    mean_similarity: float
    relaxed: Relaxed = Relaxed()
    certified_share: float | None = None


class Engine(Protocol):
    """Holds a library's tiles, and chooses among them."""

    @property
    def tiles(self) -> NDArray[np.int64]:
        """The tiles it holds, shape (N,)."""
        ...

    def add(
        self, tiles: NDArray[np.int64], subcells: PixelArray, shots: NDArray[np.int64] | None = None
    ) -> None:
        """Add tiles.

        Parameters
        ----------
        tiles : ndarray of int64, shape (N,)
        subcells : ndarray of uint8, shape (N, 5, 5, 3)
        shots : ndarray of int64, shape (N,), optional
            The same number for tiles of the same shot. By default each tile is a shot of its own.
        """
        ...

    def remove(self, tiles: NDArray[np.int64]) -> None:
        """Remove `tiles`; those that are not here are passed over."""
        ...

    def choose(
        self, cells: PixelArray, *, shape: tuple[int, int], past_appearances: FloatArray, rules: Rules
    ) -> Choice:
        """Choose a tile for each cell.

        Parameters
        ----------
        cells : ndarray of uint8, shape (rows * columns, 5, 5, 3)
            Sub-cells, row by row.
        shape : (rows, columns)
        past_appearances : ndarray of float32, shape (N,)
            In how many earlier mosaics each of `tiles` appears, as far as that still counts.
        rules : Rules

        Raises
        ------
        ValueError
            If there are no tiles.
        """
        ...


def uncorrected(shape: tuple[int, int]) -> FloatArray:
    """Corrections that leave every tile as it is, shape (rows, columns, 4)."""
    return np.tile(np.array([0, 0, 0, 1], np.float32), (*shape, 1))
