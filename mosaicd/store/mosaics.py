"""Mosaics: their placement, the uses of tiles they charge, and the name they are published under."""

import unicodedata
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from sqlalchemy import delete, exists, func, insert, select
from sqlalchemy.orm import Session

from mosaicd.imaging import FloatArray
from mosaicd.store.models import Library, Mosaic, MosaicPlacement, TileUse

_LONGEST_NUMBER = 18  # digits that SQLite holds, whichever they are


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredPlacement:
    """The tile of each cell, as the store keeps it.

    Attributes
    ----------
    tiles : ndarray of int64, shape (rows, columns)
    mirrored : ndarray of bool, shape (rows, columns)
    corrections : ndarray of float32, shape (rows, columns, 4)
        What is added to L*, a* and b*, and what their spread is multiplied by.
    """

    tiles: NDArray[np.int64]
    mirrored: NDArray[np.bool_]
    corrections: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What one mosaic has charged: so many uses of so many tiles."""

    mosaic: int
    stem: str
    tiles: int
    uses: int


def mosaic_of_job(session: Session, job_id: int) -> Mosaic | None:
    """The mosaic that this job has already recorded, if any."""
    return session.scalar(select(Mosaic).where(Mosaic.job_id == job_id))


def record_mosaic(session: Session, mosaic: Mosaic, placement: StoredPlacement) -> None:
    """Record a mosaic, its placement and its charges; in one transaction with whatever else the session does."""
    session.add(mosaic)
    session.flush()
    session.add(
        MosaicPlacement(
            mosaic_id=mosaic.id,
            tiles=_packed(placement.tiles, "<i8"),
            mirrored=_packed(placement.mirrored, "u1"),
            corrections=_packed(placement.corrections, "<f2"),
        )
    )
    tiles, counts = np.unique(placement.tiles, return_counts=True)
    session.execute(
        insert(TileUse),
        [
            {
                "mosaic_id": mosaic.id,
                "tile_id": tile,
                "library_id": mosaic.library_id,
                "count": count,
                "used_at": mosaic.created_at,
            }
            for tile, count in zip(tiles.tolist(), counts.tolist(), strict=True)
        ],
    )


def mark_published(session: Session, mosaic_id: int, figures: dict[str, Any], *, now: float) -> Mosaic:
    """Note that a mosaic stands in the outbox, and its figures."""
    mosaic = session.get_one(Mosaic, mosaic_id)
    mosaic.published_at = now
    mosaic.figures = figures
    return mosaic


def load_placement(session: Session, mosaic: Mosaic) -> StoredPlacement:
    """The placement of a recorded mosaic."""
    stored = session.get_one(MosaicPlacement, mosaic.id)
    shape = (mosaic.rows, mosaic.columns)
    return StoredPlacement(
        tiles=_unpacked(stored.tiles, "<i8").astype(np.int64).reshape(shape),
        mirrored=_unpacked(stored.mirrored, "u1").astype(bool).reshape(shape),
        corrections=_unpacked(stored.corrections, "<f2").astype(np.float32).reshape(*shape, 4),
    )


def stem_key(stem: str) -> bytes:
    """A stem as file systems that ignore case and compose letters compare it."""
    return unicodedata.normalize("NFC", stem).casefold().encode("utf-8", "surrogateescape")


def free_stem(session: Session, stems: Iterator[str], *, is_taken: Callable[[str], bool]) -> str:
    """The first of `stems` that no mosaic has and that is not taken in the outbox."""
    return next(
        stem
        for stem in stems
        if not session.scalar(select(exists().where(Mosaic.stem_key == stem_key(stem))))
        and not is_taken(stem)
    )


def reset_penalties(library: Library, *, now: float) -> None:
    """Let no use up to now count any more. The events stay."""
    library.penalties_reset_at = now


def undo_charges(session: Session, mosaic: Mosaic, *, now: float) -> int:
    """Take a mosaic's uses out of the history; how many tiles they were. Its placement stays."""
    mosaic.charges_undone_at = now
    result = session.execute(delete(TileUse).where(TileUse.mosaic_id == mosaic.id))
    return result.rowcount  # type: ignore[attr-defined,no-any-return]


def find_mosaic(session: Session, library_id: int, name: str) -> Mosaic | None:
    """A mosaic of the library by its stem, the path of a file of it in the outbox, or its number."""
    of_library = select(Mosaic).where(Mosaic.library_id == library_id)
    for stem in (name, name.rsplit(".mosaic.", 1)[0], name.removesuffix(".mosaic")):
        mosaic = session.scalar(of_library.where(Mosaic.stem_key == stem_key(stem)))
        if mosaic is not None:
            return mosaic
    if name.isdecimal() and len(name) <= _LONGEST_NUMBER:
        return session.scalar(of_library.where(Mosaic.id == int(name)))
    return None


def charges(session: Session, library_id: int) -> list[Charge]:
    """What each mosaic of the library has charged, oldest first."""
    statement = (
        select(Mosaic.id, Mosaic.stem, func.count(), func.sum(TileUse.count))
        .join(TileUse, TileUse.mosaic_id == Mosaic.id)
        .where(Mosaic.library_id == library_id)
        .group_by(Mosaic.id)
        .order_by(Mosaic.id)
    )
    return [
        Charge(mosaic=number, stem=stem, tiles=tiles, uses=uses)
        for number, stem, tiles, uses in session.execute(statement)
    ]


def _packed(array: NDArray[Any], dtype: DTypeLike) -> bytes:
    return zlib.compress(np.ascontiguousarray(array, dtype).tobytes(), 6)


def _unpacked(data: bytes, dtype: DTypeLike) -> NDArray[Any]:
    return np.frombuffer(zlib.decompress(data), dtype)
