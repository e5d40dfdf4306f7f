"""The rules of the engines written out plainly, cell by cell: what the fast ones are tested and timed against."""

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from mosaicd.imaging import FloatArray, PixelArray


def perceptual_candidates(cell: FloatArray, tiles: FloatArray, *, count: int) -> NDArray[np.int64]:
    """Find the `count` nearest `tiles`, shape (N, 75), for a `cell`, shape (75,), both weighted; nearest first."""
    differences = tiles.astype(np.float64) - cell
    nearest: NDArray[np.int64] = np.square(differences).sum(axis=1).argsort(kind="stable")[:count]
    return nearest


def codebox_tile(cell: PixelArray, tiles: PixelArray) -> int:
    """Find the first tile, shape (5, 5, 3), with the smallest sum of squared differences to a cell."""
    differences = np.square(tiles.astype(np.int64) - cell.astype(np.int64)).sum(axis=(1, 2, 3))
    return int(differences.argmin())


def mean_color_ssim_tiles(
    cells: PixelArray, tiles: PixelArray, *, count: int, step: float, past_appearances: FloatArray
) -> list[int]:
    """Find a tile for each of `cells`, shape (N, 5, 5, 3), one after the other, by the fork's rule.

    Parameters
    ----------
    cells, tiles : ndarray of uint8, shape (N, 5, 5, 3) and (M, 5, 5, 3)
    count : int
        Candidates for each cell.
    step : float
        What each win adds to a tile's penalty.
    past_appearances : ndarray of float32, shape (M,)
        Wins that count already.
    """
    penalties = past_appearances.astype(float) * step
    winners = []
    for cell in cells:
        best, best_score = -1, -1.0
        for candidate in by_mean_color(cell, tiles)[:count].tolist():
            score = similarity(cell, tiles[candidate]) - penalties[candidate]
            if best == -1 or score > best_score:
                best, best_score = candidate, max(score, -1.0)
            if score > 0.98:
                break
        penalties[best] += step
        winners.append(best)
    return winners


def by_mean_color(cell: PixelArray, tiles: PixelArray) -> NDArray[np.int64]:
    """All tiles, nearest mean RGB first."""
    differences = tiles.sum(axis=(1, 2), dtype=int) - cell.sum(axis=(0, 1), dtype=int)
    order: NDArray[np.int64] = np.square(differences).sum(axis=1).argsort(kind="stable")
    return order


def similarity(cell: PixelArray, tile: PixelArray) -> float:
    """Structural similarity of two squares, shape (5, 5, 3), as the fork asks scikit-image for it."""
    return float(structural_similarity(cell, tile, channel_axis=2, data_range=255, win_size=3))
