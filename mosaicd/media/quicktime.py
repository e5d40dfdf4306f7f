"""What a QuickTime or MP4 file says of its film, read without a decoder, and so in any process."""

import struct
from dataclasses import dataclass
from typing import BinaryIO

_CONTENT_IDENTIFIER = b"com.apple.quicktime.content.identifier"
_DOLBY_BOXES = (b"\0\0\0\x20dvcC\1", b"\0\0\0\x20dvvC\1", b"\0\0\0\x20dvwC\1")
_DOLBY_ONLY_PROFILES = {5, 10, 20}
_MOVIE_BYTES_LIMIT = 1 << 25
_BOXES_LIMIT = 10_000  # a film that is cut into fragments has many, after the one that is looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class MovieFacts:
    """What a film says of itself.

    Attributes
    ----------
    seconds : float or None
        Its length, if that is in it.
    is_paired : bool
        Whether it names the photo that it was taken with: it is the film of a live photo.
    is_dolby_alone : bool
        Whether its colours are coded in a way that only players of Dolby Vision know.
    """

    seconds: float | None = None
    is_paired: bool = False
    is_dolby_alone: bool = False


def movie_facts(file: BinaryIO) -> MovieFacts:
    """What a file says of its film; of a file of another kind, or a damaged one, nothing. OSError if unreadable."""
    movie = _movie_box(file)
    return MovieFacts(
        seconds=_seconds(movie),
        is_paired=_CONTENT_IDENTIFIER in movie,
        is_dolby_alone=any(_is_dolby_alone(movie, name) for name in _DOLBY_BOXES),
    )


def _movie_box(file: BinaryIO) -> bytes:
    """The content of the box that describes the tracks [1]_.

    References
    ----------
    .. [1] ISO/IEC 14496-12, "ISO base media file format", 4.2 and 8.2.1.
    """
    place = 0
    for _ in range(_BOXES_LIMIT):
        file.seek(place)
        head = file.read(16)
        if len(head) < 8:
            break
        size, kind = struct.unpack_from(">I4s", head)
        start = 8
        if size == 1 and len(head) == 16:
            (size,), start = struct.unpack_from(">Q", head, 8), 16
        if kind == b"moov":
            file.seek(place + start)
            return file.read(min(size - start, _MOVIE_BYTES_LIMIT) if size > start else _MOVIE_BYTES_LIMIT)
        if size < start or place + size >= 1 << 63:
            break
        place += size
    return b""


def _seconds(movie: bytes) -> float | None:
    """The length that a movie's header gives, ISO/IEC 14496-12, 8.2.2."""
    place = movie.find(b"mvhd", 0, 64) + 4
    if place < 4:
        return None
    times = ">QQIQ" if movie[place : place + 1] == b"\1" else ">IIII"
    try:
        _, _, scale, duration = struct.unpack_from(times, movie, place + 4)
    except struct.error:
        return None
    return duration / scale if scale else None


def _is_dolby_alone(movie: bytes, name: bytes) -> bool:
    """Whether a track has a configuration of Dolby Vision that no other player could do with [1]_.

    References
    ----------
    .. [1] Dolby, "Dolby Vision streams within the ISO base media file format", 2.2.
    """
    place = movie.find(name)
    if place < 0:
        return False
    configuration = movie[place + 8 : place + 13]
    if len(configuration) < 5:
        return False
    profile, compatibility = configuration[2] >> 1, configuration[4] >> 4
    return profile in _DOLBY_ONLY_PROFILES and compatibility == 0
