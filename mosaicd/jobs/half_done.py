"""What jobs have left in the store before their end: counted, forgotten, or taken out of use."""

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from mosaicd.store.models import Job, JobKind, Mosaic, MosaicPlacement, Source, TileUse
from mosaicd.store.tiles import remove_source


def work_kept(session: Session, job: Job) -> int:
    """How much of a job would not have to be done again: samples in the store, or a mosaic's placement."""
    if job.kind is JobKind.MOSAIC:
        return int(session.scalar(select(exists().where(Mosaic.job_id == job.id))) or 0)
    source = select(Source.next_sample).where(
        Source.library_id == job.library_id, Source.sha256 == job.sha256
    )
    return session.scalar(source) or 0


def forget_unpublished(session: Session, job: Job) -> None:
    """Remove the mosaic that a job has recorded, if nobody ever saw it: its placement and charges go with it."""
    unseen = select(Mosaic.id).where(Mosaic.job_id == job.id, Mosaic.published_at.is_(None)).scalar_subquery()
    session.execute(delete(TileUse).where(TileUse.mosaic_id == unseen))
    session.execute(delete(MosaicPlacement).where(MosaicPlacement.mosaic_id == unseen))
    session.execute(delete(Mosaic).where(Mosaic.id == unseen))


def retire_unfinished(session: Session, job: Job, *, now: float) -> None:
    """Take what a job's file has given so far out of use; should the same file come again, it comes back."""
    unfinished = select(Source).where(
        Source.library_id == job.library_id,
        Source.sha256 == job.sha256,
        Source.completed_at.is_(None),
        Source.removed_at.is_(None),
    )
    for source in session.scalars(unfinished):
        remove_source(session, source, now=now)
