"""The commands for upkeep: what people read, and exit codes."""

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mosaicd.settings import load_settings
from mosaicd.store.database import Database
from mosaicd.store.models import Master
from tests.libraries import fill_library
from tests.stores import add_source, new_database

Run = Callable[..., tuple[int, str, str]]


pytestmark = pytest.mark.usefixtures("at_home")


@pytest.fixture
def database() -> Iterator[Database]:
    database = new_database(load_settings({}).database_path)
    yield database
    database.close()


# ---- backup


def test_backup_says_what_was_written(run: Run, database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        add_source(session, tiles=2000)
    code, out, err = run("backup", "monday.sqlite3")
    size = (tmp_path / "monday.sqlite3").stat().st_size
    assert (code, out, err) == (0, f"{tmp_path}/monday.sqlite3: {size / 1e6:.1f} MB, checked\n", "")


def test_backup_that_exists_is_an_error(run: Run, database: Database, tmp_path: Path) -> None:
    (tmp_path / "monday.sqlite3").touch()
    code, out, err = run("backup", "~/../monday.sqlite3")
    assert (code, out) == (1, "")
    assert err == (
        f"mosaicd: {tmp_path}/monday.sqlite3 exists already, and nothing is ever overwritten:"
        " name another file\n"
    )


def test_backup_of_a_damaged_database_is_an_error_of_its_own(run: Run, database: Database) -> None:
    database.path.write_bytes(b"no database at all" * 500)
    code, out, err = run("backup", "monday.sqlite3")
    assert (code, out) == (5, "")
    assert err.endswith("is damaged (file is not a database), and no copy was kept\n")


# ---- check --deep


def test_deep_check_says_what_is_right(run: Run, database: Database) -> None:
    fill_library(database, name="default", tiles=3)
    code, out, err = run("check", "--deep")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("ok      settings: ")
    assert "ok      masters: each can be decoded, and looks like its descriptor" in lines
    assert lines[-1] == "ok      jobs: each that is done has made what it was to"


def test_deep_check_says_what_is_wrong(run: Run, database: Database) -> None:
    fill_library(database, name="default", tiles=3)
    with database.write() as session:
        session.get_one(Master, 2).jpeg = b"no image"
    code, out, _ = run("check", "--deep")
    assert code == 1
    assert (
        "PROBLEM masters: tile 2 (film-1.mp4, 1.000 s): its image has no beginning or no end"
        in out.splitlines()
    )
    assert run("check")[0] == 0


def test_deep_check_shows_on_a_terminal_how_far_it_is(
    run: Run, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_library(database, name="default", tiles=501)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    _, _, err = run("check", "--deep")
    assert err == "\r500 of 501 masters\r501 of 501 masters\n"


# ---- status


def test_status_says_what_takes_how_much_of_the_disk(run: Run, database: Database, tmp_path: Path) -> None:
    (tmp_path / "root/outbox/family").mkdir(parents=True)
    (tmp_path / "root/outbox/family/cat.mosaic.jpg").write_bytes(os.urandom(150_000))
    code, out, _ = run("status", "--json")
    disk = json.loads(out)["disk"]
    assert code == 0
    assert [each["part"] for each in disk] == ["database", "write-ahead log", "outbox", "archive", "rejected"]
    assert [each["files"] for each in disk[2:]] == [1, 0, 0]
    assert 150_000 <= disk[2]["bytes"] < 160_000
    line = run("status")[1].splitlines()[-1]
    assert re.fullmatch(
        r"disk: database \d+\.\d kB, write-ahead log \d+\.\d kB, outbox 15\d\.\d kB,"
        r" archive 0\.0 kB, rejected 0\.0 kB",
        line,
    )
