"""Backups: whole, of one moment, beside a writer, and never over anything."""

import fcntl
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from mosaicd.backup import back_up
from mosaicd.errors import CorruptStateError, MosaicdError
from mosaicd.jobs.originals import Folders
from mosaicd.store.copies import copy_database
from mosaicd.store.database import Database
from mosaicd.store.libraries import library_facts
from tests.daemon_process import wait_until
from tests.stores import add_source, new_database

_WRITER = """
import itertools, sys
from pathlib import Path
from mosaicd.store.database import Database
from tests.stores import add_source

database = Database(Path(sys.argv[1]))
for number in itertools.count(1):
    with database.write() as session:
        add_source(session, name=f"film-{number}.mp4", tiles=50)
    print(number, flush=True)
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = new_database(tmp_path / "state" / "store.sqlite3")
    with database.write() as session:
        add_source(session, tiles=2000)
    yield database
    database.close()


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    root = tmp_path / "root"
    return Folders(
        inbox=root / "inbox",
        outbox=root / "outbox",
        archive=root / "archive",
        rejected=root / "rejected",
        staging=root / ".staging",
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the backup goes: a folder that holds nothing else."""
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder / "mosaicd backup.sqlite3"


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_backup_holds_what_the_database_holds_in_one_private_file(
    database: Database, folders: Folders, file: Path
) -> None:
    size = back_up(database.path, file, folders)
    assert names(file.parent) == [file.name]
    assert file.stat().st_size == size
    assert file.stat().st_mode & 0o777 == 0o600
    copy = Database(file)
    copy.require_current()
    with database.read() as expected, copy.read() as found:
        assert library_facts(found) == library_facts(expected)
    copy.close()


def test_backup_can_be_read_where_nothing_can_be_written(
    database: Database, folders: Folders, file: Path
) -> None:
    back_up(database.path, file, folders)
    connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert connection.execute("SELECT count(*) FROM tile").fetchone() == (2000,)
    connection.close()


def test_database_that_was_restored_is_worked_on(database: Database, folders: Folders, file: Path) -> None:
    back_up(database.path, file, folders)
    with database.write() as session:
        add_source(session, name="later.mp4", tiles=7)
    database.close()
    file.replace(database.path)
    with database.read() as session:
        assert library_facts(session)[0].tiles == 2000
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
    with database.write() as session:
        add_source(session, name="anew.mp4", tiles=1)


def test_backup_beside_a_writer_is_of_one_moment_and_holds_it_up_little(
    database: Database, folders: Folders, file: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(database.path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        back_up(database.path, file, folders)
        written = int(writer.stdout.readline())
        with database.read() as session:
            before = library_facts(session)[0].sources
        wait_until(lambda: _sources(database) > before, what="the writer goes on")
        writer.kill()
    with sqlite3.connect(file) as copy:
        (films,) = copy.execute("SELECT count(*) FROM source").fetchone()
        (tiles,) = copy.execute("SELECT count(*) FROM tile").fetchone()
        assert copy.execute("PRAGMA foreign_key_check").fetchall() == []
    copy.close()
    assert films >= 2
    assert written >= 2
    assert tiles == 2000 + 50 * (films - 1)


def test_what_stands_there_is_never_overwritten(database: Database, folders: Folders, file: Path) -> None:
    file.write_text("last week's")
    with pytest.raises(MosaicdError, match=r"exists already, and nothing is ever overwritten: name another"):
        back_up(database.path, file, folders)
    assert file.read_text() == "last week's"


def test_what_appears_during_the_copying_is_not_overwritten(
    database: Database, folders: Folders, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy_slowly(source: Path, copy: Path) -> None:
        copy_database(source, copy)
        file.write_text("somebody else's")

    monkeypatch.setattr("mosaicd.backup.copy_database", copy_slowly)
    with pytest.raises(MosaicdError, match=r"has appeared meanwhile, and nothing is ever overwritten"):
        back_up(database.path, file, folders)
    assert file.read_text() == "somebody else's"
    assert names(file.parent) == [file.name]


@pytest.mark.parametrize("name", ["inbox", "outbox", "archive", "rejected", "staging"])
def test_backup_does_not_lie_among_films_and_mosaics(
    database: Database, folders: Folders, tmp_path: Path, name: str
) -> None:
    folder: Path = getattr(folders, name) / "family"
    folder.mkdir(parents=True)
    (tmp_path / "link").symlink_to(folder)
    for path in (folder / "backup.sqlite3", tmp_path / "link" / "backup.sqlite3"):
        with pytest.raises(MosaicdError, match=rf"would lie in {name} .*: name another file"):
            back_up(database.path, path, folders)
    assert names(folder) == []


def test_backup_may_be_synced_from_the_root(database: Database, folders: Folders) -> None:
    folders.inbox.mkdir(parents=True)
    assert back_up(database.path, folders.inbox.parent / "backup.sqlite3", folders) > 0


def test_folder_or_missing_folder_is_said_to_be_one(database: Database, folders: Folders, file: Path) -> None:
    with pytest.raises(MosaicdError, match=r"backups is a folder: name the file that is to be written in it"):
        back_up(database.path, file.parent, folders)
    with pytest.raises(MosaicdError, match=r"there is no folder .*/nowhere$"):
        back_up(database.path, file.parent / "nowhere" / "file", folders)


def test_nothing_is_backed_up_where_there_is_no_database(folders: Folders, file: Path) -> None:
    with pytest.raises(MosaicdError, match=r"there is no database yet at .*: nothing to back up"):
        back_up(file.with_name("none"), file, folders)
    assert names(file.parent) == []


def be_killed_while_backing_up(
    database: Database, folders: Folders, file: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Leave what a backup leaves that is killed when all is copied."""
    with monkeypatch.context() as patch:
        patch.setattr("mosaicd.backup.Path.unlink", lambda *_, **__: None)
        patch.setattr("mosaicd.backup.move_aside", lambda *_: None)
        back_up(database.path, file, folders)
    (left,) = file.parent.iterdir()
    return left


def test_what_a_killed_backup_left_goes_with_the_next_to_that_folder(
    database: Database, folders: Folders, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = be_killed_while_backing_up(database, folders, file, monkeypatch)
    left.with_name(f"{left.name}-journal").touch()
    back_up(database.path, file.with_name("another"), folders)
    assert names(file.parent) == ["another"]


def test_backup_that_is_being_written_is_left_alone(
    database: Database, folders: Folders, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = be_killed_while_backing_up(database, folders, file, monkeypatch)
    writer = os.open(file.parent, os.O_RDONLY)
    fcntl.flock(writer, fcntl.LOCK_SH)
    back_up(database.path, file.with_name("another"), folders)
    with pytest.raises(MosaicdError, match="or was killed: if none is running, remove ") as caught:
        back_up(database.path, file, folders)
    os.close(writer)
    assert str(left) in str(caught.value)
    assert back_up(database.path, file, folders) > 0


def test_damaged_database_gives_no_backup(database: Database, folders: Folders, file: Path) -> None:
    database.close()
    with sqlite3.connect(database.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'source'").fetchone()
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with database.path.open("r+b") as raw:
        raw.seek((page - 1) * page_size)
        raw.write(b"\xa5" * page_size)
    with pytest.raises(CorruptStateError, match=r"is damaged \(.+\), and no copy was kept"):
        back_up(database.path, file, folders)
    assert names(file.parent) == []


def test_damage_that_is_found_only_in_the_copy_gives_no_backup(
    database: Database, folders: Folders, file: Path
) -> None:
    with sqlite3.connect(database.path) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("DELETE FROM sqlite_schema WHERE name = 'tile_by_library'")
    connection.close()
    with pytest.raises(CorruptStateError, match=r"is damaged \(.* is never used\), and no copy was kept"):
        back_up(database.path, file, folders)
    assert names(file.parent) == []


def test_folder_that_cannot_be_written_to_is_said_to_be_one(
    database: Database, folders: Folders, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("mosaicd.backup.os.open", refuse)
    with pytest.raises(MosaicdError, match=r"backup\.sqlite3 cannot be written: Permission denied$"):
        back_up(database.path, file, folders)


def test_file_that_is_no_database_gives_no_backup(tmp_path: Path, folders: Folders, file: Path) -> None:
    (tmp_path / "novel.txt").write_bytes(b"It was a dark and stormy night. " * 300)
    with pytest.raises(CorruptStateError, match=r"is damaged \(file is not a database\), and no copy"):
        back_up(tmp_path / "novel.txt", file, folders)
    assert names(file.parent) == []


def test_full_disk_is_said_to_be_full_and_leaves_nothing(
    database: Database, folders: Folders, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def connect_with_little_room(*arguments: object, **options: object) -> sqlite3.Connection:
        connection = connect(*arguments, **options)  # type: ignore[call-overload]
        connection.execute("PRAGMA max_page_count = 5") if ".staged" in str(arguments[0]) else None
        return connection  # type: ignore[no-any-return]

    monkeypatch.setattr("mosaicd.store.copies.sqlite3.connect", connect_with_little_room)
    with pytest.raises(MosaicdError, match=r"cannot be copied to .*/backups: database or disk is full"):
        back_up(database.path, file, folders)
    assert names(file.parent) == []


def _sources(database: Database) -> int:
    with database.read() as session:
        return library_facts(session)[0].sources
