"""A plane partition: rows divided into leaves of near neighbours, each within a box."""

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


def partition(descriptors: FloatArray, *, first: int, key_columns: int) -> Partition:
    """Halve rows at medians, each time in the leading column that varies most, until leaves are small.

    Parameters
    ----------
    descriptors : ndarray of float32, shape (M, columns)
    first : int
        The rows from this one on are divided; at least one.
    key_columns : int
        How many of the columns lead.
    """
    keys = np.ascontiguousarray(descriptors[first:, :key_columns].T)
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


def join(first: Partition, second: Partition) -> Partition:
    """Both partitions' leaves as one partition."""
    return Partition(
        order=np.concatenate([first.order, second.order]),
        starts=np.concatenate([first.starts[:-1], second.starts + len(first.order)]),
        means=np.concatenate([first.means, second.means]),
        middles=np.concatenate([first.middles, second.middles]),
        halves=np.concatenate([first.halves, second.halves]),
    )
