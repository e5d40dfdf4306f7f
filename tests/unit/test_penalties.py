import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaicd.matching.penalties import faded_appearances, with_shots

TILES = np.array([30, 10, 20], np.int64)


def faded(appearances: list[int], ages: list[float]) -> np.ndarray:
    return faded_appearances(
        TILES, np.array(appearances, np.int64), np.array(ages, np.float64), half_life_days=10
    )


def test_appearances_halve_with_every_half_life() -> None:
    assert faded([10, 20, 30], [0, 10, 20]).tolist() == [0.25, 1, 0.5]


def test_appearances_of_one_tile_add_up() -> None:
    assert faded([10, 10, 10], [0, 10, 20]).tolist() == [0, 1.75, 0]


def test_tiles_that_are_not_asked_about_are_passed_over() -> None:
    assert faded([5, 15, 99], [0, 0, 0]).tolist() == [0, 0, 0]


def test_an_appearance_in_the_future_counts_in_full() -> None:
    assert faded([10], [-5]).tolist() == [0, 1, 0]


def test_without_history_or_tiles_there_is_nothing() -> None:
    assert faded([], []).tolist() == [0, 0, 0]
    assert faded_appearances(np.empty(0, np.int64), TILES, np.ones(3), half_life_days=1).shape == (0,)


@given(st.lists(st.tuples(st.sampled_from([10, 20, 30, 40]), st.floats(0, 1000))))
def test_the_order_of_events_does_not_matter(events: list[tuple[int, float]]) -> None:
    tiles, ages = [tile for tile, _ in events], [age for _, age in events]
    assert faded(tiles, ages) == pytest.approx(faded(tiles[::-1], ages[::-1]), rel=1e-5)


def test_what_a_shot_has_shown_counts_half_for_its_other_tiles() -> None:
    appearances = np.array([2, 0, 0.5, 0], np.float32)
    assert with_shots(appearances, np.array([7, 7, 7, 8])).tolist() == [2, 1, 1, 0]


def test_what_was_never_used_stays_so() -> None:
    assert with_shots(np.zeros(3, np.float32), np.array([1, 1, 2])).tolist() == [0, 0, 0]
