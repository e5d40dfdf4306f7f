"""What becomes of a job's original: archived, put aside with a reason, or left where it is. Never deleted."""

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mosaicd.crash_points import CrashPoint, passed
from mosaicd.errors import Need, ObstructedError, TransientError
from mosaicd.jobs.queue import JobQueue
from mosaicd.jobs.tickets import Ticket
from mosaicd.media.files import free_path, shortened, signature, write_whole
from mosaicd.media.moving import (
    ReplacedError,
    clear_unfinished,
    have_same_content,
    move_in_steps,
    put_back_if_replaced,
    remove_unchanged,
    share_file_system,
)
from mosaicd.media.room import is_full

_REASON_SUFFIX = ".reason.txt"

InSteps = Generator[None, None, Path | None]
"""Where an original is at last; pauses after each part of a large one, so that other work can go on."""


class Originals(StrEnum):
    """What is done with a file that has been used."""

    ARCHIVE = "archive"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """The folders of the folder contract, absolute."""

    inbox: Path
    outbox: Path
    archive: Path
    rejected: Path
    staging: Path


def reason_path(original: Path) -> Path:
    """Where the reason for a rejected file stands."""
    return original.with_name(shortened(original.name, room=len(_REASON_SUFFIX)) + _REASON_SUFFIX)


def archive(ticket: Ticket, queue: JobQueue, folders: Folders) -> InSteps:
    """Move a job's original to the archive; None if the file has changed or gone meanwhile.

    Safe to repeat after a crash: where it goes is in the database before it goes.

    Raises
    ------
    ObstructedError
        If it cannot be moved just now.
    """
    return _move(ticket, queue, folders.inbox / ticket.path, folders.archive / ticket.path)


def put_aside(ticket: Ticket, queue: JobQueue, folders: Folders, *, reason: str) -> InSteps:
    """Move a job's original to ``rejected/``, where the reason stands already; otherwise as `archive`."""
    return _move(
        ticket,
        queue,
        folders.inbox / ticket.path,
        folders.rejected / ticket.path,
        before_move=lambda place: write_reason(place, reason, folders),
        reason=reason,
    )


def write_reason(original: Path, reason: str, folders: Folders) -> None:
    """Write beside a file in ``rejected/`` why it is there; ObstructedError if that cannot be done just now."""
    place = reason_path(original)
    try:
        write_whole(place, f"{reason}\n".encode("utf-8", "backslashreplace"), staging=folders.staging)
    except OSError as error:
        message = f"the reason cannot be written to {place}: {error.strerror}"
        raise ObstructedError(message, need=Need.REJECTED, is_full=is_full(error)) from error
    passed(CrashPoint.REASON_WRITTEN)


def moved_original(ticket: Ticket, folders: Folders) -> InSteps:
    """Where the original of a job that did not end has been moved already, if it has; half a move is put right."""
    if ticket.moved_to is None:
        return None
    original, target = folders.inbox / ticket.path, Path(ticket.moved_to)
    with contextlib.suppress(OSError):
        clear_unfinished(original, target)
    if signature(target) is None:
        return None
    if signature(original) != ticket.signature:
        return None if _was_another_moved(ticket, original, target) else target
    try:
        is_copied = yield from have_same_content(original, target)
        if not is_copied:  # another file took the place before the move
            return None
        if remove_unchanged(original, ticket.signature):  # what came meanwhile is another file, and stays
            passed(CrashPoint.ORIGINAL_MOVED)
    except (OSError, TransientError):
        return None
    return target


def _was_another_moved(ticket: Ticket, original: Path, target: Path) -> bool:
    """Whether a newer file was moved in place of the job's, which is told by its looks; it is then put back.

    A copy on another file system may look different, and is not named before it is known whose it is.
    """
    is_renamed = share_file_system(original.parent, target.parent)
    return is_renamed and put_back_if_replaced(original, target, looks=ticket.signature)


def _move(
    ticket: Ticket,
    queue: JobQueue,
    original: Path,
    target: Path,
    *,
    before_move: Callable[[Path], None] = lambda _: None,
    reason: str | None = None,
) -> InSteps:
    while signature(original) == ticket.signature:
        try:
            place = free_path(target)
            queue.note_move(ticket.job_id, str(place), explanation=reason)
            before_move(place)
            yield from move_in_steps(original, place, looks=ticket.signature)
        except (FileExistsError, ReplacedError):
            continue
        except OSError as error:
            message = f"the original cannot be moved to {target.parent}: {error.strerror}"
            need = Need.ARCHIVE if reason is None else Need.REJECTED
            raise ObstructedError(message, need=need, is_full=is_full(error)) from error
        return place
    return None
