"""Copies of the database: whole, of one moment, and taken while others go on writing."""

import contextlib
import sqlite3
from pathlib import Path

from mosaicd.errors import CorruptStateError, MosaicdError

_BUSY_SECONDS = 30.0


def copy_database(database: Path, copy: Path) -> None:
    """Copy a database, as it is at one moment, to the empty file `copy`, and find out whether that is sound.

    All pages are read in one transaction. With a write-ahead log that holds up no writer, and no writer makes
    the copying begin again, as it would if it went in steps; the log only cannot be emptied meanwhile. The copy
    has no log of its own: it is one file, which can be moved, compared and opened anywhere.

    Raises
    ------
    CorruptStateError
        If the database cannot be read, or what was read of it is damaged.
    MosaicdError
        If the copy cannot be written.
    """
    try:
        with contextlib.closing(_opened(database)) as source, contextlib.closing(_opened(copy)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE").fetchall()
            (first_word,) = target.execute("PRAGMA integrity_check").fetchone()
    except sqlite3.OperationalError as error:
        message = f"the database {database} cannot be copied to {copy.parent}: {error}"
        raise MosaicdError(message) from error
    except sqlite3.DatabaseError as error:
        raise _damaged(database, str(error)) from error
    if first_word != "ok":
        raise _damaged(database, first_word)


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=_BUSY_SECONDS)


def _damaged(database: Path, why: str) -> CorruptStateError:
    message = f"the database {database} is damaged ({' '.join(why.split())}), and no copy was kept"
    return CorruptStateError(message)
