"""Compare: every engine and strategy on the same photo and the same tiles, side by side, with figures."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

from mosaicd.errors import MosaicdError, SettingsError
from mosaicd.imaging import PixelArray
from mosaicd.imaging.descriptors import SUBCELLS
from mosaicd.imaging.grid import CellGrid
from mosaicd.imaging.resampling import resample
from mosaicd.media.photo import read_photo
from mosaicd.pipelines.appearance import Appearance, appearance_over
from mosaicd.pipelines.mosaic import PHOTO_PIXELS_A_CELL, require_writable_size
from mosaicd.plain_text import printable
from mosaicd.studies import comparison_tables
from mosaicd.studies.comparison_tables import Comparison, Entry
from mosaicd.studies.contact_sheet import Exhibit, Layout, column_width, draw_sheet
from mosaicd.studies.places import Place, place_around, telling_places
from mosaicd.studies.variants import Commission, DiedError, is_as_set, make_apart, variants_named

_PAGE_COLUMNS = 150
"""Where the table is written to a file or a pipe, which have no edge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be compared.

    Attributes
    ----------
    library : str
    commission : Commission
        Of a mosaic as it would be made, its image being the folder for all that is made.
    engines : sequence of str
        Names of variants; all where there is none.
    points : sequence of (down, across)
        Places to look at closely, as shares of the photo's height and width.
    """

    library: str
    commission: Commission
    engines: Sequence[str]
    points: Sequence[tuple[float, float]]


def points_named(texts: Sequence[str]) -> list[tuple[float, float]]:
    """Points from words such as ``20,45``: percent of the photo's height and width.

    Raises
    ------
    SettingsError
        If a word is something else.
    """
    points = []
    for text in texts:
        try:
            down, across = (float(word) / 100 for word in text.split(","))
        except ValueError:
            down = across = np.nan
        if not (0 <= down <= 1 and 0 <= across <= 1):
            message = f"--at wants DOWN,ACROSS, both from 0 to 100, such as 20,45; not {text!r}"
            raise SettingsError(message)
        points.append((down, across))
    return points


def own_appearance(base: Appearance, file: Path, say: Callable[[str], None]) -> Appearance:
    """What the library's mosaics look like; a ``mosaic.toml`` that cannot be used is passed over, and that said."""
    try:
        return appearance_over(base, file)
    except ValueError as error:
        say(f"{file.name} is passed over: {error}")
        return base


def run_compare(wish: Wish, say: Callable[[str], None]) -> list[Path]:
    """Make all variants, a contact sheet of them, and tables; the paths of all that was written.

    Raises
    ------
    MosaicdError
        If there is no such variant, the photo cannot be read, there are no tiles, no variant can be made, or the
        folder cannot be written.
    """
    order, folder = wish.commission, wish.commission.image
    variants = variants_named(wish.engines, order.appearance)
    if os.path.exists(order.photo) and not os.path.isfile(order.photo):  # noqa: PTH110, PTH113 - never raise
        message = f"{order.photo} is no file"
        raise MosaicdError(message)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        photo = _read(order)
        images = {name: folder / _image_name(order.photo, name, looks) for name, looks in variants.items()}
        entries = list(_made(order, variants, images, say))
        if not entries:
            message = "no mosaic could be made"
            raise MosaicdError(message)
        say("drawing the contact sheet")
        places = _places(photo, wish.points, edge_cells=_crop_cells(order, 1 + len(entries)))
        sheet = folder / f"{order.photo.stem}.compare.png"
        _sheet(order, photo, entries, places).save(sheet)
        comparison = Comparison(
            photo=printable(order.photo.name),
            library=wish.library,
            rows=photo.grid.rows,
            columns=photo.grid.columns,
            counts_history=order.penalty_half_life_days is not None,
            places=places,
            entries=entries,
        )
        _print(comparison)
        tables = comparison_tables.write_files(comparison, folder / f"{order.photo.stem}.compare")
        return [sheet, *tables, *(entry.image for entry in entries)]
    except OSError as error:
        message = f"the comparison cannot be written to {folder}: {error.strerror or error}"
        raise MosaicdError(message) from error


def _image_name(photo: Path, name: str, looks: Appearance) -> str:
    return f"{photo.stem}.{name}{looks.output_format.suffix}"


def _made(
    order: Commission,
    variants: Mapping[str, Appearance],
    images: Mapping[str, Path],
    say: Callable[[str], None],
) -> Iterator[Entry]:
    """Make one variant after the other; one whose process dies is left out, and that said."""
    for name, looks in variants.items():
        say(f"making {name}")
        try:
            made = make_apart(replace(order, appearance=looks, image=images[name]))
        except DiedError as error:
            say(f"{name} is left out: {error}")
            continue
        yield Entry(
            name=name,
            is_as_set=is_as_set(looks, order.appearance),
            appearance=looks,
            image=images[name],
            made=made,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Photo:
    """A photo as mosaics are made of it, and as large as they are."""

    grid: CellGrid
    cells: PixelArray
    enlarged: PixelArray


def _read(order: Commission) -> _Photo:
    cells_on_long_side, edge = order.appearance.cells_on_long_side, order.appearance.tile_edge_pixels
    small, large = (
        read_photo(
            order.photo,
            photo_pixels_limit=order.photo_pixels_limit,
            long_side_pixels=cells_on_long_side * pixels_a_cell,
        )
        for pixels_a_cell in (PHOTO_PIXELS_A_CELL, max(edge, PHOTO_PIXELS_A_CELL))
    )
    grid = CellGrid.fit(small.shape, cells_on_long_side=cells_on_long_side)
    require_writable_size(grid, order.appearance, order.mosaic_pixels_limit)
    height, width = (many / few for many, few in zip(large.shape[:2], small.shape[:2], strict=True))
    left, top, right, bottom = grid.box
    enlarged = resample(
        large,
        rows=grid.rows * edge,
        columns=grid.columns * edge,
        box=(left * width, top * height, right * width, bottom * height),
    )
    return _Photo(grid=grid, cells=grid.cut(grid.sample(small, pixels_a_cell=SUBCELLS)), enlarged=enlarged)


def _crop_cells(order: Commission, columns: int) -> int:
    """How many cells fit beside each other in a column of the sheet."""
    return max(1, column_width(columns) // order.appearance.tile_edge_pixels)


def _places(photo: _Photo, points: Sequence[tuple[float, float]], *, edge_cells: int) -> list[Place]:
    """Places that were named, then those that the photo suggests."""
    shape = photo.grid.rows, photo.grid.columns
    named = [place_around("as asked", point, shape=shape, edge_cells=edge_cells) for point in points]
    return [*named, *telling_places(photo.cells, shape=shape, edge_cells=edge_cells, besides=named)]


def _sheet(
    order: Commission, photo: _Photo, entries: Sequence[Entry], places: Sequence[Place]
) -> Image.Image:
    edge = order.appearance.tile_edge_pixels
    height, width = photo.enlarged.shape[:2]
    layout = Layout.fit(
        1 + len(entries), (height, width), crop_edge=places[0].cells * edge, crops=len(places)
    )
    name = printable(order.photo.name)
    caption = f"{photo.grid.rows} x {photo.grid.columns} cells of {edge} pixels"

    def exhibits() -> Iterator[Exhibit]:
        yield Exhibit(label=name, caption=caption, pixels=photo.enlarged)
        for entry in entries:
            with Image.open(entry.image) as image:
                pixels = np.asarray(image.convert("RGB"))
            yield Exhibit(label=entry.label, caption=entry.caption, pixels=pixels)

    return draw_sheet(exhibits(), places, layout=layout, cell_pixels=edge)


def _print(comparison: Comparison) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = _PAGE_COLUMNS
    console.print(comparison_tables.table(comparison))
