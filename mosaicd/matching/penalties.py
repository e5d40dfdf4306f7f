"""How past uses of a tile weigh on it."""

import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import FloatArray

_SHARE_OF_SHOT = np.float32(0.5)


def faded_appearances(
    tiles: NDArray[np.int64],
    appearances: NDArray[np.int64],
    ages_days: NDArray[np.float64],
    *,
    half_life_days: float,
) -> FloatArray:
    """Count in how many earlier mosaics each tile appears, each counting half as much after every half-life.

    How often a mosaic shows a tile does not matter here. With 5,000 tiles and the portrait three times, counting
    every use instead let neighbours share 79% of their tiles at a colour error up to 30% higher than without
    penalties; counting mosaics, they share 50 to 60% at 3 to 10% more.

    Parameters
    ----------
    tiles : ndarray of int64, shape (N,)
        The tiles asked about, each once.
    appearances : ndarray of int64, shape (M,)
        A tile, once for each mosaic that it appears in.
    ages_days : ndarray of float64, shape (M,)
        How many days ago that was.
    half_life_days : float

    Returns
    -------
    ndarray of float32, shape (N,)
    """
    if len(tiles) == 0 or len(appearances) == 0:
        return np.zeros(len(tiles), np.float32)
    order = np.argsort(tiles)
    places = np.minimum(np.searchsorted(tiles, appearances, sorter=order), len(tiles) - 1)
    known = tiles[order[places]] == appearances
    weights = np.exp2(-np.maximum(ages_days, 0) / half_life_days)
    counts = np.bincount(order[places[known]], weights=weights[known], minlength=len(tiles))
    return counts.astype(np.float32)


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
