"""What photos wait for: files of their library that are yet to become tiles, and then for enough tiles."""

import math
import time
from collections.abc import Container, Sequence

import structlog

from mosaicd.intake.admission import Admission
from mosaicd.intake.live_photos import LivePhotoFilms, have_one_name, is_live_photo_film
from mosaicd.jobs.queue import JobQueue
from mosaicd.jobs.tickets import Ticket
from mosaicd.plain_text import printable
from mosaicd.settings import Settings
from mosaicd.store.database import Database
from mosaicd.store.libraries import has_tiles
from mosaicd.store.models import JobKind

log = structlog.get_logger()

_TO_BECOME_TILES = "has become tiles"


class WaitingRoom:
    """Lets photos wait as long as they have to.

    Parameters
    ----------
    settings : Settings
    database : Database
    queue : JobQueue
    admission : Admission
    """

    def __init__(self, settings: Settings, database: Database, queue: JobQueue, admission: Admission) -> None:
        self.settings = settings
        self._database = database
        self._queue = queue
        self._admission = admission

    def keep(self, tickets: Sequence[Ticket]) -> list[Ticket]:
        """Let those jobs wait that have something to wait for, which the log then names; the others."""
        reasons = self._reasons([ticket for ticket in tickets if ticket.kind is JobKind.MOSAIC])
        for ticket in self._queue.wait(reasons):
            reason = reasons[ticket]
            # a thousand files that a photo waits for are one wait, not a thousand lines
            is_next_file = all(why.endswith(_TO_BECOME_TILES) for why in (reason, ticket.explanation or ""))
            if not is_next_file:
                log.info("job_waiting", job=ticket.job_id, file=ticket.path, why=reason)
        return [ticket for ticket in tickets if ticket not in reasons]

    def _reasons(self, photos: Sequence[Ticket]) -> dict[Ticket, str]:
        """What each of the photos has to wait for, in words; without those that need not."""
        rules = {name: self.settings.for_library(name) for name in {photo.library for photo in photos}}
        splices = self._awaited_splices(
            photos, skipping={name for name in rules if rules[name].live_photo_films is LivePhotoFilms.SKIP}
        )
        lacks: dict[int, str | None] = {}
        found = {}
        for photo in photos:
            library = rules[photo.library]
            file = self._file_before(photo, splices, limit_seconds=library.photo_wait_limit_seconds)
            if file is not None:
                found[photo] = f"waits until {printable(file)} {_TO_BECOME_TILES}"
                continue
            if photo.library_id not in lacks:
                lacks[photo.library_id] = self._lack_of_tiles(photo, minimum=library.minimum_tiles)
            lack = lacks[photo.library_id]
            if lack is not None:
                found[photo] = lack
        return found

    def _awaited_splices(
        self, photos: Sequence[Ticket], *, skipping: Container[str]
    ) -> dict[int, tuple[str, float]]:
        """For each library the file that was seen first of those to become tiles, and when.

        The film of a live photo is not one, in the libraries that are `skipping` those: its photo, at least,
        should not have to wait until films that came between the two are done.
        """
        libraries = {photo.library_id for photo in photos}
        first = self._queue.first_splices(libraries)
        skipped = set()
        for photo in photos:
            path, _ = first.get(photo.library_id, ("", math.inf))
            if (
                photo.library in skipping
                and have_one_name(photo.path, path)
                and is_live_photo_film(path, self.settings.folders.inbox, self._queue)
            ):
                skipped.add(path)
        return self._queue.first_splices(libraries, but_for=skipped) if skipped else first

    def _file_before(
        self, photo: Ticket, splices: dict[int, tuple[str, float]], *, limit_seconds: float
    ) -> str | None:
        """A file that was there when the photo settled, and is yet to become tiles of its library."""
        # A photo from the future: the clock was set back, and it may have waited for any time.
        if abs(time.time() - photo.admitted_at) >= limit_seconds:
            return None
        film = self._admission.unsettled_videos(photo.library, seen_before=photo.admitted_at)
        if film is not None:
            return film
        path, first_seen_at = splices.get(photo.library_id, ("", math.inf))
        return path if first_seen_at <= photo.admitted_at else None

    def _lack_of_tiles(self, photo: Ticket, *, minimum: int) -> str | None:
        with self._database.read() as session:
            if has_tiles(session, photo.library_id, at_least=minimum):
                return None
        return (
            f"waits until library {photo.library} has {minimum} tiles "
            "(drop in more videos, or set minimum_tiles)"
        )
