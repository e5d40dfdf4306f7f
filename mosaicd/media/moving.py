"""Moving files: nothing is overwritten, and what a kill leaves half done can be told and undone."""

import contextlib
import ctypes
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Generator
from pathlib import Path

from mosaicd.crash_points import CrashPoint, passed
from mosaicd.errors import TransientError
from mosaicd.media.files import (
    STAGED_SUFFIX,
    Signature,
    make_folder,
    numbered,
    signature,
    staged,
    sync_file,
    sync_folder,
)
from mosaicd.media.room import require_room

_STEP_BYTES = 1 << 24
_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_KEPT_MODE = 0o777
_SMALL_BYTES = 1 << 16
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
    passed(CrashPoint.ORIGINAL_SYNCED)
    try:
        _rename_to_free(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        yield from _copy_across(source, target, looks)
        return
    passed(CrashPoint.ORIGINAL_MOVED)
    if put_back_if_replaced(source, target, looks=looks):
        raise ReplacedError(errno.ESTALE, os.strerror(errno.ESTALE), str(source))
    try:
        sync_folder(target.parent)
    except OSError:
        if _put_back(target, source):
            raise


def put_back_if_replaced(source: Path, target: Path, *, looks: Signature) -> bool:
    """Whether what was renamed is not the file that looked so, but one that had just taken its place.

    That comes back, unless a still newer one has come: then it is kept where it is.
    """
    moved = signature(target)
    if moved is None or _is_alike(moved, looks):
        return False
    _put_back(target, source)
    return True


def clear_unfinished(source: Path, target: Path) -> None:
    """Remove what a killed process left of a move: part of a copy, or an empty file that held the name.

    A file that was held comes back.
    """
    _copy_place(source, target).unlink(missing_ok=True)
    _let_go(source)
    held = signature(target)
    if held is not None and held.size == 0:  # what is moved is not empty
        remove_unchanged(target, held)
    passed(CrashPoint.UNFINISHED_CLEARED)


def remove_unchanged(file: Path, looks: Signature) -> bool:
    """Remove a file, and no other that takes its place at whatever moment; whether it stood there still.

    It gets a name that nobody else knows first: what has that is looked at, and removed, or comes back.

    Raises
    ------
    OSError
        If it cannot be removed; it then still stands there.
    """
    _let_go(file)
    if signature(file) != looks:
        return False
    place = _copy_place(file, file)
    try:
        file.rename(place)
    except FileNotFoundError:
        return False
    passed(CrashPoint.FILE_HELD)
    found = signature(place)
    if found is None or not _is_alike(found, looks):
        _let_go(file)
        return False
    try:
        place.unlink()
    except OSError:
        _let_go(file)
        raise
    return True


def remove_if(file: Path, is_ours: Callable[[bytes], bool]) -> None:
    """Remove a small file if what it holds is ours; OSError if that cannot be done."""
    _let_go(file)
    looks = signature(file)
    if looks is not None and holds(file, is_ours):
        remove_unchanged(file, looks)


def holds(file: Path, is_ours: Callable[[bytes], bool]) -> bool:
    """Whether there is a small file, and what it holds is ours."""
    looks = signature(file)
    return looks is not None and looks.size <= _SMALL_BYTES and is_ours(file.read_bytes())


def write_new(path: Path, data: bytes, *, staging: Path) -> None:
    """Let a small file appear at `path`, whole; FileExistsError if something stands there."""
    with staged(path, staging=staging, give_name=_rename_to_free) as place:
        place.write_bytes(data)


def share_file_system(first: Path, second: Path) -> bool:
    """Whether two folders lie on one file system, as far as can be seen."""
    try:
        return first.stat().st_dev == second.stat().st_dev
    except OSError:
        return False


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


def _put_back(moved: Path, source: Path) -> bool:
    """Give a moved file its old name again; False if that cannot be done, such as when another file has it."""
    try:
        make_folder(source.parent)
        _rename_to_free(moved, source)
    except OSError:
        return False
    passed(CrashPoint.MOVE_UNDONE)
    return True


def _let_go(file: Path) -> None:
    """Give a file that is held to be removed its name again, or the next free one if another file has that."""
    place = _copy_place(file, file)
    if not os.path.lexists(place):
        return
    for name in numbered(file):
        with contextlib.suppress(FileExistsError):
            _rename_to_free(place, name)
            return


def _copy_across(source: Path, target: Path, looks: Signature) -> Generator[None, None, None]:
    """Copy to another file system, complete and on disk before the name appears; then remove the original."""
    require_room(target.parent, looks.size)  # or a disk that is too small would be filled each time
    place = _copy_place(source, target)
    try:
        with source.open("rb") as original, place.open("wb") as copy:
            while part := original.read(_STEP_BYTES):
                copy.write(part)
                copy.flush()
                os.fsync(copy.fileno())  # each time a little: all at once could take minutes
                passed(CrashPoint.PART_COPIED)
                yield
        _copy_facts(source, place)
        sync_file(place)
        passed(CrashPoint.COPY_SYNCED)
        if signature(source) != looks:
            raise ReplacedError(errno.ESTALE, os.strerror(errno.ESTALE), str(source))
        _rename_to_free(place, target)
    finally:
        place.unlink(missing_ok=True)
    passed(CrashPoint.COPY_NAMED)
    copied = signature(target)
    try:
        sync_folder(target.parent)
        remove_unchanged(source, looks)  # what has taken its place is another file, and stays
    except OSError:
        if copied is not None and signature(source) == looks:  # or there would be one more copy each time
            remove_unchanged(target, copied)
        raise
    passed(CrashPoint.ORIGINAL_MOVED)


def _copy_facts(source: Path, copy: Path) -> None:
    """Let a copy have the original's times, permissions and tags; but not the power to run as somebody else."""
    facts = source.stat()
    os.utime(copy, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    copy.chmod(stat.S_IMODE(facts.st_mode) & _KEPT_MODE)
    with contextlib.suppress(OSError):  # not every file system has tags
        for name in os.listxattr(source):
            if name.startswith("user."):
                os.setxattr(copy, name, os.getxattr(source, name))


def _copy_place(source: Path, target: Path) -> Path:
    """Where a copy grows: beside its target, hidden from people and sync tools, different for each move."""
    digest = hashlib.sha256(os.fsencode(source) + b"\0" + os.fsencode(target)).hexdigest()
    return target.with_name(f".{digest}{STAGED_SUFFIX}")


def _is_alike(moved: Signature, looks: Signature) -> bool:
    """Whether a renamed file is the one that looked so; some file systems give it another inode."""
    return (moved.size, moved.mtime_ns) == (looks.size, looks.mtime_ns)
