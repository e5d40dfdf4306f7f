"""Starting, when something is wrong: one clear line, nothing left open, and no end where waiting will do."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from structlog.testing import capture_logs

from mosaicd.daemon import Daemon
from mosaicd.errors import CorruptStateError, Need, ObstructedError, SettingsError
from mosaicd.jobs.queue import JobQueue
from mosaicd.settings import Settings
from mosaicd.settings_reading import load_settings
from mosaicd.startup import AlreadyRunningError, lock


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in os.environ:
        if name.startswith("MOSAICD_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    database = tmp_path / "state" / "store.sqlite3"
    database.parent.mkdir()
    return load_settings({"root": tmp_path / "root", "database": database, "retry_seconds": 0.01})


@pytest.fixture
def _signals() -> Iterator[None]:
    """What the daemon does with signals is undone."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def status(tmp_path: Path) -> Iterator[IO[str]]:
    """Somebody asks for the status at this moment."""
    with (tmp_path / "store.sqlite3.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield file


def test_daemon_that_starts_while_somebody_asks_for_the_status_gets_the_lock(
    tmp_path: Path, status: IO[str]
) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            fcntl.flock(status, fcntl.LOCK_UN)

    with lock(tmp_path / "store.sqlite3", pause=pause), pytest.raises(BlockingIOError):
        fcntl.flock(status, fcntl.LOCK_SH | fcntl.LOCK_NB)
    assert len(pauses) == 3


def test_second_daemon_is_refused_after_a_second(tmp_path: Path, status: IO[str]) -> None:
    pauses: list[float] = []
    with pytest.raises(AlreadyRunningError, match="another mosaicd already works on"):
        lock(tmp_path / "store.sqlite3", pause=pauses.append)
    assert sum(pauses) == pytest.approx(1, abs=0.1)


def test_file_system_without_locks_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(SettingsError, match="cannot be locked: No locks available"):
        lock(tmp_path / "store.sqlite3")


def test_daemon_that_cannot_use_its_database_leaves_nothing_open(settings: Settings) -> None:
    settings.database_path.write_bytes(b"no database at all" * 500)
    with pytest.raises(CorruptStateError):
        Daemon(settings, lambda: settings)
    before = sorted(Path("/proc/self/fd").iterdir())
    with pytest.raises(CorruptStateError):
        Daemon(settings, lambda: settings)
    assert sorted(Path("/proc/self/fd").iterdir()) == before
    lock(settings.database_path).close()


@pytest.mark.usefixtures("_signals")
def test_database_that_cannot_be_used_just_now_does_not_end_the_daemon_at_its_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_state = JobQueue.in_state
    calls = []

    def fail_twice(queue: JobQueue, *states: object) -> list[object]:
        calls.append(states)
        if len(calls) <= 2:
            message = "the database cannot be used just now: disk is full"
            raise ObstructedError(message, need=Need.DATABASE)
        return in_state(queue, *states)  # type: ignore[arg-type, return-value]

    monkeypatch.setattr(JobQueue, "in_state", fail_twice)  # recovery begins with it
    with capture_logs() as log:
        assert Daemon(settings, lambda: settings).run_until_idle() == 0
    events = [event["event"] for event in log if event["log_level"] == "warning"]
    assert events == ["work_paused"]
    assert len(calls) > 2


@pytest.mark.parametrize("is_journal", [True, False], ids=["journal", "file"])
def test_error_at_the_start_reaches_the_journal_as_an_error(
    tmp_path: Path,
    is_journal: bool,  # noqa: FBT001
) -> None:
    with (tmp_path / "stderr").open("w+") as stream:
        facts = os.fstat(stream.fileno())
        done = subprocess.run(
            [sys.executable, "-m", "mosaicd", "run", "--set=cells=0"],
            stderr=stream,
            check=False,
            env={
                "HOME": str(tmp_path),
                "JOURNAL_STREAM": f"{facts.st_dev}:{facts.st_ino + (not is_journal)}",
            },
        )
        stream.seek(0)
        said = stream.read()
    assert done.returncode == 2
    prefix = "<3>" if is_journal else ""
    assert said == f"{prefix}mosaicd: there is no setting cells (set on the command line)\n"
