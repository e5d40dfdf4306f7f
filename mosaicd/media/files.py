"""Files on disk: signatures, content hashes, names, appearing whole."""

import contextlib
import errno
import hashlib
import itertools
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from mosaicd.crash_points import CrashPoint, passed
from mosaicd.errors import TransientError

NAME_BYTES_LIMIT = 255
STAGED_SUFFIX = ".staged"
_CHUNK_BYTES = 1 << 20
_CHUNKS_A_STEP = 16
_SIGN_BIT = 1 << 63
_CANNOT_SYNC = {errno.EINVAL, errno.ENOTSUP}
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What tells, without reading it, that a file is still the same.

    All of it fits into 64 bits with a sign, which is what SQLite holds, whatever a file system says: a time stamp
    beyond the year 2262 is that year's, and the upper half of inode numbers counts as negative.
    """

    size: int
    mtime_ns: int
    inode: int


def signature(path: Path) -> Signature | None:
    """The signature of a regular file; None if none is seen, or it is something else (a link, a pipe)."""
    try:
        facts = path.lstat()
    except OSError:
        return None
    return signature_of(facts)


def has_gone(path: Path, looks: Signature) -> bool:
    """Whether the file that looked so stands at `path` no more; False if what stands there cannot be seen."""
    try:
        facts = path.lstat()
    except OSError as error:
        return error.errno in _NOT_THERE
    return signature_of(facts) != looks


def signature_of(facts: os.stat_result) -> Signature | None:
    """The signature from what ``lstat`` says; None for what is no regular file."""
    if not stat.S_ISREG(facts.st_mode):
        return None
    return Signature(
        size=facts.st_size,
        mtime_ns=max(-_SIGN_BIT, min(facts.st_mtime_ns, _SIGN_BIT - 1)),
        inode=(facts.st_ino + _SIGN_BIT) % (2 * _SIGN_BIT) - _SIGN_BIT,
    )


def content_hash(path: Path) -> bytes:
    """SHA-256 of a file's content; TransientError if it cannot be read just now."""
    return next(digest for digest in hash_in_steps(path) if digest is not None)


def hash_in_steps(path: Path) -> Iterator[bytes | None]:
    """SHA-256 of a file's content, with a None each time that another part has been read; as `content_hash`."""
    digest = hashlib.sha256()
    try:
        with _opened_without_waiting(path) as file:
            for number in itertools.count(1):
                chunk = file.read(_CHUNK_BYTES)
                if not chunk:
                    yield digest.digest()
                    return
                digest.update(chunk)
                if number % _CHUNKS_A_STEP == 0:
                    yield None
    except OSError as error:
        message = f"the file cannot be read: {error.strerror}"
        raise TransientError(message) from error


def _opened_without_waiting(path: Path) -> FileIO:
    """Open a regular file for reading; OSError if something else has taken its place, such as a pipe."""
    file = FileIO(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return file


def shortened(name: str, *, room: int) -> str:
    """A file name that leaves `room` bytes for endings: cut, and marked with a hash, where it is too long."""
    encoded = os.fsencode(name)
    limit = NAME_BYTES_LIMIT - room
    if len(encoded) <= limit:
        return name
    mark = "~" + hashlib.sha256(encoded).hexdigest()[:8]
    end = max(0, limit - len(mark))
    while end > 0 and encoded[end] & 0xC0 == 0x80:  # do not cut within a letter
        end -= 1
    return os.fsdecode(encoded[:end]) + mark


def numbered(path: Path) -> Iterator[Path]:
    """`path`, and after it the same with (2), (3) and so on before its suffix."""
    yield path
    number = 2
    suffix = path.suffix if len(path.suffix) < 16 else ""
    stem = path.name.removesuffix(suffix) if suffix else path.name
    while True:
        ending = f" ({number}){suffix}"
        yield path.with_name(shortened(stem, room=len(os.fsencode(ending))) + ending)
        number += 1


def write_whole(path: Path, data: bytes, *, staging: Path) -> None:
    """Let a small file appear at `path` whole or not at all."""
    with staged(path, staging=staging) as place:
        place.write_bytes(data)


@contextlib.contextmanager
def staged(
    path: Path, *, staging: Path, give_name: Callable[[Path, Path], object] = Path.replace
) -> Iterator[Path]:
    """Give a place to write to; when the block ends well, what was written appears at `path`, whole.

    Parameters
    ----------
    path : Path
    staging : Path
        A folder on the same file system as `path`, one that no sync tool watches.
    give_name : callable
        Renames what was written.
    """
    staging.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()
    place = staging / f"{digest}{STAGED_SUFFIX}"
    try:
        yield place
        passed(CrashPoint.FILE_STAGED)
        sync_file(place)
        passed(CrashPoint.FILE_SYNCED)
        make_folder(path.parent)
        give_name(place, path)
        passed(CrashPoint.FILE_APPEARED)
        sync_folder(path.parent)
    finally:
        place.unlink(missing_ok=True)


def clear_staging(staging: Path) -> int:
    """Remove what a killed process left half-written, as far as that can be done; how many files that were."""
    removed = 0
    for path in staging.glob(f"*{STAGED_SUFFIX}"):
        with contextlib.suppress(OSError):  # the disk is read-only just now: the next start tries again
            path.unlink()
            removed += 1
    passed(CrashPoint.STAGING_CLEARED)
    return removed


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, so that a power cut leaves them; NotADirectoryError if a file is there."""
    missing = list(itertools.takewhile(lambda each: not each.is_dir(), (folder, *folder.parents)))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from error
    for made in reversed(missing):
        passed(CrashPoint.FOLDER_MADE)
        sync_folder(made.parent)


def sync_file(path: Path) -> None:
    """Make sure that what a file holds survives a power cut."""
    _sync(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)


def sync_folder(folder: Path) -> None:
    """Make sure that the names in a folder survive a power cut, as far as its file system can do that."""
    try:
        _sync(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
