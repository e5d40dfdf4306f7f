"""A library of made up tiles with masters, cut from the photos that scikit-image's wheel brings along."""

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

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

SQUARES_RECIPE = (
    "squares of 10 to 80% of the short side, from random places of 12 of scikit-image's photos, in 35 to 150% of "
    "the light, tinted by up to 25%"
)

PHOTOS = Path(skimage.data.__file__).parent
_BATCH = 1000
_THREADS = 2


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


def fill_library(
    database: Database,
    *,
    name: str,
    tiles: int,
    seed: int = 1,
    edge: int = 64,
    say: Callable[[str], None] = lambda _: None,
) -> int:
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
    with ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, tiles, _BATCH):
            batch = list(itertools.islice(squares, _BATCH))
            masters = pool.map(encode_master, batch)
            chunk = Chunk(
                tiles=[
                    NewTile(presentation_us=number * 1_000_000, crop=0, jpeg=jpeg, subcells=reduced)
                    for number, (jpeg, reduced) in enumerate(
                        zip(masters, subcells(np.stack(batch)), strict=True), start=start
                    )
                ]
            )
            with database.write() as session:
                add_chunk(session, source.id, chunk, next_sample=start + len(batch))
            say(f"{start + len(batch):,} of {tiles:,} tiles made up")
    with database.write() as session:
        complete_source(session, source.id, duration_seconds=float(tiles), shortfall=None, now=time.time())
    return library.id
