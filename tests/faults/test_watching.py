"""Whatever becomes of the inbox or of what watches it, each file that is dropped is taken, once."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.daemon_process import DaemonProcess, wait_until
from tests.faults import storm

RARELY = 86_400
JPEG = b"\xff\xd8\xff\xe0 a cat"
POISONED = """
from mosaicd import cli
from mosaicd.intake.watcher import InboxWatcher

dispatch = InboxWatcher.dispatch

def poisoned(self, event):
    if "poison" in event.src_path:
        raise RuntimeError("nobody foresaw this")
    dispatch(self, event)

InboxWatcher.dispatch = poisoned
cli.main()
"""
DROPPING_AFTER_THE_SCAN = """
from mosaicd import cli
from mosaicd.intake import admission

walk = admission.walk

def walk_and_drop(inbox, subtree=""):
    yield from walk(inbox, subtree)
    if not (inbox / "late.jpg").exists():
        (inbox / "late.jpg").write_bytes(b"\\xff\\xd8\\xff a cat")

admission.walk = walk_and_drop
cli.main()
"""

WITHOUT_INOTIFY = [
    *("unshare", "--user", "--map-root-user", "sh", "-c"),
    'echo 0 >/proc/sys/user/max_inotify_instances && exec "$@"',
    "sh",
]
"""Runs what follows, in its place."""


class WatchingDaemon(DaemonProcess):
    """A daemon whose rescans come too late for any test, so that all else has to serve; photos wait for tiles.

    Parameters
    ----------
    folder : Path
    code : str, optional
        What is run instead of the program as it is.
    """

    def __init__(
        self, folder: Path, *, code: str = "from mosaicd import cli; cli.main()", **settings: Any
    ) -> None:
        super().__init__(folder, **{"rescan_seconds": RARELY, "settle_seconds": 0.2, **settings})
        self._code = code

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-c", self._code]

    def drop(self, name: str) -> None:
        (self.inbox / name).write_bytes(JPEG)

    def takes(self, *names: str) -> None:
        """Wait until exactly these files have become jobs, each once."""
        wait_until(
            lambda: len(self.events("job_admitted")) >= len(names),
            what=f"{names}: {self.lines()[-5:]}",
        )
        assert sorted(event["file"] for event in self.events("job_admitted")) == sorted(names)


class UnwatchableDaemon(WatchingDaemon):
    """The same, where the user has used up what inotify grants."""

    @property
    def command(self) -> list[str]:
        return [*WITHOUT_INOTIFY, *super().command]


def test_file_dropped_between_the_first_scan_and_the_first_event_is_taken(tmp_path: Path) -> None:
    with WatchingDaemon(tmp_path, code=DROPPING_AFTER_THE_SCAN) as daemon:
        daemon.takes("late.jpg")


def test_files_are_taken_though_the_inbox_is_moved_away_removed_and_replaced(tmp_path: Path) -> None:
    with WatchingDaemon(tmp_path) as daemon:
        (ready,) = daemon.wait_for("daemon_ready")
        assert ready["watching"] == "inotify"
        daemon.drop("first.jpg")
        daemon.takes("first.jpg")

        away = daemon.inbox.rename(daemon.root / "away")
        (away / "dropped while away.jpg").write_bytes(JPEG)
        away.rename(daemon.inbox)
        daemon.takes("first.jpg", "dropped while away.jpg")

        daemon.inbox.rename(daemon.root / "old")
        daemon.inbox.mkdir()
        shutil.copytree(daemon.root / "old", daemon.inbox, dirs_exist_ok=True)
        daemon.drop("made again.jpg")
        wait_until(
            lambda: any(event["file"] == "made again.jpg" for event in daemon.events("job_admitted")),
            what="the file in the inbox that was made again",
        )

        (daemon.root / "elsewhere").mkdir()
        (daemon.root / "elsewhere/behind a link.jpg").write_bytes(JPEG)
        daemon.inbox.rename(daemon.root / "older")
        daemon.inbox.symlink_to("elsewhere")
        daemon.drop("through a link.jpg")
        wait_until(
            lambda: (
                {"behind a link.jpg", "through a link.jpg"}
                <= {event["file"] for event in daemon.events("job_admitted")}
            ),
            what="the files behind the link",
        )
        assert daemon.terminate() == 0


def test_files_are_taken_after_the_thread_that_hears_of_them_has_died(tmp_path: Path) -> None:
    with WatchingDaemon(tmp_path, code=POISONED) as daemon:
        daemon.wait_for("daemon_ready")
        daemon.drop("poison.jpg")
        (died,) = daemon.wait_for("thread_died")
        daemon.wait_for("watching_restarted")
        daemon.takes("poison.jpg")
        daemon.drop("cat.jpg")
        daemon.takes("poison.jpg", "cat.jpg")
        assert daemon.terminate() == 0
    assert died["why"] == "RuntimeError: nobody foresaw this"
    assert daemon.events("raw") == []


def test_files_are_taken_by_looking_where_nothing_tells_of_them(tmp_path: Path) -> None:
    with WatchingDaemon(tmp_path, watching="polling", polling_seconds=1) as daemon:
        (ready,) = daemon.wait_for("daemon_ready")
        daemon.drop("cat.jpg")
        daemon.takes("cat.jpg")
        (daemon.inbox / "family/tiles").mkdir(parents=True)
        daemon.drop("family/tiles/face.jpg")
        daemon.takes("cat.jpg", "family/tiles/face.jpg")
        assert daemon.terminate() == 0
    assert ready["watching"] == "polling"
    assert daemon.events("watching_unavailable") == []


def test_files_are_taken_by_looking_where_the_system_has_no_watch_left(tmp_path: Path) -> None:
    tried = shutil.which("unshare") and subprocess.run(
        [*WITHOUT_INOTIFY, "true"], capture_output=True, check=False
    )
    if not tried or tried.returncode != 0:
        pytest.skip("no namespace can be made here in which inotify is used up")
    with UnwatchableDaemon(tmp_path, polling_seconds=1) as daemon:
        (ready,) = daemon.wait_for("daemon_ready")
        daemon.drop("cat.jpg")
        daemon.takes("cat.jpg")
        (daemon.inbox / "family/tiles").mkdir(parents=True)
        daemon.drop("family/tiles/face.jpg")
        daemon.takes("cat.jpg", "family/tiles/face.jpg")
        assert daemon.terminate() == 0
    assert ready["watching"] == "polling"
    (unavailable,) = daemon.events("watching_unavailable")
    assert unavailable["error"] == "inotify instance limit reached"
    assert "fs.inotify.max_user_watches and max_user_instances" in unavailable["remedy"]


@pytest.mark.parametrize("is_blind", [False, True], ids=["told", "blind"])
def test_storm_loses_nothing_and_does_nothing_twice(tmp_path: Path, is_blind: bool) -> None:  # noqa: FBT001
    result = storm.run(tmp_path, tiles=60, writers=4, photos=4, is_blind=is_blind, patience_seconds=300)
    assert result.complaints() == []
    assert (result.rescans is not None) == is_blind


def scan(files: int, second: int) -> dict[str, Any]:
    return {"event": "inbox_scanned", "files": files, "timestamp": f"2026-01-01T00:00:{second:02}Z"}


@pytest.mark.parametrize(("found", "scans", "missed"), [(4, 1, 0), (1, 1, 1), (4, 5, 0)])
def test_files_that_more_than_one_rescan_was_needed_for_are_complained_of(
    found: int, scans: int, missed: int
) -> None:
    admitted = {"event": "job_admitted", "timestamp": "2026-01-01T00:00:50Z"}
    done = {"event": "source_spliced", "timestamp": "2026-01-01T00:00:02Z"}
    lines = [scan(1, 0), done, scan(9, 11), *(scan(found + 1, 16) for _ in range(scans)), admitted]
    written_at = datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC).timestamp()
    judged = storm.rescans(lines, files=5, written_at=written_at)
    assert (judged.missed, judged.until_admitted) == (missed, scans + 1)
    assert (judged.until_admitted > judged.needed) == (scans == 5)
