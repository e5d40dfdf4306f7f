"""What a mosaic job that comes to nothing has left in the outbox."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from mosaicd.crash_points import CrashPoint, passed
from mosaicd.media.formats import OutputFormat
from mosaicd.media.outbox import image_path, page_path, report_path
from mosaicd.pipelines.report import figures_to_keep
from mosaicd.store.database import Database
from mosaicd.store.mosaics import mark_published, mosaic_of_job


def settle_leftovers(database: Database, job_id: int, outbox: Path, *, now: float) -> None:
    """Put in order what a killed worker has left of a mosaic that nobody will go on with.

    If its image stands in the outbox, people may have seen it, and it counts as published; a report and a page
    without an image go.
    """
    with database.read() as session:
        mosaic = mosaic_of_job(session, job_id)
    if mosaic is None or mosaic.published_at is not None:
        return
    image = outbox / image_path(mosaic.stem, OutputFormat(mosaic.settings["output_format"]))
    report, page = outbox / report_path(mosaic.stem), outbox / page_path(mosaic.stem)
    with contextlib.suppress(OSError, ValueError):  # then nothing tells that it was published
        figures = figures_to_keep(_read(report))
        if os.path.lexists(image):
            with database.write() as session:
                mark_published(session, mosaic.id, figures, now=now)
            return
    with contextlib.suppress(OSError):
        page.unlink(missing_ok=True)
        report.unlink(missing_ok=True)
    passed(CrashPoint.MOSAIC_WITHDRAWN)


def _read(report: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(report.read_bytes())
    return found
