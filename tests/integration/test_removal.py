"""A library's removal: refused while anything is under way for it, and undone in full."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from mosaicd import cli
from mosaicd.errors import MosaicdError
from mosaicd.jobs.queue import JobQueue
from mosaicd.jobs.tickets import Ticket
from mosaicd.media.files import signature
from mosaicd.removal import remove_idle_library, require_idle
from mosaicd.settings import Settings
from mosaicd.settings_reading import load_settings
from mosaicd.store.database import Database
from mosaicd.store.libraries import find_library, library_facts
from mosaicd.store.models import JobKind, JobState, Library, Source, Tile
from mosaicd.store.removal import Moved, take_back
from mosaicd.store.tiles import live_tiles, remove_source
from tests.stores import add_source, new_database

JPEG = b"\xff\xd8\xff\xe0 begins like a photo"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = load_settings({"root": tmp_path / "root", "database": tmp_path / "state" / "store.sqlite3"})
    settings.folders.inbox.mkdir(parents=True)
    return settings


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """Two films of library family, one of default."""
    database = new_database(settings.database_path)
    with database.write() as session:
        add_source(session, name="beach.mp4", tiles=4)
        add_source(session, library="family", name="family/garden.mkv", tiles=5)
        add_source(session, library="family", name="family/house.mkv", tiles=6)
    yield database
    database.close()


def remove(settings: Settings, database: Database, name: str, *, now: float = 2000.0) -> Moved:
    require_idle(database, settings.folders.inbox, name)
    with database.write() as session:
        library = find_library(session, name)
        assert library is not None
        return remove_idle_library(session, library, now=now)


def restore(database: Database, name: str) -> Moved:
    with database.write() as session:
        library = find_library(session, name)
        assert library is not None
        return take_back(session, library)


def tiles_in_use(database: Database) -> dict[str, int]:
    with database.read() as session:
        return {facts.name: facts.tiles for facts in library_facts(session)}


def drop(settings: Settings, path: str, content: bytes = JPEG) -> Path:
    file = settings.folders.inbox / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def admit(settings: Settings, database: Database, path: str) -> Ticket:
    looks = signature(drop(settings, path))
    assert looks is not None
    return JobQueue(database).admit(
        library="family", kind=JobKind.MOSAIC, path=path, signature=looks, first_seen_at=1.0, now=2.0
    )


# ---- Removing and taking back


def test_library_out_of_use_loses_nothing_and_comes_back_as_it_was(
    settings: Settings, database: Database
) -> None:
    with database.read() as session:
        before = live_tiles(session, 2).tolist()
    assert remove(settings, database, "family") == Moved(sources=2, tiles=11)
    assert tiles_in_use(database) == {"default": 4, "family": 0}
    with database.read() as session:
        assert len(session.scalars(select(Tile.id)).all()) == 15
    assert restore(database, "family") == Moved(sources=2, tiles=11)
    with database.read() as session:
        assert live_tiles(session, 2).tolist() == before
    assert tiles_in_use(database) == {"default": 4, "family": 11}


def test_what_was_removed_before_stays_so_until_it_is_its_turn(
    settings: Settings, database: Database
) -> None:
    with database.write() as session:
        remove_source(session, session.get_one(Source, 2), now=1500.0)
    assert remove(settings, database, "family") == Moved(sources=1, tiles=6)
    assert restore(database, "family") == Moved(sources=1, tiles=6)
    assert restore(database, "family") == Moved(sources=1, tiles=5)
    assert restore(database, "family") == Moved(sources=0, tiles=0)
    assert tiles_in_use(database) == {"default": 4, "family": 11}


def test_film_dropped_again_comes_back_alone(settings: Settings, database: Database) -> None:
    remove(settings, database, "family")
    with database.write() as session:
        add_source(session, library="family", name="family/garden.mkv", tiles=0)
    assert tiles_in_use(database)["family"] == 5
    assert restore(database, "family") == Moved(sources=1, tiles=6)
    assert tiles_in_use(database)["family"] == 11


def test_library_of_which_nothing_is_in_use_is_not_removed_again(
    settings: Settings, database: Database
) -> None:
    remove(settings, database, "family")
    with pytest.raises(MosaicdError, match=r"^nothing of library 'family' is in use$"):
        remove(settings, database, "family", now=3000.0)
    assert restore(database, "family") == Moved(sources=2, tiles=11)


# ---- What is under way


def test_library_with_a_job_that_has_not_ended_is_kept(settings: Settings, database: Database) -> None:
    ticket = admit(settings, database, "family/cat.jpg")
    (settings.folders.inbox / "family/cat.jpg").unlink()
    for _ in range(2):
        with pytest.raises(
            MosaicdError, match=r"^1 job has not ended for library 'family': `mosaicd status`"
        ):
            remove(settings, database, "family")
        JobQueue(database).claim(ticket, now=3.0)
    JobQueue(database).end(ticket.job_id, JobState.DONE, now=4.0)
    assert remove(settings, database, "family") == Moved(sources=2, tiles=11)


def test_jobs_of_other_libraries_are_no_matter(settings: Settings, database: Database) -> None:
    admit(settings, database, "family/cat.jpg")
    drop(settings, "dog.jpg")
    with pytest.raises(MosaicdError, match=r"^dog\.jpg in .*/inbox would come into library 'default'"):
        remove(settings, database, "default")
    (settings.folders.inbox / "dog.jpg").unlink()
    assert remove(settings, database, "default") == Moved(sources=1, tiles=4)


@pytest.mark.parametrize("path", ["family/cat.jpg", "family/tiles/face.jpg", "family/2026/07/cat.jpg"])
def test_library_whose_files_stand_in_the_inbox_is_kept(
    settings: Settings, database: Database, path: str
) -> None:
    drop(settings, path)
    with pytest.raises(MosaicdError, match=rf"^{path} in .*: wait until that is done, or move it away$"):
        remove(settings, database, "family")
    drop(settings, f"{path}.too")
    with pytest.raises(MosaicdError, match=r" and 1 more in "):
        remove(settings, database, "family")
    assert tiles_in_use(database)["family"] == 11


def test_files_that_are_not_to_come_are_no_matter(settings: Settings, database: Database) -> None:
    drop(settings, "family/mosaic.toml", b"tile_pixels = 40\n")
    drop(settings, "family/.syncthing.cat.jpg.tmp")
    drop(settings, "family/letter.pdf", b"%PDF-1.7 is neither photo nor video" * 50)
    os.mkfifo(settings.folders.inbox / "family/pipe.jpg")
    drop(settings, "friends/cat.jpg")
    assert remove(settings, database, "family").tiles == 11


def test_files_that_were_left_when_done_are_no_matter_until_they_change(
    settings: Settings, database: Database
) -> None:
    queue = JobQueue(database)
    ticket = admit(settings, database, "family/cat.jpg")
    queue.claim(ticket, now=3.0)
    queue.end(ticket.job_id, JobState.DONE, now=4.0)
    require_idle(database, settings.folders.inbox, "family")
    drop(settings, "family/cat.jpg", JPEG + b", and has changed")
    with pytest.raises(MosaicdError, match=r"^family/cat\.jpg in "):
        require_idle(database, settings.folders.inbox, "family")


def test_file_that_cannot_be_read_may_be_one_to_come(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path) -> None:
        raise PermissionError

    drop(settings, "family/cat.jpg")
    monkeypatch.setattr("mosaicd.removal.media_kind", refuse)
    with pytest.raises(MosaicdError, match=r"^family/cat\.jpg in "):
        require_idle(database, settings.folders.inbox, "family")


def test_inbox_that_cannot_be_seen_into_is_an_error(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(MosaicdError, match=r"^what is in .*/inbox cannot be seen: Permission denied$"):
        require_idle(database, settings.folders.inbox, "family")


def test_where_there_is_no_inbox_nothing_is_to_come(settings: Settings, database: Database) -> None:
    settings.folders.inbox.rmdir()
    assert remove(settings, database, "family").tiles == 11


# ---- The command


@pytest.fixture
def run(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run `mosaicd libraries`; its exit code and what it wrote to both streams."""
    places = ["--root", str(settings.root), "--set", f"database={settings.database_path}"]

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mosaicd", "libraries", *arguments, *places])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        output = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, output.out, output.err

    return run


def test_command_says_what_it_did_and_how_to_undo_it(
    run: Callable[..., tuple[int, str, str]], database: Database
) -> None:
    assert run("--remove", "family") == (
        0,
        "family: 11 tiles from 2 sources out of use; `mosaicd libraries --restore family` takes them back\n",
        "",
    )
    assert run()[1].splitlines() == [
        "default: 4 tiles from 1 source, 0 mosaics",
        "family: 0 tiles from 0 sources, 0 mosaics; 11 tiles out of use",
    ]
    code, out, err = run("--restore", "family")
    assert (code, err) == (0, "")
    assert out.startswith("family: 11 tiles from 2 sources back in use; `mosaicd libraries --remove family`")
    assert run("--restore", "family") == (1, "", "mosaicd: nothing of library 'family' is out of use\n")


def test_name_that_a_shell_would_take_apart_is_quoted(
    run: Callable[..., tuple[int, str, str]], database: Database
) -> None:
    with database.write() as session:
        session.get_one(Library, 2).name = "our family"
    assert "--restore 'our family'`" in run("--remove", "our family")[1]


def test_command_refuses_what_makes_no_sense(
    run: Callable[..., tuple[int, str, str]], database: Database
) -> None:
    assert run("--remove", "zoo")[0] == 1
    assert run("--restore", "zoo")[2].startswith("mosaicd: there is no library 'zoo'")
    code, _, err = run("--remove", "family", "--restore", "family")
    assert (code, err) == (2, "mosaicd: give one of --remove, --restore and --purge\n")
