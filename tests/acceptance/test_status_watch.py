"""``mosaicd status --watch`` in a real terminal, beside a real daemon."""

import contextlib
import json
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

from tests.daemon_process import DaemonProcess, wait_until
from tests.faults.workplace import FILM_SECONDS, QUICK, drop_film, drop_photo, worker_of
from tests.stores import new_database
from tests.terminal import Terminal


def watching(daemon: DaemonProcess) -> Terminal:
    command = [*daemon.command, "status", "--watch", *daemon.arguments()]
    return Terminal(list(command), daemon.environment())


def status(daemon: DaemonProcess) -> dict[str, Any]:
    command = [*daemon.command, "status", "--json", *daemon.arguments()]
    result = subprocess.run(command, env=daemon.environment(), capture_output=True, check=True)
    facts: dict[str, Any] = json.loads(result.stdout)
    return facts


def halts_between_commits(daemon: DaemonProcess) -> bool:
    """Let the worker stand still, unless it just then holds the database, which the daemon needs."""
    worker = worker_of(daemon)
    worker.suspend()
    with contextlib.closing(sqlite3.connect(daemon.database, timeout=1)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            worker.resume()
            return False
    return True


def is_progress_shown(daemon: DaemonProcess, terminal: Terminal) -> bool:
    """Whether the one job at work is shown as far as it is, though that is noted with some delay."""
    (running,) = status(daemon)["running"]
    return 0 < running["progress"] < 1 and f"{running['progress']:.0%}, 0:" in terminal.shown()


def test_view_shows_work_outlives_the_daemon_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    with DaemonProcess(tmp_path, **QUICK) as daemon:
        daemon.wait_for("daemon_ready")
        drop_film(daemon, seconds=3 * FILM_SECONDS)
        wait_until(lambda: daemon.query("SELECT 1 FROM job WHERE progress > 0") != [], what="progress")
        wait_until(lambda: halts_between_commits(daemon), what="a worker that stands still")
        drop_photo(daemon, "cat.png")
        daemon.wait_for("job_waiting")
        with watching(daemon) as terminal:
            terminal.wait_for("the daemon is running")
            terminal.wait_for("0 queued, 1 waiting, 1 running")
            terminal.wait_for("film.mp4, library default: splicing")
            terminal.wait_for("━")
            wait_until(lambda: is_progress_shown(daemon, terminal), what="how far the film is")
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
