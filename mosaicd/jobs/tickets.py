"""Tickets: what the daemon holds of a job, and of a file that is to become one."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from mosaicd.media.files import Signature
from mosaicd.store.models import Job, JobKind, JobState, Library


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A file that has settled and is to become a job."""

    library: str
    kind: JobKind
    path: str
    signature: Signature
    first_seen_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A job as the daemon holds it while it is worked on."""

    job_id: int
    library_id: int
    library: str
    kind: JobKind
    path: str
    signature: Signature
    first_seen_at: float
    admitted_at: float
    attempts: int
    interruptions: int
    state: JobState
    explanation: str | None
    moved_to: str | None


TICKET_COLUMNS = (
    *(Job.id, Job.library_id, Job.kind, Job.path, Job.size, Job.mtime_ns, Job.inode),
    *(Job.first_seen_at, Job.admitted_at, Job.attempts, Job.interruptions),
    *(Job.state, Job.explanation, Job.moved_to, Library.name.label("library")),
)


def ticket_of(job: Job | Row[*tuple[Any, ...]], library: str) -> Ticket:
    """The ticket of a job, or of a row of `TICKET_COLUMNS`."""
    return Ticket(
        job_id=job.id,
        library_id=job.library_id,
        library=library,
        kind=job.kind,
        path=job.path,
        signature=Signature(size=job.size, mtime_ns=job.mtime_ns, inode=job.inode),
        first_seen_at=job.first_seen_at,
        admitted_at=job.admitted_at,
        attempts=job.attempts,
        interruptions=job.interruptions,
        state=job.state,
        explanation=job.explanation,
        moved_to=job.moved_to,
    )
