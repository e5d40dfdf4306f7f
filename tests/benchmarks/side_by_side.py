"""Pictures side by side: mosaics of one photo, whole, and a detail of each pixel by pixel."""

from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageDraw

_COLUMNS, _VIEW_PIXELS, _DETAIL_CELLS, _LABEL_PIXELS = 4, 640, 12, 24


def sheets(
    pictures: Mapping[str, Path], place: tuple[int, int], *, cell_pixels: int
) -> dict[str, Image.Image]:
    """Lay pictures out, each under its name.

    Parameters
    ----------
    pictures : mapping of name to file
        Mosaics of one grid; others, like the photo itself, are scaled to the size of the last.
    place : (row, column)
        The cell where the detail begins.
    cell_pixels : int
        Edge of a cell.

    Returns
    -------
    dict
        The sheets ``whole`` and ``detail``.
    """
    images = {name: Image.open(file).convert("RGB") for name, file in pictures.items()}
    size = list(images.values())[-1].size
    images = {name: image.resize(size) for name, image in images.items()}
    top, left = (cell * cell_pixels for cell in place)
    edge = _DETAIL_CELLS * cell_pixels
    details = {name: image.crop((left, top, left + edge, top + edge)) for name, image in images.items()}
    for image in images.values():
        image.thumbnail((_VIEW_PIXELS, _VIEW_PIXELS), Image.Resampling.BOX)
    return {"whole": _sheet(images), "detail": _sheet(details)}


def _sheet(images: Mapping[str, Image.Image]) -> Image.Image:
    width, height = next(iter(images.values())).size
    rows = -(-len(images) // _COLUMNS)
    sheet = Image.new("RGB", (width * _COLUMNS, (height + _LABEL_PIXELS) * rows), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (name, image) in enumerate(images.items()):
        top, left = number // _COLUMNS * (height + _LABEL_PIXELS), number % _COLUMNS * width
        draw.text((left + 4, top + 2), name, fill="black", font_size=_LABEL_PIXELS * 2 // 3)
        sheet.paste(image, (left, top + _LABEL_PIXELS))
    return sheet
