"""One way to change an image's size."""

import numpy as np
from PIL import Image

from mosaicd.imaging import PixelArray

Box = tuple[float, float, float, float]


def resample(pixels: PixelArray, *, rows: int, columns: int, box: Box | None = None) -> PixelArray:
    """Resize an image, or a part of it, to `rows` x `columns`.

    Shrinking takes each target pixel's area mean, so that no source pixel is passed over or counted twice;
    enlarging is bicubic. Both work on the sRGB values as they are, as photo viewers do.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 3) or (height, width)
        sRGB or grey.
    rows, columns : int
        The new size in pixels.
    box : (left, top, right, bottom), optional
        The part to take, in source pixels; fractions are honoured.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3) or (rows, columns)
    """
    height, width = pixels.shape[:2]
    left, top, right, bottom = box or (0.0, 0.0, float(width), float(height))
    shrinks = right - left >= columns and bottom - top >= rows
    resampling = Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC
    resized = Image.fromarray(pixels).resize((columns, rows), resampling, box=(left, top, right, bottom))
    return np.asarray(resized)
