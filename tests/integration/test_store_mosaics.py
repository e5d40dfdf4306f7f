"""Mosaics in the store: their names, their placement, and a history that can be taken back."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete, event, select

from mosaicd.media.outbox import stems
from mosaicd.store.history import Histories, History
from mosaicd.store.libraries import find_library
from mosaicd.store.models import Mosaic, MosaicPlacement, TileUse
from mosaicd.store.mosaics import (
    charges,
    find_mosaic,
    free_stem,
    load_placement,
    record_mosaic,
    reset_penalties,
    stem_key,
    undo_charges,
)
from tests.stores import add_source, new_database, placement

DAY = 86_400.0
START = 20_000 * DAY
TILES = 12


class Studio:
    """A library of twelve tiles, and mosaics of 3 x 4 cells."""

    def __init__(self, path: Path) -> None:
        self.database = new_database(path)
        with self.database.write() as session:
            self.library_id = add_source(session, tiles=TILES).library_id
            self.other_library_id = add_source(session, library="zoo", name="zoo.mp4", tiles=1).library_id

    def record(self, photo: str, *tiles: int, now: float = START, taken: tuple[str, ...] = ()) -> Mosaic:
        """Record a mosaic whose cells take `tiles` in turn."""
        with self.database.write() as session:
            stem = free_stem(session, stems(photo), is_taken=lambda stem: stem in taken)
            mosaic = Mosaic(
                job_id=None,
                library_id=self.library_id,
                photo_sha256=bytes(32),
                photo_name=photo,
                stem=stem,
                stem_key=stem_key(stem),
                settings={},
                tiles_in_library=TILES,
                rows=3,
                columns=4,
                created_at=now,
                figures={},
            )
            record_mosaic(session, mosaic, placement(*tiles))
        return mosaic

    def undo(self, mosaic: Mosaic, *, now: float = START + DAY) -> int:
        with self.database.write() as session:
            return undo_charges(session, session.get_one(Mosaic, mosaic.id), now=now)

    def reset(self, *, now: float) -> None:
        with self.database.write() as session:
            library = find_library(session, "default")
            assert library is not None
            reset_penalties(library, now=now)

    def events(self) -> list[tuple[int, int, int, float]]:
        with self.database.read() as session:
            columns = (TileUse.mosaic_id, TileUse.tile_id, TileUse.count, TileUse.used_at)
            rows = session.execute(select(*columns).order_by(*columns[:2]))
            return [(mosaic, tile, count, used_at) for mosaic, tile, count, used_at in rows]

    def history(self, *, now: float, half_life_days: float = 30.0) -> list[float]:
        """In how many mosaics each tile appears, faded."""
        with self.database.read() as session:
            found = History(self.library_id, half_life_days=half_life_days).appearances(
                session, np.arange(1, TILES + 1), now=now
            )
        return [round(float(value), 3) for value in found]

    def find(self, name: str) -> int | None:
        with self.database.read() as session:
            mosaic = find_mosaic(session, self.library_id, name)
            return None if mosaic is None else mosaic.id


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    studio = Studio(tmp_path / "store.sqlite3")
    yield studio
    studio.database.close()


# ---- Placement


def test_placement_comes_back_as_it_was(studio: Studio) -> None:
    mosaic = studio.record("cat.jpg", 1, 2, 3)
    with studio.database.read() as session:
        loaded = load_placement(session, mosaic)
    expected = placement(1, 2, 3)
    assert np.array_equal(loaded.tiles, expected.tiles)
    assert np.array_equal(loaded.mirrored, expected.mirrored)
    assert np.abs(loaded.corrections - expected.corrections).max() < 0.01


def test_mosaic_that_fails_to_be_recorded_leaves_nothing(studio: Studio) -> None:
    with pytest.raises(Exception, match="FOREIGN KEY constraint failed"):
        studio.record("cat.jpg", 1, 999)
    assert studio.events() == []
    with studio.database.read() as session:
        assert session.scalars(select(MosaicPlacement)).all() == []
        assert session.scalars(select(Mosaic)).all() == []


# ---- Charges


def test_each_use_is_charged_once_a_tile(studio: Studio) -> None:
    mosaic = studio.record("cat.jpg", 1, 1, 2)
    assert studio.events() == [(mosaic.id, 1, 8, START), (mosaic.id, 2, 4, START)]


def test_history_counts_mosaics_and_fades_by_half_lives(studio: Studio) -> None:
    studio.record("cat.jpg", 1, 2)
    studio.record("dog.jpg", 1, now=START + 30 * DAY)
    assert studio.history(now=START + 30 * DAY)[:3] == [1.5, 0.5, 0.0]
    assert studio.history(now=START + 60 * DAY)[:3] == [0.75, 0.25, 0.0]
    assert studio.history(now=START + 60 * DAY, half_life_days=60)[:3] == [1.207, 0.5, 0.0]


def test_history_of_another_library_does_not_count(studio: Studio) -> None:
    studio.record("cat.jpg", 1)
    with studio.database.read() as session:
        history = History(studio.other_library_id, half_life_days=30)
        found = history.appearances(session, np.array([1, 13]), now=START)
    assert found.tolist() == [0.0, 0.0]


def test_what_is_long_past_is_forgotten(studio: Studio) -> None:
    studio.record("cat.jpg", 1)
    assert studio.history(now=START + 3000 * DAY)[0] == 0.0


def test_history_that_is_kept_says_what_a_new_one_would(studio: Studio) -> None:
    histories = Histories()
    tiles = np.array([TILES, 3, 1, 999])

    def kept(now: float) -> list[float]:
        with studio.database.read() as session:
            history = histories.of(studio.library_id, half_life_days=30)
            found = history.appearances(session, tiles, now=now)
        fresh = studio.history(now=now)
        assert [round(float(value), 3) for value in found] == [fresh[TILES - 1], fresh[2], fresh[0], 0.0]
        return [float(value) for value in found]

    assert kept(START) == [0.0, 0.0, 0.0, 0.0]
    first = studio.record("cat.jpg", 1, 2)
    kept(START)
    studio.record("dog.jpg", 1, 3, now=START + 7 * DAY)
    kept(START + 8 * DAY)
    last = studio.record("bird.jpg", 3, TILES, now=START + 9 * DAY)
    kept(START + 40 * DAY)
    studio.undo(first)
    kept(START + 41 * DAY)
    with studio.database.write() as session:  # as a job that is withdrawn forgets what nobody has seen
        for row in (TileUse, MosaicPlacement):
            session.execute(delete(row).where(row.mosaic_id == last.id))
        session.execute(delete(Mosaic).where(Mosaic.id == last.id))
    again = studio.record("cow.jpg", 1, now=START + 42 * DAY)
    assert again.id == last.id, "numbers come back"
    kept(START + 43 * DAY)
    studio.reset(now=START + 43 * DAY)
    assert kept(START + 44 * DAY) == [0.0, 0.0, 0.0, 0.0]


def test_each_mosaic_of_the_history_is_read_once(studio: Studio) -> None:
    statements: list[str] = []
    with studio.database.read() as session:
        event.listen(session.get_bind(), "before_cursor_execute", lambda *facts: statements.append(facts[2]))
    history = History(studio.library_id, half_life_days=30)
    for name in ("cat.jpg", "dog.jpg", "bird.jpg"):
        studio.record(name, 1)
        with studio.database.read() as session:
            history.appearances(session, np.arange(1, TILES + 1), now=START)
    assert sum("FROM tile_use" in statement for statement in statements) == 3


def test_clock_that_is_set_back_makes_no_use_weigh_more(studio: Studio) -> None:
    history = History(studio.library_id, half_life_days=30)
    studio.record("cat.jpg", 1)
    for now in (START - 365 * DAY, START, START + 365 * DAY, START - 365 * DAY, START - 1e6 * DAY):
        with studio.database.read() as session:
            (weight,) = history.appearances(session, np.array([1]), now=now)
        assert 0 <= weight <= 1


def test_undo_gives_back_the_earlier_events_exactly(studio: Studio) -> None:
    studio.record("cat.jpg", 1, 2, 3)
    before, history = studio.events(), studio.history(now=START + DAY)
    second = studio.record("dog.jpg", 2, 3, 4, 4, now=START + DAY)
    assert studio.undo(second) == 3
    assert studio.events() == before
    assert studio.history(now=START + DAY) == history


def test_undo_of_an_earlier_mosaic_leaves_the_later_one(studio: Studio) -> None:
    first = studio.record("cat.jpg", 1, 2)
    second = studio.record("dog.jpg", 2, 3)
    studio.undo(first)
    assert {mosaic for mosaic, *_ in studio.events()} == {second.id}


def test_undo_twice_takes_back_nothing_more_and_keeps_the_placement(studio: Studio) -> None:
    mosaic = studio.record("cat.jpg", 1, 2)
    assert [studio.undo(mosaic), studio.undo(mosaic)] == [2, 0]
    with studio.database.read() as session:
        assert load_placement(session, mosaic).tiles.shape == (3, 4)
        assert session.get_one(Mosaic, mosaic.id).charges_undone_at == START + DAY


def test_reset_ends_the_history_and_keeps_the_events(studio: Studio) -> None:
    studio.record("cat.jpg", 1)
    events = studio.events()
    studio.reset(now=START + DAY)
    studio.record("dog.jpg", 2, now=START + 2 * DAY)
    assert studio.history(now=START + 2 * DAY)[:2] == [0.0, 1.0]
    assert studio.events()[:1] == events


def test_charges_are_listed_by_mosaic(studio: Studio) -> None:
    cat, dog = studio.record("cat.jpg", 1, 2), studio.record("dog.jpg", 3)
    studio.undo(studio.record("bird.jpg", 4))
    with studio.database.read() as session:
        found = [
            (each.mosaic, each.stem, each.tiles, each.uses) for each in charges(session, studio.library_id)
        ]
        assert charges(session, studio.other_library_id) == []
    assert found == [(cat.id, "cat", 2, 12), (dog.id, "dog", 1, 12)]


# ---- Names


def test_same_photo_again_gets_another_stem(studio: Studio) -> None:
    assert [studio.record("cat.jpg", 1).stem for _ in range(3)] == ["cat", "cat (2)", "cat (3)"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("cat.jpg", "cat.heic"),
        ("cat.jpg", "Cat.jpg"),
        ("STRASSE.jpg", "stra\N{LATIN SMALL LETTER SHARP S}e.jpg"),
        ("caf\N{LATIN SMALL LETTER E WITH ACUTE}.jpg", "cafe\N{COMBINING ACUTE ACCENT}.jpg"),
        ("n" * 255, "n" * 255),
    ],
)
def test_names_that_some_file_system_takes_for_one_get_different_stems(
    studio: Studio, first: str, second: str
) -> None:
    stems_recorded = [studio.record(name, 1).stem for name in (first, second)]
    assert stems_recorded[1].endswith(" (2)")
    assert stem_key(stems_recorded[0]) != stem_key(stems_recorded[1])


def test_long_names_that_begin_alike_get_different_stems(studio: Studio) -> None:
    first, second = (studio.record("n" * 250 + ending, 1).stem for ending in ("a", "b"))
    assert first != second
    assert not second.endswith(" (2)")


def test_names_that_are_no_text_are_kept_apart(studio: Studio) -> None:
    found = [studio.record(name, 1).stem for name in ("caf\udce9.jpg", "caf\udce8.jpg")]
    assert found == ["caf\udce9", "caf\udce8"]


def test_stem_of_a_file_in_the_outbox_is_not_taken(studio: Studio) -> None:
    assert studio.record("cat.jpg", 1, taken=("cat", "cat (2)")).stem == "cat (3)"


def test_folders_have_stems_of_their_own(studio: Studio) -> None:
    assert studio.record("cat.jpg", 1).stem == "cat"
    assert studio.record("family/cat.jpg", 1).stem == "family/cat"


@pytest.mark.parametrize("name", ["1", "family/cat", "Family/Cat", "family/cat.mosaic.jpg"])
def test_mosaic_is_found_by_number_stem_or_file(studio: Studio, name: str) -> None:
    assert studio.record("family/cat.jpg", 1).id == 1
    assert studio.find(name) == 1


@pytest.mark.parametrize(
    ("photo", "name"),
    [
        ("2024.jpg", "2024"),
        ("2024.jpg", "2024.mosaic.jpg"),
        ("9" * 30 + ".jpg", "9" * 30),
        ("a.mosaic.b.jpg", "a.mosaic.b"),
        ("a.mosaic.b.jpg", "a.mosaic.b.mosaic.json"),
        ("our cat.mosaic.jpg", "our cat.mosaic"),
        ("our cat.mosaic.jpg", "our cat.mosaic.mosaic.webp"),
    ],
)
def test_mosaic_whose_stem_looks_like_a_number_or_an_ending_is_found(
    studio: Studio, photo: str, name: str
) -> None:
    assert studio.find(name) is None
    assert studio.find(str(studio.record(photo, 1).id)) == 1
    assert studio.find(name) == 1


def test_stem_goes_before_a_number_and_before_what_an_ending_is_cut_from(studio: Studio) -> None:
    numbers = {photo: studio.record(photo, 1).id for photo in ("cat.jpg", "1.jpg", "cat.mosaic.jpg.jpg")}
    assert studio.find("1") == numbers["1.jpg"] == 2
    assert studio.find("cat.mosaic.jpg") == numbers["cat.mosaic.jpg.jpg"] == 3


@pytest.mark.parametrize("name", ["cat", "2", "family/cat (2)", "", "9" * 18, "9" * 19, "9" * 5000])
def test_mosaic_that_is_not_there_is_not_found(studio: Studio, name: str) -> None:
    studio.record("family/cat.jpg", 1)
    assert studio.find(name) is None
