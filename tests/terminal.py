"""A program in a terminal of its own, for tests: type, read what has been shown, resize."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
from pathlib import Path
from typing import Self

from tests.daemon_process import PATIENCE_SECONDS, wait_until

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[()][A-Z0-9]|[=>])")


class Terminal:
    """A program whose standard streams, and whose controlling terminal, are a new terminal.

    Parameters
    ----------
    command : list of str
    environment : dict
    columns, rows : int
    """

    def __init__(
        self, command: list[str | Path], environment: dict[str, str], *, columns: int = 80, rows: int = 24
    ) -> None:
        self._ours, theirs = pty.openpty()
        self.resize(columns, rows)
        self._process = subprocess.Popen(
            ["setsid", "--ctty", *command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment | {"TERM": "xterm", "LC_ALL": "C.UTF-8"},
        )
        os.close(theirs)
        self._shown = bytearray()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        os.close(self._ours)

    def type(self, keys: str) -> None:
        """Type something; "\\x03" is Ctrl-C."""
        os.write(self._ours, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def forget(self) -> None:
        """Forget what has been shown until now."""
        self._shown.clear()

    def shown(self) -> str:
        """What has been shown since, without colours and movements."""
        return _ESCAPES.sub("", self._shown.decode(errors="replace"))

    def wait_for(self, text: str) -> None:
        """Wait until a text has been shown."""
        wait_until(lambda: text in self.shown(), what=f"{text!r} on the screen")

    def terminate(self) -> None:
        """Ask the program to stop."""
        self._process.terminate()

    def wait(self) -> int:
        """Wait until the program ends; its exit code."""
        return self._process.wait(PATIENCE_SECONDS)

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # as reading a terminal ends that nobody writes to any more
            while chunk := os.read(self._ours, 65_536):
                self._shown += chunk
