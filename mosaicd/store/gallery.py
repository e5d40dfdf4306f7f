"""What galleries show of the mosaics in the store."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from mosaicd.store.models import Library, Mosaic, MosaicThumbnail


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A mosaic as a gallery shows it.

    Attributes
    ----------
    photo, stem : str
        Paths in the inbox and in the outbox.
    created_at : float
        Seconds since 1970.
    thumbnail : bytes
        JPEG.
    """

    photo: str
    stem: str
    output_format: str
    cells: int
    created_at: float
    thumbnail: bytes


def keep_thumbnail(session: Session, mosaic: int, jpeg: bytes) -> None:
    """Keep a mosaic's thumbnail, in place of an earlier one."""
    session.merge(MosaicThumbnail(mosaic_id=mosaic, jpeg=jpeg))


def newest_shown(session: Session, library: int, *, newest: int, limit: int) -> Iterator[Shown]:
    """A library's published mosaics with thumbnails, newest first, and `newest`, which is about to be published."""
    statement = (
        select(Mosaic, MosaicThumbnail.jpeg)
        .join(MosaicThumbnail, MosaicThumbnail.mosaic_id == Mosaic.id)
        .where(Mosaic.library_id == library, Mosaic.published_at.is_not(None) | (Mosaic.id == newest))
        .order_by(Mosaic.id.desc())
        .limit(limit)
    )
    for mosaic, jpeg in session.execute(statement):
        yield Shown(
            photo=mosaic.photo_name,
            stem=mosaic.stem,
            output_format=mosaic.settings["output_format"],
            cells=mosaic.rows * mosaic.columns,
            created_at=mosaic.created_at,
            thumbnail=jpeg,
        )


def libraries_shown(session: Session) -> list[tuple[str, str]]:
    """(name, folder in the outbox) of each library that has a mosaic with a thumbnail."""
    statement = (
        select(Library.name, func.min(Mosaic.stem))
        .join(Mosaic, Mosaic.library_id == Library.id)
        .join(MosaicThumbnail, MosaicThumbnail.mosaic_id == Mosaic.id)
        .group_by(Library.id)
        .order_by(Library.name)
    )
    return [
        (name, stem.partition("/")[0] if "/" in stem else "") for name, stem in session.execute(statement)
    ]
