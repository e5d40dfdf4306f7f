"""Photo or video: decided by a file's first bytes, never by its name."""

from enum import StrEnum
from pathlib import Path

_HEAD_BYTES = 1024
_TS_PACKET = 188
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
    b"\x00\x00\x00\x0cjP  \r\n\x87\n",
    b"8BPS",
)
_VIDEO_STARTS = (
    b"\x1aE\xdf\xa3",  # Matroska and WebM
    b"OggS",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF
    b"FLV\x01",
    b".RMF",
    b"\x00\x00\x01\xba",  # MPEG program stream
    b"\x00\x00\x01\xb3",  # MPEG video
)
_QUICKTIME_ATOMS = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}


class MediaKind(StrEnum):
    """What a file holds."""

    PHOTO = "photo"
    VIDEO = "video"
    UNKNOWN = "unknown"


def media_kind(path: Path) -> MediaKind:
    """Decide from the first bytes of the file at `path`; OSError if it cannot be read."""
    with path.open("rb") as file:
        return kind_of_head(file.read(_HEAD_BYTES))


def kind_of_head(head: bytes) -> MediaKind:
    """Decide from a file's first kilobyte."""
    if head.startswith(_PHOTO_STARTS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP") or _is_bitmap(head):
        return MediaKind.PHOTO
    if head.startswith(_VIDEO_STARTS) or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
        return MediaKind.VIDEO
    if head[4:8] == b"ftyp":
        return _kind_of_brand(head[8:12])
    is_transport_stream = head[:1] == b"G" and head[_TS_PACKET : _TS_PACKET + 1] == b"G"
    if head[4:8] in _QUICKTIME_ATOMS or is_transport_stream:
        return MediaKind.VIDEO
    return MediaKind.UNKNOWN


def _kind_of_brand(brand: bytes) -> MediaKind:
    if brand in _PHOTO_BRANDS:
        return MediaKind.PHOTO
    return MediaKind.UNKNOWN if brand in _NEITHER_BRANDS else MediaKind.VIDEO


def _is_bitmap(head: bytes) -> bool:
    return head[:2] == b"BM" and head[6:10] == b"\x00\x00\x00\x00" and head[15:18] == b"\x00\x00\x00"
