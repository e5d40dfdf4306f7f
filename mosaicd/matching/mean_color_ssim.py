"""The mean-color-ssim engine: tiles of nearly the cell's mean colour, the most alike of them by SSIM."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from mosaicd.imaging import FloatArray, PixelArray
from mosaicd.imaging.descriptors import COLUMNS, SUBCELLS
from mosaicd.matching.engine import Choice, Rules, uncorrected
from mosaicd.matching.rgb_tiles import RgbTiles

CANDIDATES = 40
"""Tiles of the nearest mean colour among which SSIM decides; 100 in a later version of the original."""

LATER_CANDIDATES = 100

GOOD_ENOUGH = 0.98
"""The first candidate to score more is taken, whatever comes after it."""

LOWEST = -1.0
"""Where no candidate scores more, as after many wins at a high penalty, the nearest by colour is taken."""

_WINDOW = 3
_WINDOW_PIXELS = _WINDOW**2
_SAMPLE_COVARIANCE = _WINDOW_PIXELS / (_WINDOW_PIXELS - 1)
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_PAIRS_BLOCK = 2048


class MeanColorSsimEngine(RgbTiles):
    """Chooses tiles as synthetic-corpus/mosaic-alpha-fork does [1]_.

    A KD-tree on the mean RGB of 5 x 5 sub-cells gives each cell its candidates; the one with the highest score,
    SSIM minus the tile's penalty, wins, and its penalty grows by `Rules.penalty_step`. Candidates are tried from
    the nearest on, and a score above 0.98 ends the search; where none scores above -1, the nearest is taken.
    Cells choose row by row. Unlike in the original, where each photo starts without penalties and each worker
    process counts its own, a tile's penalty starts at what its past appearances have charged, and there is one
    count. The other rules do not apply.

    Parameters
    ----------
    candidates : int
        Candidates for each cell; all tiles where there are fewer.

    References
    ----------
    .. [1] https://github.com/synthetic-corpus/mosaic-alpha-fork, ``TileFitterSciKit``.
    """

    def __init__(self, *, candidates: int = CANDIDATES) -> None:
        super().__init__()
        self._candidates = candidates

    def choose(
        self, cells: PixelArray, *, shape: tuple[int, int], past_appearances: FloatArray, rules: Rules
    ) -> Choice:
        """Choose a tile for each cell; see `Engine.choose`."""
        if len(self._tiles) == 0:
            message = "there are no tiles to choose from"
            raise ValueError(message)
        flat_cells = cells.reshape(-1, COLUMNS)
        candidates = nearest_by_mean(flat_cells, self._subcells, count=self._candidates)
        similarities = _similarities(flat_cells, self._subcells, candidates)
        penalties = past_appearances.astype(np.float64) * rules.penalty_step
        winners = np.empty(len(candidates), np.int64)
        for cell, (positions, similarity) in enumerate(zip(candidates, similarities, strict=True)):
            winners[cell] = winner = _winner(similarity - penalties[positions])
            penalties[positions[winner]] += rules.penalty_step
        chosen = np.arange(len(winners)), winners
        return Choice(
            tiles=self._tiles[candidates[chosen]].reshape(shape),
            mirrored=np.zeros(shape, bool),
            corrections=uncorrected(shape),
            mean_similarity=float(similarities[chosen].mean()),
        )


def nearest_by_mean(cells: PixelArray, tiles: PixelArray, *, count: int) -> NDArray[np.int64]:
    """Find the tiles whose mean RGB comes nearest to each cell's.

    Parameters
    ----------
    cells : ndarray of uint8, shape (N, 75)
    tiles : ndarray of uint8, shape (M, 75)
        At least one.
    count : int

    Returns
    -------
    ndarray of int64, shape (N, min(count, M))
        Positions in `tiles`, nearest first; the lower position first of those that are as near.
    """
    wanted, cell_sums, tile_sums = min(count, len(tiles)), _color_sums(cells), _color_sums(tiles)
    tree = cKDTree(tile_sums, balanced_tree=False)
    _, found = tree.query(cell_sums, k=np.arange(1, min(wanted + 1, len(tiles)) + 1), workers=-1)
    squared = np.square(tile_sums[found] - cell_sums[:, np.newaxis]).sum(axis=2)
    order = np.lexsort((found, squared))[:, :wanted]
    nearest: NDArray[np.int64] = np.take_along_axis(found, order, axis=1).astype(np.int64)
    if wanted == len(tiles):
        return nearest
    farthest, beyond = np.partition(squared, (-2, -1), axis=1)[:, -2:].T
    for cell in np.flatnonzero(farthest == beyond):  # more are as near as the last one than the tree returned
        within = np.array(tree.query_ball_point(cell_sums[cell], np.sqrt(farthest[cell] + 0.5)))
        distances = np.square(tile_sums[within] - cell_sums[cell]).sum(axis=1)
        nearest[cell] = within[np.lexsort((within, distances))[:wanted]]
    return nearest


def structural_similarities(cells: PixelArray, tiles: PixelArray) -> NDArray[np.float64]:
    """Compare pairs of squares by structural similarity [1]_.

    The same figure, but for rounding, as scikit-image's ``structural_similarity(cell, tile, channel_axis=2,
    data_range=255, win_size=3)`` [2]_, for many pairs at once: uniform windows of 3 x 3 that lie wholly inside,
    sample covariances, the mean over windows and channels. Sums over a window are whole numbers below 2 ** 24,
    which single precision holds exactly.

    Parameters
    ----------
    cells, tiles : ndarray of uint8, shape (75, N)
        Sub-cells, a pair a column: 5 rows of 5 columns of RGB.

    Returns
    -------
    ndarray of float64, shape (N,)

    References
    ----------
    .. [1] Z. Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004.
    .. [2] https://scikit-image.org/docs/stable/api/skimage.metrics.html
    """
    planes = (SUBCELLS, SUBCELLS, 3, -1)
    left, right = (pixels.reshape(planes).astype(np.float32) for pixels in (cells, tiles))
    mean_left, mean_right = _window_means(left), _window_means(right)
    mean_product = mean_left * mean_right
    mean_squares = mean_left**2 + mean_right**2
    covariance = _SAMPLE_COVARIANCE * (_window_means(left * right) - mean_product)
    variances = _SAMPLE_COVARIANCE * (_window_means(left**2) + _window_means(right**2) - mean_squares)
    numerator = (2 * mean_product + _C1) * (2 * covariance + _C2)
    denominator = (mean_squares + _C1) * (variances + _C2)
    similarities: NDArray[np.float64] = (numerator / denominator).mean(axis=(0, 1, 2))
    return similarities


def _window_means(planes: FloatArray) -> NDArray[np.float64]:
    """Means over all windows of 3 x 3: from shape (5, 5, 3, N) to (3, 3, 3, N)."""
    reach = SUBCELLS - _WINDOW + 1
    rows = planes[:reach] + planes[1 : reach + 1] + planes[2:]
    sums = rows[:, :reach] + rows[:, 1 : reach + 1] + rows[:, 2:]
    means: NDArray[np.float64] = sums.astype(np.float64) / _WINDOW_PIXELS
    return means


def _similarities(cells: PixelArray, tiles: PixelArray, candidates: NDArray[np.int64]) -> NDArray[np.float64]:
    """SSIM of each cell with its candidates, of the shape of `candidates`."""
    count = candidates.shape[1]
    similarities = np.empty(candidates.size)
    flat = candidates.ravel()
    for start in range(0, len(flat), _PAIRS_BLOCK):
        pairs = np.arange(start, min(start + _PAIRS_BLOCK, len(flat)))
        similarities[pairs] = structural_similarities(
            np.ascontiguousarray(cells[pairs // count].T), np.ascontiguousarray(tiles[flat[pairs]].T)
        )
    return similarities.reshape(candidates.shape)


def _winner(scores: NDArray[np.float64]) -> int:
    """Which candidate the search ends with; the first, the nearest, where none scores above the lowest."""
    good_enough = np.flatnonzero(scores > GOOD_ENOUGH)
    if len(good_enough):
        return int(good_enough[0])
    best = int(scores.argmax())
    return best if scores[best] > LOWEST else 0


def _color_sums(squares: PixelArray) -> NDArray[np.float64]:
    """Sums of R, G and B over the sub-cells, shape (N, 3): 25 times their means, but whole numbers."""
    sums: NDArray[np.float64] = squares.reshape(-1, SUBCELLS**2, 3).sum(axis=1, dtype=np.float64)
    return sums
