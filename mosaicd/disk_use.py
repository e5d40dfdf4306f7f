"""How much of the disk each part takes: the database and its log, and the folders that fill up."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from mosaicd.jobs.originals import Folders

_BLOCK_BYTES = 512  # the unit of st_blocks, whatever the file system's is
_FILES_LIMIT = 200_000  # about half a second on a local disk
_UNITS = ("kB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUse:
    """What one part takes.

    Attributes
    ----------
    part : str
    files : int
    bytes : int
        On disk, so that a file with holes takes no more than it does.
    is_whole : bool
        False if there is more of it: it holds too many files to count them each time, or some cannot be read.
    """

    part: str
    files: int
    bytes: int
    is_whole: bool


def disk_use(database: Path, folders: Folders) -> list[DiskUse]:
    """What the database, its write-ahead log, outbox, archive and rejected files take."""
    log = database.with_name(f"{database.name}-wal")
    return [
        _use_of_file("database", database),
        _use_of_file("write-ahead log", log),
        *(
            _use_of_folder(name, folder, files_limit=_FILES_LIMIT)
            for name, folder in (
                ("outbox", folders.outbox),
                ("archive", folders.archive),
                ("rejected", folders.rejected),
            )
        ),
    ]


def in_units(count: int) -> str:
    """So many bytes, as people read them."""
    amount = count / 1000
    for unit in _UNITS[:-1]:
        if amount < 999.95:
            return f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:,.1f} {_UNITS[-1]}"


def _use_of_file(part: str, path: Path) -> DiskUse:
    try:
        taken = path.stat().st_blocks * _BLOCK_BYTES
    except FileNotFoundError:  # a log is there only while the database is open
        return DiskUse(part=part, files=0, bytes=0, is_whole=True)
    except OSError:
        return DiskUse(part=part, files=0, bytes=0, is_whole=False)
    return DiskUse(part=part, files=1, bytes=taken, is_whole=True)


def _use_of_folder(part: str, folder: Path, *, files_limit: int) -> DiskUse:
    """What the files beneath a folder take, without following links; none, where there is no folder."""
    files = taken = 0
    is_whole = True
    unseen = [str(folder)]
    while unseen:
        try:
            with os.scandir(unseen.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        unseen.append(entry.path)
                    elif files == files_limit:
                        return DiskUse(part=part, files=files, bytes=taken, is_whole=False)
                    else:
                        with contextlib.suppress(FileNotFoundError):  # moved since it was listed, as below
                            taken += entry.stat(follow_symlinks=False).st_blocks * _BLOCK_BYTES
                            files += 1
        except FileNotFoundError:
            continue
        except OSError:
            is_whole = False
    return DiskUse(part=part, files=files, bytes=taken, is_whole=is_whole)
