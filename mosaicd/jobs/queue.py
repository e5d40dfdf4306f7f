"""The durable queue: every change of a job is one transaction."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session, aliased

from mosaicd.crash_points import CrashPoint, passed
from mosaicd.jobs.half_done import forget_unpublished, retire_unfinished, work_kept
from mosaicd.jobs.states import ACTIVE_STATES, require_step
from mosaicd.jobs.tickets import Arrival, Ticket, ticket_of
from mosaicd.jobs.turns import is_due, oldest_tickets, queued_in_turn
from mosaicd.media.files import Signature
from mosaicd.plain_text import printable
from mosaicd.store.database import Database
from mosaicd.store.libraries import library_named
from mosaicd.store.models import Job, JobKind, JobState, Mosaic, Source

_CLAIMABLE_AT_ONCE = 20


class JobQueue:
    """The jobs in the database.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def admit(
        self,
        *,
        library: str,
        kind: JobKind,
        path: str,
        signature: Signature,
        first_seen_at: float,
        now: float,
    ) -> Ticket:
        """Take one file in as a job; as `admit_all`."""
        arrival = Arrival(
            library=library, kind=kind, path=path, signature=signature, first_seen_at=first_seen_at
        )
        (ticket,) = self.admit_all([arrival], now=now)
        return ticket

    def admit_all(self, arrivals: Sequence[Arrival], *, now: float) -> list[Ticket]:
        """Take files in as jobs, all or none. A job of the same path that has not begun is brought up to date."""
        if not arrivals:
            return []
        paths = [arrival.path for arrival in arrivals]
        pending = select(Job).where(
            Job.path.in_(paths),
            Job.state.in_((JobState.QUEUED, JobState.WAITING)),
            Job.started_at.is_(None),
        )
        with self._database.write() as session:
            names = {arrival.library for arrival in arrivals}
            libraries = {name: library_named(session, name, now=now).id for name in names}
            jobs = {job.path: job for job in session.scalars(pending)}
            for arrival in arrivals:
                if arrival.path in jobs:
                    _bring_up_to_date(jobs[arrival.path], arrival, now=now)
                else:
                    jobs[arrival.path] = _new_job(arrival, libraries[arrival.library], now=now)
                    session.add(jobs[arrival.path])
            session.flush()
            tickets = [ticket_of(jobs[arrival.path], arrival.library) for arrival in arrivals]
        passed(CrashPoint.JOB_ADMITTED)
        return tickets

    def last_of_path(self, path: str) -> Job | None:
        """The newest job of the file at this path in the inbox."""
        return self.last_of_paths([path]).get(path)

    def last_of_paths(self, paths: Sequence[str]) -> dict[str, Job]:
        """The newest job of each of these files in the inbox that has had one, by path."""
        if not paths:
            return {}
        newest = select(func.max(Job.id)).where(Job.path.in_(paths)).group_by(Job.path)
        with self._database.read() as session:
            return {job.path: job for job in session.scalars(select(Job).where(Job.id.in_(newest)))}

    def reasons_of(self, path: str) -> set[str]:
        """Why files at this path in the inbox have been rejected so far."""
        statement = select(Job.explanation).where(Job.path == path, Job.state == JobState.REJECTED)
        with self._database.read() as session:
            return {reason for reason in session.scalars(statement) if reason is not None}

    def is_out_of_use(self, job: Job) -> bool:
        """Whether the tiles that a finished job's file has become have been taken out of use, or deleted."""
        in_use = exists().where(
            Source.library_id == job.library_id, Source.sha256 == job.sha256, Source.removed_at.is_(None)
        )
        with self._database.read() as session:
            return (
                job.kind is JobKind.SPLICE
                and job.state is JobState.DONE
                and not session.scalar(select(in_use))
            )

    def claim(self, ticket: Ticket, *, now: float) -> Ticket | None:
        """Start a job, if it is still queued. Its attempt counts from now on, unless it is given back.

        The ticket still says what stood in its way before; the database no longer does, so that it says of a
        running job what has been decided of it, and nothing else.
        """
        with self._database.write() as session:
            job = session.get_one(Job, ticket.job_id)
            if job.state != JobState.QUEUED:
                return None
            _step(job, JobState.RUNNING)
            job.attempts += 1
            job.started_at = now
            job.stage, job.progress = "starting", 0.0
            claimed = ticket_of(job, ticket.library)
            job.explanation = job.moved_to = None
        passed(CrashPoint.JOB_CLAIMED)
        return claimed

    def claimable(
        self, kind: JobKind, *, now: float, retry_seconds: float = math.inf, limit: int = _CLAIMABLE_AT_ONCE
    ) -> list[Ticket]:
        """Queued jobs of a kind whose time has come, in the order of their turns.

        Libraries take turns, beginning with the one that has not had a job begun for longest, so that many files
        of one do not hold up another's few; within a library, the oldest comes first. No job is deferred for over
        `retry_seconds`.
        """
        with self._database.read() as session:
            return queued_in_turn(session, kind, now=now, retry_seconds=retry_seconds, limit=limit)

    def in_state(self, *states: JobState) -> list[Ticket]:
        """Every job in one of these states, oldest first."""
        return self._tickets(Job.state.in_(states))

    def first_active(self, limit: int) -> list[Ticket]:
        """The oldest jobs that have not ended, up to so many."""
        return self._tickets(Job.state.in_(ACTIVE_STATES), limit=limit)

    def paths_ended_since(self, time: float) -> list[str]:
        """Where the files of jobs stood that have ended since then, in seconds since 1970."""
        with self._database.read() as session:
            return list(session.scalars(select(Job.path).where(Job.ended_at >= time)))

    def first_splices(
        self, library_ids: Collection[int], *, but_for: Collection[str] = ()
    ) -> dict[int, tuple[str, float]]:
        """For each library the file of the active splice job that was seen first, and when; if there is any.

        Those at the paths `but_for` do not count.
        """
        if not library_ids:
            return {}
        statement = (
            select(
                Job.library_id, Job.path, func.min(Job.first_seen_at)
            )  # SQLite: the path is the first one's
            .where(Job.state.in_(ACTIVE_STATES), Job.kind == JobKind.SPLICE, Job.library_id.in_(library_ids))
            .where(Job.path.not_in(but_for))
            .group_by(Job.library_id)
        )
        with self._database.read() as session:
            return {library: (path, seen) for library, path, seen in session.execute(statement)}

    def wait(self, reasons: Mapping[Ticket, str]) -> list[Ticket]:
        """Let queued or waiting jobs wait; those for which that, or what they wait for, is new."""
        news = [
            ticket
            for ticket, reason in reasons.items()
            if ticket.state is not JobState.WAITING or ticket.explanation != reason
        ]
        changed = []
        if news:
            with self._database.write() as session:
                jobs = _jobs(session, news)
                for ticket in news:
                    job = jobs[ticket.job_id]
                    if job.state is JobState.QUEUED:
                        _step(job, JobState.WAITING)
                    elif job.state is not JobState.WAITING:
                        continue
                    job.explanation = reasons[ticket]
                    changed.append(ticket)
            passed(CrashPoint.JOB_WAITS)
        return changed

    def release(self, tickets: Sequence[Ticket]) -> None:
        """Let waiting jobs queue again."""
        if not tickets:
            return
        with self._database.write() as session:
            for job in _jobs(session, tickets).values():
                if job.state is JobState.WAITING:
                    _step(job, JobState.QUEUED)
                    job.explanation = None
        passed(CrashPoint.JOB_RELEASED)

    def note_progress(self, job_id: int, *, stage: str, progress: float) -> None:
        """Note how far a running job is, for ``status``."""
        with self._database.write() as session:
            job = session.get_one(Job, job_id)
            job.stage, job.progress = stage, min(1.0, max(0.0, progress))
        passed(CrashPoint.PROGRESS_NOTED)

    def give_back(
        self, ticket: Ticket, *, explanation: str, not_before: float = 0.0, costs_attempt: bool = False
    ) -> None:
        """Queue a running job again; as a rule what stood in its way does not cost it an attempt."""
        with self._database.write() as session:
            job = session.get_one(Job, ticket.job_id)
            _step(job, JobState.QUEUED)
            job.attempts -= not costs_attempt
            job.explanation = explanation
            job.not_before = not_before
        passed(CrashPoint.JOB_GIVEN_BACK)

    def take_back(self, ticket: Ticket, *, explanation: str) -> None:
        """Queue a job again over which the daemon died, and count how often that happened without any gain."""
        with self._database.write() as session:
            job = session.get_one(Job, ticket.job_id)
            _step(job, JobState.QUEUED)
            job.attempts -= 1
            job.explanation = explanation
            kept = work_kept(session, job)
            job.interruptions = job.interruptions + 1 if kept == job.work_kept else 1
            job.work_kept = kept
        passed(CrashPoint.JOB_TAKEN_BACK)

    def has_result(self, ticket: Ticket) -> bool:
        """Whether a job's work is done, though nobody has said so: its mosaic is published, its source complete."""
        with self._database.read() as session:
            job = session.get_one(Job, ticket.job_id)
            of_mosaic = (Mosaic.job_id == job.id) & Mosaic.published_at.is_not(None)
            of_source = (
                (Source.library_id == job.library_id)
                & (Source.sha256 == job.sha256)
                & Source.completed_at.is_not(None)
            )
            result = of_mosaic if job.kind is JobKind.MOSAIC else of_source
            return bool(session.scalar(select(exists().where(result))))

    def note_content(self, job_id: int, sha256: bytes) -> None:
        """Note the content that the job's file has."""
        with self._database.write() as session:
            session.get_one(Job, job_id).sha256 = sha256
        passed(CrashPoint.CONTENT_NOTED)

    def note_move(self, job_id: int, target: str | None, *, explanation: str | None) -> None:
        """Note where the original is about to be moved, if it is, and why if it is rejected."""
        with self._database.write() as session:
            job = session.get_one(Job, job_id)
            job.moved_to, job.explanation = target, explanation
        passed(CrashPoint.MOVE_NOTED)

    def note_redelivery(self, job_id: int, signature: Signature, *, now: float) -> None:
        """Note that a sync tool brought a finished job's file once more."""
        with self._database.write() as session:
            job = session.get_one(Job, job_id)
            job.inode, job.redelivered_at = signature.inode, now
        passed(CrashPoint.REDELIVERY_NOTED)

    def end(self, job_id: int, state: JobState, *, now: float, explanation: str | None = None) -> None:
        """End a job as done, rejected or withdrawn.

        A mosaic of it that was never published is forgotten. The tiles of a film that was removed or replaced
        before it had given them all go out of use: the whole film would bring them a second time.
        """
        with self._database.write() as session:
            job = session.get_one(Job, job_id)
            _step(job, state)
            job.ended_at = now
            job.explanation = explanation
            job.stage = None
            job.progress = 1.0 if state is JobState.DONE else job.progress
            if job.kind is JobKind.MOSAIC:
                forget_unpublished(session, job)
            elif state is JobState.WITHDRAWN:
                retire_unfinished(session, job, now=now)
        passed(CrashPoint.JOB_ENDED)

    def revive(self, job_id: int, signature: Signature, *, now: float) -> None:
        """Queue a rejected job again, its file being back in the inbox."""
        with self._database.write() as session:
            job = session.get_one(Job, job_id)
            _step(job, JobState.QUEUED)
            job.size, job.mtime_ns, job.inode = signature.size, signature.mtime_ns, signature.inode
            job.attempts, job.interruptions, job.not_before, job.moved_to = 0, 0, 0.0, None
            job.admitted_at, job.explanation = now, None
        passed(CrashPoint.JOB_REVIVED)

    def can_proceed(
        self, *, now: float, retry_seconds: float = math.inf, kinds: Collection[JobKind] = tuple(JobKind)
    ) -> bool:
        """Whether any job is being worked on, or one of these kinds could be started now."""
        startable = (Job.state == JobState.QUEUED) & is_due(now, retry_seconds) & Job.kind.in_(kinds)
        ready = (Job.state == JobState.RUNNING) | startable
        with self._database.read() as session:
            return bool(session.scalar(select(exists().where(ready))))

    def has_active(self) -> bool:
        """Whether there is any job that has not ended."""
        with self._database.read() as session:
            return bool(session.scalar(select(exists().where(Job.state.in_(ACTIVE_STATES)))))

    def counts(self) -> dict[JobState, int]:
        """How many jobs that have not ended are in each state; those that have may be very many."""
        statement = select(Job.state, func.count()).where(Job.state.in_(ACTIVE_STATES)).group_by(Job.state)
        with self._database.read() as session:
            return dict(session.execute(statement).all())

    def _tickets(self, *conditions: ColumnElement[bool], limit: int | None = None) -> list[Ticket]:
        with self._database.read() as session:
            return oldest_tickets(session, *conditions, limit=limit)


def rejected_jobs_named(session: Session, name: str) -> Sequence[Job]:
    """Rejected jobs whose path, or the last part of it, is or is shown as `name`.

    Those whose path has a newer job are left out.
    """
    newer = aliased(Job)
    statement = select(Job).where(
        Job.state == JobState.REJECTED, ~exists().where(newer.path == Job.path, newer.id > Job.id)
    )
    return [job for job in session.scalars(statement) if name in _names_of(job)]


def _names_of(job: Job) -> set[str]:
    last = job.path.rsplit("/", 1)[-1]
    return {job.path, last, printable(job.path), printable(last)}


def _new_job(arrival: Arrival, library_id: int, *, now: float) -> Job:
    return Job(
        library_id=library_id,
        kind=arrival.kind,
        path=arrival.path,
        size=arrival.signature.size,
        mtime_ns=arrival.signature.mtime_ns,
        inode=arrival.signature.inode,
        first_seen_at=arrival.first_seen_at,
        admitted_at=now,
    )


def _bring_up_to_date(job: Job, arrival: Arrival, *, now: float) -> None:
    looks = arrival.signature
    job.kind = arrival.kind
    job.size, job.mtime_ns, job.inode = looks.size, looks.mtime_ns, looks.inode
    job.admitted_at = now


def _jobs(session: Session, tickets: Iterable[Ticket]) -> dict[int, Job]:
    ids = [ticket.job_id for ticket in tickets]
    return {job.id: job for job in session.scalars(select(Job).where(Job.id.in_(ids)))}


def _step(job: Job, state: JobState) -> None:
    require_step(job.state, state)
    job.state = state
