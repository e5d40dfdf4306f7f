"""What a mosaic job that comes to nothing has left in the outbox."""

import contextlib
import errno
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from mosaicd.crash_points import CrashPoint, passed
from mosaicd.imaging.figures import Closeness, Repetition, repetition
from mosaicd.media.formats import OutputFormat
from mosaicd.media.outbox import image_path, page_path, report_path
from mosaicd.pipelines.report import figures_to_keep
from mosaicd.store.database import Database
from mosaicd.store.models import Mosaic
from mosaicd.store.mosaics import load_placement, mark_published, mosaic_of_job

_NOT_THERE = {errno.ENOENT, errno.ENAMETOOLONG}
_MEASURED = (*(each.name for kind in (Closeness, Repetition) for each in fields(kind)), "seconds")


def unseen_mosaic(database: Database, job_id: int) -> Mosaic | None:
    """The mosaic of a job of which nobody has said that it is published."""
    with database.read() as session:
        mosaic = mosaic_of_job(session, job_id)
    return mosaic if mosaic is not None and mosaic.published_at is None else None


def settle_leftovers(database: Database, mosaic: Mosaic, outbox: Path, *, now: float) -> None:
    """Put in order what a killed worker has left of a mosaic that nobody will go on with.

    If its image stands in the outbox, which must be there, people may have seen it, and it counts as published; a
    report and a page without an image go.

    Raises
    ------
    OSError
        If what stands in the outbox cannot be seen.
    """
    image = outbox / image_path(mosaic.stem, OutputFormat(mosaic.settings["output_format"]))
    report, page = outbox / report_path(mosaic.stem), outbox / page_path(mosaic.stem)
    if not _is_missing(image):
        with database.write() as session:
            figures = _reported(report) or _known(session, mosaic)
            mark_published(session, mosaic.id, figures, now=now)
        passed(CrashPoint.MOSAIC_MARKED_PUBLISHED)
        return
    with contextlib.suppress(OSError):
        page.unlink(missing_ok=True)
        report.unlink(missing_ok=True)
    passed(CrashPoint.MOSAIC_WITHDRAWN)


def _is_missing(file: Path) -> bool:
    """Whether nothing stands there; OSError if that cannot be seen."""
    try:
        file.lstat()
    except OSError as error:
        if error.errno not in _NOT_THERE:
            raise
        return True
    return False


def _reported(report: Path) -> dict[str, Any] | None:
    """The figures of a report; None if people have taken it, or it is not what was written."""
    try:
        found = json.loads(report.read_bytes())
    except (OSError, ValueError):
        return None
    is_ours = isinstance(found, dict) and found.keys() >= set(_MEASURED)
    return figures_to_keep(found) if is_ours else None


def _known(session: Session, mosaic: Mosaic) -> dict[str, Any]:
    """The figures of a mosaic as far as they can be told without its report."""
    repeated = asdict(repetition(load_placement(session, mosaic).tiles))
    size = {name: getattr(mosaic, name) for name in ("tiles_in_library", "rows", "columns")}
    return {**dict.fromkeys(_MEASURED), **size, **repeated, **mosaic.figures, "seconds": {}}
