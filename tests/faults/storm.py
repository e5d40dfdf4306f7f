"""A storm: thousands of small photos for tiles from several writers at once, and photos for mosaics besides.

Run as ``python -m tests.faults.storm --tiles 30000 --writers 8 --photos 300 --folder DIR [--blind]``; with
``--blind`` the daemon hears of no event, and has its rescans alone. Exit code 1 if anything is not as it should be;
the complaints say what.
"""

import argparse
import hashlib
import io
import itertools
import math
import multiprocessing
import os
import shutil
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import psutil
from PIL import Image

from tests.daemon_process import DaemonProcess, wait_until
from tests.faults.workplace import QUICK
from tests.libraries import PHOTOS, fill_library
from tests.stores import new_database

WARM = "warm"
WATCHDOG_SECONDS = 1.5
SERVICE_WATCHDOG_SECONDS = 60.0
"""WatchdogSec of the units: after so long without a sign of life, systemd ends the daemon."""
ADMITTED_AT_ONCE = 500
_PICTURES = ("coffee.png", "chelsea.png", "astronaut.png")
_FOLDERS = ("tiles", "tiles/at once", "second/tiles", "second/tiles/at once")
_WORKERS = 2
_ENDS = {"source_spliced", "mosaic_published", "job_rejected"}
_LIBRARIES = ("default", "default", "second", "second")


@dataclass(frozen=True, kw_only=True)
class Rescans:
    """What the daemon's rescans were good for, by its log.

    Attributes
    ----------
    missed : int
        How many files the first of them that began after the last file was written did not find, besides those
        that each worker may have had on its way to the archive.
    until_admitted : int
        How many came after the last file was written, until the last file was admitted.
    needed : int
        More than so many cannot come until then if the first whole one finds all: one that may have begun before,
        that one, one until all has settled, and one for each portion that is admitted at once.
    seconds_to_admit : float
        From the end of that first whole one until the last file was admitted.
    """

    missed: int
    until_admitted: int
    needed: int
    seconds_to_admit: float


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of a storm. Steps are those of the daemon's loop, which rests for at most half a second."""

    lost: int
    done_twice: int
    rejected: int
    rescans: Rescans | None
    seconds_until_written: float
    seconds_until_admitted: float
    seconds_until_warm_mosaics: float
    seconds: float
    jobs_per_second: float
    cpu_seconds_of_parent: float
    peak_megabytes_of_parent: float
    seconds_between_steps: float

    def complaints(self) -> list[str]:
        """What is not as it should be."""
        counts = {"lost": self.lost, "done twice": self.done_twice, "rejected": self.rejected}
        found = [f"{count} files are {what}" for what, count in counts.items() if count]
        if not 0 < self.seconds_between_steps < SERVICE_WATCHDOG_SECONDS:
            found.append(f"{self.seconds_between_steps:.1f} s without a sign of life")
        if self.rescans is not None and self.rescans.missed:
            found.append(f"{self.rescans.missed} files were not found by the first rescan after them")
        if self.rescans is not None and self.rescans.until_admitted > self.rescans.needed:
            found.append(f"it took {self.rescans.until_admitted} rescans to admit all")
        return found


def rescans(lines: list[dict[str, Any]], *, files: int, written_at: float) -> Rescans:
    """Find out what rescans were good for.

    Parameters
    ----------
    lines : list of dict
        The log.
    files : int
        How many were written.
    written_at : float
        When the last of them was written at the latest, in seconds since 1970.
    """

    def moment(line: dict[str, Any]) -> float:
        return datetime.fromisoformat(line["timestamp"]).timestamp()

    scans = [number for number, line in enumerate(lines) if line["event"] == "inbox_scanned"]
    already_there = lines[scans[0]]["files"]
    later = [number for number in scans if moment(lines[number]) > written_at]
    last_admitted = max(number for number, line in enumerate(lines) if line["event"] == "job_admitted")
    whole = later[1] if len(later) > 1 else last_admitted
    ended = sum(line["event"] in _ENDS for line in lines[:whole])
    found = ended + lines[whole]["files"] - already_there if len(later) > 1 else files
    return Rescans(
        missed=max(0, files - found - _WORKERS),
        until_admitted=sum(number < last_admitted for number in later),
        needed=3 + math.ceil(files / ADMITTED_AT_ONCE),
        seconds_to_admit=max(0.0, moment(lines[last_admitted]) - moment(lines[whole])),
    )


class StormedDaemon(DaemonProcess):
    """A daemon whose signs of life are timed, as systemd would hear of them.

    Parameters
    ----------
    folder : Path
    module : str
        What is run.
    """

    def __init__(self, folder: Path, *, module: str, **settings: Any) -> None:
        super().__init__(folder, **QUICK | settings)
        self._longest_silence = 0.0
        self._last_sign = time.monotonic()
        self._module = module
        self._address = f"mosaicd-storm-{os.getpid()}-{id(self)}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{self._address}")
        self._listener = threading.Thread(target=self._listen, daemon=True)

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", self._module]

    @property
    def seconds_between_steps(self) -> float:
        """The longest time without a sign of life so far, from the start on."""
        return max(self._longest_silence, time.monotonic() - self._last_sign)

    def environment(self) -> dict[str, str]:
        microseconds = str(int(WATCHDOG_SECONDS * 1e6))
        return super().environment() | {"NOTIFY_SOCKET": f"@{self._address}", "WATCHDOG_USEC": microseconds}

    def __enter__(self) -> Self:
        self._last_sign = time.monotonic()
        self._listener.start()
        return super().__enter__()

    def __exit__(self, *details: object) -> None:
        super().__exit__(*details)
        self._socket.shutdown(socket.SHUT_RD)
        self._listener.join()
        self._socket.close()

    def _listen(self) -> None:
        while message := self._socket.recv(65_536):
            if message == b"WATCHDOG=1":
                self._longest_silence = self.seconds_between_steps
                self._last_sign = time.monotonic()


def square(number: int) -> bytes:
    """A small JPEG unlike any other; colourful, so that it becomes a tile."""
    random = np.random.default_rng(number)
    blocks = random.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(blocks.repeat(8, axis=0).repeat(8, axis=1)).save(file, "JPEG", quality=80)
    return file.getvalue()


def square_path(number: int) -> str:
    """Where in the inbox a square is dropped."""
    return f"{_FOLDERS[number % len(_FOLDERS)]}/{number // 1000}/{number}.jpg"


def photo_path(number: int) -> str:
    """Where in the inbox a photo for a mosaic is dropped: in the warm library or a stormed one."""
    return f"{WARM}/photo {number}.jpg" if number % 2 else f"photo {number}.jpg"


def write_squares(inbox: Path, numbers: range) -> float:
    """Drop squares as one of the writers: some bit by bit, some at once; when the last was there, since 1970."""
    for number in numbers:
        path, content = inbox / square_path(number), square(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        if "at once" in path.parts:
            arriving = path.with_name(f"{path.name}.part")
            arriving.write_bytes(content)
            arriving.rename(path)
            continue
        with path.open("wb", buffering=0) as file:
            file.write(content[:100])
            file.write(content[100:])
    return time.time()


def photo(number: int) -> bytes:
    """A small photo."""
    image = Image.open(PHOTOS / _PICTURES[number % len(_PICTURES)]).convert("RGB")
    image.thumbnail((200, 200))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=60 + number % 30)
    return file.getvalue()


class Storm:
    """Files that are dropped while a daemon runs.

    Parameters
    ----------
    daemon : StormedDaemon
        Runs.
    tiles, writers, photos : int
        How many.
    """

    def __init__(self, daemon: StormedDaemon, *, tiles: int, writers: int, photos: int) -> None:
        self._daemon = daemon
        self._tiles, self._writers, self._photos = tiles, writers, photos
        self._start = time.monotonic()

    def rage(self, *, is_blind: bool, patience_seconds: float) -> Result:
        """Drop all files, wait until they are done, and find out whether they are."""
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(self._writers, mp_context=context) as pool:
            portions = [range(number, self._tiles, self._writers) for number in range(self._writers)]
            written = pool.map(write_squares, itertools.repeat(self._daemon.inbox), portions)
            for number in range(self._photos):
                arriving = self._daemon.root / "arriving"
                arriving.write_bytes(photo(number))
                target = self._daemon.inbox / photo_path(number)
                target.parent.mkdir(exist_ok=True)
                arriving.rename(target)
            written_at = max(time.time(), *written)
        seconds_until_written = self._seconds()
        total = self._tiles + self._photos
        self._wait(lambda: self._jobs("1") >= total, patience_seconds, "all files being admitted")
        seconds_until_admitted = self._seconds()
        warm, in_warm = self._photos // 2, "library_id = (SELECT id FROM library WHERE name = 'warm')"
        self._wait(
            lambda: self._jobs(f"{in_warm} AND ended_at IS NOT NULL") >= warm,
            patience_seconds,
            "the warm library's mosaics",
        )
        seconds_until_warm = self._seconds()
        self._wait(lambda: self._jobs("ended_at IS NOT NULL") >= total, patience_seconds, "all done")
        seconds = self._seconds()
        parent = psutil.Process(self._daemon.pid)
        return Result(
            lost=self._lost(),
            done_twice=self._done_twice(),
            rejected=self._jobs("state = 'rejected'"),
            rescans=rescans(self._daemon.lines(), files=total, written_at=written_at) if is_blind else None,
            seconds_until_written=seconds_until_written,
            seconds_until_admitted=seconds_until_admitted,
            seconds_until_warm_mosaics=seconds_until_warm,
            seconds=seconds,
            jobs_per_second=total / seconds,
            cpu_seconds_of_parent=sum(parent.cpu_times()[:2]),
            peak_megabytes_of_parent=peak_bytes(self._daemon.pid) / 1e6,
            seconds_between_steps=self._daemon.seconds_between_steps,
        )

    def _seconds(self) -> float:
        return time.monotonic() - self._start

    def _wait(self, condition: Any, seconds: float, what: str) -> None:
        wait_until(condition, what=what, seconds=seconds)

    def _jobs(self, condition: str) -> int:
        ((count,),) = self._daemon.query(f"SELECT COUNT(*) FROM job WHERE {condition}")  # noqa: S608
        return int(count)

    def _lost(self) -> int:
        """How many files are not what they should have become, or are not in the archive alone."""
        sources = {
            (name, digest)
            for name, digest in self._daemon.query(
                "SELECT library.name, sha256 FROM source JOIN library ON library.id = library_id"
                " WHERE completed_at IS NOT NULL AND tiles_made = 1"
                " AND (SELECT COUNT(*) FROM tile JOIN master ON tile_id = tile.id WHERE source_id = source.id) = 1"
            )
        }
        published = {
            name
            for (name,) in self._daemon.query(
                "SELECT CAST(photo_name AS TEXT) FROM mosaic WHERE published_at IS NOT NULL"
            )
        }
        lost = 0
        for number in range(self._tiles):
            path, content = square_path(number), square(number)
            source = (_LIBRARIES[number % len(_LIBRARIES)], hashlib.sha256(content).digest())
            lost += source not in sources or not self._is_archived(path, content)
        for number in range(self._photos):
            path = photo_path(number)
            image = self._daemon.outbox / Path(path).with_suffix(".mosaic.jpg")
            is_whole = path in published and image.is_file() and self._is_archived(path, photo(number))
            lost += not is_whole
        return lost

    def _is_archived(self, path: str, content: bytes) -> bool:
        archived = self._daemon.archive / path
        return (
            archived.is_file()
            and archived.read_bytes() == content
            and not (self._daemon.inbox / path).exists()
        )

    def _done_twice(self) -> int:
        """How many files had more than one job that ended well, and how many files there are too many."""
        paths = Counter(path for (path,) in self._daemon.query("SELECT path FROM job WHERE state = 'done'"))
        mosaics = Counter(path for (path,) in self._daemon.query("SELECT photo_name FROM mosaic"))
        archived = sum(1 for _ in files_in(self._daemon.archive))
        images = sum(1 for path in files_in(self._daemon.outbox) if path.suffix == ".jpg")
        return (
            sum(count > 1 for counts in (paths, mosaics) for count in counts.values())
            + max(0, archived - self._tiles - self._photos)
            + max(0, images - self._photos)
        )


def files_in(folder: Path) -> Iterator[Path]:
    """Every file below a folder."""
    return (path for path in folder.rglob("*") if path.is_file())


def peak_bytes(pid: int) -> int:
    """The most memory that a process has held so far."""
    (line,) = [
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:")
    ]
    return int(line.split()[1]) * 1024


def run(
    folder: Path, *, tiles: int, writers: int, photos: int, is_blind: bool, patience_seconds: float
) -> Result:
    """Let a storm rage in an empty folder."""
    module = "tests.faults.blind_daemon" if is_blind else "mosaicd"
    daemon = StormedDaemon(
        folder,
        module=module,
        rescan_seconds=5 if is_blind else 60,
        settle_seconds=1,
        log_level="debug" if is_blind else "info",
    )
    database = new_database(daemon.database)
    fill_library(database, name=WARM, tiles=150)
    database.close()
    with daemon:
        daemon.wait_for("daemon_ready")
        if is_blind:
            daemon.wait_for("inbox_scanned")
        result = Storm(daemon, tiles=tiles, writers=writers, photos=photos).rage(
            is_blind=is_blind, patience_seconds=patience_seconds
        )
        daemon.terminate()
    return result


def main() -> None:
    """Let a storm rage, and print what came of it; the exit code is 1 if it is not what it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=30_000)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--blind", action="store_true")
    parser.add_argument("--patience-seconds", type=float, default=3600)
    given = parser.parse_args()
    shutil.rmtree(given.folder, ignore_errors=True)
    result = run(
        given.folder,
        tiles=given.tiles,
        writers=given.writers,
        photos=given.photos,
        is_blind=given.blind,
        patience_seconds=given.patience_seconds,
    )
    facts = asdict(result)
    for name, value in (facts | (facts.pop("rescans") or {})).items():
        print(f"{name}: {value:,.10g}")
    complaints = result.complaints()
    print(
        "\n".join(f"COMPLAINT: {complaint}" for complaint in complaints) or "nothing lost, nothing done twice"
    )
    sys.exit(bool(complaints))


if __name__ == "__main__":
    main()
