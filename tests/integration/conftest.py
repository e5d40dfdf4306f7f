"""What tests of the command line share."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mosaicd import cli


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the command line a home, a root and a working folder of its own, and no settings."""
    for name in os.environ:
        if name.upper().startswith(("MOSAICD_", "XDG_")) or name == "STATE_DIRECTORY":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MOSAICD_ROOT", str(tmp_path / "root"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(
    at_home: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str, str]]:
    """Run a command; its exit code and what it wrote to both streams."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mosaicd", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        output = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, output.out, output.err

    return run
