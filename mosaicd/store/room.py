"""Giving the room of what was deleted back to the disk."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from mosaicd.errors import MosaicdError

_BUSY_SECONDS = 30.0
_INCREMENTAL = 2
_PAGES_A_STEP = 1000


def give_room_back(database: Path) -> int:
    """Make the file of a database as small as what it holds; how many bytes have been free in it.

    Others may go on working: it goes in short transactions. A database that was made before these were possible
    is written anew as a whole this once, while others can read but have to wait to write.

    Raises
    ------
    MosaicdError
        If that cannot be done just now.
    """
    os.environ.setdefault("SQLITE_TMPDIR", str(database.parent))  # it may need as much room as the database
    try:
        with contextlib.closing(sqlite3.connect(database, timeout=_BUSY_SECONDS)) as connection:
            connection.isolation_level = None
            room = _value(connection, "freelist_count") * _value(connection, "page_size")
            _shrink(connection)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error as error:
        message = f"the room cannot be given back to the disk just now, new tiles will take it: {error}"
        raise MosaicdError(message) from error
    return room


@contextlib.contextmanager
def in_turn() -> Iterator[None]:
    """Wait after the block for as long as it took: whoever asks now and then for leave to write gets it."""
    start = time.monotonic()
    yield
    time.sleep(time.monotonic() - start)


def _shrink(connection: sqlite3.Connection) -> None:
    if _value(connection, "auto_vacuum") != _INCREMENTAL:
        connection.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
        connection.execute("VACUUM")
    while _value(connection, "freelist_count"):
        with in_turn():
            connection.executescript(f"PRAGMA incremental_vacuum({_PAGES_A_STEP})")  # execute frees one page


def _value(connection: sqlite3.Connection, pragma: str) -> int:
    (value,) = connection.execute(f"PRAGMA {pragma}").fetchone()
    return int(value)
