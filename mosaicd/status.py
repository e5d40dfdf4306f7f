"""What ``mosaicd status`` shows: read from database and folders, whether the daemon runs or not."""

import fcntl
from dataclasses import asdict
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from mosaicd.disk_use import disk_use, in_units
from mosaicd.jobs.states import ACTIVE_STATES
from mosaicd.plain_text import one_line, printable
from mosaicd.settings import Settings
from mosaicd.store.database import Database
from mosaicd.store.libraries import library_facts
from mosaicd.store.models import Job, JobState, Library, Mosaic, Source

_LAST = 5


def gather(database: Database, settings: Settings) -> dict[str, Any]:
    """All facts, as they go into JSON."""
    with database.read() as session:
        counts = dict(session.execute(select(Job.state, func.count()).group_by(Job.state)).all())
        return {
            "daemon_runs": _daemon_runs(database),
            "root": one_line(str(settings.root.expanduser().absolute())),
            "database": one_line(str(database.path)),
            "libraries": [
                {
                    "name": facts.name,
                    "tiles": facts.tiles,
                    "sources": facts.sources,
                    "mosaics": facts.mosaics,
                    "incomplete_sources": _incomplete(session, facts.name),
                }
                for facts in library_facts(session)
            ],
            "queue": {state.value: counts.get(state, 0) for state in ACTIVE_STATES},
            "running": [
                {
                    "file": printable(job.path),
                    "kind": job.kind,
                    "stage": job.stage,
                    "progress": round(job.progress, 3),
                }
                for job in _jobs(session, JobState.RUNNING)
            ],
            "waiting": [
                {"file": printable(job.path), "kind": job.kind, "why": job.explanation}
                for job in session.scalars(
                    select(Job)
                    .where(Job.state.in_((JobState.WAITING, JobState.QUEUED)), Job.explanation.is_not(None))
                    .order_by(Job.id)
                )
            ],
            "last_mosaics": _last_mosaics(session),
            "last_rejections": [
                {"file": printable(job.path), "why": job.explanation, "at": job.ended_at}
                for job in session.scalars(
                    select(Job)
                    .where(Job.state == JobState.REJECTED)
                    .order_by(Job.ended_at.desc())
                    .limit(_LAST)
                )
            ],
            "disk": [asdict(use) for use in disk_use(database.path, settings.folders)],
        }


def in_words(facts: dict[str, Any]) -> str:
    """The same facts for people."""
    lines = [
        f"root: {facts['root']}",
        f"daemon: {'running' if facts['daemon_runs'] else 'not running'}",
    ]
    for library in facts["libraries"]:
        lines.append(
            f"library {library['name']}: {counted(library['tiles'], 'tile')}"
            f" from {counted(library['sources'], 'source')}, {counted(library['mosaics'], 'mosaic')}"
        )
        lines += [f"incomplete: {each['source']}: {each['why']}" for each in library["incomplete_sources"]]
    queue = facts["queue"]
    lines.append(f"queue: {queue['queued']} queued, {queue['waiting']} waiting, {queue['running']} running")
    lines += [f"running: {job['file']}: {job['stage']}, {job['progress']:.0%}" for job in facts["running"]]
    lines += [f"waiting: {job['file']}: {job['why']}" for job in facts["waiting"]]
    lines += [
        f"mosaic {mosaic['mosaic']}: {mosaic['stem']}: {counted(mosaic['distinct_tiles'], 'distinct tile')},"
        f" colour error {mosaic['color_error_1px']:.1f}, {mosaic['seconds']:.1f} s"
        for mosaic in facts["last_mosaics"]
    ]
    lines += [f"rejected: {job['file']}: {job['why']}" for job in facts["last_rejections"]]
    lines.append(f"disk: {', '.join(_disk_in_words(use) for use in facts['disk'])}")
    return "\n".join(lines)


def counted(number: int, noun: str) -> str:
    """A number of things, in words."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _disk_in_words(use: dict[str, Any]) -> str:
    return f"{use['part']} {'' if use['is_whole'] else 'more than '}{in_units(use['bytes'])}"


def _jobs(session: Session, state: JobState) -> list[Job]:
    return list(session.scalars(select(Job).where(Job.state == state).order_by(Job.id)))


def _incomplete(session: Session, library: str) -> list[dict[str, str | None]]:
    statement = (
        select(Source)
        .join(Library, Library.id == Source.library_id)
        .where(Library.name == library, Source.shortfall.is_not(None), Source.removed_at.is_(None))
    )
    return [
        {"source": printable(source.name), "why": source.shortfall} for source in session.scalars(statement)
    ]


def _last_mosaics(session: Session) -> list[dict[str, Any]]:
    statement = select(Mosaic, Library.name).join(Library, Library.id == Mosaic.library_id)
    rows = session.execute(
        statement.where(Mosaic.published_at.is_not(None)).order_by(Mosaic.published_at.desc()).limit(_LAST)
    )
    return [
        {
            "mosaic": mosaic.id,
            "library": library,
            "stem": printable(mosaic.stem),
            "published_at": mosaic.published_at,
            "distinct_tiles": mosaic.figures["distinct_tiles"],
            "color_error_1px": mosaic.figures["color_error_1px"],
            "seconds": round(sum(mosaic.figures["seconds"].values()), 3),
        }
        for mosaic, library in rows
    ]


def _daemon_runs(database: Database) -> bool:
    """Whether a daemon holds the lock beside the database."""
    try:
        with database.path.with_name(f"{database.path.name}.lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
