"""Tiles and the sources they were cut from."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import and_, func, insert, select, update
from sqlalchemy.orm import Session

from mosaicd.imaging import PixelArray
from mosaicd.imaging.descriptors import DESCRIPTOR_SCHEME, SUBCELLS
from mosaicd.imaging.frames import SkipReason
from mosaicd.store.models import Descriptor, Master, Source, SourceKind, Tile

_QUERY_BATCH = 500
_LOADED_AT_ONCE = 10_000
_SHOTS_A_SOURCE = 2**31


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NewTile:
    """A tile on its way into the store."""

    presentation_us: int
    crop: int
    jpeg: bytes
    subcells: PixelArray
    shot: int | None = None


@dataclass(slots=True, kw_only=True)
class Chunk:
    """What a stretch of a source gave: committed whole or not at all."""

    tiles: list[NewTile] = field(default_factory=list)
    skipped: dict[SkipReason, int] = field(default_factory=lambda: dict.fromkeys(SkipReason, 0))


def find_source(session: Session, library_id: int, sha256: bytes) -> Source | None:
    """The library's source of that content, in use or not."""
    return session.scalar(select(Source).where(Source.library_id == library_id, Source.sha256 == sha256))


def find_or_add_source(
    session: Session,
    *,
    library_id: int,
    sha256: bytes,
    kind: SourceKind,
    name: str,
    sample_interval_seconds: float,
    now: float,
) -> Source:
    """The library's source of that content; one that was removed comes back with its tiles."""
    source = find_source(session, library_id, sha256)
    if source is None:
        source = Source(
            library_id=library_id,
            sha256=sha256,
            kind=kind,
            name=name,
            sample_interval_seconds=sample_interval_seconds,
            added_at=now,
        )
        session.add(source)
        session.flush()
    elif source.removed_at is not None:
        source.removed_at = None
        session.execute(update(Tile).where(Tile.source_id == source.id).values(removed_at=None))
    return source


def add_chunk(session: Session, source_id: int, chunk: Chunk, *, next_sample: int) -> None:
    """Add what samples before `next_sample` gave: tiles, masters, descriptors and counts together.

    Tiles of a source that has been taken out of use meanwhile are out of use as well.
    """
    source = session.get_one(Source, source_id)
    rows = [
        {
            "library_id": source.library_id,
            "source_id": source.id,
            "presentation_us": tile.presentation_us,
            "crop": tile.crop,
            "shot": tile.shot,
            "removed_at": source.removed_at,
        }
        for tile in chunk.tiles
    ]
    if rows:
        ids = session.scalars(insert(Tile).returning(Tile.id, sort_by_parameter_order=True), rows).all()
        pairs = list(zip(ids, chunk.tiles, strict=True))
        session.execute(insert(Master), [{"tile_id": key, "jpeg": tile.jpeg} for key, tile in pairs])
        session.execute(insert(Descriptor), [_descriptor_row(key, tile.subcells) for key, tile in pairs])
    source.tiles_made += len(rows)
    for reason, count in chunk.skipped.items():
        column = skipped_column(reason)
        setattr(source, column, getattr(source, column) + count)
    source.next_sample = next_sample


def skipped_column(reason: SkipReason) -> str:
    """The name of what a source says of squares that were skipped for this reason."""
    return f"skipped_{reason}"


def skipped(source: Source) -> dict[str, int]:
    """How many squares of a source were skipped, by the names of its columns."""
    columns = map(skipped_column, SkipReason)
    return {column: getattr(source, column) for column in columns}


def complete_source(
    session: Session, source_id: int, *, duration_seconds: float | None, shortfall: str | None, now: float
) -> Source:
    """Note that the source has given all it has."""
    source = session.get_one(Source, source_id)
    source.duration_seconds = duration_seconds
    source.shortfall = shortfall
    source.completed_at = now
    return source


def last_subcells(session: Session, source_id: int) -> dict[int, PixelArray]:
    """The sub-cells of the source's last tile from each crop."""
    found: dict[int, PixelArray] = {}
    for crop in (0, 1):
        statement = (
            select(Descriptor.subcells)
            .join(Tile, Tile.id == Descriptor.tile_id)
            .where(Tile.source_id == source_id, Tile.crop == crop)
            .order_by(Tile.presentation_us.desc())
            .limit(1)
        )
        stored = session.scalar(statement)
        if stored is not None:
            found[crop] = unpacked(stored)[0]
    return found


def shot_starts(session: Session, source_id: int) -> Iterator[tuple[int, int, PixelArray]]:
    """(shot, crop, sub-cells) of the first tile that each shot of the source has from each crop.

    Shots come in the order of their last tiles, so that the one at which the source was left comes last.
    """
    firsts = (
        select(
            Tile.shot,
            Tile.crop,
            func.min(Tile.presentation_us).label("first"),
            func.max(func.max(Tile.presentation_us)).over(partition_by=Tile.shot).label("last"),
        )
        .where(Tile.source_id == source_id, Tile.shot.is_not(None))
        .group_by(Tile.shot, Tile.crop)
        .subquery()
    )
    statement = (
        select(firsts.c.shot, firsts.c.crop, Descriptor.subcells)
        .join(
            Tile,
            and_(
                Tile.source_id == source_id,
                Tile.crop == firsts.c.crop,
                Tile.presentation_us == firsts.c.first,
            ),
        )
        .join(Descriptor, Descriptor.tile_id == Tile.id)
        .order_by(firsts.c.last, firsts.c.shot)
    )
    for shot, crop, stored in session.execute(statement):
        yield shot, crop, unpacked(stored)[0]


def sources_of(session: Session, library_id: int) -> list[Source]:
    """The library's sources that are in use, oldest first."""
    statement = select(Source).where(Source.library_id == library_id, Source.removed_at.is_(None))
    return list(session.scalars(statement.order_by(Source.id)))


def remove_source(session: Session, source: Source, *, now: float) -> int:
    """Take a source and its tiles out of use; how many tiles that were. Their masters stay."""
    source.removed_at = now
    statement = update(Tile).where(Tile.source_id == source.id, Tile.removed_at.is_(None))
    return session.execute(statement.values(removed_at=now)).rowcount  # type: ignore[attr-defined,no-any-return]


def live_tiles(session: Session, library_id: int) -> NDArray[np.int64]:
    """The library's usable tiles, ascending."""
    statement = select(Tile.id).where(Tile.library_id == library_id, Tile.removed_at.is_(None))
    return np.fromiter(session.scalars(statement.order_by(Tile.id)), np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadedTiles:
    """Tiles, and what is compared of them.

    Attributes
    ----------
    tiles : ndarray of int64, shape (N,)
        Ascending.
    subcells : ndarray of uint8, shape (N, 5, 5, 3)
    shots : ndarray of int64, shape (N,)
        The same number for tiles of the same shot; a number of its own for a tile of no known shot.
    """

    tiles: NDArray[np.int64]
    subcells: PixelArray
    shots: NDArray[np.int64]


def load_tiles(session: Session, library_id: int, *, after_tile: int = 0) -> Iterator[LoadedTiles]:
    """The library's usable tiles with a higher number than `after_tile`, some thousand at a time."""
    shot = func.coalesce(Tile.source_id * _SHOTS_A_SOURCE + Tile.shot, -1 - Tile.id)
    statement = (
        select(Tile.id, shot, Descriptor.subcells)
        .join(Descriptor, Descriptor.tile_id == Tile.id)
        .where(Tile.library_id == library_id, Tile.removed_at.is_(None), Tile.id > after_tile)
        .order_by(Tile.id)
    )
    found = session.connection().execute(statement.execution_options(yield_per=_LOADED_AT_ONCE))
    for rows in found.partitions():
        tiles, shots, stored = zip(*rows, strict=True)
        yield LoadedTiles(
            tiles=np.array(tiles, np.int64),
            subcells=unpacked(b"".join(stored)),
            shots=np.array(shots, np.int64),
        )


def outdated_descriptors(session: Session, library_id: int) -> list[int]:
    """Tiles whose descriptor is of another scheme, and has to be made anew from the master."""
    statement = (
        select(Tile.id)
        .join(Descriptor, Descriptor.tile_id == Tile.id)
        .where(Tile.library_id == library_id, Descriptor.scheme != DESCRIPTOR_SCHEME)
    )
    return list(session.scalars(statement))


def replace_subcells(session: Session, tiles: Sequence[int], subcells: PixelArray) -> None:
    """Write sub-cells made anew from masters, by the current scheme."""
    for tile, squares in zip(tiles, subcells, strict=True):
        row = _descriptor_row(tile, squares)
        session.execute(update(Descriptor).where(Descriptor.tile_id == tile).values(**row))


def masters(session: Session, tiles: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    """(tile, JPEG) of each of `tiles`, in no special order."""
    wanted = sorted(tiles)
    for start in range(0, len(wanted), _QUERY_BATCH):
        batch = wanted[start : start + _QUERY_BATCH]
        statement = select(Master.tile_id, Master.jpeg).where(Master.tile_id.in_(batch))
        yield from session.execute(statement)  # rows are tuples


def origins(session: Session, tiles: Iterable[int]) -> Mapping[int, tuple[int, int, int]]:
    """(source, presentation in microseconds, crop) of each of `tiles`."""
    wanted = sorted(tiles)
    found: dict[int, tuple[int, int, int]] = {}
    for start in range(0, len(wanted), _QUERY_BATCH):
        batch = wanted[start : start + _QUERY_BATCH]
        statement = select(Tile.id, Tile.source_id, Tile.presentation_us, Tile.crop).where(Tile.id.in_(batch))
        found |= {tile: (source, time, crop) for tile, source, time, crop in session.execute(statement)}
    return found


def _descriptor_row(tile: int, subcells: PixelArray) -> dict[str, object]:
    return {"tile_id": tile, "scheme": DESCRIPTOR_SCHEME, "subcells": subcells.tobytes()}


def unpacked(stored: bytes) -> PixelArray:
    """Sub-cells of any number of descriptors, as they are stored, one after the other: shape (N, 5, 5, 3)."""
    return np.frombuffer(stored, np.uint8).reshape(-1, SUBCELLS, SUBCELLS, 3)
