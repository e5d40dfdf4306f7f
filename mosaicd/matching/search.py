"""Exact search for the nearest rows: a plane partition whose leaves are compared with queries as matrices."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import FloatArray

_LEAF_ROWS = 128
_SAMPLE_ROWS = 2000
_PROBED_LEAVES = 12
_QUERY_BLOCK = 4608
_PROBE_BLOCK = 256
_PAIRS_LIMIT = 3_000_000
_LEAF_PAIRS_LIMIT = 200_000
_PRODUCT_LINES = 27
_THREADS = 2
_RELATIVE_SLACK = 2e-5
_ABSOLUTE_SLACK = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Partition:
    """Rows divided into leaves of at most 128 neighbours, each within a box.

    Attributes
    ----------
    order : ndarray of int32, shape (N,)
        Row numbers, leaf by leaf.
    starts : ndarray of int64, shape (leaves + 1,)
        Where each leaf begins in `order`; the last one is N.
    middles, halves : ndarray of float32, shape (leaves, key columns)
        Centre of each leaf's box and half its edges, in the leading columns.
    """

    order: NDArray[np.int32]
    starts: NDArray[np.int64]
    middles: FloatArray
    halves: FloatArray

    @property
    def leaves(self) -> int:
        """The number of leaves."""
        return len(self.middles)

    def rows(self, leaf: int) -> NDArray[np.int32]:
        """Row numbers of a leaf."""
        return self.order[self.starts[leaf] : self.starts[leaf + 1]]


def partition(descriptors: FloatArray, rows: NDArray[np.int32], *, key_columns: int) -> Partition:
    """Halve `rows` at medians, each time in the leading column that varies most, until leaves are small.

    Parameters
    ----------
    descriptors : ndarray of float32, shape (M, columns)
    rows : ndarray of int32, shape (N,)
        Which of them to divide; at least one.
    key_columns : int
        How many of the columns lead.
    """
    order = rows.copy()
    waiting, starts = [(0, len(order))], []
    while waiting:
        start, stop = waiting.pop()
        if stop - start <= _LEAF_ROWS:
            starts.append(start)
            continue
        inside = order[start:stop]
        sample = descriptors[inside[:: max(1, len(inside) // _SAMPLE_ROWS)], :key_columns]
        column = int(np.argmax(sample.var(axis=0)))
        half = len(inside) // 2
        order[start:stop] = inside[np.argpartition(descriptors[inside, column], half)]
        waiting += [(start, start + half), (start + half, stop)]
    starts.sort()
    keys = descriptors[order, :key_columns]
    lowest, highest = np.minimum.reduceat(keys, starts), np.maximum.reduceat(keys, starts)
    middles: FloatArray = ((lowest + highest) / 2).astype(np.float32)
    return Partition(
        order=order,
        starts=np.array([*starts, len(order)], np.int64),
        middles=middles,
        halves=np.maximum(highest - middles, middles - lowest),
    )


def join(first: Partition, second: Partition) -> Partition:
    """Both partitions' leaves as one partition."""
    return Partition(
        order=np.concatenate([first.order, second.order]),
        starts=np.concatenate([first.starts[:-1], second.starts + len(first.order)]),
        middles=np.concatenate([first.middles, second.middles]),
        halves=np.concatenate([first.halves, second.halves]),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """The nearest rows of each of N queries, nearest first.

    Attributes
    ----------
    rows : ndarray of int32, shape (N, K)
    distances : ndarray of float32, shape (N, K)
    variants : ndarray of int64, shape (N, K)
        Which of the query's variants a row is near to.
    """

    rows: NDArray[np.int32]
    distances: FloatArray
    variants: NDArray[np.int64]


def search(
    descriptors: FloatArray, leaves: Partition, variants: list[FloatArray], *, count: int
) -> Iterator[Found]:
    """Find the `count` rows nearest to each query, in blocks of queries: exactly those, ties apart.

    A few leaves near each query give a distance within which `count` rows lie. Every leaf whose box comes nearer
    than that is then compared in full, as one matrix product with all the queries that it concerns, and what lies
    within is measured again by differences. What products get wrong by rounding is allowed for; they are taken
    about the leaf's mean, where that is little.

    Parameters
    ----------
    descriptors : ndarray of float32, shape (M, columns)
    leaves : Partition
        Of the rows that are searched.
    variants : list of ndarray of float32, shape (N, columns)
        The queries, and other forms of the same queries; a row counts once for each form.
    count : int
        No more than there are rows, times variants.

    Yields
    ------
    Found
        For each block of queries, in their order.
    """
    forms = len(variants)
    size = max(1, _QUERY_BLOCK // forms)
    total = len(variants[0])
    waiting = [(start, min(start + size, total)) for start in range(0, total, size)][::-1]
    with ThreadPoolExecutor(_THREADS) as pool:
        while waiting:
            start, stop = waiting.pop()
            queries = np.concatenate([queries[start:stop] for queries in variants])
            block = _Block(descriptors=descriptors, leaves=leaves, queries=queries, forms=forms)
            found = block.nearest(count, pool)
            if found is None:
                middle = (start + stop) // 2
                waiting += [(middle, stop), (start, middle)]
            else:
                yield found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Block:
    """Queries, form after form, and what they are compared with."""

    descriptors: FloatArray
    leaves: Partition
    queries: FloatArray
    forms: int

    def nearest(self, count: int, pool: ThreadPoolExecutor) -> Found | None:
        """Find the nearest rows; None where so many are alike that fewer queries must be asked at once."""
        size = len(self.queries) // self.forms
        limits = np.tile(self._limits(count, pool), self.forms)
        keys = np.ascontiguousarray(self.queries[:, : self.leaves.middles.shape[1]].T)
        parts, pairs = [], 0
        for part in pool.map(lambda leaf: self._within(leaf, keys, limits), range(self.leaves.leaves)):
            pairs += _PAIRS_LIMIT + 1 if part is None else len(part[0])
            if part is not None and (pairs <= _PAIRS_LIMIT or size == 1):
                parts.append(part)
        if pairs > _PAIRS_LIMIT and size > 1:
            return None
        lines, rows, squares = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        del parts
        order = np.lexsort((rows, squares, lines % size))
        firsts = np.searchsorted(lines[order] % size, np.arange(size))
        best = order[firsts[:, np.newaxis] + np.arange(count)]
        return Found(rows=rows[best], distances=np.sqrt(squares[best]), variants=lines[best] // size)

    def _limits(self, count: int, pool: ThreadPoolExecutor) -> FloatArray:
        """A squared distance within which each query has `count` rows, in any of its forms."""
        probed = min(_PROBED_LEAVES, self.leaves.leaves)
        middles = self.leaves.middles
        offsets = np.einsum("ij,ij->i", middles, middles)

        def nearest_leaves(start: int) -> NDArray[np.intp]:
            keys = self.queries[start : start + _PROBE_BLOCK, : middles.shape[1]]
            return np.argpartition(offsets - 2 * (keys @ middles.T), probed - 1, axis=1)[:, :probed].ravel()

        near = np.concatenate(list(pool.map(nearest_leaves, range(0, len(self.queries), _PROBE_BLOCK))))
        order = np.argsort(near, kind="stable")
        bounds = np.searchsorted(near[order], np.arange(self.leaves.leaves + 1))
        squares = np.full((len(self.queries), probed, _LEAF_ROWS), np.inf, np.float32)

        def probe(leaf: int) -> None:
            lines, places = np.divmod(order[bounds[leaf] : bounds[leaf + 1]], probed)
            if len(lines) == 0:
                return
            rows = self.leaves.rows(leaf)
            measured, slack = _squares(self.descriptors[rows], self.queries[lines])
            squares[lines, places, : len(rows)] = measured + slack[:, np.newaxis]

        list(pool.map(probe, range(self.leaves.leaves)))
        size = len(self.queries) // self.forms
        together = squares.reshape(self.forms, size, -1).swapaxes(0, 1).reshape(size, -1)
        if count > together.shape[1]:
            return np.full(size, np.inf, np.float32)
        together.partition(count - 1, axis=1)
        limits: FloatArray = together[:, count - 1]
        return limits

    def _within(
        self, leaf: int, keys: FloatArray, limits: FloatArray
    ) -> tuple[NDArray[np.intp], NDArray[np.int32], FloatArray] | None:
        """Queries and rows of a leaf within the queries' limits, and their squared distances; None if too many."""
        gaps = np.abs(keys - self.leaves.middles[leaf][:, np.newaxis])
        gaps -= self.leaves.halves[leaf][:, np.newaxis]
        np.maximum(gaps, 0, out=gaps)
        bounds = np.einsum("ij,ij->j", gaps, gaps)
        lines = np.flatnonzero(bounds * (1 - _RELATIVE_SLACK) - _ABSOLUTE_SLACK <= limits)
        rows, queries = self.leaves.rows(leaf), self.queries[lines]
        if len(lines) == 0:
            return lines, rows[:0], keys[0, :0]
        descriptors = self.descriptors[rows]
        squares, slack = _squares(descriptors, queries)
        near = np.flatnonzero(squares <= (limits[lines] + slack)[:, np.newaxis])
        if len(near) > _LEAF_PAIRS_LIMIT:
            return None
        chosen_lines, chosen_rows = np.divmod(near, len(rows))
        differences = descriptors[chosen_rows]
        differences -= queries[chosen_lines]
        return lines[chosen_lines], rows[chosen_rows], np.einsum("ij,ij->i", differences, differences)


def _squares(descriptors: FloatArray, queries: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Squared distances, shape (queries, descriptors), and by how much each query's may be wrong."""
    mean = descriptors.mean(axis=0)
    rows, lines = descriptors - mean, queries - mean
    row_squares, line_squares = np.einsum("ij,ij->i", rows, rows), np.einsum("ij,ij->i", lines, lines)
    # in pieces so small that BLAS, called from two threads already, starts no threads of its own
    pieces = np.zeros((-(-len(lines) // _PRODUCT_LINES), _PRODUCT_LINES, lines.shape[1]), np.float32)
    pieces.reshape(-1, lines.shape[1])[: len(lines)] = lines
    squares: FloatArray = (pieces @ rows.T).reshape(-1, len(rows))[: len(lines)]
    squares *= -2
    squares += row_squares
    squares += line_squares[:, np.newaxis]
    slack: FloatArray = _RELATIVE_SLACK * (line_squares + row_squares.max()) + _ABSOLUTE_SLACK
    return squares, slack
