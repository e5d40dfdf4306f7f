"""File systems that go away and come back: nothing is believed deleted, nothing written where they were."""

import shutil
from pathlib import Path

from tests.daemon_process import wait_until
from tests.faults.workplace import (
    FILM_SECONDS,
    drop_film,
    drop_photo,
    furnished,
    mosaics,
    outbox,
    samples_stored,
    small_disk,
    unplugged,
)


def test_photos_that_wait_in_an_inbox_that_goes_away_are_not_believed_deleted(tmp_path: Path) -> None:
    daemon = furnished(tmp_path, minimum_tiles=160)
    with small_disk(daemon.inbox, kilobytes=20_000), daemon:
        daemon.wait_for("daemon_ready")
        for name in ("cat.png", "dog.png"):
            drop_photo(daemon, name)
        daemon.wait_for("job_waiting", count=2)
        with unplugged(daemon.inbox):
            (paused,) = daemon.wait_for("work_paused")
        daemon.wait_for("work_resumed")
        drop_film(daemon, seconds=20)
        daemon.wait_for("mosaic_published", count=2)
        assert daemon.terminate() == 0
    assert (paused["needs"], paused["paused"]) == ("inbox", "everything")
    assert f"the file system at {daemon.inbox} is not mounted any more" in paused["why"]
    assert daemon.events("job_withdrawn") == []
    assert sorted(mosaics(daemon)) == [("cat", True), ("dog", True)]
    assert sorted(path.name for path in daemon.archive.iterdir()) == ["cat.png", "dog.png", "film.mp4"]


def test_film_whose_inbox_goes_away_in_the_middle_goes_on_where_it_was(tmp_path: Path) -> None:
    daemon = furnished(tmp_path)
    with small_disk(daemon.inbox, kilobytes=20_000), daemon:
        drop_film(daemon)
        wait_until(lambda: samples_stored(daemon) > 0, what="the film being in the middle")
        with unplugged(daemon.inbox):
            daemon.wait_for("work_paused")
            wait_until(
                lambda: daemon.query("SELECT state FROM job") == [("queued",)],
                what="the film being queued again",
            )
            stored = samples_stored(daemon)
        daemon.wait_for("source_spliced")
        assert daemon.terminate() == 0
    assert 0 < stored < FILM_SECONDS
    assert samples_stored(daemon) == FILM_SECONDS
    assert daemon.query("SELECT state, attempts, interruptions FROM job") == [("done", 1, 0)]
    assert (daemon.archive / "film.mp4").exists()


def test_nothing_is_written_where_the_disk_of_the_outbox_was(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    folders = {name: disk / name for name in ("outbox", "rejected", "staging")}
    daemon = furnished(tmp_path, **folders)
    with small_disk(disk), daemon:
        daemon.wait_for("daemon_ready")
        with unplugged(disk):
            drop_photo(daemon, "cat.png")
            daemon.wait_for("job_admitted")
            daemon.wait_for("work_paused")
            assert list(disk.iterdir()) == []
        daemon.wait_for("mosaic_published")
        assert daemon.terminate() == 0
        assert (folders["outbox"] / "cat.mosaic.jpg").exists()
    assert {event["needs"] for event in daemon.events("work_paused")} == {"outbox", "rejected"}
    assert mosaics(daemon) == [("cat", True)]


def test_nothing_is_archived_where_the_disk_of_the_archive_was(tmp_path: Path) -> None:
    daemon = furnished(tmp_path)
    with small_disk(daemon.archive), daemon:
        daemon.wait_for("daemon_ready")
        with unplugged(daemon.archive):
            drop_photo(daemon, "cat.png")
            daemon.wait_for("job_admitted")
            daemon.wait_for("work_paused")
            assert list(daemon.archive.iterdir()) == []
            assert (daemon.inbox / "cat.png").exists()
        daemon.wait_for("mosaic_published")
        assert daemon.terminate() == 0
        assert (daemon.archive / "cat.png").exists()


def test_database_whose_disk_goes_away_is_not_made_anew_in_its_place(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with small_disk(state), furnished(tmp_path) as daemon:
        daemon.wait_for("daemon_ready")
        with unplugged(state):
            drop_photo(daemon, "cat.png")
            daemon.wait_for("work_paused")
            assert list(state.iterdir()) == []
        daemon.wait_for("mosaic_published")
        assert daemon.terminate() == 0
        assert mosaics(daemon) == [("cat", True)]


def test_inbox_that_is_removed_and_made_again_on_the_same_disk_is_used(tmp_path: Path) -> None:
    with furnished(tmp_path, minimum_tiles=160) as daemon:
        daemon.wait_for("daemon_ready")
        drop_photo(daemon, "cat.png")
        daemon.wait_for("job_waiting")
        shutil.rmtree(daemon.inbox)
        (paused,) = daemon.wait_for("work_paused")
        assert "No such file or directory" in paused["why"]
        daemon.inbox.mkdir()
        daemon.wait_for("job_withdrawn")
        drop_photo(daemon, "dog.png")
        drop_film(daemon, seconds=20)
        daemon.wait_for("mosaic_published")
        assert daemon.terminate() == 0
    assert outbox(daemon) == ["dog.mosaic.html", "dog.mosaic.jpg", "dog.mosaic.json"]
