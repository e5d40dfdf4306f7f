"""Folders that cannot be written for a while: everything waits, nothing is done twice, nothing is lost."""

import contextlib
from pathlib import Path

import pytest

from tests.daemon_process import DaemonProcess
from tests.faults.workplace import (
    MADE_OF_CAT,
    drop_photo,
    fill_up,
    furnished,
    mosaics,
    outbox,
    replaced_by_file,
    small_disk,
)


def test_mosaic_waits_for_the_outbox_and_is_not_begun_without_one(tmp_path: Path) -> None:
    with furnished(tmp_path) as daemon:
        daemon.wait_for("daemon_ready")
        with replaced_by_file(daemon.outbox):
            drop_photo(daemon, "cat.png")
            daemon.wait_for("work_paused")
            drop_photo(daemon, "dog.png")
            daemon.wait_for("job_admitted", count=2)
            assert mosaics(daemon) == []
        daemon.wait_for("mosaic_published", count=2)
        assert daemon.terminate() == 0
    assert mosaics(daemon) == [("cat", True), ("dog", True)]
    (paused,) = daemon.events("work_paused")
    assert (paused["needs"], paused["place"], paused["paused"]) == ("outbox", str(daemon.outbox), "mosaics")
    assert paused["why"] == f"the mosaic cannot be written to the outbox ({daemon.outbox}): Not a directory"
    assert len(daemon.events("work_resumed")) == 1
    assert [event["attempt"] for event in daemon.events("job_started")] == [1, 1, 1]
    assert daemon.events("job_deferred") == []


def test_mosaic_is_published_once_though_its_photo_cannot_be_archived(tmp_path: Path) -> None:
    with furnished(tmp_path) as daemon:
        daemon.wait_for("daemon_ready")
        with replaced_by_file(daemon.archive):
            drop_photo(daemon, "cat.png")
            daemon.wait_for("work_paused")
            image = (daemon.outbox / "cat.mosaic.jpg").stat()
            assert (daemon.inbox / "cat.png").exists()
        daemon.wait_for("mosaic_published")
        assert daemon.terminate() == 0
    assert (daemon.archive / "cat.png").exists()
    assert not (daemon.inbox / "cat.png").exists()
    assert mosaics(daemon) == [("cat", True)]
    assert outbox(daemon) == MADE_OF_CAT
    assert (daemon.outbox / "cat.mosaic.jpg").stat().st_ino == image.st_ino
    assert [event["attempt"] for event in daemon.events("job_started")] == [1, 1]


def test_photo_whose_mosaic_would_have_too_long_a_path_is_put_aside(tmp_path: Path) -> None:
    outbox = tmp_path / "outbox"
    while len(str(outbox)) < 3860:
        outbox /= "n" * 200
    outbox /= "n" * (4085 - len(str(outbox)) - 1)
    daemon = furnished(tmp_path, outbox=outbox)
    drop_photo(daemon, "cat.png")
    assert daemon.run_until_idle() == 3
    assert "too long a path" in (daemon.rejected / "cat.png.reason.txt").read_text()
    assert len(daemon.events("job_started")) == 1
    assert mosaics(daemon) == []


@pytest.mark.parametrize("moment", ["before it is admitted", "while it is worked on"])
def test_photo_waits_for_room_on_the_disk_of_the_database(tmp_path: Path, moment: str) -> None:
    with contextlib.ExitStack() as stack:
        ballast = stack.enter_context(small_disk(tmp_path / "state", kilobytes=8000))
        daemon: DaemonProcess = stack.enter_context(furnished(tmp_path, tile_edge_pixels=60))
        daemon.wait_for("daemon_ready")
        if moment == "while it is worked on":
            drop_photo(daemon, "cat.png")
            daemon.wait_for("job_started")
            fill_up(ballast)
        else:
            fill_up(ballast)
            drop_photo(daemon, "cat.png")
        daemon.wait_for("work_paused")
        ballast.unlink()
        daemon.wait_for("mosaic_published")
        daemon.wait_for("work_resumed")
        assert daemon.terminate() == 0
        assert mosaics(daemon) == [("cat", True)]
        assert outbox(daemon) == MADE_OF_CAT
        assert daemon.query("SELECT attempts FROM job") == [(1,)]
