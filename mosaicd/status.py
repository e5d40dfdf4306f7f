"""What ``mosaicd status`` shows: read from database and folders, whether the daemon runs or not."""

import fcntl
from dataclasses import asdict
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from mosaicd.disk_use import disk_use, in_units
from mosaicd.forecast import forecast
from mosaicd.jobs.estimates import duration
from mosaicd.jobs.states import ACTIVE_STATES
from mosaicd.plain_text import one_line, printable
from mosaicd.settings import Settings
from mosaicd.store.database import Database
from mosaicd.store.libraries import library_facts
from mosaicd.store.models import Job, JobState, Library, Mosaic, Source

_LAST = 5


def gather(database: Database, settings: Settings, *, now: float) -> dict[str, Any]:
    """All facts at a moment, in seconds since 1970, as they go into JSON."""
    facts = work_at(database, settings, now=now)
    with database.read() as session:
        libraries = [
            {
                "name": each.name,
                "tiles": each.tiles,
                "sources": each.sources,
                "mosaics": each.mosaics,
                "incomplete_sources": _incomplete(session, each.name),
            }
            for each in library_facts(session)
        ]
    disk = [asdict(use) for use in disk_use(database.path, settings.folders)]
    return {**facts, "libraries": libraries, "disk": disk}


def work_at(database: Database, settings: Settings, *, now: float) -> dict[str, Any]:
    """Those of the facts that change while the daemon works, and can be read many times a minute."""
    daemon_runs = _daemon_runs(database)
    with database.read() as session:
        times = forecast(session, now=now) if daemon_runs else None
        return {
            "daemon_runs": daemon_runs,
            "root": one_line(str(settings.root.expanduser().absolute())),
            "database": one_line(str(database.path)),
            "queue": {
                **_counts(session),
                "seconds_left": _rounded(times.all_left if times else None),
            },
            "running": [
                {
                    "file": printable(job.path),
                    "library": library,
                    "kind": job.kind,
                    "stage": job.stage,
                    "progress": round(job.progress, 3),
                    "elapsed_seconds": _rounded(max(0.0, now - (job.started_at or now))),
                    "seconds_left": _rounded(times.left.get(job.id) if times else None),
                }
                for job, library in session.execute(
                    select(Job, Library.name)
                    .join(Library, Library.id == Job.library_id)
                    .where(Job.state == JobState.RUNNING)
                    .order_by(Job.id)
                )
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
    lines.append(f"queue: {queue_in_words(facts['queue'])}")
    lines += [
        f"running: {job['file']}: {job['stage']}, {job['progress']:.0%}{_left_in_words(job, before=', ')}"
        for job in facts["running"]
    ]
    lines += [f"waiting: {job['file']}: {job['why']}" for job in facts["waiting"]]
    lines += [
        f"mosaic {mosaic['mosaic']}: {mosaic['stem']}: {mosaic_in_words(mosaic)}"
        for mosaic in facts["last_mosaics"]
    ]
    lines += [f"rejected: {job['file']}: {job['why']}" for job in facts["last_rejections"]]
    lines.append(f"disk: {', '.join(_disk_in_words(use) for use in facts['disk'])}")
    return "\n".join(lines)


def counted(number: int, noun: str) -> str:
    """A number of things, in words."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def queue_in_words(queue: dict[str, Any]) -> str:
    """How many jobs there are, and how long they take all in all."""
    return (
        f"{queue['queued']} queued, {queue['waiting']} waiting, {queue['running']} running"
        f"{_left_in_words(queue, before='; ') if queue['queued'] or queue['running'] else ''}"
    )


def mosaic_in_words(mosaic: dict[str, Any]) -> str:
    """How a mosaic came out."""
    error = mosaic["color_error_1px"]
    return (
        f"{counted(mosaic['distinct_tiles'], 'distinct tile')},"
        f" colour error {'unknown' if error is None else f'{error:.1f}'}, {mosaic['seconds']:.1f} s"
    )


def _left_in_words(facts: dict[str, Any], *, before: str) -> str:
    seconds = facts["seconds_left"]
    return "" if seconds is None else f"{before}{duration(seconds)} left"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _disk_in_words(use: dict[str, Any]) -> str:
    return f"{use['part']} {'' if use['is_whole'] else 'more than '}{in_units(use['bytes'])}"


def _counts(session: Session) -> dict[str, int]:
    statement = select(Job.state, func.count()).where(Job.state.in_(ACTIVE_STATES)).group_by(Job.state)
    counts = dict(session.execute(statement).all())
    return {state.value: counts.get(state, 0) for state in ACTIVE_STATES}


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
