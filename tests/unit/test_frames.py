"""Where frames are cut, and which crops are worth keeping."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaicd.imaging import FloatArray, PixelArray
from mosaicd.imaging.descriptors import describe, subcells
from mosaicd.imaging.frames import (
    SkipReason,
    short_side_size,
    skip_reason,
    square_crops,
)

GRADIENT = np.linspace(40, 220, 64, dtype=np.uint8)


def descriptor(pixels: PixelArray) -> FloatArray:
    row: FloatArray = describe(subcells(pixels[np.newaxis]))[0]
    return row


def picture(*, brightness: int = 0, blue: int = 0) -> PixelArray:
    pixels = np.repeat(np.broadcast_to(GRADIENT, (64, 64))[..., np.newaxis], 3, axis=2)
    pixels += np.array([brightness, brightness, brightness + blue], np.uint8)
    return pixels


def plain(*color: int) -> PixelArray:
    return np.full((64, 64, 3), color, np.uint8)


@given(width=st.floats(1, 20_000), height=st.floats(1, 20_000), short_side=st.integers(1, 512))
def test_short_side_is_as_asked_and_shape_is_kept(width: float, height: float, short_side: int) -> None:
    columns, rows = short_side_size(width, height, short_side=short_side)
    assert min(columns, rows) == short_side
    exact = max(width, height) * short_side / min(width, height)
    assert max(columns, rows) == pytest.approx(exact, abs=0.5001)
    assert (columns >= rows) == (width >= height) or abs(columns - rows) <= 1


@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    edge=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
)
def test_crops_are_squares_of_the_edge_asked_for(height: int, width: int, edge: int, seed: int) -> None:
    frame = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    crops = square_crops(frame, edge=edge)
    assert len(crops) in {1, 2}
    for crop in crops:
        assert crop.shape == (edge, edge, 3)
        assert crop.dtype == np.uint8


def test_wide_frame_is_cut_at_its_left_and_its_right_end() -> None:
    frame = np.zeros((4, 10, 3), np.uint8)
    frame[..., 0] = np.arange(10)
    left, right = square_crops(frame, edge=4)
    assert left[0, :, 0].tolist() == [0, 1, 2, 3]
    assert right[0, :, 0].tolist() == [6, 7, 8, 9]


def test_high_frame_is_cut_at_its_upper_and_its_lower_end() -> None:
    frame = np.zeros((10, 4, 3), np.uint8)
    frame[..., 0] = np.arange(10)[:, np.newaxis]
    upper, lower = square_crops(frame, edge=4)
    assert upper[:, 0, 0].tolist() == [0, 1, 2, 3]
    assert lower[:, 0, 0].tolist() == [6, 7, 8, 9]


@pytest.mark.parametrize(
    ("height", "width", "count"), [(100, 100, 1), (100, 102, 1), (102, 100, 1), (100, 103, 2)]
)
def test_frame_that_is_as_good_as_square_is_cut_once(height: int, width: int, count: int) -> None:
    assert len(square_crops(np.zeros((height, width, 3), np.uint8), edge=10)) == count


def test_crop_is_scaled_by_its_area_means() -> None:
    frame = np.zeros((4, 4, 3), np.uint8)
    frame[:2, :2] = 200
    (crop,) = square_crops(frame, edge=2)
    assert crop[..., 0].tolist() == [[200, 0], [0, 0]]


@pytest.mark.parametrize("pixels", [plain(0, 0, 0), plain(10, 10, 10), plain(0, 0, 20)])
def test_what_is_too_dark_to_see_is_black(pixels: PixelArray) -> None:
    assert skip_reason(descriptor(pixels), None) is SkipReason.BLACK


@pytest.mark.parametrize("pixels", [plain(255, 255, 255), plain(128, 128, 128), plain(20, 60, 200)])
def test_plain_color_is_blank(pixels: PixelArray) -> None:
    assert skip_reason(descriptor(pixels), None) is SkipReason.BLANK


def test_noise_too_fine_to_be_seen_in_a_mosaic_is_blank() -> None:
    noise = np.random.default_rng(1).integers(126, 131, (64, 64, 3), dtype=np.uint8)
    assert skip_reason(descriptor(noise), None) is SkipReason.BLANK


def test_black_is_said_before_repeated() -> None:
    black = descriptor(plain(0, 0, 0))
    assert skip_reason(black, black) is SkipReason.BLACK


def test_what_differs_by_less_than_an_eye_can_tell_is_repeated() -> None:
    first = descriptor(picture())
    assert skip_reason(first, first) is SkipReason.REPEATED
    assert skip_reason(descriptor(picture(brightness=1)), first) is SkipReason.REPEATED


def test_what_an_eye_can_tell_apart_is_kept() -> None:
    first = descriptor(picture())
    assert skip_reason(first, None) is None
    assert skip_reason(descriptor(picture(brightness=8)), first) is None
    assert skip_reason(descriptor(picture(blue=12)), first) is None
    assert skip_reason(descriptor(np.ascontiguousarray(picture()[:, ::-1])), first) is None
