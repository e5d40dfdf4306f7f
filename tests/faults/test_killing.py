"""The daemon killed at random times, a few times; `tests.faults.killing` does it for longer."""

from pathlib import Path

from tests.faults.killing import Plan, run


def test_all_is_done_once_and_as_ever_however_often_the_daemon_is_killed(tmp_path: Path) -> None:
    report = run(Plan(kills=6, seed=1, shortest=0.2, longest=2.0, files=6, dropped_by=0.5), tmp_path)
    report.aftermath.require_flawless()
    assert report.differences == []
    assert sum(report.victims.values()) == 6
    assert report.inside_work > 0
