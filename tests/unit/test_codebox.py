import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mosaicd.imaging import PixelArray
from mosaicd.matching.codebox import CodeboxEngine, nearest_by_squares
from mosaicd.matching.engine import Relaxed, uncorrected
from mosaicd.studies.references import codebox_tile
from tests.photo_cells import THREE_PHOTOS, photo_cells, rules, varied_tiles
from tests.squares import varied_subcells

NO_TILES = np.empty(0, np.int64)


def never_used(tiles: int) -> np.ndarray:
    return np.zeros(tiles, np.float32)


@pytest.mark.parametrize("name", THREE_PHOTOS)
def test_every_cell_gets_the_tile_of_the_plain_reference(name: str) -> None:
    tiles = varied_tiles(5000)
    cells, shape = photo_cells(name, cells_on_long_side=24)
    engine = CodeboxEngine()
    engine.add(np.arange(5000), tiles)
    chosen = engine.choose(cells, shape=shape, past_appearances=never_used(5000), rules=rules())
    assert chosen.tiles.ravel().tolist() == [codebox_tile(cell, tiles) for cell in cells]


levels = st.sampled_from([0, 1, 2, 254, 255]) | st.integers(0, 255)


@settings(max_examples=40, deadline=None)
@given(arrays.arrays(np.uint8, (4, 75), elements=levels), arrays.arrays(np.uint8, (7, 75), elements=levels))
def test_differences_are_exact_whatever_the_pixels(cells: PixelArray, tiles: PixelArray) -> None:
    positions, squared = nearest_by_squares(cells, tiles)
    differences = np.square(tiles.astype(int) - cells[:, np.newaxis].astype(int)).sum(axis=2)
    np.testing.assert_array_equal(positions, differences.argmin(axis=1))
    np.testing.assert_array_equal(squared, differences.min(axis=1))


def test_the_tile_added_first_wins_among_equals_wherever_they_stand() -> None:
    tiles = np.repeat(varied_subcells(3, seed=1), 5000, axis=0)
    engine = CodeboxEngine()
    engine.add(np.arange(15_000), tiles)
    chosen = engine.choose(tiles[::5000], shape=(1, 3), past_appearances=never_used(15_000), rules=rules())
    assert chosen.tiles.tolist() == [[0, 5000, 10_000]]


def test_best_tiles_are_found_at_every_place_of_a_large_library() -> None:
    tiles = varied_subcells(12_000, seed=1)
    places = np.arange(0, 12_000, 5)
    positions, squared = nearest_by_squares(tiles[places].reshape(-1, 75), tiles.reshape(-1, 75))
    assert (squared == 0).all()
    np.testing.assert_array_equal(tiles[positions], tiles[places])


def test_neither_rules_nor_history_change_anything() -> None:
    engine = CodeboxEngine()
    engine.add(np.arange(50), varied_subcells(50, seed=1))
    cells = np.repeat(varied_subcells(1, seed=2), 20, axis=0)
    fresh = engine.choose(cells, shape=(4, 5), past_appearances=never_used(50), rules=rules())
    often_used = np.full(50, 100, np.float32)
    used = engine.choose(cells, shape=(4, 5), past_appearances=often_used, rules=rules(penalty_step=0.5))
    assert len(np.unique(fresh.tiles)) == 1
    np.testing.assert_array_equal(fresh.tiles, used.tiles)
    assert not used.mirrored.any()
    np.testing.assert_array_equal(used.corrections, uncorrected((4, 5)))
    assert used.certified_share is None
    assert used.relaxed == Relaxed()


def test_similarity_is_one_for_the_same_and_nought_for_the_opposite() -> None:
    black, white = np.zeros((1, 5, 5, 3), np.uint8), np.full((1, 5, 5, 3), 255, np.uint8)
    engine = CodeboxEngine()
    engine.add(np.array([7]), black)
    same = engine.choose(black, shape=(1, 1), past_appearances=never_used(1), rules=rules())
    opposite = engine.choose(white, shape=(1, 1), past_appearances=never_used(1), rules=rules())
    assert (same.mean_similarity, opposite.mean_similarity) == (1, 0)


def test_removed_tiles_are_not_chosen_and_the_others_keep_their_order() -> None:
    engine = CodeboxEngine()
    engine.add(np.array([3, 1]), varied_subcells(2, seed=1))
    engine.add(np.array([2]), varied_subcells(1, seed=3))
    engine.remove(np.array([1, 99]))
    assert engine.tiles.tolist() == [3, 2]
    cells = varied_subcells(2, seed=1)
    chosen = engine.choose(cells, shape=(2, 1), past_appearances=never_used(2), rules=rules())
    assert chosen.tiles[0, 0] == 3
    assert chosen.tiles[1, 0] in {2, 3}


def test_an_engine_without_tiles_says_so() -> None:
    engine = CodeboxEngine()
    engine.add(NO_TILES, np.empty((0, 5, 5, 3), np.uint8))
    with pytest.raises(ValueError, match="there are no tiles"):
        engine.choose(varied_subcells(1, seed=1), shape=(1, 1), past_appearances=never_used(0), rules=rules())
