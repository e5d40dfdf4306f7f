"""A film that first came in part, and then whole: no tile is to be in use twice."""

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session, aliased

from mosaicd.store.models import Master, Source, Tile
from mosaicd.store.tiles import remove_source


def supersede_parts(session: Session, whole: Source, *, now: float) -> list[int]:
    """Take the library's incomplete sources out of use that `whole` is more of; their numbers.

    It is if it has all their tiles, pixel for pixel. Those of the last moment may differ: where a film breaks off,
    frames that would be shown before its last one can be missing.
    """
    incomplete = select(Source).where(
        Source.library_id == whole.library_id,
        Source.id != whole.id,
        Source.shortfall.is_not(None),
        Source.completed_at.is_not(None),
        Source.removed_at.is_(None),
    )
    parts = [
        part for part in session.scalars(incomplete.order_by(Source.id)) if _is_more(session, whole, part)
    ]
    for part in parts:
        remove_source(session, part, now=now)
    return [part.id for part in parts]


def _is_more(session: Session, whole: Source, part: Source) -> bool:
    moments = select(func.min(Tile.presentation_us), func.max(Tile.presentation_us))
    first, last = session.execute(moments.where(Tile.source_id == part.id)).one()
    same_tile, same_master = aliased(Tile), aliased(Master)
    only_in_part = (
        select(Tile.presentation_us)
        .join(Master, Master.tile_id == Tile.id)
        .outerjoin(
            same_tile,
            and_(
                same_tile.source_id == whole.id,
                same_tile.presentation_us == Tile.presentation_us,
                same_tile.crop == Tile.crop,
            ),
        )
        .outerjoin(same_master, and_(same_master.tile_id == same_tile.id, same_master.jpeg == Master.jpeg))
        .where(Tile.source_id == part.id, same_master.tile_id.is_(None))
    )
    different = set(session.scalars(only_in_part))
    return first is not None and (not different or (different == {last} and first < last))
