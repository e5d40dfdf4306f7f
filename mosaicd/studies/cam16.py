"""CAM16-UCS: a colour space of even steps to the eye, from a model of colour appearance."""

import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import FloatArray, PixelArray

_SRGB_TO_XYZ = np.array([[41.24, 35.76, 18.05], [21.26, 71.52, 7.22], [1.93, 11.92, 95.05]])
_XYZ_TO_CONES = np.array(
    [[0.401288, 0.650173, -0.051461], [-0.250268, 1.204414, 0.045854], [-0.002079, 0.048952, 0.953127]]
)
_BACKGROUND, _SURROUND, _CHROMATIC_INDUCTION = 20.0, 0.69, 1.0
_ADAPTING_LUMINANCE = 64 / np.pi / 5
_ADAPTATION = 1 - np.exp(-(_ADAPTING_LUMINANCE + 42) / 92) / 3.6


def linear_light(pixels: PixelArray) -> NDArray[np.float64]:
    """Undo sRGB's transfer curve: light from 0 to 1, of the shape of `pixels` [1]_.

    References
    ----------
    .. [1] IEC 61966-2-1, "sRGB".
    """
    values = np.arange(256) / 255
    curve = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    light: NDArray[np.float64] = curve[pixels]
    return light


def srgb_to_cam16_ucs(pixels: PixelArray) -> FloatArray:
    """Convert sRGB to CAM16-UCS [1]_, seen as sRGB is meant to be: white of 64 lux, grey surroundings.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (..., 3)

    Returns
    -------
    ndarray of float32, shape (..., 3)
        J' 0-100, a', b'; Euclidean distances are colour differences.

    References
    ----------
    .. [1] C. Li et al., "Comprehensive color solutions: CAM16, CAT16, and CAM16-UCS", 2017.
    """
    adapted, white_adapted = _adapted_cones(linear_light(pixels)), _adapted_cones(np.ones(3))
    red_green = adapted @ np.array([1, -12 / 11, 1 / 11])
    yellow_blue = adapted @ np.array([1, 1, -2]) / 9
    hue = np.arctan2(yellow_blue, red_green)
    ratio = _BACKGROUND / 100
    brightness_induction = 0.725 * ratio**-0.2
    achromatic = adapted @ np.array([2, 1, 1 / 20]) / (white_adapted @ np.array([2, 1, 1 / 20]))
    lightness = 100 * np.maximum(achromatic, 0) ** (_SURROUND * (1.48 + np.sqrt(ratio)))
    eccentricity = (np.cos(hue + 2) + 3.8) / 4
    saturating = (
        (50_000 / 13)
        * _CHROMATIC_INDUCTION
        * brightness_induction
        * eccentricity
        * np.hypot(red_green, yellow_blue)
        / (adapted @ np.array([1, 1, 1.05]) + 0.305)
    )
    chroma = saturating**0.9 * np.sqrt(lightness / 100) * (1.64 - 0.29**ratio) ** 0.73
    colorfulness = np.log1p(0.0228 * chroma * _luminance_factor() ** 0.25) / 0.0228
    columns = (
        1.7 * lightness / (1 + 0.007 * lightness),
        colorfulness * np.cos(hue),
        colorfulness * np.sin(hue),
    )
    return np.stack(columns, axis=-1).astype(np.float32)


def _luminance_factor() -> float:
    share = 1 / (5 * _ADAPTING_LUMINANCE + 1)
    return float(
        0.2 * share**4 * 5 * _ADAPTING_LUMINANCE
        + 0.1 * (1 - share**4) ** 2 * np.cbrt(5 * _ADAPTING_LUMINANCE)
    )


def _adapted_cones(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Responses of the eye's cones to linear light, adapted to white and compressed, less their noise."""
    white = _XYZ_TO_CONES @ _SRGB_TO_XYZ.sum(axis=1)
    gains = _ADAPTATION * 100 / white + 1 - _ADAPTATION
    cones = gains * (light @ _SRGB_TO_XYZ.T @ _XYZ_TO_CONES.T)
    powered = (_luminance_factor() * np.abs(cones) / 100) ** 0.42
    adapted: NDArray[np.float64] = np.sign(cones) * 400 * powered / (powered + 27.13)
    return adapted
