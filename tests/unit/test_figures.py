import numpy as np
import pytest
import skimage.data

from mosaicd.imaging.figures import closeness, repetition
from mosaicd.imaging.grid import CellGrid


def test_a_photo_is_as_close_to_itself_as_can_be() -> None:
    photo = skimage.data.astronaut()
    grid = CellGrid.fit(photo.shape, cells_on_long_side=32)
    figures = closeness(grid.sample(photo, pixels_a_cell=20), photo, grid)
    assert figures.color_error_1px < 0.5
    assert figures.color_error_5px < 1.5
    assert figures.ssim_5px > 0.95


def test_another_picture_is_far_away() -> None:
    photo = skimage.data.astronaut()
    grid = CellGrid.fit(photo.shape, cells_on_long_side=32)
    figures = closeness(grid.sample(photo, pixels_a_cell=20)[::-1], photo, grid)
    assert figures.color_error_1px > 20
    assert figures.ssim_5px < 0.3


def test_a_strip_of_one_row_can_be_measured() -> None:
    photo = np.random.default_rng(1).integers(0, 256, (10, 400, 3), np.uint8)
    grid = CellGrid.fit(photo.shape, cells_on_long_side=40)
    assert grid.rows == 1
    assert closeness(grid.sample(photo, pixels_a_cell=10), photo, grid).ssim_5px > 0.9


def test_repetition_counts_uses_and_touching_cells() -> None:
    tiles = np.array([[1, 1, 2], [3, 4, 5], [6, 4, 1]], np.int64)
    figures = repetition(tiles)
    assert figures.distinct_tiles == 6
    assert figures.most_used_tile_count == 3
    assert figures.touching_share == pytest.approx(4 / 9)


def test_tiles_that_meet_at_a_corner_do_not_touch() -> None:
    assert repetition(np.array([[1, 2], [3, 1]], np.int64)).touching_share == 0
