"""Looks: twelve bytes of each tile, by which those are found that a new one might repeat."""

import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import FloatArray
from mosaicd.imaging.descriptors import KEY_COLUMNS

_MIDDLE = 128


class KnownLooks:
    """Which looks there are already.

    A look is a descriptor's key, rounded to whole units of CIELAB: a perceptual hash, since what looks alike has
    nearly the same. What differs by less than 1 in whole has keys that differ by at most 1 in each column once they
    are rounded, so that nothing alike is missed. A million take 20 MB, and one is asked for in about a millisecond.
    """

    def __init__(self) -> None:
        self._tiles = np.empty(0, np.int64)
        self._looks = np.empty((KEY_COLUMNS, 0), np.uint8)

    @property
    def latest(self) -> int:
        """The highest number of a tile that is known; 0 if none is."""
        return int(self._tiles.max(initial=0))

    def add(self, tiles: NDArray[np.int64], descriptors: FloatArray) -> None:
        """Add `tiles`, shape (N,), with their `descriptors`, shape (N, 75)."""
        self._tiles = np.concatenate([self._tiles, tiles])
        self._looks = np.concatenate([self._looks, _looks(descriptors).T], axis=1)

    def like(self, descriptor: FloatArray) -> NDArray[np.int64]:
        """Tiles that may differ from this one, shape (75,), by less than 1, among them all that do."""
        lowest = _looks(descriptor) - np.uint8(1)
        rows = np.flatnonzero(self._looks[0] - lowest[0] <= 2)
        for column in range(1, KEY_COLUMNS):
            rows = rows[self._looks[column][rows] - lowest[column] <= 2]
        return self._tiles[rows]


def _looks(descriptors: FloatArray) -> NDArray[np.uint8]:
    """Keys of descriptors, shape (..., 75), in whole units, moved to the middle of a byte: shape (..., 12)."""
    rounded = np.rint(descriptors[..., :KEY_COLUMNS]) + _MIDDLE
    looks: NDArray[np.uint8] = np.clip(rounded, 1, 254).astype(np.uint8)
    return looks
