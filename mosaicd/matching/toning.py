"""Toning: how far each tile's colours are moved towards its cell's."""

import numpy as np

from mosaicd.imaging import FloatArray
from mosaicd.imaging.descriptors import MEAN_COLUMNS

_DISLIKE_OF_MOVES = 3.0


def mean_weight(color_correction: float) -> float:
    """What a difference of mean colour counts when tiles are chosen for what they will become.

    After the move, 1 - `color_correction` of a difference is left, squared; the move itself, which makes a tile
    less itself, counts three times its square. At one half, where toning looks best, that makes the weight 1; less weight
    gives crisper mosaics that miss their photo's colours.
    """
    left = 1 - color_correction
    return float(np.sqrt(left**2 + _DISLIKE_OF_MOVES * color_correction**2))


def tone_shifts(cells: FloatArray, tiles: FloatArray, *, color_correction: float) -> FloatArray:
    """CIELAB moves that bring tiles towards their cells.

    Parameters
    ----------
    cells, tiles : ndarray of float32, shape (N, 75)
        Descriptors of the cells and of the tiles they were given.
    color_correction : float
        Share of the difference of mean colour that is made up for, 0 to 1.

    Returns
    -------
    ndarray of float32, shape (N, 3)
        Rounded to half precision, as they are stored.
    """
    means = list(MEAN_COLUMNS)
    shifts = color_correction * (cells[:, means] - tiles[:, means])
    return shifts.astype(np.float16).astype(np.float32)
