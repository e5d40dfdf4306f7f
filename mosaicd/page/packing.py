"""Pictures made small enough for a page: the mosaic, its photo, and the masters of its tiles."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import cv2

from mosaicd.imaging import PixelArray
from mosaicd.imaging.resampling import resample

Size = tuple[int, int]
"""Longest side in pixels, and JPEG quality."""

ReadMasters = Callable[[Sequence[int]], Iterable[tuple[int, PixelArray]]]
"""Gives (tile, master of shape (edge, edge, 3)) for each of the tiles asked for, in any order."""

MASTER_SIZES: tuple[Size, ...] = (
    (128, 85),
    (128, 75),
    (128, 60),
    (96, 60),
    (80, 60),
    (64, 55),
    (48, 50),
    (32, 50),
)
_SAMPLES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterPack:
    """Masters as JPEG files, without what they all begin with.

    Attributes
    ----------
    header : bytes
        What each file begins with: its tables.
    offsets : list of int
        Where the rest of each begins in `data`, and at last the length of `data`.
    data : bytes
    """

    header: bytes
    offsets: list[int]
    data: bytes

    @property
    def size(self) -> int:
        """Bytes of all."""
        return len(self.header) + len(self.data)


def pack_masters(tiles: Sequence[int], read: ReadMasters, *, bytes_limit: int) -> MasterPack | None:
    """Pack masters, in the order of `tiles`, at the best of `MASTER_SIZES` that fits; None if none does.

    Parameters
    ----------
    tiles : sequence of int
        Each once.
    read : callable
        Asked for some of them first, and then for all, as often as it takes.
    bytes_limit : int
        For header and data together.
    """
    samples = tiles[:: max(1, len(tiles) // _SAMPLES)]
    for size in MASTER_SIZES:
        sample = _packed(samples, read, size)
        expected = len(sample.header) + len(sample.data) * len(tiles) / len(samples)
        if expected <= bytes_limit * 1.02:
            pack = _packed(tiles, read, size)
            if pack.size <= bytes_limit:
                return pack
    return None


def pack_picture(pixels: PixelArray, *, bytes_limit: int, sizes: Sequence[Size]) -> bytes:
    """Encode a picture, of shape (rows, columns, 3), at the first of `sizes` that fits, or else the last."""
    data = b""
    for size in sizes:
        data = _jpeg(pixels, size)
        if len(data) <= bytes_limit:
            break
    return data


def _packed(tiles: Sequence[int], read: ReadMasters, size: Size) -> MasterPack:
    found = {tile: _jpeg(master, size) for tile, master in read(tiles)}
    files = [found[tile] for tile in tiles]
    header = _common_start(min(files), max(files))
    parts = [file[len(header) :] for file in files]
    return MasterPack(
        header=header, offsets=[0, *accumulate(len(part) for part in parts)], data=b"".join(parts)
    )


def _common_start(first: bytes, last: bytes) -> bytes:
    """What two files, and all that sort between them, begin with."""
    length = next(
        (place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first)
    )
    return first[:length]


def _jpeg(pixels: PixelArray, size: Size) -> bytes:
    """Encode a picture, never enlarged, with the tables that all of its quality have."""
    longest, quality = size
    height, width = pixels.shape[:2]
    scale = longest / max(height, width)
    if scale < 1:
        pixels = resample(pixels, rows=max(1, round(height * scale)), columns=max(1, round(width * scale)))
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 0]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), flags)
    return data.tobytes()
