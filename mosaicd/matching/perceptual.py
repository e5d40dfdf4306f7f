"""The perceptual engine: CIELAB sub-cells, an index of projected descriptors, toned tiles, repeats kept apart."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import FloatArray, PixelArray
from mosaicd.imaging.descriptors import describe, detail
from mosaicd.matching.assignment import Placement, assign
from mosaicd.matching.diffusion import diffuse
from mosaicd.matching.engine import Assignment, Choice, Rules
from mosaicd.matching.index import Candidates, TileIndex
from mosaicd.matching.toning import column_weights, corrections, toned

_CANDIDATES = 64
_BATCH = 20_000


class PerceptualEngine:
    """Chooses tiles by how they look once they are toned.

    Parameters
    ----------
    color_correction : float
        0 to 1; what `Rules` will ask for.
    """

    def __init__(self, *, color_correction: float) -> None:
        self._index = TileIndex(column_weights(color_correction))

    @property
    def tiles(self) -> NDArray[np.int64]:
        """The tiles it holds, shape (N,)."""
        return self._index.tiles

    def add(self, tiles: NDArray[np.int64], subcells: PixelArray) -> None:
        """Add `tiles`, shape (N,), with their `subcells`, shape (N, 5, 5, 3)."""
        for start in range(0, len(tiles), _BATCH):
            batch = slice(start, start + _BATCH)
            self._index.add(tiles[batch], describe(subcells[batch]))

    def remove(self, tiles: NDArray[np.int64]) -> None:
        """Remove `tiles`; those that are not here are passed over."""
        self._index.remove(tiles)

    def choose(
        self, cells: PixelArray, *, shape: tuple[int, int], past_appearances: FloatArray, rules: Rules
    ) -> Choice:
        """Choose a tile for each cell; see `Engine.choose`."""
        described = describe(cells)

        def tone(candidates: Candidates, described: FloatArray) -> Candidates:
            return toned(candidates, described, self._index, color_correction=rules.color_correction)

        def rank_all(cell: int) -> Candidates:
            ranked = self._index.rank_all(described[cell], mirror=rules.mirror)
            return tone(ranked, described[cell : cell + 1])

        found = self._index.nearest(described, count=_CANDIDATES, mirror=rules.mirror)
        placed, asked = self._assign(
            tone(found, described), described, shape, past_appearances, rules, rank_all
        )
        toning = corrections(
            asked, placed.positions.ravel(), self._index, color_correction=rules.color_correction
        )
        return Choice(
            tiles=self.tiles[placed.positions],
            mirrored=placed.mirrored,
            corrections=toning.reshape(*shape, 4),
            mean_similarity=float(placed.similarities.mean()),
            crowded_cells=placed.crowded_cells,
            certified_share=float(found.certified.mean()),
        )

    def _assign(
        self,
        candidates: Candidates,
        cells: FloatArray,
        shape: tuple[int, int],
        past_appearances: FloatArray,
        rules: Rules,
        rank_all: Callable[[int], Candidates],
    ) -> tuple[Placement, FloatArray]:
        """The placement, and the descriptors that tiles are to be toned towards."""
        if rules.assignment is Assignment.DIFFUSION:
            return diffuse(
                candidates,
                cells,
                self._index,
                shape=shape,
                past_appearances=past_appearances,
                rules=rules,
                rank_all=rank_all,
            )
        placed = assign(
            candidates,
            shape=shape,
            detail=detail(cells),
            past_appearances=past_appearances,
            rules=rules,
            rank_all=rank_all,
        )
        return placed, cells
