"""The daemon killed at random times, a few times; `tests.faults.killing` does it for longer."""

from pathlib import Path

from tests.faults.aftermath import Aftermath
from tests.faults.killing import Plan, Report, run


def test_all_is_done_once_and_as_ever_however_often_the_daemon_is_killed(tmp_path: Path) -> None:
    report = run(Plan(kills=6, seed=1, shortest=0.2, longest=2.0, files=6, dropped_by=1.0), tmp_path)
    assert report.complaints() == []
    assert sum(report.victims.values()) == 6


def test_what_is_wrong_is_complained_of() -> None:
    found = Aftermath(
        lost=["a.png"],
        twice=["b.png"],
        mischarged=[3],
        doubled_tiles=2,
        torn=["c.jpg"],
        left=["d"],
        rejected=["e.png"],
    )
    assert len(Report(aftermath=found, differences=["tiles"]).complaints()) == 9
