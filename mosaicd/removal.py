"""What ``mosaicd libraries --remove`` and ``--purge`` do: take a library out of use; delete one that is."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from mosaicd.crash_points import CrashPoint, passed
from mosaicd.errors import MosaicdError
from mosaicd.intake.names import is_appearance_file, place_of
from mosaicd.intake.scan import Unreadable, walk
from mosaicd.jobs.queue import JobQueue
from mosaicd.jobs.states import ACTIVE_STATES
from mosaicd.media.files import Signature
from mosaicd.media.kinds import MediaKind, media_kind
from mosaicd.plain_text import one_line, printable
from mosaicd.store.database import Database
from mosaicd.store.models import Job, JobState, Library
from mosaicd.store.purge import Purgeable, begin_purge, forget_mosaic, purge_part, purgeable
from mosaicd.store.removal import Moved, take_out_of_use
from mosaicd.store.room import give_room_back, in_turn
from mosaicd.store.tiles import sources_of


def require_idle(database: Database, inbox: Path, library: str) -> None:
    """Raise MosaicdError if files for the library stand in the inbox that no job has ended for."""
    waiting = list(_files_to_come(JobQueue(database), inbox, library))
    if waiting:
        others = f" and {len(waiting) - 1:,} more" if len(waiting) > 1 else ""
        message = (
            f"{printable(waiting[0])}{others} in {one_line(str(inbox))} would come into library"
            f" {library!r}: wait until that is done, or move it away"
        )
        raise MosaicdError(message)


def remove_idle_library(session: Session, library: Library, *, now: float) -> Moved:
    """Take all of a library out of use; MosaicdError if a job of it has not ended, or nothing is in use."""
    under_way = select(func.count()).where(Job.library_id == library.id, Job.state.in_(ACTIVE_STATES))
    count = session.scalar(under_way) or 0
    if count:
        jobs = "1 job has" if count == 1 else f"{count:,} jobs have"
        message = (
            f"{jobs} not ended for library {library.name!r}: `mosaicd status` shows them; try again then"
        )
        raise MosaicdError(message)
    moved = take_out_of_use(session, library, now=now)
    if not moved.sources:
        message = f"nothing of library {library.name!r} is in use"
        raise MosaicdError(message)
    return moved


def require_purgeable(session: Session, library: Library) -> Purgeable:
    """What a purge of the library would delete; MosaicdError if any of it is in use."""
    if sources_of(session, library.id):
        message = (
            f"library {library.name!r} is in use, and only what is out of use can be deleted:"
            f" `mosaicd libraries --remove {shlex.quote(library.name)}` comes first"
        )
        raise MosaicdError(message)
    return purgeable(session, library.id)


def purge_library(database: Database, found: Purgeable, *, now: float) -> int:
    """Delete for good what was found, in steps that hold nobody up; how many bytes the disk has back.

    Whatever has come back into use meanwhile stays.
    """
    for mosaic in found.mosaics if found.sources else []:
        with database.write() as session:
            forget_mosaic(session, mosaic, now=now)
        passed(CrashPoint.PART_PURGED)
    for source in found.sources:
        with database.write() as session:
            is_left = begin_purge(session, source, now=now)
        passed(CrashPoint.PART_PURGED)
        while is_left:
            with in_turn(), database.write() as session:
                is_left = purge_part(session, source)
            passed(CrashPoint.PART_PURGED)
    return give_room_back(database.path)


def _files_to_come(queue: JobQueue, inbox: Path, library: str) -> Iterator[str]:
    for found in walk(inbox):
        if isinstance(found, Unreadable):
            if found.path or os.path.lexists(inbox):
                where = printable(found.path) or one_line(str(inbox))
                message = f"what is in {where} cannot be seen: {found.error}"
                raise MosaicdError(message)
        elif (
            place_of(found.path).library == library
            and not is_appearance_file(found.path)
            and found.signature is not None
            and not _is_remembered(queue.last_of_path(found.path), found.signature)
            and _is_media(inbox / found.path)
        ):
            yield found.path


def _is_remembered(last: Job | None, seen: Signature) -> bool:
    """Whether a file has been done with, and was left where it is."""
    return (
        last is not None
        and last.state in (JobState.DONE, JobState.REJECTED)
        and (last.size, last.mtime_ns) == (seen.size, seen.mtime_ns)
    )


def _is_media(path: Path) -> bool:
    try:
        return media_kind(path) is not MediaKind.UNKNOWN
    except OSError:  # it may be, once it can be read
        return True
