"""A long life in short: what three rounds of jobs must not make grow. The long one is ``long_life.py``."""

from pathlib import Path

from tests.faults.long_life import DAEMON, MOSAIC, SPLICE, Life, table


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
    # Only in the second round has everything been loaded.
    first, last = looks[1].processes, looks[-1].processes
    for name in (DAEMON, SPLICE, MOSAIC):
        assert last[name].process == first[name].process
        assert last[name].descriptors == first[name].descriptors
        assert last[name].threads == first[name].threads
        assert last[name].own <= 1.3 * first[name].own, name
    assert all(look.files_in_staging == 0 for look in looks)
    assert all(look.log_of_changes_bytes < 8 * 2**20 for look in looks)
    assert "mosaicd-splice threads" in table([*looks, looks[-1]])
