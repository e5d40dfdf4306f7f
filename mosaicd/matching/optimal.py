"""Optimal assignment: the tiles that suit all cells best together, each tile used a limited number of times."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from mosaicd.imaging import FloatArray
from mosaicd.matching.board import Board, Placement
from mosaicd.matching.engine import Rules
from mosaicd.matching.index import Candidates

_UNMATCHED = 1.0
_OFFSET = 1.0
_FEWEST_CANDIDATES, _USUAL_CANDIDATES, _MOST_CANDIDATES = 4, 16, 256
_PAIRS_LIMIT = 4_000_000
_USES_TO_SPARE = 2


def uses_matched(rules: Rules, *, cells: int, tiles: int) -> int:
    """How often a tile may be matched: as the rules say, or else twice as often as if all were used evenly.

    Without a limit in the rules, cells that the matching leaves without a tile may still take one that is used up
    by it. A strict limit by default would cost too much: with 20,000 tiles and 9,216 cells, where it comes to one
    use, the portrait's colour error is 6.4 rather than 3.6, its SSIM .44 rather than .57. Very large mosaics, and
    those of very few tiles, are matched with fewer uses than they might have, so that memory holds them: most of
    their cells may then be left to choose one after the other.
    """
    wanted = rules.maximum_uses or -(-_USES_TO_SPARE * cells // max(1, tiles))
    return max(1, min(wanted, _PAIRS_LIMIT // (cells * _USUAL_CANDIDATES)))


def candidates_wanted(cells: int, most_uses: int) -> int:
    """How many candidates of each cell are worth matching.

    More make better mosaics (20,000 tiles, each used once: SSIM .49 with 64, .50 with 256, .52 with 512), but each
    costs memory once for every use that its tile may have: with 2,000 tiles used up to 10 times, 256 candidates
    took 850 MB and 30 s, 64 took 370 MB and 5 s, at .473 and .470.
    """
    affordable = _PAIRS_LIMIT // (cells * most_uses)
    return max(_FEWEST_CANDIDATES, min(_MOST_CANDIDATES, affordable))


def assign(
    candidates: Candidates,
    *,
    board: Board,
    detail: FloatArray,
    most_uses: int,
    ask: Callable[[int, NDArray[np.bool_]], Candidates],
) -> Placement:
    """Assign so that the sum of all cells' costs is least, each tile being used at most `most_uses` times [1]_.

    The matching knows nothing of distances between uses. Cells, richest in detail first, take the tiles it gives
    them as far as the rules allow that there; the others then choose one after the other, as do those that it
    left without a tile because all their candidates suit other cells better.

    Parameters
    ----------
    candidates : Candidates
        For the cells, row by row.
    board : Board
        With no cell filled.
    detail : ndarray of float32, shape (rows * columns,)
    most_uses : int
        At least 1.
    ask : callable
        The best of those tiles that are allowed, for a cell; see `Board.place`.

    References
    ----------
    .. [1] R. Jonker, A. Volgenant, "A shortest augmenting path algorithm for dense and sparse linear assignment
       problems", 1987; SciPy's ``min_weight_full_bipartite_matching``.
    """
    matched = match(candidates, board=board, most_uses=most_uses)
    left = [
        int(cell)
        for cell in np.argsort(-detail, kind="stable")
        if matched[cell] < 0 or not board.put(int(cell), candidates, int(matched[cell]))
    ]
    for cell in left:
        board.place(cell, candidates, candidates.distances[cell], ask)
    return board.placement()


def match(candidates: Candidates, *, board: Board, most_uses: int) -> NDArray[np.int64]:
    """Match cells with candidates at the least sum of distances and penalties.

    A cell may stay without a candidate at a little more than its worst one costs, so that a matching always
    exists.

    Returns
    -------
    ndarray of int64, shape (N,)
        Which candidate each cell gets; -1 for none.
    """
    cells = len(candidates.positions)
    costs = candidates.distances + board.handicap(candidates.positions) + np.float32(_OFFSET)
    is_first = _first_of_each(candidates.positions)
    lines, choices = np.nonzero(is_first)
    tiles, places = np.unique(candidates.positions[lines, choices], return_inverse=True)
    uses = board.use_costs(most_uses)
    weights = (costs[lines, choices][:, np.newaxis] + uses).ravel()
    columns = (places[:, np.newaxis] * most_uses + np.arange(most_uses)).ravel()
    alone = costs.max(axis=1) + uses[-1] + np.float32(_UNMATCHED)
    width = len(tiles) * most_uses
    graph = csr_array(
        (
            np.concatenate([weights, alone]).astype(np.float64),
            (
                np.concatenate([np.repeat(lines, most_uses), np.arange(cells)]),
                np.concatenate([columns, width + np.arange(cells)]),
            ),
        ),
        shape=(cells, width + cells),
    )
    _, matched = min_weight_full_bipartite_matching(graph)
    found = np.full(cells, -1, np.int64)
    taken = np.flatnonzero(matched < width)
    chosen = tiles[matched[taken] // most_uses]
    found[taken] = (candidates.positions[taken] == chosen[:, np.newaxis]).argmax(axis=1)
    return found


def _first_of_each(positions: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Whether each candidate is the first in its line that means its tile: mirror images come second."""
    order = np.argsort(positions, axis=1, kind="stable")
    ordered = np.take_along_axis(positions, order, axis=1)
    is_first = np.ones(positions.shape, bool)
    is_first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    unordered = np.empty_like(is_first)
    np.put_along_axis(unordered, order, is_first, axis=1)
    return unordered
