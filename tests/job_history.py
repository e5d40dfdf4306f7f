"""Jobs that come and go in a database at times that a test says."""

from dataclasses import dataclass

from mosaicd.jobs.queue import JobQueue
from mosaicd.jobs.tickets import Ticket
from mosaicd.media.files import Signature
from mosaicd.store.database import Database
from mosaicd.store.models import JobKind, JobState, Mosaic, Source, SourceKind
from mosaicd.store.mosaics import stem_key
from mosaicd.store.tiles import complete_source, find_or_add_source

MEGABYTE = 1_000_000
STAGES = {"reading": 1.0, "matching": 6.0, "writing": 3.0}


@dataclass
class History:
    """A database in which jobs come and go at times that it is told."""

    database: Database

    def __post_init__(self) -> None:
        self.queue = JobQueue(self.database)

    def queued(
        self, path: str, *, kind: JobKind = JobKind.SPLICE, size: int = MEGABYTE, library: str = "default"
    ) -> Ticket:
        looks = Signature(size=size, mtime_ns=1, inode=1)
        return self.queue.admit(
            library=library, kind=kind, path=path, signature=looks, first_seen_at=1.0, now=2.0
        )

    def running(
        self, ticket: Ticket, *, since: float, stage: str = "splicing", progress: float = 0.0
    ) -> Ticket:
        claimed = self.queue.claim(ticket, now=since)
        assert claimed is not None
        self.queue.note_progress(ticket.job_id, stage=stage, progress=progress)
        return claimed

    def begin_source(
        self, ticket: Ticket, *, now: float, kind: SourceKind = SourceKind.VIDEO, content: str | None = None
    ) -> Source:
        sha256 = (content or ticket.path).encode().ljust(32)[:32]
        self.queue.note_content(ticket.job_id, sha256)
        with self.database.write() as session:
            return find_or_add_source(
                session,
                library_id=ticket.library_id,
                sha256=sha256,
                kind=kind,
                name=ticket.path,
                sample_interval_seconds=1.0,
                now=now,
            )

    def spliced(
        self,
        path: str,
        *,
        seconds: float,
        at: float = 100.0,
        size: int = MEGABYTE,
        kind: SourceKind = SourceKind.VIDEO,
        content: str | None = None,
    ) -> None:
        """A film, or photo, that has become tiles."""
        ticket = self.running(self.queued(path, size=size), since=at)
        source = self.begin_source(ticket, now=at, kind=kind, content=content)
        with self.database.write() as session:
            complete_source(session, source.id, duration_seconds=None, shortfall=None, now=at)
        self.queue.end(ticket.job_id, JobState.DONE, now=at + seconds)

    def made(self, path: str, *, seconds: float, library: str = "default") -> None:
        """A photo that has become a mosaic."""
        ticket = self.running(self.queued(path, kind=JobKind.MOSAIC, library=library), since=100.0)
        with self.database.write() as session:
            session.add(
                Mosaic(
                    job_id=ticket.job_id,
                    library_id=ticket.library_id,
                    photo_sha256=bytes(32),
                    photo_name=path,
                    stem=path,
                    stem_key=stem_key(path),
                    settings={},
                    tiles_in_library=4,
                    rows=3,
                    columns=4,
                    created_at=100.0,
                    published_at=100.0 + seconds,
                    figures={"seconds": STAGES},
                )
            )
        self.queue.end(ticket.job_id, JobState.DONE, now=100.0 + seconds)
