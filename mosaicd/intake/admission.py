"""Admission: settled files become jobs; what is not for us is said once and left alone."""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from mosaicd.errors import ObstructedError, TransientError
from mosaicd.intake.names import Role, is_appearance_file, is_conflict_copy, is_ignored, place_of
from mosaicd.intake.scan import Unreadable, is_folder, walk
from mosaicd.intake.stability import Settled, SettleTracker
from mosaicd.jobs.queue import JobQueue
from mosaicd.jobs.states import ACTIVE_STATES
from mosaicd.jobs.tickets import Arrival
from mosaicd.media.files import Signature, hash_in_steps, signature
from mosaicd.media.kinds import MediaKind, media_kind
from mosaicd.media.writers import has_writer
from mosaicd.store.models import Job, JobKind, JobState

log = structlog.get_logger()

_FILES_AT_ONCE = 500
_SHORTEST_REST_SECONDS = 0.05


class Admission:
    """Looks at the inbox and takes in what has settled.

    Parameters
    ----------
    inbox : Path
    queue : JobQueue
    wall_clock, quiet_clock : callable
        Seconds since 1970, for the records; and a clock that never jumps, for quiet periods.
    """

    def __init__(
        self,
        inbox: Path,
        queue: JobQueue,
        *,
        wall_clock: Callable[[], float] = time.time,
        quiet_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inbox = inbox
        self._queue = queue
        self._wall_clock = wall_clock
        self._quiet_clock = quiet_clock
        self._tracker = SettleTracker()
        self._said: set[tuple[str, str]] = set()
        self._has_scanned = False
        self._has_more = False
        self._readings: dict[Settled, Iterator[bytes | None]] = {}
        self._holds_photo: dict[tuple[str, Signature], bool] = {}
        self._awaited: dict[str, tuple[str, float]] | None = None

    def rescan(self) -> int:
        """Look at the whole inbox; how many files are in it."""
        found = self._look(subtree="")
        if found is None:
            return 0
        self._tracker.keep_only(found)
        self._said = {
            (path, what) for path, what in self._said if path in found or what == "folder_unreadable"
        }
        self._has_scanned = True
        self._awaited = None
        return len(found)

    def look_at(self, hint: str) -> None:
        """Look at a file or a folder of the inbox that something has happened to."""
        if any(is_ignored(part) for part in hint.split("/")):
            return
        looks = signature(self._inbox / hint)
        if looks is None and (not hint or is_folder(self._inbox, hint)):
            self._look(subtree=hint)
        else:
            self._observe(hint, looks)
        self._awaited = None

    def unsettled_videos(self, library: str, *, seen_before: float) -> str | None:
        """A file that has not settled, was there by `seen_before`, and may become tiles of the library."""
        if self._awaited is None:
            self._awaited = self._first_unsettled_videos()
        path, first_seen_at = self._awaited.get(library, ("", math.inf))
        return path if first_seen_at <= seen_before else None

    @property
    def is_quiet(self) -> bool:
        """Whether no file is waiting to settle or to be read."""
        return not self._tracker.has_unsettled and not self._readings

    @property
    def is_reading(self) -> bool:
        """Whether a file is being compared with one that came before: a part of it each time in `take_in`."""
        return bool(self._readings)

    def rest(self, *, settle_seconds: float) -> float:
        """Seconds until `take_in` has something to do; infinite if no file waits to settle or to be read."""
        if self.is_reading or self._has_more:
            return 0.0
        quiet_since = self._tracker.quiet_since()
        if quiet_since is None:
            return math.inf
        return max(_SHORTEST_REST_SECONDS, quiet_since + settle_seconds - self._quiet_clock())

    def take_in(self, *, settle_seconds: float) -> int:
        """Look again at files that should have settled, and admit those that have; how many jobs that made.

        With many at once, some of them are left for the next time.

        Raises
        ------
        TransientError
            If the database cannot be written just now; what it was about settles once more.
        """
        now = self._quiet_clock()
        due = self._tracker.due(now=now, settle_seconds=settle_seconds, limit=_FILES_AT_ONCE)
        for path in due:
            looks = signature(self._inbox / path)
            self._observe(path, looks)
            if looks is not None and has_writer(self._inbox / path):
                self._tracker.disturb(path, now=now)
                self._say_once(path, "file_unfinished", "a program still has it open for writing")
        self._has_more = len(due) == _FILES_AT_ONCE
        settled = self._tracker.settle(due, now=now, settle_seconds=settle_seconds)
        files = [(file, reading) for file, reading in self._readings.items() if self._is_unchanged(file)]
        files += [(file, hash_in_steps(self._inbox / file.path)) for file in settled]
        self._readings = {}
        self._awaited = None
        try:
            return self._admit(files)
        except TransientError:
            for file, _ in files:
                self.look_again(file.path)
            raise

    def look_again(self, path: str) -> None:
        """Let the file at this path settle once more: it was replaced while it was worked on."""
        self._tracker.forget(path)
        self._observe(path, signature(self._inbox / path))
        self._awaited = None

    def _look(self, subtree: str) -> set[str] | None:
        """Observe a subtree; the paths found, or None if the inbox itself could not be read."""
        paths = set()
        for found in walk(self._inbox, subtree):
            if isinstance(found, Unreadable):
                self._say_once(found.path, found.event, found.error)
                if not found.path:
                    return None
            else:
                paths.add(found.path)
                self._observe(found.path, found.signature)
                if found.signature is None:
                    self._say_once(found.path, "file_ignored", "it is not a regular file")
        return paths

    def _observe(self, path: str, seen: Signature | None) -> None:
        if is_appearance_file(path):
            return
        # What the first scan finds was there before anything that this process has seen.
        first_seen_at = self._wall_clock() if self._has_scanned else 0.0
        self._tracker.observe(path, seen, now=self._quiet_clock(), first_seen_at=first_seen_at)

    def _admit(self, files: list[tuple[Settled, Iterator[bytes | None]]]) -> int:
        """Make jobs of settled files, all or none; how many."""
        last = self._queue.last_of_paths([file.path for file, _ in files])
        arrivals = [self._arrival(file, last.get(file.path), reading) for file, reading in files]
        tickets = self._queue.admit_all(
            [arrival for arrival in arrivals if arrival is not None], now=self._wall_clock()
        )
        for ticket in tickets:
            log.info(
                "job_admitted",
                job=ticket.job_id,
                library=ticket.library,
                kind=ticket.kind,
                file=ticket.path,
                conflict_copy=is_conflict_copy(ticket.path),
            )
        return len(tickets)

    def _arrival(self, file: Settled, last: Job | None, reading: Iterator[bytes | None]) -> Arrival | None:
        """What is to become a job, if the file is: `last` is the newest job of its path."""
        if last is not None and last.state in ACTIVE_STATES:
            if _same(last, file):
                return None
            if last.started_at is not None:
                self.look_again(file.path)  # its turn comes when the first one is done, or withdrawn
                return None
        try:
            kind = media_kind(self._inbox / file.path)
            if last is not None and self._is_redelivery(last, file, reading) is not False:
                return None
        except ObstructedError:
            raise
        except (OSError, TransientError) as error:
            if signature(self._inbox / file.path) is not None:  # it has not just been removed
                self._say_once(file.path, "file_unreadable", str(error))
            self._tracker.forget(file.path)
            return None
        if kind is MediaKind.UNKNOWN:
            self._say_once(file.path, "file_ignored", "it is neither a photo nor a video that can be read")
            return None
        return Arrival(
            library=place_of(file.path).library,
            kind=_job_kind(file.path, kind),
            path=file.path,
            signature=file.signature,
            first_seen_at=file.first_seen_at,
        )

    def _is_redelivery(self, last: Job, file: Settled, reading: Iterator[bytes | None]) -> bool | None:
        """Whether a sync tool has brought a finished job's file once more, or left it in its place.

        None as long as that is not known: the file is being read.
        """
        if last.state not in (JobState.DONE, JobState.REJECTED):
            return False
        if (last.size, last.mtime_ns) != (file.signature.size, file.signature.mtime_ns):
            return False
        if last.inode == file.signature.inode and (last.moved_to is None or last.redelivered_at is not None):
            return True
        if last.sha256 is not None:
            content = next(reading)
            if content is None:
                self._readings[file] = reading
                return None
            if content != last.sha256 or self._queue.is_out_of_use(
                last
            ):  # whoever drops it again wants it back
                return False
        self._queue.note_redelivery(last.id, file.signature, now=self._wall_clock())
        log.info("file_redelivered", job=last.id, file=file.path)
        return True

    def _is_unchanged(self, file: Settled) -> bool:
        """Whether a file that is being read looks as it did; otherwise it settles once more."""
        if signature(self._inbox / file.path) == file.signature:
            return True
        self.look_again(file.path)
        return False

    def _first_unsettled_videos(self) -> dict[str, tuple[str, float]]:
        """For each library the unsettled file that was seen first of those that may become its tiles, and when.

        Files are looked into once, and a number of them each time: the others may hold anything.
        """
        first: dict[str, tuple[str, float]] = {}
        known, self._holds_photo = self._holds_photo, {}
        left = _FILES_AT_ONCE
        for path, looks, first_seen_at in self._tracker.unsettled():
            place = place_of(path)
            is_photo = known.get((path, looks))
            is_first = first_seen_at < first.get(place.library, ("", math.inf))[1]
            if is_photo is None and is_first and place.photo_role is Role.MOSAIC and left > 0:
                left -= 1
                is_photo = self._is_photo_or_gone(path)
            if is_photo is not None:
                self._holds_photo[path, looks] = is_photo
            if is_first and not is_photo:
                first[place.library] = path, first_seen_at
        return first

    def _is_photo_or_gone(self, path: str) -> bool:
        try:
            return media_kind(self._inbox / path) is MediaKind.PHOTO
        except OSError:
            return True

    def _say_once(self, path: str, what: str, why: str) -> None:
        if (path, what) in self._said:
            return
        self._said.add((path, what))
        match what:
            case "folder_unreadable":
                log.warning("folder_unreadable", folder=path or ".", why=why)
            case "file_unreadable":
                log.warning("file_unreadable", file=path, why=why)
            case "file_unfinished":
                log.info("file_unfinished", file=path, why=why)
            case _:
                log.info("file_ignored", file=path, why=why)


def _job_kind(path: str, kind: MediaKind) -> JobKind:
    is_mosaic = kind is MediaKind.PHOTO and place_of(path).photo_role is Role.MOSAIC
    return JobKind.MOSAIC if is_mosaic else JobKind.SPLICE


def _same(job: Job, file: Settled) -> bool:
    seen = (file.signature.size, file.signature.mtime_ns, file.signature.inode)
    return (job.size, job.mtime_ns, job.inode) == seen
