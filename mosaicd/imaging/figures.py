"""How close a mosaic is to its photo, and how often it repeats itself."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import PixelArray
from mosaicd.imaging.color import mean_color_difference
from mosaicd.imaging.grid import CellGrid
from mosaicd.imaging.resampling import resample

_FINE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Closeness:
    """How close a mosaic is to its photo, with both scaled to a few pixels a cell.

    Attributes
    ----------
    color_error_1px, color_error_5px : float
        Mean CIEDE2000 at 1 and at 5 pixels on a cell's edge.
    ssim_5px : float
        Structural similarity of the grey images at 5 pixels on a cell's edge [1]_.

    References
    ----------
    .. [1] Z. Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004.
    """

    color_error_1px: float
    color_error_5px: float
    ssim_5px: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """How often a mosaic repeats its tiles.

    Attributes
    ----------
    distinct_tiles, most_used_tile_count : int
    touching_share : float
        Share of the cells with the same tile beside, above or below them.
    """

    distinct_tiles: int
    most_used_tile_count: int
    touching_share: float


def closeness(mosaic: PixelArray, photo: PixelArray, grid: CellGrid) -> Closeness:
    """Measure a mosaic against the photo it was made from."""
    from skimage.metrics import structural_similarity

    fine_mosaic = resample(mosaic, rows=grid.rows * _FINE, columns=grid.columns * _FINE)
    coarse_mosaic = resample(mosaic, rows=grid.rows, columns=grid.columns)
    fine_photo = grid.sample(photo, pixels_a_cell=_FINE)
    greys = [np.rint(image @ np.array([0.299, 0.587, 0.114])) for image in (fine_mosaic, fine_photo)]
    window = min(7, *(side - 1 + side % 2 for side in greys[0].shape))
    return Closeness(
        color_error_1px=mean_color_difference(coarse_mosaic, grid.sample(photo, pixels_a_cell=1)),
        color_error_5px=mean_color_difference(fine_mosaic, fine_photo),
        ssim_5px=float(structural_similarity(*greys, data_range=255, win_size=window)),
    )


def repetition(tiles: NDArray[np.int64]) -> Repetition:
    """Count the repeats in a mosaic whose cells show `tiles`, of shape (rows, columns)."""
    _, counts = np.unique(tiles, return_counts=True)
    touches = np.zeros(tiles.shape, bool)
    beside = tiles[:, 1:] == tiles[:, :-1]
    below = tiles[1:] == tiles[:-1]
    touches[:, 1:] |= beside
    touches[:, :-1] |= beside
    touches[1:] |= below
    touches[:-1] |= below
    return Repetition(
        distinct_tiles=len(counts),
        most_used_tile_count=int(counts.max()),
        touching_share=float(touches.mean()),
    )
