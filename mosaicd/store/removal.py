"""A library's removal, and its return: everything stays in the store, marked as out of use or not."""

from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from mosaicd.store.models import Library, Source, Tile
from mosaicd.store.tiles import remove_source, sources_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """So many sources and tiles went out of use, or came back."""

    sources: int
    tiles: int


def take_out_of_use(session: Session, library: Library, *, now: float) -> Moved:
    """Take all sources of a library and their tiles out of use, at one time by which they are known again."""
    sources = sources_of(session, library.id)
    return Moved(
        sources=len(sources), tiles=sum(remove_source(session, source, now=now) for source in sources)
    )


def take_back(session: Session, library: Library) -> Moved:
    """Take back into use what went out of use last: a whole library, or the source that was taken out of it."""
    can_come_back = (Source.library_id == library.id) & Source.purge_begun_at.is_(None)
    removed_at = session.scalar(select(func.max(Source.removed_at)).where(can_come_back))
    if removed_at is None:
        return Moved(sources=0, tiles=0)
    of_sources = select(Source.id).where(can_come_back, Source.removed_at == removed_at)
    sources = list(session.scalars(of_sources))
    tiles = update(Tile).where(Tile.source_id.in_(of_sources), Tile.removed_at == removed_at)
    count = session.execute(tiles.values(removed_at=None)).rowcount  # type: ignore[attr-defined]
    session.execute(
        update(Source).where(can_come_back, Source.removed_at == removed_at).values(removed_at=None)
    )
    return Moved(sources=len(sources), tiles=count)
