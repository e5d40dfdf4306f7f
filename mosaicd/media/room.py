"""Whether a folder takes files just now, and how large ones."""

import errno
import os
from pathlib import Path

LEAST_BYTES = 1 << 16
_MOST_BYTES = 1 << 28
_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_UNNAMED_FILES = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL}  # network file systems, FAT


def is_full(error: OSError) -> bool:
    """Whether something could not be written for lack of room, or because a quota is used up."""
    return error.errno in _FULL


def require_room(folder: Path, size: int = LEAST_BYTES) -> None:
    """Find out whether a file of so many bytes could be written in a folder, or where that is to be made.

    The file that this is tried with never has a name, so that no sync tool sees it.

    Raises
    ------
    OSError
        If it could not.
    """
    while not os.path.lexists(folder):
        folder = folder.parent
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in _NO_UNNAMED_FILES:
            raise
        _require_figures(folder, size)
        return
    try:
        os.posix_fallocate(descriptor, 0, size)
    finally:
        os.close(descriptor)


def lacking_bytes(folder: Path) -> int | None:
    """A size that a folder has no room for, at most twice the smallest; None if it has much room."""
    size = LEAST_BYTES
    while size <= _MOST_BYTES:
        try:
            require_room(folder, size)
        except OSError:
            return size
        size *= 2
    return None


def _require_figures(folder: Path, size: int) -> None:
    """As `require_room`, going by what the file system says of itself."""
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    facts = os.statvfs(folder)
    if facts.f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(folder))
    if facts.f_bavail * facts.f_frsize < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
