"""The page of a mosaic, from the mosaic, its photo and the store."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy.orm import Session

from mosaicd.imaging import PixelArray
from mosaicd.imaging.grid import CellGrid
from mosaicd.media.masters import decode_master
from mosaicd.page.document import PageContents, mosaic_page
from mosaicd.page.packing import Size, pack_masters, pack_picture
from mosaicd.store.tiles import masters

_IMAGE_SIZES: tuple[Size, ...] = ((6000, 85), (6000, 75), (4096, 75), (3000, 70), (2000, 70), (1400, 60))
_PHOTO_SIZES: tuple[Size, ...] = ((1600, 80), (1200, 75), (800, 75), (500, 70))
_IMAGE_SHARE = 0.45
_PHOTO_SHARE = 0.04
_BASE64_SHARE = 0.75
_PROGRAM_BYTES = 400_000
"""About what program, style and report take."""


def page_of(
    session: Session,
    *,
    image: PixelArray,
    photo: PixelArray,
    grid: CellGrid,
    report: dict[str, Any],
    bytes_limit: int,
) -> bytes:
    """Make the page of a mosaic.

    Parameters
    ----------
    session : Session
    image : ndarray of uint8, shape (height, width, 3)
        The mosaic.
    photo : ndarray of uint8, shape (height, width, 3)
        As `grid` was laid over it.
    grid : CellGrid
    report : dict
        As it is published, with the placement.
    bytes_limit : int
        What the page is to fit in: pictures and masters are made as small as that takes, and masters left out
        if the smallest do not fit.
    """
    room = max(0, int((bytes_limit - _PROGRAM_BYTES) * _BASE64_SHARE))
    picture = pack_picture(image, bytes_limit=int(room * _IMAGE_SHARE), sizes=_IMAGE_SIZES)
    pixels_a_cell = max(1, min(photo.shape[0] // grid.rows, photo.shape[1] // grid.columns))
    covered = grid.sample(photo, pixels_a_cell=pixels_a_cell)
    small = pack_picture(covered, bytes_limit=int(room * _PHOTO_SHARE), sizes=_PHOTO_SIZES)

    def read(tiles: Sequence[int]) -> Iterator[tuple[int, PixelArray]]:
        return ((tile, decode_master(jpeg)) for tile, jpeg in masters(session, tiles))

    tiles = [tile for tile, *_ in report["placement"]["tiles"]]
    pack = pack_masters(tiles, read, bytes_limit=room - len(picture) - len(small))
    return mosaic_page(PageContents(image=picture, photo=small, report=report, masters=pack))
