"""Every engine makes mosaics through the whole pipeline, by setting and by a library's mosaic.toml."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mosaicd.imaging.descriptors import SUBCELLS
from mosaicd.imaging.grid import CellGrid
from mosaicd.jobs.queue import JobQueue
from mosaicd.matching.codebox import nearest_by_squares
from mosaicd.media.files import signature
from mosaicd.media.outbox import report_path
from mosaicd.media.photo import read_photo
from mosaicd.pipelines.appearance import Appearance, Engine
from mosaicd.pipelines.mosaic import MosaicPipeline
from mosaicd.pipelines.orders import MosaicOrder
from mosaicd.store.database import Database
from mosaicd.store.models import JobKind, Mosaic
from mosaicd.store.mosaics import load_placement, mosaic_of_job
from mosaicd.store.tiles import load_tiles
from tests.libraries import PHOTOS, fill_library

TILES = 400
ROWS, COLUMNS = 16, 24
NOW = 1_700_000_000.0


class Studio:
    """Makes mosaics of one photo."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = Database(folder / "store.sqlite3")
        self.database.migrate()
        self.library_id = fill_library(self.database, name="default", tiles=TILES)
        self.pipeline = MosaicPipeline(self.database.path)
        self.inbox = folder / "inbox"
        self.inbox.mkdir()
        self.made = 0

    def make(self, **appearance: Any) -> Mosaic:
        self.made += 1
        photo = self.inbox / f"coffee-{self.made}.png"
        photo.write_bytes((PHOTOS / "coffee.png").read_bytes())
        looks = signature(photo)
        assert looks is not None
        ticket = JobQueue(self.database).admit(
            library="default",
            kind=JobKind.MOSAIC,
            path=photo.name,
            signature=looks,
            first_seen_at=NOW,
            now=NOW,
        )
        order = MosaicOrder(
            job_id=ticket.job_id,
            library_id=self.library_id,
            file=photo,
            name=photo.name,
            signature=looks,
            appearance=Appearance(cells_on_long_side=COLUMNS, tile_edge_pixels=8, **appearance),
            appearance_file=self.inbox / "mosaic.toml",
            penalty_half_life_days=30,
            photo_pixels_limit=10**8,
            mosaic_pixels_limit=10**8,
            outbox=self.folder / "outbox",
            staging=self.folder / "staging",
            now=NOW + self.made,
        )
        self.pipeline.run(order, lambda _: None)
        with self.database.read() as session:
            mosaic = mosaic_of_job(session, ticket.job_id)
            assert mosaic is not None
            return mosaic

    def tiles(self, mosaic: Mosaic) -> np.ndarray:
        with self.database.read() as session:
            return load_placement(session, mosaic).tiles

    def report(self, mosaic: Mosaic) -> dict[str, Any]:
        report: dict[str, Any] = json.loads((self.folder / "outbox" / report_path(mosaic.stem)).read_text())
        return report


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


@pytest.mark.parametrize("engine", Engine)
def test_every_engine_makes_a_whole_mosaic(studio: Studio, engine: Engine) -> None:
    mosaic = studio.make(engine=engine)
    with Image.open(studio.folder / "outbox" / f"{mosaic.stem}.mosaic.jpg") as image:
        assert image.size == (COLUMNS * 8, ROWS * 8)
    report = studio.report(mosaic)
    assert report["settings"]["engine"] == engine.value
    assert 0 < report["mean_similarity"] <= 1
    assert ("certified_share" in report) == (engine is Engine.PERCEPTUAL)


def test_an_engine_is_chosen_by_the_library_and_its_mosaic_toml(studio: Studio) -> None:
    (studio.inbox / "mosaic.toml").write_text('engine = "codebox"\n')
    mosaic = studio.make()
    assert studio.report(mosaic)["settings"]["engine"] == "codebox"
    photo = read_photo(PHOTOS / "coffee.png", photo_pixels_limit=10**8, long_side_pixels=COLUMNS * 16)
    grid = CellGrid.fit(photo.shape, cells_on_long_side=COLUMNS)
    cells = grid.cut(grid.sample(photo, pixels_a_cell=SUBCELLS))
    with studio.database.read() as session:
        loaded = load_tiles(session, studio.library_id)
    positions, _ = nearest_by_squares(cells.reshape(-1, 75), loaded.subcells.reshape(-1, 75))
    np.testing.assert_array_equal(studio.tiles(mosaic).ravel(), loaded.tiles[positions])


def test_history_leaves_codebox_as_it_is(studio: Studio) -> None:
    first, again = (studio.tiles(studio.make(engine=Engine.CODEBOX, penalty_step=0.2)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_history_turns_mean_color_ssim_to_other_tiles(studio: Studio) -> None:
    first, again = (
        studio.tiles(studio.make(engine=Engine.MEAN_COLOR_SSIM, penalty_step=0.2)) for _ in range(2)
    )
    assert (first != again).mean() > 0.1


def test_reproduced_engines_show_tiles_as_they_are(studio: Studio) -> None:
    for engine in (Engine.CODEBOX, Engine.MEAN_COLOR_SSIM):
        report = studio.report(studio.make(engine=engine, color_correction=0.5, mirror=True))
        assert report["placement"]["mirrored"] == []
        assert (report["mean_shift"], report["mean_gain"]) == (0, 1)
