import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaicd.imaging.color import srgb_to_lab
from mosaicd.imaging.descriptors import (
    COLUMNS,
    KEY_COLUMNS,
    MEAN_COLUMNS,
    MIRROR_SIGNS,
    describe,
    detail,
    subcells,
)
from tests.squares import varied_subcells

HALF_PRECISION = 0.1

seeds = st.integers(0, 10_000)


@given(seed=seeds)
def test_distance_is_the_root_mean_square_colour_difference_of_subcells(seed: int) -> None:
    samples = varied_subcells(2, seed=seed)
    first, second = describe(samples)
    lab = srgb_to_lab(samples)
    expected = np.sqrt((np.square(lab[0] - lab[1]).sum(axis=-1)).mean())
    assert np.linalg.norm(first - second) == pytest.approx(expected, abs=HALF_PRECISION)


@given(seed=seeds)
def test_distance_of_keys_never_exceeds_that_of_descriptors(seed: int) -> None:
    first, second = describe(varied_subcells(2, seed=seed))
    key_distance = np.linalg.norm(first[:KEY_COLUMNS] - second[:KEY_COLUMNS])
    assert key_distance <= np.linalg.norm(first - second) + 1e-4


@given(seed=seeds)
def test_mirroring_is_a_change_of_signs(seed: int) -> None:
    samples = varied_subcells(3, seed=seed)
    mirrored = describe(np.ascontiguousarray(samples[:, :, ::-1]))
    np.testing.assert_allclose(mirrored, describe(samples) * MIRROR_SIGNS, atol=HALF_PRECISION)


def test_mean_columns_hold_the_mean_colour() -> None:
    samples = varied_subcells(20, seed=1)
    means = srgb_to_lab(samples).mean(axis=(1, 2))
    np.testing.assert_allclose(describe(samples)[:, list(MEAN_COLUMNS)], means, atol=HALF_PRECISION)


def test_the_key_holds_the_means() -> None:
    assert max(MEAN_COLUMNS) < KEY_COLUMNS


def test_a_flat_square_has_no_detail_and_a_checkered_one_has() -> None:
    flat = np.full((1, 5, 5, 3), 128, np.uint8)
    checkered = np.where((np.indices((5, 5)).sum(axis=0) % 2)[None, ..., None], 255, 0).astype(np.uint8)
    checkered = np.broadcast_to(checkered, (1, 5, 5, 3))
    assert detail(describe(flat))[0] == pytest.approx(0, abs=0.01)
    assert detail(describe(checkered))[0] == pytest.approx(50, abs=1)


def test_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="sub-cells of shape"):
        describe(np.zeros((2, 4, 5, 3), np.uint8))


def test_subcells_are_area_means() -> None:
    squares = np.random.default_rng(3).integers(0, 256, (4, 20, 20, 3), np.uint8)
    means = squares.reshape(4, 5, 4, 5, 4, 3).mean(axis=(2, 4))
    assert np.abs(subcells(squares) - means).max() <= 0.51
    assert describe(subcells(squares)).shape == (4, COLUMNS)
