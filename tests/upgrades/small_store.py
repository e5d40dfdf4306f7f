"""A small store that has something of everything; run as a script, it keeps a dump of one in the current schema.

    python -m tests.upgrades.small_store

writes ``tests/upgrades/REVISION.sql``: once, when a revision is released. Later programs are tested on it.
"""

import contextlib
import sqlite3
import tempfile
from pathlib import Path

from mosaicd.jobs.queue import JobQueue
from mosaicd.jobs.tickets import Ticket
from mosaicd.media.files import Signature
from mosaicd.store.database import Database, revisions
from mosaicd.store.gallery import keep_thumbnail
from mosaicd.store.models import JobKind, JobState, Library, Mosaic, Source
from mosaicd.store.mosaics import record_mosaic, reset_penalties, stem_key, undo_charges
from mosaicd.store.tiles import complete_source, remove_source
from tests.libraries import fill_library
from tests.stores import new_database, placement

FOLDER = Path(__file__).parent
_SUFFIX = ".sql"


def dumps() -> list[Path]:
    """The dumps that have been kept, oldest revision first."""
    return sorted(FOLDER.glob(f"*{_SUFFIX}"))


def load(dump: Path, path: Path) -> None:
    """Make a database of a dump, with a write-ahead log as the program's own have."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = wal").fetchall()
        connection.executescript(dump.read_text())


def fill(database: Database) -> None:
    """Put something of everything into an empty store."""
    default = fill_library(database, name="default", tiles=20, seed=1)
    family = fill_library(database, name="family", tiles=5, seed=2)
    fill_library(database, name="family", tiles=3, seed=3)
    with database.write() as session:
        damaged, removed = session.get_one(Source, 2), session.get_one(Source, 3)
        complete_source(session, damaged.id, duration_seconds=9.0, shortfall="it ends after 8 s", now=50.0)
        remove_source(session, removed, now=60.0)
        session.get_one(Source, 1).name = "caf\udce9/holiday (2).mp4"
    queue = JobQueue(database)
    done = _job(queue, "cat.jpg", JobState.DONE, "done/cat.jpg")
    _job(queue, "family/film.mp4", JobState.DONE, "done/film.mp4", kind=JobKind.SPLICE)
    published = _mosaic(database, "cat", default, 1, 2, 3, job_id=done, published_at=101.0)
    better = _mosaic(database, "cat (2)", default, 4, 5, parent_id=published, published_at=102.0)
    _mosaic(database, "family/dog", family, 21, 22, published_at=103.0)
    waiting = _job(queue, "family/bird.jpg", JobState.RUNNING, None, library="family")
    _mosaic(database, "family/bird", family, 23, job_id=waiting)
    _job(queue, "caf\udce9.jpg", JobState.REJECTED, "rejected/caf\udce9.jpg", explanation="it ends too soon")
    _job(queue, "queued.jpg", JobState.QUEUED, None)
    _job(queue, "waiting.jpg", JobState.WAITING, None, explanation="waits until library default has 50 tiles")
    _job(queue, "withdrawn.jpg", JobState.WITHDRAWN, None, explanation="the file was changed")
    with database.write() as session:
        undo_charges(session, session.get_one(Mosaic, better), now=104.0)
        reset_penalties(session.get_one(Library, family), now=90.0)


def _mosaic(
    database: Database,
    stem: str,
    library_id: int,
    *tiles: int,
    job_id: int | None = None,
    parent_id: int | None = None,
    published_at: float | None = None,
) -> int:
    with database.write() as session:
        mosaic = Mosaic(
            job_id=job_id,
            library_id=library_id,
            photo_sha256=bytes(range(32)),
            photo_name=f"{stem}.jpg",
            stem=stem,
            stem_key=stem_key(stem),
            settings={"output_format": "jpeg", "penalty_half_life_days": 30.0},
            tiles_in_library=20,
            rows=3,
            columns=4,
            created_at=100.0,
            figures={"distinct_tiles": len(tiles), "color_error_1px": 3.14, "seconds": {"matching": 1.2}},
            parent_id=parent_id,
            published_at=published_at,
        )
        record_mosaic(session, mosaic, placement(*tiles))
        session.flush()
        if published_at is not None:
            keep_thumbnail(session, mosaic.id, b"a thumbnail")
        return mosaic.id


def _job(
    queue: JobQueue,
    path: str,
    state: JobState,
    moved_to: str | None,
    *,
    kind: JobKind = JobKind.MOSAIC,
    library: str = "default",
    explanation: str | None = None,
) -> int:
    ticket = queue.admit(
        library=library,
        kind=kind,
        path=path,
        signature=Signature(size=1000, mtime_ns=10**18, inode=42),
        first_seen_at=10.0,
        now=20.0,
    )
    _bring_to(queue, ticket, state, moved_to, explanation)
    return ticket.job_id


def _bring_to(
    queue: JobQueue, ticket: Ticket, state: JobState, moved_to: str | None, explanation: str | None
) -> None:
    if state is JobState.WAITING:
        queue.wait({ticket: explanation or ""})
    if state in {JobState.QUEUED, JobState.WAITING}:
        return
    queue.claim(ticket, now=30.0)
    queue.note_content(ticket.job_id, bytes(range(32)))
    queue.note_progress(ticket.job_id, stage="reading", progress=0.25)
    if moved_to is not None:
        queue.note_move(ticket.job_id, f"/somewhere/{moved_to}", explanation=explanation)
    if state is not JobState.RUNNING:
        queue.end(ticket.job_id, state, now=40.0, explanation=explanation)


def main() -> None:
    """Keep a dump of a small store in the current schema."""
    with tempfile.TemporaryDirectory() as folder:
        database = new_database(Path(folder) / "store.sqlite3")
        fill(database)
        file = FOLDER / f"{revisions()[-1]}{_SUFFIX}"
        database.close()
        with contextlib.closing(sqlite3.connect(database.path)) as connection:
            file.write_text("".join(f"{line}\n" for line in connection.iterdump()))
    print(f"{file}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
