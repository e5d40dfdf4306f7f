"""A library's purge: its tiles, and what mosaics remember of them, are deleted for good, in small steps.

Each step is one transaction: a purge that is killed leaves every source whole, or gone but for tiles of no use, and
can be repeated.
"""

import hashlib
from dataclasses import dataclass

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.orm import Session

from mosaicd.store.models import Descriptor, Job, Master, Mosaic, MosaicPlacement, Source, Tile, TileUse

_TILES_A_PART = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Purgeable:
    """What of a library is out of use.

    Attributes
    ----------
    sources, mosaics : list of int
        Their numbers; all mosaics, since they were made of these sources' tiles.
    tiles : int
    bytes : int
        Of the tiles' images.
    """

    sources: list[int]
    mosaics: list[int]
    tiles: int
    bytes: int


def purgeable(session: Session, library_id: int) -> Purgeable:
    """What of a library could be deleted."""
    sources = session.scalars(
        select(Source.id).where(Source.library_id == library_id, Source.removed_at.is_not(None))
    )
    mosaics = session.scalars(
        select(Mosaic.id).where(Mosaic.library_id == library_id, Mosaic.published_at.is_not(None))
    )
    tiles, size = session.execute(
        select(func.count(), func.coalesce(func.sum(func.length(Master.jpeg)), 0))
        .join(Tile, Tile.id == Master.tile_id)
        .join(Source, Source.id == Tile.source_id)
        .where(Source.library_id == library_id, Source.removed_at.is_not(None))
    ).one()
    return Purgeable(sources=list(sources), mosaics=list(mosaics), tiles=tiles, bytes=size)


def forget_mosaic(session: Session, mosaic: int, *, now: float) -> None:
    """Delete a mosaic's placement and uses; its name stays taken."""
    session.execute(delete(MosaicPlacement).where(MosaicPlacement.mosaic_id == mosaic))
    session.execute(delete(TileUse).where(TileUse.mosaic_id == mosaic))
    for column in (Mosaic.placement_dropped_at, Mosaic.uses_dropped_at):
        statement = update(Mosaic).where(Mosaic.id == mosaic, column.is_(None))
        session.execute(statement.values({column: now}))


def begin_purge(session: Session, number: int, *, now: float) -> bool:
    """Let a source be gone, of which `purge_part` then deletes what is left; whether there is anything to delete.

    From now on it is known by no content and cannot come back. A source that is in use again or at work stays:
    it is at work while its file is being spliced, and while a mosaic that is laid out of its tiles is yet to come.
    """
    source = session.get(Source, number)
    if source is None or source.removed_at is None:
        return False
    if source.purge_begun_at is not None:
        return True
    tiles = select(Tile.id).where(Tile.source_id == number)
    users = select(TileUse.mosaic_id).where(TileUse.tile_id.in_(tiles)).distinct()
    to_come = select(Mosaic.job_id).where(Mosaic.id.in_(users), Mosaic.published_at.is_(None))
    is_spliced = (Job.library_id == source.library_id) & (Job.sha256 == source.sha256)
    if session.scalar(select(exists().where(Job.ended_at.is_(None), is_spliced | Job.id.in_(to_come)))):
        return False
    for mosaic in session.scalars(users).all():  # made of them after the purge had begun
        forget_mosaic(session, mosaic, now=now)
    source.purge_begun_at = now
    source.sha256 = hashlib.sha256(b"purged %d" % number).digest()  # the same film may come again
    return True


def purge_part(session: Session, number: int) -> bool:
    """Delete some tiles of a source whose purge has begun, and with the last the source; whether any are left."""
    part = select(Tile.id).where(Tile.source_id == number).order_by(Tile.id).limit(_TILES_A_PART)
    numbers = session.scalars(part).all()
    for table, column in ((Master, Master.tile_id), (Descriptor, Descriptor.tile_id), (Tile, Tile.id)):
        session.execute(delete(table).where(column.in_(numbers)))
    if len(numbers) == _TILES_A_PART:
        return True
    session.execute(delete(Source).where(Source.id == number))
    return False
