"""Photo or video: decided by a file's first bytes, never by its name."""

import os
import stat
from enum import StrEnum
from pathlib import Path

_HEAD_BYTES = 1024
_TS_LAYOUTS = (
    (0, 188),
    (4, 192),
)  # where the first packet starts, and how long each is: broadcast, camcorder
_PHOTO_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"}
_AUDIO_BRANDS = {b"M4A ", b"M4B ", b"M4P "}
_NEITHER_BRANDS = {b"crx "} | _AUDIO_BRANDS
_PHOTO_STARTS = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\x00",
    b"MM\x00*",
    b"II+\x00",  # BigTIFF
    b"MM\x00+",
    b"\x00\x00\x00\x0cjP  \r\n\x87\n",  # JPEG 2000
    b"\xff\x4f\xff\x51",
    b"8BPS",
    b"qoif",
    *(b"P%d%c" % (number, space) for number in range(1, 7) for space in b"\n\r\t "),  # PBM, PGM, PPM
)
_VIDEO_STARTS = (
    b"\x1aE\xdf\xa3",  # Matroska and WebM
    b"OggS",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF
    b"FLV\x01",
    b".RMF",
    b"\x00\x00\x01\xba",  # MPEG program stream
    b"\x00\x00\x01\xb3",  # MPEG video
    b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02",  # MXF
)
_QUICKTIME_ATOMS = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
_PRINTABLE = range(0x20, 0x7F)


class MediaKind(StrEnum):
    """What a file holds."""

    PHOTO = "photo"
    VIDEO = "video"
    UNKNOWN = "unknown"


def media_kind(path: Path) -> MediaKind:
    """Decide from the first bytes of the file at `path`; OSError if it cannot be read."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would keep one waiting
    with os.fdopen(descriptor, "rb") as file:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return kind_of_head(file.read(_HEAD_BYTES)) if is_file else MediaKind.UNKNOWN


def kind_of_head(head: bytes) -> MediaKind:
    """Decide from a file's first kilobyte."""
    if head.startswith(_PHOTO_STARTS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP") or _is_bitmap(head):
        return MediaKind.PHOTO
    if head.startswith(_VIDEO_STARTS) or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
        return MediaKind.VIDEO
    if head[4:8] == b"ftyp":
        return _kind_of_brand(head[8:12])
    is_quicktime = head[4:8] in _QUICKTIME_ATOMS and head[0] not in _PRINTABLE  # else it is a text
    if is_quicktime or any(_is_transport_stream(head, *layout) for layout in _TS_LAYOUTS):
        return MediaKind.VIDEO
    return MediaKind.UNKNOWN


def _kind_of_brand(brand: bytes) -> MediaKind:
    if brand in _PHOTO_BRANDS:
        return MediaKind.PHOTO
    return MediaKind.UNKNOWN if brand in _NEITHER_BRANDS else MediaKind.VIDEO


def _is_transport_stream(head: bytes, start: int, length: int) -> bool:
    marks = head[start::length]
    return len(marks) > 1 and set(marks) == {0x47}


def _is_bitmap(head: bytes) -> bool:
    return head[:2] == b"BM" and head[6:10] == b"\x00\x00\x00\x00" and head[15:18] == b"\x00\x00\x00"
