"""The tile index: KD-trees over descriptor keys, candidates reranked by the full descriptor."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from mosaicd.imaging import FloatArray
from mosaicd.imaging.descriptors import COLUMNS, KEY_COLUMNS, MIRROR_SIGNS

_MERGE_SHARE = 0.1
_RERANK_BLOCK = 512
_BOUND_TOLERANCE = 1e-4
_REACH = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """The tiles that come nearest to each of N cells, nearest first.

    Attributes
    ----------
    positions : ndarray of int32, shape (N, K)
        Positions in the index.
    distances : ndarray of float32, shape (N, K)
        Distances of the full (weighted) descriptors, ascending; infinite where there are fewer than K tiles.
    mirrored : ndarray of bool, shape (N, K)
        Whether it is the tile's mirror image that is meant.
    certified : ndarray of bool, shape (N,)
        Whether the first candidate is provably the best of all tiles.
    """

    positions: NDArray[np.int32]
    distances: FloatArray
    mirrored: NDArray[np.bool_]
    certified: NDArray[np.bool_]


class TileIndex:
    """Finds the tiles nearest to cells, and grows with its library.

    One large KD-tree holds most tiles and a small one the recent ones; when the recent outgrow a tenth, both are
    built anew as one. Trees are built when a query needs them, so that many small additions cost one build.

    Parameters
    ----------
    weights : ndarray of float32, shape (75,)
        What each column of a descriptor counts.
    """

    def __init__(self, weights: FloatArray) -> None:
        self._weights = weights
        self._count = 0
        self._tiles = np.empty(0, np.int64)
        self._descriptors = np.empty((0, COLUMNS), np.float32)
        self._large: cKDTree | None = None
        self._recent: cKDTree | None = None

    def __len__(self) -> int:
        return self._count

    @property
    def tiles(self) -> NDArray[np.int64]:
        """Tile of each position, shape (len(self),)."""
        return self._tiles[: self._count]

    def weighted(self, positions: NDArray[np.int32]) -> FloatArray:
        """Descriptors at `positions`, of any shape (...,), times the weights: shape (..., 75)."""
        return self._descriptors[positions]

    @property
    def weights(self) -> FloatArray:
        """What each column counts, shape (75,)."""
        return self._weights

    def add(self, tiles: NDArray[np.int64], descriptors: FloatArray) -> None:
        """Add `tiles`, shape (N,), with their `descriptors`, shape (N, 75)."""
        needed = self._count + len(tiles)
        if needed > len(self._tiles):
            capacity = max(needed, len(self._tiles) + len(self._tiles) // 4)
            self._tiles = np.resize(self._tiles, capacity)
            grown = np.empty((capacity, COLUMNS), np.float32)
            grown[: self._count] = self._descriptors[: self._count]
            self._descriptors = grown
        self._tiles[self._count : needed] = tiles
        np.multiply(descriptors, self._weights, out=self._descriptors[self._count : needed])
        self._count = needed
        self._recent = None

    def remove(self, tiles: NDArray[np.int64]) -> None:
        """Remove `tiles`; those that are not here are passed over. Positions change."""
        kept = ~np.isin(self.tiles, tiles)
        self._tiles = self.tiles[kept]
        self._descriptors = self._descriptors[: self._count][kept]
        self._count = len(self._tiles)
        self._large = self._recent = None

    def nearest(self, cells: FloatArray, *, count: int, mirror: bool = False) -> Candidates:
        """Find the `count` nearest tiles for each cell.

        The trees return twice as many by the distance of their keys; the full descriptors pick among them.

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
        queries = cells * self._weights
        upright = self._search(queries, count)
        if not mirror:
            return upright
        turned = self._search(queries * MIRROR_SIGNS, count)
        distances = np.hstack([upright.distances, turned.distances])
        best = np.argsort(distances, axis=1, kind="stable")[:, :count]
        positions = np.hstack([upright.positions, turned.positions])
        mirrored = np.hstack([upright.mirrored, np.ones_like(turned.mirrored)])
        return Candidates(
            positions=np.take_along_axis(positions, best, axis=1),
            distances=np.take_along_axis(distances, best, axis=1),
            mirrored=np.take_along_axis(mirrored, best, axis=1),
            certified=upright.certified & turned.certified,
        )

    def rank_all(self, cell: FloatArray, *, mirror: bool = False) -> Candidates:
        """Rank every tile for one cell, descriptor of shape (75,), without the trees."""
        queries = [cell * self._weights]
        if mirror:
            queries.append(queries[0] * MIRROR_SIGNS)
        descriptors = self._descriptors[: self._count]
        distances = np.hstack([np.linalg.norm(descriptors - query, axis=1) for query in queries])
        order = np.argsort(distances, kind="stable")
        return Candidates(
            positions=(order % self._count).astype(np.int32)[np.newaxis],
            distances=distances[order].astype(np.float32)[np.newaxis],
            mirrored=(order >= self._count)[np.newaxis],
            certified=np.ones(1, bool),
        )

    def _search(self, queries: FloatArray, count: int) -> Candidates:
        positions, bounds = self._by_key(queries, _REACH * count)
        distances = np.empty(positions.shape, np.float32)
        for start in range(0, len(queries), _RERANK_BLOCK):
            block = slice(start, start + _RERANK_BLOCK)
            differences = self._descriptors[positions[block]] - queries[block, np.newaxis]
            distances[block] = np.sqrt(np.einsum("ijk,ijk->ij", differences, differences))
        order = np.argsort(distances, axis=1, kind="stable")[:, :count]
        distances = np.take_along_axis(distances, order, axis=1)
        return Candidates(
            positions=np.take_along_axis(positions, order, axis=1),
            distances=distances,
            mirrored=np.zeros(order.shape, bool),
            certified=distances[:, 0] <= bounds + _BOUND_TOLERANCE,
        )

    def _by_key(self, queries: FloatArray, count: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Nearest positions by key, (N, count), and what every other tile's distance is at least, (N,)."""
        self._build()
        keys = queries[:, :KEY_COLUMNS]
        found: list[tuple[NDArray[np.float64], NDArray[np.int32]]] = []
        offset = 0
        for tree in (self._large, self._recent):
            if tree is None:
                continue
            wanted = min(count, tree.n)
            distances, positions = tree.query(keys, k=np.arange(1, wanted + 1), workers=-1)
            found.append((distances, (positions + offset).astype(np.int32)))
            offset += tree.n
        if len(found) == 1:
            distances, positions = found[0]
        else:
            distances = np.hstack([pair[0] for pair in found])
            positions = np.hstack([pair[1] for pair in found])
            order = np.argsort(distances, axis=1, kind="stable")[:, :count]
            distances = np.take_along_axis(distances, order, axis=1)
            positions = np.take_along_axis(positions, order, axis=1)
        everything = positions.shape[1] == self._count
        return positions, np.full(len(keys), np.inf) if everything else distances[:, -1]

    def _build(self) -> None:
        if self._count == 0:
            message = "there are no tiles in the index"
            raise ValueError(message)
        in_large = self._large.n if self._large is not None else 0
        recent = self._count - in_large
        if in_large == 0 or recent > _MERGE_SHARE * in_large:
            self._large, self._recent = self._tree(0), None
        elif recent and self._recent is None:
            self._recent = self._tree(in_large)

    def _tree(self, first: int) -> cKDTree:
        return cKDTree(self._descriptors[first : self._count, :KEY_COLUMNS], balanced_tree=False)
