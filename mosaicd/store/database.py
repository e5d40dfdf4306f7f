"""Opening the database: its pragmas, its transactions, its migrations."""

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import URL, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from mosaicd.crash_points import CrashPoint, passed
from mosaicd.errors import CorruptStateError, MosaicdError, Need, ObstructedError
from mosaicd.store.copies import copy_database

if TYPE_CHECKING:
    from alembic.config import Config

_BUSY_TIMEOUT_MS = 10_000  # well below the time that systemd gives a daemon to stop
_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}
_MISTAKES = {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISUSE}  # of this program, not of the database
_READ_ONLY = {errno.EACCES, errno.EPERM, errno.EROFS}
_PRIMARY_CODE = 0xFF
_SHARED_MEMORY_BYTES = 32_768
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
        self._inode: int | None = None
        self._engine = create_engine(
            URL.create("sqlite", database=str(path)), connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000}
        )
        event.listen(self._engine, "do_connect", self._connect)
        event.listen(self._engine, "connect", _prepare_connection)
        event.listen(self._engine, "begin", _begin)
        self._writer = self._engine.execution_options(begin="IMMEDIATE")

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()
        self._inode = None

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
        ObstructedError
            If the disk is full, the database stays locked, or its file is not there.
        CorruptStateError
            If the database cannot be used.
        """
        self._require_same_file()
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
        ObstructedError
            If that, or the copy, cannot be written just now.
        """
        self._require_writable_file()
        with self._translated():
            head = revisions()[-1]
            revision = self._revision()
            if revision == head:
                return None
            copy = None if revision is None else self._copied_before(head)
            from alembic import command

            command.upgrade(_alembic_config(self._engine), "head")
            passed(CrashPoint.SCHEMA_CURRENT)
        return None if copy is None else Upgrade(revision=head, copy=copy)

    def require_writable(self) -> None:
        """Write something that changes nothing, whatever the schema; raises as `write` does."""
        with self.write() as session:
            session.execute(text("PRAGMA user_version = 0"))  # nobody uses it

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
                passed(CrashPoint.SCHEMA_COPIED)
            finally:
                place.unlink(missing_ok=True)
        except CorruptStateError:
            raise
        except (OSError, MosaicdError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            message = f"the copy before the upgrade, {copy}, cannot be written: {why}"
            raise ObstructedError(message, need=Need.DATABASE) from error
        return copy

    def _revision(self) -> str | None:
        """The schema's revision; None if there is none yet, CorruptStateError if it is newer than the program."""
        from alembic.runtime.migration import MigrationContext

        with self._engine.connect() as connection:
            revision = MigrationContext.configure(connection).get_current_revision()
        if revision is not None and revision not in revisions():
            message = (
                f"the database {self.path} was written by a newer mosaicd than this one; "
                "install that version again, or restore the backup made before the upgrade"
            )
            raise CorruptStateError(message)
        return revision

    def _connect(self, *_: Any) -> sqlite3.Connection:  # noqa: ANN401
        """Connect to the file that is there: where it is missing, an empty one must not take its place."""
        return sqlite3.connect(
            f"file:{quote(os.fsencode(self.path))}?mode=rw",
            uri=True,
            timeout=_BUSY_TIMEOUT_MS / 1000,
            check_same_thread=False,
        )

    def _require_writable_file(self) -> None:
        """Make the file if it is not there yet; CorruptStateError if it is read-only."""
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o644))
        except OSError as error:
            if error.errno in _READ_ONLY:
                message = f"the database {self.path} cannot be written: {error.strerror}"
                raise CorruptStateError(message) from error
            message = f"the database {self.path} cannot be used just now: {error.strerror}"
            raise ObstructedError(message, need=Need.DATABASE) from error

    def _require_same_file(self) -> None:
        """See that what is written does not go to a file that nobody can find any more."""
        try:
            inode = self.path.stat().st_ino
        except OSError as error:
            message = f"the database {self.path} is not there any more: {error.strerror}"
            raise ObstructedError(message, need=Need.DATABASE) from error
        if self._inode is None:
            self._inode = inode
        if inode != self._inode:
            message = f"the database {self.path} was replaced by another file while mosaicd used it"
            raise CorruptStateError(message)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            code = getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_MISUSE) & _PRIMARY_CODE
            if code in _PASSING:
                self._engine.dispose()  # a connection that has met a broken disk might not see it mended
                is_full = code == sqlite3.SQLITE_FULL or (
                    code == sqlite3.SQLITE_IOERR and _has_no_room(self.path.parent)
                )
                why = "the disk is full" if is_full else error.orig
                message = f"the database {self.path} cannot be used just now: {why}"
                raise ObstructedError(message, need=Need.DATABASE, is_full=is_full) from error
            if code in _MISTAKES:
                raise
            message = f"the database {self.path} cannot be used: {error.orig}"
            raise CorruptStateError(message) from error


def revisions() -> list[str]:
    """Every revision of the schema that this program knows, oldest first; the last one is its own."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_alembic_config(None))
    return [script.revision for script in scripts.walk_revisions()][::-1]


def _alembic_config(engine: Engine | None) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "mosaicd:store/migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["engine"] = engine
    return config


def _has_no_room(folder: Path) -> bool:
    """Whether a disk is full; of that, SQLite says that it is broken where it cannot grow its shared memory."""
    facts = os.statvfs(folder)
    return facts.f_bavail * facts.f_frsize < _SHARED_MEMORY_BYTES


def _prepare_connection(connection: sqlite3.Connection, _record: Any) -> None:  # noqa: ANN401
    connection.isolation_level = None  # transactions are begun by _begin alone
    cursor = connection.cursor()
    if cursor.execute("PRAGMA auto_vacuum").fetchone() == (0,):  # to set what is set already would be a write
        cursor.execute(
            "PRAGMA auto_vacuum = INCREMENTAL"
        )  # of a new file, or at the next VACUUM of an older one
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
