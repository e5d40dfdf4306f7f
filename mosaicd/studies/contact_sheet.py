"""A contact sheet: a photo and mosaics of it beside each other, whole and pixel by pixel, each labelled."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from PIL import Image, ImageDraw, ImageFont

from mosaicd.imaging import PixelArray
from mosaicd.imaging.resampling import resample
from mosaicd.studies.places import Place

WIDTH_LIMIT_PIXELS = 6000
_WIDEST_COLUMN_PIXELS = 960
_GAP_PIXELS = 16
_TEXT_SHARE = 1 / 26
_SMALLEST_TEXT_PIXELS = 12
_LABEL_LINES = 2.6
_BACKGROUND, _INK, _FAINT_INK, _MARK = "white", "black", "#555555", "#ffe000"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where everything goes on a sheet. Sizes are in pixels.

    Attributes
    ----------
    columns : int
        The photo and each mosaic.
    column_width : int
    view_height, view_width : int
        Of a whole picture.
    crop_edge : int
    crops : int
        In each column.
    """

    columns: int
    column_width: int
    view_height: int
    view_width: int
    crop_edge: int
    crops: int

    @classmethod
    def fit(cls, columns: int, picture: tuple[int, int], *, crop_edge: int, crops: int) -> Self:
        """Lay out so many columns of pictures of one size (height, width); see `widest_crop`."""
        width = column_width(columns)
        scale = min(1.0, width / max(picture))
        height, view_width = (max(1, round(side * scale)) for side in picture)
        return cls(
            columns=columns,
            column_width=width,
            view_height=height,
            view_width=view_width,
            crop_edge=crop_edge,
            crops=crops,
        )

    @property
    def text_pixels(self) -> int:
        """Height of the text."""
        return round(self.column_width * _TEXT_SHARE)

    @property
    def label_height(self) -> int:
        """Room for the two lines over each picture."""
        return round(self.text_pixels * _LABEL_LINES)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the sheet."""
        width = _GAP_PIXELS + self.columns * (self.column_width + _GAP_PIXELS)
        crop_rows = self.crops * (self.label_height + self.crop_edge + _GAP_PIXELS)
        return width, self.label_height + self.view_height + 2 * _GAP_PIXELS + crop_rows

    def corner(self, column: int, row: int) -> tuple[int, int]:
        """(left, top) of the label over a column's whole picture, row 0, or over one of its crops."""
        left = _GAP_PIXELS + column * (self.column_width + _GAP_PIXELS)
        if row == 0:
            return left, _GAP_PIXELS
        first = self.label_height + self.view_height + 2 * _GAP_PIXELS
        return left, first + (row - 1) * (self.label_height + self.crop_edge + _GAP_PIXELS)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exhibit:
    """A picture on the sheet.

    Attributes
    ----------
    label, caption : str
        What it is, and its figures.
    pixels : ndarray of uint8, shape (rows * cell_pixels, columns * cell_pixels, 3)
    """

    label: str
    caption: str
    pixels: PixelArray


def column_width(columns: int) -> int:
    """How wide a column is, in pixels, if so many stand beside each other; no crop can be wider."""
    return min(_WIDEST_COLUMN_PIXELS, (WIDTH_LIMIT_PIXELS - _GAP_PIXELS * (columns + 1)) // columns)


def draw_sheet(
    exhibits: Iterable[Exhibit], places: Sequence[Place], *, layout: Layout, cell_pixels: int
) -> Image.Image:
    """Draw the sheet.

    Parameters
    ----------
    exhibits : iterable of Exhibit
        As many as `layout` has columns, first the photo, on which the places are marked. One is held at a time.
    places : sequence of Place
        What the crops show, from above.
    layout : Layout
    cell_pixels : int
        Edge of a cell in the pictures.
    """
    sheet = Image.new("RGB", layout.size, _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for column, exhibit in enumerate(exhibits):
        view = Image.fromarray(resample(exhibit.pixels, rows=layout.view_height, columns=layout.view_width))
        if column == 0:
            _mark(view, places, cell_pixels * view.width / exhibit.pixels.shape[1], layout.text_pixels)
        _show(sheet, draw, view, layout, (column, 0), (exhibit.label, exhibit.caption))
        for row, place in enumerate(places, start=1):
            top, left, edge = (cells * cell_pixels for cells in (place.row, place.column, place.cells))
            crop = Image.fromarray(exhibit.pixels[top : top + edge, left : left + edge])
            what = f"{_LETTERS[row - 1]}: {place.name}, 1:1"
            _show(sheet, draw, crop, layout, (column, row), (exhibit.label, what))
    return sheet


def _show(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    picture: Image.Image,
    layout: Layout,
    spot: tuple[int, int],
    lines: tuple[str, str],
) -> None:
    left, top = layout.corner(*spot)
    for number, (line, ink) in enumerate(zip(lines, (_INK, _FAINT_INK), strict=True)):
        shown, font = _fitted(line, layout.text_pixels, layout.column_width)
        draw.text((left, top + number * round(layout.text_pixels * 1.2)), shown, fill=ink, font=font)
    sheet.paste(picture, (left, top + layout.label_height))


def _mark(view: Image.Image, places: Sequence[Place], cell_pixels: float, text_pixels: int) -> None:
    """Draw a frame with a letter around each place."""
    draw = ImageDraw.Draw(view)
    font = ImageFont.load_default(size=text_pixels)
    for letter, place in zip(_LETTERS, places, strict=False):
        left, top = round(place.column * cell_pixels), round(place.row * cell_pixels)
        edge = round(place.cells * cell_pixels)
        draw.rectangle((left, top, left + edge - 1, top + edge - 1), outline=_INK, width=5)
        draw.rectangle((left + 1, top + 1, left + edge - 2, top + edge - 2), outline=_MARK, width=3)
        spot = (left + text_pixels // 3, top + text_pixels // 6)
        draw.text(spot, letter, fill=_MARK, font=font, stroke_width=2, stroke_fill=_INK)


def _fitted(
    line: str, text_pixels: int, width: int
) -> tuple[str, ImageFont.FreeTypeFont | ImageFont.ImageFont]:
    """A line no wider than `width`, and its font: smaller for a long line, which is cut if that is not enough."""
    length = ImageFont.load_default(size=text_pixels).getlength(line)
    size = text_pixels if length <= width else int(text_pixels * width / length)
    font = ImageFont.load_default(size=max(_SMALLEST_TEXT_PIXELS, size))
    shown = line
    while font.getlength(shown) > width:
        shown = shown[:-2] + "…"
    return shown, font
