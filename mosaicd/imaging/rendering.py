"""Painting a mosaic from its tiles."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import FloatArray, PixelArray
from mosaicd.imaging.color import lab_to_srgb, srgb_to_lab
from mosaicd.imaging.resampling import resample


def render(
    masters: Iterable[tuple[int, PixelArray]],
    *,
    tiles: NDArray[np.int64],
    mirrored: NDArray[np.bool_],
    corrections: FloatArray,
    tile_edge_pixels: int,
) -> PixelArray:
    """Paint the mosaic.

    Parameters
    ----------
    masters : iterable of (tile, ndarray of uint8 of shape (edge, edge, 3))
        Every tile that occurs in `tiles`, once each, in any order; only one is held at a time.
    tiles : ndarray of int64, shape (rows, columns)
        The tile of each cell.
    mirrored : ndarray of bool, shape (rows, columns)
        Whether the cell shows its tile mirrored left to right.
    corrections : ndarray of float32, shape (rows, columns, 4)
        What is added to the tile's L*, a* and b* in that cell, and what their spread about the tile's mean is
        multiplied by.
    tile_edge_pixels : int
        Edge of a cell in the mosaic.

    Returns
    -------
    ndarray of uint8, shape (rows * tile_edge_pixels, columns * tile_edge_pixels, 3)

    Raises
    ------
    ValueError
        If a cell's tile is missing from `masters`.
    """
    rows, columns = tiles.shape
    edge = tile_edge_pixels
    canvas = np.empty((rows * edge, columns * edge, 3), np.uint8)
    order = np.argsort(tiles, axis=None, kind="stable")
    in_order = tiles.ravel()[order]
    painted = 0
    for tile, master in masters:
        start, stop = np.searchsorted(in_order, [tile, tile + 1])
        square = resample(master, rows=edge, columns=edge)
        lab = srgb_to_lab(square)
        mean = lab.mean(axis=(0, 1))
        for cell in order[start:stop]:
            row, column = divmod(int(cell), columns)
            *shift, gain = corrections[row, column]
            toned = (
                square if gain == 1 and not any(shift) else lab_to_srgb((lab - mean) * gain + (mean + shift))
            )
            target = canvas[row * edge : (row + 1) * edge, column * edge : (column + 1) * edge]
            target[:] = toned[:, ::-1] if mirrored[row, column] else toned
        painted += int(stop - start)
    if painted != tiles.size:
        message = f"masters given for {painted} of {tiles.size} cells"
        raise ValueError(message)
    return canvas
