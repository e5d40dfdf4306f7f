"""A long life: thousands of jobs in one run of the real daemon, and whether anything of it grows.

``python -m tests.faults.long_life --jobs 2000 --folder DIR`` drops photos, films, photos for tiles and broken
files, round by round, and looks at the daemon after each round, when it is at rest. As many films go out of use as
come, so that the library stays the size it is; what grows is only what is kept: the database and the folders.
Exit code 1 if anything else does; the complaints say what.
"""

import argparse
import itertools
import json
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from mosaicd.store.database import Database
from mosaicd.store.libraries import find_library
from mosaicd.store.tiles import remove_source, sources_of
from tests.daemon_process import DaemonProcess, wait_until
from tests.faults.workplace import furnished
from tests.films import encode
from tests.libraries import PHOTOS, varied_squares

DAEMON, SPLICE, MOSAIC = "mosaicd", "mosaicd-splice", "mosaicd-mosaic"
_PICTURES = ("coffee.png", "chelsea.png", "rocket.jpg", "astronaut.png")
_CODECS = (("mp4", "libx264"), ("webm", "libvpx-vp9"), ("mkv", "libx265"), ("mov", "mpeg4"))
_FILM_SECONDS = 12
_FILMS_IN_USE = 20
_ROUND_SECONDS = 900.0
_LOG_OF_CHANGES_LIMIT = 8 * 2**20
_MOST_GROWTH = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What a process takes, and the descriptors and threads that it has.

    Attributes
    ----------
    own, proportional, resident : float
        Megabytes: its own alone (Private_Dirty), with its share of what it shares (Pss), all (Rss).
    """

    process: int
    own: float
    proportional: float
    resident: float
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The daemon at rest, after a round of jobs.

    Attributes
    ----------
    jobs : int
        So far.
    seconds, daemon_seconds, mosaic_seconds : float
        For a job of this round: by the clock, of the daemon's own processor time, and the median of its mosaics.
    log_of_changes_bytes : int
        Of SQLite's write-ahead log.
    """

    jobs: int
    seconds: float
    daemon_seconds: float
    mosaic_seconds: float
    log_of_changes_bytes: int
    files_in_staging: int
    processes: dict[str, Memory]


class Life:
    """A daemon with a small library, what is dropped for it, and looks at it.

    Parameters
    ----------
    folder : Path
        An empty one, or none yet.
    """

    def __init__(self, folder: Path) -> None:
        self.daemon: DaemonProcess = furnished(folder)
        self._database = Database(self.daemon.database)
        self._material = folder / "material"
        self._material.mkdir()
        self._dropped = self._published = self._log_read = 0

    def looks(self, *, jobs: int) -> Iterator[Look]:
        """Drop files until there were so many jobs; a look after each round."""
        while self._dropped < jobs:
            files = list(self._round())
            os.kill(self.daemon.pid, signal.SIGHUP)
            processor, start = self._processor_seconds(), time.monotonic()
            for file, place in files:
                target = self.daemon.inbox / place
                target.parent.mkdir(exist_ok=True)
                file.rename(target)
            self._dropped += len(files)
            wait_until(self._is_at_rest, what=f"{self._dropped} jobs", seconds=_ROUND_SECONDS)
            seconds, processor = time.monotonic() - start, self._processor_seconds() - processor
            self._let_films_go()
            yield self._look(seconds / len(files), processor / len(files))

    def _round(self) -> Iterator[tuple[Path, str]]:
        """Twenty files, and where each is to go: eleven mosaics, four films and five photos for tiles, two bad."""
        for number in range(self._dropped, self._dropped + 20):
            match number % 20:
                case place if place < 10:
                    yield self._photo(number), f"{number}.jpg"
                case 10:
                    yield self._cut(self._photo(number)), f"{number}.jpg"
                case place if place < 14:
                    yield self._film(number), f"{number}.{_CODECS[number % 4][0]}"
                case 14:
                    yield self._cut(self._film(number)), f"{number}.{_CODECS[number % 4][0]}"
                case _:
                    yield self._photo(number), f"tiles/{number}.jpg"

    def _photo(self, number: int) -> Path:
        """A photo like no other: of any size, part of one of the pictures, in a light of its own."""
        random = np.random.default_rng(number)
        with Image.open(PHOTOS / _PICTURES[number % len(_PICTURES)]) as picture:
            left, top = (int(random.integers(0, side // 4)) for side in picture.size)
            part = picture.convert("RGB").crop((left, top, *picture.size))
        edge = int(random.choice([240, 640, 1600, 3000], p=[0.3, 0.4, 0.2, 0.1]))
        part = part.resize((edge, round(edge * part.height / part.width)))
        path = self._material / f"{number}.jpg"
        part.point(lambda value: value * random.uniform(0.6, 1.2)).save(path, quality=85)
        return path

    def _film(self, number: int) -> Path:
        container, codec = _CODECS[number % len(_CODECS)]
        frames = varied_squares(_FILM_SECONDS, seed=number, edge=128)
        return encode(self._material / f"{number}.{container}", frames, codec=codec, rate=1)

    @staticmethod
    def _cut(file: Path) -> Path:
        os.truncate(file, file.stat().st_size // 2)
        return file

    def _is_at_rest(self) -> bool:
        ended = "SELECT count(*) FROM job WHERE state IN ('done', 'rejected')"
        return self.daemon.query(ended) == [(self._dropped,)]

    def _let_films_go(self) -> None:
        with self._database.write() as session:
            library = find_library(session, "default")
            assert library is not None
            first, *others = sources_of(session, library.id)
            assert first.name.startswith("film"), "the tiles that were there at first stay"
            for source in others[:-_FILMS_IN_USE]:
                remove_source(session, source, now=time.time())

    def _processor_seconds(self) -> float:
        times = psutil.Process(self.daemon.pid).cpu_times()
        return float(times.user + times.system)

    def _look(self, seconds: float, daemon_seconds: float) -> Look:
        with self.daemon.log_file.open("rb") as log:
            log.seek(self._log_read)
            lines = [json.loads(line) for line in log]
            self._log_read = log.tell()
        return Look(
            jobs=self._dropped,
            seconds=seconds,
            daemon_seconds=daemon_seconds,
            mosaic_seconds=statistics.median(
                line["seconds"] for line in lines if line["event"] == "mosaic_published"
            ),
            log_of_changes_bytes=self.daemon.database.with_name("mosaicd.sqlite3-wal").stat().st_size,
            files_in_staging=len(list((self.daemon.root / ".staging").iterdir())),
            processes=memories(self.daemon.pid),
        )


def memories(daemon: int) -> dict[str, Memory]:
    """What the daemon and its workers take, by their names."""
    parent = psutil.Process(daemon)
    workers = {child.name(): child for child in parent.children() if child.name() in {SPLICE, MOSAIC}}
    return {name: _memory(process) for name, process in {DAEMON: parent, **workers}.items()}


def _memory(process: psutil.Process) -> Memory:
    found = {}
    for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, kilobytes, _ = line.split()
        found[name] = int(kilobytes) / 1024
    return Memory(
        process=process.pid,
        own=found["Private_Dirty:"],
        proportional=found["Pss:"],
        resident=found["Rss:"],
        descriptors=process.num_fds(),
        threads=process.num_threads(),
    )


def quarters(looks: Sequence[Look]) -> list[Sequence[Look]]:
    """The looks of each quarter of the life."""
    bounds = [round(len(looks) * place / 4) for place in range(5)]
    return [looks[start:end] for start, end in itertools.pairwise(bounds)]


def table(looks: Sequence[Look]) -> str:
    """The means of each quarter, and the last one's share of the second's."""
    figures: dict[str, Callable[[Look], float]] = {
        "seconds a job": lambda look: look.seconds,
        "daemon's processor ms a job": lambda look: 1000 * look.daemon_seconds,
        "seconds a mosaic (median)": lambda look: look.mosaic_seconds,
        "write-ahead log, MB": lambda look: look.log_of_changes_bytes / 2**20,
        "files in staging": lambda look: look.files_in_staging,
    }
    for name in (DAEMON, SPLICE, MOSAIC):
        for fact, unit in (
            ("own", ", MB"), ("proportional", ", MB"), ("resident", ", MB"), ("descriptors", ""), ("threads", "")
        ):  # fmt: skip
            figures[f"{name} {fact}{unit}"] = lambda look, name=name, fact=fact: getattr(  # type: ignore[misc]
                look.processes[name], fact
            )
    rows = [f"{'':32}{'1st':>9}{'2nd':>9}{'3rd':>9}{'4th':>9}{'4th/2nd':>9}"]
    for title, figure in figures.items():
        means = [statistics.fmean(figure(look) for look in part) for part in quarters(looks)]
        ratio = f"{means[3] / means[1]:9.3f}" if means[1] else f"{'':9}"
        rows.append(f"{title:32}" + "".join(f"{mean:9.3f}" for mean in means) + ratio)
    return "\n".join(rows)


def complaints(looks: Sequence[Look], *, most_growth: float) -> Iterator[str]:
    """What has grown that must not, from the second quarter on: before it, not everything has been loaded.

    Parameters
    ----------
    looks : sequence of Look
    most_growth : float
        Mean memory in the last quarter, as a share of that in the second, may be so much more than 1.
    """
    _, second, third, last = quarters(looks)
    for name in (DAEMON, SPLICE, MOSAIC):
        settled = [look.processes[name] for look in (*second, *third, *last)]
        for fact in ("own", "resident"):
            before, after = (
                statistics.fmean(getattr(look.processes[name], fact) for look in part)
                for part in (second, last)
            )
            if after > (1 + most_growth) * before:
                yield f"{name}: {fact} memory has grown from {before:.1f} to {after:.1f} MB"
        for fact in ("process", "descriptors", "threads"):
            values = sorted({getattr(memory, fact) for memory in settled})
            if len(values) > 1:
                yield f"{name}: {fact} is not the same all the time: {values}"
    if any(look.files_in_staging for look in looks):
        yield "files are left in staging"
    most = max(look.log_of_changes_bytes for look in looks)
    if most > _LOG_OF_CHANGES_LIMIT:
        yield f"the write-ahead log has grown to {most / 2**20:.1f} MB"


def main() -> None:
    """Live, print a line after each round, and the table at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000, help="80 or more: four rounds")
    parser.add_argument("--folder", type=Path, required=True, help="not there yet, or empty")
    options = parser.parse_args()
    life = Life(options.folder)
    looks = []
    with life.daemon as daemon, (options.folder / "looks.jsonl").open("w") as file:
        daemon.wait_for("daemon_ready")
        for look in life.looks(jobs=options.jobs):
            looks.append(look)
            print(json.dumps(asdict(look)), file=file, flush=True)
            own = {name: f"{memory.own:.1f}" for name, memory in look.processes.items()}
            print(f"{look.jobs} jobs, {look.seconds:.2f} s each, own MB {own}", flush=True)
        code = daemon.terminate()
    deaths = len(daemon.events("worker_died"))
    print(f"{table(looks)}\nworkers died: {deaths}; ended with exit code {code}")
    found = list(complaints(looks, most_growth=_MOST_GROWTH))
    print("\n".join(f"COMPLAINT: {complaint}" for complaint in found) or "nothing has grown")
    sys.exit(bool(found or deaths or code))


if __name__ == "__main__":
    main()
