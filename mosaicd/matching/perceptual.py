"""The perceptual engine: CIELAB sub-cells, an index of projected descriptors, toned tiles, repeats kept apart."""

import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import FloatArray, PixelArray
from mosaicd.imaging.descriptors import describe, detail
from mosaicd.matching import diffusion, greedy, optimal
from mosaicd.matching.board import Board, Placement
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
        self._shots = np.empty(0, np.int64)

    @property
    def tiles(self) -> NDArray[np.int64]:
        """The tiles it holds, shape (N,)."""
        return self._index.tiles

    def add(
        self, tiles: NDArray[np.int64], subcells: PixelArray, shots: NDArray[np.int64] | None = None
    ) -> None:
        """Add tiles; see `Engine.add`."""
        for start in range(0, len(tiles), _BATCH):
            batch = slice(start, start + _BATCH)
            self._index.add(tiles[batch], describe(subcells[batch]))
        self._shots = np.concatenate([self._shots, -1 - tiles if shots is None else shots])

    def remove(self, tiles: NDArray[np.int64]) -> None:
        """Remove `tiles`; those that are not here are passed over."""
        self._shots = self._shots[~np.isin(self.tiles, tiles)]
        self._index.remove(tiles)

    def choose(
        self, cells: PixelArray, *, shape: tuple[int, int], past_appearances: FloatArray, rules: Rules
    ) -> Choice:
        """Choose a tile for each cell; see `Engine.choose`."""
        described = describe(cells)
        count = _CANDIDATES
        if rules.assignment is Assignment.OPTIMAL:
            most_uses = optimal.uses_matched(rules, cells=len(cells), tiles=len(self.tiles))
            count = optimal.candidates_wanted(len(cells), most_uses)
        found = self._index.nearest(described, count=count, mirror=rules.mirror)
        board = Board(shape, past_appearances, self._shots, rules)
        placed, asked = self._assign(self._toned(found, described, rules), described, board, rules)
        toning = corrections(
            asked, placed.positions.ravel(), self._index, color_correction=rules.color_correction
        )
        return Choice(
            tiles=self.tiles[placed.positions],
            mirrored=placed.mirrored,
            corrections=toning.reshape(*shape, 4),
            mean_similarity=float(placed.similarities.mean()),
            relaxed=placed.relaxed,
            certified_share=float(found.certified.mean()),
        )

    def _assign(
        self, candidates: Candidates, cells: FloatArray, board: Board, rules: Rules
    ) -> tuple[Placement, FloatArray]:
        """The placement, and the descriptors that tiles are to be toned towards."""

        def ask(cell: int, is_allowed: NDArray[np.bool_]) -> Candidates:
            found = self._index.nearest_allowed(
                cells[cell], is_allowed, count=_CANDIDATES, mirror=rules.mirror
            )
            return self._toned(found, cells[cell : cell + 1], rules)

        if rules.assignment is Assignment.DIFFUSION:
            return diffusion.assign(
                candidates,
                cells,
                self._index,
                board=board,
                color_correction=rules.color_correction,
                ask=ask,
            )
        if rules.assignment is Assignment.GREEDY:
            return greedy.assign(candidates, board=board, detail=detail(cells), ask=ask), cells
        most_uses = optimal.uses_matched(rules, cells=len(cells), tiles=len(self.tiles))
        placed = optimal.assign(candidates, board=board, detail=detail(cells), most_uses=most_uses, ask=ask)
        return placed, cells

    def _toned(self, candidates: Candidates, cells: FloatArray, rules: Rules) -> Candidates:
        return toned(candidates, cells, self._index, color_correction=rules.color_correction)
