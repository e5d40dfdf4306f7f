"""Upgrades: from every released revision, whole or not at all, and with a copy of what was before."""

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mosaicd.deep_check import deep_findings
from mosaicd.errors import MosaicdError
from mosaicd.settings_reading import load_settings
from mosaicd.store.database import Database, Upgrade, revisions
from tests.daemon_process import DaemonProcess
from tests.faults.workplace import QUICK, drop_photo
from tests.upgrades import small_store

DUMPS = small_store.dumps()
NOTHING = Path("nothing")
OLD = [dump for dump in DUMPS if dump.stem != revisions()[-1]]
Content = dict[str, list[dict[str, Any]]]

_KILLED_AT_EACH_STATEMENT = """
import os, shutil, signal, sqlite3, sys
from pathlib import Path
from sqlalchemy import event
from mosaicd.store.database import Database

old, folder = Path(sys.argv[1]), Path(sys.argv[2])


def be_killed_at(path, number):
    left = number
    database = Database(path)

    @event.listens_for(database._engine, "connect")
    def listen(connection, _record):
        def count(_statement):
            nonlocal left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

        connection.set_trace_callback(count)

    database.migrate()
    os._exit(0)


number, status = 0, -1
while status:
    number += 1
    path = folder / str(number) / "store.sqlite3"
    path.parent.mkdir()
    shutil.copy(old, path)
    child = os.fork() or be_killed_at(path, number)
    _, status = os.waitpid(child, 0)
print(number)
"""


def content(path: Path) -> Content:
    """All rows of all tables, columns by name."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        tables = [name for (name,) in connection.execute(names) if name != "alembic_version"]
        return {
            name: [dict(row) for row in connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2")]  # noqa: S608
            for name in tables
        }


def is_kept(before: Content, after: Content) -> bool:
    """Whether all that was there is there: each row of each table, each column with its value."""
    return all(
        len(after[table]) == len(rows)
        and all(row.items() <= now.items() for row, now in zip(rows, after[table], strict=True))
        for table, rows in before.items()
    )


def schema(path: Path) -> list[Any]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2").fetchall()
        return [*found, *(connection.execute("SELECT version_num FROM alembic_version") if found else ())]


@pytest.fixture(params=DUMPS, ids=lambda dump: dump.stem)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A database as that revision's program left it, with something of everything in it; without one, nothing."""
    path = tmp_path / "state" / "store.sqlite3"
    if request.param is NOTHING:
        path.parent.mkdir()
        path.touch()
    else:
        small_store.load(request.param, path)
    return path


def test_every_revision_has_a_dump() -> None:
    assert [dump.stem for dump in DUMPS] == revisions(), "run python -m tests.upgrades.small_store"


def test_dump_has_something_of_everything(old: Path) -> None:
    found = content(old)
    assert all(found.values())
    assert {row["state"] for row in found["job"]} == {
        "queued",
        "waiting",
        "running",
        "done",
        "rejected",
        "withdrawn",
    }


def test_upgrade_keeps_all_that_was_there(old: Path) -> None:
    before = content(old)
    database = Database(old)
    database.migrate()
    database.require_current()
    database.close()
    assert is_kept(before, content(old))
    settings = load_settings({"root": old.parent.parent / "root", "database": old})
    assert [each.text for each in deep_findings(settings, lambda *_: None) if each.is_problem] == []


def test_upgraded_schema_is_that_of_a_new_database(old: Path, tmp_path: Path) -> None:
    new = Database(tmp_path / "new.sqlite3")
    new.migrate()
    new.close()
    database = Database(old)
    database.migrate()
    database.close()
    assert schema(old) == schema(tmp_path / "new.sqlite3")


def test_daemon_works_on_what_an_older_one_left(tmp_path: Path) -> None:
    daemon = DaemonProcess(tmp_path, **QUICK)
    small_store.load(DUMPS[0], daemon.database)
    drop_photo(daemon, "cat.png")
    drop_photo(daemon, "queued.jpg")
    assert daemon.run_until_idle() == 0
    assert len(daemon.events("database_upgraded")) == (len(DUMPS) > 1)
    images = sorted(path.name for path in daemon.outbox.glob("*.jpg"))
    assert images == ["cat (3).mosaic.jpg", "queued.mosaic.jpg"]
    states = daemon.query("SELECT state, COUNT(*) FROM job GROUP BY 1 ORDER BY 1")
    assert dict(states).keys() <= {"done", "rejected", "withdrawn"}


# ---- The copy before it


@pytest.mark.parametrize("old", OLD, ids=lambda dump: dump.stem, indirect=True)
def test_upgrade_leaves_a_private_copy_of_what_was_before(old: Path) -> None:
    before, written_by = content(old), schema(old)
    database = Database(old)
    copy = old.with_name(f"store.sqlite3.before-{revisions()[-1]}")
    assert database.migrate() == Upgrade(revision=revisions()[-1], copy=copy)
    database.close()
    assert (content(copy), schema(copy)) == (before, written_by)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in old.parent.iterdir()) == [old.name, copy.name]


def test_database_of_this_revision_is_not_copied(tmp_path: Path) -> None:
    database = Database(tmp_path / "store.sqlite3")
    assert [database.migrate(), database.migrate()] == [None, None]
    database.close()
    assert [path.name for path in tmp_path.iterdir()] == ["store.sqlite3"]


@pytest.mark.parametrize("old", OLD, ids=lambda dump: dump.stem, indirect=True)
def test_where_no_copy_can_be_written_nothing_is_upgraded(old: Path) -> None:
    before = schema(old)
    old.with_name(f"store.sqlite3.before-{revisions()[-1]}.part").mkdir()
    database = Database(old)
    with pytest.raises(MosaicdError, match=r"the copy before the upgrade, .*, cannot be written: Is a dir"):
        database.migrate()
    database.close()
    assert schema(old) == before


@pytest.mark.parametrize("old", OLD, ids=lambda dump: dump.stem, indirect=True)
def test_damaged_database_is_not_upgraded(old: Path) -> None:
    with contextlib.closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("DELETE FROM sqlite_schema WHERE name = 'tile_by_library'")
    before = schema(old)
    database = Database(old)
    with pytest.raises(MosaicdError, match=r"is damaged \(.*\), and no copy was kept"):
        database.migrate()
    database.close()
    assert schema(old) == before


# ---- Killed


@pytest.mark.parametrize("old", [NOTHING, *OLD], ids=lambda dump: dump.stem, indirect=True)
def test_upgrade_killed_at_any_statement_leaves_the_old_schema_or_the_new(old: Path, tmp_path: Path) -> None:
    before, old_schema = content(old), schema(old)
    folder = tmp_path / "killed"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _KILLED_AT_EACH_STATEMENT, old, folder],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) > 5
    upgraded = Database(old)
    upgraded.migrate()
    upgraded.close()
    for killed in folder.iterdir():
        path = killed / "store.sqlite3"
        assert schema(path) in (old_schema, schema(old))
        assert is_kept(before, content(path))
        database = Database(path)
        database.migrate()
        database.close()
        assert (content(path), schema(path)) == (content(old), schema(old))
        assert not list(killed.glob("*.part*"))
