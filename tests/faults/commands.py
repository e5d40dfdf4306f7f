"""Commands run as users run them, in this process or in one of their own, in a home of their own."""

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mosaicd import cli


class Stream(io.TextIOWrapper):
    """A stream as a process has it, whose text can be asked for."""

    def __init__(self, errors: str) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", errors=errors, write_through=True)

    def text(self) -> str:
        """What has been written so far."""
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode()


@contextlib.contextmanager
def captured() -> Iterator[tuple[Stream, Stream]]:
    """Standard output and standard error, caught as a process would write them."""
    out, err = Stream("strict"), Stream("backslashreplace")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield out, err


@contextlib.contextmanager
def variable(name: str, value: str) -> Iterator[None]:
    """An environment variable for the time being."""
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


def in_this_process(words: list[str]) -> tuple[int, str, str]:
    """Run a command; its exit code, and what it wrote to both streams."""
    sys.argv = ["mosaicd", *words]
    code: Any = 0
    with captured() as (out, err):
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
    return (0 if code is None else code), out.text(), err.text()


def in_process_of_its_own(words: list[str]) -> tuple[int, str, str]:
    """The same, as users do it."""
    command = [sys.executable, "-m", "mosaicd", *words]
    done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@contextlib.contextmanager
def home(folder: Path) -> Iterator[None]:
    """Give commands a home and a working folder of their own, and no settings."""
    before, at, arguments = dict(os.environ), Path.cwd(), sys.argv
    for name in before:
        if name.upper().startswith(("MOSAICD_", "XDG_")) or name == "STATE_DIRECTORY":
            del os.environ[name]
    os.environ["HOME"] = str(folder)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(at), os.environ.get("PYTHONPATH", "")])
    os.chdir(folder)
    try:
        yield
    finally:
        sys.argv = arguments
        os.chdir(at)
        os.environ.clear()
        os.environ.update(before)
