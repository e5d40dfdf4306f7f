"""What a study works on: a library's tiles, photos cut into cells, and figures of mosaics made of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import skimage.data
from numpy.typing import NDArray

from mosaicd.errors import MosaicdError
from mosaicd.imaging import PixelArray
from mosaicd.imaging.descriptors import SUBCELLS, describe, detail, subcells
from mosaicd.imaging.figures import closeness, repetition
from mosaicd.imaging.grid import CellGrid
from mosaicd.imaging.rendering import render
from mosaicd.imaging.resampling import resample
from mosaicd.matching.engine import Choice, uncorrected
from mosaicd.media.masters import decode_master
from mosaicd.media.photo import read_photo
from mosaicd.store.database import Database
from mosaicd.store.tiles import live_tiles, masters
from mosaicd.studies.freckles import FLAT_DETAIL, freckled_share, off_color_share

_DATA = Path(skimage.data.__file__).parent
_PHOTOS = {"portrait": "astronaut.png", "cat": "chelsea.png", "mug": "coffee.png"}
_TILE_EDGE_PIXELS = 2 * SUBCELLS
_PHOTO_PIXELS_A_CELL = 16
_EXCERPT_CELLS = 40
_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tiles:
    """A library's tiles, or some of them.

    Attributes
    ----------
    squares : ndarray of uint8, shape (N, 10, 10, 3)
        What mosaics are painted with: as many pixels as their figures look at, and twice as many.
    subcells : ndarray of uint8, shape (N, 5, 5, 3)
    """

    squares: PixelArray
    subcells: PixelArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """A photo, cut into cells.

    Attributes
    ----------
    name : str
    photo : ndarray of uint8, shape (height, width, 3)
    grid : CellGrid
    cells : ndarray of uint8, shape (N, 5, 5, 3)
    is_flat : ndarray of bool, shape (rows, columns)
    """

    name: str
    photo: PixelArray
    grid: CellGrid
    cells: PixelArray
    is_flat: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What a mosaic is like.

    Attributes
    ----------
    color_error_1px, color_error_5px, ssim_5px : float
        As in `mosaicd.imaging.figures.Closeness`.
    freckled_share, off_color_share : float
        As in `mosaicd.studies.freckles`.
    distinct_tiles, most_used_tile_count : int
    """

    color_error_1px: float
    color_error_5px: float
    ssim_5px: float
    freckled_share: float
    off_color_share: float
    distinct_tiles: int
    most_used_tile_count: int


def read_tiles(database: Database, library_id: int, *, limit: int | None) -> Tiles:
    """Read a library's tiles, or a random choice of `limit` of them: the same choice each time.

    Raises
    ------
    MosaicdError
        If there are none.
    """
    with database.read() as session:
        wanted = live_tiles(session, library_id)
        if len(wanted) == 0:
            message = "the library has no tiles yet"
            raise MosaicdError(message)
        if limit is not None and limit < len(wanted):
            wanted = np.random.default_rng(_SEED).choice(wanted, limit, replace=False)
        found = [_square(jpeg) for _, jpeg in sorted(masters(session, wanted.tolist()))]
    squares, reduced = (np.stack(part) for part in zip(*found, strict=True))
    return Tiles(squares=squares, subcells=reduced)


def read_target(name: str, file: Path, *, photo_pixels_limit: int, cells_on_long_side: int) -> Target:
    """Read a photo and cut it into cells.

    Raises
    ------
    MosaicdError
        If it cannot be read.
    """
    photo = read_photo(
        file,
        photo_pixels_limit=photo_pixels_limit,
        long_side_pixels=cells_on_long_side * _PHOTO_PIXELS_A_CELL,
    )
    grid = CellGrid.fit(photo.shape, cells_on_long_side=cells_on_long_side)
    cells = grid.cut(grid.sample(photo, pixels_a_cell=SUBCELLS))
    is_flat = (detail(describe(cells)) < FLAT_DETAIL).reshape(grid.rows, grid.columns)
    return Target(name=name, photo=photo, grid=grid, cells=cells, is_flat=is_flat)


def photo_files(given: Sequence[Path]) -> dict[str, Path]:
    """Photos by name: those given, or else the portrait, the cat and the mug that scikit-image brings along."""
    if not given:
        return {name: _DATA / file for name, file in _PHOTOS.items()}
    has_namesakes = len({file.stem for file in given}) < len(given)
    return {str(file) if has_namesakes else file.stem: file for file in given}


def unchanged(tiles: NDArray[np.int64], target: Target) -> Choice:
    """A choice of one tile for each cell, shape (N,), shown as it is."""
    shape = target.grid.rows, target.grid.columns
    return Choice(
        tiles=tiles.reshape(shape),
        mirrored=np.zeros(shape, bool),
        corrections=uncorrected(shape),
        mean_similarity=0.0,
    )


def paint(choice: Choice, tiles: Tiles) -> PixelArray:
    """Paint a mosaic, 10 pixels a cell."""
    return render(
        ((tile, tiles.squares[tile]) for tile in np.unique(choice.tiles).tolist()),
        tiles=choice.tiles,
        mirrored=choice.mirrored,
        corrections=choice.corrections,
        tile_edge_pixels=_TILE_EDGE_PIXELS,
    )


def quality(choice: Choice, tiles: Tiles, target: Target) -> Quality:
    """Paint a mosaic and measure it."""
    mosaic = paint(choice, tiles)
    near, repeats = closeness(mosaic, target.photo, target.grid), repetition(choice.tiles)
    return Quality(
        color_error_1px=near.color_error_1px,
        color_error_5px=near.color_error_5px,
        ssim_5px=near.ssim_5px,
        freckled_share=freckled_share(mosaic, target.photo, target.grid, target.is_flat),
        off_color_share=off_color_share(mosaic, target.photo, target.grid, target.is_flat),
        distinct_tiles=repeats.distinct_tiles,
        most_used_tile_count=repeats.most_used_tile_count,
    )


def excerpt(mosaic: PixelArray, target: Target) -> PixelArray:
    """The upper middle of a mosaic, where faces are: at most 40 x 40 cells, 5 pixels each."""
    shown = resample(mosaic, rows=target.grid.rows * SUBCELLS, columns=target.grid.columns * SUBCELLS)
    left = max(0, target.grid.columns - _EXCERPT_CELLS) // 2 * SUBCELLS
    size = _EXCERPT_CELLS * SUBCELLS
    return shown[:size, left : left + size]


def _square(jpeg: bytes) -> tuple[PixelArray, PixelArray]:
    master = decode_master(jpeg)
    square = resample(master, rows=_TILE_EDGE_PIXELS, columns=_TILE_EDGE_PIXELS)
    return square, subcells(master[np.newaxis])[0]
