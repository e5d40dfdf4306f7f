"""The bookkeeper: settles what came of each job, with its original in its place and a line in the log."""

import contextlib
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import structlog

from mosaicd.errors import CorruptStateError, Need, ObstructedError, TransientError
from mosaicd.intake.admission import Admission
from mosaicd.intake.names import APPEARANCE_FILE, place_of
from mosaicd.jobs.originals import InSteps, Originals, archive, moved_original, put_aside, write_lone_reason
from mosaicd.jobs.queue import JobQueue
from mosaicd.jobs.tickets import Ticket
from mosaicd.jobs.workers import (
    Deferred,
    Died,
    Done,
    Failed,
    Outcome,
    Rejected,
    Skipped,
    StateCorrupt,
    deferred_by,
)
from mosaicd.media.files import clear_staging, has_gone
from mosaicd.plain_text import one_line
from mosaicd.premises import Premises
from mosaicd.settings import Settings
from mosaicd.store.database import Database
from mosaicd.store.models import JobKind, JobState

log = structlog.get_logger()

_APPEARANCE_ADVICE = "What to do: correct it where it stands in the inbox; the next mosaic goes by it.\n"

InTurns = Generator[None, None, None]
"""Pauses now and then, when there is much to do, so that other work can go on."""


class Bookkeeper:
    """Settles jobs.

    Parameters
    ----------
    settings : Settings
    database : Database
    queue : JobQueue
    admission : Admission
    premises : Premises

    Attributes
    ----------
    rejections : int
        How many files have been rejected.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        queue: JobQueue,
        admission: Admission,
        premises: Premises,
    ) -> None:
        self.settings = settings
        self.rejections = 0
        self._database = database
        self._queue = queue
        self._admission = admission
        self._premises = premises

    def settle(self, ticket: Ticket, outcome: Outcome | Died | Skipped) -> InTurns:
        """Settle a job by what came of it. Safe to repeat when a TransientError has cut it short.

        Raises
        ------
        CorruptStateError
            If the worker could not trust the database.
        ObstructedError
            If the database cannot be written just now, or the inbox has gone.
        """
        match outcome:
            case Done() | Skipped():
                yield from self._done(ticket, outcome)
            case _ if self._premises.lacks(Need.INBOX):
                # whatever went wrong, it was not the file's fault, which might not even be there
                self._queue.give_back(ticket, explanation="the inbox was not there while this was worked on")
            case Rejected(reason=reason):
                yield from self._reject(ticket, reason)
            case Deferred():
                self._defer(ticket, outcome)
            case Died(reason=reason):
                if ticket.kind is JobKind.MOSAIC:  # only its worker, and what settles jobs, writes there
                    clear_staging(self.settings.folders.staging)
                reason = f"the work on this file did not end well: {reason}"
                yield from self._count_attempt(ticket, reason)
            case Failed():
                log.error(
                    "job_failed",
                    job=ticket.job_id,
                    file=ticket.path,
                    error=outcome.error,
                    exception=outcome.traceback,
                )
                reason = "mosaicd failed at this file; its log describes how (job_failed)"
                yield from self._count_attempt(ticket, reason)
            case StateCorrupt(reason=reason):
                raise CorruptStateError(reason)

    def settle_after_crash(self, ticket: Ticket) -> InTurns:
        """Settle a job that was being worked on when the daemon died: end it as decided, or queue it again."""
        moved = yield from moved_original(ticket, self.settings.folders)
        match moved, ticket.explanation:
            case None, None:
                self._queue.take_back(ticket, explanation="the daemon was killed while this was worked on")
                log.info("job_recovered", job=ticket.job_id, file=ticket.path)
            case None, str(reason):
                yield from self._reject(ticket, reason)
            case Path(), str(reason):
                self._end_rejected(ticket, reason, moved)
            case _:
                self._end(ticket, JobState.DONE, moved=moved)

    def withdraw(self, ticket: Ticket) -> None:
        """Drop a job whose file is gone, or has become another one, which then gets a job of its own.

        It is kept as long as nothing can be known of what it has left in the outbox.
        ObstructedError if it is the inbox that is gone.
        """
        self._premises.require(Need.INBOX)
        trouble = self._settle_leftovers(ticket)
        if trouble is not None:
            self._premises.close(trouble)
            return
        self._queue.end(
            ticket.job_id, JobState.WITHDRAWN, now=time.time(), explanation="the file was changed"
        )
        log.info("job_withdrawn", job=ticket.job_id, file=ticket.path)
        self._admission.look_again(ticket.path)

    def _reject(self, ticket: Ticket, reason: str) -> InTurns:
        """Put a file aside that cannot be used, and say why; unless it was used, and a kill hid that."""
        trouble = self._settle_leftovers(ticket)
        if trouble is not None:
            self._defer(ticket, deferred_by(trouble))
            return
        if self._queue.has_result(ticket):
            if (yield from self._archive_and_end(ticket)):
                log.info("job_recovered", job=ticket.job_id, file=ticket.path)
            return
        try:
            moved = yield from self._settle_original(ticket, reason=reason)
        except TransientError as error:
            self._defer(ticket, deferred_by(error))
            return
        self._end_rejected(ticket, reason, moved)

    def _end_rejected(self, ticket: Ticket, reason: str, moved: Path | None) -> None:
        self._end(ticket, JobState.REJECTED, explanation=reason, moved=moved)
        self.rejections += 1
        log.warning("job_rejected", job=ticket.job_id, library=ticket.library, file=ticket.path, why=reason)

    def _done(self, ticket: Ticket, outcome: Done | Skipped) -> InTurns:
        if isinstance(outcome, Skipped):
            if (yield from self._archive_and_end(ticket)):
                log.info(
                    "live_photo_film_skipped", job=ticket.job_id, library=ticket.library, file=ticket.path
                )
            return
        if outcome.appearance_complaint is not None:
            self._complain_of_appearance(ticket, outcome.appearance_complaint)
        if (yield from self._archive_and_end(ticket)):
            self._say_done(ticket, outcome.facts)

    def _archive_and_end(self, ticket: Ticket) -> Generator[None, None, bool]:
        """Move the original of a job whose work is done, and end it; whether that could be done."""
        try:
            moved = yield from self._settle_original(ticket, reason=None)
        except TransientError as error:
            self._defer(ticket, deferred_by(error))
            return False
        self._end(ticket, JobState.DONE, moved=moved)
        self._premises.prove(ticket.kind)
        return True

    def _say_done(self, ticket: Ticket, facts: dict[str, Any]) -> None:
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
            restored=facts["restored"],
            sampled_frames=facts["sampled_frames"],
            tiles=facts["tiles"],
            skipped_black=facts["skipped_black"],
            skipped_blank=facts["skipped_blank"],
            skipped_repeated=facts["skipped_repeated"],
            skipped_blurred=facts["skipped_blurred"],
            skipped_credits=facts["skipped_credits"],
            skipped_duplicate=facts["skipped_duplicate"],
            seconds=facts["total_seconds"],
        )
        if facts["shortfall"] is not None and not facts["already_known"]:
            log.warning("source_incomplete", job=ticket.job_id, file=ticket.path, why=facts["shortfall"])
        for source in facts["superseded"]:
            log.info("source_superseded", job=ticket.job_id, file=ticket.path, source=source)

    def _complain_of_appearance(self, ticket: Ticket, why: str) -> None:
        folder = place_of(ticket.path).folder
        file = self.settings.folders.rejected / folder / APPEARANCE_FILE
        log.warning("appearance_ignored", library=ticket.library, file=APPEARANCE_FILE, why=why)
        with contextlib.suppress(TransientError):  # the log has it
            words = f"{APPEARANCE_FILE} of library {ticket.library} was passed over: "
            write_lone_reason(
                file,
                one_line(f"{words}{why}"),
                self.settings.folders,
                is_earlier=lambda text: text.startswith(one_line(words)),
                advice=_APPEARANCE_ADVICE,
            )

    def _settle_original(self, ticket: Ticket, *, reason: str | None) -> InSteps:
        """Move the original where it belongs; ObstructedError if it cannot be moved just now."""
        folders = self.settings.folders
        self._premises.require(Need.INBOX)
        if self.settings.originals is Originals.LEAVE:
            if reason is not None:
                self._queue.note_move(ticket.job_id, None, explanation=reason)
                earlier = self._queue.reasons_of(ticket.path)
                write_lone_reason(
                    folders.rejected / ticket.path, reason, folders, is_earlier=earlier.__contains__
                )
            return None
        if reason is None:
            self._premises.require(Need.ARCHIVE)
            return (yield from archive(ticket, self._queue, folders))
        self._premises.require(Need.REJECTED)
        return (yield from put_aside(ticket, self._queue, folders, reason=reason))

    def _defer(self, ticket: Ticket, deferred: Deferred) -> None:
        """Queue a job again: until what it needs can be used, or if other jobs could use that, for a while."""
        if has_gone(self.settings.folders.inbox / ticket.path, ticket.signature):
            trouble = self._settle_leftovers(ticket)
            if trouble is None:
                self.withdraw(ticket)
                return
            deferred = deferred_by(trouble)
        reason, not_before = deferred.reason, 0.0
        if deferred.need is None or not self._premises.close(
            ObstructedError(reason, need=deferred.need, is_full=deferred.is_full)
        ):
            not_before = time.time() + self.settings.retry_seconds
            if ticket.explanation != reason:
                log.warning("job_deferred", job=ticket.job_id, file=ticket.path, why=reason)
        self._queue.give_back(ticket, explanation=reason, not_before=not_before)

    def _count_attempt(self, ticket: Ticket, reason: str) -> InTurns:
        if ticket.attempts >= self.settings.attempts_limit:
            number = "1 attempt" if ticket.attempts == 1 else f"{ticket.attempts} attempts"
            yield from self._reject(ticket, f"{reason} ({number})")
        else:
            self._queue.give_back(ticket, explanation=reason, costs_attempt=True)

    def _settle_leftovers(self, ticket: Ticket) -> ObstructedError | None:
        """Put in order what a job that comes to nothing has left in the outbox; what is in the way of that."""
        if ticket.kind is not JobKind.MOSAIC:
            return None
        from mosaicd.pipelines.leftovers import settle_leftovers, unseen_mosaic  # heavy, and rarely needed

        mosaic = unseen_mosaic(self._database, ticket.job_id)
        if mosaic is None:
            return None
        if self._premises.lacks(Need.OUTBOX):
            return ObstructedError("the outbox is not there just now", need=Need.OUTBOX)
        try:
            settle_leftovers(self._database, mosaic, self.settings.folders.outbox, now=time.time())
        except OSError as error:
            return ObstructedError(f"the outbox cannot be looked into: {error.strerror}", need=Need.OUTBOX)
        return None

    def _end(
        self, ticket: Ticket, state: JobState, *, explanation: str | None = None, moved: Path | None = None
    ) -> None:
        self._queue.end(ticket.job_id, state, now=time.time(), explanation=explanation)
        if self.settings.originals is Originals.ARCHIVE:
            self._admission.look_again(
                ticket.path
            )  # another file may stand there by now, or the same come back
        log.debug("job_ended", job=ticket.job_id, state=state, moved_to=str(moved) if moved else None)
