"""Retention: deletes, in small steps, what its owner has asked not to keep for ever."""

import contextlib
import os
import time
from collections.abc import Callable, Generator, Iterator
from functools import partial

import structlog
from sqlalchemy import select

from mosaicd.crash_points import CrashPoint, passed
from mosaicd.media.deletion import Fate, delete_unchanged
from mosaicd.settings import Settings
from mosaicd.store.database import Database
from mosaicd.store.history import uses_count_since
from mosaicd.store.models import Job, Library
from mosaicd.store.retention import (
    drop_placements,
    drop_uses,
    jobs_numbered,
    note_originals_gone,
    originals_not_needed,
)

log = structlog.get_logger()

_SECONDS_A_DAY = 86_400.0
_TOLERATED_LEAD_SECONDS = 3600.0
_FILES_A_STEP = 5
_MOSAICS_A_STEP = 5


class Retention:
    """Does its round when the daemon has started, and once a day; does nothing by the default settings.

    Parameters
    ----------
    settings : Settings
    database : Database
    wall_clock, quiet_clock : callable
        Seconds since 1970, for ages; and a clock that nobody sets, which goes on while the machine sleeps, for the
        rounds. If the first has run ahead of the second since the last round, somebody has set it, perhaps wrongly:
        nothing is deleted by it for a day.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        *,
        wall_clock: Callable[[], float] = time.time,
        quiet_clock: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
    ) -> None:
        self.settings = settings
        self._database = database
        self._wall_clock = wall_clock
        self._quiet_clock = quiet_clock
        self._round: Iterator[None] | None = None
        self._due_at = quiet_clock()
        self._lead = wall_clock() - quiet_clock()

    @property
    def is_due(self) -> bool:
        """Whether a round is under way, or its time has come."""
        return self._round is not None or self._quiet_clock() >= self._due_at

    def step(self) -> None:
        """Do a small part of a round that is due: a few files, or one short transaction.

        Raises
        ------
        TransientError
            If the database cannot be written just now; the rest of the round is for the next day.
        """
        if not self.is_due:
            return
        if self._round is None:
            now = self._wall_clock()
            self._due_at = self._quiet_clock() + _SECONDS_A_DAY
            lead, self._lead = self._lead, now - self._quiet_clock()
            if self._lead - lead > _TOLERATED_LEAD_SECONDS:
                log.warning("retention_postponed", clock_set_forward_seconds=round(self._lead - lead))
                return
            self._round = self._whole_round(now)
        try:
            next(self._round)
        except StopIteration:
            self._round = None
        except BaseException:
            self._round = None
            raise

    def _whole_round(self, now: float) -> Iterator[None]:
        if self.settings.archive_retention_days:
            yield from self._originals(now, now - self.settings.archive_retention_days * _SECONDS_A_DAY)
        if self.settings.mosaic_history_retention_days:
            yield from self._history(now, now - self.settings.mosaic_history_retention_days * _SECONDS_A_DAY)

    def _originals(self, now: float, before: float) -> Iterator[None]:
        try:
            if not _has_entries(self.settings.folders.archive):
                return  # or what is mounted there is not there just now
            with self._database.read() as session:
                numbers = originals_not_needed(session, ended_before=before)
            for start in range(0, len(numbers), _FILES_A_STEP):
                with self._database.read() as session:
                    jobs = jobs_numbered(session, numbers[start : start + _FILES_A_STEP])
                gone = [job.id for job in jobs if self._delete_original(job) is not Fate.KEPT]
                # Killed between the two, it finds them gone in the next round.
                with self._database.write() as session:
                    note_originals_gone(session, gone, now=now)
                passed(CrashPoint.DELETION_NOTED)
                yield
        except OSError as error:
            log.warning("original_kept", file=error.filename, why=error.strerror)

    def _delete_original(self, job: Job) -> Fate:
        assert job.moved_to is not None, "only what was moved is asked for"
        folders = self.settings.folders
        file = folders.archive / job.moved_to
        try:
            fate = delete_unchanged(file, folder=folders.archive, size=job.size, mtime_ns=job.mtime_ns)
        except OSError as error:
            error.filename = str(file)
            raise
        if fate is Fate.DELETED:
            passed(CrashPoint.ORIGINAL_DELETED)
            log.info("original_deleted", job=job.id, file=str(file))
        return fate

    def _history(self, now: float, before: float) -> Iterator[None]:
        """Drop old placements, and of old uses those that count for nothing any more."""
        placements = yield from self._dropped(partial(drop_placements, made_before=before, now=now))
        with self._database.read() as session:
            libraries = session.scalars(select(Library)).all()
        uses = 0
        for library in libraries:
            half_life_days = self.settings.for_library(library.name).penalty_half_life_days
            spent = uses_count_since(library, half_life_days=half_life_days, now=now)
            made_before = min(before, spent)
            uses += yield from self._dropped(
                partial(drop_uses, library_id=library.id, made_before=made_before, now=now)
            )
        if placements or uses:
            log.info("history_deleted", placements=placements, uses=uses)

    def _dropped(self, drop: Callable[..., int]) -> Generator[None, None, int]:
        """Drop something of a few mosaics at a time; of how many in all."""
        total = 0
        while True:
            with self._database.write() as session:
                count = drop(session, limit=_MOSAICS_A_STEP)
            if not count:
                return total
            passed(CrashPoint.HISTORY_DROPPED)
            total += count
            yield


def _has_entries(folder: os.PathLike[str]) -> bool:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        return next(entries, None) is not None
    return False
