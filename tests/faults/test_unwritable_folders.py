"""Folders that cannot be written for a while: everything waits, nothing is done twice, nothing is lost."""

import contextlib
from pathlib import Path

import pytest

from tests.daemon_process import DaemonProcess, wait_until
from tests.faults.workplace import (
    drop_photo,
    fill_up,
    furnished,
    mosaics,
    outbox,
    replaced_by_file,
    small_disk,
)


def test_mosaic_waits_for_the_outbox_and_is_charged_once(tmp_path: Path) -> None:
    with furnished(tmp_path) as daemon:
        daemon.wait_for("daemon_ready")
        with replaced_by_file(daemon.outbox):
            drop_photo(daemon, "cat.png")
            daemon.wait_for("job_started", count=3)
            assert mosaics(daemon) == [("cat", False)]
        (published,) = daemon.wait_for("mosaic_published")
        assert daemon.terminate() == 0
    assert published["image"] == "cat.mosaic.jpg"
    assert mosaics(daemon) == [("cat", True)]
    assert outbox(daemon) == ["cat.mosaic.jpg", "cat.mosaic.json"]
    (deferred,) = daemon.events("job_deferred")
    assert deferred["why"].startswith("the mosaic cannot be written to the outbox: ")
    assert {event["attempt"] for event in daemon.events("job_started")} == {1}


def test_mosaic_is_published_once_though_its_photo_cannot_be_archived(tmp_path: Path) -> None:
    with furnished(tmp_path) as daemon:
        daemon.wait_for("daemon_ready")
        with replaced_by_file(daemon.archive):
            drop_photo(daemon, "cat.png")
            daemon.wait_for("job_deferred")
            image = (daemon.outbox / "cat.mosaic.jpg").stat()
            daemon.wait_for("job_started", count=3)
            assert (daemon.inbox / "cat.png").exists()
        daemon.wait_for("mosaic_published")
        assert daemon.terminate() == 0
    assert (daemon.archive / "cat.png").exists()
    assert not (daemon.inbox / "cat.png").exists()
    assert mosaics(daemon) == [("cat", True)]
    assert outbox(daemon) == ["cat.mosaic.jpg", "cat.mosaic.json"]
    assert (daemon.outbox / "cat.mosaic.jpg").stat().st_ino == image.st_ino


def test_mosaic_waits_for_room_on_the_disk_of_the_outbox(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        ballast = stack.enter_context(small_disk(tmp_path / "disk", kilobytes=4000))
        folders = {name: tmp_path / "disk" / name for name in ("outbox", "rejected", "staging")}
        daemon = stack.enter_context(furnished(tmp_path, **folders))
        daemon.wait_for("daemon_ready")
        fill_up(ballast)
        drop_photo(daemon, "cat.png")
        (deferred,) = daemon.wait_for("job_deferred")
        assert "No space left on device" in deferred["why"]
        assert list(folders["staging"].iterdir()) == []
        ballast.unlink()
        daemon.wait_for("mosaic_published")
        assert daemon.terminate() == 0
        assert (folders["outbox"] / "cat.mosaic.jpg").exists()
        assert mosaics(daemon) == [("cat", True)]


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
        wait_until(
            lambda: bool(daemon.events("daemon_paused") + daemon.events("job_deferred")), what="a full disk"
        )
        ballast.unlink()
        daemon.wait_for("mosaic_published")
        assert daemon.terminate() == 0
        assert mosaics(daemon) == [("cat", True)]
        assert outbox(daemon) == ["cat.mosaic.jpg", "cat.mosaic.json"]
