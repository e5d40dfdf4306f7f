"""What the engines that reproduce other programs are tested on: cells of photos, and tiles of many kinds."""

from dataclasses import fields
from functools import cache

import numpy as np

from mosaicd.imaging import PixelArray
from mosaicd.imaging.descriptors import SUBCELLS, subcells
from mosaicd.imaging.grid import CellGrid
from mosaicd.matching.engine import Rules
from mosaicd.pipelines.appearance import Appearance
from tests.libraries import photo, varied_squares

THREE_PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png")


@cache
def varied_tiles(count: int) -> PixelArray:
    """Sub-cells of varied squares, shape (count, 5, 5, 3)."""
    return subcells(np.stack(list(varied_squares(count, seed=1, edge=20))))


def photo_cells(name: str, *, cells_on_long_side: int) -> tuple[PixelArray, tuple[int, int]]:
    """Sub-cells of a photo's cells, row by row, and how many rows and columns there are."""
    pixels = photo(name)
    grid = CellGrid.fit(pixels.shape, cells_on_long_side=cells_on_long_side)
    return grid.cut(grid.sample(pixels, pixels_a_cell=SUBCELLS)), (grid.rows, grid.columns)


def rules(*, penalty_step: float = 0.0) -> Rules:
    """The rules of mosaics by default, most of which those engines do not keep, but for the penalty."""
    default = Appearance(penalty_step=penalty_step)
    return Rules(**{field.name: getattr(default, field.name) for field in fields(Rules)})
