"""How past uses of a tile weigh on it."""

import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import FloatArray


def faded_uses(
    tiles: NDArray[np.int64],
    uses: NDArray[np.int64],
    uses_counts: NDArray[np.float64],
    ages_days: NDArray[np.float64],
    *,
    half_life_days: float,
) -> FloatArray:
    """Sum past uses for each tile, each counting half as much after every half-life.

    Parameters
    ----------
    tiles : ndarray of int64, shape (N,)
        The tiles asked about, each once.
    uses, uses_counts, ages_days : ndarrays of shape (M,)
        The tile of each event, how often it was used then, and how many days ago.
    half_life_days : float

    Returns
    -------
    ndarray of float32, shape (N,)
        Uses that still count.
    """
    if len(tiles) == 0 or len(uses) == 0:
        return np.zeros(len(tiles), np.float32)
    order = np.argsort(tiles)
    places = np.minimum(np.searchsorted(tiles, uses, sorter=order), len(tiles) - 1)
    known = tiles[order[places]] == uses
    weights = uses_counts * np.exp2(-np.maximum(ages_days, 0) / half_life_days)
    return np.bincount(order[places[known]], weights=weights[known], minlength=len(tiles)).astype(np.float32)
