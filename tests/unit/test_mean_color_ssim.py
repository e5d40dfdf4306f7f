import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mosaicd.imaging import FloatArray, PixelArray
from mosaicd.matching.engine import uncorrected
from mosaicd.matching.mean_color_ssim import (
    CANDIDATES,
    LATER_CANDIDATES,
    MeanColorSsimEngine,
    nearest_by_mean,
    structural_similarities,
)
from mosaicd.studies.references import by_mean_color, mean_color_ssim_tiles, similarity
from tests.photo_cells import THREE_PHOTOS, photo_cells, rules, varied_tiles
from tests.squares import varied_subcells


def engine_of(tiles: PixelArray, *, candidates: int = CANDIDATES) -> MeanColorSsimEngine:
    engine = MeanColorSsimEngine(candidates=candidates)
    engine.add(np.arange(len(tiles)), tiles)
    return engine


def never_used(tiles: int) -> FloatArray:
    return np.zeros(tiles, np.float32)


@pytest.mark.parametrize("name", THREE_PHOTOS)
def test_every_cell_gets_the_tile_of_the_plain_reference(name: str) -> None:
    tiles = varied_tiles(5000)
    cells, shape = photo_cells(name, cells_on_long_side=10)
    past = np.random.default_rng(1).integers(0, 3, 5000).astype(np.float32)
    chosen = engine_of(tiles).choose(
        cells, shape=shape, past_appearances=past, rules=rules(penalty_step=0.03)
    )
    expected = mean_color_ssim_tiles(cells, tiles, count=40, step=0.03, past_appearances=past)
    assert chosen.tiles.ravel().tolist() == expected


def test_a_hundred_candidates_are_as_the_plain_reference_has_them() -> None:
    tiles = varied_tiles(5000)[:1000]
    cells, shape = photo_cells("astronaut.png", cells_on_long_side=6)
    chosen = engine_of(tiles, candidates=LATER_CANDIDATES).choose(
        cells, shape=shape, past_appearances=never_used(1000), rules=rules(penalty_step=0.03)
    )
    expected = mean_color_ssim_tiles(cells, tiles, count=100, step=0.03, past_appearances=never_used(1000))
    assert chosen.tiles.ravel().tolist() == expected


squares = arrays.arrays(
    np.uint8,
    (5, 5, 3),
    elements=st.sampled_from([0, 1, 254, 255]) | st.integers(0, 255),
    fill=st.integers(0, 255),
)


@settings(max_examples=150, deadline=None)
@given(squares, squares)
def test_similarity_is_what_scikit_image_says(cell: PixelArray, tile: PixelArray) -> None:
    computed = structural_similarities(cell.reshape(75, 1), tile.reshape(75, 1))
    assert computed.shape == (1,)
    assert computed[0] == pytest.approx(similarity(cell, tile), rel=0, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(
    arrays.arrays(np.uint8, (3, 75), elements=st.integers(0, 1)),
    arrays.arrays(np.uint8, st.tuples(st.integers(1, 30), st.just(75)), elements=st.integers(0, 1)),
    st.integers(1, 12),
)
def test_candidates_are_the_nearest_by_mean_and_the_first_among_equals(
    cells: PixelArray, tiles: PixelArray, count: int
) -> None:
    found = nearest_by_mean(cells, tiles, count=count)
    expected = [
        by_mean_color(cell.reshape(5, 5, 3), tiles.reshape(-1, 5, 5, 3))[:count].tolist() for cell in cells
    ]
    assert found.tolist() == expected


def test_each_win_costs_a_tile_so_that_another_comes_next() -> None:
    tiles = np.repeat(varied_subcells(1, seed=1), 5, axis=0)
    cells = np.repeat(varied_subcells(1, seed=1), 10, axis=0)
    chosen = engine_of(tiles).choose(
        cells, shape=(2, 5), past_appearances=never_used(5), rules=rules(penalty_step=0.05)
    )
    assert chosen.tiles.tolist() == [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]
    assert chosen.mean_similarity == pytest.approx(1)


def test_without_penalty_the_best_tile_is_repeated() -> None:
    cells = np.repeat(varied_subcells(1, seed=2), 10, axis=0)
    chosen = engine_of(varied_subcells(100, seed=1)).choose(
        cells, shape=(2, 5), past_appearances=never_used(100), rules=rules(penalty_step=0)
    )
    assert len(np.unique(chosen.tiles)) == 1


def test_a_higher_penalty_means_more_tiles_and_less_likeness() -> None:
    cells, shape = photo_cells("astronaut.png", cells_on_long_side=40)
    engine = engine_of(varied_tiles(5000))
    distinct, likeness = [], []
    for step in (0.0, 0.03, 0.05, 0.15):
        chosen = engine.choose(
            cells, shape=shape, past_appearances=never_used(5000), rules=rules(penalty_step=step)
        )
        distinct.append(len(np.unique(chosen.tiles)))
        likeness.append(chosen.mean_similarity)
    assert distinct == sorted(set(distinct))
    assert likeness == sorted(set(likeness), reverse=True)


def test_tiles_of_earlier_mosaics_are_avoided() -> None:
    tiles = np.repeat(varied_subcells(1, seed=1), 3, axis=0)
    past = np.array([2, 1, 3], np.float32)
    chosen = engine_of(tiles).choose(
        tiles[:1], shape=(1, 1), past_appearances=past, rules=rules(penalty_step=0.03)
    )
    assert chosen.tiles.tolist() == [[1]]


def test_a_very_good_candidate_ends_the_search_though_a_better_one_follows() -> None:
    cell = np.clip(varied_subcells(1, seed=1), 10, 245)
    nearly = cell.copy()
    nearly[0, 0, 0, 0] += 5
    nearly[0, 0, 1, 0] -= 5
    assert 0.98 < similarity(cell[0], nearly[0]) < 1
    for order in ([nearly, cell], [cell, nearly]):
        chosen = engine_of(np.concatenate(order)).choose(
            cell, shape=(1, 1), past_appearances=never_used(2), rules=rules()
        )
        assert chosen.tiles.item() == 0


def test_where_every_score_is_below_minus_one_the_nearest_colour_is_taken() -> None:
    tiles = varied_subcells(20, seed=1)
    cell = varied_subcells(1, seed=2)
    past = np.linspace(90, 70, 20).astype(np.float32)
    chosen = engine_of(tiles).choose(cell, shape=(1, 1), past_appearances=past, rules=rules(penalty_step=0.5))
    assert chosen.tiles.item() == by_mean_color(cell[0], tiles)[0]


def test_tiles_are_shown_as_they_are() -> None:
    tiles = varied_subcells(60, seed=1)
    chosen = engine_of(tiles).choose(
        varied_subcells(6, seed=2), shape=(2, 3), past_appearances=never_used(60), rules=rules()
    )
    assert not chosen.mirrored.any()
    np.testing.assert_array_equal(chosen.corrections, uncorrected((2, 3)))
    assert chosen.certified_share is None
    assert -1 <= chosen.mean_similarity <= 1


def test_removed_tiles_are_not_chosen() -> None:
    engine = MeanColorSsimEngine()
    engine.add(np.arange(30), varied_subcells(30, seed=1))
    engine.add(np.arange(30, 60), varied_subcells(30, seed=2))
    engine.remove(np.arange(50))
    assert engine.tiles.tolist() == list(range(50, 60))
    chosen = engine.choose(
        varied_subcells(6, seed=3), shape=(2, 3), past_appearances=never_used(10), rules=rules()
    )
    assert (chosen.tiles >= 50).all()


def test_an_engine_without_tiles_says_so() -> None:
    with pytest.raises(ValueError, match="there are no tiles"):
        MeanColorSsimEngine().choose(
            varied_subcells(1, seed=1), shape=(1, 1), past_appearances=never_used(0), rules=rules()
        )
