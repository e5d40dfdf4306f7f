"""The engines of libraries, kept between mosaics and brought up to date before each."""

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from mosaicd.crash_points import CrashPoint, passed
from mosaicd.imaging.descriptors import subcells
from mosaicd.matching import engine as matching
from mosaicd.matching.codebox import CodeboxEngine
from mosaicd.matching.mean_color_ssim import MeanColorSsimEngine
from mosaicd.matching.perceptual import PerceptualEngine
from mosaicd.media.masters import decode_master
from mosaicd.pipelines.appearance import Appearance, Engine
from mosaicd.store.database import Database
from mosaicd.store.models import Tile
from mosaicd.store.tiles import (
    live_tiles,
    load_tiles,
    masters,
    outdated_descriptors,
    replace_subcells,
)

_KEPT = 4
_REBUILD_BATCH = 1000


class LibraryEngines:
    """Keeps the engines of the libraries used last.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._engines: dict[tuple[object, ...], matching.Engine] = {}
        self._checked: set[int] = set()

    def current(self, library_id: int, appearance: Appearance) -> matching.Engine:
        """The engine that this appearance asks for, with every tile that the library has now."""
        key = (library_id, appearance.engine, appearance.color_correction)
        engine = self._engines.pop(key, None) or new_engine(appearance)
        self._make_outdated_anew(library_id)
        with self._database.read() as session:
            _bring_up_to_date(session, library_id, engine)
        self._engines[key] = engine
        while len(self._engines) > _KEPT:
            del self._engines[next(iter(self._engines))]
        return engine

    def _make_outdated_anew(self, library_id: int) -> None:
        """Describe tiles again whose descriptors are of another scheme; a new program starts a new process."""
        if library_id in self._checked:
            return
        self._checked.add(library_id)
        with self._database.read() as session:
            outdated = outdated_descriptors(session, library_id)
        for start in range(0, len(outdated), _REBUILD_BATCH):
            with self._database.write() as session:
                pairs = list(masters(session, outdated[start : start + _REBUILD_BATCH]))
                squares = np.concatenate([subcells(decode_master(jpeg)[np.newaxis]) for _, jpeg in pairs])
                replace_subcells(session, [tile for tile, _ in pairs], squares)
            passed(CrashPoint.DESCRIPTORS_REPLACED)


def new_engine(appearance: Appearance) -> matching.Engine:
    """The engine that this appearance asks for, without tiles."""
    match appearance.engine:
        case Engine.PERCEPTUAL:
            return PerceptualEngine(color_correction=appearance.color_correction)
        case Engine.CODEBOX:
            return CodeboxEngine()
        case Engine.MEAN_COLOR_SSIM:
            return MeanColorSsimEngine()


def _bring_up_to_date(session: Session, library_id: int, engine: matching.Engine) -> None:
    latest = int(engine.tiles.max(initial=0))
    _add_tiles(session, library_id, engine, after_tile=latest)
    if _fingerprint(session, library_id) == _held(engine):
        return
    engine.remove(np.setdiff1d(engine.tiles, live_tiles(session, library_id)))
    if _fingerprint(session, library_id) != _held(engine):
        engine.remove(engine.tiles)  # tiles that were removed came back
        _add_tiles(session, library_id, engine, after_tile=0)


def _add_tiles(session: Session, library_id: int, engine: matching.Engine, *, after_tile: int) -> None:
    for loaded in load_tiles(session, library_id, after_tile=after_tile):
        engine.add(loaded.tiles, loaded.subcells, loaded.shots)


def _held(engine: matching.Engine) -> tuple[int, int]:
    return len(engine.tiles), int(engine.tiles.sum())


def _fingerprint(session: Session, library_id: int) -> tuple[int, int]:
    """Count and sum of the library's usable tiles: other tiles, other figures."""
    statement = select(func.count(), func.coalesce(func.sum(Tile.id), 0)).where(
        Tile.library_id == library_id, Tile.removed_at.is_(None)
    )
    count, total = session.execute(statement).one()
    return count, total
