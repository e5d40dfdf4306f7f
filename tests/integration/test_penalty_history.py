"""The same photo dropped again and again: what the library's history changes, and how it is taken back."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from mosaicd.store.database import Database
from mosaicd.store.history import History
from mosaicd.store.libraries import find_library
from mosaicd.store.models import Mosaic, TileUse
from mosaicd.store.mosaics import reset_penalties, undo_charges
from tests.libraries import fill_library
from tests.mosaic_studio import MosaicStudio

TILES = 5000
DAY = 86_400.0
START = 20_000 * DAY


class Studio(MosaicStudio):
    """Makes mosaics of the portrait."""

    def make(self, *, now: float, **appearance: Any) -> Mosaic:
        return super().make(now=now, tile_edge_pixels=20, **appearance)

    def tiles(self, mosaic: Mosaic) -> set[int]:
        return {tile for tile, *_ in self.report(mosaic)["placement"]["tiles"]}

    def events(self) -> list[tuple[int, int, int, float]]:
        with self.database.read() as session:
            columns = (TileUse.mosaic_id, TileUse.tile_id, TileUse.count, TileUse.used_at)
            rows = session.execute(select(*columns).order_by(*columns[:2]))
            return [(mosaic, tile, count, used_at) for mosaic, tile, count, used_at in rows]


@pytest.fixture(scope="module")
def new_studio(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Studio]:
    filled = tmp_path_factory.mktemp("filled") / "store.sqlite3"
    database = Database(filled)
    database.migrate()
    library = fill_library(database, name="default", tiles=TILES)
    database.close()

    def build() -> Studio:
        folder = tmp_path_factory.mktemp("studio")
        copy = folder / "store.sqlite3"
        copy.write_bytes(filled.read_bytes())
        return Studio(Database(copy), library, folder, "astronaut.png")

    return build


def test_without_penalty_the_same_photo_gives_the_same_mosaic(new_studio: Callable[[], Studio]) -> None:
    studio = new_studio()
    first, second, third = (studio.make(penalty_step=0.0, now=START + DAY * day) for day in range(3))
    images = {
        (studio.folder / "outbox" / f"{each.stem}.mosaic.jpg").read_bytes() for each in (first, second, third)
    }
    assert len(images) == 1
    assert first.stem != second.stem != third.stem


def test_with_penalty_neighbours_share_few_tiles_and_stay_close(new_studio: Callable[[], Studio]) -> None:
    unpenalised = new_studio().make(penalty_step=0.0, now=START)
    studio = new_studio()
    mosaics = [studio.make(penalty_step=0.03, now=START + DAY * day) for day in range(3)]
    for earlier, later in itertools.pairwise(mosaics):
        before, after = studio.tiles(earlier), studio.tiles(later)
        assert len(before & after) <= 0.6 * len(before)
    for mosaic in mosaics:
        assert mosaic.figures["color_error_1px"] <= 1.1 * unpenalised.figures["color_error_1px"]


def test_undoing_a_mosaic_gives_back_the_events_as_they_were(new_studio: Callable[[], Studio]) -> None:
    studio = new_studio()
    studio.make(penalty_step=0.03, now=START)
    before = studio.events()
    second = studio.make(penalty_step=0.03, now=START + DAY)
    assert len(studio.events()) > len(before)
    with studio.database.write() as session:
        undo_charges(session, session.get_one(Mosaic, second.id), now=START + 2 * DAY)
    assert studio.events() == before


def test_charges_are_the_uses_in_the_mosaic(new_studio: Callable[[], Studio]) -> None:
    studio = new_studio()
    mosaic = studio.make(penalty_step=0.03, now=START)
    assert sum(count for _, _, count, _ in studio.events()) == mosaic.rows * mosaic.columns
    assert {tile for _, tile, _, _ in studio.events()} == studio.tiles(mosaic)


def test_history_fades_and_can_be_reset(new_studio: Callable[[], Studio]) -> None:
    studio = new_studio()
    studio.make(penalty_step=0.03, now=START)
    tiles = np.arange(1, TILES + 1)

    def uses(now: float) -> float:
        with studio.database.read() as session:
            history = History(studio.library_id, half_life_days=30)
            return float(history.appearances(session, tiles, now=now).sum())

    tiles_used = uses(START)
    assert uses(START + 30 * DAY) == pytest.approx(tiles_used / 2, rel=1e-4)
    events = studio.events()
    with studio.database.write() as session:
        library = find_library(session, "default")
        assert library is not None
        reset_penalties(library, now=START + DAY)
    assert uses(START + 2 * DAY) == 0
    assert studio.events() == events
