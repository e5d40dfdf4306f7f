"""The first pictures of README: a mosaic, whole and from near, and its page on a phone.

``python -m tests.benchmarks.pictures FOLDER`` makes them of what ``mosaicd demo`` makes, in a real browser. The
plots of README are made by ``mosaicd study``, as it says there.
"""

import argparse
import io
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from tests.browser import Visit, browser

_HEIGHT = 480
_NEAR = (0.60, 0.30, 0.20)
"""Where the mosaic is looked at from near: left and top as shares of its size, and the share of its height."""
_GAP = 8
_PHONE: dict[str, Any] = {
    "viewport": {"width": 320, "height": 640},
    "device_scale_factor": 1.5,
    "has_touch": True,
    "is_mobile": True,
}


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "demo"
        subprocess.run([sys.executable, "-m", "mosaicd", "demo", f"--root={root}"], check=True)
        outbox = root / "outbox"
        with Image.open(outbox / "cat.mosaic.jpg") as mosaic:
            _side_by_side([_whole(mosaic), _from_near(mosaic), _phone(outbox / "cat.mosaic.html")]).save(
                folder / "mosaic.jpg", quality=82, optimize=True
            )


def _whole(mosaic: Image.Image) -> Image.Image:
    return mosaic.resize((mosaic.width * _HEIGHT // mosaic.height, _HEIGHT), Image.Resampling.LANCZOS)


def _from_near(mosaic: Image.Image) -> Image.Image:
    left, top, share = _NEAR
    edge = int(mosaic.height * share)
    x, y = int(mosaic.width * left), int(mosaic.height * top)
    return mosaic.crop((x, y, x + edge, y + edge)).resize((_HEIGHT, _HEIGHT), Image.Resampling.LANCZOS)


def _phone(page: Path) -> Image.Image:
    """The page with one of its tiles tapped, and seen from near."""
    with browser() as opened, Visit(opened, page, **_PHONE) as visit:
        picture = visit.page.locator("#mosaic img.leaflet-image-layer").first.bounding_box()
        assert picture is not None
        left, top, _ = _NEAR
        visit.page.touchscreen.tap(
            picture["x"] + picture["width"] * (left + 0.04), picture["y"] + picture["height"] * (top + 0.06)
        )
        visit.page.wait_for_selector("#tile")
        visit.page.focus("#mosaic")
        for _ in range(4):
            visit.page.keyboard.press("+")
            visit.page.wait_for_timeout(700)
        shot = Image.open(io.BytesIO(visit.page.screenshot())).convert("RGB")
    return shot.resize((shot.width * _HEIGHT // shot.height, _HEIGHT), Image.Resampling.LANCZOS)


def _side_by_side(pictures: list[Image.Image]) -> Image.Image:
    width = sum(each.width for each in pictures) + _GAP * (len(pictures) - 1)
    sheet = Image.new("RGB", (width, _HEIGHT), "white")
    x = 0
    for each in pictures:
        sheet.paste(each, (x, 0))
        x += each.width + _GAP
    return sheet


if __name__ == "__main__":
    main()
