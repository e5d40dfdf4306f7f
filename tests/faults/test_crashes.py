"""Crashes at the worst moments: each mosaic once and under its name, each original in one place."""

import contextlib
import os
import sqlite3
from pathlib import Path

from mosaicd.jobs.queue import JobQueue
from mosaicd.media.files import signature
from mosaicd.store.database import Database
from mosaicd.store.models import JobKind
from tests.daemon_process import DaemonProcess, wait_until
from tests.faults.workplace import drop_photo, furnished, mosaics, outbox


def test_daemon_killed_between_recording_and_publishing_publishes_that_mosaic_once(tmp_path: Path) -> None:
    with furnished(tmp_path, tile_edge_pixels=160) as daemon:
        drop_photo(daemon, "cat.png")
        wait_until(lambda: bool(mosaics(daemon)), what="the mosaic being recorded")
        daemon.kill()
    placement = daemon.query("SELECT tiles, mirrored FROM mosaic_placement")
    assert mosaics(daemon) == [("cat", False)]
    assert outbox(daemon) == []
    assert daemon.run_until_idle() == 0
    assert mosaics(daemon) == [("cat", True)]
    assert outbox(daemon) == ["cat.mosaic.jpg", "cat.mosaic.json"]
    assert daemon.query("SELECT tiles, mirrored FROM mosaic_placement") == placement
    assert len(daemon.events("mosaic_published")) == 1


def be_killed_while_archiving(daemon: DaemonProcess, name: str) -> None:
    """Leave what a daemon leaves that was killed when the original had its new name and still the old one."""
    database = Database(daemon.database)
    queue = JobQueue(database)
    looks = signature(daemon.inbox / name)
    assert looks is not None
    ticket = queue.admit(
        library="default", kind=JobKind.MOSAIC, path=name, signature=looks, first_seen_at=1.0, now=2.0
    )
    queue.claim(ticket, now=3.0)
    queue.note_move(ticket.job_id, str(daemon.archive / name), explanation=None)
    daemon.archive.mkdir()
    os.link(daemon.inbox / name, daemon.archive / name)
    database.close()


def test_daemon_killed_between_the_halves_of_archiving_has_the_original_in_one_place(tmp_path: Path) -> None:
    daemon = furnished(tmp_path)
    drop_photo(daemon, "cat.png")
    be_killed_while_archiving(daemon, "cat.png")
    assert daemon.run_until_idle() == 0
    assert [path.name for path in daemon.archive.iterdir()] == ["cat.png"]
    assert list(daemon.inbox.iterdir()) == []
    assert daemon.events("job_started") == []
    assert daemon.query("SELECT state FROM job") == [("done",)]


def test_photo_that_takes_the_daemon_down_each_time_is_put_aside_in_the_end(tmp_path: Path) -> None:
    daemon = furnished(tmp_path)
    drop_photo(daemon, "bomb.png")
    daemon.start()
    daemon.wait_for("job_started")
    daemon.kill()
    with contextlib.closing(sqlite3.connect(daemon.database)) as connection, connection:
        connection.execute("UPDATE job SET interruptions = 3")  # three more kills, to make the test short
    daemon.start()
    daemon.wait_for("job_started", count=2)
    daemon.kill()
    drop_photo(daemon, "cat.png")
    assert daemon.run_until_idle() == 3
    reason = (daemon.rejected / "bomb.png.reason.txt").read_text()
    assert reason.startswith("the daemon was killed 5 times in a row while this file was worked on")
    assert mosaics(daemon) == [("cat", True)]
