"""A plane partition: rows divided into leaves of near neighbours, each within a box."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import FloatArray

LEAF_ROWS = 256
"""The most rows that a leaf holds."""

_SAMPLE_ROWS = 250


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Partition:
    """Rows divided into leaves of at most 256 neighbours, each within a box.

    Attributes
    ----------
    order : ndarray of int32, shape (N,)
        Row numbers, leaf by leaf.
    starts : ndarray of int64, shape (leaves + 1,)
        Where each leaf begins in `order`; the last one is N.
    means, middles, halves : ndarray of float32, shape (leaves, key columns)
        In the leading columns, the mean of each leaf's rows, the centre of their box and half its edges.
    """

    order: NDArray[np.int32]
    starts: NDArray[np.int64]
    means: FloatArray
    middles: FloatArray
    halves: FloatArray

    def __len__(self) -> int:
        return len(self.means)

    def rows(self, leaf: int) -> NDArray[np.int32]:
        """Row numbers of a leaf."""
        return self.order[self.starts[leaf] : self.starts[leaf + 1]]


def partition(keys: FloatArray, *, first: int) -> Partition:
    """Halve rows at medians, each time in the key's column that varies most, until leaves are small.

    Parameters
    ----------
    keys : ndarray of float32, shape (key columns, N)
        The leading columns of the rows to be divided, column by column; at least one row.
    first : int
        The number of the first of these rows.
    """
    order = np.arange(keys.shape[1], dtype=np.int32)
    waiting, starts = [(0, len(order))], []
    while waiting:
        start, stop = waiting.pop()
        if stop - start <= LEAF_ROWS:
            starts.append(start)
            continue
        inside = order[start:stop]
        sample = keys[:, inside[:: max(1, len(inside) // _SAMPLE_ROWS)]]
        column = int(np.argmax(sample.var(axis=1)))
        half = len(inside) // 2
        order[start:stop] = inside[np.argpartition(keys[column][inside], half)]
        waiting += [(start, start + half), (start + half, stop)]
    starts.sort()
    keys = keys[:, order]
    bounds = np.array([*starts, len(order)], np.int64)
    lowest, highest = (extreme.reduceat(keys, starts, axis=1).T for extreme in (np.minimum, np.maximum))
    middles: FloatArray = ((lowest + highest) / 2).astype(np.float32)
    means = np.add.reduceat(keys, starts, axis=1).T / np.diff(bounds)[:, np.newaxis]
    return Partition(
        order=order + np.int32(first),
        starts=bounds,
        means=means.astype(np.float32),
        middles=middles,
        halves=np.maximum(highest - middles, middles - lowest),
    )


def join(parts: Sequence[Partition]) -> Partition:
    """All partitions' leaves as one partition."""
    if len(parts) == 1:
        return parts[0]
    ends = np.cumsum([len(part.order) for part in parts])
    starts = [part.starts[:-1] + end - len(part.order) for part, end in zip(parts, ends, strict=True)]
    return Partition(
        order=np.concatenate([part.order for part in parts]),
        starts=np.concatenate([*starts, ends[-1:]]),
        means=np.concatenate([part.means for part in parts]),
        middles=np.concatenate([part.middles for part in parts]),
        halves=np.concatenate([part.halves for part in parts]),
    )
