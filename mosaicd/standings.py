"""How things stand with each file, told in the outbox to whoever dropped it."""

import time
from collections.abc import Iterator

from mosaicd.forecast import forecast
from mosaicd.foreman import Foreman
from mosaicd.intake.names import Role, place_of
from mosaicd.jobs.queue import JobQueue
from mosaicd.jobs.status_files import Standing, StatusFiles
from mosaicd.jobs.tickets import Ticket
from mosaicd.settings import Settings
from mosaicd.store.database import Database
from mosaicd.store.models import JobKind, JobState

_MOST_FILES = 20
_SHORT_SECONDS = 5.0
_RECENT_SECONDS = 7 * 86_400
_BECOMING = {JobKind.SPLICE: "becomes tiles of", JobKind.MOSAIC: "becomes a mosaic of tiles of"}


class Standings:
    """Lets status files tell of what is being worked on, and of what has waited longest.

    Parameters
    ----------
    settings : Settings
    database : Database
    queue : JobQueue
    foreman : Foreman
    """

    def __init__(self, settings: Settings, database: Database, queue: JobQueue, foreman: Foreman) -> None:
        self.settings = settings
        self._database = database
        self._queue = queue
        self._foreman = foreman
        self._files = StatusFiles(settings.folders.outbox, settings.folders.staging)

    def recover(self) -> None:
        """Remove what a killed daemon has said: of jobs that have ended, and of those that perhaps will at once."""
        active = [ticket.path for ticket in self._queue.first_active(2 * _MOST_FILES)]
        self._files.remove([*active, *self._queue.paths_ended_since(time.time() - _RECENT_SECONDS)])

    def tell(self) -> None:
        """Tell how things stand now."""
        standings = self._standings() if self.settings.status_files else []
        self._files.show(standings, now=time.monotonic())

    def stop(self) -> None:
        """Say nothing any more."""
        self._files.show([], now=time.monotonic())

    def _standings(self) -> Iterator[Standing]:
        at_hand = self._foreman.at_hand()
        with self._database.read() as session:
            times = forecast(session, now=time.time(), limit=_MOST_FILES)
        for each in at_hand:
            if _is_told_of(each.ticket):
                yield Standing(
                    path=each.ticket.path,
                    words=f"{_BECOMING[each.ticket.kind]} library {each.ticket.library}",
                    share_done=each.share_done,
                    seconds=times.left.get(each.ticket.job_id),
                )
        numbers = {each.ticket.job_id for each in at_hand}
        for ticket in self._queue.first_active(_MOST_FILES):
            if ticket.job_id not in numbers and _is_told_of(ticket):
                yield Standing(
                    path=ticket.path,
                    words=ticket.explanation or "waits for others to be done",
                    seconds=times.begins_in.get(ticket.job_id) if _is_in_turn(ticket) else None,
                )


def _is_told_of(ticket: Ticket) -> bool:
    """Whether somebody may wonder what becomes of a file: it has not just come, nor is it one of many for tiles."""
    is_for_tiles = place_of(ticket.path).photo_role is Role.TILES
    return not is_for_tiles and abs(time.time() - ticket.admitted_at) >= _SHORT_SECONDS


def _is_in_turn(ticket: Ticket) -> bool:
    """Whether a job that has not begun waits for other jobs, and for nothing that stands in its way."""
    return ticket.state is JobState.WAITING or ticket.explanation is None
