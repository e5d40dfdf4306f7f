"""The codebox engine: for each cell the tile of least squared RGB difference, whatever its neighbours show."""

import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import FloatArray, PixelArray
from mosaicd.imaging.descriptors import COLUMNS
from mosaicd.matching.engine import Choice, Rules, uncorrected
from mosaicd.matching.rgb_tiles import RgbTiles

_TILE_BLOCK, _CELL_BLOCK = 2048, 2048
_WHITE = 255


class CodeboxEngine(RgbTiles):
    """Chooses tiles as codebox/mosaic does [1]_.

    Each cell gets the tile with the smallest sum of squared RGB differences over 5 x 5 sub-cells, of all tiles;
    the one added first where several are as near. Nothing keeps repeats apart: of the rules none applies, and
    neither does the history.

    References
    ----------
    .. [1] https://github.com/codebox/mosaic, ``TileFitter``.
    """

    def choose(
        self,
        cells: PixelArray,
        *,
        shape: tuple[int, int],
        past_appearances: FloatArray,  # noqa: ARG002
        rules: Rules,  # noqa: ARG002
    ) -> Choice:
        """Choose a tile for each cell; see `Engine.choose`."""
        if len(self._tiles) == 0:
            message = "there are no tiles to choose from"
            raise ValueError(message)
        positions, squared = nearest_by_squares(cells.reshape(-1, COLUMNS), self._subcells)
        return Choice(
            tiles=self._tiles[positions].reshape(shape),
            mirrored=np.zeros(shape, bool),
            corrections=uncorrected(shape),
            mean_similarity=float(1 - np.sqrt(squared / COLUMNS).mean() / _WHITE),
        )


def nearest_by_squares(cells: PixelArray, tiles: PixelArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the tile of least squared difference for each cell, exactly.

    Products and sums of 75 bytes are whole numbers below 2 ** 24, so single precision holds every one of them,
    in whatever order they are added up: matrix products give the differences without any rounding.

    Parameters
    ----------
    cells : ndarray of uint8, shape (N, 75)
    tiles : ndarray of uint8, shape (M, 75)
        At least one.

    Returns
    -------
    positions : ndarray of int64, shape (N,)
        In `tiles`; the first of those that are as near.
    squared : ndarray of int64, shape (N,)
        Sums of squared differences.
    """
    queries = np.hstack([cells * np.float32(-2), np.ones((len(cells), 1), np.float32)])
    least = np.full(len(cells), np.inf, np.float32)
    positions = np.zeros(len(cells), np.int64)
    for first in range(0, len(tiles), _TILE_BLOCK):
        values = tiles[first : first + _TILE_BLOCK].astype(np.float32)
        columns = np.vstack([values.T, np.square(values).sum(axis=1)])
        for start in range(0, len(cells), _CELL_BLOCK):
            block = slice(start, start + _CELL_BLOCK)
            differences = queries[block] @ columns
            nearest = differences.argmin(axis=1)
            found = np.take_along_axis(differences, nearest[:, np.newaxis], axis=1)[:, 0]
            nearer = found < least[block]
            least[block][nearer] = found[nearer]
            positions[block][nearer] = nearest[nearer] + first
    return positions, least.astype(np.int64) + np.square(cells.astype(np.int64)).sum(axis=1)
