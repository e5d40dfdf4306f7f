"""A library's purge: only what is out of use, each film whole or gone, and the room given back."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from mosaicd.deep_check import deep_findings
from mosaicd.errors import MosaicdError
from mosaicd.jobs.queue import JobQueue
from mosaicd.media.files import Signature
from mosaicd.removal import purge_library, require_purgeable
from mosaicd.settings import Settings
from mosaicd.settings_reading import load_settings
from mosaicd.store.database import Database
from mosaicd.store.libraries import find_library, library_facts
from mosaicd.store.models import Job, JobKind, JobState, Library, Master, Mosaic, Source, Tile
from mosaicd.store.mosaics import record_mosaic, stem_key, undo_charges
from mosaicd.store.purge import Purgeable, begin_purge, purge_part
from mosaicd.store.removal import Moved, take_back, take_out_of_use
from mosaicd.store.room import give_room_back
from tests import films
from tests.daemon_process import DaemonProcess
from tests.faults.workplace import QUICK, drop_photo, furnished
from tests.libraries import fill_library
from tests.stores import add_source, new_database, placement
from tests.upgrades import small_store

Run = Callable[..., tuple[int, str, str]]

pytestmark = pytest.mark.usefixtures("at_home")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"root": tmp_path / "root"})


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """A library in use with a film of 10 tiles, one out of use with two of 50; and a mosaic of each."""
    database = new_database(settings.database_path)
    fill_library(database, name="default", tiles=10, seed=1)
    for seed in (2, 3):
        fill_library(database, name="family", tiles=50, seed=seed)
    add_mosaic(database, "cat", 1, 1, 2, 3)
    add_mosaic(database, "family/dog", 2, 11, 80)
    out_of_use(database, "family")
    yield database
    database.close()


def add_mosaic(database: Database, stem: str, library_id: int, *tiles: int) -> int:
    with database.write() as session:
        mosaic = Mosaic(
            job_id=None,
            library_id=library_id,
            photo_sha256=bytes(32),
            photo_name=f"{stem}.jpg",
            stem=stem,
            stem_key=stem_key(stem),
            settings={},
            tiles_in_library=100,
            rows=3,
            columns=4,
            created_at=1000.0,
            published_at=1001.0,
            figures={"distinct_tiles": 1, "color_error_1px": 2.0, "seconds": {}},
        )
        record_mosaic(session, mosaic, placement(*tiles))
        return mosaic.id


def out_of_use(database: Database, name: str) -> None:
    with database.write() as session:
        library = find_library(session, name)
        assert library is not None
        take_out_of_use(session, library, now=2000.0)


def done_job(database: Database) -> int:
    """A job of the library whose mosaic has been made."""
    queue = JobQueue(database)
    ticket = queue.admit(
        library="family",
        kind=JobKind.MOSAIC,
        path="family/dog.jpg",
        signature=Signature(size=1, mtime_ns=2, inode=3),
        first_seen_at=1.0,
        now=2.0,
    )
    queue.claim(ticket, now=3.0)
    queue.end(ticket.job_id, JobState.DONE, now=4.0)
    return ticket.job_id


def what_is_purgeable(database: Database, name: str) -> Purgeable:
    with database.read() as session:
        library = find_library(session, name)
        assert library is not None
        return require_purgeable(session, library)


def purge(database: Database, name: str) -> int:
    return purge_library(database, what_is_purgeable(database, name), now=3000.0)


def problems(settings: Settings) -> list[str]:
    return [each.text for each in deep_findings(settings, lambda *_: None) if each.is_problem]


def count(database: Database, table: Any) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_purged_library_is_gone_and_all_else_stands(settings: Settings, database: Database) -> None:
    found = what_is_purgeable(database, "family")
    assert (found.sources, found.mosaics, found.tiles) == ([2, 3], [2], 100)
    with database.read() as session:
        jpegs = select(func.sum(func.length(Master.jpeg))).where(Master.tile_id > 10)
        assert found.bytes == session.scalar(jpegs)
    before = pragma(database.path, "page_count")
    room = purge(database, "family")
    size = pragma(database.path, "page_size")
    assert database.path.stat().st_size == before * size - room
    assert 0.8 * found.bytes < room < 2 * found.bytes
    assert pragma(database.path, "freelist_count") == 0
    assert problems(settings) == []
    assert [count(database, table) for table in (Source, Tile, Master)] == [1, 10, 10]
    with database.read() as session:
        assert session.scalars(select(Mosaic.stem).order_by(Mosaic.id)).all() == ["cat", "family/dog"]


def test_library_in_use_is_not_purged_nor_is_part_of_one(database: Database) -> None:
    with pytest.raises(
        MosaicdError, match=r"^library 'default' is in use, and only what is out of use can be"
    ):
        purge(database, "default")
    with database.write() as session:
        add_source(session, library="family", name="new.mp4", tiles=1)
    with pytest.raises(MosaicdError, match="is in use"):
        purge(database, "family")
    assert count(database, Source) == 4


def test_what_comes_back_into_use_during_a_purge_stays(settings: Settings, database: Database) -> None:
    found = what_is_purgeable(database, "family")
    with database.write() as session:
        session.get_one(Source, 3).removed_at = 2500.0
        take_back(session, session.get_one(Library, 2))
    purge_library(database, found, now=3000.0)
    with database.read() as session:
        assert session.scalars(select(Source.id).order_by(Source.id)).all() == [1, 3]
        assert session.scalars(select(func.count()).where(Tile.source_id == 3)).one() == 50


def test_mosaic_made_after_the_purge_began_does_not_hold_it_up(
    settings: Settings, database: Database
) -> None:
    mosaic = add_mosaic(database, "family/late", 2, 11, 70)
    with database.write() as session:
        assert begin_purge(session, 2, now=3000.0)
        assert not purge_part(session, 2)
        assert not begin_purge(session, 2, now=3000.0)
    with database.read() as session:
        assert session.get_one(Mosaic, mosaic).uses_dropped_at == 3000.0
    assert problems(settings) == []


def test_charges_taken_back_before_are_no_matter(settings: Settings, database: Database) -> None:
    with database.write() as session:
        undo_charges(session, session.get_one(Mosaic, 2), now=2000.0)
    purge(database, "family")
    assert problems(settings) == []


def test_purged_library_can_be_filled_again(settings: Settings, database: Database) -> None:
    purge(database, "family")
    fill_library(database, name="family", tiles=30, seed=2)
    add_mosaic(database, "family/bird", 2, 111, 112)
    assert problems(settings) == []
    with database.read() as session:
        assert [(each.name, each.tiles) for each in library_facts(session)] == [
            ("default", 10),
            ("family", 30),
        ]


# ---- Room


def test_database_from_before_incremental_vacuum_is_made_smaller_too(tmp_path: Path) -> None:
    path = tmp_path / "old" / "store.sqlite3"
    small_store.load(small_store.dumps()[0], path)
    database = Database(path)
    database.migrate()
    out_of_use(database, "default")
    assert pragma(path, "auto_vacuum") == 0
    found = what_is_purgeable(database, "default")
    assert purge_library(database, found, now=3000.0) > found.bytes * 0.5
    assert pragma(path, "auto_vacuum") == 2
    assert problems(load_settings({"database": path})) == []
    database.close()


def pragma(path: Path, name: str) -> int:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (value,) = connection.execute(f"PRAGMA {name}").fetchone()
        return int(value)


def test_room_that_cannot_be_given_back_is_given_the_next_time(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mosaicd.store.room._BUSY_SECONDS", 0.01)
    found = what_is_purgeable(database, "family")
    other = sqlite3.connect(database.path)
    for source in found.sources:
        with database.write() as session:
            begin_purge(session, source, now=3000.0)
            purge_part(session, source)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(MosaicdError, match=r"^the room cannot be given back to the disk just now, new tiles"):
        give_room_back(database.path)
    other.close()
    assert purge(database, "family") > 0.8 * found.bytes


# ---- Killed

_KILLED_PURGE = """
import os, signal, sys
from pathlib import Path
from mosaicd import removal
from mosaicd.store.database import Database
from sqlalchemy import event
from mosaicd.store import purge as steps
from tests.integration.test_purge import purge

steps._TILES_A_PART = 30

database = Database(Path(sys.argv[1]))
left = int(sys.argv[2])


@event.listens_for(database._engine, "commit")
def count(_connection):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)


purge(database, "family")
"""


@pytest.mark.parametrize(
    ("commits", "tiles", "films", "gone"),
    [(2, 110, 2, 0), (3, 110, 2, 1), (4, 80, 2, 1), (5, 60, 1, 0)],
)
def test_purge_killed_at_any_commit_leaves_each_film_whole_or_gone_and_is_repeated(
    settings: Settings, database: Database, commits: int, tiles: int, films: int, gone: int
) -> None:
    command = [sys.executable, "-c", _KILLED_PURGE, str(database.path), str(commits)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    assert subprocess.run(command, check=False, env=environment).returncode == -signal.SIGKILL
    assert problems(settings) == []
    assert (count(database, Tile), count(database, Source) - 1) == (tiles, films)
    kept = films - gone
    with database.write() as session:
        assert take_back(session, session.get_one(Library, 2)) == Moved(sources=kept, tiles=50 * kept)
        if kept:
            take_out_of_use(session, session.get_one(Library, 2), now=2000.0)
    purge(database, "family")
    assert problems(settings) == []
    assert [count(database, table) for table in (Source, Tile, Master)] == [1, 10, 10]
    assert pragma(database.path, "freelist_count") == 0


# ---- The command


def test_command_says_what_it_would_delete_and_does_so_with_yes(run: Run, database: Database) -> None:
    code, out, err = run("libraries", "--purge", "family")
    assert (code, out) == (1, "")
    assert err.startswith("mosaicd: this would delete 100 tiles from 2 sources (")
    assert err.endswith(
        "kB) of library 'family' for good, and what its mosaics remember of them:"
        " add --yes if that is meant\n"
    )
    assert run("libraries")[1].splitlines()[1] == (
        "family: 0 tiles from 0 sources, 1 mosaic; 100 tiles out of use"
    )
    code, out, err = run("libraries", "--purge", "family", "--yes")
    assert (code, err) == (0, "")
    assert out.startswith("family: 100 tiles from 2 sources (")
    assert "deleted for good; " in out
    assert out.endswith("B given back to the disk\n")


def test_purged_library_is_not_listed_any_more(run: Run, settings: Settings, database: Database) -> None:
    job = done_job(database)
    with database.write() as session:
        session.get_one(Mosaic, 2).job_id = job
    run("libraries", "--purge", "family", "--yes")
    assert run("libraries")[1] == "default: 10 tiles from 1 source, 1 mosaic\n"
    assert "library family" not in run("status")[1]
    assert (
        run("libraries", "--restore", "family")[2] == "mosaicd: nothing of library 'family' is out of use\n"
    )
    code, out, _ = run("libraries", "--purge", "family", "--yes")
    assert (code, out) == (0, "family: nothing was left to delete; 0.0 kB given back to the disk\n")


def test_command_refuses_what_makes_no_sense(run: Run, database: Database) -> None:
    assert run("libraries", "--purge", "zoo", "--yes")[2].startswith("mosaicd: there is no library 'zoo'")
    assert run("libraries", "--purge", "default", "--yes")[0] == 1
    both = run("libraries", "--purge", "family", "--remove", "default")
    assert both == (2, "", "mosaicd: give one of --remove, --restore and --purge\n")


# ---- Beside a daemon


def ask(daemon: DaemonProcess, *arguments: str) -> str:
    """Run a command on the daemon's root; what it says."""
    command = [*daemon.command, *arguments, *daemon.arguments()]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, env=daemon.environment()
    ).stdout


def drop_film(daemon: DaemonProcess, path: str) -> None:
    """Drop a film that becomes some tiles."""
    arriving = daemon.root / "arriving.mp4"
    films.encode(arriving, films.numbered(8), rate=1, gop=4)
    (daemon.inbox / path).parent.mkdir(exist_ok=True)
    arriving.rename(daemon.inbox / path)


def test_library_is_purged_and_filled_again_while_the_daemon_works(tmp_path: Path) -> None:
    with furnished(tmp_path) as daemon:
        drop_film(daemon, "family/film.mp4")
        (spliced,) = daemon.wait_for("source_spliced")
        drop_photo(daemon, "cat.png")
        daemon.wait_for("mosaic_published")
        ask(daemon, "libraries", "--remove", "family")
        assert f"{spliced['tiles']} tiles from 1 source" in ask(
            daemon, "libraries", "--purge", "family", "--yes"
        )
        assert ask(daemon, "libraries") == "default: 150 tiles from 1 source, 1 mosaic\n"
        drop_photo(daemon, "dog.png")
        daemon.wait_for("mosaic_published", count=2)
        (daemon.archive / "family/film.mp4").rename(daemon.inbox / "family/film.mp4")
        _, again = daemon.wait_for("source_spliced", count=2)
        assert (again["tiles"], again["already_known"], again["restored"]) == (
            spliced["tiles"],
            False,
            False,
        )
        assert daemon.terminate() == 0
    assert [line for line in daemon.lines() if line["level"] not in ("info", "debug")] == []
    assert "PROBLEM" not in ask(daemon, "check", "--deep")


def test_film_out_of_use_that_is_dropped_again_is_back_in_use(tmp_path: Path) -> None:
    daemon = DaemonProcess(tmp_path, **QUICK)
    drop_film(daemon, "film.mp4")
    assert daemon.run_until_idle() == 0
    tiles = daemon.tile_set()
    in_use = "SELECT COUNT(*) FROM tile WHERE removed_at IS NULL"
    ask(daemon, "sources", "default", "--remove", "1")
    assert daemon.query(in_use) == [(0,)]
    (daemon.archive / "film.mp4").rename(daemon.inbox / "film.mp4")
    assert daemon.run_until_idle() == 0
    assert daemon.query(in_use) == [(len(tiles),)]
    assert daemon.tile_set() == tiles
    assert [line["restored"] for line in daemon.events("source_spliced")] == [False, True]
    assert [path.name for path in daemon.archive.iterdir()] == ["film.mp4"]
    (daemon.archive / "film.mp4").rename(daemon.inbox / "film.mp4")
    assert daemon.run_until_idle() == 0
    assert len(daemon.events("file_redelivered")) == 1


def test_film_that_was_left_in_the_inbox_does_not_come_back_by_itself(tmp_path: Path) -> None:
    daemon = DaemonProcess(tmp_path, **QUICK, originals="leave")
    drop_film(daemon, "film.mp4")
    assert daemon.run_until_idle() == 0
    ask(daemon, "sources", "default", "--remove", "1")
    assert daemon.run_until_idle() == 0
    assert daemon.query("SELECT COUNT(*) FROM tile WHERE removed_at IS NULL") == [(0,)]


def test_what_is_at_work_is_not_purged(database: Database) -> None:
    queue = JobQueue(database)
    looks = Signature(size=1, mtime_ns=2, inode=3)
    with database.read() as session:
        film = session.get_one(Source, 2)
    splice, photo = (
        queue.admit(
            library="family", kind=kind, path=f"family/{kind}", signature=looks, first_seen_at=1.0, now=2.0
        ).job_id
        for kind in (JobKind.SPLICE, JobKind.MOSAIC)
    )
    queue.note_content(splice, film.sha256)
    mosaic = add_mosaic(database, "family/to come", 2, 70)
    with database.write() as session:
        row = session.get_one(Mosaic, mosaic)
        row.job_id, row.published_at = photo, None
    purge(database, "family")
    assert count(database, Source) == 3
    with database.write() as session:
        session.get_one(Job, splice).ended_at = session.get_one(Job, photo).ended_at = 3.0
        session.get_one(Mosaic, mosaic).published_at = 3.0
    purge(database, "family")
    assert count(database, Source) == 1
