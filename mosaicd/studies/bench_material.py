"""What benchmarks of matching work on: any number of tiles, made up or a library's, and a photo's cells."""

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mosaicd.errors import MosaicdError
from mosaicd.imaging import PixelArray
from mosaicd.imaging.descriptors import SUBCELLS
from mosaicd.imaging.grid import CellGrid
from mosaicd.store.database import Database
from mosaicd.store.tiles import load_tiles
from mosaicd.studies.material import photo_files

TILE_RECIPE = (
    "squares of 10 to 80% of the short side, from random places of 12 of scikit-image's photos, half of them "
    "mirrored, in 35 to 150% of the light, tinted by up to 25%"
)

TILE_PHOTOS = (
    "brick.png",
    "camera.png",
    "coins.png",
    "color.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
)
_SEED = 7


def made_up_tiles(count: int) -> PixelArray:
    """Sub-cells of `count` tiles by `TILE_RECIPE`, shape (count, 5, 5, 3); the same ones each time."""
    random = np.random.default_rng(_SEED)
    folder = photo_files([])["portrait"].parent
    tiles = np.empty((count, SUBCELLS, SUBCELLS, 3), np.uint8)
    for number, name in enumerate(TILE_PHOTOS):
        mine = tiles[number :: len(TILE_PHOTOS)]
        if len(mine):
            mine[:] = _crops(_pixels(folder / name), len(mine), random)
    random.shuffle(tiles)
    return tiles


def library_tiles(database: Database, library_id: int) -> PixelArray:
    """Sub-cells of a library's tiles in random order, shape (N, 5, 5, 3); the same order each time.

    Raises
    ------
    MosaicdError
        If there are none.
    """
    with database.read() as session:
        batches = [loaded.subcells for loaded in load_tiles(session, library_id)]
    if not batches:
        message = "the library has no tiles yet"
        raise MosaicdError(message)
    subcells = np.concatenate(batches)
    return subcells[np.random.default_rng(_SEED).permutation(len(subcells))]


def portrait_cells(count: int) -> PixelArray:
    """Sub-cells of `count` cells of a portrait, evenly spread, shape (count, 5, 5, 3)."""
    photo = _pixels(photo_files([])["portrait"])
    grid = CellGrid.fit(photo.shape, cells_on_long_side=math.isqrt(count - 1) + 1)
    cells = grid.cut(grid.sample(photo, pixels_a_cell=SUBCELLS))
    return cells[spread(count, len(cells))]


def spread(count: int, total: int) -> NDArray[np.int64]:
    """So many of the numbers from 0 to `total`, evenly spread."""
    return np.linspace(0, total - 1, min(count, total)).astype(np.int64)


def _pixels(file: Path) -> PixelArray:
    return np.asarray(Image.open(file).convert("RGB"))


def _crops(photo: PixelArray, count: int, random: np.random.Generator) -> PixelArray:
    """Squares cut from a photo, each averaged to 5 x 5 sub-cells through sums over rectangles."""
    height, width = photo.shape[:2]
    sums = cv2.integral(photo, sdepth=cv2.CV_64F)
    sides = (min(height, width) * random.uniform(0.1, 0.8, count)).astype(int)
    places = [(random.random(count) * (size - sides + 1)).astype(int) for size in (height, width)]
    edges = [place[:, None] + sides[:, None] * np.arange(SUBCELLS + 1) // SUBCELLS for place in places]
    corners = sums[edges[0][:, :, None], edges[1][:, None, :]]
    areas = np.diff(edges[0])[:, :, None] * np.diff(edges[1])[:, None, :]
    squares = np.diff(np.diff(corners, axis=1), axis=2) / areas[..., None]
    is_mirrored = random.random(count) < 0.5
    squares[is_mirrored] = squares[is_mirrored, :, ::-1]
    light = random.uniform(0.35, 1.5, (count, 1, 1, 1)) * random.uniform(0.75, 1.25, (count, 1, 1, 3))
    pixels: PixelArray = np.clip(squares * light, 0, 255).astype(np.uint8)
    return pixels
