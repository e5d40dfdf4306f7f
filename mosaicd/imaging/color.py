"""Colour spaces and colour differences."""

from typing import cast

import cv2
import numpy as np

from mosaicd.imaging import FloatArray, PixelArray


def srgb_to_lab(pixels: PixelArray) -> FloatArray:
    """Convert sRGB to CIELAB.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (..., 3)
        sRGB, 0-255.

    Returns
    -------
    ndarray of float32, shape (..., 3)
        CIELAB: L* 0-100, a* and b* about -128 to 127, white point D65 [1]_.

    References
    ----------
    .. [1] CIE 15:2018, "Colorimetry"; IEC 61966-2-1, "sRGB".
    """
    flat = pixels.reshape(-1, 1, 3).astype(np.float32) / np.float32(255)
    return cast("FloatArray", cv2.cvtColor(flat, cv2.COLOR_RGB2LAB).reshape(pixels.shape))


def lab_to_srgb(lab: FloatArray) -> PixelArray:
    """Convert CIELAB (D65) of shape (..., 3) to sRGB of the same shape; what lies outside sRGB is clipped."""
    flat = np.ascontiguousarray(lab.reshape(-1, 1, 3), dtype=np.float32)
    srgb = cv2.cvtColor(flat, cv2.COLOR_LAB2RGB).reshape(lab.shape)
    return np.clip(np.rint(srgb * 255), 0, 255).astype(np.uint8)


def mean_color_difference(first: PixelArray, second: PixelArray) -> float:
    """Mean CIEDE2000 difference of two sRGB images of the same shape (rows, columns, 3) [1]_.

    References
    ----------
    .. [1] G. Sharma, W. Wu, E. N. Dalal, "The CIEDE2000 color-difference formula", 2005.
    """
    from skimage.color import deltaE_ciede2000

    return float(np.mean(deltaE_ciede2000(srgb_to_lab(first), srgb_to_lab(second))))
