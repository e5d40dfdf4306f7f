"""Moving files: nothing is overwritten, and what a kill leaves half done can be told and undone."""

import contextlib
import ctypes
import errno
import hashlib
import os
import shutil
from collections.abc import Generator
from pathlib import Path

from mosaicd.crash_points import CrashPoint, passed
from mosaicd.errors import TransientError
from mosaicd.media.files import STAGED_SUFFIX, Signature, make_folder, signature, sync_file, sync_folder

_STEP_BYTES = 1 << 24
_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_NOT_OFFERED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}  # by the file system, or the kernel
_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)  # not every C library has it


class ReplacedError(OSError):
    """Another file has taken the place of the one that was to be moved."""


def move_aside(source: Path, target: Path) -> None:
    """Move a file to `target`, which must be free; across file systems too. Nothing is ever overwritten.

    Raises
    ------
    FileExistsError
        If something stands at `target`.
    OSError
        If the file cannot be moved; it then still stands at `source`.
    """
    looks = signature(source)
    if looks is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(source))
    for _ in move_in_steps(source, target, looks=looks):
        pass


def move_in_steps(source: Path, target: Path, *, looks: Signature) -> Generator[None, None, None]:
    """Move a file, with a pause after each part of a copy to another file system; as `move_aside`.

    Raises
    ------
    ReplacedError
        If the file at `source` is no longer the one that looks so; it stays, or comes back, there.
    """
    make_folder(target.parent)
    sync_file(source)  # or a power cut could take it, though its job has ended
    try:
        _rename_to_free(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        yield from _copy_across(source, target, looks)
        return
    passed(CrashPoint.ORIGINAL_MOVED)
    moved = signature(target)
    if moved is not None and not _is_alike(moved, looks):
        with contextlib.suppress(OSError):  # a still newer one has come: this one is kept where it is
            _rename_to_free(target, source)
        raise ReplacedError(errno.ESTALE, os.strerror(errno.ESTALE), str(source))
    sync_folder(target.parent)


def clear_unfinished(source: Path, target: Path) -> None:
    """Remove what a killed process left of a move: part of a copy, or an empty file that held the name."""
    _copy_place(source, target).unlink(missing_ok=True)
    held = signature(target)
    if held is not None and held.size == 0:  # what is moved is not empty
        target.unlink()


def have_same_content(first: Path, second: Path) -> Generator[None, None, bool]:
    """Whether two files are one, or hold the same bytes, with a pause after each part.

    Raises
    ------
    TransientError
        If they cannot be read just now.
    """
    try:
        if first.samefile(second):
            return True
        with first.open("rb") as one, second.open("rb") as other:
            while part := one.read(_STEP_BYTES):
                if other.read(_STEP_BYTES) != part:
                    return False
                yield
            return not other.read(1)
    except OSError as error:
        message = f"the file cannot be read: {error.strerror}"
        raise TransientError(message) from error


def _rename_to_free(source: Path, target: Path) -> None:
    """Give a file another name on the same file system; FileExistsError if something has that."""
    if _renameat2 is not None:
        old, new = os.fsencode(source), os.fsencode(target)
        if _renameat2(_AT_FDCWD, old, _AT_FDCWD, new, _RENAME_NOREPLACE) == 0:
            return
        code = ctypes.get_errno()
        if code not in _NOT_OFFERED:
            raise OSError(code, os.strerror(code), str(source), None, str(target))
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))  # so that nobody else's is replaced
    passed(CrashPoint.PLACE_HELD)
    try:
        source.replace(target)
    except OSError:
        target.unlink()
        raise


def _copy_across(source: Path, target: Path, looks: Signature) -> Generator[None, None, None]:
    """Copy to another file system, complete and on disk before the name appears; then remove the original."""
    place = _copy_place(source, target)
    try:
        with source.open("rb") as original, place.open("wb") as copy:
            while part := original.read(_STEP_BYTES):
                copy.write(part)
                copy.flush()
                os.fsync(copy.fileno())  # each time a little: all at once could take minutes
                passed(CrashPoint.PART_COPIED)
                yield
        shutil.copystat(source, place)
        sync_file(place)
        passed(CrashPoint.COPY_SYNCED)
        if signature(source) != looks:
            raise ReplacedError(errno.ESTALE, os.strerror(errno.ESTALE), str(source))
        _rename_to_free(place, target)
    finally:
        place.unlink(missing_ok=True)
    passed(CrashPoint.COPY_NAMED)
    sync_folder(target.parent)
    if signature(source) != looks:  # what has taken its place is another file, and stays
        return
    try:
        source.unlink()
    except OSError:  # otherwise it would be copied each time that this is tried
        target.unlink()
        raise
    passed(CrashPoint.ORIGINAL_MOVED)


def _copy_place(source: Path, target: Path) -> Path:
    """Where a copy grows: beside its target, hidden from people and sync tools, different for each move."""
    digest = hashlib.sha256(os.fsencode(source) + b"\0" + os.fsencode(target)).hexdigest()
    return target.with_name(f".{digest}{STAGED_SUFFIX}")


def _is_alike(moved: Signature, looks: Signature) -> bool:
    """Whether a renamed file is the one that looked so; some file systems give it another inode."""
    return (moved.size, moved.mtime_ns) == (looks.size, looks.mtime_ns)
