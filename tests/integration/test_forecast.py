"""The forecast: what finished jobs in the database say of those that have not ended."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mosaicd.forecast import Forecast, forecast
from mosaicd.jobs.queue import JobQueue
from mosaicd.jobs.tickets import Ticket
from mosaicd.media.files import Signature
from mosaicd.store.database import Database
from mosaicd.store.models import JobKind, JobState, Mosaic, Source, SourceKind
from mosaicd.store.mosaics import stem_key
from mosaicd.store.tiles import complete_source, find_or_add_source
from tests.stores import new_database

MEGABYTE = 1_000_000
STAGES = {"reading": 1.0, "matching": 6.0, "writing": 3.0}


@dataclass
class History:
    """A database in which jobs come and go at times that it is told."""

    database: Database

    def __post_init__(self) -> None:
        self.queue = JobQueue(self.database)

    def queued(
        self, path: str, *, kind: JobKind = JobKind.SPLICE, size: int = MEGABYTE, library: str = "default"
    ) -> Ticket:
        looks = Signature(size=size, mtime_ns=1, inode=1)
        return self.queue.admit(
            library=library, kind=kind, path=path, signature=looks, first_seen_at=1.0, now=2.0
        )

    def running(
        self, ticket: Ticket, *, since: float, stage: str = "splicing", progress: float = 0.0
    ) -> Ticket:
        claimed = self.queue.claim(ticket, now=since)
        assert claimed is not None
        self.queue.note_progress(ticket.job_id, stage=stage, progress=progress)
        return claimed

    def begin_source(
        self, ticket: Ticket, *, now: float, kind: SourceKind = SourceKind.VIDEO, content: str | None = None
    ) -> Source:
        sha256 = (content or ticket.path).encode().ljust(32)[:32]
        self.queue.note_content(ticket.job_id, sha256)
        with self.database.write() as session:
            return find_or_add_source(
                session,
                library_id=ticket.library_id,
                sha256=sha256,
                kind=kind,
                name=ticket.path,
                sample_interval_seconds=1.0,
                now=now,
            )

    def spliced(
        self,
        path: str,
        *,
        seconds: float,
        at: float = 100.0,
        size: int = MEGABYTE,
        kind: SourceKind = SourceKind.VIDEO,
        content: str | None = None,
    ) -> None:
        """A film, or photo, that has become tiles."""
        ticket = self.running(self.queued(path, size=size), since=at)
        source = self.begin_source(ticket, now=at, kind=kind, content=content)
        with self.database.write() as session:
            complete_source(session, source.id, duration_seconds=None, shortfall=None, now=at)
        self.queue.end(ticket.job_id, JobState.DONE, now=at + seconds)

    def made(self, path: str, *, seconds: float, library: str = "default") -> None:
        """A photo that has become a mosaic."""
        ticket = self.running(self.queued(path, kind=JobKind.MOSAIC, library=library), since=100.0)
        with self.database.write() as session:
            session.add(
                Mosaic(
                    job_id=ticket.job_id,
                    library_id=ticket.library_id,
                    photo_sha256=bytes(32),
                    photo_name=path,
                    stem=path,
                    stem_key=stem_key(path),
                    settings={},
                    tiles_in_library=4,
                    rows=3,
                    columns=4,
                    created_at=100.0,
                    published_at=100.0 + seconds,
                    figures={"seconds": STAGES},
                )
            )
        self.queue.end(ticket.job_id, JobState.DONE, now=100.0 + seconds)

    def forecast(self, *, now: float = 1000.0, limit: int | None = None) -> Forecast:
        with self.database.read() as session:
            return forecast(session, now=now, limit=limit)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    database = new_database(tmp_path / "store.sqlite3")
    yield History(database)
    database.close()


def test_nothing_is_foretold_without_experience(history: History) -> None:
    history.running(history.queued("a.mp4"), since=999.0)
    history.queued("b.mp4")
    cat = history.queued("cat.jpg", kind=JobKind.MOSAIC)
    history.running(cat, since=900.0, stage="matching", progress=0.1)
    assert history.forecast() == Forecast(left={}, begins_in={}, all_left=None)


def test_first_film_is_foretold_by_its_own_pace(history: History) -> None:
    film = history.running(history.queued("a.mp4"), since=980.0, progress=0.4)
    assert history.forecast().left == {film.job_id: pytest.approx(30)}


def test_films_are_foretold_by_their_size(history: History) -> None:
    history.spliced("old.mp4", seconds=10)
    film = history.running(history.queued("a.mp4", size=4 * MEGABYTE), since=1000.0)
    following = history.queued("b.mp4", size=2 * MEGABYTE)
    times = history.forecast()
    assert times.left == {film.job_id: pytest.approx(40)}
    assert times.begins_in == {following.job_id: pytest.approx(40)}
    assert times.all_left == pytest.approx(60)


def test_photos_for_tiles_are_foretold_by_photos(history: History) -> None:
    history.spliced("old.mp4", seconds=100)
    history.spliced("tiles/old.jpg", seconds=1, kind=SourceKind.PHOTO)
    history.queued("tiles/a.jpg")
    history.queued("tiles/b.jpg")
    assert history.forecast().all_left == pytest.approx(2)


def test_film_that_was_known_or_gone_on_with_says_nothing_of_others(history: History) -> None:
    history.spliced("old.mp4", seconds=10)
    for number in range(6):
        history.spliced(f"again{number}.mp4", seconds=0.1, at=200.0, content="old.mp4")
    history.queued("a.mp4")
    assert history.forecast().all_left == pytest.approx(10)


def test_film_that_is_gone_on_with_is_foretold_by_others(history: History) -> None:
    history.spliced("old.mp4", seconds=100)
    film = history.queued("a.mp4")
    history.running(film, since=300.0)
    history.begin_source(film, now=301.0)
    history.queue.give_back(film, explanation="the daemon was stopped")
    history.running(film, since=999.0, progress=0.6)
    assert history.forecast().left == {film.job_id: pytest.approx(40)}


def test_mosaics_are_foretold_by_those_of_their_library_and_by_stage(history: History) -> None:
    history.made("old.jpg", seconds=20)
    history.made("family/old.jpg", seconds=200, library="family")
    cat = history.queued("family/cat.jpg", kind=JobKind.MOSAIC, library="family")
    history.running(cat, since=990.0, stage="writing", progress=0.9)
    times = history.forecast()
    assert times.left[cat.job_id] < 10, "it came to its last stage sooner than usual"
    history.queued("dog.jpg", kind=JobKind.MOSAIC)
    history.queued("zoo/dog.jpg", kind=JobKind.MOSAIC, library="zoo")
    assert history.forecast().all_left == pytest.approx(times.left[cat.job_id] + 20 + 110)


def test_photo_that_waits_has_its_turn_after_the_films_of_its_library(history: History) -> None:
    history.spliced("old.mp4", seconds=10)
    cat, dog = (
        history.queued("cat.jpg", kind=JobKind.MOSAIC),
        history.queued("zoo/dog.jpg", kind=JobKind.MOSAIC, library="zoo"),
    )
    history.queue.wait(
        {cat: "waits until a.mp4 has become tiles", dog: "waits until library zoo has 50 tiles"}
    )
    history.queued("a.mp4", size=3 * MEGABYTE)
    assert history.forecast().begins_in == {cat.job_id: pytest.approx(30)}


def test_clock_that_was_set_back_is_survived(history: History) -> None:
    history.spliced("old.mp4", seconds=10)
    film = history.running(history.queued("a.mp4"), since=2000.0, progress=0.5)
    assert 0 <= history.forecast().left[film.job_id] <= 10


def test_the_oldest_jobs_can_be_foretold_alone(history: History) -> None:
    history.spliced("old.mp4", seconds=10)
    tickets = [history.queued(f"{number}.mp4") for number in range(30)]
    history.running(tickets[29], since=1000.0)
    times = history.forecast(limit=3)
    assert list(times.left) == [tickets[29].job_id]
    assert times.begins_in == {tickets[0].job_id: pytest.approx(10), tickets[1].job_id: pytest.approx(20)}
