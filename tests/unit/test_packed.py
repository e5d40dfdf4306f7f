import numpy as np
import pytest

from mosaicd.imaging.descriptors import COLUMNS, MEAN_COLUMNS, describe
from mosaicd.matching.packed import STEP, PackedRows
from tests.squares import varied_descriptors


def packed(rows: np.ndarray, *, batches: int = 1) -> PackedRows:
    held = PackedRows(rows.shape[1])
    for batch in np.array_split(rows, batches):
        held.append(batch)
    return held


@pytest.mark.parametrize("batches", [1, 7])
def test_rows_come_back_within_half_a_step(batches: int) -> None:
    rows = varied_descriptors(500, seed=1)
    held = packed(rows, batches=batches)
    assert len(held) == 500
    back = held[np.arange(500, dtype=np.int32)]
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, rows, atol=STEP / 2)
    np.testing.assert_array_equal(held[100:200], back[100:200])
    np.testing.assert_array_equal(held[np.array([[3, 4], [5, 6]], np.int32)], back[3:7].reshape(2, 2, -1))


def test_rows_that_come_back_are_nobody_elses() -> None:
    held = packed(varied_descriptors(10, seed=1))
    wanted = np.arange(10, dtype=np.int32)
    before = held[wanted]
    held[wanted][:] = 0
    held[0:10][:] = 0
    np.testing.assert_array_equal(held[wanted], before)


def test_some_columns_of_rows_are_those_of_the_whole_rows() -> None:
    held = packed(varied_descriptors(50, seed=2))
    wanted = np.array([[4, 9], [0, 49]], np.int32)
    np.testing.assert_array_equal(held.columns(wanted, MEAN_COLUMNS), held[wanted][..., list(MEAN_COLUMNS)])
    np.testing.assert_array_equal(held.leading(20, 12), held[20:50][:, :12].T)


def test_rows_that_are_not_kept_are_gone_and_others_follow() -> None:
    rows = varied_descriptors(40, seed=3)
    held = packed(rows)
    is_kept = np.arange(40) % 3 == 0
    held.keep(is_kept)
    held.append(rows[:2])
    np.testing.assert_allclose(held[0 : len(held)], np.concatenate([rows[is_kept], rows[:2]]), atol=STEP / 2)


def test_no_descriptor_is_too_large_to_be_held() -> None:
    corners = np.array([[red, green, blue] for red in (0, 255) for green in (0, 255) for blue in (0, 255)])
    random = np.random.default_rng(1)
    squares = corners[random.integers(0, 8, (2000, 5, 5))].astype(np.uint8)
    squares[:8] = corners[:, np.newaxis, np.newaxis]
    descriptors = describe(squares)
    np.testing.assert_allclose(packed(descriptors)[0:2000], descriptors, atol=STEP / 2)


def test_numbers_that_no_colour_has_are_held_as_the_largest() -> None:
    rows = np.full((1, COLUMNS), 1000, np.float32)
    assert packed(rows)[0:1].max() == pytest.approx(128, abs=2 * STEP)
    assert packed(-rows)[0:1].min() == -128
