"""The forecast: what finished jobs in the database say of those that have not ended."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaicd.forecast import Forecast, forecast
from mosaicd.store.models import JobKind, SourceKind
from tests.job_history import MEGABYTE, History
from tests.stores import new_database


def foretold(history: History, *, now: float = 1000.0, limit: int | None = None) -> Forecast:
    with history.database.read() as session:
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
    assert foretold(history) == Forecast(left={}, begins_in={}, all_left=None)


def test_first_film_is_foretold_by_its_own_pace(history: History) -> None:
    film = history.running(history.queued("a.mp4"), since=980.0, progress=0.4)
    assert foretold(history).left == {film.job_id: pytest.approx(30)}


def test_films_are_foretold_by_their_size(history: History) -> None:
    history.spliced("old.mp4", seconds=10)
    film = history.running(history.queued("a.mp4", size=4 * MEGABYTE), since=1000.0)
    following = history.queued("b.mp4", size=2 * MEGABYTE)
    times = foretold(history)
    assert times.left == {film.job_id: pytest.approx(40)}
    assert times.begins_in == {following.job_id: pytest.approx(40)}
    assert times.all_left == pytest.approx(60)


def test_photos_for_tiles_are_foretold_by_photos(history: History) -> None:
    history.spliced("old.mp4", seconds=100)
    history.spliced("tiles/old.jpg", seconds=1, kind=SourceKind.PHOTO)
    history.queued("tiles/a.jpg")
    history.queued("tiles/b.jpg")
    assert foretold(history).all_left == pytest.approx(2)


def test_film_that_was_known_or_gone_on_with_says_nothing_of_others(history: History) -> None:
    history.spliced("old.mp4", seconds=10)
    for number in range(6):
        history.spliced(f"again{number}.mp4", seconds=0.1, at=200.0, content="old.mp4")
    history.queued("a.mp4")
    assert foretold(history).all_left == pytest.approx(10)


def test_film_that_is_gone_on_with_is_foretold_by_others(history: History) -> None:
    history.spliced("old.mp4", seconds=100)
    film = history.queued("a.mp4")
    history.running(film, since=300.0)
    history.begin_source(film, now=301.0)
    history.queue.give_back(film, explanation="the daemon was stopped")
    history.running(film, since=999.0, progress=0.6)
    assert foretold(history).left == {film.job_id: pytest.approx(40)}


def test_mosaics_are_foretold_by_those_of_their_library_and_by_stage(history: History) -> None:
    history.made("old.jpg", seconds=20)
    history.made("family/old.jpg", seconds=200, library="family")
    cat = history.queued("family/cat.jpg", kind=JobKind.MOSAIC, library="family")
    history.running(cat, since=990.0, stage="writing", progress=0.9)
    times = foretold(history)
    assert times.left[cat.job_id] < 10, "it came to its last stage sooner than usual"
    history.queued("dog.jpg", kind=JobKind.MOSAIC)
    history.queued("zoo/dog.jpg", kind=JobKind.MOSAIC, library="zoo")
    assert foretold(history).all_left == pytest.approx(times.left[cat.job_id] + 20 + 110)


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
    assert foretold(history).begins_in == {cat.job_id: pytest.approx(30)}


def test_clock_that_was_set_back_is_survived(history: History) -> None:
    history.spliced("old.mp4", seconds=10)
    film = history.running(history.queued("a.mp4"), since=2000.0, progress=0.5)
    assert foretold(history).left[film.job_id] == pytest.approx(5)


def test_the_oldest_jobs_can_be_foretold_alone(history: History) -> None:
    history.spliced("old.mp4", seconds=10)
    tickets = [history.queued(f"{number}.mp4") for number in range(30)]
    history.running(tickets[29], since=1000.0)
    times = foretold(history, limit=3)
    assert list(times.left) == [tickets[29].job_id]
    assert times.begins_in == {tickets[0].job_id: pytest.approx(10), tickets[1].job_id: pytest.approx(20)}
