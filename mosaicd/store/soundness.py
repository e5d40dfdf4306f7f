"""Whether what the store holds is sound: one plain sentence for each thing that is not."""

import zlib
from collections.abc import Iterator

import numpy as np
from sqlalchemy import func, select, text
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session, load_only

from mosaicd.imaging.descriptors import COLUMNS, DESCRIPTOR_SCHEME
from mosaicd.store.models import (
    Base,
    Descriptor,
    Master,
    Mosaic,
    Source,
    Tile,
    TileUse,
)
from mosaicd.store.mosaics import load_placement


def schema_complaints(session: Session) -> Iterator[str]:
    """Tables and indexes that are not there, without which rules are broken unnoticed."""
    present = set(session.scalars(text("SELECT name FROM sqlite_schema")))
    for table in Base.metadata.sorted_tables:
        for kind, name in (("table", table.name), *(("index", index.name) for index in table.indexes)):
            if name not in present:
                yield f"the {kind} {name} is not there"


def page_complaints(session: Session) -> Iterator[str]:
    """What SQLite itself finds wrong with the file."""
    for line in session.scalars(text("PRAGMA integrity_check")):
        if line != "ok":
            yield " ".join(line.split())


def reference_complaints(session: Session) -> Iterator[str]:
    """Rows that refer to rows which are not there, such as the master of no tile."""
    rows = session.execute(
        text('SELECT "table", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2')
    )
    for table, parent, count in rows:
        which = "1 row refers" if count == 1 else f"{count:,} rows refer"
        yield f"in table {table}, {which} to a row of table {parent} that is not there"


def tile_complaints(session: Session) -> Iterator[str]:
    """Tiles without pixels or descriptor, descriptors of a wrong size, and sources that count other tiles."""
    has_master = select(Master.tile_id).where(Master.tile_id == Tile.id).exists()
    has_descriptor = select(Descriptor.tile_id).where(Descriptor.tile_id == Tile.id).exists()
    for what, is_missing in (("master", ~has_master), ("descriptor", ~has_descriptor)):
        for tile in session.scalars(select(Tile.id).where(is_missing).order_by(Tile.id)):
            yield f"tile {tile} has no {what}"
    is_current = Descriptor.scheme == DESCRIPTOR_SCHEME
    wrong = select(Descriptor.tile_id, func.length(Descriptor.subcells)).where(
        is_current, func.length(Descriptor.subcells) != COLUMNS
    )
    for tile, size in session.execute(wrong.order_by(Descriptor.tile_id)):
        yield f"the descriptor of tile {tile} has {size} bytes instead of {COLUMNS}"
    yield from _source_complaints(session)


def mosaic_complaints(session: Session) -> Iterator[str]:
    """Mosaics whose placement cannot be read or has tiles that are not there, or whose uses do not add up.

    Whether their files still are in the outbox is no matter: people take them away.
    """
    tiles: dict[int, set[int]] = {}
    columns = load_only(
        Mosaic.library_id,
        Mosaic.rows,
        Mosaic.columns,
        Mosaic.charges_undone_at,
        Mosaic.placement_dropped_at,
        Mosaic.uses_dropped_at,
    )
    for mosaic in session.scalars(select(Mosaic).options(columns).order_by(Mosaic.id)):
        if mosaic.library_id not in tiles:
            all_tiles = select(Tile.id).where(Tile.library_id == mosaic.library_id)
            tiles[mosaic.library_id] = set(session.scalars(all_tiles))
        for complaint in _mosaic_complaints(session, mosaic, tiles[mosaic.library_id]):
            yield f"mosaic {mosaic.id}: {complaint}"


def _mosaic_complaints(session: Session, mosaic: Mosaic, of_library: set[int]) -> Iterator[str]:
    placed: dict[int, int] | None = None
    if mosaic.placement_dropped_at is None:
        try:
            tiles, counts = np.unique(load_placement(session, mosaic).tiles, return_counts=True)
        except NoResultFound:
            yield "its placement is not there"
            return
        except (ValueError, zlib.error):
            yield "its placement cannot be read"
            return
        placed = dict(zip(tiles.tolist(), counts.tolist(), strict=True))
        lost = placed.keys() - of_library
        if lost:
            yield f"its placement has tiles that are not in its library: {len(lost):,}, such as {min(lost)}"
    rows = session.execute(
        select(TileUse.tile_id, TileUse.count, TileUse.library_id).where(TileUse.mosaic_id == mosaic.id)
    ).all()
    yield from _charge_complaints(mosaic, placed, {tile: count for tile, count, _ in rows})
    if any(library != mosaic.library_id for _, _, library in rows):
        yield "its uses are counted in another library"


def _charge_complaints(
    mosaic: Mosaic, placed: dict[int, int] | None, charged: dict[int, int]
) -> Iterator[str]:
    """What is wrong with the uses that are counted, given those of the placement, if that is still there."""
    count = sum(charged.values())
    if mosaic.charges_undone_at is not None:
        if charged:
            yield f"its charges were taken back, yet {count:,} uses are counted"
    elif mosaic.uses_dropped_at is not None:
        if charged:
            yield f"its uses were deleted, yet {count:,} are counted"
    elif placed is None:
        cells = mosaic.rows * mosaic.columns
        if count != cells:
            yield f"{count:,} uses are counted, and it has {cells:,} cells"
    elif charged != placed:
        yield f"{count:,} uses are counted, which are not those of its placement"


def _source_complaints(session: Session) -> Iterator[str]:
    counts = (
        select(Tile.source_id, func.count().label("tiles"), func.max(Tile.library_id).label("highest"))
        .add_columns(func.min(Tile.library_id).label("lowest"))
        .group_by(Tile.source_id)
        .subquery()
    )
    found = func.coalesce(counts.c.tiles, 0)
    statement = (
        select(Source.id, Source.tiles_made, found, Source.library_id, counts.c.lowest, counts.c.highest)
        .outerjoin(counts, counts.c.source_id == Source.id)
        .where(Source.purge_begun_at.is_(None))
        .order_by(Source.id)
    )
    for source, made, tiles, library, lowest, highest in session.execute(statement):
        if made != tiles:
            yield f"source {source} has given {made:,} tiles, and {tiles:,} are there"
        if tiles and (lowest != library or highest != library):
            yield f"source {source} has tiles in a library that is not its own"
    strays = (
        select(Source.id, func.count())
        .join(Tile, Tile.source_id == Source.id)
        .where(Source.removed_at.is_not(None), Tile.removed_at.is_(None))
        .group_by(Source.id)
    )
    for source, tiles in session.execute(strays.order_by(Source.id)):
        yield f"source {source} is out of use, and {tiles:,} of its tiles are in use"
