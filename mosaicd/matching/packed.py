"""Rows of numbers in half the room: what an index holds of a million tiles."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import FloatArray

STEP = 1 / 256
"""Of what is held, in units of CIELAB: far less than an eye can tell, or a JPEG keeps."""

_SPARE_SHARE = 8  # one more row for so many


class Rows(Protocol):
    """Descriptors by their row numbers: a plain array, or one that is packed."""

    def __getitem__(self, rows: NDArray[np.int32], /) -> FloatArray:
        """Those rows, as an array that is nobody else's: shape (len(rows), columns)."""
        ...


class PackedRows:
    """Rows of float32, rounded to whole 256ths and held in two bytes each.

    A row comes back as it was rounded, always the same, so that a search among packed rows is as exact as among
    others. Rounding moves a descriptor of 75 columns by 0.01 where neighbouring tiles are 3 to 10 apart.

    Parameters
    ----------
    columns : int
    """

    def __init__(self, columns: int) -> None:
        self._packed = np.empty((0, columns), np.int16)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, rows: NDArray[np.int32] | slice, /) -> FloatArray:
        """Rows of float32; those of an array of any shape (...,) as shape (..., columns)."""
        found: FloatArray = self._packed[: self._count][rows] * np.float32(STEP)
        return found

    def leading(self, first: int, columns: int) -> FloatArray:
        """The leading columns of the rows from `first` on, column by column: shape (columns, rows)."""
        found: FloatArray = self._packed[first : self._count, :columns].T * np.float32(STEP)
        return np.ascontiguousarray(found)

    def columns(self, rows: NDArray[np.int32] | np.int32, columns: Sequence[int]) -> FloatArray:
        """Some columns of rows of any shape (...,): shape (..., len(columns))."""
        found: FloatArray = self._packed[np.asarray(rows)[..., np.newaxis], columns] * np.float32(STEP)
        return found

    def append(self, rows: FloatArray) -> None:
        """Add rows, shape (N, columns); what is beyond 128, as no colour is, becomes 128."""
        needed = self._count + len(rows)
        if needed > len(self._packed):
            capacity = max(needed, self._count + self._count // _SPARE_SHARE)
            # in place where the memory allows it; nobody else has a view of it
            self._packed.resize((capacity, self._packed.shape[1]), refcheck=False)
        limits = np.iinfo(np.int16)
        scaled = np.rint(rows / np.float32(STEP))
        self._packed[self._count : needed] = np.clip(scaled, limits.min, limits.max, out=scaled)
        self._count = needed

    def keep(self, is_kept: NDArray[np.bool_]) -> None:
        """Leave out all rows but those where `is_kept`, shape (len(self),)."""
        self._packed = self._packed[: self._count][is_kept]
        self._count = len(self._packed)
