import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaicd.matching.penalties import faded_uses

TILES = np.array([30, 10, 20], np.int64)


def faded(uses: list[int], counts: list[float], ages: list[float]) -> np.ndarray:
    arrays = np.array(uses, np.int64), np.array(counts, np.float64), np.array(ages, np.float64)
    return faded_uses(TILES, *arrays, half_life_days=10)


def test_uses_halve_with_every_half_life() -> None:
    assert faded([10, 20, 30], [4, 4, 4], [0, 10, 20]).tolist() == [1, 4, 2]


def test_uses_of_one_tile_add_up() -> None:
    assert faded([10, 10, 10], [1, 2, 4], [0, 10, 20]).tolist() == [0, 3, 0]


def test_tiles_that_are_not_asked_about_are_passed_over() -> None:
    assert faded([5, 15, 99], [1, 1, 1], [0, 0, 0]).tolist() == [0, 0, 0]


def test_a_use_in_the_future_counts_in_full() -> None:
    assert faded([10], [1], [-5]).tolist() == [0, 1, 0]


def test_without_history_or_tiles_there_is_nothing() -> None:
    assert faded([], [], []).tolist() == [0, 0, 0]
    empty = np.empty(0, np.int64)
    assert faded_uses(empty, TILES, np.ones(3), np.ones(3), half_life_days=1).shape == (0,)


@given(st.lists(st.tuples(st.sampled_from([10, 20, 30, 40]), st.integers(1, 9), st.floats(0, 1000))))
def test_the_order_of_events_does_not_matter(events: list[tuple[int, int, float]]) -> None:
    def total(ordered: list[tuple[int, int, float]]) -> np.ndarray:
        return faded(*map(list, zip(*ordered, strict=True))) if ordered else np.zeros(3)

    assert total(events) == pytest.approx(total(events[::-1]), rel=1e-5)
