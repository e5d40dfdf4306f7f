"""Kills the daemon at random times while it works, and compares what comes of it with an undisturbed run.

    python -m tests.faults.killing --kills 300 --seed 1 --shortest 0.2 --longest 5 --files 120 --folder DIR

Films of several codecs and photos for tiles go to one library, photos for mosaics to another one, which has tiles
and does not grow; `penalty_step` is 0, so that no mosaic depends on those made before it (each is charged all the
same). So the order of things, which kills change, makes no difference, and what must be equal in the end is: the
tiles by content of their source, time, crop and bytes of their image; what each source gave and skipped; for each
photo the tile of every cell, and the uses charged for each tile.

A worker that is killed costs its file an attempt: `attempts_limit` is out of reach. Interruptions count as ever: a
file over which the daemon was killed five times in a row without any gain is rejected, and then missing, which is a
complaint as any other. Exit code 1 if anything is not as it should be; the complaints say what.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

from mosaicd.intake.welcome import WELCOME_FILE
from tests import films
from tests.daemon_process import DaemonProcess, wait_until
from tests.faults.aftermath import Aftermath, aftermath, require_sound
from tests.faults.programs import Programs
from tests.faults.workplace import drop, workers_of
from tests.libraries import fill_library
from tests.stores import new_database

EDGE = 24
LIBRARY_TILES = 300
FILM_SAMPLES = 300
SETTINGS: dict[str, Any] = {
    "cells_on_long_side": 40,
    "tile_edge_pixels": EDGE,
    "minimum_tiles": 20,
    "settle_seconds": 0.1,
    "retry_seconds": 0.2,
    "penalty_step": 0,
    "attempts_limit": 1_000_000,
    "rescan_seconds": 5,
}
_CODECS = [
    ("libx264", ".mp4"),
    ("libx265", ".mp4"),
    ("libvpx-vp9", ".webm"),
    ("libsvtav1", ".mkv"),
    ("mpeg4", ".avi"),
    ("libvpx", ".webm"),
]
_PICTURES = ["astronaut", "chelsea", "coffee", "rocket"]
_VICTIMS = ["the daemon", "a worker", "the process group"]
_WEIGHTS = [70, 15, 15]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be killed, and when.

    Attributes
    ----------
    shortest, longest : float
        Seconds from a start of the daemon, or from the last kill of a worker, to the next kill: any between these.
    dropped_by : float
        After this share of the kills all files have been dropped: the smaller, the more kills fall inside work.
    """

    kills: int
    seed: int
    shortest: float
    longest: float
    files: int
    dropped_by: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of it."""

    aftermath: Aftermath
    differences: list[str]
    victims: dict[str, int] = field(default_factory=dict)
    stages: dict[str, int] = field(default_factory=dict)
    """What a job was at when its daemon or worker was killed; one for each job."""
    inside_work: int = 0
    """Kills while a job ran."""
    reasons: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def complaints(self) -> list[str]:
        """What is not as it should be."""
        found = [
            *self.aftermath.flaws(),
            *(f"the {part} differ from an undisturbed run's" for part in self.differences),
        ]
        found += [f"{path} is rejected, and nothing is wrong with it" for path in self.aftermath.rejected]
        if self.inside_work == 0:
            found.append("no kill fell inside work, so that nothing is shown")
        return found


class KilledDaemon(DaemonProcess):
    """A daemon in a process group of its own.

    Parameters
    ----------
    folder : Path
    programs : Programs
    """

    def __init__(self, folder: Path, programs: Programs) -> None:
        super().__init__(folder, **SETTINGS)
        self._programs = programs
        self._number = 0

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._number

    def start(self, *extra: str) -> None:
        """Start it; does not wait."""
        self._number = self._programs.start(self, self.root / "no plan", "run", *extra)

    def run_until_idle(self) -> int:
        """Run it with --until-idle; the exit code."""
        self.start("--until-idle")
        return self._programs.wait()

    def kill(self) -> None:
        """Kill it at once."""
        os.kill(self.pid, signal.SIGKILL)
        assert self._programs.wait() == -signal.SIGKILL

    def kill_group(self) -> None:
        """Kill it and its workers at once."""
        os.killpg(self.pid, signal.SIGKILL)
        assert self._programs.wait() == -signal.SIGKILL

    def kill_worker(self, chance: random.Random) -> bool:
        """Kill one of its workers alone; whether there was one."""
        with contextlib.suppress(psutil.Error):
            found = workers_of(self.pid)
            if found:
                chance.choice(found).kill()
                return True
        return False


def make_files(folder: Path, count: int) -> list[str]:
    """Make films and photos, of three kinds in turn; their paths in the inbox."""
    makers: list[Callable[[Path, int], str]] = [_film, _photo, _tile_photo]
    return [makers[number % 3](folder, number) for number in range(count)]


def _film(folder: Path, number: int) -> str:
    codec, suffix = _CODECS[number // 3 % len(_CODECS)]
    path = f"family/film-{number}{suffix}"
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    frames = films.pan(_PICTURES[number % 4], FILM_SAMPLES + number)
    films.encode(folder / path, frames, codec=codec, rate=1, gop=20)
    return path


def _photo(folder: Path, number: int) -> str:
    path = f"photo-{number}{('.png', '.jpg', '.webp')[number // 3 % 3]}"
    _picture(number).save(folder / path)
    return path


def _tile_photo(folder: Path, number: int) -> str:
    path = f"family/tiles/face-{number}.jpg"
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    _picture(number).save(folder / path)
    return path


def _picture(number: int) -> Image.Image:
    whole = Image.fromarray(films.photo(_PICTURES[number % 4]))
    inset = number % 60
    return whole.crop((inset, inset // 2, whole.width - inset // 3, whole.height - inset))


def house(folder: Path, programs: Programs) -> KilledDaemon:
    """A daemon, not started, with a library that has tiles."""
    daemon = KilledDaemon(folder, programs)
    database = new_database(daemon.database)
    fill_library(database, name="default", tiles=LIBRARY_TILES)
    database.close()
    return daemon


def killed_run(daemon: KilledDaemon, plan: Plan, files: Path, names: list[str]) -> Report:
    """Work on all files while being killed; what came of it, not yet compared with anything."""
    chance = random.Random(plan.seed)
    to_come = iter(chance.sample(names, len(names)))
    victims: Counter[str] = Counter()
    stages: Counter[str] = Counter()
    inside_work = 0
    dropped = 0
    daemon.start()
    for kill in range(plan.kills):
        due = time.monotonic() + chance.uniform(plan.shortest, plan.longest)
        while dropped < min(plan.files, (kill + 1) / (plan.dropped_by * plan.kills) * plan.files):
            time.sleep(max(0.0, chance.uniform(0, 0.5) * (due - time.monotonic())))
            drop(daemon, files, next(to_come))
            dropped += 1
        time.sleep(max(0.0, due - time.monotonic()))
        if (
            kill == plan.kills - 1 and inside_work == 0
        ):  # the machine may be too busy for any start to get so far
            wait_until(lambda: has_begun(daemon), what="work that can be killed")
        (victim,) = chance.choices(_VICTIMS, _WEIGHTS)
        running = list(stages_at_hand(daemon)) if victim == "a worker" else []
        if victim != "a worker" or not daemon.kill_worker(chance):
            victim = "the daemon" if victim == "a worker" else victim
            daemon.kill_group() if victim == "the process group" else daemon.kill()
            running = list(stages_at_hand(daemon))
            require_sound(daemon)
            daemon.start()
        else:
            require_sound(daemon)
        victims[victim] += 1
        stages.update(running)
        inside_work += bool(running)
    for name in to_come:
        drop(daemon, files, name)
    daemon.kill()
    daemon.run_until_idle()
    require_sound(daemon)
    found = aftermath(daemon, names, [name for name in names if "/" not in name], edge=EDGE)
    reasons = [path.read_text().strip() for path in daemon.rejected.rglob("*.reason.txt")]
    return Report(
        aftermath=found,
        differences=[],
        victims=dict(victims),
        stages=dict(stages),
        inside_work=inside_work,
        reasons=reasons,
    )


def has_begun(daemon: DaemonProcess) -> bool:
    """Whether a job runs, or there is nothing left to begin."""
    left = [path for path in daemon.inbox.rglob("*") if path.is_file() and path.name != WELCOME_FILE]
    return not left or any(stages_at_hand(daemon))


def stages_at_hand(daemon: DaemonProcess) -> Iterator[str]:
    """How far each job is that runs, by what of it outlives a kill."""
    if not daemon.query("SELECT 1 FROM sqlite_schema WHERE name = 'job'"):
        return
    for path, kind, moved_to, completed, samples, stem, published in daemon.query(
        "SELECT CAST(path AS TEXT), job.kind, moved_to, completed_at, next_sample, CAST(stem AS TEXT), published_at"
        " FROM job LEFT JOIN source ON source.library_id = job.library_id AND source.sha256 = job.sha256"
        " LEFT JOIN mosaic ON job_id = job.id WHERE state = 'running'"
    ):
        what = "mosaic" if kind == "mosaic" else "photo for tiles" if "/tiles/" in path else "film"
        if moved_to is not None:
            stage = "being archived"
        elif completed is not None or published is not None:
            stage = "done, not archived"
        elif stem is not None and (daemon.outbox / f"{stem}.mosaic.jpg").exists():
            stage = "image in the outbox"
        elif stem is not None and (daemon.outbox / f"{stem}.mosaic.json").exists():
            stage = "report in the outbox"
        elif stem is not None:
            stage = "placement recorded"
        elif samples:
            stage = "some samples stored"
        else:
            stage = "nothing stored yet"
        yield f"{what}, {stage}"


def outcome(daemon: DaemonProcess) -> dict[str, Any]:
    """All that must be equal to an undisturbed run's."""
    return {
        "tiles": [(sha256, time_us, crop, hash(jpeg)) for sha256, time_us, crop, jpeg in daemon.tile_set()],
        "sources": daemon.query(
            "SELECT sha256, next_sample, tiles_made, skipped_black, skipped_blank, skipped_repeated,"
            " skipped_blurred, skipped_credits, skipped_duplicate, shortfall,"
            " duration_seconds FROM source ORDER BY library_id, sha256"
        ),
        "placements": daemon.query(
            "SELECT photo_name, tiles, mirrored, corrections FROM mosaic JOIN mosaic_placement"
            " ON mosaic_id = mosaic.id ORDER BY photo_name"
        ),
        "uses": daemon.query(
            "SELECT photo_name, tile_id, count FROM tile_use JOIN mosaic ON mosaic.id = mosaic_id ORDER BY 1, 2"
        ),
        "sums": daemon.query("SELECT tile_id, SUM(count) FROM tile_use GROUP BY 1 ORDER BY 1"),
    }


def run(plan: Plan, folder: Path) -> Report:
    """Work on the same files twice, killed and undisturbed; what came of it."""
    start = time.monotonic()
    names = make_files(folder / "files", plan.files)
    with Programs() as programs:
        killed, undisturbed = (house(folder / name, programs) for name in ("killed", "undisturbed"))
        report = killed_run(killed, plan, folder / "files", names)
        for name in names:
            drop(undisturbed, folder / "files", name)
        undisturbed.run_until_idle()
    ours, theirs = outcome(killed), outcome(undisturbed)
    return Report(
        **{
            name: getattr(report, name)
            for name in ("aftermath", "victims", "stages", "inside_work", "reasons")
        },
        differences=[part for part in ours if ours[part] != theirs[part]],
        seconds=time.monotonic() - start,
    )


def main() -> None:
    """Kill, and say what came of it; the exit code is 1 if it is not what it should be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shortest", type=float, default=0.2)
    parser.add_argument("--longest", type=float, default=5.0)
    parser.add_argument("--files", type=int, default=120)
    parser.add_argument("--dropped-by", type=float, default=0.2)
    parser.add_argument("--folder", type=Path, required=True)
    options = vars(parser.parse_args())
    folder: Path = options.pop("folder")
    if folder.exists():
        shutil.rmtree(folder)
    report = run(Plan(**options), folder)
    print(json.dumps(asdict(report), indent=2, default=str))
    complaints = report.complaints()
    print(
        "\n".join(f"COMPLAINT: {complaint}" for complaint in complaints) or "nothing lost, nothing done twice"
    )
    sys.exit(bool(complaints))


if __name__ == "__main__":
    main()
