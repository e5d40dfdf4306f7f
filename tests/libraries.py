"""Libraries of varied tiles, cut from the photos that scikit-image's wheel brings along."""

import itertools
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import av
import numpy as np
import skimage.data
from PIL import Image

from mosaicd.imaging import PixelArray
from mosaicd.imaging.descriptors import subcells
from mosaicd.media.masters import encode_master
from mosaicd.store.database import Database
from mosaicd.store.libraries import library_named
from mosaicd.store.models import SourceKind
from mosaicd.store.tiles import Chunk, NewTile, add_chunk, complete_source, find_or_add_source
from mosaicd.studies.bench_material import TILE_PHOTOS

PHOTOS = Path(skimage.data.__file__).parent
_BATCH = 1000


@cache
def photo(name: str) -> PixelArray:
    """One of the photos, sRGB."""
    return np.asarray(Image.open(PHOTOS / name).convert("RGB"))


def varied_squares(count: int, *, seed: int, edge: int = 64) -> Iterator[PixelArray]:
    """Squares of `edge` pixels from random places of the photos, in random light."""
    random = np.random.default_rng(seed)
    for number in range(count):
        pixels = photo(TILE_PHOTOS[number % len(TILE_PHOTOS)])
        side = int(min(pixels.shape[:2]) * random.uniform(0.1, 0.8))
        top = random.integers(0, pixels.shape[0] - side + 1)
        left = random.integers(0, pixels.shape[1] - side + 1)
        image = Image.fromarray(pixels[top : top + side, left : left + side])
        square = np.asarray(image.resize((edge, edge), Image.Resampling.BOX), np.float32)
        light = random.uniform(0.35, 1.5) * random.uniform(0.75, 1.25, 3)
        yield np.clip(square * light, 0, 255).astype(np.uint8)


def fill_library(database: Database, *, name: str, tiles: int, seed: int = 1, edge: int = 64) -> int:
    """Put so many tiles of `edge` pixels into a library, as one film's; the library's number."""
    with database.write() as session:
        library = library_named(session, name, now=time.time())
        source = find_or_add_source(
            session,
            library_id=library.id,
            sha256=np.random.default_rng(seed).bytes(32),
            kind=SourceKind.VIDEO,
            name=f"film-{seed}.mp4",
            sample_interval_seconds=1,
            now=time.time(),
        )
    squares = varied_squares(tiles, seed=seed, edge=edge)
    for start in range(0, tiles, _BATCH):
        batch = list(itertools.islice(squares, _BATCH))
        reduced = subcells(np.stack(batch))
        chunk = Chunk(
            tiles=[
                NewTile(
                    presentation_us=(start + number) * 1_000_000,
                    crop=0,
                    jpeg=encode_master(square),
                    subcells=squares_of_tile,
                )
                for number, (square, squares_of_tile) in enumerate(zip(batch, reduced, strict=True))
            ]
        )
        with database.write() as session:
            add_chunk(session, source.id, chunk, next_sample=start + len(batch))
    with database.write() as session:
        complete_source(session, source.id, duration_seconds=float(tiles), shortfall=None, now=time.time())
    return library.id


def varied_film(path: Path, *, seconds: int, seed: int = 2) -> Path:
    """A film of one frame a second, each a square of `varied_squares`; H.264."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=1, options={"preset": "ultrafast"})
        stream.width = stream.height = 128
        stream.pix_fmt = "yuv420p"
        for square in varied_squares(seconds, seed=seed, edge=128):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(square, format="rgb24")))
        container.mux(stream.encode())
    return path
