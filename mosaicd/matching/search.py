"""Exact search for the nearest rows: leaves of a plane partition are compared with queries as matrices."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import FloatArray
from mosaicd.matching.leaves import LEAF_ROWS, Partition
from mosaicd.matching.packed import Rows

THREADS = 2
"""How many threads a search uses."""

_QUERY_BLOCK = 9216
_PROBED_LEAVES = 2
_PLACES = 32
_PLACES_A_CANDIDATE = 4
_PLACES_LIMIT = 3_000_000
_PAIRS_LIMIT = 3_000_000
_PAIRS_A_STEP = 16_384
_BOX_VALUES = 60_000
_LEAVES_A_TASK = 32
_TASKS_A_THREAD = 4
_LINES = 832
_FEW_LINES = 4
_UNTHREADED_PRODUCT = 2**18
_PRODUCT_VALUES = 2**19
_RELATIVE_SLACK = 2e-5
_ABSOLUTE_SLACK = 1e-5

_Pairs = tuple[NDArray[np.int32], NDArray[np.int32], FloatArray]
_NO_PAIRS: _Pairs = (np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))
_Comparisons = Iterator[tuple[slice, FloatArray, FloatArray, FloatArray]]


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
    descriptors: Rows, leaves: Partition, variants: list[FloatArray], *, count: int
) -> Iterator[Found]:
    """Find the `count` rows nearest to each query, in blocks of queries: exactly those.

    Of rows that are equally near, the lower number comes first, and of a row's forms the earlier: what is found
    depends neither on how rows are divided into leaves nor on which other queries are asked at once.

    A few leaves near each query give a distance within which `count` rows lie. Every leaf whose box comes nearer
    than that is then compared in full, as a matrix product with all the queries that it concerns, and what lies
    within is measured again by differences. What products get wrong by rounding is allowed for; they are taken
    about the leaf's mean, where that is little.

    Parameters
    ----------
    descriptors : Rows
        Or an ndarray of float32, shape (M, columns).
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
    forms, total = len(variants), len(variants[0])
    probed = min(_PROBED_LEAVES + _PLACES_A_CANDIDATE * count // _PLACES, len(leaves))
    places = min(LEAF_ROWS, max(_PLACES, -(-_PLACES_A_CANDIDATE * count // probed)))
    size = max(1, min(_QUERY_BLOCK, _PLACES_LIMIT // (probed * places)) // forms)
    waiting = [(start, min(start + size, total)) for start in range(0, total, size)][::-1]
    with ThreadPoolExecutor(THREADS) as pool:
        while waiting:
            start, stop = waiting.pop()
            block = _Block(
                descriptors=descriptors,
                leaves=leaves,
                queries=np.concatenate([queries[start:stop] for queries in variants]),
                forms=forms,
                pool=pool,
            )
            found = block.nearest(count, (probed, places))
            if found is None:
                middle = (start + stop) // 2
                waiting += [(middle, stop), (start, middle)]
            else:
                yield found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Block:
    """Queries, form after form, each of them a line; and what they are compared with."""

    descriptors: Rows
    leaves: Partition
    queries: FloatArray
    forms: int
    pool: ThreadPoolExecutor

    @property
    def size(self) -> int:
        """The number of queries."""
        return len(self.queries) // self.forms

    def nearest(self, count: int, probes: tuple[int, int]) -> Found | None:
        """Find the nearest rows; None where so many are alike that fewer queries must be asked at once.

        For `probes`, see `_limits`.
        """
        limits = np.tile(self._limits(count, *probes), self.forms)
        keys = np.ascontiguousarray(self.queries[:, : self.leaves.means.shape[1]].T)
        at_once = max(1, _BOX_VALUES // keys.size)
        step = max(at_once, _leaves_a_task(len(self.leaves)))

        def within(first: int) -> list[_Pairs] | None:
            return self._within(range(first, min(first + step, len(self.leaves))), at_once, keys, limits)

        parts = [_NO_PAIRS]
        for part in self.pool.map(within, range(0, len(self.leaves), step)):
            if part is None or self._too_many(parts):
                return None
            parts += part
        lines, rows, squares = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        # no square is negative, so that squares and their bits, read as whole numbers, have the same order
        keyed = (lines % self.size).astype(np.uint64) << np.uint64(32) | squares.view(np.uint32)
        order = np.argsort(keyed)
        _sort_ties(order, keyed, rows, lines)
        firsts = np.searchsorted(keyed[order], np.arange(self.size, dtype=np.uint64) << np.uint64(32))
        best = order[firsts[:, np.newaxis] + np.arange(count)]
        return Found(rows=rows[best], distances=np.sqrt(squares[best]), variants=lines[best] // self.size)

    def _limits(self, count: int, probed: int, places: int) -> FloatArray:
        """A squared distance within which each query has `count` rows, in any of its forms.

        The rows of `probed` leaves are looked at, of each leaf the nearest in each of `places` groups.
        """
        near = self._nearest_leaves(probed)
        order = np.argsort(near, axis=None, kind="stable")
        bounds = np.searchsorted(near.ravel()[order], np.arange(len(self.leaves) + 1))
        asked = np.flatnonzero(np.diff(bounds))
        step = _leaves_a_task(len(asked))
        lowest = np.full((len(self.queries), probed, places), np.inf, np.float32)

        def probe(first: int) -> None:
            comparison = _Comparison(self.descriptors, self.queries)
            for leaf in asked[first : first + step].tolist():
                lines, probes = np.divmod(order[bounds[leaf] : bounds[leaf + 1]], probed)
                for block, squares, own, slack in comparison.squares(self.leaves.rows(leaf), lines):
                    least = _folded(squares, places) + (own + slack)[:, np.newaxis]
                    lowest[lines[block], probes[block]] = least

        list(self.pool.map(probe, range(0, len(asked), step)))
        together = lowest.reshape(self.forms, self.size, -1).swapaxes(0, 1).reshape(self.size, -1)
        together.partition(count - 1, axis=1)
        limits: FloatArray = together[:, count - 1]
        return limits

    def _nearest_leaves(self, count: int) -> NDArray[np.intp]:
        """Leaves whose means, in the leading columns, come nearest to each line, shape (lines, count)."""
        means = self.leaves.means
        columns = np.vstack([-2 * means.T, np.einsum("ij,ij->i", means, means)])
        piece = _unthreaded_lines(columns)
        step = piece * max(1, _PRODUCT_VALUES // (piece * len(means)))

        def nearest(start: int) -> NDArray[np.intp]:
            keys = self.queries[start : start + step, : means.shape[1]]
            lines = np.ones((-(-len(keys) // piece) * piece, len(columns)), np.float32)
            lines[: len(keys), :-1] = keys
            products = lines.reshape(-1, piece, len(columns)) @ columns
            offsets = products.reshape(-1, len(means))[: len(keys)]
            return np.argpartition(offsets, count - 1, axis=1)[:, :count].copy()

        return np.concatenate(list(self.pool.map(nearest, range(0, len(self.queries), step))))

    def _within(
        self, leaves: range, at_once: int, keys: FloatArray, limits: FloatArray
    ) -> list[_Pairs] | None:
        """Lines and rows of `leaves` that are within the lines' limits; None if they are too many."""
        comparison = _Comparison(self.descriptors, self.queries)
        scratch = np.empty((2, at_once, *keys.shape), np.float32)
        found: list[_Pairs] = []
        for start in range(leaves.start, leaves.stop, at_once):
            some = slice(start, min(start + at_once, leaves.stop))
            concerned = self._bounds(some, keys, scratch[:, : some.stop - start]) <= limits
            for leaf in np.flatnonzero(concerned.any(axis=1)).tolist():
                lines, rows = np.flatnonzero(concerned[leaf]), self.leaves.rows(start + leaf)
                if len(lines) <= _FEW_LINES:
                    found += self._measured(np.repeat(lines, len(rows)), np.tile(rows, len(lines)), limits)
                    continue
                for block, squares, own, slack in comparison.squares(rows, lines):
                    near = np.flatnonzero(squares <= (limits[lines[block]] - own + slack)[:, np.newaxis])
                    near_lines, near_rows = np.divmod(near, len(rows))
                    found += self._measured(lines[block][near_lines], rows[near_rows], limits)
                if self._too_many(found):
                    return None
        return found

    def _bounds(self, leaves: slice, keys: FloatArray, scratch: FloatArray) -> FloatArray:
        """What the squared distances of leaves' rows to lines are at least, shape (leaves, lines)."""
        gaps, spare = scratch
        np.subtract(keys, self.leaves.middles[leaves, :, np.newaxis], out=gaps)
        np.abs(gaps, out=gaps)
        gaps -= self.leaves.halves[leaves, :, np.newaxis]
        gaps += np.abs(gaps, out=spare)  # twice what is positive, sooner than by maximum()
        bounds: FloatArray = np.einsum("ijk,ijk->ik", gaps, gaps)
        bounds *= (1 - _RELATIVE_SLACK) / 4
        bounds -= _ABSOLUTE_SLACK
        return bounds

    def _measured(
        self, lines: NDArray[np.intp], rows: NDArray[np.int32], limits: FloatArray
    ) -> Iterator[_Pairs]:
        """Those pairs of lines and rows that are within the lines' limits, with their squared distances."""
        for start in range(0, len(lines), _PAIRS_A_STEP):
            block = slice(start, start + _PAIRS_A_STEP)
            differences = self.descriptors[rows[block]]
            differences -= self.queries[lines[block]]
            squares = np.einsum("ij,ij->i", differences, differences)
            near = squares <= limits[lines[block]] * (1 + _RELATIVE_SLACK) + _ABSOLUTE_SLACK
            yield lines[block][near].astype(np.int32), rows[block][near], squares[near]

    def _too_many(self, parts: list[_Pairs]) -> bool:
        """Whether fewer queries must be asked at once."""
        return self.size > 1 and sum(len(lines) for lines, _, _ in parts) > _PAIRS_LIMIT


class _Comparison:
    """Compares lines with leaves by products, in memory that is used again: fresh memory costs more than they."""

    def __init__(self, descriptors: Rows, queries: FloatArray) -> None:
        columns = queries.shape[1]
        self._descriptors, self._queries = descriptors, queries
        self._size = min(_LINES, len(queries))
        self._taken = np.empty((self._size, columns), np.float32)
        self._lines = np.ones((self._size, columns + 1), np.float32)
        self._products = np.empty(self._size * LEAF_ROWS, np.float32)

    def squares(self, rows: NDArray[np.int32], lines: NDArray[np.intp]) -> _Comparisons:
        """Compare `lines` with a leaf's `rows`, some lines at a time.

        Yields
        ------
        block : slice
            Of `lines`.
        squares : ndarray of float32, shape (lines, rows)
            Squared distances, less `own`; overwritten by the next.
        own, slack : ndarray of float32, shape (lines,)
            Squared distance of each line to the leaf's mean; and by how much its squares may be wrong.
        """
        tiles = self._descriptors[rows]
        mean = tiles.mean(axis=0)
        tiles -= mean
        columns = np.empty((tiles.shape[1] + 1, len(rows)), np.float32)
        np.multiply(tiles.T, -2, out=columns[:-1])
        columns[-1] = np.einsum("ij,ij->i", tiles, tiles)
        farthest = columns[-1].max()
        piece = min(_unthreaded_lines(columns), self._size)
        step = self._size // piece * piece
        for start in range(0, len(lines), step):
            block = slice(start, min(start + step, len(lines)))
            count = block.stop - start
            taken = np.take(self._queries, lines[block], axis=0, out=self._taken[:count], mode="clip")
            centred = np.subtract(taken, mean, out=self._lines[:count, :-1])
            own = np.einsum("ij,ij->i", centred, centred)
            pieces = -(-count // piece)
            products = self._products[: pieces * piece * len(rows)].reshape(pieces, piece, -1)
            np.matmul(self._lines[: pieces * piece].reshape(pieces, piece, -1), columns, out=products)
            slack = _RELATIVE_SLACK * (own + farthest) + _ABSOLUTE_SLACK
            yield block, products.reshape(-1, len(rows))[:count], own, slack


def _sort_ties(
    order: NDArray[np.intp], keyed: NDArray[np.uint64], rows: NDArray[np.int32], lines: NDArray[np.int32]
) -> None:
    """Put what `order` has in the order of `keyed` in that of `rows`, then `lines`, where keys are equal."""
    ranked = keyed[order]
    is_tied = np.zeros(len(order), bool)
    np.equal(ranked[1:], ranked[:-1], out=is_tied[1:])
    is_tied[:-1] |= is_tied[1:]
    tied = np.flatnonzero(is_tied)
    group = order[tied]
    order[tied] = group[np.lexsort((lines[group], rows[group], keyed[group]))]


def _leaves_a_task(leaves: int) -> int:
    """How many leaves at a time keep all threads at work to the end."""
    return max(1, min(_LEAVES_A_TASK, leaves // (_TASKS_A_THREAD * THREADS)))


def _unthreaded_lines(columns: FloatArray) -> int:
    """So many lines times `columns` that BLAS, called from two threads already, starts none of its own.

    OpenBLAS multiplies up to 2 ** 18 triples in the calling thread; its kernels take four lines at once.
    """
    lines = _UNTHREADED_PRODUCT // columns.size
    return max(1, lines // 4 * 4)


def _folded(squares: FloatArray, places: int) -> FloatArray:
    """The least of all columns that are `places` apart, shape (lines, places): so many rows are no farther."""
    whole = squares.shape[1] // places * places
    lowest = np.full((len(squares), places), np.inf, np.float32)
    squares[:, :whole].reshape(len(squares), -1, places).min(axis=1, initial=np.inf, out=lowest)
    rest = lowest[:, : squares.shape[1] - whole]
    np.minimum(rest, squares[:, whole:], out=rest)
    return lowest
