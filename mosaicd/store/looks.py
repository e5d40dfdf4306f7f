"""What a new tile might repeat: the sub-cells of a source's own tiles, or of its whole library's."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from mosaicd.imaging import PixelArray
from mosaicd.store.models import Descriptor, Source, Tile
from mosaicd.store.tiles import unpacked

_LOADED_AT_ONCE = 10_000
_QUERY_BATCH = 500

Looks = Iterator[tuple[NDArray[np.int64], PixelArray]]
"""Tiles, shape (N,), and their sub-cells, shape (N, 5, 5, 3), some thousand at a time."""


def looks_of_source(session: Session, source: Source, *, after_tile: int) -> Looks:
    """A source's own tiles with a higher number than `after_tile`."""
    return _looks(session, Tile.source_id == source.id, after_tile)


def looks_of_library(session: Session, source: Source, *, after_tile: int) -> Looks:
    """The same, and the usable tiles of all whole sources of its library.

    Incomplete ones do not count: they give way to the film that they are a part of, if it comes.
    """
    whole = and_(
        Tile.library_id == source.library_id,
        Tile.removed_at.is_(None),
        Source.completed_at.is_not(None),
        Source.shortfall.is_(None),
    )
    return _looks(session, or_(Tile.source_id == source.id, whole), after_tile)


def subcells_of(session: Session, tiles: Sequence[int]) -> Iterator[PixelArray]:
    """Sub-cells of `tiles`, some hundred at a time: shape (N, 5, 5, 3)."""
    for start in range(0, len(tiles), _QUERY_BATCH):
        batch = tiles[start : start + _QUERY_BATCH]
        stored = session.scalars(select(Descriptor.subcells).where(Descriptor.tile_id.in_(batch))).all()
        yield unpacked(b"".join(stored))


def _looks(session: Session, is_wanted: ColumnElement[bool], after_tile: int) -> Looks:
    statement = (
        select(Tile.id, Descriptor.subcells)
        .join(Descriptor, Descriptor.tile_id == Tile.id)
        .join(Source, Source.id == Tile.source_id)
        .where(is_wanted, Tile.id > after_tile)
        .order_by(Tile.id)
    )
    found = session.connection().execute(statement.execution_options(yield_per=_LOADED_AT_ONCE))
    for rows in found.partitions():
        tiles, stored = zip(*rows, strict=True)
        yield np.array(tiles, np.int64), unpacked(b"".join(stored))
