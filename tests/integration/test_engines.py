"""Every engine makes mosaics through the whole pipeline, by setting and by a library's mosaic.toml."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mosaicd.imaging.descriptors import SUBCELLS
from mosaicd.imaging.grid import CellGrid
from mosaicd.matching.codebox import nearest_by_squares
from mosaicd.media.photo import read_photo
from mosaicd.pipelines.appearance import Engine
from mosaicd.store import tiles
from mosaicd.store.database import Database
from mosaicd.store.models import Mosaic
from mosaicd.store.mosaics import load_placement
from mosaicd.store.tiles import load_tiles
from tests.libraries import PHOTOS, fill_library
from tests.mosaic_studio import MosaicStudio

TILES = 400
ROWS, COLUMNS = 16, 24
NOW = 1_700_000_000.0


class Studio(MosaicStudio):
    """Makes small mosaics of the mug, a second after each other."""

    def make_next(self, **appearance: Any) -> Mosaic:
        return self.make(now=NOW + self.made, cells_on_long_side=COLUMNS, tile_edge_pixels=8, **appearance)

    def tiles(self, mosaic: Mosaic) -> np.ndarray:
        with self.database.read() as session:
            return load_placement(session, mosaic).tiles


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    database = Database(tmp_path / "store.sqlite3")
    database.migrate()
    library_id = fill_library(database, name="default", tiles=TILES)
    return Studio(database, library_id, tmp_path, "coffee.png")


@pytest.mark.parametrize("engine", Engine)
def test_every_engine_makes_a_whole_mosaic(studio: Studio, engine: Engine) -> None:
    mosaic = studio.make_next(engine=engine)
    with Image.open(studio.folder / "outbox" / f"{mosaic.stem}.mosaic.jpg") as image:
        assert image.size == (COLUMNS * 8, ROWS * 8)
    report = studio.report(mosaic)
    assert report["settings"]["engine"] == engine.value
    assert 0 < report["mean_similarity"] <= 1
    assert ("certified_share" in report) == (engine is Engine.PERCEPTUAL)


def test_an_engine_is_chosen_by_the_library_and_its_mosaic_toml(studio: Studio) -> None:
    (studio.inbox / "mosaic.toml").write_text('engine = "codebox"\n')
    mosaic = studio.make_next()
    assert studio.report(mosaic)["settings"]["engine"] == "codebox"
    photo = read_photo(PHOTOS / "coffee.png", photo_pixels_limit=10**8, long_side_pixels=COLUMNS * 16)
    grid = CellGrid.fit(photo.shape, cells_on_long_side=COLUMNS)
    cells = grid.cut(grid.sample(photo, pixels_a_cell=SUBCELLS))
    with studio.database.read() as session:
        (loaded,) = load_tiles(session, studio.library_id)
    positions, _ = nearest_by_squares(cells.reshape(-1, 75), loaded.subcells.reshape(-1, 75))
    np.testing.assert_array_equal(studio.tiles(mosaic).ravel(), loaded.tiles[positions])


def test_tiles_are_loaded_some_at_a_time_each_once(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "_LOADED_AT_ONCE", 150)
    with studio.database.read() as session:
        batches = list(tiles.load_tiles(session, studio.library_id))
        usable = tiles.live_tiles(session, studio.library_id)
    assert [len(batch.subcells) for batch in batches] == [150, 150, 100]
    np.testing.assert_array_equal(np.concatenate([batch.tiles for batch in batches]), usable)


def test_history_leaves_codebox_as_it_is(studio: Studio) -> None:
    first, again = (studio.tiles(studio.make_next(engine=Engine.CODEBOX, penalty_step=0.2)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_history_turns_mean_color_ssim_to_other_tiles(studio: Studio) -> None:
    first, again = (
        studio.tiles(studio.make_next(engine=Engine.MEAN_COLOR_SSIM, penalty_step=0.2)) for _ in range(2)
    )
    assert (first != again).mean() > 0.1


def test_reproduced_engines_show_tiles_as_they_are(studio: Studio) -> None:
    for engine in (Engine.CODEBOX, Engine.MEAN_COLOR_SSIM):
        report = studio.report(studio.make_next(engine=engine, color_correction=0.5, mirror=True))
        assert report["placement"]["mirrored"] == []
        assert (report["mean_shift"], report["mean_gain"]) == (0, 1)
