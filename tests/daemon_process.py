"""The real daemon as a process, for tests: start it, read its log, wait for what it does, kill it."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

PATIENCE_SECONDS = 120.0
_POLL_SECONDS = 0.05
_MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def wait_until(condition: Callable[[], bool], *, what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until `condition` holds; fail, naming `what` was waited for, when it takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            message = f"waited {seconds:g} s in vain: {what}"
            raise AssertionError(message)
        time.sleep(_POLL_SECONDS)


class DaemonProcess:
    """``mosaicd run`` on a root of its own.

    Parameters
    ----------
    folder : Path
        Gets `root`, the database and the log.
    settings : values by name

    Attributes
    ----------
    variables : dict
        Set in its environment besides.
    """

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.root = folder / "root"
        self.database = folder / "state" / "mosaicd.sqlite3"
        self.log_file = folder / "log"
        self.home = folder / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self.inbox, self.outbox = self.root / "inbox", self.root / "outbox"
        self.archive, self.rejected = self.root / "archive", self.root / "rejected"
        self.inbox.mkdir(parents=True, exist_ok=True)
        mine = {"settle_seconds": 0.4, "log_format": "json", "database": self.database}
        mine["near_duplicates"] = "one"  # films of tests repeat themselves, and each of their tiles counts
        self._settings = mine | settings
        self.variables: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    @property
    def command(self) -> list[str]:
        """The command line without ``run`` or another command's name."""
        return [sys.executable, "-m", "mosaicd"]

    def arguments(self) -> list[str]:
        """The options that name the root and the settings."""
        pairs = [f"--set={name}={value}" for name, value in self._settings.items()]
        return [f"--root={self.root}", *pairs]

    def start(self, *extra: str) -> None:
        """Start it; does not wait."""
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.command, "run", *self.arguments(), *extra], stderr=log, env=self.environment()
            )

    def run_until_idle(self) -> int:
        """Run it with --until-idle; the exit code."""
        self.start("--until-idle")
        return self.wait(seconds=PATIENCE_SECONDS * 3)

    def wait(self, *, seconds: float = PATIENCE_SECONDS) -> int:
        """Wait until it ends by itself; the exit code."""
        assert self._process is not None
        return self._process.wait(seconds)

    def run_measured(self) -> int:
        """Run it with --until-idle; the most memory, in bytes, that it or one of its workers has ever held.

        What a process held before it became the daemon counts as the daemon's: hence the small one in between.
        """
        words = [sys.executable, "-c", _MEASURE, *self.command, "run", *self.arguments(), "--until-idle"]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                words, stderr=log, stdout=subprocess.PIPE, env=self.environment()
            )
        said, _ = self._process.communicate(timeout=PATIENCE_SECONDS * 60)
        return int(said) * 1024

    def environment(self) -> dict[str, str]:
        """A person's environment with an empty home."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("MOSAICD_", "XDG_"))
        }
        return kept | {"HOME": str(self.home)} | self.variables

    @property
    def pid(self) -> int:
        """Its process number."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self.exit_code is None and self._process is not None

    @property
    def exit_code(self) -> int | None:
        """What it ended with; None as long as it runs."""
        return None if self._process is None else self._process.poll()

    def kill(self) -> None:
        """Kill it at once, as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def terminate(self) -> int:
        """Ask it to stop; the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(PATIENCE_SECONDS)

    def lines(self) -> list[dict[str, Any]]:
        """Its log so far; what is no JSON object comes as the event ``raw``."""
        found = []
        for line in self.log_file.read_text(errors="replace").splitlines():
            try:
                found.append(json.loads(line))
            except json.JSONDecodeError:
                found.append({"event": "raw", "level": "error", "line": line})
        return found

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log lines of one event."""
        return [line for line in self.lines() if line["event"] == name]

    def wait_for(
        self, name: str, *, count: int = 1, seconds: float = PATIENCE_SECONDS
    ) -> list[dict[str, Any]]:
        """Wait until an event has been logged so often."""
        wait_until(
            lambda: len(self.events(name)) >= count,
            what=f"{count} x {name}: {self.lines()[-5:]}",
            seconds=seconds,
        )
        return self.events(name)

    def query(self, statement: str) -> list[Any]:
        """Ask the database, beside the running daemon."""
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=30)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    def tile_set(self) -> list[Any]:
        """Every tile with all that makes it: source, time, crop, pixels."""
        return self.query(
            "SELECT source.sha256, presentation_us, crop, jpeg FROM tile"
            " JOIN source ON source.id = source_id JOIN master ON tile_id = tile.id ORDER BY 1, 2, 3"
        )
