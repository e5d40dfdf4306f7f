"""Opening the database: its pragmas, its transactions, its migrations."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from mosaicd.errors import CorruptStateError, MosaicdError, TransientError
from mosaicd.store.copies import copy_database

_BUSY_TIMEOUT_MS = 30_000
_PASSING = ("disk is full", "disk i/o error", "database is locked", "unable to open database file")
_MISTAKES = ("unique constraint", "foreign key", "check constraint")  # of this program, not of the database
_PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": _BUSY_TIMEOUT_MS}
_PRIVATE = 0o600  # tiles show what people have filmed


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """An older database has been brought to this revision of the schema; what it was before stands in `copy`."""

    revision: str
    copy: Path


class Database:
    """The store's one database.

    Parameters
    ----------
    path : Path
        The SQLite file. Its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = create_engine(
            URL.create("sqlite", database=str(path)), connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000}
        )
        event.listen(self._engine, "connect", _prepare_connection)
        event.listen(self._engine, "begin", _begin)
        self._writer = self._engine.execution_options(begin="IMMEDIATE")

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()

    @contextlib.contextmanager
    def read(self) -> Iterator[Session]:
        """A session on one unchanging state of the database; nothing it does is kept."""
        with self._translated(), Session(self._engine) as session:
            yield session

    @contextlib.contextmanager
    def write(self) -> Iterator[Session]:
        """A session whose changes are kept, all or none, when the block ends well.

        Raises
        ------
        TransientError
            If the disk is full or the database stays locked.
        CorruptStateError
            If the database cannot be used.
        """
        with self._translated(), Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    def migrate(self) -> Upgrade | None:
        """Bring the schema to this program's revision: all at once, or not at all.

        What an older program has written is copied first, to a file beside it that is named for the new revision.

        Returns
        -------
        Upgrade or None
            None for a database that was current, or has just been made.

        Raises
        ------
        CorruptStateError
            If the schema is newer than this program, the file is no database, or it is damaged.
        MosaicdError
            If the copy cannot be written.
        """
        with self._translated():
            head = revisions()[-1]
            revision = self._revision()
            if revision == head:
                return None
            copy = None if revision is None else self._copied_before(head)
            command.upgrade(_alembic_config(self._engine), "head")
        return None if copy is None else Upgrade(revision=head, copy=copy)

    def require_current(self) -> None:
        """Raise CorruptStateError unless the schema is this program's revision; change nothing."""
        with self._translated():
            if self._revision() != revisions()[-1]:
                message = (
                    f"the database {self.path} has an older schema than this mosaicd; "
                    "start the daemon once to upgrade it"
                )
                raise CorruptStateError(message)

    def _copied_before(self, revision: str) -> Path:
        """A copy of the database as it is before the upgrade; in place of one from an earlier try."""
        copy = self.path.with_name(f"{self.path.name}.before-{revision}")
        place = copy.with_name(f"{copy.name}.part")
        try:
            os.close(os.open(place, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, _PRIVATE))
            try:
                copy_database(self.path, place)
                place.replace(copy)
            finally:
                place.unlink(missing_ok=True)
        except OSError as error:
            message = f"the copy before the upgrade, {copy}, cannot be written: {error.strerror}"
            raise MosaicdError(message) from error
        return copy

    def _revision(self) -> str | None:
        """The schema's revision; None if there is none yet, CorruptStateError if it is newer than the program."""
        with self._engine.connect() as connection:
            revision = MigrationContext.configure(connection).get_current_revision()
        if revision is not None and revision not in revisions():
            message = (
                f"the database {self.path} was written by a newer mosaicd than this one; "
                "install that version again, or restore the backup made before the upgrade"
            )
            raise CorruptStateError(message)
        return revision

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            text = str(error.orig).lower()
            if any(phrase in text for phrase in _PASSING):
                message = f"the database {self.path} cannot be used just now: {error.orig}"
                raise TransientError(message) from error
            if any(phrase in text for phrase in _MISTAKES):
                raise
            message = f"the database {self.path} cannot be used: {error.orig}"
            raise CorruptStateError(message) from error


def revisions() -> list[str]:
    """Every revision of the schema that this program knows, oldest first; the last one is its own."""
    scripts = ScriptDirectory.from_config(_alembic_config(None))
    return [script.revision for script in scripts.walk_revisions()][::-1]


def _alembic_config(engine: Engine | None) -> Config:
    config = Config()
    config.set_main_option("script_location", "mosaicd:store/migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["engine"] = engine
    return config


def _prepare_connection(connection: sqlite3.Connection, _record: Any) -> None:  # noqa: ANN401
    connection.isolation_level = None  # transactions are begun by _begin alone
    cursor = connection.cursor()
    cursor.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file, or at the next VACUUM of an older one
    for name, wanted in _PRAGMAS.items():
        cursor.execute(f"PRAGMA {name} = {wanted}")
        (value,) = cursor.execute(f"PRAGMA {name}").fetchone()
        if value != wanted:
            message = f"SQLite refuses {name} = {wanted} for this database (it says {value})"
            raise CorruptStateError(message)
    cursor.close()


def _begin(connection: Any) -> None:  # noqa: ANN401
    kind = connection.get_execution_options().get("begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {kind}")
