"""A long life in short: what three rounds of jobs must not make grow. The long one is ``long_life.py``."""

from pathlib import Path

import pytest

from tests.faults.long_life import DAEMON, MOSAIC, SPLICE, Life, Look, Memory, complaints, table


def test_sixty_jobs_leave_nothing_open_and_no_memory_taken(tmp_path: Path) -> None:
    life = Life(tmp_path)
    with life.daemon as daemon:
        daemon.wait_for("daemon_ready")
        looks = list(life.looks(jobs=60))
        assert daemon.terminate() == 0
    assert daemon.events("worker_died") == []
    assert len(daemon.events("mosaic_published")) == 30
    assert len(daemon.events("source_spliced")) == 27
    assert len(daemon.events("job_rejected")) == 3
    # In so few jobs, memory has not settled: a leak of a picture or of a film with each job shows all the same.
    assert list(complaints(looks, most_growth=0.5)) == []
    assert "mosaicd-splice threads" in table([*looks, looks[-1]])


def look(*, own: float = 100.0, descriptors: int = 20, process: int = 1, left: int = 0, log: int = 0) -> Look:
    memory = Memory(
        process=process, own=own, proportional=own, resident=200.0, descriptors=descriptors, threads=3
    )
    return Look(
        jobs=20,
        seconds=1.0,
        daemon_seconds=0.1,
        mosaic_seconds=1.0,
        log_of_changes_bytes=log,
        files_in_staging=left,
        processes=dict.fromkeys((DAEMON, SPLICE, MOSAIC), memory),
    )


@pytest.mark.parametrize(
    ("last", "what"),
    [
        (look(own=106.0), "own memory has grown from 100.0 to 106.0 MB"),
        (look(descriptors=21), "descriptors is not the same all the time"),
        (look(process=2), "process is not the same all the time"),
        (look(left=1), "files are left in staging"),
        (look(log=2**24), "the write-ahead log has grown to 16.0 MB"),
    ],
)
def test_what_grows_is_complained_of(last: Look, what: str) -> None:
    assert list(complaints([look(own=50.0), look(), look(), look()], most_growth=0.05)) == []
    assert what in " ".join(complaints([look(), look(), look(), last], most_growth=0.05))
