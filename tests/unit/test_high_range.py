"""High dynamic range as ordinary range: what a screen can show stays as it is, and no light is cut off."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mosaicd.imaging.color import mean_color_difference
from mosaicd.imaging.high_range import Curve, high_range_to_srgb
from tests import films
from tests.high_range import hybrid_log_gamma, perceptual_quantizer

SIGNAL_OF = {Curve.HLG: hybrid_log_gamma, Curve.PQ: perceptual_quantizer}
WHITE = {Curve.HLG: 0.75, Curve.PQ: 0.58}
"""Where BT.2408 puts the signal of white."""


def greys(curve: Curve, *signals: float) -> list[int]:
    """What greys of these signals, 0 to 1, are shown as."""
    stored = np.rint(np.array(signals) * 65535).astype(np.uint16)
    shown = high_range_to_srgb(np.repeat(stored[:, np.newaxis], 3, axis=1), curve)
    assert np.ptp(shown, axis=1).max() <= 1, "grey stays grey"
    return [int(value) for value in shown[:, 1]]


@pytest.mark.parametrize("curve", Curve)
@pytest.mark.parametrize("name", ["astronaut", "coffee", "rocket"])
def test_picture_that_was_in_ordinary_range_looks_as_it_did(curve: Curve, name: str) -> None:
    photo = films.photo(name)
    shown = high_range_to_srgb(SIGNAL_OF[curve](photo), curve)
    assert shown.dtype == np.uint8
    assert mean_color_difference(shown, photo) < 1


@pytest.mark.parametrize("curve", Curve)
def test_black_is_black_and_white_nearly_white(curve: Curve) -> None:
    black, white = greys(curve, 0, WHITE[curve])
    assert black == 0
    assert 230 <= white <= 250


@pytest.mark.parametrize("curve", Curve)
def test_lights_beyond_white_are_told_apart(curve: Curve) -> None:
    lights = greys(curve, *np.linspace(WHITE[curve], 0.95 if curve is Curve.HLG else 0.75, 5))
    assert lights == sorted(set(lights))
    assert greys(curve, 1) <= [255]


@pytest.mark.parametrize("curve", Curve)
def test_colour_of_a_light_is_kept(curve: Curve) -> None:
    lamp: NDArray[np.uint16] = (np.array([0.9, 0.8, 0.6]) * 65535).astype(np.uint16)
    red, green, blue = high_range_to_srgb(lamp, curve).tolist()
    assert red > green > blue + 30


@pytest.mark.parametrize("curve", Curve)
def test_colour_that_no_screen_can_show_is_shown_as_the_purest_it_can(curve: Curve) -> None:
    green = high_range_to_srgb(np.array([0, 40_000, 0], np.uint16), curve)
    assert green.tolist() == [0, green[1], 0]
    assert green[1] > 150
