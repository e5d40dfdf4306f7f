"""Photos as phones take them: of any shape, in the formats that phones write; their dates are kept."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests import films
from tests.browser import Visit, browser
from tests.daemon_process import DaemonProcess
from tests.faults.workplace import furnished

TAKEN = 1_600_000_000
CELLS = 60
PHOTOS = {
    "panorama.jpg": ("JPEG", (4000, 200)),
    "tower.jpg": ("JPEG", (200, 4000)),
    "IMG_1.HEIC": ("HEIF", (1008, 756)),
    "pixel.avif": ("AVIF", (756, 1008)),
    "screenshot.png": ("PNG", (585, 1266)),
    "both eyes.mpo": ("MPO", (640, 480)),
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> DaemonProcess:
    """A daemon that has made mosaics of all of them."""
    daemon = furnished(tmp_path_factory.mktemp("phone"), cells_on_long_side=CELLS)
    for name, (kind, size) in PHOTOS.items():
        picture = Image.fromarray(films.photo("chelsea")).resize(size)
        more = {"save_all": True, "append_images": [picture]} if kind == "MPO" else {}
        picture.save(daemon.inbox / name, kind, **more)
        os.utime(daemon.inbox / name, (TAKEN, TAKEN))
    assert daemon.run_until_idle() == 0
    return daemon


def outputs(daemon: DaemonProcess, name: str) -> Iterator[Path]:
    for suffix in ("jpg", "json", "html"):
        yield daemon.outbox / f"{Path(name).stem}.mosaic.{suffix}"


@pytest.mark.parametrize("name", PHOTOS)
def test_mosaic_has_the_photo_s_shape_in_whole_cells(daemon: DaemonProcess, name: str) -> None:
    image, report, _ = outputs(daemon, name)
    width, height = PHOTOS[name][1]
    facts = json.loads(report.read_text())
    rows, columns = facts["rows"], facts["columns"]
    assert max(rows, columns) == CELLS
    assert min(rows, columns) == round(CELLS * min(width, height) / max(width, height))
    assert (rows > columns) == (height > width)
    with Image.open(image) as mosaic:
        assert mosaic.size == (16 * columns, 16 * rows)


def test_originals_keep_their_dates_and_mosaics_have_that_of_their_making(daemon: DaemonProcess) -> None:
    assert {path.name: path.stat().st_mtime for path in daemon.archive.iterdir()} == dict.fromkeys(
        PHOTOS, TAKEN
    )
    made = [path.stat().st_mtime for name in PHOTOS for path in outputs(daemon, name)]
    assert len(made) == 3 * len(PHOTOS)
    assert min(made) > time.time() - 3600


@pytest.mark.parametrize("name", ["panorama.jpg", "tower.jpg"])
def test_page_of_a_panorama_shows_it_whole(daemon: DaemonProcess, name: str) -> None:
    *_, page = outputs(daemon, name)
    width, height = PHOTOS[name][1]
    with (
        browser() as opened,
        Visit(opened, page, viewport={"width": 390, "height": 844}) as visit,
    ):
        frame = visit.page.locator("#mosaic img.leaflet-image-layer").first.bounding_box()
        assert frame is not None
        assert frame["x"] > -1 < frame["y"]
        assert frame["x"] + frame["width"] < 391
        assert frame["y"] + frame["height"] < 845
        assert frame["width"] / frame["height"] == pytest.approx(width / height, rel=0.1)
        assert not visit.complaints
        assert all(url.startswith("blob:") for url in visit.requests)
