import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaicd.imaging.grid import CellGrid

sides = st.integers(1, 6000)
cell_counts = st.integers(1, 400)


@given(height=sides, width=sides, cells=cell_counts)
def test_cells_are_square_and_lie_inside_the_photo(height: int, width: int, cells: int) -> None:
    grid = CellGrid.fit((height, width, 3), cells_on_long_side=cells)
    left, top, right, bottom = grid.box
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert (right - left) / grid.columns == pytest.approx((bottom - top) / grid.rows)


@given(height=sides, width=sides, cells=cell_counts)
def test_the_long_side_has_the_cells_asked_for_and_the_crop_is_small(
    height: int, width: int, cells: int
) -> None:
    grid = CellGrid.fit((height, width, 3), cells_on_long_side=cells)
    assert max(grid.rows, grid.columns) == cells
    left, top, right, bottom = grid.box
    if min(grid.rows, grid.columns) > 1:  # a strip thinner than a cell is cropped along its length
        cell = max(height, width) / cells
        assert width - (right - left) <= cell * max(1, grid.columns / (2 * grid.rows)) + 1e-6
        assert height - (bottom - top) <= cell * max(1, grid.rows / (2 * grid.columns)) + 1e-6


@given(height=sides, width=sides, cells=cell_counts)
def test_the_crop_is_even(height: int, width: int, cells: int) -> None:
    left, top, right, bottom = CellGrid.fit((height, width, 3), cells_on_long_side=cells).box
    assert left == pytest.approx(width - right, abs=1e-6)
    assert top == pytest.approx(height - bottom, abs=1e-6)


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 0, 3)])
def test_no_grid_fits_a_photo_without_pixels(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="no grid"):
        CellGrid.fit(shape, cells_on_long_side=4)


def test_cutting_puts_each_cell_where_it_was() -> None:
    grid = CellGrid.fit((4, 6, 3), cells_on_long_side=3)
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    cells = grid.cut(image)
    assert cells.shape == (6, 2, 2, 3)
    for number in range(grid.cells):
        row, column = divmod(number, grid.columns)
        np.testing.assert_array_equal(
            cells[number], image[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        )


def test_sampling_takes_area_means_aligned_with_the_cells() -> None:
    random = np.random.default_rng(1)
    photo = random.integers(0, 256, (80, 120, 3), np.uint8)
    grid = CellGrid.fit(photo.shape, cells_on_long_side=12)
    means = photo.reshape(8, 10, 12, 10, 3).mean(axis=(1, 3))
    assert np.abs(grid.sample(photo, pixels_a_cell=1) - means).max() <= 1.01


def test_a_photo_smaller_than_the_grid_is_enlarged() -> None:
    photo = np.full((3, 4, 3), 90, np.uint8)
    grid = CellGrid.fit(photo.shape, cells_on_long_side=40)
    sample = grid.sample(photo, pixels_a_cell=5)
    assert sample.shape == (150, 200, 3)
    assert (sample == 90).all()
