"""Workers that are killed or hang: the file has another try, then it is put aside, and the next one is done."""

import os
import signal
from pathlib import Path

from mosaicd.crash_points import CrashPoint
from tests.faults.workplace import (
    FILM_SECONDS,
    MADE_OF_CAT,
    drop_film,
    drop_photo,
    furnished_to_be_held,
    mosaics,
    outbox,
    samples_stored,
)
from tests.skips import skipped_in

KILLED = "the worker process was killed, as happens when the machine runs out of memory"


def test_film_whose_worker_is_killed_in_the_middle_goes_on_and_costs_one_attempt(tmp_path: Path) -> None:
    with furnished_to_be_held(tmp_path) as daemon:
        daemon.hold_at(CrashPoint.CHUNK_COMMITTED)
        drop_film(daemon)
        worker = daemon.held_worker()
        assert 0 < samples_stored(daemon) < FILM_SECONDS
        worker.kill()
        (spliced,) = daemon.wait_for("source_spliced")
        assert daemon.terminate() == 0
    skipped = skipped_in(spliced)
    assert spliced["sampled_frames"] == FILM_SECONDS
    assert spliced["tiles"] + skipped == 2 * FILM_SECONDS
    assert [event["attempt"] for event in daemon.events("job_started")] == [1, 2]
    (died,) = daemon.events("worker_died")
    assert died["why"] == KILLED
    assert (daemon.archive / "film.mp4").exists()


def test_photo_whose_worker_is_killed_in_the_middle_has_its_mosaic_at_the_next_attempt(
    tmp_path: Path,
) -> None:
    with furnished_to_be_held(tmp_path) as daemon:
        daemon.hold_at(CrashPoint.PLACEMENT_RECORDED)
        drop_photo(daemon, "cat.png")
        daemon.held_worker().kill()
        daemon.wait_for("mosaic_published")
        assert daemon.terminate() == 0
    assert [event["attempt"] for event in daemon.events("job_started")] == [1, 2]
    assert mosaics(daemon) == [("cat", True)]
    assert outbox(daemon) == MADE_OF_CAT


def test_photo_over_which_the_worker_dies_twice_is_put_aside_and_the_next_is_done(tmp_path: Path) -> None:
    with furnished_to_be_held(tmp_path) as daemon:
        daemon.hold_at(CrashPoint.PLACEMENT_RECORDED, CrashPoint.FILE_STAGED)
        drop_photo(daemon, "bomb.png")
        first = daemon.held_worker()
        first.kill()
        daemon.held_worker(other_than=first.pid).kill()
        daemon.wait_for("job_rejected")
        drop_photo(daemon, "cat.png")
        (published,) = daemon.wait_for("mosaic_published")
        assert daemon.terminate() == 0
    assert published["file"] == "cat.png"
    reason = (daemon.rejected / "bomb.png.reason.txt").read_text()
    assert reason.splitlines()[0] == f"the work on this file did not end well: {KILLED} (2 attempts)"
    assert (daemon.rejected / "bomb.png").exists()
    assert mosaics(daemon) == [("cat", True)]
    assert outbox(daemon) == MADE_OF_CAT


def test_worker_that_hangs_is_ended_and_its_job_is_done_after_all(tmp_path: Path) -> None:
    config = tmp_path / "mosaicd.toml"
    daemon = furnished_to_be_held(tmp_path)

    def wait_no_longer_than(seconds: int) -> None:
        """Only for as long as a worker hangs, a short time: another one may take longer to begin."""
        config.write_text(f"stall_limit_seconds = {seconds}\nattempts_limit = 9\n")
        before = len(daemon.events("settings_reloaded"))
        os.kill(daemon.pid, signal.SIGHUP)
        daemon.wait_for("settings_reloaded", count=before + 1)

    daemon.hold_at(CrashPoint.PLACEMENT_RECORDED)
    config.touch()
    with daemon:
        daemon.kill()
        daemon.start(f"--config={config}")
        drop_photo(daemon, "cat.png")
        hung = daemon.held_worker()
        wait_no_longer_than(1)
        died, *_ = daemon.wait_for("worker_died")
        wait_no_longer_than(600)
        daemon.wait_for("mosaic_published")
        assert not hung.is_running()
        assert daemon.terminate() == 0
    assert died["why"] == "no progress in 1 s (setting stall_limit_seconds)"
    assert {event["why"] for event in daemon.events("worker_died")} == {died["why"]}
    assert mosaics(daemon) == [("cat", True)]
