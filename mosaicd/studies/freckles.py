"""Freckles: specks of a wrong colour where the photo is even."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from mosaicd.imaging import PixelArray
from mosaicd.imaging.color import srgb_to_lab
from mosaicd.imaging.grid import CellGrid
from mosaicd.imaging.resampling import resample

FLAT_DETAIL = 5.0
"""A cell of the photo is flat if its sub-cells differ by less from their mean: root mean square, CIE76."""

STANDS_OUT = 10.0
"""A speck's colour is off by more than its surroundings' is: CIE76."""

OFF_COLOR = 10.0
"""A cell of another colour: CIEDE2000 between its mean and the photo's."""

_FINE, _SURROUNDINGS_CELLS = 5, 3


def freckled_share(
    mosaic: PixelArray, photo: PixelArray, grid: CellGrid, is_flat: NDArray[np.bool_]
) -> float:
    """Share of a photo's flat area where the mosaic shows specks.

    Both are scaled to 5 pixels a cell. A pixel is part of a speck if its colour error, as a vector in CIELAB,
    differs by more than 10 from the mean error of the 3 x 3 cells about it: an area that is off as a whole, for
    want of tiles of its colour, has no specks; a speckled one has, be it that cells differ from each other or
    that tiles are speckled themselves.

    Parameters
    ----------
    mosaic, photo : ndarray of uint8, shape (height, width, 3)
        sRGB, each of its own size.
    grid : CellGrid
        Of the photo.
    is_flat : ndarray of bool, shape (rows, columns)
        The cells that count; nan if there are none.
    """
    shown = resample(mosaic, rows=grid.rows * _FINE, columns=grid.columns * _FINE)
    errors = srgb_to_lab(shown) - srgb_to_lab(grid.sample(photo, pixels_a_cell=_FINE))
    size = _FINE * _SURROUNDINGS_CELLS
    about = uniform_filter(errors, size=(size, size, 0), mode="nearest")
    stands_out = np.linalg.norm(errors - about, axis=2) > STANDS_OUT
    return _share(stands_out, is_flat.repeat(_FINE, axis=0).repeat(_FINE, axis=1))


def off_color_share(
    mosaic: PixelArray, photo: PixelArray, grid: CellGrid, is_flat: NDArray[np.bool_]
) -> float:
    """Share of a photo's flat cells whose mean colour is off by a CIEDE2000 difference of more than 10.

    Parameters as those of `freckled_share`.
    """
    from skimage.color import deltaE_ciede2000

    shown = resample(mosaic, rows=grid.rows, columns=grid.columns)
    differences = deltaE_ciede2000(srgb_to_lab(shown), srgb_to_lab(grid.sample(photo, pixels_a_cell=1)))
    return _share(differences > OFF_COLOR, is_flat)


def _share(marked: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
    return float(marked[among].mean()) if among.any() else float("nan")
