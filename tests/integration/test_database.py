"""The database: safe on every connection, migrated, and refused in plain words where it cannot be used."""

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from mosaicd.errors import CorruptStateError, TransientError
from mosaicd.store import database as database_module
from mosaicd.store.database import Database
from mosaicd.store.libraries import count_tiles, find_library, has_tiles, library_facts, library_named
from mosaicd.store.models import Base, Library, Tile
from mosaicd.store.tiles import remove_source
from tests.stores import add_source, new_database

_NOT_IN_BRACKETS = re.compile(r",(?![^()]*\))")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = new_database(tmp_path / "store.sqlite3")
    yield database
    database.close()


def names(session: Session) -> list[str]:
    return list(session.scalars(select(Library.name).order_by(Library.name)))


# ---- Connections and transactions


def test_every_connection_is_safe(database: Database) -> None:
    with database.read() as first, database.read() as second, database.read() as third:
        for session in (first, second, third):
            pragmas = {
                name: session.scalar(text(f"PRAGMA {name}"))
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
            assert pragmas == {
                "journal_mode": "wal",
                "synchronous": 2,
                "foreign_keys": 1,
                "busy_timeout": 10_000,
            }


def test_writing_session_is_safe_as_well(database: Database) -> None:
    with database.write() as session:
        assert session.scalar(text("PRAGMA foreign_keys")) == 1
        assert session.scalar(text("PRAGMA synchronous")) == 2


def test_pragma_that_is_refused_is_no_safe_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(database_module._PRAGMAS, "journal_mode", "nonsense")
    with pytest.raises(CorruptStateError, match="SQLite refuses journal_mode = nonsense"):
        Database(tmp_path / "x.sqlite3").migrate()


def test_what_a_block_that_fails_has_written_is_not_kept(database: Database) -> None:
    def fail() -> None:
        with database.write() as session:
            session.add(Library(name="family", created_at=1.0))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with database.read() as session:
        assert names(session) == []


def test_reader_sees_one_state_and_does_not_hold_up_the_writer(database: Database) -> None:
    with database.read() as reader:
        assert names(reader) == []
        with database.write() as writer:
            library_named(writer, "family", now=1.0)
        assert names(reader) == []
    with database.read() as reader:
        assert names(reader) == ["family"]


def test_what_breaks_a_rule_of_the_schema_is_this_programs_mistake(database: Database) -> None:
    with pytest.raises(IntegrityError), database.write() as session:
        session.add(Tile(library_id=99, source_id=99, presentation_us=0, crop=0))


def test_database_that_stays_locked_is_tried_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "_BUSY_TIMEOUT_MS", 10)
    monkeypatch.setitem(database_module._PRAGMAS, "busy_timeout", 10)
    first, second = new_database(tmp_path / "store.sqlite3"), Database(tmp_path / "store.sqlite3")

    def add(database: Database, name: str) -> None:
        with database.write() as session:
            library_named(session, name, now=1.0)

    with first.write() as session:
        library_named(session, "first", now=1.0)
        with pytest.raises(TransientError, match="cannot be used just now: database is locked"):
            add(second, "second")
    add(second, "second")
    with first.read() as session:
        assert names(session) == ["first", "second"]
    first.close()
    second.close()


def test_full_disk_is_tried_again_later(database: Database) -> None:
    def write_much() -> None:
        with database.write() as session:
            session.execute(text("PRAGMA max_page_count = 1"))
            session.add_all(Library(name=f"{number}" * 500, created_at=1.0) for number in range(200))

    with pytest.raises(TransientError, match="disk is full"):
        write_much()


# ---- Migrations


def test_new_database_is_migrated_from_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "new.sqlite3")
    database.migrate()
    database.migrate()
    database.require_current()
    with database.read() as session:
        assert names(session) == []
    database.close()


def test_migrations_lead_to_the_models(database: Database) -> None:
    engine = create_engine(f"sqlite:///{database.path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_migrations_make_the_checks_and_indexes_of_the_models(tmp_path: Path, database: Database) -> None:
    by_models = create_engine(f"sqlite:///{tmp_path}/models.sqlite3")
    Base.metadata.create_all(by_models)

    def rules(path: Path) -> dict[str, set[str]]:
        connection = sqlite3.connect(path)
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        connection.close()
        return {
            name.strip('"'): {
                " ".join(rule.replace('"', "").split())
                for rule in _NOT_IN_BRACKETS.split(sql.partition("(")[2].rpartition(")")[0])
            }
            for name, sql in rows
            if name != "alembic_version"
        }

    assert rules(database.path) == rules(tmp_path / "models.sqlite3")
    by_models.dispose()


def set_revision(path: Path, revision: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    connection.close()


@pytest.mark.parametrize("method", [Database.migrate, Database.require_current])
def test_schema_newer_than_the_program_is_refused(database: Database, method: object) -> None:
    set_revision(database.path, "9999")
    assert callable(method)
    with pytest.raises(CorruptStateError, match="was written by a newer mosaicd than this one; install"):
        method(database)


def test_schema_newer_than_the_program_is_left_as_it_is(database: Database) -> None:
    set_revision(database.path, "9999")
    with pytest.raises(CorruptStateError):
        database.migrate()
    connection = sqlite3.connect(database.path)
    assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]
    connection.close()


def test_database_without_a_schema_is_refused_where_nothing_may_be_changed(tmp_path: Path) -> None:
    database = Database(tmp_path / "empty.sqlite3")
    database.path.touch()
    with pytest.raises(
        CorruptStateError, match="has an older schema than this mosaicd; start the daemon once"
    ):
        database.require_current()
    database.close()


# ---- Files that cannot be used


@pytest.mark.parametrize("size", [100, 5000])
def test_file_that_is_no_database_is_refused_by_its_name(tmp_path: Path, size: int) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"\xff\xd8" * size)
    database = Database(path)
    with pytest.raises(CorruptStateError, match=r"photo\.jpg cannot be used: file is not a database"):
        database.migrate()
    assert path.read_bytes() == b"\xff\xd8" * size
    database.close()


def test_damaged_database_is_refused(database: Database) -> None:
    with database.write() as session:
        add_source(session, tiles=2000)
    database.close()
    data = bytearray(database.path.read_bytes())
    data[8192:-4096] = os.urandom(len(data) - 12288)
    database.path.write_bytes(data)

    def read_all() -> None:
        with database.read() as session:
            session.execute(select(Tile)).all()

    with pytest.raises(CorruptStateError, match="cannot be used: database disk image is malformed"):
        read_all()


def test_folder_that_is_not_there_is_said_by_its_name(tmp_path: Path) -> None:
    database = Database(tmp_path / "nowhere/store.sqlite3")
    with pytest.raises(TransientError, match=r"nowhere/store\.sqlite3 cannot be used just now: No such file"):
        database.migrate()


def test_folder_that_is_read_only_is_said_in_one_line(database: Database) -> None:
    database.close()
    database.path.chmod(0o400)
    database.path.parent.chmod(0o500)
    code = """
import ctypes, sys
from pathlib import Path
for capability in (1, 2):  # so that file modes count even for root
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
import os
if os.environ.pop("FIRST", None):
    os.execv(sys.executable, [sys.executable, "-c", sys.argv[2], *sys.argv[1:]])
from mosaicd.errors import MosaicdError
from mosaicd.store.database import Database
from mosaicd.store.libraries import library_named
database = Database(Path(sys.argv[1]))
try:
    with database.write() as session:
        library_named(session, "x", now=1.0)
except MosaicdError as error:
    print(type(error).__name__, error)
"""
    result = subprocess.run(
        [sys.executable, "-c", code, database.path, code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "FIRST": "1"},
    )
    database.path.parent.chmod(0o700)
    assert f"Error the database {database.path} cannot be used" in result.stdout
    assert "readonly" in result.stdout or "unable to open" in result.stdout


@pytest.mark.parametrize(
    "name", ["what?.sqlite3", "a#b.sqlite3", "50%20.sqlite3", "our tiles.sqlite3", "caf\udce9.sqlite3"]
)
def test_database_may_have_any_name(tmp_path: Path, name: str) -> None:
    database = Database(tmp_path / name)
    database.migrate()
    database.close()
    assert [path.name for path in tmp_path.iterdir()] == [name]


# ---- Libraries


def test_library_is_made_once(database: Database) -> None:
    with database.write() as session:
        first = library_named(session, "family", now=1.0)
        assert library_named(session, "family", now=2.0) is first
        assert find_library(session, "nobody") is None


def test_library_in_figures_counts_what_can_be_used(database: Database) -> None:
    with database.write() as session:
        add_source(session, library="zoo", name="a.mp4", tiles=3)
        removed = add_source(session, library="zoo", name="bb.mp4", tiles=2)
        library_named(session, "empty", now=1.0)
        assert remove_source(session, removed, now=5.0) == 2
    with database.read() as session:
        facts = [(each.name, each.tiles, each.sources, each.mosaics) for each in library_facts(session)]
        assert facts == [("empty", 0, 0, 0), ("zoo", 3, 1, 0)]
        zoo = find_library(session, "zoo")
        assert zoo is not None
        assert count_tiles(session, zoo.id) == 3
        assert [has_tiles(session, zoo.id, at_least=number) for number in (1, 3, 4)] == [True, True, False]
