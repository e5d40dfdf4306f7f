"""Which squares are no pictures worth having: blurred ones, and writing on a plain ground, as credits are."""

import cv2
import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import FloatArray, PixelArray

MEASURED_EDGE = 128
"""Squares are measured at this size; of smaller ones, it cannot be told what they show."""

_COARSE = 16
_BLOCKS = 8
_FINE_SIGMA = 1.5
_SHARPEST_BLOCKS = 6
_BLURRED_SHARE = 0.15
_BLURRED_CONTRAST = 15.0

_PLAIN_DIFFERENCE, _INK_DIFFERENCE = 12, 50
_LEAST_PLAIN = 0.6
_INK_RANGE = (0.01, 0.3)
_THICK_STROKE = np.ones((7, 7), np.uint8)
_MOST_THICK = 0.02
_LEAST_GAPS = 0.2
_LEAST_LINES = 2
_LEAST_STROKES_A_ROW = 3


def is_blurred(square: PixelArray) -> bool:
    """Whether a square shows something, and all of it without an edge that is sharp.

    Parameters
    ----------
    square : ndarray of uint8, shape (edge, edge, 3)
        sRGB.

    Notes
    -----
    What is fine is what a blur by 1.5 of 128 pixels takes away, in those of 8 x 8 blocks that have most of it; what
    there is to be seen is the contrast of 16 x 16 cells about a curved plane, so that a clear sky or a sunset,
    smooth by nature, shows nothing. Blurred is what has less than 0.15 of the one in the other, and contrast.

    Of 1,658 squares of real films and photos that took two, which are out of focus, and a drawn colour wheel.
    Of the same blurred by 3 of 128 pixels, it took 97%, of those blurred by 2, 40%.
    """
    if len(square) < MEASURED_EDGE:
        return False
    grey = _grey(square).astype(np.float32)
    cells = cv2.resize(grey, (_COARSE, _COARSE), interpolation=cv2.INTER_AREA).ravel()
    contrast = float((cells - _CURVED_PLANES @ (_CURVED_PLANES.T @ cells)).std())
    fine = grey - cv2.GaussianBlur(grey, (0, 0), _FINE_SIGMA)
    energy = cv2.resize(fine * fine, (_BLOCKS, _BLOCKS), interpolation=cv2.INTER_AREA).ravel()
    sharpest = float(np.sqrt(np.sort(energy)[-_SHARPEST_BLOCKS]))
    return contrast > _BLURRED_CONTRAST and sharpest < _BLURRED_SHARE * contrast


def is_writing(square: PixelArray) -> bool:
    """Whether a square shows lines of writing on a plain ground, and nothing else.

    Parameters
    ----------
    square : ndarray of uint8, shape (edge, edge, 3)
        sRGB.

    Notes
    -----
    Most of it is of one brightness; what stands out is thin, in lines with gaps between them, and each row of a
    line is crossed by several strokes. Made up credits in nearly all sizes are taken, of 1,658 squares of real
    films and photos only those of a scanned page, and none of 600 starry skies.
    """
    if len(square) < MEASURED_EDGE:
        return False
    grey = _grey(square).astype(np.int16)
    difference = np.abs(grey - np.int16(np.median(grey)))
    ink = difference > _INK_DIFFERENCE
    share = ink.mean()
    if (difference < _PLAIN_DIFFERENCE).mean() < _LEAST_PLAIN or not _INK_RANGE[0] <= share < _INK_RANGE[1]:
        return False
    thick = cv2.erode(ink.astype(np.uint8), _THICK_STROKE)
    is_inked = ink.any(axis=1)
    first, last = np.flatnonzero(is_inked)[[0, -1]]
    written = is_inked[first : last + 1].astype(np.int8)
    begun = np.diff(ink.astype(np.int8), axis=1, prepend=0) == 1
    return bool(
        thick.sum() < _MOST_THICK * ink.sum()
        and 1 - written.mean() >= _LEAST_GAPS
        and (np.diff(written, prepend=0) == 1).sum() >= _LEAST_LINES
        and begun.sum(axis=1)[is_inked].mean() >= _LEAST_STROKES_A_ROW
    )


def _grey(square: PixelArray) -> NDArray[np.uint8]:
    """Brightness in 128 x 128 pixels."""
    size = (MEASURED_EDGE, MEASURED_EDGE)
    reduced = cv2.resize(square, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(reduced, cv2.COLOR_RGB2GRAY), np.uint8)


def _curved_planes() -> FloatArray:
    """Brightness that runs evenly or bends once, orthonormal: shape (16 * 16, 6)."""
    down, across = (axis.ravel() for axis in np.mgrid[-1 : 1 : _COARSE * 1j, -1 : 1 : _COARSE * 1j])
    terms = [np.ones_like(down), down, across, down * down, across * across, down * across]
    basis: FloatArray = np.linalg.qr(np.stack(terms, axis=1))[0].astype(np.float32)
    return basis


_CURVED_PLANES = _curved_planes()
