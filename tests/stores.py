"""Databases for tests, and what stands in them."""

import functools
import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np
from sqlalchemy.orm import Session

from mosaicd.imaging.descriptors import SUBCELLS
from mosaicd.store.database import Database
from mosaicd.store.libraries import library_named
from mosaicd.store.models import Source, SourceKind
from mosaicd.store.mosaics import StoredPlacement
from mosaicd.store.tiles import Chunk, NewTile, add_chunk, complete_source, find_or_add_source


@functools.cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.sqlite3"
        database = Database(path)
        database.migrate()
        database.close()
        return path.read_bytes()


def new_database(path: Path) -> Database:
    """An empty database of the current schema."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_migrated())
    return Database(path)


def add_source(
    session: Session,
    *,
    library: str = "default",
    name: str = "film.mp4",
    tiles: int = 3,
    shortfall: str | None = None,
    now: float = 1000.0,
) -> Source:
    """A film that gave so many tiles, all of them grey."""
    source = find_or_add_source(
        session,
        library_id=library_named(session, library, now=now).id,
        sha256=hashlib.sha256(os.fsencode(name)).digest(),
        kind=SourceKind.VIDEO,
        name=name,
        sample_interval_seconds=1.0,
        now=now,
    )
    grey = np.full((SUBCELLS, SUBCELLS, 3), 128, np.uint8)
    chunk = Chunk(
        tiles=[
            NewTile(presentation_us=number * 1_000_000, crop=0, jpeg=b"", subcells=grey)
            for number in range(tiles)
        ]
    )
    add_chunk(session, source.id, chunk, next_sample=tiles)
    return complete_source(session, source.id, duration_seconds=float(tiles), shortfall=shortfall, now=now)


def placement(*tiles: int) -> StoredPlacement:
    """A placement of 3 x 4 cells, which take `tiles` in turn."""
    random = np.random.default_rng(1)
    return StoredPlacement(
        tiles=np.resize(np.array(tiles, np.int64), (3, 4)),
        mirrored=random.integers(0, 2, (3, 4)).astype(bool),
        corrections=random.normal(0, 5, (3, 4, 4)).astype(np.float32),
    )
