"""A database that cannot be used: waited for if that may pass, and refused in one line if it cannot be trusted."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from mosaicd.errors import CorruptStateError, Need, ObstructedError
from mosaicd.store.database import Database
from mosaicd.store.libraries import library_named
from mosaicd.store.models import Library
from tests.daemon_process import DaemonProcess
from tests.faults.workplace import drop_photo, furnished, mount, small_disk
from tests.stores import new_database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = new_database(tmp_path / "store.sqlite3")
    yield database
    database.close()


def add(database: Database, name: str = "family") -> None:
    with database.write() as session:
        library_named(session, name, now=1.0)


def libraries(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(select(Library.name).order_by(Library.name)))


def test_database_that_is_removed_is_waited_for_and_never_made_anew(database: Database) -> None:
    add(database)
    aside = database.path.with_name("aside")
    database.path.rename(aside)
    for beginner in (database, Database(database.path)):
        with pytest.raises(ObstructedError, match="is not there any more: No such file") as caught:
            add(beginner, "late")
        assert caught.value.need is Need.DATABASE
    with pytest.raises(ObstructedError, match="unable to open database file"):
        libraries(Database(database.path))
    assert not database.path.exists()
    aside.rename(database.path)
    add(database, "zoo")
    assert libraries(database) == ["family", "zoo"]


def test_database_that_another_file_has_replaced_is_not_trusted(database: Database) -> None:
    add(database)
    database.path.rename(database.path.with_name("aside"))
    new_database(database.path).close()
    with pytest.raises(CorruptStateError, match="was replaced by another file while mosaicd used it"):
        add(database)


def test_table_that_is_missing_is_said_by_its_name(database: Database) -> None:
    with contextlib.closing(sqlite3.connect(database.path)) as connection, connection:
        connection.execute("ALTER TABLE library RENAME TO books")
    with pytest.raises(CorruptStateError, match="cannot be used: no such table: library"):
        libraries(database)


def test_header_that_is_overwritten_is_no_database(database: Database) -> None:
    add(database)
    database.close()
    with database.path.open("r+b") as file:
        file.write(os.urandom(100))
    with pytest.raises(CorruptStateError, match="file is not a database"):
        libraries(database)


def test_write_ahead_log_that_is_damaged_does_no_harm_to_what_was_there_before(database: Database) -> None:
    add(database)
    database.close()
    database.path.with_name(f"{database.path.name}-wal").write_bytes(os.urandom(50_000))
    assert libraries(database) == ["family"]
    add(database, "zoo")
    assert libraries(database) == ["family", "zoo"]
    with database.read() as session:
        assert session.connection().exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


def test_disk_that_fails_is_waited_for_and_the_database_opened_afresh(database: Database) -> None:
    add(database)
    assert libraries(database) == ["family"]
    nothing = os.open(os.devnull, os.O_WRONLY)
    for descriptor in descriptors_below(database.path.parent):
        os.dup2(nothing, descriptor)  # to read it or to flush it fails from now on, as on a broken disk
    os.close(nothing)
    with pytest.raises(ObstructedError, match="disk I/O error"):
        add(database, "zoo")
    add(database, "farm")
    assert libraries(database) == ["family", "farm"]


def descriptors_below(folder: Path) -> list[int]:
    """This process's open descriptors of files in a folder, but not of the one that locks are kept in."""
    names = {int(entry.name): os.path.realpath(entry) for entry in Path("/proc/self/fd").iterdir()}
    return [
        number
        for number, name in names.items()
        if name.startswith(f"{folder}/") and not name.endswith("-shm")
    ]


def failure(daemon: DaemonProcess) -> str:
    """Why the daemon has ended; it said so in one line."""
    (failed,) = daemon.events("daemon_failed")
    assert daemon.events("raw") == []
    return str(failed["why"])


def test_daemon_ends_with_code_5_over_a_database_that_is_damaged_while_it_works(tmp_path: Path) -> None:
    with furnished(tmp_path) as daemon:
        daemon.wait_for("daemon_ready")
        size = daemon.database.stat().st_size
        with daemon.database.open("r+b") as file:
            file.seek(8192)
            file.write(os.urandom(size - 8192))
        drop_photo(daemon, "cat.png")
        assert daemon.wait() == 5
    assert failure(daemon) == (
        f"the database {daemon.database} cannot be used: database disk image is malformed"
    )
    assert (daemon.inbox / "cat.png").exists()


def test_daemon_does_not_start_on_a_read_only_disk_and_ends_with_code_5(tmp_path: Path) -> None:
    daemon = furnished(tmp_path)
    state = daemon.database.parent
    with small_disk(state):
        mount("-o", "remount,ro", state)
        assert daemon.run_until_idle() == 5
    assert failure(daemon) == f"the folder of the database, {state}, cannot be written: Read-only file system"


def test_database_that_is_read_only_for_a_while_is_waited_for(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with small_disk(state):
        database = new_database(state / "store.sqlite3")
        add(database)
        database.close()
        mount("-o", "remount,ro", state)
        with pytest.raises(ObstructedError, match="cannot be used just now"):
            add(database, "zoo")
        mount("-o", "remount,rw", state)
        add(database, "zoo")
        assert libraries(database) == ["family", "zoo"]
        database.close()
