"""Killed at each crash point by name: the next start finishes what was half done, and does nothing twice."""

import os
import re
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import mosaicd
from mosaicd.crash_points import CrashPoint
from mosaicd.store.database import revisions
from tests import films
from tests.daemon_process import DaemonProcess
from tests.faults.aftermath import Aftermath, aftermath, require_sound
from tests.faults.killed_at import HOLDING_NAMES
from tests.faults.programs import Programs
from tests.faults.workplace import MADE_OF_CAT, QUICK, drop_photo, furnished, mosaics, outbox
from tests.upgrades import small_store

KILLED = -signal.SIGKILL
SAMPLES = 60
EDGE = 16
Point = CrashPoint | tuple[CrashPoint, int]
PHOTO_POINTS: list[Point] = [
    CrashPoint.FOLDER_MADE,
    CrashPoint.JOB_ADMITTED,
    CrashPoint.JOB_CLAIMED,
    CrashPoint.PROGRESS_NOTED,
    CrashPoint.CONTENT_NOTED,
    CrashPoint.DESCRIPTORS_REPLACED,
    CrashPoint.PLACEMENT_RECORDED,
    CrashPoint.FILE_STAGED,
]
LATER_PHOTO_POINTS: list[Point] = [
    CrashPoint.REPORT_PUBLISHED,
    CrashPoint.PAGE_PUBLISHED,
    (CrashPoint.FILE_SYNCED, 2),
    (CrashPoint.FILE_APPEARED, 2),
    CrashPoint.IMAGE_PUBLISHED,
    CrashPoint.GALLERY_WRITTEN,
    CrashPoint.MOSAIC_MARKED_PUBLISHED,
    CrashPoint.STAGING_CLEARED,
    CrashPoint.JOB_TAKEN_BACK,
    CrashPoint.MOVE_NOTED,
    CrashPoint.ORIGINAL_MOVED,
    CrashPoint.JOB_ENDED,
]
FILM_POINTS: list[Point] = [
    CrashPoint.JOB_WAITS,
    CrashPoint.SOURCE_ADDED,
    CrashPoint.CHUNK_COMMITTED,
    CrashPoint.SOURCE_COMPLETED,
    CrashPoint.JOB_RELEASED,
]
WORKER_POINTS: list[Point] = [
    CrashPoint.CHUNK_COMMITTED,
    CrashPoint.SOURCE_COMPLETED,
    CrashPoint.PLACEMENT_RECORDED,
    (CrashPoint.FILE_STAGED, 2),
    CrashPoint.REPORT_PUBLISHED,
    CrashPoint.PAGE_PUBLISHED,
    CrashPoint.IMAGE_PUBLISHED,
    CrashPoint.GALLERY_WRITTEN,
    CrashPoint.MOSAIC_MARKED_PUBLISHED,
]


@pytest.fixture(scope="module")
def programs() -> Iterator[Programs]:
    with Programs() as programs:
        yield programs


class House:
    """A daemon with what it works on, to be killed."""

    def __init__(self, folder: Path, programs: Programs, daemon: DaemonProcess) -> None:
        self.folder = folder
        self.daemon = daemon
        self.plan = folder / "plan"
        self.plan.mkdir(exist_ok=True)
        self._programs = programs

    def planned(self, *points: Point, victim: str = "daemon") -> None:
        """Plan kills at these points, each the first time in a process, or the time that is given with it."""
        for each in points:
            point, occurrence = each if isinstance(each, tuple) else (each, 1)
            (self.plan / point).write_text(f"{occurrence} {victim}")

    def kill_at(self, *points: Point, command: tuple[str, ...] = ()) -> None:
        """Be killed at each of these points, one after the other."""
        for point in points:
            self.planned(point)
            assert self.run(*command) == KILLED, (point, self.daemon.lines()[-5:])
            assert not self.is_planned, point
            require_sound(self.daemon)
            self.forget_interruptions()

    def forget_interruptions(self) -> None:
        """Not to be put aside for being killed too often: a test of its own is about that."""
        with closing(sqlite3.connect(self.daemon.database)) as connection, connection:
            connection.execute("UPDATE job SET interruptions = 0")

    def run(self, *command: str) -> int:
        return self._programs.run(self.daemon, self.plan, *(command or ("run", "--until-idle")))

    @property
    def is_planned(self) -> bool:
        return any(path.name != HOLDING_NAMES for path in self.plan.iterdir())

    def outdate_descriptors(self) -> None:
        with closing(sqlite3.connect(self.daemon.database)) as connection, connection:
            connection.execute("UPDATE descriptor SET scheme = scheme - 1")

    def drop_film(self) -> None:
        arriving = self.daemon.root / "arriving.mp4"
        films.encode(arriving, films.numbered(SAMPLES), rate=1, gop=250)
        arriving.rename(self.daemon.inbox / "film.mp4")

    def aftermath(self, *originals: str) -> Aftermath:
        photos = [name for name in originals if name.endswith(".png")]
        return aftermath(self.daemon, list(originals), photos, edge=EDGE)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a library."""
    folder = tmp_path_factory.mktemp("template")
    furnished(folder)
    return folder


@pytest.fixture
def house(tmp_path: Path, template: Path, programs: Programs) -> House:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return House(
        tmp_path, programs, DaemonProcess(tmp_path, **QUICK | {"tile_edge_pixels": EDGE}, attempts_limit=99)
    )


def test_every_point_is_passed_somewhere_and_every_passed_point_is_known() -> None:
    (folder,) = mosaicd.__path__
    code = "".join(path.read_text() for path in Path(folder).rglob("*.py"))
    assert set(re.findall(r"passed\(CrashPoint\.(\w+)\)", code)) == set(CrashPoint.__members__)


def test_some_test_here_kills_at_every_point() -> None:
    named = re.findall(r"CrashPoint\.([A-Z][A-Z_]+)", Path(__file__).read_text())
    assert set(named) == set(CrashPoint.__members__)


@pytest.mark.parametrize("points", [PHOTO_POINTS, LATER_PHOTO_POINTS], ids=["making it", "publishing it"])
def test_mosaic_is_made_and_published_once_wherever_the_daemon_is_killed(
    house: House, points: list[Point]
) -> None:
    house.outdate_descriptors()
    drop_photo(house.daemon, "cat.png")
    house.kill_at(*points)
    recorded = house.daemon.query("SELECT tiles, mirrored FROM mosaic_placement")
    assert house.run() == 0
    house.aftermath("cat.png").require_flawless()
    assert mosaics(house.daemon) == [("cat", True)]
    assert house.daemon.query("SELECT tiles, mirrored FROM mosaic_placement") == recorded
    assert house.daemon.query("SELECT COUNT(DISTINCT scheme), MIN(scheme) > 0 FROM descriptor") == [(1, 1)]


def test_retention_that_is_killed_goes_on_at_the_next_start(house: House) -> None:
    for name in ("cat.png", "dog.png"):
        drop_photo(house.daemon, name)
    assert house.run() == 0
    with closing(sqlite3.connect(house.daemon.database)) as connection, connection:
        connection.execute("UPDATE job SET ended_at = 1000")
        connection.execute("UPDATE mosaic SET created_at = 1000")
    house.daemon._settings |= {"archive_retention_days": 1, "mosaic_history_retention_days": 1}
    house.kill_at(CrashPoint.ORIGINAL_DELETED)
    assert len(list(house.daemon.archive.iterdir())) == 1
    house.kill_at(CrashPoint.HISTORY_DROPPED)
    assert house.run() == 0
    assert list(house.daemon.archive.iterdir()) == []
    assert house.daemon.query("SELECT COUNT(*) FROM mosaic_placement") == [(0,)]
    assert house.daemon.query("SELECT COUNT(*) FROM job WHERE original_gone_at IS NULL") == [(0,)]
    assert len(outbox(house.daemon)) == 6


def test_film_becomes_tiles_once_wherever_the_daemon_is_killed(house: House) -> None:
    house.drop_film()
    drop_photo(house.daemon, "cat.png")
    house.kill_at(*FILM_POINTS)
    assert house.run() == 0
    house.aftermath("film.mp4", "cat.png").require_flawless()
    assert house.daemon.query("SELECT next_sample FROM source WHERE id = 2") == [(SAMPLES,)]
    (house.daemon.archive / "film.mp4").rename(house.daemon.inbox / "film.mp4")
    house.kill_at(CrashPoint.REDELIVERY_NOTED)
    assert house.run() == 0
    house.aftermath("film.mp4", "cat.png").require_flawless()
    assert len(house.daemon.events("job_admitted")) == 2


def test_all_is_done_once_wherever_the_workers_are_killed(house: House) -> None:
    house.drop_film()
    drop_photo(house.daemon, "cat.png")
    house.planned(*WORKER_POINTS, victim="worker")
    assert house.run() == 0
    assert not house.is_planned
    died = [event["why"] for event in house.daemon.events("worker_died")]
    assert died == ["the worker process was killed by SIGKILL"] * len(WORKER_POINTS)
    house.aftermath("film.mp4", "cat.png").require_flawless()
    assert house.daemon.query("SELECT next_sample FROM source WHERE id = 2") == [(SAMPLES,)]


def test_rejection_is_carried_out_wherever_the_daemon_is_killed(house: House) -> None:
    film = house.daemon.inbox / "torn.mp4"
    films.encode(film, films.numbered(20), rate=1)
    os.truncate(film, film.stat().st_size // 2)
    house.kill_at(
        CrashPoint.SOURCE_FORGOTTEN,
        CrashPoint.MOVE_NOTED,
        CrashPoint.REASON_WRITTEN,
        CrashPoint.ORIGINAL_MOVED,
        CrashPoint.JOB_ENDED,
    )
    house.run()
    house.aftermath("torn.mp4").require_flawless()
    reason = house.daemon.rejected / "torn.mp4.reason.txt"
    assert reason.exists()
    retry = ("retry", "torn.mp4")
    house.kill_at(CrashPoint.ORIGINAL_PUT_BACK, CrashPoint.REASON_REMOVED, command=retry)
    assert not reason.exists()
    house.kill_at(CrashPoint.JOB_REVIVED, command=retry)
    assert house.run() == 3
    house.aftermath("torn.mp4").require_flawless()
    assert reason.exists()


def test_original_ends_in_one_place_wherever_its_copying_is_killed(house: House, elsewhere: Path) -> None:
    house.daemon._settings["archive"] = house.daemon.archive = elsewhere
    drop_photo(house.daemon, "cat.png")
    house.kill_at(
        CrashPoint.PART_COPIED, CrashPoint.COPY_SYNCED, CrashPoint.COPY_NAMED, CrashPoint.ORIGINAL_MOVED
    )
    assert house.run() == 0
    house.aftermath("cat.png").require_flawless()
    assert [path.name for path in elsewhere.iterdir()] == ["cat.png"]


def test_name_that_was_held_when_the_daemon_was_killed_is_used_at_the_next_start(house: House) -> None:
    (house.plan / HOLDING_NAMES).touch()
    drop_photo(house.daemon, "cat.png")
    house.kill_at(CrashPoint.PLACE_HELD)
    assert (house.daemon.archive / "cat.png").stat().st_size == 0
    assert house.run() == 0
    house.aftermath("cat.png").require_flawless()
    assert [path.name for path in house.daemon.archive.iterdir()] == ["cat.png"]


def test_job_given_back_when_the_daemon_was_killed_is_done_later(house: House) -> None:
    drop_photo(house.daemon, "cat.png")
    house.planned(CrashPoint.PLACEMENT_RECORDED, victim="worker")
    house.kill_at(CrashPoint.JOB_GIVEN_BACK)
    assert house.run() == 0
    house.aftermath("cat.png").require_flawless()


def test_report_goes_when_its_photo_goes_before_the_image_is_published(house: House) -> None:
    drop_photo(house.daemon, "cat.png")
    house.kill_at(CrashPoint.REPORT_PUBLISHED)
    assert outbox(house.daemon) == ["cat.mosaic.json"]
    (house.daemon.inbox / "cat.png").unlink()
    house.kill_at(CrashPoint.MOSAIC_WITHDRAWN)
    assert house.run() == 0
    house.aftermath().require_flawless()
    assert (outbox(house.daemon), mosaics(house.daemon)) == ([], [])


def test_mosaic_whose_photo_goes_after_its_image_was_published_counts_as_published(house: House) -> None:
    drop_photo(house.daemon, "cat.png")
    house.kill_at(CrashPoint.IMAGE_PUBLISHED)
    (house.daemon.inbox / "cat.png").unlink()
    assert house.run() == 0
    assert outbox(house.daemon) == MADE_OF_CAT
    assert mosaics(house.daemon) == [("cat", True)]
    assert house.run("status") == 0


def test_photo_whose_mosaic_is_published_is_not_rejected_though_its_worker_dies(house: House) -> None:
    house.daemon._settings["attempts_limit"] = 1
    drop_photo(house.daemon, "cat.png")
    house.planned(CrashPoint.IMAGE_PUBLISHED, victim="worker")
    assert house.run() == 0
    house.aftermath("cat.png").require_flawless()
    assert [path.name for path in house.daemon.archive.iterdir()] == ["cat.png"]


def test_upgrade_is_finished_wherever_it_was_killed(tmp_path: Path, programs: Programs) -> None:
    house = House(tmp_path, programs, DaemonProcess(tmp_path, **QUICK))
    small_store.load(small_store.dumps()[0], house.daemon.database)
    house.kill_at(CrashPoint.SCHEMA_COPIED, CrashPoint.SCHEMA_CHANGED, CrashPoint.SCHEMA_CURRENT)
    house.run()
    newest = revisions()[-1]
    left = {path.name.removeprefix("mosaicd.sqlite3") for path in house.daemon.database.parent.iterdir()}
    assert left == {"", ".lock", f".before-{newest}"}
    assert house.daemon.query("SELECT version_num FROM alembic_version") == [(newest,)]


def test_command_that_is_killed_has_done_all_or_nothing(house: House) -> None:
    backups = house.folder / "backups"
    backups.mkdir()
    house.kill_at(CrashPoint.BACKUP_COPIED, command=("backup", str(backups / "first")))
    assert len(list(backups.iterdir())) == 1
    assert house.run("backup", str(backups / "second")) == 0
    assert [path.name for path in backups.iterdir()] == ["second"]
    house.kill_at(CrashPoint.CHANGE_COMMITTED, command=("libraries", "--remove", "default"))
    assert house.daemon.query("SELECT COUNT(*) FROM tile WHERE removed_at IS NULL") == [(0,)]
    assert house.run("libraries", "--restore", "default") == 0
    assert house.daemon.query("SELECT COUNT(*) FROM tile WHERE removed_at IS NULL") == [(150,)]


def test_temporary_file_or_lone_report_would_be_noticed(house: House) -> None:
    house.run()
    for place in (house.daemon.outbox / "cat.mosaic.json", house.daemon.archive / ".x.staged"):
        place.touch()
    found: Any = house.aftermath("gone.png")
    assert len(found.left) >= 2
    assert found.lost == ["gone.png", "gone.png"]
