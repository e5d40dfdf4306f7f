"""Deleting a file for good, and nothing else in its place."""

import contextlib
import errno
import os
from enum import StrEnum
from pathlib import Path

from mosaicd.media.files import signature_of

_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}


class Fate(StrEnum):
    """What has become of a file that was to be deleted."""

    DELETED = "deleted"
    GONE = "gone"
    """It was not there any more."""
    KEPT = "kept"
    """Something else stands in its place, or its place is not in the folder."""


def delete_unchanged(file: Path, *, folder: Path, size: int, mtime_ns: int) -> Fate:
    """Delete a file in or below `folder` if it still is the one it was, by size and time.

    No link is followed below `folder`, at whatever moment somebody may put one there.

    Raises
    ------
    OSError
        If it cannot be deleted.
    """
    try:
        *folders, name = file.relative_to(folder).parts
    except ValueError:
        return Fate.KEPT
    if name == os.pardir or os.pardir in folders:
        return Fate.KEPT
    with contextlib.ExitStack() as opened:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        opened.callback(os.close, place)
        try:
            for part in folders:
                place = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place)
                opened.callback(os.close, place)
            facts = os.stat(name, dir_fd=place, follow_symlinks=False)
        except OSError as error:
            if error.errno in _NOT_THERE:
                return Fate.GONE
            raise
        looks = signature_of(facts)
        if looks is None or (looks.size, looks.mtime_ns) != (size, mtime_ns):
            return Fate.KEPT
        os.unlink(name, dir_fd=place)
        return Fate.DELETED
