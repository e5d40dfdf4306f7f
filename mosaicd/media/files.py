"""Files on disk: signatures, content hashes, moving without overwriting, appearing whole."""

import contextlib
import errno
import hashlib
import itertools
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mosaicd.errors import TransientError

NAME_BYTES_LIMIT = 255
_STAGED_SUFFIX = ".staged"
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS}
_CHUNK_BYTES = 1 << 20
_CHUNKS_A_STEP = 16
_JOINER = "\u200d"  # holds emoji together


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What tells, without reading it, that a file is still the same."""

    size: int
    mtime_ns: int
    inode: int


def signature(path: Path) -> Signature | None:
    """The signature of a regular file; None if there is none, or it is something else (a link, a pipe)."""
    try:
        facts = path.lstat()
    except OSError:
        return None
    return signature_of(facts)


def signature_of(facts: os.stat_result) -> Signature | None:
    """The signature from what ``lstat`` says; None for what is no regular file."""
    if not stat.S_ISREG(facts.st_mode):
        return None
    return Signature(size=facts.st_size, mtime_ns=facts.st_mtime_ns, inode=facts.st_ino)


def content_hash(path: Path) -> bytes:
    """SHA-256 of a file's content; TransientError if it cannot be read just now."""
    return next(digest for digest in hash_in_steps(path) if digest is not None)


def hash_in_steps(path: Path) -> Iterator[bytes | None]:
    """SHA-256 of a file's content, with a None each time that another part has been read; as `content_hash`."""
    digest = hashlib.sha256()
    try:
        with path.open("rb", buffering=0) as file:
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


def printable(name: str) -> str:
    """A name that can be stored and shown as text, different for different names."""
    return one_line(name.replace("\\", "\\\\"))


def one_line(text: str) -> str:
    """A text with what could begin another line, or steer a terminal, escaped."""
    return "".join(
        letter if letter.isprintable() or letter == _JOINER else _escaped(ord(letter)) for letter in text
    )


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


def free_path(path: Path) -> Path:
    """`path`, or the first numbered one after it that nothing stands at."""
    return next(candidate for candidate in numbered(path) if not os.path.lexists(candidate))


def move_aside(source: Path, target: Path) -> None:
    """Move a file to `target`, which must be free; across file systems too. Nothing is ever overwritten.

    Raises
    ------
    FileExistsError
        If something stands at `target`.
    OSError
        If the file cannot be moved; it then still stands at `source`.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(target.parent)) from error
    try:
        _give_name(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy_across(source, target)
    sync_folder(target.parent)
    try:
        source.unlink(missing_ok=True)
    except OSError:
        if signature(source) is not None:  # it has a second name now, or a copy, each time that this is tried
            target.unlink()
        raise


def has_same_content(first: Path, second: Path) -> bool:
    """Whether two files are one, or hold the same bytes; TransientError if they cannot be read just now."""
    return first.samefile(second) or content_hash(first) == content_hash(second)


def write_whole(path: Path, data: bytes, *, staging: Path) -> None:
    """Let a small file appear at `path` whole or not at all."""
    with staged(path, staging=staging) as place:
        place.write_bytes(data)


@contextlib.contextmanager
def staged(path: Path, *, staging: Path) -> Iterator[Path]:
    """Give a place to write to; when the block ends well, what was written appears at `path`, whole.

    `staging` is a folder on the same file system as `path`, one that no sync tool watches.
    """
    staging.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()
    place = staging / f"{digest}{_STAGED_SUFFIX}"
    try:
        yield place
        with place.open("rb") as file:
            os.fsync(file.fileno())
        path.parent.mkdir(parents=True, exist_ok=True)
        place.replace(path)
        sync_folder(path.parent)
    finally:
        place.unlink(missing_ok=True)


def clear_staging(staging: Path) -> int:
    """Remove what a killed process left half-written; how many files that were."""
    left = list(staging.glob(f"*{_STAGED_SUFFIX}"))
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def sync_folder(folder: Path) -> None:
    """Make sure that the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _give_name(source: Path, target: Path) -> None:
    """Let a file appear at `target`, on the same file system; FileExistsError if something stands there."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))  # so that nobody else's is replaced
        try:
            source.replace(target)
        except OSError:
            target.unlink()
            raise


def _copy_across(source: Path, target: Path) -> None:
    """Copy to another file system, complete and on disk before the name appears."""
    place = target.with_name(f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()}{_STAGED_SUFFIX}")
    try:
        shutil.copy2(source, place)
        with place.open("rb") as file:
            os.fsync(file.fileno())
        _give_name(place, target)
    finally:
        place.unlink(missing_ok=True)


def _escaped(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
