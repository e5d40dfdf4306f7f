"""A daemon with what it works on, to be killed at one crash point after the other."""

import hashlib
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from mosaicd.crash_points import CrashPoint
from tests import films
from tests.daemon_process import DaemonProcess
from tests.faults.aftermath import Aftermath, aftermath, require_sound
from tests.faults.killed_at import HOLDING_NAMES
from tests.faults.programs import Programs

SAMPLES = 60
EDGE = 16
Point = CrashPoint | tuple[CrashPoint, int]
_KILLED = -signal.SIGKILL


class House:
    """A daemon with what it works on, to be killed."""

    def __init__(self, folder: Path, programs: Programs, daemon: DaemonProcess) -> None:
        self.folder = folder
        self.daemon = daemon
        self.plan = folder / "plan"
        self.plan.mkdir(exist_ok=True)
        self._programs = programs
        self._planned: set[CrashPoint] = set()

    def planned(self, *points: Point, victim: str = "daemon") -> None:
        """Plan kills at these points, each the first time in a process, or the time that is given with it."""
        for each in points:
            point, occurrence = each if isinstance(each, tuple) else (each, 1)
            (self.plan / point).write_text(f"{occurrence} {victim}")
            self._planned.add(point)

    def kill_at(self, *points: Point, command: tuple[str, ...] = ()) -> None:
        """Be killed at each of these points, one after the other."""
        for point in points:
            self.planned(point)
            assert self.run(*command) == _KILLED, (point, self.daemon.lines()[-5:])
            assert not self.is_planned, point
            require_sound(self.daemon)
            self.forget_interruptions()

    def forget_interruptions(self) -> None:
        """Not to be put aside for being killed too often: a test of its own is about that."""
        with closing(sqlite3.connect(self.daemon.database)) as connection, connection:
            connection.execute("UPDATE job SET interruptions = 0")

    def run(self, *command: str) -> int:
        return self._programs.run(self.daemon, self.plan, *(command or ("run", "--until-idle")))

    @property
    def is_planned(self) -> bool:
        return any(path.name != HOLDING_NAMES for path in self.plan.iterdir())

    @property
    def killed_at(self) -> set[CrashPoint]:
        """The points at which a kill has come about."""
        return {point for point in self._planned if not (self.plan / point).exists()}

    def is_staged(self, path: str) -> bool:
        """Whether one file is being made, and it is this one of the outbox."""
        digest = hashlib.sha256(os.fsencode(self.daemon.outbox / path)).hexdigest()
        return [place.name for place in (self.daemon.root / ".staging").iterdir()] == [f"{digest}.staged"]

    def outdate_descriptors(self) -> None:
        with closing(sqlite3.connect(self.daemon.database)) as connection, connection:
            connection.execute("UPDATE descriptor SET scheme = scheme - 1")

    def drop_film(self) -> None:
        arriving = self.daemon.root / "arriving.mp4"
        films.encode(arriving, films.numbered(SAMPLES), rate=1, gop=250)
        arriving.rename(self.daemon.inbox / "film.mp4")

    def aftermath(self, *originals: str) -> Aftermath:
        photos = [name for name in originals if name.endswith(".png")]
        return aftermath(self.daemon, list(originals), photos, edge=EDGE)
