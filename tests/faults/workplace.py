"""What the faults happen in: a daemon with a library that has tiles, files to drop, and the daemon's workers."""

import contextlib
import ctypes
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from mosaicd.crash_points import CrashPoint
from tests import films
from tests.daemon_process import DaemonProcess, wait_until
from tests.libraries import PHOTOS, fill_library
from tests.stores import new_database

MADE_OF_CAT = ["cat.mosaic.html", "cat.mosaic.jpg", "cat.mosaic.json"]
QUICK = {
    "cells_on_long_side": 24,
    "tile_edge_pixels": 16,
    "page_megabytes_limit": 0.5,
    "minimum_tiles": 20,
    "settle_seconds": 0.2,
    "retry_seconds": 0.3,
}
FILM_SECONDS = 400
_CLONE_NEWNS = 0x00020000


class HoldingDaemon(DaemonProcess):
    """A daemon whose workers stop at crash points, so that a test finds them there, however busy the machine is.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, **settings)
        self._plan = folder / "plan"
        self._plan.mkdir()

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.faults.killed_at", str(self._plan), "--"]

    def hold_at(self, *points: CrashPoint, occurrence: int = 1) -> None:
        """Let the worker stop that is the next one to pass such a point, or to pass it so often."""
        for point in points:
            (self._plan / point).write_text(f"{occurrence} held worker")

    def held_worker(self, *, other_than: int | None = None) -> psutil.Process:
        """The worker that has stopped at a point, once it has."""
        found: list[psutil.Process] = []

        def is_held() -> bool:
            found[:] = [
                worker for worker in workers_of(self.pid)
                if worker.pid != other_than and worker.status() == psutil.STATUS_STOPPED
            ]  # fmt: skip
            return bool(found)

        wait_until(is_held, what=f"a worker being held: {self.lines()[-5:]}")
        return found[0]


def furnished(folder: Path, **settings: Any) -> DaemonProcess:
    """A daemon, not started, whose library has 150 tiles."""
    daemon = DaemonProcess(folder, **QUICK | settings)
    give_tiles(daemon)
    return daemon


def furnished_to_be_held(folder: Path, **settings: Any) -> HoldingDaemon:
    """The same, with workers that can be held."""
    daemon = HoldingDaemon(folder, **QUICK | settings)
    give_tiles(daemon)
    return daemon


def give_tiles(daemon: DaemonProcess) -> None:
    """Give the default library 150 tiles."""
    database = new_database(daemon.database)
    fill_library(database, name="default", tiles=150)
    database.close()


def drop(daemon: DaemonProcess, files: Path, name: str) -> None:
    """Drop a file that stands under this name in `files`, at once and whole."""
    target = daemon.inbox / name
    target.parent.mkdir(parents=True, exist_ok=True)
    arriving = daemon.root / "arriving"
    shutil.copy(files / name, arriving)
    arriving.rename(target)


def drop_photo(daemon: DaemonProcess, name: str, *, picture: str = "coffee.png") -> None:
    """Drop a photo, at once and whole."""
    arriving = daemon.inbox / ".arriving"
    shutil.copy(PHOTOS / picture, arriving)
    arriving.rename(daemon.inbox / name)


def drop_film(daemon: DaemonProcess, name: str = "film.mp4", *, seconds: int = FILM_SECONDS) -> None:
    """Drop a film, at once and whole; one of `FILM_SECONDS` takes some seconds to splice."""
    arriving = daemon.inbox / ".arriving.mp4"
    films.encode(arriving, films.numbered(seconds), rate=1, gop=250)
    arriving.rename(daemon.inbox / name)


def workers_of(daemon: int) -> list[psutil.Process]:
    """The workers of a daemon that run just now."""
    with contextlib.suppress(psutil.Error):
        return [
            child
            for child in psutil.Process(daemon).children()
            if any("spawn_main" in word for word in child.cmdline())
        ]
    return []


def worker_of(daemon: DaemonProcess) -> psutil.Process:
    """The daemon's one worker process, once it runs."""
    wait_until(lambda: bool(workers_of(daemon.pid)), what="a worker")
    (worker,) = workers_of(daemon.pid)
    return worker


def samples_stored(daemon: DaemonProcess) -> int:
    """How many samples of dropped films are in the store."""
    return sum(
        count
        for (count,) in daemon.query("SELECT next_sample FROM source WHERE name = CAST('film.mp4' AS BLOB)")
    )


def mosaics(daemon: DaemonProcess) -> list[tuple[str, bool]]:
    """The stem of each mosaic in the store, and whether it has been published; each has been charged once."""
    cells = dict(daemon.query("SELECT mosaic_id, SUM(count) FROM tile_use GROUP BY 1"))
    rows = daemon.query("SELECT id, CAST(stem AS TEXT), published_at, rows * columns FROM mosaic ORDER BY id")
    assert cells == {number: size for number, _, _, size in rows}
    return [(stem, published_at is not None) for _, stem, published_at, _ in rows]


def outbox(daemon: DaemonProcess) -> list[str]:
    """What has been made of photos, without the gallery and word of what is under way."""
    return sorted(path.name for path in daemon.outbox.iterdir() if ".mosaic." in path.name)


@contextlib.contextmanager
def replaced_by_file(folder: Path) -> Iterator[None]:
    """Let a file stand where a folder was: not even root can write into that."""
    aside = folder.with_name(f"{folder.name}-aside")
    folder.rename(aside)
    folder.touch()
    yield
    folder.unlink()
    aside.rename(folder)


@contextlib.contextmanager
def small_disk(folder: Path, *, kilobytes: int = 4000) -> Iterator[Path]:
    """A file system of its own, of this size, at `folder`; what fills it up is the file in the result."""
    _have_own_mounts()
    folder.mkdir(parents=True, exist_ok=True)
    mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder)
    try:
        yield folder / "ballast"
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def make_room(folder: Path) -> None:
    """Make a small disk large."""
    mount("-o", "remount,size=4g", folder)


@contextlib.contextmanager
def unplugged(folder: Path) -> Iterator[None]:
    """Let the disk at `folder` be gone for a while: an empty folder is left in its place."""
    elsewhere = folder.with_name(f"{folder.name}-unplugged")
    elsewhere.mkdir()
    mount("--move", folder, elsewhere)
    yield
    mount("--move", elsewhere, folder)
    elsewhere.rmdir()


def mount(*arguments: str | Path) -> None:
    """Run ``mount``, which has to go well."""
    subprocess.run(["mount", *arguments], check=True)


def fill_up(ballast: Path, *, but_kilobytes: int = 0) -> None:
    """Leave no room on a small disk, or no more than this."""
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    os.truncate(ballast, max(0, ballast.stat().st_size - but_kilobytes * 1024))


@functools.cache
def _have_own_mounts() -> None:
    """Let what is mounted from now on be seen by this process and its children alone, and go with them."""
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS) != 0:
        pytest.skip(f"file systems cannot be mounted here: {os.strerror(ctypes.get_errno())}")
    mount("--make-rprivate", "/")
