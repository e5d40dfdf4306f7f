"""The contact sheet: where things go on it, and which places of a photo it shows from near."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mosaicd.imaging import PixelArray
from mosaicd.imaging.descriptors import SUBCELLS
from mosaicd.imaging.grid import CellGrid
from mosaicd.studies.contact_sheet import WIDTH_LIMIT_PIXELS, Exhibit, Layout, column_width, draw_sheet
from mosaicd.studies.places import Place, place_around, telling_places

ROWS, COLUMNS, EDGE = 20, 30, 6
GREY, DARK = 128, 20


def made_photo() -> PixelArray:
    """Grey; noise in the middle, a dark bar down the right."""
    photo = np.full((ROWS * SUBCELLS, COLUMNS * SUBCELLS, 3), GREY, np.uint8)
    noise = np.random.default_rng(1).integers(0, 256, (6 * SUBCELLS, 6 * SUBCELLS, 3), np.uint8)
    photo[7 * SUBCELLS : 13 * SUBCELLS, 10 * SUBCELLS : 16 * SUBCELLS] = noise
    photo[:, 25 * SUBCELLS :] = DARK
    return photo


def places_of(photo: PixelArray, *, edge_cells: int = EDGE, besides: tuple[Place, ...] = ()) -> list[Place]:
    grid = CellGrid.fit(photo.shape, cells_on_long_side=max(photo.shape) // SUBCELLS)
    cells = grid.cut(grid.sample(photo, pixels_a_cell=SUBCELLS))
    return telling_places(cells, shape=(grid.rows, grid.columns), edge_cells=edge_cells, besides=besides)


def seen(photo: PixelArray, place: Place) -> NDArray[np.uint8]:
    rows, columns = (
        slice(start * SUBCELLS, (start + place.cells) * SUBCELLS) for start in (place.row, place.column)
    )
    return photo[rows, columns]


def test_places_show_detail_an_edge_and_a_flat_area() -> None:
    photo = made_photo()
    detail, edge, flat = places_of(photo)
    assert [place.name for place in (detail, edge, flat)] == ["detail", "edge", "flat"]
    assert (detail.row, detail.column) == (7, 10)
    assert set(np.unique(seen(photo, edge))) == {DARK, GREY}
    assert edge.column + edge.cells / 2 == 25
    assert len(np.unique(seen(photo, flat))) == 1


def test_edge_that_lies_across_is_found() -> None:
    photo = made_photo().swapaxes(0, 1)
    _, edge, _ = places_of(photo)
    assert edge.row + edge.cells / 2 == 25


def test_places_do_not_overlap() -> None:
    found = places_of(made_photo(), besides=(Place(name="asked", row=7, column=10, cells=EDGE),))
    every = [Place(name="asked", row=7, column=10, cells=EDGE), *found]
    for number, first in enumerate(every):
        for second in every[:number]:
            assert max(abs(first.row - second.row), abs(first.column - second.column)) >= EDGE


@pytest.mark.parametrize(("rows", "columns", "edge_cells"), [(1, 1, 1), (2, 5, 16), (3, 3, 2), (40, 1, 8)])
def test_places_lie_inside_any_photo(rows: int, columns: int, edge_cells: int) -> None:
    photo = np.zeros((rows * SUBCELLS, columns * SUBCELLS, 3), np.uint8)
    for place in places_of(photo, edge_cells=edge_cells):
        assert place.cells == min(rows, columns, edge_cells)
        assert 0 <= place.row <= rows - place.cells
        assert 0 <= place.column <= columns - place.cells


@pytest.mark.parametrize(
    ("point", "first_cell"),
    [((0.5, 0.5), (7, 12)), ((0, 0), (0, 0)), ((1, 1), (14, 24)), ((0.5, 0.95), (7, 24))],
)
def test_place_around_a_point_stays_inside(point: tuple[float, float], first_cell: tuple[int, int]) -> None:
    place = place_around("face", point, shape=(ROWS, COLUMNS), edge_cells=EDGE)
    assert (place.row, place.column, place.cells) == (*first_cell, EDGE)


@pytest.mark.parametrize("columns", [2, 3, 7, 12])
@pytest.mark.parametrize("picture", [(4800, 4800), (3000, 4800), (4800, 500), (40, 60)])
def test_sheet_is_no_wider_than_a_screen_can_show(columns: int, picture: tuple[int, int]) -> None:
    layout = Layout.fit(columns, picture, crop_edge=column_width(columns), crops=3)
    assert layout.size[0] <= WIDTH_LIMIT_PIXELS
    assert max(layout.view_height, layout.view_width) <= layout.column_width


def test_nothing_lies_over_anything_else() -> None:
    layout = Layout.fit(3, (300, 200), crop_edge=100, crops=2)
    boxes = []
    for column in range(3):
        for row in range(3):
            left, top = layout.corner(column, row)
            height = layout.view_height if row == 0 else layout.crop_edge
            boxes.append((left, top, left + layout.column_width, top + layout.label_height + height))
    for number, (left, top, right, bottom) in enumerate(boxes):
        assert right <= layout.size[0]
        assert bottom <= layout.size[1]
        for other in boxes[:number]:
            assert left >= other[2] or right <= other[0] or top >= other[3] or bottom <= other[1]


def test_crops_show_their_place_pixel_by_pixel_beside_their_labels() -> None:
    cell_pixels, place = 10, Place(name="edge", row=2, column=3, cells=4)
    random = np.random.default_rng(2)
    pictures = [random.integers(0, 256, (200, 300, 3), np.uint8) for _ in range(2)]
    layout = Layout.fit(2, (200, 300), crop_edge=40, crops=1)
    exhibits = [Exhibit(label="a mosaic", caption="figures " * 60, pixels=each) for each in pictures]
    sheet = draw_sheet(exhibits, [place], layout=layout, cell_pixels=cell_pixels)
    assert sheet.size == layout.size
    for column, picture in enumerate(pictures):
        left, top = layout.corner(column, 1)
        crop = crop_of(sheet, left, top + layout.label_height, 40)
        assert (crop == picture[20:60, 30:70]).all()
        label = crop_of(sheet, left, top, layout.label_height)
        assert label.min() < DARK
        beyond = np.asarray(sheet)[:, layout.column_width + layout.corner(column, 0)[0] :][:, :8]
        assert (beyond == 255).all(), "no label is wider than its column"


def test_photo_alone_is_marked() -> None:
    grey = np.full((200, 300, 3), GREY, np.uint8)
    layout = Layout.fit(2, (200, 300), crop_edge=40, crops=1)
    exhibits = [Exhibit(label="", caption="", pixels=grey)] * 2
    sheet = draw_sheet(
        exhibits, [Place(name="flat", row=2, column=3, cells=4)], layout=layout, cell_pixels=10
    )
    views = [
        crop_of(sheet, left, top + layout.label_height, 200)
        for left, top in (layout.corner(column, 0) for column in range(2))
    ]
    assert (views[0] != GREY).any()
    assert (views[1] == GREY).all()


def crop_of(sheet: Image.Image, left: int, top: int, edge: int) -> PixelArray:
    return np.asarray(sheet.crop((left, top, left + edge, top + edge)))
