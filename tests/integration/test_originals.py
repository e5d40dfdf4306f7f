"""Originals: archived or put aside with a reason, never lost, whatever a crash leaves half done."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mosaicd.errors import TransientError
from mosaicd.jobs.originals import (
    FILE_ADVICE,
    Folders,
    archive,
    moved_original,
    put_aside,
    reason_path,
    write_lone_reason,
    write_reason,
)
from mosaicd.jobs.queue import JobQueue
from mosaicd.jobs.tickets import Ticket
from mosaicd.media.files import signature
from mosaicd.store.database import Database
from mosaicd.store.models import JobKind, JobState
from tests.steps import result_of
from tests.stores import new_database

REASON = "it is no photo"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = new_database(tmp_path / "state/store.sqlite3")
    yield database
    database.close()


@pytest.fixture
def queue(database: Database) -> JobQueue:
    return JobQueue(database)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    root = tmp_path / "root"
    folders = Folders(
        inbox=root / "inbox",
        outbox=root / "outbox",
        archive=root / "archive",
        rejected=root / "rejected",
        staging=root / ".staging",
    )
    folders.inbox.mkdir(parents=True)
    return folders


def running(queue: JobQueue, folders: Folders, path: str = "cat.jpg", content: str = "a cat") -> Ticket:
    """A job that is worked on, whose file is in the inbox."""
    file = folders.inbox / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    looks = signature(file)
    assert looks is not None
    ticket = queue.admit(
        library="default", kind=JobKind.MOSAIC, path=path, signature=looks, first_seen_at=1.0, now=2.0
    )
    claimed = queue.claim(ticket, now=3.0)
    assert claimed is not None
    return claimed


def as_after_a_crash(queue: JobQueue) -> Ticket:
    (ticket,) = queue.in_state(JobState.RUNNING)
    return ticket


# ---- Moving


@pytest.mark.parametrize(
    "path",
    ["cat.jpg", "family/2026/our cat.jpg", "two\nlines.jpg", "caf\udce9.jpg", "\N{CAT FACE}.jpg", "n" * 255],
)
def test_archived_file_keeps_its_place_and_content(queue: JobQueue, folders: Folders, path: str) -> None:
    moved = result_of(archive(running(queue, folders, path), queue, folders))
    assert moved == folders.archive / path
    assert moved.read_text() == "a cat"
    assert not os.path.lexists(folders.inbox / path)


def test_where_it_goes_is_in_the_database_before_it_goes(queue: JobQueue, folders: Folders) -> None:
    result_of(archive(running(queue, folders), queue, folders))
    assert as_after_a_crash(queue).moved_to == str(folders.archive / "cat.jpg")


def test_second_file_of_a_name_gets_a_number(queue: JobQueue, folders: Folders) -> None:
    for content in ("first", "second"):
        ticket = running(queue, folders, content=content)
        result_of(archive(ticket, queue, folders))
        queue.end(ticket.job_id, JobState.DONE, now=9.0)
    assert (folders.archive / "cat.jpg").read_text() == "first"
    assert (folders.archive / "cat (2).jpg").read_text() == "second"


def test_name_of_255_bytes_that_is_taken_gets_a_number_as_well(queue: JobQueue, folders: Folders) -> None:
    name = "n" * 251 + ".jpg"
    folders.archive.mkdir()
    (folders.archive / name).touch()
    moved = result_of(archive(running(queue, folders, name), queue, folders))
    assert moved is not None
    assert moved.name.endswith(" (2).jpg")
    assert len(os.fsencode(moved.name)) == 255


def test_file_that_has_changed_meanwhile_is_not_moved(queue: JobQueue, folders: Folders) -> None:
    ticket = running(queue, folders)
    (folders.inbox / "cat.jpg").write_text("another cat")
    assert result_of(archive(ticket, queue, folders)) is None
    assert (folders.inbox / "cat.jpg").read_text() == "another cat"
    assert not folders.archive.exists()


def test_file_that_has_gone_meanwhile_is_not_missed(queue: JobQueue, folders: Folders) -> None:
    ticket = running(queue, folders)
    (folders.inbox / "cat.jpg").unlink()
    assert result_of(archive(ticket, queue, folders)) is None
    assert result_of(put_aside(ticket, queue, folders, reason=REASON)) is None
    assert not folders.rejected.exists()


def test_file_that_takes_the_place_at_the_last_moment_is_not_overwritten(
    queue: JobQueue, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    note_move = queue.note_move

    def note_late(job_id: int, target: str, *, explanation: str | None) -> None:
        note_move(job_id, target, explanation=explanation)
        if target.endswith("/cat.jpg"):
            Path(target).parent.mkdir()
            Path(target).write_text("synced at this moment")

    monkeypatch.setattr(queue, "note_move", note_late)
    assert result_of(archive(running(queue, folders), queue, folders)) == folders.archive / "cat (2).jpg"
    assert (folders.archive / "cat.jpg").read_text() == "synced at this moment"


def test_file_in_the_place_of_its_folder_defers_the_move(queue: JobQueue, folders: Folders) -> None:
    folders.archive.mkdir()
    (folders.archive / "family").touch()
    with pytest.raises(TransientError, match=r"cannot be moved to .*/archive/family: Not a directory"):
        result_of(archive(running(queue, folders, "family/cat.jpg"), queue, folders))
    assert (folders.inbox / "family/cat.jpg").exists()


# ---- Reasons


def test_rejected_file_has_its_reason_beside_it(queue: JobQueue, folders: Folders) -> None:
    moved = result_of(put_aside(running(queue, folders, "family/cat.jpg"), queue, folders, reason=REASON))
    assert moved == folders.rejected / "family/cat.jpg"
    assert (folders.rejected / "family/cat.jpg.reason.txt").read_text() == f"{REASON}\n\n{FILE_ADVICE}"


def test_rejected_file_of_255_bytes_has_its_reason_beside_it(queue: JobQueue, folders: Folders) -> None:
    moved = result_of(put_aside(running(queue, folders, "n" * 255), queue, folders, reason=REASON))
    assert moved is not None
    assert reason_path(moved).read_text() == f"{REASON}\n\n{FILE_ADVICE}"
    assert len(list(folders.rejected.iterdir())) == 2


def test_reason_may_name_any_file(queue: JobQueue, folders: Folders) -> None:
    write_reason(folders.rejected / "cat.jpg", "caf\udce9.jpg is no photo", folders)
    assert (
        folders.rejected / "cat.jpg.reason.txt"
    ).read_text() == f"caf\\udce9.jpg is no photo\n\n{FILE_ADVICE}"


def test_reason_that_cannot_be_written_is_tried_again_later(folders: Folders) -> None:
    folders.rejected.touch()
    with pytest.raises(TransientError, match="the reason cannot be written to"):
        write_reason(folders.rejected / "cat.jpg", REASON, folders)


def test_reason_takes_the_name_of_no_file_that_was_put_aside(queue: JobQueue, folders: Folders) -> None:
    for path in ("cat.jpg.reason.txt", "cat.jpg"):
        ticket = running(queue, folders, path, content=f"this is {path}")
        result_of(put_aside(ticket, queue, folders, reason=REASON))
        queue.end(ticket.job_id, JobState.REJECTED, now=9.0, explanation=REASON)
    assert {path.name: path.read_text() for path in folders.rejected.iterdir()} == {
        "cat.jpg.reason.txt": "this is cat.jpg.reason.txt",
        "cat.jpg.reason.txt.reason.txt": f"{REASON}\n\n{FILE_ADVICE}",
        "cat (2).jpg": "this is cat.jpg",
        "cat (2).jpg.reason.txt": f"{REASON}\n\n{FILE_ADVICE}",
    }


def test_reason_for_a_file_that_stays_replaces_an_earlier_one_and_nothing_else(folders: Folders) -> None:
    file = folders.rejected / "cat.jpg"
    write_reason(file, "it is blue", folders)
    write_lone_reason(file, "it is green", folders, is_earlier={"it is blue"}.__contains__)
    assert reason_path(file).read_text() == f"it is green\n\n{FILE_ADVICE}"
    write_lone_reason(file, "it is red", folders, is_earlier={"it is blue"}.__contains__)
    assert reason_path(file).read_text() == f"it is green\n\n{FILE_ADVICE}"
    assert (folders.rejected / "cat (2).jpg.reason.txt").read_text() == f"it is red\n\n{FILE_ADVICE}"


def test_file_that_cannot_be_put_aside_leaves_no_reason_there(
    queue: JobQueue, folders: Folders, elsewhere: Path
) -> None:
    folders = replace(folders, rejected=elsewhere / "rejected", staging=elsewhere / "staging")
    putting = put_aside(running(queue, folders), queue, folders, reason=REASON)
    next(putting)
    assert (folders.rejected / "cat.jpg.reason.txt").exists()
    putting.close()
    assert list(folders.rejected.iterdir()) == []


def test_file_that_stood_too_deep_is_archived_at_the_top(queue: JobQueue, folders: Folders) -> None:
    (folders.archive.parent / "deep").mkdir()
    deep = folders.archive.parent / "deep" / "/".join(["n" * 200] * 18)
    folders = replace(folders, archive=deep)
    path = "/".join(["family" * 30] * 2) + "/cat.jpg"
    assert result_of(archive(running(queue, folders, path), queue, folders)) == deep / "cat.jpg"


# ---- After a crash


def test_crash_before_the_move_leaves_the_file_to_be_moved(queue: JobQueue, folders: Folders) -> None:
    running(queue, folders)
    assert result_of(moved_original(as_after_a_crash(queue), folders)) is None


def test_crash_after_noting_and_before_the_move_leaves_it_as_well(queue: JobQueue, folders: Folders) -> None:
    ticket = running(queue, folders)
    queue.note_move(ticket.job_id, str(folders.archive / "cat.jpg"), explanation=None)
    assert result_of(moved_original(as_after_a_crash(queue), folders)) is None
    assert (folders.inbox / "cat.jpg").exists()


def test_crash_after_the_move_is_found(queue: JobQueue, folders: Folders) -> None:
    moved = result_of(archive(running(queue, folders), queue, folders))
    assert result_of(moved_original(as_after_a_crash(queue), folders)) == moved


@pytest.mark.parametrize("is_link", [True, False], ids=["same file system", "other file system"])
def test_crash_between_the_halves_of_a_move_is_mended(
    queue: JobQueue,
    folders: Folders,
    is_link: bool,  # noqa: FBT001
) -> None:
    ticket = running(queue, folders)
    target = folders.archive / "cat.jpg"
    target.parent.mkdir()
    if is_link:
        target.hardlink_to(folders.inbox / "cat.jpg")
    else:
        target.write_text("a cat")
    queue.note_move(ticket.job_id, str(target), explanation=None)
    assert result_of(moved_original(as_after_a_crash(queue), folders)) == target
    assert target.read_text() == "a cat"
    assert not (folders.inbox / "cat.jpg").exists()


def test_reason_goes_if_its_file_has_gone_before_it_was_moved(queue: JobQueue, folders: Folders) -> None:
    ticket = running(queue, folders)
    queue.note_move(ticket.job_id, str(folders.rejected / "cat.jpg"), explanation=REASON)
    write_reason(folders.rejected / "cat.jpg", REASON, folders)
    (folders.inbox / "cat.jpg").unlink()
    assert result_of(put_aside(as_after_a_crash(queue), queue, folders, reason=REASON)) is None
    assert list(folders.rejected.iterdir()) == []


def test_part_of_a_copy_to_another_file_system_goes_after_a_crash(
    queue: JobQueue, folders: Folders, elsewhere: Path
) -> None:
    folders = replace(folders, archive=elsewhere)
    copying = archive(running(queue, folders), queue, folders)
    next(copying)
    assert len(list(elsewhere.iterdir())) == 1
    assert result_of(moved_original(as_after_a_crash(queue), folders)) is None
    assert list(elsewhere.iterdir()) == []
    assert (folders.inbox / "cat.jpg").exists()


def test_other_file_that_took_the_place_before_the_move_costs_no_original(
    queue: JobQueue, folders: Folders
) -> None:
    ticket = running(queue, folders)
    target = folders.archive / "cat.jpg"
    target.parent.mkdir()
    target.write_text("synced at that moment")
    queue.note_move(ticket.job_id, str(target), explanation=None)
    assert result_of(moved_original(as_after_a_crash(queue), folders)) is None
    assert (folders.inbox / "cat.jpg").read_text() == "a cat"
    assert target.read_text() == "synced at that moment"


def test_new_file_in_the_inbox_after_the_move_is_left_alone(queue: JobQueue, folders: Folders) -> None:
    moved = result_of(archive(running(queue, folders), queue, folders))
    (folders.inbox / "cat.jpg").write_text("another cat")
    assert result_of(moved_original(as_after_a_crash(queue), folders)) == moved
    assert (folders.inbox / "cat.jpg").read_text() == "another cat"


def test_new_file_that_comes_while_a_moved_one_is_compared_is_left_alone(
    queue: JobQueue, folders: Folders
) -> None:
    ticket = running(queue, folders, "film.mkv", content="a film" * 8_000_000)
    target = folders.archive / "film.mkv"
    target.parent.mkdir()
    target.write_text("a film" * 8_000_000)
    queue.note_move(ticket.job_id, str(target), explanation=None)
    steps = moved_original(as_after_a_crash(queue), folders)
    next(steps)
    arriving = folders.inbox / ".arriving"
    arriving.write_text("another film")
    arriving.rename(folders.inbox / "film.mkv")
    assert result_of(steps) == target
    assert (folders.inbox / "film.mkv").read_text() == "another film"


def test_newer_file_that_was_moved_when_the_daemon_was_killed_comes_back(
    queue: JobQueue, folders: Folders
) -> None:
    ticket = running(queue, folders)
    target = folders.archive / "cat.jpg"
    queue.note_move(ticket.job_id, str(target), explanation=None)
    (folders.inbox / "cat.jpg").unlink()
    folders.archive.mkdir()
    target.write_text("a newer cat")
    assert result_of(moved_original(as_after_a_crash(queue), folders)) is None
    assert (folders.inbox / "cat.jpg").read_text() == "a newer cat"
    assert list(folders.archive.iterdir()) == []


def test_original_that_cannot_be_compared_is_left_alone(
    queue: JobQueue, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    result_of(archive(running(queue, folders), queue, folders))
    (folders.inbox / "cat.jpg").hardlink_to(folders.archive / "cat.jpg")

    def fail(_path: Path, **_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "unlink", fail)
    assert result_of(moved_original(as_after_a_crash(queue), folders)) is None
    assert (folders.inbox / "cat.jpg").exists()
