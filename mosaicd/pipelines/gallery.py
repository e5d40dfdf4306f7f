"""The gallery of a library, from the store and from what is in the outbox."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from sqlalchemy.orm import Session

from mosaicd.crash_points import CrashPoint, passed
from mosaicd.imaging import PixelArray
from mosaicd.media.files import write_whole
from mosaicd.media.formats import OutputFormat
from mosaicd.media.outbox import image_path, page_path
from mosaicd.page.gallery import MARK, Entry, gallery_page
from mosaicd.page.packing import Size, pack_picture
from mosaicd.plain_text import printable
from mosaicd.store.database import Database
from mosaicd.store.gallery import Shown, keep_thumbnail, libraries_shown, newest_shown
from mosaicd.store.models import Mosaic

_FILE = "index.html"
_MOST_SHOWN = 200
_SIZES: tuple[Size, ...] = ((360, 75), (360, 50), (240, 40))
_THUMBNAIL_BYTES = 30_000


def thumbnail_of(image: PixelArray) -> bytes:
    """A mosaic of shape (height, width, 3), small enough for a gallery; JPEG."""
    return pack_picture(image, bytes_limit=_THUMBNAIL_BYTES, sizes=_SIZES)


def update_gallery(
    database: Database,
    mosaic: Mosaic,
    thumbnail: bytes,
    *,
    folder: str,
    library: str,
    outbox: Path,
    staging: Path,
) -> None:
    """Show a mosaic in its library's gallery, ``index.html`` in `folder` of the outbox, beside the earlier ones.

    A file of that name that is no gallery is left alone.

    Raises
    ------
    OSError
        If the outbox cannot be written.
    """
    gallery = outbox / folder / _FILE
    if os.path.lexists(gallery) and not _is_gallery(gallery):
        return
    with database.write() as session:
        keep_thumbnail(session, mosaic.id, thumbnail)
    passed(CrashPoint.THUMBNAIL_KEPT)
    with database.read() as session:
        entries = list(_entries(session, mosaic, outbox, folder))
        others = [
            (printable(name), quote(os.fsencode(os.path.relpath(Path("/", other, _FILE), Path("/", folder)))))
            for name, other in libraries_shown(session)
            if other != folder and (outbox / other / _FILE).is_file()
        ]
    write_whole(
        gallery,
        gallery_page(f"Mosaics of {library}" if folder else "Mosaics", entries, others=others),
        staging=staging,
    )


def _entries(session: Session, mosaic: Mosaic, outbox: Path, folder: str) -> Iterator[Entry]:
    for shown in newest_shown(session, mosaic.library_id, newest=mosaic.id, limit=_MOST_SHOWN):
        place = _place(shown, outbox)
        if place is not None:
            yield Entry(
                name=printable(Path(shown.photo).name),
                words=f"{time.strftime('%d %B %Y', time.localtime(shown.created_at))}, {shown.cells:,} tiles",
                link=quote(os.fsencode(os.path.relpath(Path("/", place), Path("/", folder)))),
                thumbnail=shown.thumbnail,
            )


def _place(shown: Shown, outbox: Path) -> str | None:
    """What people are led to: the page, or else the image; None if they have taken away both."""
    candidates = (page_path(shown.stem), image_path(shown.stem, OutputFormat(shown.output_format)))
    return next((place for place in candidates if (outbox / place).is_file()), None)


def _is_gallery(file: Path) -> bool:
    with file.open("rb") as stream:
        return MARK in stream.read(2000)
