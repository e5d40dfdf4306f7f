"""What becomes of a job's original: archived, put aside with a reason, or left where it is. Never deleted."""

import contextlib
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mosaicd.crash_points import CrashPoint, passed
from mosaicd.errors import Need, ObstructedError, TransientError
from mosaicd.jobs.queue import JobQueue
from mosaicd.jobs.tickets import Ticket
from mosaicd.media.files import numbered, shortened, signature
from mosaicd.media.moving import (
    ReplacedError,
    clear_unfinished,
    have_same_content,
    move_in_steps,
    put_back_if_replaced,
    remove_if,
    remove_unchanged,
    share_file_system,
    write_new,
)
from mosaicd.media.room import is_full

FILE_ADVICE = """\
What to do: nothing is lost. If another program can open the file, save it anew there, as JPEG or MP4, and drop that
into the inbox. Where a setting is named above, whoever runs mosaicd can change it; `mosaicd retry` then tries the
file again.
"""
_REASON_SUFFIX = ".reason.txt"
_PATH_BYTES_LIMIT = 4095 - 100  # the system's, with room for a number, a suffix and hidden names

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
    return _move(ticket, queue, folders.inbox / ticket.path, _place_in(folders.archive, ticket.path))


def put_aside(ticket: Ticket, queue: JobQueue, folders: Folders, *, reason: str) -> InSteps:
    """Move a job's original to ``rejected/``, where the reason stands already; otherwise as `archive`."""
    if ticket.moved_to is not None:  # a kill came between the reason and the move
        with contextlib.suppress(OSError):
            remove_reason(Path(ticket.moved_to), reason)
    return _move(
        ticket,
        queue,
        folders.inbox / ticket.path,
        _place_in(folders.rejected, ticket.path),
        with_reason=lambda place: _reason_beside(place, reason, folders),
        reason=reason,
    )


def write_reason(original: Path, reason: str, folders: Folders, *, advice: str = FILE_ADVICE) -> None:
    """Write beside a file in ``rejected/`` why it is there, and what to do.

    Raises
    ------
    FileExistsError
        If something else stands in its place: it stays.
    ObstructedError
        If that cannot be done just now.
    """
    place = reason_path(original)
    try:
        # What a kill has left: an empty file where names have to be held.
        remove_if(place, lambda data: not data or _first_line(data) == _in_bytes(reason))
        write_new(place, b"\n".join((_in_bytes(reason), b"", advice.encode())), staging=folders.staging)
    except FileExistsError:
        raise
    except OSError as error:
        message = f"the reason cannot be written to {place}: {error.strerror}"
        raise ObstructedError(message, need=Need.REJECTED, is_full=is_full(error)) from error
    passed(CrashPoint.REASON_WRITTEN)


def write_lone_reason(
    file: Path,
    reason: str,
    folders: Folders,
    *,
    is_earlier: Callable[[str], bool],
    advice: str = FILE_ADVICE,
) -> None:
    """Write in ``rejected/`` what is wrong with a file that is not moved there, in place of an earlier reason.

    ObstructedError if that cannot be done just now.
    """
    for each in numbered(file):
        with contextlib.suppress(OSError):
            remove_if(reason_path(each), lambda data: is_earlier(_first_line(data).decode(errors="replace")))
        with contextlib.suppress(FileExistsError):
            write_reason(each, reason, folders, advice=advice)
            return


def remove_reason(original: Path, reason: str) -> None:
    """Remove the reason for a file that does not stand in ``rejected/``, and nothing else that has its name."""
    if not os.path.lexists(original):
        remove_if(reason_path(original), lambda data: _first_line(data) == _in_bytes(reason))


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


def _in_bytes(reason: str) -> bytes:
    return reason.encode("utf-8", "backslashreplace")


def _first_line(data: bytes) -> bytes:
    return data.split(b"\n", 1)[0]


@contextlib.contextmanager
def _reason_beside(place: Path, reason: str, folders: Folders) -> Iterator[None]:
    """Let a reason stand beside the place of a file that is moved there; if it is not, the reason goes again."""
    write_reason(place, reason, folders)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            remove_reason(place, reason)
        raise


def _place_in(folder: Path, path: str) -> Path:
    """Where a file goes: as deep as it stood in the inbox, or if that were too deep for the system, at the top."""
    place = folder / path
    return place if len(os.fsencode(place)) <= _PATH_BYTES_LIMIT else folder / place.name


def _move(
    ticket: Ticket,
    queue: JobQueue,
    original: Path,
    target: Path,
    *,
    with_reason: Callable[[Path], AbstractContextManager[None]] = lambda _: nullcontext(),
    reason: str | None = None,
) -> InSteps:
    places = numbered(target)
    while signature(original) == ticket.signature:
        try:
            place = next(each for each in places if not os.path.lexists(each))
            queue.note_move(ticket.job_id, str(place), explanation=reason)
            with with_reason(place):
                yield from move_in_steps(original, place, looks=ticket.signature)
        except (FileExistsError, ReplacedError):
            continue
        except OSError as error:
            message = f"the original cannot be moved to {target.parent}: {error.strerror}"
            need = Need.ARCHIVE if reason is None else Need.REJECTED
            raise ObstructedError(message, need=need, is_full=is_full(error)) from error
        return place
    return None
