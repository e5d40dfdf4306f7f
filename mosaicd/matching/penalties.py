"""How past uses of a tile weigh on it."""

import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import FloatArray

_SHARE_OF_SHOT = np.float32(0.5)


def with_shots(appearances: FloatArray, shots: NDArray[np.int64]) -> FloatArray:
    """Let a tile's appearances count in part for the other tiles of its shot, which look alike.

    Parameters
    ----------
    appearances : ndarray of float32, shape (N,)
        Of each tile in earlier mosaics.
    shots : ndarray of int64, shape (N,)

    Returns
    -------
    ndarray of float32, shape (N,)
        The tile's own appearances, or half of the most that a tile of its shot has, whichever is more.
    """
    if not appearances.any():
        return appearances
    _, members = np.unique(shots, return_inverse=True)
    most = np.zeros(members.max() + 1, np.float32)
    np.maximum.at(most, members, appearances)
    return np.maximum(appearances, _SHARE_OF_SHOT * most[members])
