"""The foreman: hands jobs to workers, and settles what comes of each."""

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from mosaicd.errors import CorruptStateError, TransientError
from mosaicd.intake.admission import Admission
from mosaicd.intake.names import APPEARANCE_FILE, place_of
from mosaicd.jobs.originals import (
    Folders,
    Originals,
    archive,
    moved_original,
    put_aside,
    write_reason,
)
from mosaicd.jobs.queue import JobQueue, Ticket
from mosaicd.jobs.workers import Deferred, Done, Failed, Message, Progress, Rejected, StateCorrupt, Worker
from mosaicd.media.files import printable, signature
from mosaicd.pipelines.orders import MosaicOrder, MosaicWork, SpliceOrder, SpliceWork
from mosaicd.settings import Settings
from mosaicd.store.database import Database
from mosaicd.store.libraries import has_tiles
from mosaicd.store.models import JobKind, JobState

log = structlog.get_logger()

_PROGRESS_SECONDS = 1.0


@dataclass(slots=True, kw_only=True)
class _Desk:
    """A worker and the job it has, if any."""

    kind: JobKind
    worker: Worker
    ticket: Ticket | None = None
    started: float = 0.0
    heard: float = 0.0
    noted: float = 0.0
    share_done: float = 0.0


class Foreman:
    """Keeps one worker for splicing and one for mosaics busy.

    Parameters
    ----------
    settings : Settings
    database : Database
    queue : JobQueue
    admission : Admission
    """

    def __init__(self, settings: Settings, database: Database, queue: JobQueue, admission: Admission) -> None:
        self.settings = settings
        self.rejections = 0
        self._database = database
        self._queue = queue
        self._admission = admission
        self._desks = (
            _Desk(kind=JobKind.SPLICE, worker=Worker("splice", SpliceWork(database.path))),
            _Desk(kind=JobKind.MOSAIC, worker=Worker("mosaic", MosaicWork(database.path))),
        )

    @property
    def workers(self) -> list[Worker]:
        """The workers."""
        return [desk.worker for desk in self._desks]

    @property
    def is_busy(self) -> bool:
        """Whether any job is being worked on."""
        return any(desk.ticket is not None for desk in self._desks)

    def doing(self) -> str:
        """What is being done, in words."""
        words = {JobKind.SPLICE: "splicing", JobKind.MOSAIC: "making a mosaic of"}
        parts = [
            f"{words[desk.kind]} {printable(desk.ticket.path)} ({desk.share_done:.0%})"
            for desk in self._desks
            if desk.ticket is not None
        ]
        return ", ".join(parts) or "waiting for files"

    def recover(self) -> None:
        """Put in order what a killed daemon left: jobs that were being worked on."""
        for ticket in self._queue.in_state(JobState.RUNNING):
            moved = moved_original(ticket, self._folders)
            if moved is None:
                self._queue.give_back(ticket, explanation="the daemon was stopped while this was worked on")
                log.info("job_recovered", job=ticket.job_id, file=ticket.path)
            elif ticket.explanation is not None:
                write_reason(moved, ticket.explanation, self._folders)
                self._end(ticket, JobState.REJECTED, explanation=ticket.explanation)
            else:
                self._end(ticket, JobState.DONE)

    def recheck_waiting(self) -> None:
        """Let waiting photos go on that have no more to wait for."""
        for ticket in self._queue.in_state(JobState.WAITING):
            if signature(self._folders.inbox / ticket.path) != ticket.signature:
                self._withdraw(ticket)
                continue
            reason = self._waits_for(ticket)
            if reason is None:
                self._queue.release(ticket)
            elif self._queue.wait(ticket, reason):
                log.info("job_waiting", job=ticket.job_id, file=ticket.path, why=reason)

    def hand_out(self) -> None:
        """Give every idle worker a job, if there is one for it."""
        for desk in self._desks:
            if desk.ticket is not None:
                continue
            for ticket in self._queue.claimable(desk.kind, now=time.time()):
                if signature(self._folders.inbox / ticket.path) != ticket.signature:
                    self._withdraw(ticket)
                    continue
                reason = self._waits_for(ticket)
                if reason is not None:
                    if self._queue.wait(ticket, reason):
                        log.info("job_waiting", job=ticket.job_id, file=ticket.path, why=reason)
                    continue
                self._start(desk, ticket)
                break

    def collect(self) -> bool:
        """Take in what workers have to say, and end those that say nothing for too long; whether a job ended."""
        before = [desk.ticket for desk in self._desks]
        for desk in self._desks:
            try:
                for message in desk.worker.messages():
                    self._hear(desk, message)
            except EOFError as error:
                self._lose(desk, f"the worker process was {error}")
            now = time.monotonic()
            if desk.ticket is None:
                continue
            if now - desk.heard > self.settings.stall_limit_seconds:
                self._end_worker(desk, f"no progress in {self.settings.stall_limit_seconds:g} seconds")
            elif now - desk.started > self.settings.job_limit_seconds:
                self._end_worker(desk, f"not done in {self.settings.job_limit_seconds:g} seconds")
        return any(
            ticket is not None and desk.ticket is None
            for ticket, desk in zip(before, self._desks, strict=True)
        )

    def stop(self) -> None:
        """End the workers at once. Their jobs are queued again; what they committed is kept."""
        for desk in self._desks:
            desk.worker.kill()
            if desk.ticket is not None:
                self._queue.give_back(
                    desk.ticket, explanation="the daemon was stopped while this was worked on"
                )
                log.info("job_interrupted", job=desk.ticket.job_id, file=desk.ticket.path)
                desk.ticket = None

    @property
    def _folders(self) -> Folders:
        return self.settings.folders

    def _waits_for(self, ticket: Ticket) -> str | None:
        """What a job has to wait for, in words."""
        if ticket.kind is not JobKind.MOSAIC:
            return None
        settings = self.settings.for_library(ticket.library)
        if time.time() - ticket.admitted_at < settings.photo_wait_limit_seconds:
            film = self._admission.unsettled_videos(ticket.library, seen_before=ticket.admitted_at)
            film = film or self._queue.splice_before(ticket)
            if film is not None:
                return f"waits until {printable(film)} has become tiles"
        with self._database.read() as session:
            if has_tiles(session, ticket.library_id, at_least=settings.minimum_tiles):
                return None
        return (
            f"waits until library {ticket.library} has {settings.minimum_tiles} tiles "
            "(drop in more videos, or set minimum_tiles)"
        )

    def _start(self, desk: _Desk, ticket: Ticket) -> None:
        claimed = self._queue.claim(ticket, now=time.time())
        if claimed is None:
            return
        desk.ticket = claimed
        desk.share_done = 0.0
        desk.started = desk.heard = time.monotonic()
        log.info(
            "job_started", job=ticket.job_id, kind=ticket.kind, file=ticket.path, attempt=claimed.attempts
        )
        desk.worker.send(self._order(claimed))

    def _order(self, ticket: Ticket) -> SpliceOrder | MosaicOrder:
        library = self.settings.for_library(ticket.library)
        file = self._folders.inbox / ticket.path
        if ticket.kind is JobKind.SPLICE:
            return SpliceOrder(
                library_id=ticket.library_id,
                file=file,
                name=ticket.path,
                signature=ticket.signature,
                sample_interval_seconds=library.sample_interval_seconds,
                master_edge_pixels=self.settings.master_edge_pixels,
                photo_pixels_limit=self.settings.photo_pixels_limit,
                now=time.time(),
            )
        return MosaicOrder(
            job_id=ticket.job_id,
            library_id=ticket.library_id,
            file=file,
            name=ticket.path,
            signature=ticket.signature,
            appearance=self.settings.appearance(ticket.library),
            appearance_file=self._folders.inbox / place_of(ticket.path).folder / APPEARANCE_FILE,
            penalty_half_life_days=library.penalty_half_life_days,
            photo_pixels_limit=self.settings.photo_pixels_limit,
            mosaic_pixels_limit=self.settings.mosaic_pixels_limit,
            outbox=self._folders.outbox,
            staging=self._folders.staging,
            now=time.time(),
        )

    def _hear(self, desk: _Desk, message: Message) -> None:
        ticket = desk.ticket
        assert ticket is not None, "only a worker with a job speaks"
        desk.heard = time.monotonic()
        if isinstance(message, Progress):
            self._note(desk, ticket, message)
            return
        desk.ticket = None
        match message:
            case Done():
                self._done(ticket, message)
            case Rejected(reason=reason):
                self._reject(ticket, reason)
            case Deferred(reason=reason):
                self._defer(ticket, reason)
            case Failed():
                log.error(
                    "job_failed",
                    job=ticket.job_id,
                    file=ticket.path,
                    error=message.error,
                    exception=message.traceback,
                )
                self._count_attempt(ticket, f"the program failed at this file: {message.error}")
            case StateCorrupt(reason=reason):
                raise CorruptStateError(reason)

    def _note(self, desk: _Desk, ticket: Ticket, progress: Progress) -> None:
        desk.share_done = progress.share
        if progress.sha256 is not None:
            self._queue.note_content(ticket.job_id, progress.sha256)
        if desk.heard - desk.noted >= _PROGRESS_SECONDS:
            desk.noted = desk.heard
            self._queue.note_progress(ticket.job_id, stage=progress.stage, progress=progress.share)

    def _done(self, ticket: Ticket, outcome: Done) -> None:
        if outcome.appearance_complaint is not None:
            self._complain_of_appearance(ticket, outcome.appearance_complaint)
        try:
            moved = self._settle_original(ticket, reason=None)
        except TransientError as error:
            self._defer(ticket, str(error))
            return
        self._end(ticket, JobState.DONE, moved=moved)
        facts = outcome.facts
        if ticket.kind is JobKind.MOSAIC:
            log.info(
                "mosaic_published",
                job=ticket.job_id,
                library=ticket.library,
                file=ticket.path,
                mosaic=facts["mosaic"],
                image=facts["image"],
                rows=facts["rows"],
                columns=facts["columns"],
                tiles_in_library=facts["tiles_in_library"],
                distinct_tiles=facts["distinct_tiles"],
                color_error_1px=facts["color_error_1px"],
                ssim_5px=facts["ssim_5px"],
                seconds=facts["total_seconds"],
            )
            return
        log.info(
            "source_spliced",
            job=ticket.job_id,
            library=ticket.library,
            file=ticket.path,
            source=facts["source"],
            already_known=facts["already_known"],
            sampled_frames=facts["sampled_frames"],
            tiles=facts["tiles"],
            skipped_black=facts["skipped_black"],
            skipped_blank=facts["skipped_blank"],
            skipped_repeated=facts["skipped_repeated"],
            seconds=facts["total_seconds"],
        )
        if facts["shortfall"] is not None and not facts["already_known"]:
            log.warning("source_incomplete", job=ticket.job_id, file=ticket.path, why=facts["shortfall"])

    def _complain_of_appearance(self, ticket: Ticket, why: str) -> None:
        folder = place_of(ticket.path).folder
        file = self._folders.rejected / folder / APPEARANCE_FILE
        log.warning("appearance_ignored", library=ticket.library, file=APPEARANCE_FILE, why=why)
        with contextlib.suppress(TransientError):  # the log has it
            write_reason(
                file, f"{APPEARANCE_FILE} of library {ticket.library} was passed over: {why}", self._folders
            )

    def _reject(self, ticket: Ticket, reason: str) -> None:
        try:
            moved = self._settle_original(ticket, reason=reason)
        except TransientError as error:
            self._defer(ticket, str(error))
            return
        self.rejections += 1
        self._end(ticket, JobState.REJECTED, explanation=reason, moved=moved)
        log.warning("job_rejected", job=ticket.job_id, library=ticket.library, file=ticket.path, why=reason)

    def _settle_original(self, ticket: Ticket, *, reason: str | None) -> Path | None:
        """Move the original where it belongs; TransientError if it cannot be moved just now."""
        folders = self._folders
        if self.settings.originals is Originals.LEAVE:
            if reason is not None:
                write_reason(folders.rejected / ticket.path, reason, folders)
            return None
        if reason is None:
            return archive(ticket, self._queue, folders)
        return put_aside(ticket, self._queue, folders, reason=reason)

    def _defer(self, ticket: Ticket, reason: str) -> None:
        if signature(self._folders.inbox / ticket.path) != ticket.signature:
            self._withdraw(ticket)
            return
        if ticket.explanation != reason:
            log.warning("job_deferred", job=ticket.job_id, file=ticket.path, why=reason)
        not_before = time.time() + self.settings.retry_seconds
        self._queue.give_back(ticket, explanation=reason, not_before=not_before)

    def _lose(self, desk: _Desk, reason: str) -> None:
        """Note that a worker has died."""
        ticket, desk.ticket = desk.ticket, None
        log.error("worker_died", worker=desk.kind, job=ticket.job_id if ticket else None, why=reason)
        if ticket is not None:
            self._count_attempt(ticket, f"reading this file did not end well: {reason}")

    def _end_worker(self, desk: _Desk, reason: str) -> None:
        desk.worker.kill()
        self._lose(desk, reason)

    def _count_attempt(self, ticket: Ticket, reason: str) -> None:
        if ticket.attempts >= self.settings.attempts_limit:
            self._reject(ticket, f"{reason} ({ticket.attempts} attempts)")
        else:
            self._queue.give_back(ticket, explanation=reason, costs_attempt=True)

    def _withdraw(self, ticket: Ticket) -> None:
        """Drop a job whose file is gone, or has become another one, which then gets a job of its own."""
        self._queue.end(
            ticket.job_id, JobState.WITHDRAWN, now=time.time(), explanation="the file was changed"
        )
        log.info("job_withdrawn", job=ticket.job_id, file=ticket.path)
        self._admission.look_again(ticket.path)

    def _end(
        self, ticket: Ticket, state: JobState, *, explanation: str | None = None, moved: Path | None = None
    ) -> None:
        self._queue.end(ticket.job_id, state, now=time.time(), explanation=explanation)
        if moved is None and self.settings.originals is Originals.ARCHIVE:
            self._admission.look_again(ticket.path)  # another file may stand there by now
        log.debug("job_ended", job=ticket.job_id, state=state, moved_to=str(moved) if moved else None)
