"""What the store can do without after a time: which originals, placements and uses these are."""

from collections.abc import Collection, Sequence

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.orm import Session

from mosaicd.store.models import Job, JobState, Mosaic, MosaicPlacement, Source, TileUse


def originals_not_needed(session: Session, *, ended_before: float) -> list[int]:
    """Jobs whose originals were moved to the archive and have nothing more to give, oldest first.

    A film that could not be read to its end may have more to give to a later program: its original is not among
    them. Nor is one in whose place stands what a newer job has moved there.
    """
    newest_of_place = select(func.max(Job.id)).where(Job.moved_to.is_not(None)).group_by(Job.moved_to)
    read_in_part = exists().where(
        Source.library_id == Job.library_id,
        Source.sha256 == Job.sha256,
        Source.completed_at.is_(None) | Source.shortfall.is_not(None),
    )
    statement = select(Job.id).where(
        Job.state == JobState.DONE,
        Job.ended_at < ended_before,
        Job.sha256.is_not(None),
        Job.original_gone_at.is_(None),
        Job.id.in_(newest_of_place),
        ~read_in_part,
    )
    return list(session.scalars(statement.order_by(Job.id)))


def jobs_numbered(session: Session, numbers: Collection[int]) -> Sequence[Job]:
    """The jobs of these numbers."""
    return session.scalars(select(Job).where(Job.id.in_(numbers)).order_by(Job.id)).all()


def note_originals_gone(session: Session, jobs: Collection[int], *, now: float) -> None:
    """Note that these jobs' originals are not in the archive any more."""
    session.execute(update(Job).where(Job.id.in_(jobs)).values(original_gone_at=now))


def drop_placements(session: Session, *, made_before: float, limit: int, now: float) -> int:
    """Delete the placements of so many mosaics, the oldest first; of how many that was.

    One that has not been published yet keeps its placement, by which it is still to be made.
    """
    statement = select(Mosaic.id).where(
        Mosaic.created_at < made_before,
        Mosaic.published_at.is_not(None),
        Mosaic.placement_dropped_at.is_(None),
    )
    mosaics = list(session.scalars(statement.order_by(Mosaic.id).limit(limit)))
    session.execute(delete(MosaicPlacement).where(MosaicPlacement.mosaic_id.in_(mosaics)))
    session.execute(update(Mosaic).where(Mosaic.id.in_(mosaics)).values(placement_dropped_at=now))
    return len(mosaics)


def drop_uses(session: Session, *, library_id: int, made_before: float, limit: int, now: float) -> int:
    """Delete the uses of so many of a library's mosaics, as `drop_placements`."""
    statement = select(Mosaic.id).where(
        Mosaic.library_id == library_id,
        Mosaic.created_at < made_before,
        Mosaic.published_at.is_not(None),
        Mosaic.charges_undone_at.is_(None),
        Mosaic.uses_dropped_at.is_(None),
    )
    mosaics = list(session.scalars(statement.order_by(Mosaic.id).limit(limit)))
    session.execute(delete(TileUse).where(TileUse.mosaic_id.in_(mosaics)))
    session.execute(update(Mosaic).where(Mosaic.id.in_(mosaics)).values(uses_dropped_at=now))
    return len(mosaics)
