"""A library of the squares that other makers were given, so that studies compare with them on the same tiles.

Run with ``python -m tests.benchmarks.square_library FILE.npy ROOT [--count N]``, the file being what
``tests.benchmarks.peers`` was given as ``--tiles``; then ``mosaicd ... --root ROOT`` finds the tiles in its library
"default", each as a shot of its own.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from mosaicd.imaging import PixelArray
from mosaicd.imaging.descriptors import subcells
from mosaicd.media.files import content_hash
from mosaicd.media.masters import encode_master
from mosaicd.settings_reading import load_settings
from mosaicd.store.database import Database
from mosaicd.store.libraries import library_named
from mosaicd.store.models import SourceKind
from mosaicd.store.tiles import Chunk, NewTile, add_chunk, complete_source, find_or_add_source

LIBRARY = "default"


def make_library(path: Path, file: Path, *, count: int, now: float) -> int:
    """Put the first squares of a NumPy file into a new database at `path`; how many there were."""
    squares: PixelArray = np.array(np.load(file, mmap_mode="r")[:count])
    path.parent.mkdir(parents=True, exist_ok=True)
    database = Database(path)
    database.migrate()
    chunk = Chunk(
        tiles=[
            NewTile(presentation_us=number * 1_000_000, crop=0, jpeg=encode_master(square), subcells=reduced)
            for number, (square, reduced) in enumerate(zip(squares, subcells(squares), strict=True))
        ]
    )
    with database.write() as session:
        source = find_or_add_source(
            session,
            library_id=library_named(session, LIBRARY, now=now).id,
            sha256=content_hash(file),
            kind=SourceKind.VIDEO,
            name=file.name,
            sample_interval_seconds=1,
            now=now,
        )
        add_chunk(session, source.id, chunk, next_sample=len(squares))
        complete_source(session, source.id, duration_seconds=float(len(squares)), shortfall=None, now=now)
    database.close()
    return len(squares)


def main() -> None:
    """Make the library, and say where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("squares", type=Path, help="a .npy file of shape (N, edge, edge, 3), uint8")
    parser.add_argument("root", type=Path, help="the root whose library it is to be")
    parser.add_argument("--count", type=int, default=2000, help="how many of them")
    given = parser.parse_args()
    path = load_settings({"root": given.root}).database_path
    if path.exists():
        parser.error(f"{path} is there already: remove it, or name another root")
    count = make_library(path, given.squares, count=given.count, now=time.time())
    print(f"{count} tiles in library {LIBRARY!r} of {path}")


if __name__ == "__main__":
    main()
