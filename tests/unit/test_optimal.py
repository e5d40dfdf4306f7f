from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from mosaicd.imaging.descriptors import detail
from mosaicd.matching import optimal
from tests.unit.test_board import NO_RULES, Game


def matched_cost(game: Game, matched: np.ndarray, most_uses: int) -> float:
    """Distances of the matched candidates, what their uses cost, and what cells without one cost."""
    lines = np.flatnonzero(matched >= 0)
    distances = game.candidates.distances
    _, times = np.unique(game.candidates.positions[lines, matched[lines]], return_counts=True)
    costs = game.board.use_costs(most_uses)
    alone = distances.max(axis=1) + costs[-1] + 1
    return float(
        distances[lines, matched[lines]].sum()
        + sum(costs[:count].sum() for count in times)
        + alone[matched < 0].sum()
    )


@settings(max_examples=40, deadline=None)
@given(
    tiles=st.integers(1, 12),
    columns=st.integers(1, 9),
    most_uses=st.integers(1, 3),
    count=st.integers(1, 30),
    step=st.sampled_from([0.0, 0.05]),
)
def test_no_other_matching_costs_less(
    tiles: int, columns: int, most_uses: int, count: int, step: float
) -> None:
    game = Game(tiles=tiles, shape=(1, columns), rules=replace(NO_RULES, penalty_step=step), count=count)
    matched = optimal.match(game.candidates, board=game.board, most_uses=most_uses)
    uses = game.board.use_costs(most_uses)
    distances = game.candidates.distances
    dense = np.full((columns, tiles * most_uses + columns), 1e6)
    for cell in range(columns):
        for position, distance in zip(game.candidates.positions[cell], distances[cell], strict=True):
            for use in range(most_uses):
                place = position * most_uses + use
                dense[cell, place] = min(dense[cell, place], distance + uses[use])
        dense[cell, tiles * most_uses + cell] = distances[cell].max() + uses[-1] + 1
    best = dense[linear_sum_assignment(dense)].sum()
    np.testing.assert_allclose(matched_cost(game, matched, most_uses), best, rtol=1e-4)


def test_no_tile_is_used_more_often_than_allowed_and_every_cell_has_one() -> None:
    rules = replace(NO_RULES, maximum_uses=2, minimum_distance_cells=1)
    game = Game(tiles=60, shape=(10, 10), rules=rules)
    placed = optimal.assign(
        game.candidates, board=game.board, detail=detail(game.cells), most_uses=2, ask=game.ask
    )
    _, counts = np.unique(placed.positions, return_counts=True)
    assert placed.relaxed.maximum_uses == 0
    assert counts.max() <= 2
    assert (placed.positions >= 0).all()


def test_the_best_for_all_costs_less_than_each_cell_choosing_in_turn() -> None:
    rules = replace(NO_RULES, maximum_uses=1)
    game = Game(tiles=150, shape=(10, 10), rules=rules, count=60)
    placed = optimal.assign(
        game.candidates, board=game.board, detail=detail(game.cells), most_uses=1, ask=game.ask
    )
    greedy = Game(tiles=150, shape=(10, 10), rules=rules, count=60)
    greedy.fill()
    assert placed.similarities.mean() > greedy.board.placement().similarities.mean()


def test_uses_are_matched_twice_an_even_share_unless_said() -> None:
    assert optimal.uses_matched(NO_RULES, cells=100, tiles=30) == 7
    assert optimal.uses_matched(NO_RULES, cells=100, tiles=3000) == 1
    assert optimal.uses_matched(replace(NO_RULES, maximum_uses=3), cells=100, tiles=30) == 3


def test_the_more_often_tiles_may_be_used_the_fewer_candidates_are_matched() -> None:
    wanted = [optimal.candidates_wanted(9216, most_uses) for most_uses in (1, 7, 10_000)]
    assert wanted == [256, 62, 4]


def test_very_large_mosaics_are_matched_with_few_uses_and_candidates() -> None:
    matched = [optimal.uses_matched(NO_RULES, cells=cells, tiles=2000) for cells in (6561, 100_000, 700_000)]
    assert matched == [7, 2, 1]
    assert optimal.candidates_wanted(700_000, 1) == 5
