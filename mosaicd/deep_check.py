"""What ``mosaicd check --deep`` finds out: whether all that the database holds is whole and fits together.

Nothing is changed, and a daemon may go on working meanwhile: each part looks at one state of the database.
"""

from collections.abc import Callable, Iterator

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from mosaicd.check import Finding
from mosaicd.errors import CorruptStateError, MosaicdError
from mosaicd.imaging.descriptors import COLUMNS, DESCRIPTOR_SCHEME, SUBCELLS, subcells
from mosaicd.jobs.soundness import job_complaints
from mosaicd.media.masters import decode_master
from mosaicd.plain_text import printable
from mosaicd.settings import Settings
from mosaicd.store.database import Database
from mosaicd.store.models import Descriptor, Master, Source, Tile
from mosaicd.store.soundness import (
    mosaic_complaints,
    page_complaints,
    reference_complaints,
    schema_complaints,
    tile_complaints,
)

ReportProgress = Callable[[int, int], None]

_SHOWN_OF_EACH = 20
_BATCH = 500
_JPEG_BEGINS, _JPEG_ENDS = b"\xff\xd8", b"\xff\xd9"
_TOLERANCE = 4  # of 255 levels: JPEG decoders differ by one or two


def deep_findings(settings: Settings, report_progress: ReportProgress) -> Iterator[Finding]:
    """Look at everything in the database; at nothing where `mosaicd check` finds that it cannot be used.

    Parameters
    ----------
    settings : Settings
    report_progress : callable
        Told now and then how many masters of how many have been decoded; at last that all have.
    """
    if not settings.database_path.exists():
        return
    database = Database(settings.database_path)
    try:
        database.require_current()
    except MosaicdError:
        pass
    else:
        yield from _all_findings(database, report_progress)
    finally:
        database.close()


def _all_findings(database: Database, report_progress: ReportProgress) -> Iterator[Finding]:
    def of_one_state(complaints: Callable[[Session], Iterator[str]]) -> Iterator[str]:
        with database.read() as session:
            yield from complaints(session)

    yield from _told("pages", of_one_state(page_complaints), otherwise="SQLite finds the file sound")
    yield from _told("schema", of_one_state(schema_complaints), otherwise="each table and index is there")
    yield from _told("references", of_one_state(reference_complaints), otherwise="each row's are there")
    yield from _told("tiles", of_one_state(tile_complaints), otherwise="each has its master and descriptor")
    yield from _told(
        "masters",
        _master_complaints(database, report_progress),
        otherwise="each can be decoded, and looks like its descriptor",
    )
    yield from _told(
        "mosaics", of_one_state(mosaic_complaints), otherwise="each has its tiles, and its uses add up"
    )
    yield from _told(
        "jobs", of_one_state(job_complaints), otherwise="each that is done has made what it was to"
    )


def _told(part: str, complaints: Iterator[str], *, otherwise: str) -> Iterator[Finding]:
    """A finding for each complaint, or one for the last of too many; `otherwise` if there is none."""
    found = 0
    try:
        for complaint in complaints:
            found += 1
            if found <= _SHOWN_OF_EACH:
                yield Finding(text=f"{part}: {complaint}", is_problem=True)
    except MosaicdError as error:
        found += 1
        yield Finding(text=f"{part}: {error}", is_problem=True)
    if found > _SHOWN_OF_EACH:
        yield Finding(text=f"{part}: and {found - _SHOWN_OF_EACH:,} more", is_problem=True)
    if not found:
        yield Finding(text=f"{part}: {otherwise}")


def _master_complaints(database: Database, report_progress: ReportProgress) -> Iterator[str]:
    complaints = []
    with database.read() as session:
        total = session.scalar(select(func.count()).select_from(Master)) or 0
    statement = (
        select(
            Tile.id, Source.name, Tile.presentation_us, Master.jpeg, Descriptor.scheme, Descriptor.subcells
        )
        .join(Source, Source.id == Tile.source_id)
        .join(Master, Master.tile_id == Tile.id)
        .outerjoin(Descriptor, Descriptor.tile_id == Tile.id)
        .order_by(Tile.id)
        .limit(_BATCH)
    )
    done, last = 0, 0
    while True:
        with database.read() as session:  # a batch each, so that the write-ahead log can be emptied meanwhile
            rows = session.execute(statement.where(Tile.id > last)).all()
        if not rows:
            break
        for tile, name, time_us, jpeg, scheme, stored in rows:
            complaint = _master_complaint(jpeg, stored if scheme == DESCRIPTOR_SCHEME else None)
            if complaint is not None:
                complaints.append(f"tile {tile} ({printable(name)}, {time_us / 1e6:.3f} s): {complaint}")
        done += len(rows)
        last = rows[-1][0]
        report_progress(done, max(total, done))
    yield from complaints  # after the last report, so that they do not stand amid it


def _master_complaint(jpeg: bytes, stored: bytes | None) -> str | None:
    """What is wrong with a master, which should look like the sub-cells stored of it, if these are current."""
    if not (jpeg.startswith(_JPEG_BEGINS) and jpeg.endswith(_JPEG_ENDS)):
        return "its image has no beginning or no end"
    try:
        pixels = decode_master(jpeg)
    except CorruptStateError:
        return "its image cannot be decoded"
    if pixels.shape[0] != pixels.shape[1]:
        return "its image is not square"
    if stored is not None and len(stored) == COLUMNS:
        expected = np.frombuffer(stored, np.uint8).reshape(SUBCELLS, SUBCELLS, 3).astype(np.int16)
        if np.abs(subcells(pixels[np.newaxis])[0] - expected).max() > _TOLERANCE:
            return "its image does not look like its descriptor"
    return None
