"""Workers that are killed or hang: the file has another try, then it is put aside, and the next one is done."""

from pathlib import Path

from tests.daemon_process import wait_until
from tests.faults.workplace import (
    FILM_SECONDS,
    MADE_OF_CAT,
    drop_film,
    drop_photo,
    furnished,
    mosaics,
    outbox,
    samples_stored,
    worker_of,
)

KILLED = "the worker process was killed, as happens when the machine runs out of memory"


def test_film_whose_worker_is_killed_in_the_middle_goes_on_and_costs_one_attempt(tmp_path: Path) -> None:
    with furnished(tmp_path) as daemon:
        drop_film(daemon)
        wait_until(lambda: samples_stored(daemon) > 0, what="the film being in the middle")
        worker_of(daemon).kill()
        (spliced,) = daemon.wait_for("source_spliced")
        assert daemon.terminate() == 0
    skipped = spliced["skipped_black"] + spliced["skipped_blank"] + spliced["skipped_repeated"]
    assert spliced["sampled_frames"] == FILM_SECONDS
    assert spliced["tiles"] + skipped == 2 * FILM_SECONDS
    assert [event["attempt"] for event in daemon.events("job_started")] == [1, 2]
    (died,) = daemon.events("worker_died")
    assert died["why"] == KILLED
    assert (daemon.archive / "film.mp4").exists()


def test_photo_whose_worker_is_killed_in_the_middle_has_its_mosaic_at_the_next_attempt(
    tmp_path: Path,
) -> None:
    with furnished(tmp_path, tile_edge_pixels=160) as daemon:
        drop_photo(daemon, "cat.png")
        wait_until(lambda: bool(mosaics(daemon)), what="the mosaic being recorded")
        worker_of(daemon).kill()
        daemon.wait_for("mosaic_published")
        assert daemon.terminate() == 0
    assert [event["attempt"] for event in daemon.events("job_started")] == [1, 2]
    assert mosaics(daemon) == [("cat", True)]
    assert outbox(daemon) == MADE_OF_CAT


def test_photo_over_which_the_worker_dies_twice_is_put_aside_and_the_next_is_done(tmp_path: Path) -> None:
    with furnished(tmp_path) as daemon:
        drop_photo(daemon, "bomb.png")
        daemon.wait_for("job_started")
        first = worker_of(daemon)
        first.kill()
        daemon.wait_for("job_started", count=2)
        worker_of(daemon, other_than=first.pid).kill()
        daemon.wait_for("job_rejected")
        drop_photo(daemon, "cat.png")
        (published,) = daemon.wait_for("mosaic_published")
        assert daemon.terminate() == 0
    assert published["file"] == "cat.png"
    reason = (daemon.rejected / "bomb.png.reason.txt").read_text()
    assert reason == f"the work on this file did not end well: {KILLED} (2 attempts)\n"
    assert (daemon.rejected / "bomb.png").exists()
    assert mosaics(daemon) == [("cat", True)]


def test_worker_that_hangs_is_ended_and_its_job_is_done_after_all(tmp_path: Path) -> None:
    with furnished(tmp_path, stall_limit_seconds=4, attempts_limit=9) as daemon:
        drop_photo(daemon, "cat.png")
        daemon.wait_for("job_started")
        hung = worker_of(daemon)
        hung.suspend()
        died, *_ = daemon.wait_for("worker_died")
        daemon.wait_for("mosaic_published")
        assert not hung.is_running()
        assert daemon.terminate() == 0
    assert died["why"] == "no progress in 4 s (setting stall_limit_seconds)"
    assert mosaics(daemon) == [("cat", True)]
