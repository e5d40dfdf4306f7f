"""The demo: films made from photos that scikit-image brings along, and three mosaics made from the films."""

import shutil
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import skimage.data
from PIL import Image
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from mosaicd.daemon import Daemon
from mosaicd.errors import MosaicdError
from mosaicd.imaging import PixelArray
from mosaicd.logs import LogFormat, LogLevel, configure_logs
from mosaicd.settings_reading import load_settings

_DATA = Path(skimage.data.__file__).parent
_FILMED = (
    "hubble_deep_field.jpg",
    "ihc.png",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
    "color.png",
    "brick.png",
    "camera.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "moon.png",
)
_TARGETS = {"portrait.png": "astronaut.png", "cat.png": "chelsea.png", "mug.png": "coffee.png"}
_SECONDS = 40
_WIDTH, _HEIGHT = 384, 288
_SEED = 20


def fresh_root(folder: Path) -> Path:
    """A new folder for the demo."""
    return Path(tempfile.mkdtemp(prefix="mosaicd-demo-", dir=folder))


def run_demo(root: Path, config: Path | None) -> list[Path]:
    """Make films, drop them and three photos, work until idle; the paths of the mosaics.

    Raises
    ------
    MosaicdError
        If the folder is in use, or not all three mosaics came out.
    """
    if root.exists() and any(root.iterdir()):
        message = f"{root} is not empty: the demo wants a folder of its own"
        raise MosaicdError(message)
    inbox = root / "inbox"
    inbox.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="mosaicd-demo-state-") as state, _progress_bar() as bar:
        filming = bar.add_task("filming", total=len(_FILMED))
        for name in _FILMED:
            make_film(_DATA / name, inbox / f"{Path(name).stem}.mp4", seconds=_SECONDS)
            bar.advance(filming)
        for target, name in _TARGETS.items():
            shutil.copyfile(_DATA / name, inbox / target)
        settings = load_settings(
            {"root": root, "database": Path(state) / "mosaicd.sqlite3", "settle_seconds": 0.5}, config=config
        )
        configure_logs(LogFormat.TEXT, LogLevel.WARNING)
        daemon = Daemon(settings, lambda: settings)
        working = bar.add_task("working", total=None)
        daemon.run_until_idle(on_step=lambda doing: bar.update(working, description=doing))
        bar.update(working, description="done", total=1, completed=1)
    mosaics = [settings.folders.outbox / f"{Path(target).stem}.mosaic.jpg" for target in _TARGETS]
    missing = [path for path in mosaics if not path.exists()]
    if missing:
        message = f"the demo did not come to its end: {missing[0]} is missing"
        raise MosaicdError(message)
    return mosaics


def make_film(photo: Path, film: Path, *, seconds: int) -> None:
    """Film a photo with a camera that pans and zooms over it, turns it and changes its light; H.264."""
    pixels = np.asarray(Image.open(photo).convert("RGB"))
    with av.open(film, "w") as container:
        stream = container.add_stream(
            "libx264", rate=Fraction(1), options={"preset": "veryfast", "crf": "20"}
        )
        stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
        for picture in _camera(pixels, seconds):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def _camera(pixels: PixelArray, seconds: int) -> Iterator[PixelArray]:
    """One picture a second of a wandering camera."""
    random = np.random.default_rng(_SEED)
    height, width = pixels.shape[:2]
    image = Image.fromarray(pixels)
    for _ in range(seconds):
        share = random.uniform(0.12, 0.9)
        view_width = max(16.0, min(width, height * _WIDTH / _HEIGHT) * share)
        view_height = view_width * _HEIGHT / _WIDTH
        left = random.uniform(0, max(0.0, width - view_width))
        top = random.uniform(0, max(0.0, height - view_height))
        box = (left, top, min(width, left + view_width), min(height, top + view_height))
        view = np.asarray(image.resize((_WIDTH, _HEIGHT), Image.Resampling.LANCZOS, box=box), np.float32)
        light = random.uniform(0.35, 1.5) * random.uniform(0.75, 1.25, 3)
        yield np.clip(view * light, 0, 255).astype(np.uint8)


def _progress_bar() -> Progress:
    return Progress(SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
