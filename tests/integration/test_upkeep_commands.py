"""The commands for upkeep: what people read, and exit codes."""

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mosaicd.settings_reading import load_settings
from mosaicd.store.database import Database
from mosaicd.store.models import Master, Mosaic
from mosaicd.store.mosaics import record_mosaic
from mosaicd.store.retention import drop_uses
from tests.libraries import fill_library
from tests.stores import add_source, new_database, placement

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


def test_home_that_is_nobodys_is_taken_for_a_folder(run: Run, database: Database, tmp_path: Path) -> None:
    code, out, err = run("backup", "~nobody-there/monday.sqlite3")
    assert (code, out) == (1, "")
    assert err == f"mosaicd: there is no folder {tmp_path}/~nobody-there\n"


def test_path_that_is_too_long_is_said_to_be(run: Run, database: Database) -> None:
    code, out, err = run("backup", "a/" * 3000)
    assert (code, out) == (1, "")
    assert err.endswith(" cannot be written: File name too long\n")


def test_check_of_a_root_that_is_no_text_shows_it(run: Run, database: Database) -> None:
    code, out, err = run("check", "--root", "caf\udce9")
    assert (code, err) == (0, "")
    assert "/caf\\xe9/inbox will be made" in out


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


# ---- What is named oddly


@pytest.mark.parametrize("name", ["caf\\xe9\\x0a", "caf\udce9\n"])
def test_library_is_found_as_it_is_listed_and_as_its_folder_is_called(
    run: Run, database: Database, name: str
) -> None:
    with database.write() as session:
        add_source(session, library="caf\\xe9\\x0a", tiles=3)
    assert run("libraries")[1].startswith("caf\\xe9\\x0a: 3 tiles")
    assert run("sources", name)[1].startswith("1: film.mp4: 3 tiles")
    assert run("sources", "caf\udce8")[2].startswith("mosaicd: there is no library 'caf\\")


def test_libraries_settings_can_be_given_on_the_command_line(run: Run, database: Database) -> None:
    assert run("libraries", "--set", 'library={"family": {"minimum_tiles": 3}}')[0] == 0
    code, _, err = run("libraries", "--set", 'library={"family": {"minimum_tiles": 0}}')
    assert code == 2
    assert err.startswith(
        "mosaicd: minimum_tiles should be greater than or equal to 1, not 0 in [library.fam"
    )
    assert (
        run("libraries", "--set", "library=[")[2]
        == "mosaicd: library should be JSON (set on the command line)\n"
    )


def test_device_is_no_photo_to_compare(run: Run, database: Database, tmp_path: Path) -> None:
    fill_library(database, name="default", tiles=3)
    code, _, err = run("compare", "/dev/zero", "--library", "default", "--out", "new")
    assert (code, err) == (1, "mosaicd: /dev/zero is no file\n")
    assert not (tmp_path / "new").exists()


def test_charges_that_faded_away_cannot_be_taken_back(run: Run, database: Database) -> None:
    library = fill_library(database, name="default", tiles=3)
    with database.write() as session:
        mosaic = Mosaic(
            job_id=None,
            library_id=library,
            photo_sha256=bytes(32),
            photo_name="cat.jpg",
            stem="cat",
            stem_key=b"cat",
            settings={},
            tiles_in_library=3,
            rows=3,
            columns=4,
            created_at=1000.0,
            published_at=1001.0,
            figures={},
        )
        record_mosaic(session, mosaic, placement(1, 2, 3))
        drop_uses(session, library_id=library, made_before=2000.0, limit=1, now=3000.0)
    assert run("penalties", "default")[1] == "no tile of library default has been used yet\n"
    assert run("penalties", "default", "--undo", "cat")[1] == "cat: its uses count for nothing any more\n"
