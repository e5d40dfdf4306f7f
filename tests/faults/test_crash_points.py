"""Killed at each crash point by name: the next start finishes what was half done, and does nothing twice."""

import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

import mosaicd
from mosaicd.crash_points import CrashPoint
from mosaicd.store.database import revisions
from tests import films
from tests.daemon_process import DaemonProcess
from tests.elsewhere import folder_elsewhere
from tests.faults.house import EDGE, SAMPLES, House, Point
from tests.faults.killed_at import HOLDING_NAMES
from tests.faults.programs import Programs
from tests.faults.workplace import MADE_OF_CAT, QUICK, drop_photo, furnished, mosaics, outbox
from tests.libraries import PHOTOS
from tests.upgrades import small_store

PHOTO_POINTS: list[Point] = [
    CrashPoint.FOLDER_MADE,
    CrashPoint.JOB_ADMITTED,
    CrashPoint.JOB_CLAIMED,
    CrashPoint.PROGRESS_NOTED,
    CrashPoint.CONTENT_NOTED,
    CrashPoint.DESCRIPTORS_REPLACED,
    CrashPoint.PLACEMENT_RECORDED,
]
LATER_PHOTO_POINTS: list[Point] = [
    CrashPoint.IMAGE_PUBLISHED,
    CrashPoint.THUMBNAIL_KEPT,
    CrashPoint.GALLERY_WRITTEN,
    CrashPoint.MOSAIC_MARKED_PUBLISHED,
    CrashPoint.STAGING_CLEARED,
    CrashPoint.JOB_TAKEN_BACK,
    CrashPoint.MOVE_NOTED,
    CrashPoint.ORIGINAL_SYNCED,
    CrashPoint.ORIGINAL_MOVED,
    CrashPoint.UNFINISHED_CLEARED,
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


Scenario = Callable[[House], None]
SCENARIOS: list[Scenario] = []


def scenario(tell: Scenario) -> Scenario:
    """Let a function be a test."""
    SCENARIOS.append(tell)
    return tell


@pytest.fixture(scope="module")
def endings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Scenario, Future[set[CrashPoint]]]]:
    """How the scenarios that were asked for end, and at which points each has killed.

    Two go on at a time: each mostly waits for one process. No daemon makes a status file, whose points would be
    passed at moments that depend on how busy the machine is.
    """
    template = tmp_path_factory.mktemp("template")
    furnished(template)
    idle: SimpleQueue[Programs] = SimpleQueue()

    def tell(scenario: Scenario, folder: Path) -> set[CrashPoint]:
        shutil.copytree(template, folder, dirs_exist_ok=True)
        settings: dict[str, Any] = QUICK | {
            "tile_edge_pixels": EDGE, "attempts_limit": 99, "status_files": "false"
        }  # fmt: skip
        programs = idle.get()
        try:
            house = House(folder, programs, DaemonProcess(folder, **settings))
            scenario(house)
        finally:
            idle.put(programs)
        return house.killed_at

    names = {item.name for item in request.session.items}
    wanted = [each for each in SCENARIOS if f"test_kills[{each.__name__}]" in names]
    with ExitStack() as stack:
        for _ in range(2):
            idle.put(stack.enter_context(Programs()))
        pool = stack.enter_context(ThreadPoolExecutor(2))
        yield {each: pool.submit(tell, each, tmp_path_factory.mktemp("house")) for each in wanted}


def test_every_point_is_passed_somewhere_and_every_passed_point_is_known() -> None:
    (folder,) = mosaicd.__path__
    code = "".join(path.read_text() for path in Path(folder).rglob("*.py"))
    assert set(re.findall(r"passed\(CrashPoint\.(\w+)\)", code)) == set(CrashPoint.__members__)


@scenario
def mosaic_is_made_once_wherever_the_daemon_is_killed(house: House) -> None:
    drop_photo(house.daemon, "cat.png")
    house.outdate_descriptors()
    house.kill_at(*PHOTO_POINTS)
    recorded = house.daemon.query("SELECT tiles, mirrored FROM mosaic_placement")
    house.planned(CrashPoint.FILE_SYNCED, victim="worker")
    house.kill_at(CrashPoint.JOB_GIVEN_BACK)
    assert house.run() == 0
    require_one_mosaic(house)
    assert house.daemon.query("SELECT tiles, mirrored FROM mosaic_placement") == recorded
    assert house.daemon.query("SELECT COUNT(DISTINCT scheme), MIN(scheme) > 0 FROM descriptor") == [(1, 1)]


@scenario
def mosaic_is_published_once_wherever_the_daemon_is_killed(house: House) -> None:
    report, page, image = "cat.mosaic.json", "cat.mosaic.html", "cat.mosaic.jpg"
    drop_photo(house.daemon, "cat.png")
    house.kill_at(CrashPoint.FILE_STAGED)
    assert house.is_staged(report)
    house.kill_at(CrashPoint.FILE_SYNCED)
    assert house.is_staged(report)
    assert outbox(house.daemon) == []
    house.kill_at(CrashPoint.FILE_APPEARED, CrashPoint.REPORT_PUBLISHED)
    assert outbox(house.daemon) == [report]
    house.kill_at((CrashPoint.FILE_SYNCED, 2))
    assert house.is_staged(page)
    house.kill_at((CrashPoint.FILE_APPEARED, 2), CrashPoint.PAGE_PUBLISHED)
    assert outbox(house.daemon) == [page, report]
    house.kill_at((CrashPoint.FILE_STAGED, 3), (CrashPoint.FILE_SYNCED, 3))
    assert house.is_staged(image)
    house.kill_at((CrashPoint.FILE_APPEARED, 3))
    assert outbox(house.daemon) == [page, image, report]
    house.kill_at(*LATER_PHOTO_POINTS)
    assert house.run() == 0
    require_one_mosaic(house)


@scenario
def name_that_was_held_when_the_daemon_was_killed_is_used_at_the_next_start(house: House) -> None:
    house.daemon._settings["status_files"] = False  # they hold names as well
    (house.plan / HOLDING_NAMES).touch()
    drop_photo(house.daemon, "cat.png")
    house.kill_at(CrashPoint.PLACE_HELD)
    assert (house.daemon.archive / "cat.png").stat().st_size == 0
    assert house.run() == 0
    require_one_mosaic(house)


def require_one_mosaic(house: House) -> None:
    """Fail unless the photo has one mosaic, and is archived."""
    house.aftermath("cat.png").require_flawless()
    assert mosaics(house.daemon) == [("cat", True)]
    assert [path.name for path in house.daemon.archive.iterdir()] == ["cat.png"]


@scenario
def retention_that_is_killed_goes_on_at_the_next_start(house: House) -> None:
    for name in ("cat.png", "dog.png"):
        drop_photo(house.daemon, name)
    assert house.run() == 0
    with closing(sqlite3.connect(house.daemon.database)) as connection, connection:
        connection.execute("UPDATE job SET ended_at = 1000")
        connection.execute("UPDATE mosaic SET created_at = 1000")
    house.daemon._settings |= {"archive_retention_days": 1, "mosaic_history_retention_days": 1}
    house.kill_at(CrashPoint.ORIGINAL_DELETED)
    assert len(list(house.daemon.archive.iterdir())) == 1
    house.kill_at(CrashPoint.DELETION_NOTED, CrashPoint.HISTORY_DROPPED)
    assert house.run() == 0
    assert list(house.daemon.archive.iterdir()) == []
    assert house.daemon.query("SELECT COUNT(*) FROM mosaic_placement") == [(0,)]
    assert house.daemon.query("SELECT COUNT(*) FROM job WHERE original_gone_at IS NULL") == [(0,)]
    assert len(outbox(house.daemon)) == 6


@scenario
def film_becomes_tiles_once_wherever_the_daemon_is_killed(house: House) -> None:
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


@scenario
def all_is_done_once_wherever_the_workers_are_killed(house: House) -> None:
    house.drop_film()
    drop_photo(house.daemon, "cat.png")
    house.planned(*WORKER_POINTS, victim="worker")
    assert house.run() == 0
    assert not house.is_planned
    assert len(house.daemon.events("worker_died")) == len(WORKER_POINTS)
    house.aftermath("film.mp4", "cat.png").require_flawless()
    assert house.daemon.query("SELECT next_sample FROM source WHERE id = 2") == [(SAMPLES,)]


@scenario
def rejection_is_carried_out_wherever_the_daemon_is_killed(house: House) -> None:
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


@scenario
def original_ends_in_one_place_wherever_its_copying_is_killed(house: House) -> None:
    with folder_elsewhere(house.folder) as elsewhere:
        house.daemon._settings["archive"] = house.daemon.archive = elsewhere
        house.daemon._settings["status_files"] = False  # they are held to be removed as well
        drop_photo(house.daemon, "cat.png")
        house.kill_at(
            CrashPoint.PART_COPIED,
            CrashPoint.COPY_SYNCED,
            CrashPoint.COPY_NAMED,
            CrashPoint.FILE_HELD,
            CrashPoint.ORIGINAL_MOVED,
        )
        assert house.run() == 0
        house.aftermath("cat.png").require_flawless()
        assert [path.name for path in elsewhere.iterdir()] == ["cat.png"]


@scenario
def newer_photo_that_was_moved_in_place_of_the_other_is_done_as_well(house: House) -> None:
    drop_photo(house.daemon, "cat.png")
    house.kill_at(CrashPoint.ORIGINAL_MOVED)
    drop_photo(house.daemon, "cat.png", picture="rocket.jpg")
    (house.daemon.inbox / "cat.png").replace(house.daemon.archive / "cat.png")
    house.kill_at(CrashPoint.MOVE_UNDONE)
    assert [path.name for path in house.daemon.inbox.iterdir()] == ["cat.png"]
    assert house.run() == 0
    assert mosaics(house.daemon) == [("cat", True), ("cat (2)", True)]
    assert (house.daemon.archive / "cat.png").read_bytes() == (PHOTOS / "rocket.jpg").read_bytes()


@scenario
def report_goes_when_its_photo_goes_before_the_image_is_published(house: House) -> None:
    drop_photo(house.daemon, "cat.png")
    house.kill_at(CrashPoint.REPORT_PUBLISHED)
    assert outbox(house.daemon) == ["cat.mosaic.json"]
    (house.daemon.inbox / "cat.png").unlink()
    house.kill_at(CrashPoint.MOSAIC_WITHDRAWN)
    assert house.run() == 0
    house.aftermath().require_flawless()
    assert (outbox(house.daemon), mosaics(house.daemon)) == ([], [])


@scenario
def mosaic_whose_photo_goes_after_its_image_was_published_counts_as_published(house: House) -> None:
    drop_photo(house.daemon, "cat.png")
    house.kill_at(CrashPoint.IMAGE_PUBLISHED)
    (house.daemon.inbox / "cat.png").unlink()
    house.kill_at(CrashPoint.MOSAIC_MARKED_PUBLISHED)
    assert house.run() == 0
    assert outbox(house.daemon) == MADE_OF_CAT
    assert mosaics(house.daemon) == [("cat", True)]
    assert house.run("status") == 0


@scenario
def photo_whose_mosaic_is_published_is_not_rejected_though_its_worker_dies(house: House) -> None:
    house.daemon._settings["attempts_limit"] = 1
    drop_photo(house.daemon, "cat.png")
    house.planned(CrashPoint.IMAGE_PUBLISHED, victim="worker")
    assert house.run() == 0
    house.aftermath("cat.png").require_flawless()
    assert [path.name for path in house.daemon.archive.iterdir()] == ["cat.png"]


@scenario
def upgrade_is_finished_wherever_it_was_killed(house: House) -> None:
    for path in house.daemon.database.parent.iterdir():
        path.unlink()
    small_store.load(small_store.dumps()[0], house.daemon.database)
    house.kill_at(CrashPoint.SCHEMA_COPIED, CrashPoint.SCHEMA_CHANGED, CrashPoint.SCHEMA_CURRENT)
    house.run()
    newest = revisions()[-1]
    left = {path.name.removeprefix("mosaicd.sqlite3") for path in house.daemon.database.parent.iterdir()}
    assert left == {"", ".lock", f".before-{newest}"}
    assert house.daemon.query("SELECT version_num FROM alembic_version") == [(newest,)]


@scenario
def command_that_is_killed_has_done_all_or_nothing(house: House) -> None:
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
    assert house.run("libraries", "--remove", "default") == 0
    purge = ("libraries", "--purge", "default", "--yes")
    house.kill_at(CrashPoint.PART_PURGED, command=purge)
    assert house.run(*purge) == 0
    assert house.daemon.query("SELECT COUNT(*) FROM tile") == [(0,)]


@scenario
def temporary_file_or_lone_report_would_be_noticed(house: House) -> None:
    house.run()
    for place in (house.daemon.outbox / "cat.mosaic.json", house.daemon.archive / ".x.staged"):
        place.touch()
    found: Any = house.aftermath("gone.png")
    assert len(found.left) >= 2
    assert found.lost == ["gone.png", "gone.png"]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda tell: tell.__name__)
def test_kills(scenario: Scenario, endings: dict[Scenario, Future[set[CrashPoint]]]) -> None:
    endings[scenario].result()


def test_kills_have_come_about_at_every_point(endings: dict[Scenario, Future[set[CrashPoint]]]) -> None:
    if len(endings) < len(SCENARIOS):
        pytest.skip("only some of the kills were asked for")
    assert set(CrashPoint).difference(*(ending.result() for ending in endings.values())) == set()
