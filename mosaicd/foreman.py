"""The foreman: hands jobs to workers, hears what they say, and ends those that say nothing for too long."""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from mosaicd.bookkeeper import Bookkeeper, InTurns
from mosaicd.errors import Need, TransientError
from mosaicd.intake.admission import Admission
from mosaicd.intake.live_photos import LivePhotoFilms, is_live_photo_film
from mosaicd.intake.names import APPEARANCE_FILE, place_of
from mosaicd.jobs.limits import Limits
from mosaicd.jobs.queue import JobQueue
from mosaicd.jobs.tickets import Ticket
from mosaicd.jobs.workers import Died, Outcome, Progress, Rejected, Skipped, Worker, deferred_by
from mosaicd.media.files import clear_staging, has_gone
from mosaicd.pipelines.orders import MosaicOrder, SpliceOrder
from mosaicd.plain_text import printable
from mosaicd.premises import Premises
from mosaicd.settings import Settings
from mosaicd.store.database import Database
from mosaicd.store.models import JobKind, JobState
from mosaicd.waiting import WaitingRoom

log = structlog.get_logger()

_PROGRESS_SECONDS = 1.0
_INTERRUPTIONS_LIMIT = 5
_SUSPECT_INTERRUPTIONS = 2


@dataclass(slots=True, kw_only=True)
class _Desk:
    """A worker and the job it has, if any."""

    kind: JobKind
    worker: Worker
    ticket: Ticket | None = None
    outcome: Outcome | Died | Skipped | None = None
    settling: InTurns | None = None
    started: float = 0.0
    heard: float = 0.0
    noted: float = 0.0
    content: bytes | None = None
    share_done: float = 0.0
    unnoted: Progress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AtHand:
    """A job that is being worked on, and how much of it is done, 0 to 1."""

    ticket: Ticket
    share_done: float


class Foreman:
    """Keeps each worker busy.

    Parameters
    ----------
    settings : Settings
    database : Database
    queue : JobQueue
    admission : Admission
    workers : mapping
        The worker for each kind of job.

    Attributes
    ----------
    premises : Premises
        What of all that work needs can be used.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        queue: JobQueue,
        admission: Admission,
        workers: Mapping[JobKind, Worker],
    ) -> None:
        self._settings = settings
        self._inbox = settings.folders.inbox
        self._queue = queue
        self.premises = Premises(settings, database)
        self._books = Bookkeeper(settings, database, queue, admission, self.premises)
        self._room = WaitingRoom(settings, database, queue, admission)
        self._desks = [_Desk(kind=kind, worker=worker) for kind, worker in workers.items()]

    @property
    def workers(self) -> list[Worker]:
        """The workers."""
        return [desk.worker for desk in self._desks]

    @property
    def is_busy(self) -> bool:
        """Whether any job is being worked on."""
        return any(desk.ticket is not None for desk in self._desks)

    @property
    def is_settling(self) -> bool:
        """Whether a job is to be settled, part by part, each time in `collect`."""
        return any(desk.outcome is not None for desk in self._desks)

    @property
    def rejections(self) -> int:
        """How many files have been rejected."""
        return self._books.rejections

    def apply(self, settings: Settings) -> None:
        """Go by these settings from the next job on."""
        self._settings = self._books.settings = self._room.settings = self.premises.settings = settings
        self._inbox = settings.folders.inbox

    def at_hand(self) -> list[AtHand]:
        """The jobs that are being worked on."""
        return [
            AtHand(ticket=desk.ticket, share_done=desk.share_done)
            for desk in self._desks
            if desk.ticket is not None
        ]

    def doing(self) -> str:
        """What is being done, in words."""
        words = {JobKind.SPLICE: "splicing", JobKind.MOSAIC: "making a mosaic of"}
        parts = [
            f"{words[each.ticket.kind]} {printable(each.ticket.path)} ({each.share_done:.0%})"
            for each in self.at_hand()
        ]
        return ", ".join(parts) or "waiting for files"

    def recover(self) -> InTurns:
        """Put in order what a killed daemon left: jobs that were being worked on; with a pause now and then."""
        for ticket in self._queue.in_state(JobState.RUNNING):
            yield from self._books.settle_after_crash(ticket)

    def recheck_waiting(self) -> None:
        """Let waiting photos go on that have no more to wait for."""
        if not self.premises.is_open(Need.INBOX):
            return
        waiting = [
            ticket for ticket in self._queue.in_state(JobState.WAITING) if not self._is_withdrawn(ticket)
        ]
        self._queue.release(self._room.keep(waiting))

    def hand_out(self) -> None:
        """Give every idle worker a job, if there is one for it."""
        retry_seconds = self._settings.retry_seconds
        for desk in [desk for desk in self._desks if desk.ticket is None and self.premises.allow(desk.kind)]:
            tickets = self._queue.claimable(desk.kind, now=time.time(), retry_seconds=retry_seconds)
            for ticket in self._room.keep(tickets):
                if not self._is_withdrawn(ticket) and self._may_start(ticket):
                    self._start(desk, ticket)
                if desk.ticket is not None:
                    break

    def collect(self) -> bool:
        """Take in what workers have to say, and settle jobs that have come to an end; whether any has."""
        has_settled = False
        for desk in self._desks:
            self._hear(desk)
            self._note_content(desk)
            self._note_progress(desk)
            self._watch_time(desk)
            if desk.ticket is not None and desk.outcome is not None:
                has_settled |= self._settle(desk, desk.ticket, desk.outcome)
        return has_settled

    def stop(self) -> None:
        """End the workers at once. Their jobs are queued again; what they committed is kept."""
        for desk in self._desks:
            desk.worker.kill()
            if desk.settling is not None:
                desk.settling.close()
            is_moved = desk.outcome is not None and desk.ticket is not None and self._has_gone(desk.ticket)
            ticket, desk.ticket, desk.outcome, desk.settling = desk.ticket, None, None, None
            if ticket is None or is_moved:  # the next start ends what has only not been written down
                continue
            with contextlib.suppress(TransientError):  # the next start then finds it as a killed daemon's
                self._queue.give_back(ticket, explanation="the daemon was stopped while this was worked on")
            log.info("job_interrupted", job=ticket.job_id, file=ticket.path)
        clear_staging(self._settings.folders.staging)

    def _settle(self, desk: _Desk, ticket: Ticket, outcome: Outcome | Died | Skipped) -> bool:
        """Go on settling a job; whether that is done. A TransientError lets it begin again next time."""
        settling, desk.settling = desk.settling or self._books.settle(ticket, outcome), None
        for _ in settling:
            desk.settling = settling
            return False
        desk.ticket = desk.outcome = None
        return True

    def _is_withdrawn(self, ticket: Ticket) -> bool:
        """Whether a job's file is gone or another one by now; the job is then withdrawn."""
        if not self._has_gone(ticket):
            return False
        self._books.withdraw(ticket)
        return True

    def _has_gone(self, ticket: Ticket) -> bool:
        return has_gone(self._inbox / ticket.path, ticket.signature)

    def _may_start(self, ticket: Ticket) -> bool:
        """Whether a job may be begun beside those at hand.

        One over which the daemon has died repeatedly is worked on alone: the next death then tells whose fault
        it is.
        """
        at_hand = [desk.ticket for desk in self._desks if desk.ticket is not None]
        is_suspect = any(each.interruptions >= _SUSPECT_INTERRUPTIONS for each in (ticket, *at_hand))
        return not at_hand or not is_suspect

    def _start(self, desk: _Desk, ticket: Ticket) -> None:
        claimed = self._queue.claim(ticket, now=time.time())
        if claimed is None:
            return
        desk.ticket = claimed
        desk.share_done, desk.unnoted, desk.content = 0.0, None, None
        desk.started = desk.heard = time.monotonic()
        if claimed.interruptions >= _INTERRUPTIONS_LIMIT:
            desk.outcome = Rejected(
                reason=f"the daemon was killed {claimed.interruptions} times in a row while this file was worked "
                "on, as happens when memory runs out"
            )
            return
        if self._is_skipped(claimed):
            desk.outcome = Skipped()
            return
        log.info(
            "job_started", job=ticket.job_id, kind=ticket.kind, file=ticket.path, attempt=claimed.attempts
        )
        try:
            desk.worker.send(self._order(claimed), self._limits())
        except TransientError as error:
            desk.outcome = deferred_by(error)

    def _is_skipped(self, ticket: Ticket) -> bool:
        wanted = self._settings.for_library(ticket.library).live_photo_films
        return (
            ticket.kind is JobKind.SPLICE
            and wanted is LivePhotoFilms.SKIP
            and is_live_photo_film(ticket.path, self._inbox, self._queue)
        )

    def _limits(self) -> Limits:
        return Limits(
            memory_megabytes=self._settings.worker_memory_limit_megabytes,
            cpu_seconds=self._settings.job_limit_seconds,
        )

    def _order(self, ticket: Ticket) -> SpliceOrder | MosaicOrder:
        library = self._settings.for_library(ticket.library)
        folders = self._settings.folders
        file = folders.inbox / ticket.path
        if ticket.kind is JobKind.SPLICE:
            return SpliceOrder(
                library_id=ticket.library_id,
                file=file,
                name=ticket.path,
                signature=ticket.signature,
                sample_interval_seconds=library.sample_interval_seconds,
                master_edge_pixels=self._settings.master_edge_pixels,
                photo_pixels_limit=self._settings.photo_pixels_limit,
                video_gigabytes_limit=self._settings.video_gigabytes_limit,
                video_hours_limit=self._settings.video_hours_limit,
                poor_frames=library.poor_frames,
                near_duplicates=library.near_duplicates,
                now=time.time(),
            )
        return MosaicOrder(
            job_id=ticket.job_id,
            library_id=ticket.library_id,
            file=file,
            name=ticket.path,
            signature=ticket.signature,
            appearance=self._settings.appearance(ticket.library),
            appearance_file=folders.inbox / place_of(ticket.path).folder / APPEARANCE_FILE,
            penalty_half_life_days=library.penalty_half_life_days,
            photo_pixels_limit=self._settings.photo_pixels_limit,
            mosaic_pixels_limit=self._settings.mosaic_pixels_limit,
            page_bytes_limit=int(self._settings.page_megabytes_limit * 1e6),
            library=ticket.library,
            gallery_folder=place_of(ticket.path).folder if self._settings.gallery else None,
            outbox=folders.outbox,
            outbox_mounts=self.premises.mounts[Need.OUTBOX],
            staging=folders.staging,
            now=time.time(),
        )

    def _hear(self, desk: _Desk) -> None:
        """Take in what a worker has to say."""
        try:
            for message in desk.worker.messages():
                assert desk.ticket is not None, "only a worker with a job speaks"
                desk.heard = time.monotonic()
                if isinstance(message, Progress):
                    desk.share_done, desk.unnoted = message.share, message
                    desk.content = message.sha256 or desk.content
                else:
                    desk.outcome = message
        except EOFError as error:
            self._lose(desk, str(error))

    def _note_progress(self, desk: _Desk) -> None:
        """Note now and then how far a job is; what its worker said last as well, which may be long ago."""
        now, progress = time.monotonic(), desk.unnoted
        if desk.ticket is None or desk.outcome is not None or progress is None:
            return
        if now - desk.noted >= _PROGRESS_SECONDS:
            desk.noted, desk.unnoted = now, None
            self._queue.note_progress(desk.ticket.job_id, stage=progress.stage, progress=progress.share)

    def _note_content(self, desk: _Desk) -> None:
        """Note what the worker's file holds; an ObstructedError lets that be done the next time."""
        if desk.ticket is not None and desk.content is not None:
            self._queue.note_content(desk.ticket.job_id, desk.content)
            desk.content = None

    def _watch_time(self, desk: _Desk) -> None:
        """End a worker that hangs, or goes on for ever."""
        if desk.ticket is None or desk.outcome is not None:
            return
        now, settings = time.monotonic(), self._settings
        if now - desk.heard > settings.stall_limit_seconds:
            self._give_up(
                desk, f"no progress in {settings.stall_limit_seconds:g} s (setting stall_limit_seconds)"
            )
        elif now - desk.started > settings.job_limit_seconds:
            self._give_up(
                desk, f"it takes more than {settings.job_limit_seconds:g} s (setting job_limit_seconds)"
            )

    def _give_up(self, desk: _Desk, reason: str) -> None:
        """End a worker."""
        desk.worker.kill()
        self._lose(desk, reason)

    def _lose(self, desk: _Desk, reason: str) -> None:
        """Note that a worker has died; what it had done before stands."""
        ticket = desk.ticket if desk.outcome is None else None
        log.error("worker_died", worker=desk.kind, job=ticket.job_id if ticket else None, why=reason)
        if ticket is not None:
            desk.outcome = Died(reason=reason)
