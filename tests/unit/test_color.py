import numpy as np
import pytest
import skimage.color

from mosaicd.imaging.color import lab_to_srgb, mean_color_difference, srgb_to_lab


def test_lab_agrees_with_scikit_image() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (500, 3), np.uint8)
    expected = skimage.color.rgb2lab(pixels / 255.0)
    np.testing.assert_allclose(srgb_to_lab(pixels), expected, atol=0.5)


def test_there_and_back_is_the_same_colour() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (30, 20, 3), np.uint8)
    assert np.abs(lab_to_srgb(srgb_to_lab(pixels)).astype(int) - pixels).max() <= 1


def test_colours_outside_srgb_are_clipped() -> None:
    assert lab_to_srgb(np.array([[150, 0, 0], [-20, 0, 0]], np.float32)).tolist() == [[255] * 3, [0] * 3]


def test_colour_difference_of_black_and_white_is_100() -> None:
    black = np.zeros((3, 3, 3), np.uint8)
    assert mean_color_difference(black, black) == 0
    assert mean_color_difference(black, black + 255) == pytest.approx(100, abs=0.1)
