"""The tile index: exact search for the tiles nearest to cells, in a library that grows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import FloatArray
from mosaicd.imaging.descriptors import COLUMNS, KEY_COLUMNS, MEAN_COLUMNS, MIRROR_SIGNS
from mosaicd.matching.leaves import Partition, join, partition
from mosaicd.matching.packed import PackedRows
from mosaicd.matching.search import search

_MERGE_SHARE = 0.1
_ROWS_AT_ONCE = 16_384


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """The tiles that come nearest to each of N cells, nearest first.

    Attributes
    ----------
    positions : ndarray of int32, shape (N, K)
        Positions in the index.
    distances : ndarray of float32, shape (N, K)
        Distances of the full (weighted) descriptors, ascending.
    mirrored : ndarray of bool, shape (N, K)
        Whether it is the tile's mirror image that is meant.
    certified : ndarray of bool, shape (N,)
        Whether all of them are provably the nearest of all tiles.
    """

    positions: NDArray[np.int32]
    distances: FloatArray
    mirrored: NDArray[np.bool_]
    certified: NDArray[np.bool_]


class TileIndex:
    """Finds the tiles nearest to cells, and grows with its library.

    One partition holds most tiles, and ever smaller ones the recent ones; the leaves of all are searched together.
    Of the recent, one that is not smaller than the one before it is made anew together with that, so that a tile
    is divided anew only as often as their number doubles; when the recent outgrow a tenth, all are made anew as
    one. They are made when a query needs them, so that many small additions cost one.

    Parameters
    ----------
    weights : ndarray of float32, shape (75,)
        What each column of a descriptor counts.
    """

    def __init__(self, weights: FloatArray) -> None:
        self._weights = weights
        self._tiles = np.empty(0, np.int64)
        self._descriptors = PackedRows(COLUMNS)
        self._parts: list[Partition] = []
        self._leaves: Partition | None = None
        self._lengths = np.empty(0, np.float32)

    def __len__(self) -> int:
        return len(self._tiles)

    @property
    def tiles(self) -> NDArray[np.int64]:
        """Tile of each position, shape (len(self),)."""
        return self._tiles

    def weighted(self, positions: NDArray[np.int32]) -> FloatArray:
        """Descriptors at `positions`, of any shape (...,), times the weights: shape (..., 75)."""
        return self._descriptors[positions]

    def weighted_means(self, positions: NDArray[np.int32] | np.int32) -> FloatArray:
        """Mean L*, a* and b* at `positions`, of any shape (...,), times their weights: shape (..., 3)."""
        return self._descriptors.columns(positions, MEAN_COLUMNS)

    @property
    def weights(self) -> FloatArray:
        """What each column counts, shape (75,)."""
        return self._weights

    def add(self, tiles: NDArray[np.int64], descriptors: FloatArray) -> None:
        """Add `tiles`, shape (N,), with their `descriptors`, shape (N, 75)."""
        self._tiles = np.concatenate([self._tiles, tiles])
        self._descriptors.append(descriptors * self._weights)
        self._leaves = None

    def remove(self, tiles: NDArray[np.int64]) -> None:
        """Remove `tiles`; those that are not here are passed over. Positions change."""
        kept = ~np.isin(self.tiles, tiles)
        self._tiles = self._tiles[kept]
        self._descriptors.keep(kept)
        self._parts, self._leaves = [], None
        self._lengths = np.empty(0, np.float32)

    def nearest(self, cells: FloatArray, *, count: int, mirror: bool = False) -> Candidates:
        """Find the `count` nearest tiles for each cell.

        They are exactly the nearest, ties apart, and certified: a partition of the leading columns rules out most
        tiles, since the distance of keys never exceeds that of descriptors, and all others are compared in full.
        For the best 64 tiles of 9,216 cells that took 0.36 of the time of FAISS's exhaustive search among 190,000
        tiles and, on a busy machine, at most 0.15 of it among a million: an approximate search would gain little.

        Parameters
        ----------
        cells : ndarray of float32, shape (N, 75)
            Descriptors.
        count : int
            Candidates a cell; no more than there are tiles (twice that with `mirror`) come back.
        mirror : bool
            Whether tiles may be mirrored left to right as well.

        Raises
        ------
        ValueError
            If the index is empty.
        """
        leaves = self._built()
        queries = cells * self._weights
        variants = [queries, queries * MIRROR_SIGNS] if mirror else [queries]
        wanted = min(count, len(self) * len(variants))
        found = list(search(self._descriptors, leaves, variants, count=wanted))
        return Candidates(
            positions=np.concatenate([block.rows for block in found]),
            distances=np.concatenate([block.distances for block in found]),
            mirrored=np.concatenate([block.variants for block in found]) == 1,
            certified=np.ones(len(cells), bool),
        )

    def nearest_allowed(
        self, cell: FloatArray, is_allowed: NDArray[np.bool_], *, count: int, mirror: bool = False
    ) -> Candidates:
        """Find the `count` nearest tiles for one cell among those allowed, by asking every one.

        Parameters
        ----------
        cell : ndarray of float32, shape (75,)
            Descriptor.
        is_allowed : ndarray of bool, shape (len(self),)
            At least one is.
        count : int
        mirror : bool
        """
        query = cell * self._weights
        queries = np.stack([query, query * MIRROR_SIGNS] if mirror else [query])
        squares = self._squared_lengths() - 2 * self._products(queries)
        squares[:, ~is_allowed] = np.inf
        wanted = min(count, len(queries) * int(np.count_nonzero(is_allowed)))
        found = np.argpartition(squares.ravel(), wanted - 1)[:wanted]
        mirrored, positions = np.divmod(found, len(self))
        distances = np.linalg.norm(self._descriptors[positions] - queries[mirrored], axis=1)
        order = np.lexsort((mirrored, self.tiles[positions], distances))
        return Candidates(
            positions=positions[order].astype(np.int32)[np.newaxis],
            distances=distances[order].astype(np.float32)[np.newaxis],
            mirrored=(mirrored[order] == 1)[np.newaxis],
            certified=np.ones(1, bool),
        )

    def _products(self, queries: FloatArray) -> FloatArray:
        """Of each query with each descriptor, shape (queries, len(self))."""
        products = np.empty((len(queries), len(self)), np.float32)
        for start in range(0, len(self), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            descriptors = self._descriptors[rows]
            for query, line in zip(queries, products, strict=True):
                # with one thread: a matrix product this small loses more by waiting for others than it gains
                np.einsum("ij,j->i", descriptors, query, out=line[rows])
        return products

    def _squared_lengths(self) -> FloatArray:
        """Of each descriptor, shape (len(self),)."""
        lengths = [self._lengths]
        for start in range(len(self._lengths), len(self), _ROWS_AT_ONCE):
            descriptors = self._descriptors[start : start + _ROWS_AT_ONCE]
            lengths.append(np.einsum("ij,ij->i", descriptors, descriptors))
        self._lengths = np.concatenate(lengths)
        return self._lengths

    def _built(self) -> Partition:
        if len(self) == 0:
            message = "there are no tiles in the index"
            raise ValueError(message)
        if self._leaves is None:
            self._divide_recent()
            self._leaves = join(self._parts)
        return self._leaves

    def _divide_recent(self) -> None:
        """Divide the tiles that are in no part yet, together with those that it is time to divide anew."""
        sizes = [len(part.order) for part in self._parts]
        first = sum(sizes)
        is_outgrown = not sizes or len(self) - sizes[0] > _MERGE_SHARE * sizes[0]
        while sizes and (is_outgrown or (len(sizes) > 1 and len(self) - first >= sizes[-1])):
            first -= sizes.pop()
        if first < len(self):
            keys = self._descriptors.leading(first, KEY_COLUMNS)
            self._parts[len(sizes) :] = [partition(keys, first=first)]
