"""What QuickTime and MP4 files say of their film, read without a decoder, from whole files and any others."""

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaicd.media.quicktime import MovieFacts, movie_facts

NOTE = b"com.apple.quicktime.content.identifier"


def box(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def header(*, scale: int, duration: int) -> bytes:
    return box(b"mvhd", struct.pack(">IIIII", 0, 1, 2, scale, duration) + bytes(80))


def dolby(name: bytes, *, profile: int, compatibility: int) -> bytes:
    """The box in which a track says that it is in Dolby Vision."""
    return box(name, struct.pack(">BBHB19x", 1, 0, profile << 9 | 0b101, compatibility << 4))


def facts(*boxes: bytes) -> MovieFacts:
    return movie_facts(io.BytesIO(b"".join(boxes)))


def test_length_is_what_the_header_says() -> None:
    assert facts(box(b"ftyp", b"qt  "), box(b"moov", header(scale=600, duration=1800))).seconds == 3


def test_header_of_a_long_film_is_read_as_well() -> None:
    long = box(b"mvhd", struct.pack(">IQQIQ", 1 << 24, 1, 2, 1000, 1 << 33))
    assert facts(box(b"moov", long)).seconds == pytest.approx((1 << 33) / 1000)


@pytest.mark.parametrize("content", [b"", header(scale=0, duration=5), header(scale=1, duration=5)[:20]])
def test_header_that_says_nothing_gives_no_length(content: bytes) -> None:
    assert facts(box(b"moov", content)) == MovieFacts()


def test_description_is_found_behind_the_frames_however_long_they_are() -> None:
    frames = struct.pack(">I4sQ", 1, b"mdat", 16 + 50) + bytes(50)
    movie = box(b"moov", header(scale=1, duration=3) + box(b"meta", NOTE))
    assert facts(box(b"ftyp"), frames, movie) == MovieFacts(seconds=3, is_paired=True)


def test_description_that_reaches_to_the_end_of_the_file_is_read() -> None:
    assert facts(struct.pack(">I4s", 0, b"moov") + header(scale=1, duration=4)).seconds == 4


def test_note_that_stands_in_the_frames_is_none() -> None:
    assert not facts(box(b"mdat", NOTE), box(b"moov", header(scale=1, duration=3))).is_paired


@pytest.mark.parametrize("name", [b"dvcC", b"dvvC", b"dvwC"])
@pytest.mark.parametrize(
    ("profile", "compatibility", "is_alone"),
    [(5, 0, True), (10, 0, True), (20, 0, True), (8, 1, False), (8, 2, False), (8, 4, False), (7, 6, False)],
)
def test_colours_that_only_dolby_vision_knows_are_told_by_profile(
    name: bytes,
    profile: int,
    compatibility: int,
    is_alone: bool,  # noqa: FBT001
) -> None:
    movie = box(b"moov", box(b"stsd", dolby(name, profile=profile, compatibility=compatibility)))
    assert facts(movie).is_dolby_alone is is_alone


def test_description_that_is_cut_off_says_nothing() -> None:
    assert facts(box(b"moov", dolby(b"dvvC", profile=5, compatibility=0)[:11])) == MovieFacts()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        struct.pack(">I4s", 0, b"mdat") + bytes(40),
        struct.pack(">I4sQ", 1, b"mdat", 1 << 63),
        struct.pack(">I4sQ", 1, b"mdat", (1 << 63) - 1),
        struct.pack(">I4s", 1, b"mdat"),
        box(b"free") * 20_000,
    ],
)
def test_file_without_a_description_says_nothing(content: bytes) -> None:
    assert facts(content) == MovieFacts()


@given(st.binary(max_size=200))
def test_any_description_is_read_without_a_fuss(content: bytes) -> None:
    assert isinstance(facts(box(b"moov", content)), MovieFacts)
    assert isinstance(facts(content), MovieFacts)
