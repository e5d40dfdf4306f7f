"""A library for benchmarks of the whole service: made up tiles with masters, in a store of their own."""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from PIL import Image

from mosaicd.imaging import PixelArray
from mosaicd.imaging.descriptors import subcells
from mosaicd.media.masters import encode_master
from mosaicd.store.database import Database
from mosaicd.store.libraries import library_named
from mosaicd.store.models import SourceKind
from mosaicd.store.tiles import Chunk, NewTile, add_chunk, complete_source, find_or_add_source
from mosaicd.studies.bench_material import TILE_PHOTOS
from mosaicd.studies.material import photo_files

_SEED = 7
_AT_ONCE = 1000
_THREADS = 2


def fill_library(
    database: Database, *, name: str, tiles: int, edge_pixels: int, say: Callable[[str], None]
) -> int:
    """Put so many made up tiles of `edge_pixels` into a library, as one film's; the library's number."""
    with database.write() as session:
        library = library_named(session, name, now=0)
        source = find_or_add_source(
            session,
            library_id=library.id,
            sha256=bytes(32),
            kind=SourceKind.VIDEO,
            name="made-up.mp4",
            sample_interval_seconds=1,
            now=0,
        )
    squares = _squares(edge_pixels)
    with ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, tiles, _AT_ONCE):
            some = list(itertools.islice(squares, min(_AT_ONCE, tiles - start)))
            reduced = subcells(np.stack(some))
            chunk = Chunk(
                tiles=[
                    NewTile(presentation_us=number * 1_000_000, crop=0, jpeg=jpeg, subcells=square)
                    for number, (jpeg, square) in enumerate(
                        zip(pool.map(encode_master, some), reduced, strict=True), start=start
                    )
                ]
            )
            with database.write() as session:
                add_chunk(session, source.id, chunk, next_sample=start + len(some))
            say(f"{start + len(some):,} of {tiles:,} tiles made up")
    with database.write() as session:
        complete_source(session, source.id, duration_seconds=float(tiles), shortfall=None, now=0)
    return library.id


def _squares(edge_pixels: int) -> Iterator[PixelArray]:
    """Squares by `bench_material.TILE_RECIPE`, sRGB; the same ones each time."""
    random = np.random.default_rng(_SEED)
    folder = photo_files([])["portrait"].parent
    photos = [np.asarray(Image.open(folder / name).convert("RGB")) for name in TILE_PHOTOS]
    for photo in itertools.cycle(photos):
        side = int(min(photo.shape[:2]) * random.uniform(0.1, 0.8))
        top, left = (int(random.integers(0, size - side + 1)) for size in photo.shape[:2])
        square = cv2.resize(
            photo[top : top + side, left : left + side],
            (edge_pixels, edge_pixels),
            interpolation=cv2.INTER_AREA,
        )
        if random.random() < 1 / 2:
            square = square[:, ::-1]
        light = random.uniform(0.35, 1.5) * random.uniform(0.75, 1.25, 3)
        pixels: PixelArray = np.clip(square * light.astype(np.float32), 0, 255).astype(np.uint8)
        yield pixels
