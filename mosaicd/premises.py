"""The premises: the folders and the database that work needs, and what of them cannot be used just now.

What cannot be used pauses the work that needs it, which is said once. It is looked at again from time to time,
which costs next to nothing, and work goes on when it can be used again, which is said as well.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from mosaicd.errors import Need, ObstructedError
from mosaicd.jobs.originals import Originals
from mosaicd.media.mounts import mounted_now, mounts_of
from mosaicd.media.room import LEAST_BYTES, lacking_bytes, require_room
from mosaicd.settings import Settings
from mosaicd.store.database import Database
from mosaicd.store.models import JobKind

log = structlog.get_logger()

_EVERYTHING = frozenset({Need.INBOX, Need.ARCHIVE, Need.REJECTED, Need.DATABASE})
_NEEDS = {JobKind.SPLICE: _EVERYTHING, JobKind.MOSAIC: _EVERYTHING | {Need.OUTBOX}}


@dataclass(slots=True, kw_only=True)
class _Closure:
    """What cannot be used, since when, how much room it lacks, and when it is looked at again.

    Once it looks usable, work is tried: only when that has gone well, it counts as usable again.
    """

    why: str
    since: float
    look_at: float
    lacking_bytes: int = LEAST_BYTES
    is_on_trial: bool = False


class Premises:
    """Knows what work can be done where.

    Parameters
    ----------
    settings : Settings
    database : Database
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self._database = database
        folders = settings.folders
        self._places = {
            Need.INBOX: folders.inbox,
            Need.OUTBOX: folders.outbox,
            Need.ARCHIVE: folders.archive,
            Need.REJECTED: folders.rejected,
            Need.DATABASE: database.path.parent,
        }
        mounted = mounted_now()
        self.mounts = {need: mounts_of(place, mounted) for need, place in self._places.items()}
        self._closures: dict[Need, _Closure] = {}

    def lacks(self, need: Need) -> bool:
        """Whether something is not there any more, or is not what it was."""
        return self._absence(need, mounted_now()) is not None

    def require(self, need: Need) -> None:
        """Raise ObstructedError if something is not there any more, or is not what it was."""
        why = self._absence(need, mounted_now())
        if why is not None:
            raise ObstructedError(why, need=need)

    def close(self, error: ObstructedError) -> bool:
        """Pause the work that needs what could not be used; False if it can be used, for anything else at least."""
        need = error.need
        lacking = LEAST_BYTES
        if need is not Need.DATABASE and self._trouble(need, LEAST_BYTES) is None:
            found = lacking_bytes(self._places[need]) if error.is_full else None
            if found is None:
                return False
            lacking = found
        self._close(need, str(error), lacking)
        return True

    def look(self) -> None:
        """See what has gone or come back; what can be used again is tried."""
        now, mounted = time.monotonic(), mounted_now()
        for need in Need:
            closure = self._closures.get(need)
            is_used = need is not Need.ARCHIVE or self.settings.originals is Originals.ARCHIVE
            absence = self._absence(need, mounted) if is_used else None
            if absence is not None:
                self._close(need, absence, LEAST_BYTES)
            elif closure is None:
                continue
            elif need is Need.INBOX or not is_used or (closure.is_on_trial and now >= closure.look_at):
                self._open(need)
            elif now >= closure.look_at:
                closure.look_at = now + self.settings.retry_seconds
                closure.is_on_trial = self._trouble(need, closure.lacking_bytes) is None

    @property
    def is_whole(self) -> bool:
        """Whether everything can be used, as far as is known."""
        return not any(self._closed())

    def allow(self, kind: JobKind) -> bool:
        """Whether jobs of a kind can be done."""
        return not any(need in _NEEDS[kind] for need in self._closed())

    def is_open(self, need: Need) -> bool:
        """Whether something can be used, as far as is known."""
        return need not in self._closed()

    def prove(self, kind: JobKind) -> None:
        """Take note that a job has gone well: what it needs can be used."""
        for need in _NEEDS[kind]:
            if need in self._closures:
                self._open(need)

    def in_words(self) -> str | None:
        """What is paused and why; None if nothing is."""
        parts = [f"{_paused_by(need)} paused: {self._closures[need].why}" for need in self._closed()]
        return "; ".join(parts) or None

    def _closed(self) -> Iterator[Need]:
        return (need for need, closure in self._closures.items() if not closure.is_on_trial)

    def _close(self, need: Need, why: str, lacking: int) -> None:
        now = time.monotonic()
        closure = self._closures.get(need)
        if closure is None:
            closure = self._closures[need] = _Closure(why=why, since=now, look_at=now)
            log.warning(
                "work_paused", needs=need, place=str(self._places[need]), paused=_paused_by(need), why=why
            )
        closure.why, closure.lacking_bytes, closure.is_on_trial = why, lacking, False
        closure.look_at = now + self.settings.retry_seconds

    def _open(self, need: Need) -> None:
        seconds = time.monotonic() - self._closures.pop(need).since
        log.info("work_resumed", needs=need, place=str(self._places[need]), paused_seconds=round(seconds, 1))

    def _absence(self, need: Need, mounted: frozenset[str]) -> str | None:
        """In words, if something is not there any more, or is not what it was: cheap enough for every step."""
        why = self.mounts[need].complaint(mounted)
        if why is None and need is Need.INBOX:
            why = _unreadable(self._places[need])
        return None if why is None else f"the {need} ({self._places[need]}) cannot be used: {why}"

    def _trouble(self, need: Need, size: int) -> str | None:
        """In words, why something cannot be used, or has no room for so many bytes."""
        place = self._places[need]
        try:
            self.require(need)
            if need is not Need.INBOX:
                require_room(place, size)
            match need:
                case Need.DATABASE:
                    self._database.require_writable()
                case Need.OUTBOX | Need.REJECTED:
                    require_room(self.settings.folders.staging)
                case Need.ARCHIVE if not os.access(self._places[Need.INBOX], os.W_OK | os.X_OK):
                    return "files cannot be taken out of the inbox"
        except ObstructedError as error:
            return str(error)
        except OSError as error:
            return f"{error.strerror}"
        return None


def _paused_by(need: Need) -> str:
    return "mosaics" if need is Need.OUTBOX else "everything"


def _unreadable(folder: Path) -> str | None:
    """Why what is in a folder cannot be seen; None if it can."""
    try:
        with os.scandir(folder) as entries:
            next(entries, None)
    except OSError as error:
        return error.strerror or str(error)
    return None if os.access(folder, os.X_OK) else "Permission denied"
