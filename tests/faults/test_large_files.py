"""Large files: the daemon goes on with its other work while it compares one with what came before."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mosaicd.errors import TransientError
from mosaicd.intake.admission import Admission
from mosaicd.jobs.queue import JobQueue
from mosaicd.media.files import content_hash, signature
from mosaicd.store.models import JobKind, JobState, SourceKind
from mosaicd.store.tiles import find_or_add_source
from tests.stores import new_database

LARGE = 50_000_000
MATROSKA = b"\x1aE\xdf\xa3 a film"
SECONDS = 5.0


class Household:
    """An inbox whose film was done before, and has been brought again."""

    def __init__(self, root: Path) -> None:
        self.inbox = root / "inbox"
        self.inbox.mkdir()
        self.film = self.inbox / "film.mkv"
        self.film.write_bytes(MATROSKA)
        os.truncate(self.film, LARGE)
        self.database = new_database(root / "state" / "store.sqlite3")
        self.queue = JobQueue(self.database)
        self.now = 1000.0
        self.admission = Admission(self.inbox, self.queue, quiet_clock=lambda: self.now)
        self.finish()

    def finish(self) -> None:
        """The film was done once, and moved away."""
        looks = signature(self.film)
        assert looks is not None
        ticket = self.queue.admit(
            library="default",
            kind=JobKind.SPLICE,
            path="film.mkv",
            signature=looks,
            first_seen_at=1.0,
            now=2.0,
        )
        self.queue.claim(ticket, now=3.0)
        sha256 = content_hash(self.film)
        self.queue.note_content(ticket.job_id, sha256)
        with self.database.write() as session:
            find_or_add_source(
                session,
                library_id=ticket.library_id,
                sha256=sha256,
                kind=SourceKind.VIDEO,
                name="film.mkv",
                sample_interval_seconds=1.0,
                now=3.0,
            )
        self.queue.note_move(ticket.job_id, "/archive/film.mkv", explanation=None)
        self.queue.end(ticket.job_id, JobState.DONE, now=4.0)

    def settle(self) -> int:
        """Let everything settle; how many jobs that made."""
        self.admission.rescan()
        self.now += SECONDS
        return self.admission.take_in(settle_seconds=SECONDS)

    def read_on(self) -> int:
        """Go on until nothing is read any more; how many turns that took."""
        turns = 0
        while self.admission.is_reading:
            assert not self.admission.is_quiet
            self.admission.take_in(settle_seconds=SECONDS)
            turns += 1
        return turns

    def paths(self, state: JobState) -> list[str]:
        return [ticket.path for ticket in self.queue.in_state(state)]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Household]:
    with capture_logs():  # whatever the log was set up for, it is not for these
        home = Household(tmp_path)
        yield home
        home.database.close()


def test_large_film_that_comes_again_is_recognised_a_part_at_a_time(home: Household) -> None:
    with capture_logs() as log:
        assert home.settle() == 0
        assert home.read_on() >= 2
    assert [event["event"] for event in log] == ["file_redelivered"]
    assert home.admission.is_quiet
    assert home.paths(JobState.QUEUED) == []


def test_photo_is_admitted_while_a_large_film_is_read(home: Household) -> None:
    home.settle()
    (home.inbox / "cat.jpg").write_bytes(b"\xff\xd8\xff\xe0 a cat")
    assert home.settle() == 1
    assert home.admission.is_reading


def test_other_content_at_the_end_of_a_large_film_makes_it_a_new_one(home: Household) -> None:
    facts = home.film.stat()
    with home.film.open("r+b") as film:
        film.seek(-1, os.SEEK_END)
        film.write(b"!")
    os.utime(home.film, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    home.settle()
    home.read_on()
    assert home.paths(JobState.QUEUED) == ["film.mkv"]


def test_large_film_that_changes_while_it_is_read_settles_once_more(home: Household) -> None:
    home.settle()
    home.film.write_bytes(MATROSKA)
    assert home.admission.take_in(settle_seconds=SECONDS) == 0
    assert not home.admission.is_reading
    home.now += SECONDS
    assert home.admission.take_in(settle_seconds=SECONDS) == 1


def test_large_film_that_cannot_be_read_to_its_end_is_said_to_be_unreadable(home: Household) -> None:
    home.settle()

    def fail() -> Iterator[bytes | None]:
        yield None
        message = "the file cannot be read: Input/output error"
        raise TransientError(message)

    home.admission._readings = {file: fail() for file in home.admission._readings}
    home.admission.take_in(settle_seconds=SECONDS)
    with capture_logs() as log:
        home.admission.take_in(settle_seconds=SECONDS)
    assert [(event["event"], event["why"]) for event in log] == [
        ("file_unreadable", "the file cannot be read: Input/output error")
    ]
    assert not home.admission.is_reading


def test_settled_files_are_admitted_once_the_database_can_be_written_again(
    home: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.film.unlink()
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (home.inbox / name).write_bytes(b"\xff\xd8\xff\xe0 a cat")

    def fail(*_: object, **__: object) -> object:
        message = "the database cannot be used just now: disk is full"
        raise TransientError(message)

    with monkeypatch.context() as patch:
        patch.setattr(home.queue, "admit_all", fail)
        with pytest.raises(TransientError):
            home.settle()
    home.settle()
    assert home.paths(JobState.QUEUED) == ["a.jpg", "b.jpg", "c.jpg"]


def test_hash_in_steps_is_the_hash_of_the_whole(home: Household) -> None:
    assert content_hash(home.film) == hashlib.sha256(home.film.read_bytes()).digest()
