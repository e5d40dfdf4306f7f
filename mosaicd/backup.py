"""What ``mosaicd backup`` does: a copy of the database that appears whole, or not at all."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mosaicd.crash_points import CrashPoint, passed
from mosaicd.errors import MosaicdError
from mosaicd.jobs.originals import Folders
from mosaicd.media.moving import move_aside
from mosaicd.store.copies import copy_database

_NOT_FOR_BACKUPS = ("inbox", "outbox", "archive", "rejected", "staging")
_LEFT = f".{'[0-9a-f]' * 64}.staged*"
_PRIVATE = 0o600  # tiles show what people have filmed, and the state directory keeps them to itself


def back_up(database: Path, file: Path, folders: Folders) -> int:
    """Copy the database to a new file, while a daemon runs or not; how many bytes that are.

    Parameters
    ----------
    database : Path
    file : Path
        Absolute; nothing stands there yet.
    folders : Folders
        Where it must not lie: what is in these means something else.

    Raises
    ------
    CorruptStateError
        If the database is damaged: then there is no copy of it, and earlier ones stay as they are.
    MosaicdError
        If there is no database, or `file` cannot be, or is not to be, written.
    """
    if not database.exists():
        message = f"there is no database yet at {database}: nothing to back up"
        raise MosaicdError(message)
    try:
        _require_fit(file, folders)
        with _held(file.parent), _new_beside(file) as place:
            copy_database(database, place)
            passed(CrashPoint.BACKUP_COPIED)
            size = place.stat().st_size
            move_aside(place, file)
    except FileExistsError as error:
        message = f"{file} has appeared meanwhile, and nothing is ever overwritten"
        raise MosaicdError(message) from error
    except OSError as error:
        message = f"{file} cannot be written: {error.strerror}"
        raise MosaicdError(message) from error
    return size


def _require_fit(file: Path, folders: Folders) -> None:
    if file.is_dir():
        message = f"{file} is a folder: name the file that is to be written in it"
        raise MosaicdError(message)
    if os.path.lexists(file):
        message = f"{file} exists already, and nothing is ever overwritten: name another file"
        raise MosaicdError(message)
    if not file.parent.is_dir():
        message = f"there is no folder {file.parent}"
        raise MosaicdError(message)
    for name in _NOT_FOR_BACKUPS:
        folder: Path = getattr(folders, name)
        if file.parent.resolve().is_relative_to(folder.resolve()):
            message = f"{file} would lie in {name} ({folder}), which is not for backups: name another file"
            raise MosaicdError(message)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Say that a backup is being written to this folder; if no other is, what killed ones left there goes."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # another backup is being written, or the file system has no such locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in folder.glob(_LEFT):
                left.unlink()
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _new_beside(file: Path) -> Iterator[Path]:
    """An empty file in the same folder, which is gone when the block ends."""
    place = file.with_name(f".{hashlib.sha256(os.fsencode(file.name)).hexdigest()}.staged")
    try:
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE))
    except FileExistsError as error:
        message = (
            f"a backup to {file} is being written, or was killed: if none is running, remove {place},"
            " and try again"
        )
        raise MosaicdError(message) from error
    try:
        yield place
    finally:
        place.unlink(missing_ok=True)
        place.with_name(f"{place.name}-journal").unlink(missing_ok=True)
