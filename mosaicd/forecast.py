"""The forecast: how long the jobs take still that have not ended, learnt from those that are done."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, case, exists, select
from sqlalchemy.orm import Session

from mosaicd.intake.names import Role, place_of
from mosaicd.jobs.estimates import Finished, Task, schedule, seconds_left, share_by_stages, usual_seconds
from mosaicd.jobs.states import ACTIVE_STATES
from mosaicd.store.models import Job, JobKind, JobState, Mosaic, Source, SourceKind

_SPLICES_REMEMBERED = 1000  # of which many may be photos for tiles
_FILES_REMEMBERED = 50
_MOSAICS_REMEMBERED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """How long it takes still, in seconds; what nobody can tell is left out, or None.

    Attributes
    ----------
    left : mapping
        For running jobs.
    begins_in : mapping
        For jobs that have not begun, how long until their turn.
    all_left : float or None
        Until nothing is left to do, but for what waits for files that have not come.
    """

    left: Mapping[int, float]
    begins_in: Mapping[int, float]
    all_left: float | None


def forecast(session: Session, *, now: float, limit: int | None = None) -> Forecast:
    """What is to be expected of a daemon that works.

    Parameters
    ----------
    session : Session
    now : float
        Seconds since 1970.
    limit : int, optional
        Look at the running jobs and the oldest others, up to so many in all.
    """
    experience = _Experience(session)
    left = {}
    tasks = []
    for job in _active_jobs(session, limit):
        seconds = experience.of(job)
        if job.state is JobState.RUNNING:
            seconds = _left(session, job, seconds, experience.stages(job), now=now)
            if seconds is not None:
                left[job.id] = seconds
        is_waiting = job.state is JobState.WAITING
        tasks.append(
            Task(
                job_id=job.id,
                library_id=job.library_id,
                kind=job.kind,
                seconds=seconds,
                is_waiting=is_waiting,
            )
        )
    plan = schedule(tasks)
    begins_in = {job_id: seconds for job_id, seconds in plan.begins_in.items() if seconds > 0}
    return Forecast(left=left, begins_in=begins_in, all_left=plan.ends_in)


class _Experience:
    """What finished jobs tell of others."""

    def __init__(self, session: Session) -> None:
        self._of_mosaics = functools.cache(functools.partial(_finished_mosaics, session))
        of_sources = functools.cache(functools.partial(_finished_splices, session))
        self._of_source = functools.cache(lambda kind, size: usual_seconds(size, of_sources(kind)))

    def of(self, job: Row[Any]) -> float | None:
        """How long such a job takes."""
        if job.kind is JobKind.MOSAIC:
            return usual_seconds(
                1, [Finished(size=1, seconds=each.seconds) for each in self._of_mosaics(job.library_id)]
            )
        kind = SourceKind.PHOTO if place_of(job.path).photo_role is Role.TILES else SourceKind.VIDEO
        size = float(f"{job.size:.2g}")  # files may be very many, and their round sizes are few
        return self._of_source(kind, size)

    def stages(self, job: Row[Any]) -> Mapping[str, float]:
        """How long the stages of such a job have taken of late, all in all."""
        total: dict[str, float] = {}
        for mosaic in self._of_mosaics(job.library_id) if job.kind is JobKind.MOSAIC else ():
            for stage, seconds in mosaic.figures["seconds"].items():
                total[stage] = total.get(stage, 0.0) + seconds
        return total


def _left(
    session: Session, job: Row[Any], usual: float | None, stages: Mapping[str, float], *, now: float
) -> float | None:
    """How long a running job takes still, if that can be told."""
    elapsed, share = now - job.started_at, job.progress
    if job.kind is JobKind.MOSAIC:
        if not usual:  # what a stage is worth differs too much between machines and libraries
            return None
        share = share_by_stages(job.stage or "", elapsed_share=elapsed / usual, stages=stages)
    says_nothing = elapsed < 0 or _was_begun_before(
        session, job
    )  # a clock that was set back, or another time
    return seconds_left(share, elapsed_seconds=None if says_nothing else elapsed, usual_seconds=usual)


def _active_jobs(session: Session, limit: int | None) -> list[Row[Any]]:
    columns = (Job.id, Job.library_id, Job.kind, Job.path, Job.size, Job.state)
    progress = (Job.started_at, Job.stage, Job.progress, Job.sha256)
    running_first = case((Job.state == JobState.RUNNING, 0), else_=1)
    statement = (
        select(*columns, *progress).where(Job.state.in_(ACTIVE_STATES)).order_by(running_first, Job.id)
    )
    return list(session.execute(statement.limit(limit)))


def _was_begun_before(session: Session, job: Row[Any]) -> bool:
    """Whether a film is gone on with, so that its share says nothing of the pace."""
    earlier = exists().where(
        Source.library_id == job.library_id,
        Source.sha256 == job.sha256,
        Source.added_at < job.started_at,
    )
    return job.kind is JobKind.SPLICE and bool(session.scalar(select(earlier)))


def _finished_splices(session: Session, kind: SourceKind) -> list[Finished]:
    """The last files of this kind that have become tiles at one go."""
    last = (
        select(Job.id, Job.library_id, Job.sha256, Job.size, Job.started_at, Job.ended_at)
        .where(Job.state == JobState.DONE, Job.kind == JobKind.SPLICE)
        .order_by(Job.id.desc())
        .limit(_SPLICES_REMEMBERED)
        .subquery()
    )
    statement = (
        select(last.c.size, last.c.ended_at - last.c.started_at)
        .join(Source, (Source.library_id == last.c.library_id) & (Source.sha256 == last.c.sha256))
        .where(Source.kind == kind, Source.added_at >= last.c.started_at, last.c.ended_at > last.c.started_at)
        .order_by(last.c.id.desc())
        .limit(_FILES_REMEMBERED)
    )
    return [Finished(size=size, seconds=seconds) for size, seconds in session.execute(statement)]


def _finished_mosaics(session: Session, library_id: int) -> list[Row[Any]]:
    """The last mosaics of a library, or without any, of all, in seconds."""
    statement = (
        select((Job.ended_at - Job.started_at).label("seconds"), Mosaic.figures)
        .join(Job, Job.id == Mosaic.job_id)
        .where(Job.state == JobState.DONE, Job.ended_at > Job.started_at)
        .order_by(Mosaic.id.desc())
        .limit(_MOSAICS_REMEMBERED)
    )
    of_library = session.execute(statement.where(Mosaic.library_id == library_id)).all()
    return list(of_library or session.execute(statement))
