"""Tiles by their RGB sub-cells, as the engines hold them that reproduce other programs."""

import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import PixelArray
from mosaicd.imaging.descriptors import COLUMNS


class RgbTiles:
    """Tiles and their sub-cells, in the order in which they were added."""

    def __init__(self) -> None:
        self._tiles = np.empty(0, np.int64)
        self._subcells = np.empty((0, COLUMNS), np.uint8)

    @property
    def tiles(self) -> NDArray[np.int64]:
        """The tiles it holds, shape (N,)."""
        return self._tiles

    def add(
        self,
        tiles: NDArray[np.int64],
        subcells: PixelArray,
        shots: NDArray[np.int64] | None = None,  # noqa: ARG002
    ) -> None:
        """Add tiles; see `Engine.add`. Shots mean nothing to those programs."""
        self._tiles = np.concatenate([self._tiles, tiles])
        self._subcells = np.concatenate([self._subcells, subcells.reshape(-1, COLUMNS)])

    def remove(self, tiles: NDArray[np.int64]) -> None:
        """Remove `tiles`; those that are not here are passed over."""
        kept = ~np.isin(self._tiles, tiles)
        self._tiles, self._subcells = self._tiles[kept], self._subcells[kept]
