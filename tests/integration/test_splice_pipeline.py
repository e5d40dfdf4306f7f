"""Films and photos become tiles: counted, resumed after any interruption, recognised when they come again."""

import contextlib
import errno
import gc
import itertools
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from sqlalchemy import select, update

from mosaicd.errors import RejectedInputError, TransientError
from mosaicd.imaging import PixelArray
from mosaicd.jobs.workers import Progress
from mosaicd.media import video
from mosaicd.media.files import Signature, signature
from mosaicd.media.masters import decode_master
from mosaicd.media.video import Frames
from mosaicd.pipelines import content, splice
from mosaicd.pipelines.orders import NearDuplicates, PoorFrames, SpliceOrder
from mosaicd.pipelines.splice import SplicePipeline
from mosaicd.store.database import Database
from mosaicd.store.libraries import count_tiles, library_named
from mosaicd.store.models import Descriptor, Master, Source, Tile
from mosaicd.store.tiles import load_tiles, remove_source, sources_of
from tests import films
from tests.skips import skipped_in
from tests.stores import new_database

NOW = 1_700_000_000.0
EDGE = 32
NO_FILE = Signature(size=0, mtime_ns=0, inode=0)

CODECS: dict[str, dict[str, Any]] = {
    "b-frames.mp4": {"options": {"preset": "medium", "bf": "3"}, "gop": 45},
    "open-gop.mp4": {
        "codec": "libx265",
        "options": {"preset": "fast", "x265-params": "log-level=none:open-gop=1:keyint=20"},
    },
    "vp8.webm": {"codec": "libvpx", "gop": 30},
    "starting-late.mkv": {"start_seconds": 7, "gop": 25},
    "av1.mp4": {"codec": "libsvtav1", "gop": 30},
    "stream.ts": {"start_seconds": 100},
    "frames.avi": {"codec": "mpeg4"},
    "dense-keyframes.mp4": {"gop": 5},
    "dense-keyframes-hevc.mkv": {"codec": "libx265", "gop": 5},
}
FACTS = (
    "next_sample",
    "tiles_made",
    "skipped_black",
    "skipped_blank",
    "skipped_repeated",
    "skipped_blurred",
    "skipped_credits",
    "skipped_duplicate",
    "duration_seconds",
    "shortfall",
    "completed_at",
)


class InterruptionError(Exception):
    """What a test raises in the middle of the work."""


class Studio:
    """A store with one library, into which files are spliced."""

    hours_limit = 1.0
    edge = EDGE
    poor_frames = PoorFrames.SKIP
    near_duplicates = NearDuplicates.FILM

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state.db"
        new_database(self.path).close()
        with self.database() as database, database.write() as session:
            self.library_id = library_named(session, "default", now=NOW).id

    def database(self) -> contextlib.closing[Database]:
        return contextlib.closing(Database(self.path))

    def order(self, file: Path, *, interval: float = 0.5) -> SpliceOrder:
        return SpliceOrder(
            library_id=self.library_id,
            file=file,
            name=file.name,
            signature=signature(file) or NO_FILE,
            sample_interval_seconds=interval,
            master_edge_pixels=self.edge,
            photo_pixels_limit=10_000_000,
            video_gigabytes_limit=1,
            video_hours_limit=self.hours_limit,
            poor_frames=self.poor_frames,
            near_duplicates=self.near_duplicates,
            now=NOW,
        )

    def splice(
        self,
        file: Path,
        *,
        interval: float = 0.5,
        report_progress: Callable[[Progress], None] = lambda _progress: None,
        frames: Frames = Frames.KEYFRAMES_IF_DENSE,
    ) -> dict[str, Any]:
        pipeline = SplicePipeline(self.path, frames=frames)
        with contextlib.closing(pipeline._database):
            return pipeline.run(self.order(file, interval=interval), report_progress).facts

    def contents(self) -> tuple[list[Any], list[Any]]:
        """All tiles, and all that is known of the sources."""
        derived = [column for column in Descriptor.__table__.columns if column.name != "tile_id"]
        with self.database() as database, database.read() as session:
            tiles = session.execute(
                select(Tile.presentation_us, Tile.crop, Tile.shot, Master.jpeg, *derived)
                .join(Master, Master.tile_id == Tile.id)
                .join(Descriptor, Descriptor.tile_id == Tile.id)
                .order_by(Tile.presentation_us, Tile.crop)
            ).all()
            sources = [
                tuple(getattr(each, fact) for fact in FACTS)
                for each in session.scalars(select(Source).order_by(Source.id))
            ]
        return list(tiles), sources

    def tile_count(self) -> int:
        with self.database() as database, database.read() as session:
            return count_tiles(session, self.library_id)

    def masters(self) -> list[Any]:
        return [decode_master(tile.jpeg) for tile in self.contents()[0]]


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path / "state")


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splice, "_SAMPLES_A_CHUNK", 5)


def interrupt_at(count: int) -> Callable[[Progress], None]:
    """Raise once so many samples have been taken."""
    reports = itertools.count(-1)  # two reports come before the first sample's

    def report(_progress: Progress) -> None:
        if next(reports) >= count:
            raise InterruptionError

    return report


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("interval", [0.5, 1, 2.5])
def test_every_crop_of_every_sample_is_a_tile_or_skipped(
    studio: Studio, tmp_path: Path, name: str, interval: float
) -> None:
    film = films.encode(tmp_path / name, films.pan("astronaut", 90), **CODECS[name])
    facts = studio.splice(film, interval=interval)
    assert facts["sampled_frames"] in {round(9 / interval + 0.49), round(9 / interval + 1)}
    assert facts["tiles"] + skipped_in(facts) == 2 * facts["sampled_frames"]
    assert facts["tiles"] == studio.tile_count() > facts["sampled_frames"]
    assert facts["duration_seconds"] == pytest.approx(9, abs=0.15)
    assert facts["shortfall"] is None
    assert facts["already_known"] is False


def test_rotated_film_gives_upright_tiles_from_its_upper_and_lower_end(
    studio: Studio, tmp_path: Path
) -> None:
    frames = [films.quarters(128, 64)] * 10
    studio.splice(films.encode(tmp_path / "film.mp4", frames, codec="libx265", rotation=270), interval=1)
    upper, lower = studio.masters()
    assert films.quarters_shown(upper)[0] == "b"
    assert films.quarters_shown(upper)[1] == "r"
    assert films.quarters_shown(lower)[2] == "w"
    assert films.quarters_shown(lower)[3] == "g"


def test_square_film_gives_one_tile_a_sample(studio: Studio, tmp_path: Path) -> None:
    film = films.encode(tmp_path / "film.mp4", films.pan("chelsea", 40, width=64, height=64))
    facts = studio.splice(film, interval=1)
    assert facts["sampled_frames"] == 4
    assert facts["tiles"] + skipped_in(facts) == 4


def test_black_blank_and_repeated_crops_are_counted_by_reason(studio: Studio, tmp_path: Path) -> None:
    black = np.zeros((64, 128, 3), np.uint8)
    grey = np.full((64, 128, 3), 130, np.uint8)
    picture = next(films.pan("coffee", 2, width=128, height=64))
    half_black = picture.copy()
    half_black[:, :64] = 0
    scenes = [black, black, grey, picture, picture, picture, half_black]
    film = films.encode(
        tmp_path / "film.mp4",
        [frame for scene in scenes for frame in [scene] * 10],
        options={"qp": "5"},
        gop=10,
    )
    facts = studio.splice(film, interval=1)
    assert facts["sampled_frames"] == 7
    assert (facts["skipped_black"], facts["skipped_blank"], facts["skipped_repeated"]) == (5, 2, 5)
    assert facts["tiles"] == 2


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("name", CODECS)
def test_film_interrupted_again_and_again_gives_the_tiles_of_an_undisturbed_run(
    studio: Studio, tmp_path: Path, name: str
) -> None:
    film = films.encode(tmp_path / name, films.pan("rocket", 90, width=96, height=64), **CODECS[name])
    undisturbed = Studio(tmp_path / "undisturbed")
    undisturbed.splice(film)
    interruptions = 0
    while True:
        try:
            studio.splice(film, report_progress=interrupt_at(7))
        except InterruptionError:
            interruptions += 1
        else:
            break
    assert interruptions == 3
    assert studio.contents() == undisturbed.contents()


@pytest.mark.usefixtures("small_chunks")
def test_film_interrupted_anywhere_gives_the_tiles_of_an_undisturbed_run(
    studio: Studio, tmp_path: Path
) -> None:
    film = films.encode(tmp_path / "film.mp4", films.pan("rocket", 60, width=96, height=64), gop=25)
    facts = studio.splice(film)
    assert facts["sampled_frames"] == 12
    for count in range(1, 13):
        disturbed = Studio(tmp_path / str(count))
        with pytest.raises(InterruptionError):
            disturbed.splice(film, report_progress=interrupt_at(count))
        assert disturbed.contents()[1][0][0] == count // 5 * 5
        disturbed.splice(film)
        assert disturbed.contents() == studio.contents()


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("interval", [0.5, 0.48])
def test_film_begun_by_all_its_frames_is_finished_by_its_keyframes_with_each_tile_once(
    studio: Studio, tmp_path: Path, interval: float
) -> None:
    film = films.encode(tmp_path / "film.mp4", films.pan("rocket", 90, width=96, height=64), gop=5)
    undisturbed = Studio(tmp_path / "undisturbed").splice(film, interval=interval)
    with pytest.raises(InterruptionError):
        studio.splice(film, interval=interval, report_progress=interrupt_at(11), frames=Frames.ALL)
    facts = studio.splice(film, interval=interval)
    assert facts["sampled_frames"] == undisturbed["sampled_frames"]
    assert facts["tiles"] + skipped_in(facts) == 2 * facts["sampled_frames"]
    tiles, _ = studio.contents()
    assert len({(tile.presentation_us, tile.crop) for tile in tiles}) == len(tiles) == facts["tiles"]


@pytest.mark.usefixtures("small_chunks")
def test_film_read_again_because_of_damage_shows_signs_of_life(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video, "threads_for", lambda _stream: 2)
    film = films.encode(tmp_path / "film.mp4", films.pan("rocket", 120), gop=60)
    content = bytearray(film.read_bytes())
    start = len(content) * 3 // 4
    content[start : start + 500] = bytes(500)
    film.write_bytes(content)
    reports: list[Progress] = []
    facts = studio.splice(film, report_progress=reports.append)
    assert facts["shortfall"].endswith(" damaged or out of order")
    assert len(reports) > facts["sampled_frames"] + 5
    shares = [report.share for report in reports]
    assert shares == sorted(shares)


@pytest.mark.usefixtures("small_chunks")
def test_film_touched_while_it_is_read_is_tried_again_and_gone_on_from(
    studio: Studio, tmp_path: Path
) -> None:
    film = films.encode(tmp_path / "film.mp4", films.pan("rocket", 60))
    undisturbed = Studio(tmp_path / "undisturbed")
    undisturbed.splice(film)

    def touch(progress: Progress) -> None:
        if progress.share > 0.6:
            os.utime(film, ns=(1, 1))

    with pytest.raises(TransientError, match="changed or removed"):
        studio.splice(film, report_progress=touch)
    assert 0 < studio.tile_count() < undisturbed.tile_count()
    studio.splice(film)
    assert studio.contents() == undisturbed.contents()


@pytest.mark.usefixtures("small_chunks")
def test_film_rewritten_in_place_while_it_is_read_gives_no_tiles_of_what_it_has_become(
    studio: Studio, tmp_path: Path
) -> None:
    film = films.encode(tmp_path / "film.mp4", films.pan("rocket", 60))
    before = film.read_bytes()
    facts = film.stat()
    undisturbed = Studio(tmp_path / "undisturbed")
    undisturbed.splice(film)

    def rewrite(progress: Progress) -> None:
        if progress.share > 0.6:
            with film.open("r+b") as stream:
                stream.write(before[::-1])
            os.utime(film, ns=(facts.st_atime_ns, facts.st_mtime_ns))

    with pytest.raises(TransientError, match="changed or removed"):
        studio.splice(film, report_progress=rewrite)
    assert 0 < studio.tile_count() < undisturbed.tile_count()
    with film.open("r+b") as stream:
        stream.write(before)
    os.utime(film, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    studio.splice(film)
    assert studio.contents() == undisturbed.contents()


def die_midway(database: Path, order: SpliceOrder) -> None:
    """Splice, and die of SIGKILL when three quarters are read. Runs in a process of its own."""

    def die(progress: Progress) -> None:
        if progress.share > 0.75:
            os.kill(os.getpid(), signal.SIGKILL)

    SplicePipeline(database).run(order, die)


def test_film_whose_worker_was_killed_gives_the_tiles_of_an_undisturbed_run(
    studio: Studio, tmp_path: Path
) -> None:
    film = films.encode(tmp_path / "film.mp4", films.pan("rocket", 120, width=96, height=64), gop=40)
    undisturbed = Studio(tmp_path / "undisturbed")
    undisturbed.splice(film, interval=0.1)
    arguments = (studio.path, studio.order(film, interval=0.1))
    worker = multiprocessing.get_context("spawn").Process(target=die_midway, args=arguments)
    worker.start()
    worker.join(60)
    assert worker.exitcode == -signal.SIGKILL
    ((reached, *_),) = studio.contents()[1]
    assert reached == 50
    facts = studio.splice(film, interval=0.1)
    assert facts["sampled_frames"] == 120
    assert studio.contents() == undisturbed.contents()


@pytest.mark.usefixtures("small_chunks")
def test_damaged_film_keeps_the_tiles_it_gave_and_says_what_is_damaged(
    studio: Studio, tmp_path: Path
) -> None:
    film = films.encode(tmp_path / "film.mp4", films.pan("rocket", 120), gop=20)
    content = bytearray(film.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 3000] = bytes(3000)
    film.write_bytes(content)
    facts = studio.splice(film)
    assert facts["shortfall"].endswith(" of its frames are damaged or out of order")
    assert facts["sampled_frames"] == 24
    assert facts["tiles"] + skipped_in(facts) == 48
    assert facts["tiles"] > 24
    for count in (7, 12, 19):
        disturbed = Studio(tmp_path / str(count))
        with pytest.raises(InterruptionError):
            disturbed.splice(film, report_progress=interrupt_at(count))
        disturbed.splice(film)
        assert disturbed.contents() == studio.contents()


def test_film_cut_short_keeps_its_tiles_and_says_where_it_ends(studio: Studio, tmp_path: Path) -> None:
    film = films.encode(tmp_path / "film.webm", films.pan("rocket", 120), codec="libvpx")
    content = film.read_bytes()
    film.write_bytes(content[: len(content) // 2])
    facts = studio.splice(film)
    assert facts["shortfall"] == f"it ends after {facts['duration_seconds']:.1f} of 12.0 seconds"
    assert studio.tile_count() == facts["tiles"] > 4


def beginning(film: Path, *, share: float) -> Path:
    """So much of a film, as a transfer leaves it that has broken off."""
    content = film.read_bytes()
    part = film.with_name(f"{share} of {film.name}")
    part.write_bytes(content[: round(len(content) * share)])
    return part


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("film.webm", {"codec": "libvpx"}),
        ("b-frames.mkv", {"options": {"preset": "medium", "bf": "3"}, "gop": 45}),
    ],
)
def test_film_that_comes_whole_after_a_part_of_it_has_each_tile_in_use_once(
    studio: Studio, tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    film = films.encode(tmp_path / name, films.pan("rocket", 120), **options)
    parts = [studio.splice(beginning(film, share=share)) for share in (0.4, 0.7)]
    assert [part["superseded"] for part in parts] == [[], [parts[0]["source"]]]
    whole = studio.splice(film)
    assert whole["superseded"] == [parts[1]["source"]]
    assert studio.tile_count() == whole["tiles"] > parts[1]["tiles"] > parts[0]["tiles"] > 4


def test_part_of_another_film_stays_in_use(studio: Studio, tmp_path: Path) -> None:
    film = films.encode(tmp_path / "film.webm", films.pan("rocket", 120), codec="libvpx")
    other = films.encode(tmp_path / "other.webm", films.pan("chelsea", 120), codec="libvpx")
    part = studio.splice(beginning(film, share=0.5))
    assert studio.splice(other)["superseded"] == []
    assert studio.splice(beginning(other, share=0.5))["superseded"] == []
    assert studio.tile_count() > part["tiles"]


def test_part_without_a_tile_is_a_part_of_nothing(studio: Studio, tmp_path: Path) -> None:
    black = np.zeros((108, 192, 3), np.uint8)
    film = films.encode(tmp_path / "film.webm", itertools.repeat(black, 120), codec="libvpx")
    other = films.encode(tmp_path / "other.webm", films.pan("chelsea", 120), codec="libvpx")
    assert studio.splice(beginning(film, share=0.6))["shortfall"] is not None
    assert studio.splice(other)["superseded"] == []


def test_same_film_is_spliced_once_whatever_its_name(studio: Studio, tmp_path: Path) -> None:
    film = films.encode(tmp_path / "film.mp4", films.pan("rocket", 40))
    first = studio.splice(film)
    before = studio.contents()
    again = studio.splice(film.rename(tmp_path / "other name.mov"), interval=1)
    assert again["already_known"] is True
    assert again["source"] == first["source"]
    assert studio.contents() == before


def test_removed_film_has_its_tiles_again_when_it_comes_back(studio: Studio, tmp_path: Path) -> None:
    film = films.encode(tmp_path / "film.mp4", films.pan("rocket", 40))
    facts = studio.splice(film)
    before = studio.contents()
    with studio.database() as database, database.write() as session:
        (source,) = sources_of(session, studio.library_id)
        assert remove_source(session, source, now=NOW) == facts["tiles"]
    assert studio.tile_count() == 0
    assert studio.splice(film)["already_known"] is True
    assert studio.tile_count() == facts["tiles"]
    assert studio.contents() == before


@pytest.mark.usefixtures("small_chunks")
def test_film_removed_half_way_is_finished_when_it_comes_back(studio: Studio, tmp_path: Path) -> None:
    film = films.encode(tmp_path / "film.mp4", films.pan("rocket", 60))
    undisturbed = Studio(tmp_path / "undisturbed")
    undisturbed.splice(film)
    with pytest.raises(InterruptionError):
        studio.splice(film, report_progress=interrupt_at(6))
    with studio.database() as database, database.write() as session:
        (source,) = sources_of(session, studio.library_id)
        remove_source(session, source, now=NOW)
    studio.splice(film)
    assert studio.contents() == undisturbed.contents()
    assert studio.tile_count() == undisturbed.tile_count()


def test_photo_gives_tiles_from_both_its_ends(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.fromarray(films.quarters(300, 200)).save(path)
    facts = studio.splice(path)
    assert (facts["sampled_frames"], facts["tiles"], facts["duration_seconds"]) == (1, 2, None)
    left, right = studio.masters()
    assert films.quarters_shown(left)[::2] == "rb"
    assert films.quarters_shown(right)[1::2] == "gw"


def test_panorama_gives_tiles_from_both_its_ends(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "panorama.jpg"
    Image.fromarray(films.photo("rocket")).resize((4000, 200)).save(path)
    assert studio.splice(path)["tiles"] == 2


def test_line_of_pixels_is_a_photo_too(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "line.png"
    Image.fromarray(films.photo("rocket")).resize((20_000, 1)).save(path)
    facts = studio.splice(path)
    assert facts["tiles"] + skipped_in(facts) == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.mp4", b"\x00\x00\x00\x14ftypisom\x00\x00\x02\x00isom"),
        ("b.jpg", b"\xff\xd8\xff\xe0"),
        ("c.mp4", b""),
    ],
)
def test_rejected_file_leaves_no_source_behind(
    studio: Studio, tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RejectedInputError):
        studio.splice(path)
    assert studio.contents() == ([], [])


def test_film_without_one_readable_frame_is_rejected(studio: Studio, tmp_path: Path) -> None:
    film = films.encode(
        tmp_path / "film.mp4", films.pan("rocket", 20), container_options={"movflags": "faststart"}
    )
    content = film.read_bytes()
    start = content.index(b"mdat") + 4
    film.write_bytes(content[:start] + bytes(len(content) - start))
    with pytest.raises(RejectedInputError, match="no frame of this video could be decoded"):
        studio.splice(film)
    assert studio.contents() == ([], [])


def test_pipe_in_the_place_of_a_film_is_never_opened(studio: Studio, tmp_path: Path) -> None:
    film = films.encode(tmp_path / "film.mp4", films.pan("rocket", 5))
    order = studio.order(film)
    film.unlink()
    os.mkfifo(film)
    pipeline = SplicePipeline(studio.path)
    with contextlib.closing(pipeline._database), pytest.raises(TransientError, match="changed or removed"):
        pipeline.run(order, lambda _progress: None)


def test_alike_frames_are_one_shot_a_cut_begins_another_and_a_cut_back_returns(
    studio: Studio, tmp_path: Path
) -> None:
    portrait, rocket = (list(itertools.islice(films.pan(name, 1500), 20)) for name in ("astronaut", "rocket"))
    film = films.encode(tmp_path / "cut.mp4", [*portrait, *rocket, *portrait], rate=10)
    studio.splice(film, interval=0.5)
    with studio.database() as database, database.read() as session:
        rows = session.execute(select(Tile.presentation_us, Tile.shot).order_by(Tile.presentation_us)).all()
        (loaded,) = load_tiles(session, studio.library_id)
    shots = [{shot for time, shot in rows if start <= time / 1e6 < start + 2} for start in (0, 2, 4)]
    assert shots == [{0}, {1}, {0}]
    assert len(np.unique(loaded.shots)) == 2


def test_both_tiles_of_a_photo_are_one_shot_and_tiles_of_unknown_shot_are_their_own(
    studio: Studio, tmp_path: Path
) -> None:
    Image.fromarray(films.photo("coffee")).save(tmp_path / "coffee.png")
    studio.splice(tmp_path / "coffee.png")
    with studio.database() as database:
        with database.read() as session:
            first, second = next(load_tiles(session, studio.library_id)).shots
        assert first == second
        with database.write() as session:
            session.execute(update(Tile).values(shot=None))
        with database.read() as session:
            assert next(load_tiles(session, studio.library_id)).shots.tolist() == [-2, -3]


@pytest.mark.parametrize(
    ("name", "size", "why"),
    [
        ("film.mp4", 1_000_000_001, r"1\.0 GB, more than the limit of 1 GB for videos \(setting video_giga"),
        (
            "photo.jpg",
            144_000_001,
            r"144 MB, more than a photo of at most 10,000,000 pixels takes up \(setting",
        ),
    ],
)
def test_file_too_large_for_what_it_is_is_rejected_unread(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, size: int, why: str
) -> None:
    path = tmp_path / name
    films.encode(tmp_path / "film.mp4", films.numbered(5))
    Image.fromarray(films.photo("coffee")).save(tmp_path / "photo.jpg")
    os.truncate(path, size)
    monkeypatch.delattr(splice, "Content")
    with pytest.raises(RejectedInputError, match=why):
        studio.splice(path)


def test_only_the_beginning_of_an_endless_film_becomes_tiles(studio: Studio, tmp_path: Path) -> None:
    film = films.encode(tmp_path / "endless.mkv", films.numbered(4), times=[0, 1, 2, 3000])
    studio.hours_limit = 0.01
    facts = studio.splice(film, interval=1)
    assert facts["sampled_frames"] == 36
    assert facts["shortfall"] == "only its first 0.01 hours have become tiles (setting video_hours_limit)"


def test_large_file_is_said_to_be_read_while_it_is(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "_REPORT_SECONDS", 0.0)
    film = films.encode(tmp_path / "film.mp4", films.numbered(5))
    os.truncate(film, 60_000_000)
    reports: list[Progress] = []
    studio.splice(film, report_progress=reports.append)
    assert [report.stage for report in reports].count("reading") > 2


def test_file_that_cannot_be_read_any_more_is_tried_again_later(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = films.encode(tmp_path / "film.mp4", films.numbered(5))

    def fail(_path: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(splice, "media_kind", fail)
    with pytest.raises(TransientError, match="the file cannot be read: Input/output error"):
        studio.splice(film)


def test_what_repeats_any_tile_of_its_film_is_left_out_unless_only_the_one_before_counts(
    studio: Studio, tmp_path: Path
) -> None:
    portrait, rocket = (list(itertools.islice(films.pan(name, 1500), 20)) for name in ("astronaut", "rocket"))
    film = films.encode(
        tmp_path / "back.mp4", [*portrait, *rocket, *portrait], rate=10, gop=10, options={"qp": "5"}
    )
    facts = studio.splice(film)
    assert facts["skipped_duplicate"] > 0
    every = Studio(tmp_path / "every")
    every.near_duplicates = NearDuplicates.ONE
    all_of_them = every.splice(film)
    assert all_of_them["skipped_duplicate"] == 0
    assert all_of_them["tiles"] == facts["tiles"] + facts["skipped_duplicate"]


def test_a_copy_of_a_film_gives_nothing_new_where_the_whole_library_counts(
    studio: Studio, tmp_path: Path
) -> None:
    frames = list(itertools.islice(films.pan("coffee", 200), 40))
    film, copy = (
        films.encode(tmp_path / name, frames, rate=10, options={"qp": qp})
        for name, qp in (("film.mp4", "5"), ("copy.mp4", "8"))
    )
    first = studio.splice(film)
    studio.near_duplicates = NearDuplicates.LIBRARY
    again = studio.splice(copy)
    assert first["tiles"] > 0
    assert again["tiles"] == 0
    assert again["skipped_duplicate"] == first["tiles"] + first["skipped_duplicate"]


def test_blurred_frames_and_credits_are_counted_and_of_chosen_photos_kept(
    studio: Studio, tmp_path: Path
) -> None:
    studio.edge = 128
    soft = cv2.GaussianBlur(films.photo("astronaut"), (0, 0), 20)
    blurred = np.asarray(cv2.resize(soft, (640, 360)), np.uint8)
    film = films.encode(tmp_path / "film.mp4", [blurred] * 10 + [_credits()] * 10, rate=10, gop=10)
    facts = studio.splice(film)
    assert (facts["tiles"], facts["skipped_blurred"], facts["skipped_credits"]) == (0, 4, 4)
    studio.poor_frames = PoorFrames.TILES
    (tmp_path / "kept.mp4").write_bytes(film.read_bytes() + b"\0" * 8)
    kept = studio.splice(tmp_path / "kept.mp4")
    assert kept["tiles"] > 0
    assert kept["skipped_blurred"] == kept["skipped_credits"] == 0
    studio.poor_frames = PoorFrames.SKIP
    Image.fromarray(blurred).save(tmp_path / "chosen.png")
    assert studio.splice(tmp_path / "chosen.png")["tiles"] == 2


def _credits() -> PixelArray:
    image = Image.new("RGB", (640, 360), (5, 5, 5))
    draw = ImageDraw.Draw(image)
    for top in range(4, 360, 30):
        words = "Directed by Anna Smith   Music The Little Orchestra   Sound Q. Rivera"
        draw.text((6, top), words, font=ImageFont.load_default(20))
    return np.asarray(image)


def test_a_films_threads_end_with_it(studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "threads_for", lambda _: 3)

    def threads() -> int:
        return len(list(Path("/proc/self/task").iterdir()))

    gc.collect()
    gc.disable()  # they are not to wait until it is time to look for garbage
    try:
        before = threads()
        for name in ("coffee", "rocket"):
            film = films.encode(tmp_path / f"{name}.mp4", itertools.islice(films.pan(name, 200), 40), rate=10)
            studio.splice(film)
        assert threads() == before
    finally:
        gc.enable()
