"""Which films belong to live photos, and that their photos do not wait for them."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaicd.intake.admission import Admission
from mosaicd.intake.live_photos import is_live_photo_film
from mosaicd.jobs.queue import JobQueue
from mosaicd.jobs.tickets import Ticket
from mosaicd.media.files import signature
from mosaicd.settings_reading import load_settings
from mosaicd.store.database import Database
from mosaicd.store.models import JobKind, JobState
from mosaicd.waiting import WaitingRoom
from tests import films
from tests.stores import add_source, new_database

TAKEN = 1_750_000_000.0


class Household:
    """An inbox, its queue, and the room in which photos wait."""

    def __init__(self, root: Path) -> None:
        self.inbox = root / "inbox"
        self.inbox.mkdir()
        self.database: Database = new_database(root / "state/store.sqlite3")
        self.queue = JobQueue(self.database)
        with self.database.write() as session:
            add_source(session, tiles=60)

    def drop(self, path: str, file: Path | None = None, *, taken: float = TAKEN) -> None:
        """Put a film, or else what is to be a photo, into the inbox."""
        place = self.inbox / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if file is None:
            place.write_bytes(b"\xff\xd8\xff\xe0")
        else:
            shutil.copy(file, place)
        os.utime(place, (taken, taken))

    def admit(self, path: str, kind: JobKind, *, first_seen_at: float, now: float) -> Ticket:
        looks = signature(self.inbox / path)
        assert looks is not None
        return self.queue.admit(
            library="default", kind=kind, path=path, signature=looks, first_seen_at=first_seen_at, now=now
        )

    def is_film_of_live_photo(self, path: str) -> bool:
        return is_live_photo_film(path, self.inbox, self.queue)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Household]:
    household = Household(tmp_path)
    yield household
    household.database.close()


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film that names its photo, as phones write it."""
    return films.live_photo_film(tmp_path_factory.mktemp("marked") / "marked.mov")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of film that say nothing of a photo."""
    return films.encode(tmp_path_factory.mktemp("bare") / "bare.mov", films.numbered(30))


@pytest.mark.parametrize("name", ["IMG_1.MOV", "family/2026/img.mov", "IMG_1.mp4"])
def test_film_that_names_its_photo_is_one_before_that_comes(home: Household, marked: Path, name: str) -> None:
    home.drop(name, marked)
    assert home.is_film_of_live_photo(name)


@pytest.mark.parametrize(
    ("photo", "film"),
    [
        ("IMG_1.HEIC", "IMG_1.MOV"),
        ("IMG_1.heic", "IMG_1.mov"),
        ("IMG_1.JPG", "IMG_1.MOV"),
        ("family/img.jpeg", "family/img.MOV"),
    ],
)
def test_short_film_beside_a_photo_of_its_name_and_time_is_one(
    home: Household, bare: Path, photo: str, film: str
) -> None:
    home.drop(film, bare)
    assert not home.is_film_of_live_photo(film)
    home.drop(photo, taken=TAKEN + 3)
    assert home.is_film_of_live_photo(film)


def test_short_film_whose_photo_has_been_used_is_one(home: Household, bare: Path) -> None:
    home.drop("IMG_1.HEIC")
    ticket = home.admit("IMG_1.HEIC", JobKind.MOSAIC, first_seen_at=1, now=2)
    assert home.queue.claim(ticket, now=3) is not None
    home.queue.end(ticket.job_id, JobState.DONE, now=4)
    (home.inbox / "IMG_1.HEIC").unlink()
    home.drop("IMG_1.MOV", bare)
    assert home.is_film_of_live_photo("IMG_1.MOV")


@pytest.mark.parametrize(
    ("photo", "film", "apart"),
    [
        ("beach.jpg", "beach.mov", 3600),
        ("beach.jpg", "beach.mp4", 0),
        ("beach.jpg", "beach 2.mov", 0),
        ("other/beach.jpg", "beach.mov", 0),
        ("beach.png", "beach.mov", 0),
    ],
)
def test_short_film_of_another_name_place_kind_or_time_is_a_film(
    home: Household, bare: Path, photo: str, film: str, apart: float
) -> None:
    home.drop(photo)
    home.drop(film, bare, taken=TAKEN + apart)
    assert not home.is_film_of_live_photo(film)


def test_longer_film_beside_a_photo_of_its_name_is_a_film(home: Household, tmp_path: Path) -> None:
    home.drop("beach.jpg")
    home.drop("beach.mov", films.encode(tmp_path / "long.mov", films.numbered(12), rate=1))
    assert not home.is_film_of_live_photo("beach.mov")


def test_what_cannot_be_read_is_no_film_of_a_live_photo(home: Household) -> None:
    os.mkfifo(home.inbox / "pipe.mov")
    home.drop("photo.mov")
    assert not home.is_film_of_live_photo("pipe.mov")
    assert not home.is_film_of_live_photo("photo.mov")
    assert not home.is_film_of_live_photo("gone.mov")


@pytest.mark.parametrize(("wanted", "waits"), [("skip", False), ("tiles", True)])
def test_photo_does_not_wait_for_its_own_film_unless_that_becomes_tiles(
    home: Household,
    marked: Path,
    bare: Path,
    wanted: str,
    waits: bool,  # noqa: FBT001
) -> None:
    """Its film stands behind one that came after the photo, and would take long."""
    settings = load_settings({"root": home.inbox.parent, "live_photo_films": wanted})
    room = WaitingRoom(settings, home.database, home.queue, Admission(home.inbox, home.queue))
    now = time.time()
    home.drop("IMG_1.HEIC")
    home.drop("long.mov", bare)
    home.drop("IMG_1.MOV", marked)
    photo = home.admit("IMG_1.HEIC", JobKind.MOSAIC, first_seen_at=now - 9, now=now)
    home.admit("long.mov", JobKind.SPLICE, first_seen_at=now + 1, now=now + 2)
    home.admit("IMG_1.MOV", JobKind.SPLICE, first_seen_at=now - 9, now=now + 3)
    assert room.keep([photo]) == ([] if waits else [photo])


def test_photo_waits_for_the_other_films_that_were_there(home: Household, marked: Path, bare: Path) -> None:
    settings = load_settings({"root": home.inbox.parent})
    room = WaitingRoom(settings, home.database, home.queue, Admission(home.inbox, home.queue))
    now = time.time()
    home.drop("IMG_1.HEIC")
    home.drop("IMG_1.MOV", marked)
    home.drop("beach.mov", bare)
    home.admit("IMG_1.MOV", JobKind.SPLICE, first_seen_at=now - 9, now=now - 1)
    home.admit("beach.mov", JobKind.SPLICE, first_seen_at=now - 8, now=now - 1)
    photo = home.admit("IMG_1.HEIC", JobKind.MOSAIC, first_seen_at=now - 9, now=now)
    assert room.keep([photo]) == []
    job = home.queue.last_of_path("IMG_1.HEIC")
    assert job is not None
    assert job.explanation == "waits until beach.mov has become tiles"
