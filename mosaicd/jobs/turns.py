"""Whose turn it is: which queued jobs could be begun now, and in which order."""

import itertools
import math
from collections.abc import Sequence

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session

from mosaicd.jobs.tickets import TICKET_COLUMNS, Ticket, ticket_of
from mosaicd.store.models import Job, JobKind, JobState, Library


def queued_in_turn(
    session: Session, kind: JobKind, *, now: float, retry_seconds: float, limit: int
) -> list[Ticket]:
    """Queued jobs of a kind whose time has come, up to so many: libraries take turns, see `JobQueue.claimable`."""
    is_ready = (Job.kind == kind) & (Job.state == JobState.QUEUED) & is_due(now, retry_seconds)
    libraries = _libraries_in_turn(session, kind, is_ready, now=now, limit=limit)
    share = math.ceil(limit / max(1, len(libraries)))
    queues = [
        oldest_tickets(session, is_ready, Job.library_id == library, limit=share) for library in libraries
    ]
    rounds = itertools.zip_longest(*queues)
    return [ticket for turns in rounds for ticket in turns if ticket is not None][:limit]


def oldest_tickets(
    session: Session, *conditions: ColumnElement[bool], limit: int | None = None
) -> list[Ticket]:
    """Jobs that fulfil the conditions, oldest first, up to so many."""
    statement = select(*TICKET_COLUMNS).join(Library, Library.id == Job.library_id).where(*conditions)
    rows = session.execute(statement.order_by(Job.id).limit(limit))
    return [ticket_of(row, row.library) for row in rows]


def is_due(now: float, retry_seconds: float) -> ColumnElement[bool]:
    """Whether a job's time has come. One that is deferred for longer was so before the clock was set back."""
    return (Job.not_before <= now) | (Job.not_before > now + retry_seconds)


def _libraries_in_turn(
    session: Session, kind: JobKind, is_ready: ColumnElement[bool], *, now: float, limit: int
) -> Sequence[int]:
    """The libraries with such jobs, the one first whose last job of this kind was begun before the others'."""
    last = (
        select(func.max(Job.started_at))
        # What began in the future did so before the clock was set back.
        .where(Job.library_id == Library.id, Job.kind == kind, Job.started_at <= now)
        .correlate(Library)
        .scalar_subquery()
    )
    statement = (
        select(Library.id)
        .where(exists().where(Job.library_id == Library.id, is_ready))
        .order_by(last.asc().nulls_first(), Library.id)
        .limit(limit)
    )
    return session.scalars(statement).all()
