"""Greedy assignment: cells choose one after the other."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import FloatArray
from mosaicd.matching.board import Board, Placement
from mosaicd.matching.index import Candidates


def assign(
    candidates: Candidates,
    *,
    board: Board,
    detail: FloatArray,
    ask: Callable[[int, NDArray[np.bool_]], Candidates],
) -> Placement:
    """Assign greedily: cells rich in detail choose first, since they have the fewest good tiles.

    Parameters
    ----------
    candidates : Candidates
        For the cells, row by row.
    board : Board
        With no cell filled.
    detail : ndarray of float32, shape (rows * columns,)
    ask : callable
        The best of those tiles that are allowed, for a cell; see `Board.place`.
    """
    for cell in np.argsort(-detail, kind="stable"):
        board.place(int(cell), candidates, candidates.distances[cell], ask)
    return board.placement()
