"""The page beside a mosaic, in a real browser: what people see, tap and hear there."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from mosaicd.imaging import PixelArray
from mosaicd.imaging.color import mean_color_difference
from mosaicd.imaging.rendering import render
from mosaicd.imaging.resampling import resample
from mosaicd.media.formats import OutputFormat
from mosaicd.media.masters import decode_master
from mosaicd.media.outbox import image_path, page_path
from mosaicd.store.database import Database
from mosaicd.store.tiles import masters
from tests.browser import Visit, browser
from tests.daemon_process import wait_until
from tests.libraries import fill_library
from tests.mosaic_studio import MosaicStudio
from tests.real_media import Origin, UnavailableError, package
from tests.stores import new_database

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 3,
    "has_touch": True,
    "is_mobile": True,
}
WITHOUT_ITS_STROKE = """
path => {
  const {x, y, width, height} = path.getBoundingClientRect(), stroke = Number(path.getAttribute("stroke-width"));
  return {x: x + stroke / 2, y: y + stroke / 2, width: width - stroke, height: height - stroke};
}
"""
EDGE, MASTER_EDGE = 50, 128
DESK: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}


@dataclass(frozen=True)
class Made:
    """A mosaic and its page."""

    store: Path
    page: Path
    image: Path
    report: dict[str, Any]

    def painted(self, cell: int) -> PixelArray:
        """A cell as the program paints it where tiles are as large as their masters."""
        placement = self.report["placement"]
        tile, *_ = placement["tiles"][placement["cells"][cell]]
        database = Database(self.store)
        with database.read() as session:
            found = [(tile, decode_master(jpeg)) for _, jpeg in masters(session, [tile])]
        database.close()
        return render(
            found,
            tiles=np.array([[tile]]),
            mirrored=np.array([[cell in placement["mirrored"]]]),
            corrections=np.array([[placement["corrections"][cell]]], np.float32),
            tile_edge_pixels=MASTER_EDGE,
        )

    def facts(self, cell: int) -> tuple[str, str, str]:
        """What the page is to say of a cell."""
        placement = self.report["placement"]
        tile = placement["cells"][cell]
        _, source, seconds, _ = placement["tiles"][tile]
        uses = placement["cells"].count(tile)
        row, column = divmod(cell, self.report["columns"])
        times = "used once here" if uses == 1 else f"used {uses} times here"
        minutes, rest = divmod(seconds, 60)
        return (
            placement["sources"][str(source)],
            f"at {int(minutes)}:{rest:04.1f}",
            f"row {row + 1}, column {column + 1}; {times}",
        )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("page")
    database = new_database(folder / "store.sqlite3")
    library = fill_library(database, name="default", tiles=300, edge=MASTER_EDGE)
    studio = MosaicStudio(database, library, folder, "chelsea.png", page_bytes_limit=4_000_000)
    mosaic = studio.make(now=1e9, cells_on_long_side=24)
    outbox = folder / "outbox"
    database.close()
    return Made(
        store=database.path,
        page=outbox / page_path(mosaic.stem),
        image=outbox / image_path(mosaic.stem, OutputFormat.JPEG),
        report=studio.report(mosaic),
    )


@pytest.fixture(scope="module")
def opened() -> Iterator["Browser"]:
    with browser() as found:
        yield found


def said(visit: Visit) -> tuple[str, ...]:
    return tuple(visit.page.inner_text(f"#{part}") for part in ("origin", "moment", "uses"))


def place_of(visit: Visit, made: Made, cell: int) -> tuple[float, float]:
    """Where a cell is on the screen while the whole mosaic is shown."""
    box = visit.page.locator("#mosaic img.leaflet-image-layer").first.bounding_box()
    assert box is not None
    row, column = divmod(cell, made.report["columns"])
    return (
        box["x"] + box["width"] * (column + 0.5) / made.report["columns"],
        box["y"] + box["height"] * (row + 0.5) / made.report["rows"],
    )


def detail(square: PixelArray) -> float:
    """How much of a square is lost when it is made smaller."""
    small = resample(square, rows=EDGE, columns=EDGE)
    return mean_color_difference(square, resample(small, rows=len(square), columns=len(square)))


def height_of(frame: "Locator") -> float:
    box = frame.bounding_box()
    return box["height"] if box is not None else 0.0


def zoom_in(visit: Visit, frame: "Locator") -> None:
    """Zoom in by one step, and wait until it is done."""
    before = height_of(frame)
    visit.page.keyboard.press("+")
    wait_until(lambda: height_of(frame) > 1.8 * before, what="zooming in")


@pytest.mark.parametrize("device", [PHONE, DESK], ids=["phone", "desk"])
def test_page_shows_the_mosaic_and_asks_nobody_for_anything(
    opened: "Browser", made: Made, device: dict[str, Any]
) -> None:
    with Visit(opened, made.page, **device) as visit:
        width, height = visit.page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        )
        assert (width, height) == (device["viewport"]["width"], device["viewport"]["height"])
        box = visit.page.locator("#mosaic img.leaflet-image-layer").first.bounding_box()
        assert box is not None
        assert box["width"] / box["height"] == pytest.approx(
            made.report["columns"] / made.report["rows"], rel=0.01
        )
        assert visit.complaints == []
        assert visit.asked_outside() == []


@pytest.mark.parametrize("cell", [0, 100, 383])
def test_tapping_a_tile_tells_where_it_is_from(opened: "Browser", made: Made, cell: int) -> None:
    with Visit(opened, made.page, **PHONE) as visit:
        visit.page.touchscreen.tap(*place_of(visit, made, cell))
        visit.page.wait_for_selector("#tile")
        assert said(visit) == made.facts(cell)
        visit.page.tap("#close")
        assert visit.page.is_hidden("#tile")
        assert visit.complaints == []


def test_every_tile_can_be_reached_and_read_by_keyboard(opened: "Browser", made: Made) -> None:
    rows, columns = made.report["rows"], made.report["columns"]
    with Visit(opened, made.page, **DESK) as visit:
        visit.page.focus("#mosaic")
        visit.page.keyboard.press("Enter")
        for key in ("ArrowLeft", "ArrowUp"):
            for _ in range(columns):
                visit.page.keyboard.press(key)
        heard = []
        for row in range(rows):
            heard.append(said(visit))
            for _ in range(columns - 1):
                visit.page.keyboard.press("ArrowLeft" if row % 2 else "ArrowRight")
                heard.append(said(visit))
            visit.page.keyboard.press("ArrowDown")
        snake = [
            row * columns + (columns - 1 - column if row % 2 else column)
            for row in range(rows)
            for column in range(columns)
        ]
        assert heard == [made.facts(cell) for cell in snake]


def test_next_use_goes_round_all_uses_of_a_tile(opened: "Browser", made: Made) -> None:
    cells = made.report["placement"]["cells"]
    tile = next(tile for tile in cells if cells.count(tile) > 2)
    uses = [cell for cell, each in enumerate(cells) if each == tile]
    with Visit(opened, made.page, **DESK) as visit:
        visit.page.mouse.click(*place_of(visit, made, uses[0]))
        for use in (*uses[1:], uses[0]):
            visit.page.click("#next")
            assert said(visit) == made.facts(use)


def test_zoomed_in_a_tile_is_painted_from_its_master_as_in_the_mosaic(opened: "Browser", made: Made) -> None:
    columns = made.report["columns"]
    in_the_middle = range(made.report["rows"] // 2 * columns, (made.report["rows"] // 2 + 1) * columns)
    cell = max(in_the_middle[8:-8], key=lambda each: detail(made.painted(each)))
    with Visit(opened, made.page, **DESK) as visit:
        visit.page.mouse.click(*place_of(visit, made, cell))
        visit.page.focus("#mosaic")
        frame = visit.page.locator("#mosaic svg path").last
        while height_of(frame) < MASTER_EDGE:
            zoom_in(visit, frame)
        drawn = visit.page.locator("canvas.leaflet-tile")
        awaited = visit.page.locator("canvas.leaflet-tile:not(.leaflet-tile-loaded), .leaflet-zoom-anim")
        wait_until(lambda: drawn.count() > 0 and awaited.count() == 0, what="painted tiles")
        place = frame.evaluate(WITHOUT_ITS_STROKE)
        for part in ("#mosaic svg", "#tile"):
            visit.page.locator(part).evaluate("part => { part.style.display = 'none' }")
        picture = visit.page.screenshot(clip=place)
        assert visit.complaints == []
    shown = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    row, column = divmod(cell, made.report["columns"])
    in_mosaic = np.asarray(Image.open(made.image))[row * EDGE :, column * EDGE :][:EDGE, :EDGE]
    from_master, from_mosaic = (
        mean_color_difference(shown, resample(each, rows=len(shown), columns=shown.shape[1]))
        for each in (made.painted(cell), in_mosaic)
    )
    assert from_master < from_mosaic
    assert mean_color_difference(*(resample(each, rows=8, columns=8) for each in (shown, in_mosaic))) < 2


def test_slider_shows_the_photo(opened: "Browser", made: Made) -> None:
    with Visit(opened, made.page, **DESK) as visit:
        photo = visit.page.locator("#mosaic img.leaflet-image-layer").nth(1)
        assert photo.evaluate("each => getComputedStyle(each).opacity") == "0"
        visit.page.fill("#fade", "100")
        assert photo.evaluate("each => getComputedStyle(each).opacity") == "1"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_has_no_serious_accessibility_problem(opened: "Browser", made: Made, scheme: str) -> None:
    with Visit(opened, made.page, color_scheme=scheme, bypass_csp=True, **PHONE) as visit:
        visit.page.focus("#mosaic")
        visit.page.keyboard.press("Enter")
        visit.page.click("summary >> nth=0")
        assert accessibility_problems(visit) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [PHONE, DESK], ids=["phone", "desk"])
def test_gallery_has_no_serious_accessibility_problem_and_asks_nobody_for_anything(
    opened: "Browser", made: Made, device: dict[str, Any], scheme: str
) -> None:
    gallery = made.page.parent / "index.html"
    with Visit(opened, gallery, ready="article img", color_scheme=scheme, bypass_csp=True, **device) as visit:
        assert accessibility_problems(visit) == []
        assert visit.complaints == []
        assert [url for url in visit.requests if not url.startswith("data:")] == []


def accessibility_problems(visit: Visit) -> list[tuple[str, str, list[str]]]:
    """What axe finds on a page that keeps people out."""
    try:
        axe = package(Origin.NPM, "axe-core") / "package" / "axe.min.js"
    except UnavailableError as error:
        pytest.skip(str(error))
    visit.page.evaluate(axe.read_text())
    found = visit.page.evaluate("axe.run()")
    assert found["passes"]
    return [
        (each["id"], each["impact"], [node["html"][:200] for node in each["nodes"]])
        for each in found["violations"]
        if each["impact"] in {"serious", "critical", "moderate"}
    ]
