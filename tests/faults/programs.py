"""Runs of mosaicd for tests that kill it often: real processes, which start quickly."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.daemon_process import DaemonProcess


class Programs:
    """Starts mosaicd, one process at a time, forked from one that has imported what a daemon imports."""

    def __enter__(self) -> Self:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.killed_at"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._server.communicate()

    def start(self, daemon: DaemonProcess, plan: Path, *arguments: str) -> int:
        """Start it, to be killed as planned; its process number, which is its process group's as well."""
        assert self._server.stdin is not None
        request = {
            "plan": str(plan),
            "arguments": [*arguments, *daemon.arguments()],
            "log": str(daemon.log_file),
            "environment": daemon.environment(),
        }
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return self._answer()

    def wait(self) -> int:
        """Wait for its end; the exit code."""
        return self._answer()

    def run(self, daemon: DaemonProcess, plan: Path, *arguments: str) -> int:
        """Run it to its end; the exit code."""
        self.start(daemon, plan, *arguments)
        return self.wait()

    def _answer(self) -> int:
        assert self._server.stdout is not None
        return int(self._server.stdout.readline())
