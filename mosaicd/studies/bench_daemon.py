"""A daemon of one's own for benchmarks: started on a root, its log read, its processes' memory summed."""

import contextlib
import json
import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from mosaicd.errors import MosaicdError

_STEP_SECONDS = 0.05
_PATIENCE_SECONDS = 600.0
_KIBIBYTE = 1024

LogLine = dict[str, object]


class BenchDaemon:
    """``mosaicd run`` on a root and a database, as long as the ``with`` block lasts.

    Parameters
    ----------
    root, database, log : Path
    settings : values by name
    """

    def __init__(self, root: Path, database: Path, log: Path, **settings: object) -> None:
        self._log = log
        self._command = [sys.executable, "-m", "mosaicd", "run", f"--root={root}"]
        mine = {"database": database, "settle_seconds": 0.4, "log_format": "json"}
        self._command += [f"--set={name}={value}" for name, value in (mine | settings).items()]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MOSAICD_")}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stderr=log, env=kept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def wait_for(self, event: str, *, count: int = 1) -> LogLine:
        """The `count`-th line of an event, once it is there.

        Raises
        ------
        MosaicdError
            If the daemon ends before, or ten minutes go by.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (line := self._line(event, count)) is None:
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                message = f"the daemon did not come to {event}: {self._lines()[-1:]}"
                raise MosaicdError(message)
            time.sleep(_STEP_SECONDS)
        return line

    def most_memory_until(self, event: str) -> int:
        """Most proportional set size of the daemon and its workers until an event, in bytes; 0 if nothing says so.

        Looking takes the processes some time.
        """
        peak = 0
        while self._process is not None and self._process.poll() is None and self._line(event, 1) is None:
            peak = max(peak, sum(_proportional_set_size(each) for each in _with_children(self._process.pid)))
            time.sleep(_STEP_SECONDS)
        return peak

    def _line(self, event: str, count: int) -> LogLine | None:
        found = [line for line in self._lines() if line["event"] == event]
        return found[count - 1] if len(found) >= count else None

    def _lines(self) -> list[LogLine]:
        found = []
        for text in self._log.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(json.JSONDecodeError):  # its last line may be half written
                found.append(json.loads(text))
        return found


def moment(line: LogLine) -> float:
    """When a line was logged, in seconds since 1970."""
    return datetime.fromisoformat(str(line["timestamp"])).timestamp()


def _with_children(number: int) -> list[int]:
    found = [number]
    with contextlib.suppress(OSError):
        for children in Path(f"/proc/{number}/task").glob("*/children"):
            for child in children.read_text(encoding="ascii").split():
                found += _with_children(int(child))
    return found


def _proportional_set_size(number: int) -> int:
    try:
        text = Path(f"/proc/{number}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    return sum(int(line.split()[1]) * _KIBIBYTE for line in text.splitlines() if line.startswith("Pss:"))
