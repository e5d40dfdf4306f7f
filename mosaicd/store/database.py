"""Opening the database: its pragmas, its transactions, its migrations."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from mosaicd.errors import CorruptStateError, TransientError

_BUSY_TIMEOUT_MS = 30_000
_PASSING = ("disk is full", "disk i/o error", "database is locked", "unable to open database file")
_MISTAKES = ("unique constraint", "foreign key", "check constraint")  # of this program, not of the database
_PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": _BUSY_TIMEOUT_MS}


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

    def migrate(self) -> None:
        """Bring the schema to this program's revision.

        Raises
        ------
        CorruptStateError
            If the schema is newer than this program, or the file is no database.
        """
        with self._translated():
            if not self._is_current():
                command.upgrade(_alembic_config(self._engine), "head")

    def require_current(self) -> None:
        """Raise CorruptStateError unless the schema is this program's revision; change nothing."""
        with self._translated():
            if not self._is_current():
                message = (
                    f"the database {self.path} has an older schema than this mosaicd; "
                    "start the daemon once to upgrade it"
                )
                raise CorruptStateError(message)

    def _is_current(self) -> bool:
        """Whether the schema is this program's; CorruptStateError if it is newer."""
        scripts = ScriptDirectory.from_config(_alembic_config(self._engine))
        with self._engine.connect() as connection:
            revision = MigrationContext.configure(connection).get_current_revision()
        if revision is not None and revision not in {script.revision for script in scripts.walk_revisions()}:
            message = (
                f"the database {self.path} was written by a newer mosaicd than this one; "
                "install that version again, or restore the backup made before the upgrade"
            )
            raise CorruptStateError(message)
        return revision == scripts.get_current_head()

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


def _alembic_config(engine: Engine) -> Config:
    config = Config()
    config.set_main_option("script_location", "mosaicd:store/migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["engine"] = engine
    return config


def _prepare_connection(connection: sqlite3.Connection, _record: Any) -> None:  # noqa: ANN401
    connection.isolation_level = None  # transactions are begun by _begin alone
    cursor = connection.cursor()
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
