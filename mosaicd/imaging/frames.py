"""From frames to tiles: where to cut, and which crops are worth keeping."""

from enum import StrEnum

import numpy as np

from mosaicd.imaging import FloatArray, PixelArray
from mosaicd.imaging.descriptors import MEAN_COLUMNS, detail
from mosaicd.imaging.resampling import resample

BLACK_LIGHTNESS = 5.0
BLANK_DETAIL = 1.0
REPEATED_DISTANCE = 1.0
_SQUARE_TOLERANCE = 1.02


class SkipReason(StrEnum):
    """Why a crop became no tile."""

    BLACK = "black"
    BLANK = "blank"
    REPEATED = "repeated"
    BLURRED = "blurred"
    CREDITS = "credits"
    DUPLICATE = "duplicate"


def short_side_size(width: float, height: float, *, short_side: int) -> tuple[int, int]:
    """(width, height) in whole pixels of a picture scaled so that its short side has `short_side` pixels."""
    scale = short_side / min(width, height)
    return max(short_side, round(width * scale)), max(short_side, round(height * scale))


def square_crops(frame: PixelArray, *, edge: int) -> list[PixelArray]:
    """Cut the squares at the two ends of a frame's longer side; one, if the frame is square.

    Parameters
    ----------
    frame : ndarray of uint8, shape (height, width, 3)
    edge : int
        Edge of the returned squares, in pixels.

    Returns
    -------
    list of one or two ndarrays of uint8, shape (edge, edge, 3)
        Upper or left end first.
    """
    height, width = frame.shape[:2]
    side = min(height, width)
    starts = [frame[:side, :side]]
    if max(height, width) > side * _SQUARE_TOLERANCE:
        starts.append(frame[height - side :, width - side :])
    return [
        np.ascontiguousarray(square) if side == edge else resample(square, rows=edge, columns=edge)
        for square in starts
    ]


def skip_reason(descriptor: FloatArray, previous: FloatArray | None) -> SkipReason | None:
    """Say why a crop should not become a tile, or None if it should.

    Parameters
    ----------
    descriptor : ndarray of float32, shape (75,)
        The crop.
    previous : ndarray of float32, shape (75,), or None
        The last tile kept from the same end of the same film.

    Notes
    -----
    Black: mean L* under 5. Blank: the sub-cells differ from their mean by less than 1 (root mean square, CIE76),
    about what an eye can just tell apart. Repeated: the same threshold against the previous tile.
    """
    if descriptor[MEAN_COLUMNS[0]] < BLACK_LIGHTNESS:
        return SkipReason.BLACK
    if detail(descriptor[np.newaxis])[0] < BLANK_DETAIL:
        return SkipReason.BLANK
    if previous is not None and float(np.linalg.norm(descriptor - previous)) < REPEATED_DISTANCE:
        return SkipReason.REPEATED
    return None
