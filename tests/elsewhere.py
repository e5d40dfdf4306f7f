"""Another file system."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


@contextmanager
def folder_elsewhere(here: Path) -> Iterator[Path]:
    """A folder on another file system than `here`; skips the test where there is none."""
    memory = Path("/dev/shm")  # noqa: S108 - the other file system that every Linux has
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == here.stat().st_dev:
        pytest.skip("there is no second file system that can be written")
    with TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)
