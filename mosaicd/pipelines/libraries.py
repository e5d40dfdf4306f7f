"""The indexes of libraries, kept between mosaics and brought up to date before each."""

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from mosaicd.imaging.descriptors import describe, subcells
from mosaicd.matching.index import TileIndex
from mosaicd.matching.toning import column_weights
from mosaicd.media.masters import decode_master
from mosaicd.store.database import Database
from mosaicd.store.models import Tile
from mosaicd.store.tiles import (
    live_tiles,
    load_subcells,
    masters,
    outdated_descriptors,
    replace_subcells,
)

_KEPT = 4
_REBUILD_BATCH = 1000
_DESCRIBE_BATCH = 20_000


class LibraryIndexes:
    """Keeps the indexes of the libraries used last.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._indexes: dict[tuple[int, float], TileIndex] = {}
        self._checked: set[int] = set()

    def current(self, library_id: int, *, color_correction: float) -> TileIndex:
        """The library's index, with every tile that it has now."""
        key = (library_id, color_correction)
        index = self._indexes.pop(key, None) or TileIndex(column_weights(color_correction))
        self._make_outdated_anew(library_id)
        with self._database.read() as session:
            _bring_up_to_date(session, library_id, index)
        self._indexes[key] = index
        while len(self._indexes) > _KEPT:
            del self._indexes[next(iter(self._indexes))]
        return index

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


def _bring_up_to_date(session: Session, library_id: int, index: TileIndex) -> None:
    latest = int(index.tiles.max(initial=0))
    _add(session, library_id, index, after_tile=latest)
    if _fingerprint(session, library_id) == (len(index), int(index.tiles.sum())):
        return
    index.remove(np.setdiff1d(index.tiles, live_tiles(session, library_id)))
    if _fingerprint(session, library_id) != (len(index), int(index.tiles.sum())):
        index.remove(index.tiles)  # tiles that were removed came back
        _add(session, library_id, index, after_tile=0)


def _add(session: Session, library_id: int, index: TileIndex, *, after_tile: int) -> None:
    tiles, squares = load_subcells(session, library_id, after_tile=after_tile)
    for start in range(0, len(tiles), _DESCRIBE_BATCH):
        batch = slice(start, start + _DESCRIBE_BATCH)
        index.add(tiles[batch], describe(squares[batch]))


def _fingerprint(session: Session, library_id: int) -> tuple[int, int]:
    """Count and sum of the library's usable tiles: other tiles, other figures."""
    statement = select(func.count(), func.coalesce(func.sum(Tile.id), 0)).where(
        Tile.library_id == library_id, Tile.removed_at.is_(None)
    )
    count, total = session.execute(statement).one()
    return count, total
