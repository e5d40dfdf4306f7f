"""Libraries: named sets of tiles."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from mosaicd.store.models import Job, JobState, Library, Mosaic, Source, Tile


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryFacts:
    """A library in figures."""

    name: str
    tiles: int
    sources: int
    mosaics: int
    tiles_out_of_use: int
    sources_out_of_use: int


def library_named(session: Session, name: str, *, now: float) -> Library:
    """The library of that name, made if there is none."""
    library = session.scalar(select(Library).where(Library.name == name))
    if library is None:
        library = Library(name=name, created_at=now)
        session.add(library)
        session.flush()
    return library


def find_library(session: Session, name: str) -> Library | None:
    """The library of that name, if there is one."""
    return session.scalar(select(Library).where(Library.name == name))


def count_tiles(session: Session, library_id: int) -> int:
    """How many tiles of the library can be used."""
    statement = select(func.count()).where(Tile.library_id == library_id, Tile.removed_at.is_(None))
    return session.scalar(statement) or 0


def has_tiles(session: Session, library_id: int, *, at_least: int) -> bool:
    """Whether so many tiles of the library can be used."""
    usable = select(Tile.id).where(Tile.library_id == library_id, Tile.removed_at.is_(None)).limit(at_least)
    return session.scalar(select(func.count()).select_from(usable.subquery())) == at_least


def library_facts(session: Session) -> list[LibraryFacts]:
    """Every library in figures, by name; but those that have been purged."""

    def counts(column: InstrumentedAttribute[int], condition: ColumnElement[bool]) -> dict[int, int]:
        statement = select(column, func.count()).where(condition).group_by(column)
        return dict(session.execute(statement).all())

    tiles = counts(Tile.library_id, Tile.removed_at.is_(None))
    sources = counts(Source.library_id, Source.removed_at.is_(None))
    tiles_out_of_use = counts(Tile.library_id, Tile.removed_at.is_not(None))
    sources_out_of_use = counts(Source.library_id, Source.removed_at.is_not(None))
    mosaics = counts(Mosaic.library_id, Mosaic.published_at.is_not(None))
    has_sources = exists().where(Source.library_id == Library.id)
    had_any = exists().where(Job.library_id == Library.id, Job.state == JobState.DONE)
    return [
        LibraryFacts(
            name=library.name,
            tiles=tiles.get(library.id, 0),
            sources=sources.get(library.id, 0),
            mosaics=mosaics.get(library.id, 0),
            tiles_out_of_use=tiles_out_of_use.get(library.id, 0),
            sources_out_of_use=sources_out_of_use.get(library.id, 0),
        )
        for library in session.scalars(select(Library).where(has_sources | ~had_any).order_by(Library.name))
    ]
