"""Pictures of high dynamic range, shown as ordinary ones."""

import functools
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import FloatArray, PixelArray

_WHITE_NITS = 203.0
_KNEE = 0.7  # of what a screen can show; above it room is made for the light beyond white
_HLG_GAMMA = 1.2
_LUMINANCE = np.array([0.2627, 0.6780, 0.0593], np.float32)
_BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)


class Curve(StrEnum):
    """How light is coded."""

    HLG = "hlg"
    PQ = "pq"


_PEAK_NITS = {Curve.HLG: 1000.0, Curve.PQ: 10_000.0}


def high_range_to_srgb(signal: NDArray[np.uint16], curve: Curve) -> PixelArray:
    """Convert BT.2020 pixels coded in HLG or PQ to sRGB: up to a knee as they are, and what is brighter compressed.

    Parameters
    ----------
    signal : ndarray of uint16, shape (..., 3)
        R'G'B', full range [2]_.
    curve : Curve

    Returns
    -------
    ndarray of uint8, shape (..., 3)
        sRGB; white at 203 cd/m2 [1]_ becomes nearly its white, light beyond that is told apart still.

    References
    ----------
    .. [1] ITU-R BT.2408-7, "Guidance for operational practices in HDR television production", 2.
    .. [2] ITU-R BT.2100-2, "Image parameter values for high dynamic range television".
    """
    light = _light_of(curve)[signal]
    if curve is Curve.HLG:
        light *= (light @ _LUMINANCE)[..., np.newaxis] ** np.float32(_HLG_GAMMA - 1)
    light = light @ (_BT2020_TO_BT709.T * np.float32(_PEAK_NITS[curve] / _WHITE_NITS))
    np.maximum(light, 0, out=light)
    brightest = light.max(axis=-1, keepdims=True)
    over = np.maximum(brightest - np.float32(_KNEE), 0)
    room = np.float32(1 - _KNEE)
    shown = np.minimum(brightest, np.float32(_KNEE)) + room * over / (over + room)
    light *= shown / np.maximum(brightest, np.float32(1e-6))
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** np.float32(1 / 2.4) - 0.055)
    pixels: PixelArray = np.rint(encoded * 255).astype(np.uint8)
    return pixels


@functools.cache
def _light_of(curve: Curve) -> FloatArray:
    """Linear light for each value of a signal of 16 bits, 1 at its peak."""
    signal = np.linspace(0, 1, 1 << 16)
    if curve is Curve.HLG:
        upper = (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
        light = np.where(signal <= 0.5, signal**2 / 3, upper)
    else:
        root = signal ** (1 / 78.84375)
        light = (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
    return light.astype(np.float32)
