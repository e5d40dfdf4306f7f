import numpy as np
import pytest

from mosaicd.imaging import PixelArray
from mosaicd.imaging.color import srgb_to_lab
from mosaicd.imaging.rendering import render

MASTERS: dict[int, PixelArray] = {
    tile: np.random.default_rng(tile).integers(0, 256, (8, 8, 3), np.uint8) for tile in (3, 7)
}
TILES = np.array([[3, 7], [7, 3]], np.int64)
UPRIGHT = np.zeros((2, 2), bool)
UNTONED = np.broadcast_to(np.array([0, 0, 0, 1], np.float32), (2, 2, 4))


def test_each_cell_shows_its_tile() -> None:
    canvas = render(MASTERS.items(), tiles=TILES, mirrored=UPRIGHT, corrections=UNTONED, tile_edge_pixels=8)
    upper, lower = np.hstack([MASTERS[3], MASTERS[7]]), np.hstack([MASTERS[7], MASTERS[3]])
    np.testing.assert_array_equal(canvas, np.vstack([upper, lower]))


def test_mirrored_cells_show_their_tile_mirrored() -> None:
    mirrored = np.array([[True, False], [False, False]])
    canvas = render(MASTERS.items(), tiles=TILES, mirrored=mirrored, corrections=UNTONED, tile_edge_pixels=8)
    np.testing.assert_array_equal(canvas[:8, :8], MASTERS[3][:, ::-1])
    np.testing.assert_array_equal(canvas[8:, 8:], MASTERS[3])


def test_shifts_move_a_tiles_colours() -> None:
    grey = {3: np.full((8, 8, 3), 100, np.uint8), 7: np.full((8, 8, 3), 100, np.uint8)}
    shifts = UNTONED.copy()
    shifts[0, 0] = (20, 0, 0, 1)
    canvas = render(grey.items(), tiles=TILES, mirrored=UPRIGHT, corrections=shifts, tile_edge_pixels=8)
    assert (canvas[:8, :8] > 140).all()
    assert (canvas[8:, 8:] == 100).all()


def test_gains_stretch_a_tile_about_its_mean() -> None:
    stretched = UNTONED.copy()
    stretched[0, 0] = (0, 0, 0, 0.5)
    canvas = render(MASTERS.items(), tiles=TILES, mirrored=UPRIGHT, corrections=stretched, tile_edge_pixels=8)
    before, after = srgb_to_lab(MASTERS[3]), srgb_to_lab(canvas[:8, :8])
    np.testing.assert_allclose(after.mean(axis=(0, 1)), before.mean(axis=(0, 1)), atol=1.5)
    assert after.std() < before.std()


def test_masters_are_scaled_to_the_cells() -> None:
    canvas = render(MASTERS.items(), tiles=TILES, mirrored=UPRIGHT, corrections=UNTONED, tile_edge_pixels=4)
    means = MASTERS[3].reshape(4, 2, 4, 2, 3).mean(axis=(1, 3))
    assert np.abs(canvas[:4, :4] - means).max() <= 1.01


def test_a_missing_master_is_an_error_and_not_a_hole() -> None:
    with pytest.raises(ValueError, match="2 of 4 cells"):
        render([(3, MASTERS[3])], tiles=TILES, mirrored=UPRIGHT, corrections=UNTONED, tile_edge_pixels=8)
