"""``mosaicd status --watch`` in a real terminal, beside a real daemon."""

import contextlib
import json
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.daemon_process import DaemonProcess, wait_until
from tests.faults.workplace import FILM_SECONDS, QUICK, drop_film, drop_photo, worker_of
from tests.stores import new_database
from tests.terminal import Terminal

PROGRESS_NOTED_SECONDS = 2.0


def watching(daemon: DaemonProcess) -> Terminal:
    command = [*daemon.command, "status", "--watch", *daemon.arguments()]
    return Terminal(list(command), daemon.environment())


def status(daemon: DaemonProcess) -> dict[str, Any]:
    command = [*daemon.command, "status", "--json", *daemon.arguments()]
    result = subprocess.run(command, env=daemon.environment(), capture_output=True, check=True)
    facts: dict[str, Any] = json.loads(result.stdout)
    return facts


def halt_between_commits(daemon: DaemonProcess) -> None:
    """Let the worker stand still when it does not hold the database, which the daemon needs."""
    worker = worker_of(daemon)
    while True:
        worker.suspend()
        with (
            contextlib.closing(sqlite3.connect(daemon.database, timeout=1)) as database,
            contextlib.suppress(sqlite3.OperationalError),
        ):
            database.execute("BEGIN IMMEDIATE")
            return
        worker.resume()
        time.sleep(0.05)


def test_view_shows_work_outlives_the_daemon_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    with DaemonProcess(tmp_path, **QUICK) as daemon:
        daemon.wait_for("daemon_ready")
        drop_film(daemon, seconds=3 * FILM_SECONDS)
        wait_until(lambda: daemon.query("SELECT 1 FROM job WHERE progress > 0") != [], what="progress")
        halt_between_commits(daemon)
        time.sleep(PROGRESS_NOTED_SECONDS)  # what the worker said last is noted by then
        (running,) = status(daemon)["running"]
        assert running["progress"] < 1
        drop_photo(daemon, "cat.png")
        daemon.wait_for("job_waiting")
        with watching(daemon) as terminal:
            terminal.wait_for("the daemon is running")
            terminal.wait_for("0 queued, 1 waiting, 1 running")
            terminal.wait_for("film.mp4, library default: splicing")
            terminal.wait_for("━")
            terminal.wait_for(f"{running['progress']:.0%}, 0:")
            terminal.wait_for("cat.png: waits until film.mp4 has become tiles")
            terminal.resize(20, 12)
            terminal.forget()
            terminal.wait_for("%")
            terminal.resize(80, 24)
            daemon.kill()
            terminal.wait_for("the daemon is not running")
            terminal.type("\x03")
            assert terminal.wait() == 0
            assert "Traceback" not in terminal.shown()


def test_view_ends_as_politely_when_it_is_asked_to_stop(tmp_path: Path) -> None:
    daemon = DaemonProcess(tmp_path)
    new_database(daemon.database).close()
    with watching(daemon) as terminal:
        terminal.wait_for("0 queued, 0 waiting, 0 running")
        terminal.terminate()
        assert terminal.wait() == 0
