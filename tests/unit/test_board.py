"""What the board lets stand where, one cell after the other, against the rules spelt out."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaicd.imaging.descriptors import COLUMNS
from mosaicd.matching.board import Board, similarity
from mosaicd.matching.engine import Assignment, Relaxed, Rules
from mosaicd.matching.index import Candidates, TileIndex
from tests.squares import varied_descriptors

EVEN = np.ones(COLUMNS, np.float32)
NO_RULES = Rules(
    minimum_distance_cells=0,
    minimum_shot_distance_cells=0,
    maximum_uses=0,
    penalty_step=0.0,
    mirror=True,
    color_correction=0,
    assignment=Assignment.GREEDY,
)


class Game:
    """A board and its tiles, filled cell by cell."""

    def __init__(
        self,
        *,
        tiles: int,
        shape: tuple[int, int],
        rules: Rules,
        shots: np.ndarray | None = None,
        past_appearances: np.ndarray | None = None,
        cells: np.ndarray | None = None,
        count: int = 16,
    ) -> None:
        self.index = TileIndex(EVEN)
        self.index.add(np.arange(tiles), varied_descriptors(tiles, seed=1))
        self.cells = varied_descriptors(shape[0] * shape[1], seed=2) if cells is None else cells
        self.candidates = self.index.nearest(self.cells, count=count, mirror=True)
        self.shots = np.arange(tiles) if shots is None else shots
        past = np.zeros(tiles, np.float32) if past_appearances is None else past_appearances
        self.board = Board(shape, past, self.shots, rules)

    def ask(self, cell: int, is_allowed: np.ndarray) -> Candidates:
        return self.index.nearest_allowed(self.cells[cell], is_allowed, count=16, mirror=True)

    def place(self, cell: int) -> int:
        return int(self.board.place(cell, self.candidates, self.candidates.distances[cell], self.ask))

    def fill(self) -> np.ndarray:
        for cell in range(len(self.cells)):
            self.place(cell)
        return self.board.placement().positions


def allowed_by(
    limits: tuple[int, int, int], positions: np.ndarray, shots: np.ndarray, row: int, column: int
) -> set[int]:
    """Tiles within (shot distance, uses, distance), given what stands (-1: nothing) in `positions`."""
    shot_distance, uses, distance = limits
    allowed = set()
    placed = [(int(position), place) for place, position in np.ndenumerate(positions) if position >= 0]
    for tile in range(len(shots)):
        is_far = all(
            max(abs(row - place[0]), abs(column - place[1])) > distance
            for position, place in placed
            if position == tile
        )
        is_other_shot = all(
            max(abs(row - place[0]), abs(column - place[1])) > shot_distance
            for position, place in placed
            if shots[position] == shots[tile]
        )
        times = sum(position == tile for position, _ in placed)
        if (is_far or not distance) and (is_other_shot or not shot_distance) and (times < uses or not uses):
            allowed.add(tile)
    return allowed


@settings(max_examples=60, deadline=None)
@given(
    tiles=st.integers(1, 40),
    rows=st.integers(1, 5),
    columns=st.integers(1, 5),
    distance=st.integers(0, 2),
    shot_distance=st.integers(0, 3),
    uses=st.integers(0, 3),
    shot_count=st.integers(1, 12),
    step=st.sampled_from([0.0, 0.03, 0.5]),
    count=st.integers(1, 6),
    seed=st.integers(0, 5),
)
def test_every_cell_is_filled_and_rules_give_way_in_their_order_only_where_no_tile_keeps_to_them(
    tiles: int,
    rows: int,
    columns: int,
    distance: int,
    shot_distance: int,
    uses: int,
    shot_count: int,
    step: float,
    count: int,
    seed: int,
) -> None:
    shots = np.random.default_rng(seed).integers(0, shot_count, tiles)
    rules = replace(
        NO_RULES,
        minimum_distance_cells=distance,
        minimum_shot_distance_cells=shot_distance,
        maximum_uses=uses,
        penalty_step=step,
    )
    game = Game(tiles=tiles, shape=(rows, columns), rules=rules, shots=shots, count=count)
    levels = [(shot, uses, distance) for shot in range(shot_distance, -1, -1)]
    levels += [(0, 0, near) for near in range(distance, -1, -1)]
    standing = np.full((rows, columns), -1)
    relaxed = [0, 0, 0]
    for cell in np.random.default_rng(seed).permutation(rows * columns).tolist():
        row, column = divmod(cell, columns)
        limits, allowed = next(
            (level, found) for level in levels if (found := allowed_by(level, standing, shots, row, column))
        )
        standing[row, column] = game.place(cell)
        assert standing[row, column] in allowed
        relaxed = [
            total + (now != strict) for total, now, strict in zip(relaxed, limits, levels[0], strict=True)
        ]
    placement = game.board.placement()
    np.testing.assert_array_equal(placement.positions, standing)
    assert placement.relaxed == Relaxed(
        minimum_shot_distance_cells=relaxed[0], maximum_uses=relaxed[1], minimum_distance_cells=relaxed[2]
    )


def test_a_candidate_is_put_where_no_rule_is_against_it() -> None:
    rules = replace(NO_RULES, minimum_distance_cells=1)
    cells = np.repeat(varied_descriptors(1, seed=9), 4, axis=0)
    game = Game(tiles=30, shape=(1, 4), rules=rules, cells=cells)
    assert [game.board.put(cell, game.candidates, 0) for cell in range(4)] == [True, False, True, False]


def test_without_rules_each_cell_has_its_nearest_tile() -> None:
    game = Game(tiles=200, shape=(6, 6), rules=NO_RULES)
    positions = game.fill()
    np.testing.assert_array_equal(positions.ravel(), game.candidates.positions[:, 0])
    np.testing.assert_allclose(
        game.board.placement().similarities.ravel(), similarity(game.candidates.distances[:, 0])
    )


def test_a_higher_penalty_step_gives_more_distinct_tiles() -> None:
    cells = np.repeat(varied_descriptors(1, seed=9), 100, axis=0)
    distinct = [
        len(
            np.unique(
                Game(
                    tiles=100,
                    shape=(10, 10),
                    rules=replace(NO_RULES, penalty_step=step),
                    cells=cells,
                    count=200,
                ).fill()
            )
        )
        for step in (0.0, 0.1, 1.0)
    ]
    assert distinct[0] == 1
    assert distinct[0] < distinct[1] < distinct[2]


def test_tiles_used_in_the_past_are_avoided_and_so_are_their_shots() -> None:
    rules = replace(NO_RULES, penalty_step=0.2)
    shots = np.arange(300) // 3
    first = Game(tiles=300, shape=(5, 5), rules=rules, shots=shots).fill()
    appearances = np.isin(np.arange(300), first).astype(np.float32)
    again = Game(tiles=300, shape=(5, 5), rules=rules, past_appearances=appearances).fill()
    fresh = Game(tiles=300, shape=(5, 5), rules=rules, shots=shots, past_appearances=appearances).fill()
    assert np.isin(again, first).mean() < 0.5
    seen_shots = shots[np.unique(first)]
    assert np.isin(shots[fresh], seen_shots).mean() < np.isin(shots[again], seen_shots).mean()


def test_use_costs_rise_with_each_use() -> None:
    board = Game(tiles=3, shape=(1, 1), rules=replace(NO_RULES, penalty_step=0.03)).board
    np.testing.assert_allclose(board.use_costs(4), [0, 1, 1.02, 1.04], rtol=1e-5)
    assert board.use_costs(1).tolist() == [0]


def test_similarities_lie_between_0_and_1() -> None:
    assert similarity(np.array([0, 25, 100, 500], np.float32)).tolist() == [1, 0.75, 0, 0]
