"""Whether jobs and what they were to make fit together: one plain sentence for each that does not."""

from collections.abc import Iterator

from sqlalchemy import and_, exists, select
from sqlalchemy.orm import Session

from mosaicd.jobs.states import ACTIVE_STATES
from mosaicd.plain_text import printable
from mosaicd.store.models import Job, JobKind, JobState, Mosaic, Source


def job_complaints(session: Session) -> Iterator[str]:
    """Jobs that are done without what they were to make, and mosaics that no job is going to finish.

    Where the originals are now is no matter: people take them out of the archive.
    """
    published = exists().where(Mosaic.job_id == Job.id, Mosaic.published_at.is_not(None))
    without = select(Job).where(Job.kind == JobKind.MOSAIC, Job.state == JobState.DONE, ~published)
    for job in session.scalars(without.order_by(Job.id)):
        yield f"job {job.id} ({printable(job.path)}) is done, and its mosaic is not there"
    active = exists().where(Job.id == Mosaic.job_id, Job.state.in_(ACTIVE_STATES))
    unfinished = select(Mosaic).where(Mosaic.published_at.is_(None), ~active)
    for mosaic in session.scalars(unfinished.order_by(Mosaic.id)):
        yield f"mosaic {mosaic.id} was never published, and no job is going to"
    in_part = (
        select(Job, Source.id)
        .join(Source, and_(Source.library_id == Job.library_id, Source.sha256 == Job.sha256))
        .where(Job.kind == JobKind.SPLICE, Job.state == JobState.DONE, Source.completed_at.is_(None))
    )
    for job, source in session.execute(in_part.order_by(Job.id)):
        yield f"job {job.id} ({printable(job.path)}) is done, and source {source} is not"
