"""Films of many codecs and containers, whole and broken, as the reader samples them."""

import contextlib
import errno
import io
import itertools
import math
import os
import random
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange
from PIL import Image

from mosaicd.errors import RejectedInputError, TransientError
from mosaicd.imaging import PixelArray
from mosaicd.imaging.color import mean_color_difference
from mosaicd.media import video
from mosaicd.media.streams import FilmFile
from mosaicd.media.video import Sample, VideoReader
from tests import films

SHORT_SIDE = 64
FRAMES = 43
RATE = 10

KINDS: dict[str, dict[str, Any]] = {
    "h264.mp4": {},
    "h264-b-frames.mp4": {"options": {"preset": "medium", "bf": "3"}},
    "h264-fragments.mp4": {"container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "h264-starting-late.mp4": {"start_seconds": 7},
    "h264-rotated.mov": {"rotation": 180},
    "hevc.mp4": {"codec": "libx265"},
    "hevc-10-bit.mp4": {"codec": "libx265", "pixel_format": "yuv420p10le"},
    "av1.mp4": {"codec": "libsvtav1"},
    "prores.mov": {"codec": "prores_ks", "pixel_format": "yuv422p10le"},
    "vp8.webm": {"codec": "libvpx"},
    "vp8-hidden-frames.webm": {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "16"}},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "vp8-sound-longer.webm": {"codec": "libvpx", "sound_seconds": 9},
    "h264.mkv": {},
    "h264-starting-late.mkv": {"start_seconds": 7},
    "h264-no-duration.mkv": {"container_options": {"live": "1"}},
    "mpeg4.avi": {"codec": "mpeg4"},
    "h264-starting-late.ts": {"start_seconds": 500},
    "h264-sound-longer.mp4": {"sound_seconds": 9},
    "h264.flv": {},
    "wmv2.wmv": {"codec": "wmv2"},
    "16-pixels.mp4": {"size": 16},
}

GOPS: dict[str, dict[str, Any]] = {
    "long-gop.mp4": {"options": {"preset": "medium", "bf": "3"}, "gop": 45},
    "open-gop.mkv": {"options": {"preset": "medium", "x264-params": "log-level=none:open-gop=1"}, "gop": 20},
    "refresh.mp4": {"options": {"preset": "medium", "x264-params": "log-level=none:intra-refresh=1"}},
    "open-gop-hevc.mp4": {
        "codec": "libx265",
        "options": {"preset": "fast", "x265-params": "log-level=none:open-gop=1:keyint=20"},
    },
    "hidden-frames.webm": {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "16"}},
    "vp9.webm": {"codec": "libvpx-vp9", "gop": 25},
    "av1.mp4": {"codec": "libsvtav1", "gop": 25},
    "starting-late.mp4": {"start_seconds": 7, "gop": 20},
    "starting-late.mkv": {"start_seconds": 7, "gop": 20},
    "no-duration.mkv": {"container_options": {"live": "1"}, "gop": 20},
    "uneven.mp4": {"times": [index * 0.1 + (0.04 if index % 3 else 0) for index in range(90)], "gop": 20},
    "stream.ts": {"start_seconds": 500, "gop": 20},
    "frames.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
}


def reader(path: Path, *, interval: float = 1) -> contextlib.closing[VideoReader]:
    return contextlib.closing(
        VideoReader(path, sample_interval_seconds=interval, short_side_pixels=SHORT_SIDE)
    )


def samples(path: Path, *, interval: float = 1, first: int = 0) -> list[Sample]:
    with reader(path, interval=interval) as film:
        return list(film.samples(first))


def identity(taken: list[Sample]) -> list[tuple[int, int, bytes]]:
    return [(sample.number, sample.presentation_us, sample.pixels.tobytes()) for sample in taken]


def encode_numbered(path: Path, *, size: int | None = None, **how: Any) -> Path:
    frames = films.numbered(FRAMES, width=size, height=size) if size else films.numbered(FRAMES)
    return films.encode(path, frames, rate=RATE, **{"gop": FRAMES} | how)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.mark.parametrize("name", KINDS)
def test_each_sample_is_the_frame_shown_at_its_moment(folder: Path, name: str) -> None:
    path = encode_numbered(folder / name, **KINDS[name])
    for interval in (0.5, 1, 2.5):
        with reader(path, interval=interval) as film:
            taken = list(film.samples())
            assert film.damaged_frames == 0
            assert film.missing_seconds < 0.1
            assert film.seconds == pytest.approx(FRAMES / RATE, abs=0.01)
        assert [sample.number for sample in taken] == list(range(math.ceil(FRAMES / RATE / interval)))
        turn = 2 if "rotated" in name else 0
        shown = [films.number_shown(np.rot90(sample.pixels, turn)) for sample in taken]
        assert shown == [math.floor(sample.number * interval * RATE) for sample in taken]
        assert [sample.presentation_us for sample in taken] == pytest.approx(
            [number / RATE * 1e6 for number in shown], abs=1000
        )


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_frames_of_uneven_length_are_sampled_by_when_they_are_shown(tmp_path: Path, suffix: str) -> None:
    times = [0, 0.1, 0.5, 3.9, 4.0, 9.7, 9.8]
    codec = "libvpx" if suffix == ".webm" else "libx264"
    path = films.encode(tmp_path / f"uneven{suffix}", films.numbered(len(times)), codec=codec, times=times)
    taken = samples(path)
    assert [films.number_shown(sample.pixels) for sample in taken] == [0, 2, 2, 2, 4, 4, 4, 4, 4, 4]
    shown_since = [sample.presentation_us / 1e6 for sample in taken]
    assert shown_since == pytest.approx([0, 0.5, 0.5, 0.5, 4, 4, 4, 4, 4, 4], abs=0.002)


def test_film_of_a_fifth_of_a_second_gives_one_sample(tmp_path: Path) -> None:
    path = films.encode(tmp_path / "short.mp4", films.numbered(2), rate=10)
    assert [films.number_shown(sample.pixels) for sample in samples(path)] == [0]


def test_what_an_edit_list_cuts_off_is_not_shown(tmp_path: Path) -> None:
    path = encode_numbered(tmp_path / "trimmed.mp4", start_seconds=-2)
    with reader(path) as film:
        shown = [films.number_shown(sample.pixels) for sample in film.samples()]
        assert film.missing_seconds == film.damaged_frames == 0
    assert shown == [20, 30, 40]


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((1, 0, 0, 1), "rgbw"),
        ((0, 1, -1, 0), "brwg"),  # clockwise, as phones held upright write it
        ((-1, 0, 0, -1), "wbgr"),
        ((0, -1, 1, 0), "gwrb"),
        ((-1, 0, 0, 1), "grwb"),  # mirrored, as some front cameras write it
        ((1, 0, 0, -1), "bwrg"),
        ((0, 1, 1, 0), "rbgw"),
    ],
)
def test_pictures_are_upright_by_the_track_matrix(
    tmp_path: Path, codec: str, matrix: tuple[int, int, int, int], shown: str
) -> None:
    path = films.encode(tmp_path / "turned.mp4", [films.quarters(128, 64)] * 3, codec=codec)
    right_x, right_y, down_x, down_y = (value << 16 for value in matrix)
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 4 + 40  # ISO/IEC 14496-12, 8.3.2: a version 0 header, before its matrix
    content[start : start + 36] = struct.pack(">9i", right_x, right_y, 0, down_x, down_y, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    (sample,) = samples(path)
    assert films.quarters_shown(sample.pixels) == shown
    is_on_its_side = matrix[0] == 0
    assert sample.pixels.shape == ((128, 64, 3) if is_on_its_side else (64, 128, 3))


@pytest.mark.parametrize(("degrees", "shown"), [(0, "rgbw"), (90, "gwrb"), (180, "wbgr"), (270, "brwg")])
@pytest.mark.parametrize("suffix", [".mov", ".mkv"])
def test_pictures_are_upright_by_what_the_encoder_was_told(
    tmp_path: Path, suffix: str, degrees: int, shown: str
) -> None:
    frames = [films.quarters(128, 64)] * 3
    path = films.encode(tmp_path / f"turned{suffix}", frames, codec="libx265", rotation=degrees)
    assert films.quarters_shown(samples(path)[0].pixels) == shown


@pytest.mark.parametrize(("degrees", "shown"), [(0, "rgbw"), (90, "gwrb"), (180, "wbgr")])
def test_film_of_photos_that_carry_notes_of_a_camera_is_upright(
    tmp_path: Path, degrees: int, shown: str
) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    picture = io.BytesIO()
    Image.fromarray(films.quarters(128, 64)).save(picture, "JPEG", exif=exif.tobytes())
    path = tmp_path / "camera.mov"
    with av.open(path, "w") as output:
        stream: Any = output.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuvj420p"
        stream.set_display_rotation(degrees)
        for number in range(3):
            packet = av.Packet(picture.getvalue())
            packet.stream, packet.pts, packet.dts = stream, number, number
            packet.time_base, packet.is_keyframe = Fraction(1, 10), True
            output.mux(packet)
    assert films.quarters_shown(samples(path)[0].pixels) == shown


def test_sliver_of_a_film_is_not_blown_up(tmp_path: Path) -> None:
    path = films.encode(tmp_path / "sliver.mkv", [films.quarters(4096, 16)] * 2)
    assert samples(path)[0].pixels.shape == (16, 4096, 3)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    ("aspect", "rotation", "shape"),
    [
        (Fraction(2), 0, (64, 144)),
        (Fraction(2), 90, (144, 64)),
        (Fraction(1, 2), 0, (114, 64)),
        (Fraction(16, 15), 0, (64, 77)),
    ],
)
def test_pixels_are_made_square(
    tmp_path: Path, suffix: str, aspect: Fraction, rotation: int, shape: tuple[int, int]
) -> None:
    frames = [films.quarters(72, 64)] * 2
    path = films.encode(tmp_path / f"wide{suffix}", frames, sample_aspect=aspect, rotation=rotation)
    assert samples(path)[0].pixels.shape[:2] == shape


@pytest.mark.parametrize("colorspace", [None, "bt601", "bt709"])
@pytest.mark.parametrize("color_range", [ColorRange.MPEG, ColorRange.JPEG])
def test_colors_are_the_photo_s(tmp_path: Path, colorspace: str | None, color_range: ColorRange) -> None:
    photo = resized(films.photo("astronaut"), 256, 256)
    path = films.encode(
        tmp_path / "colors.mp4",
        [photo] * 2,
        colorspace=colorspace,
        color_range=color_range,
        pixel_format="yuv444p",
        options={"qp": "10"},
    )
    assert mean_color_difference(shown_at(path, 256), photo) < 1.2


def test_unmarked_film_in_high_definition_is_taken_for_bt709(tmp_path: Path) -> None:
    photo = resized(films.photo("astronaut"), 1280, 536)
    path = films.encode(
        tmp_path / "unmarked.mp4",
        [photo] * 2,
        colorspace="bt709, unmarked",
        pixel_format="yuv444p",
        options={"qp": "10"},
    )
    assert mean_color_difference(shown_at(path, 536), photo) < 1.2


@pytest.mark.parametrize("name", GOPS)
def test_reading_on_from_any_sample_gives_what_reading_through_gives(tmp_path: Path, name: str) -> None:
    how = GOPS[name]
    path = films.encode(tmp_path / name, films.pan("astronaut", 90, width=96, height=64), **how)
    whole = samples(path)
    assert len(whole) in {9, 10}
    for first in range(1, len(whole) + 1):
        with reader(path) as film:
            assert identity(list(film.samples(first))) == identity(whole[first:])
            assert film.damaged_frames == 0


def test_film_joined_from_two_streams_is_read_to_its_end(tmp_path: Path) -> None:
    parts = [
        films.encode(tmp_path / f"{number}.ts", itertools.islice(films.numbered(60), number * 30, 60))
        for number in range(2)
    ]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    taken = samples(joined)
    assert [films.number_shown(sample.pixels) for sample in taken] == [0, 10, 20, 30, 40, 50, 30, 40, 50]
    assert identity(samples(joined, first=4)) == identity(taken[4:])


def test_bare_stream_without_a_clock_is_read_to_its_end(tmp_path: Path) -> None:
    path = films.encode(tmp_path / "bare.m2v", films.numbered(60), codec="mpeg2video", rate=25)
    with reader(path) as film:
        shown = [films.number_shown(sample.pixels) for sample in film.samples()]
        assert film.declared_seconds is None
        assert film.missing_seconds == film.damaged_frames == 0
    assert shown == [0, 25, 50]


def test_clock_that_leaps_by_hours_makes_no_hours_of_samples(tmp_path: Path) -> None:
    times = [0, 0.5, 1, 1.5, 50_000, 50_000.5, 50_001, 50_001.5]
    path = films.encode(tmp_path / "leap.mkv", films.numbered(len(times)), times=times)
    with reader(path) as film:
        shown = [films.number_shown(sample.pixels) for sample in film.samples()]
        assert film.damaged_frames == 1
    assert shown == pytest.approx([0, 2, 4, 6], abs=1)


BROKEN: dict[str, bytes] = {
    "empty.mp4": b"",
    "one-byte.mp4": b"\x00",
    "random.mp4": random.Random(1).randbytes(50_000),
    "header-only.mp4": struct.pack(">I4s4sI4s", 20, b"ftyp", b"isom", 512, b"isom"),
    "header-only.webm": bytes.fromhex("1a45dfa3a342868101"),
    "text.mp4": b"The quick brown fox jumps over the lazy dog.\n" * 200,
    "list.mp4": b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "concat.mp4": b"ffconcat version 1.0\nfile /etc/passwd\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_film_is_rejected_in_plain_words(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(BROKEN[name])
    with pytest.raises(RejectedInputError, match=r"not a video that can be opened|no moving pictures"):
        samples(path)


def test_photo_under_a_film_s_name_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "photo.mp4"
    Image.fromarray(films.photo("chelsea")).save(path, "JPEG")
    with pytest.raises(RejectedInputError, match="not a video"):
        samples(path)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_sound_alone_is_rejected(tmp_path: Path, suffix: str) -> None:
    path = films.sound_only(tmp_path / f"sound{suffix}", 2)
    with pytest.raises(RejectedInputError, match="only sound"):
        samples(path)


def test_cover_of_a_recording_is_no_film(tmp_path: Path) -> None:
    path = films.sound_with_cover(tmp_path / "album.mkv", 2)
    with pytest.raises(RejectedInputError, match="only sound"):
        samples(path)


def test_unknown_codec_is_rejected(tmp_path: Path) -> None:
    path = encode_numbered(tmp_path / "unknown.mp4")
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    with pytest.raises(RejectedInputError, match="coded in a way that cannot be decoded"):
        samples(path)


@pytest.mark.parametrize(
    "name",
    [
        "webm.mp4",
        "concat:a|b.mp4",
        "http:__x.mp4",
        "%03d.mp4",
        "emoji 🎬.mp4",
        "line\nbreak.mp4",
        "b\udcff.mp4",
        "-i",
    ],
)
def test_name_does_not_matter(tmp_path: Path, name: str) -> None:
    encoded = encode_numbered(tmp_path / "film.webm", codec="libvpx")
    assert len(samples(encoded.rename(tmp_path / name))) == 5


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("index-first.mp4", {"container_options": {"movflags": "faststart"}}),
        ("hevc.mp4", {"codec": "libx265", "container_options": {"movflags": "faststart"}}),
        ("vp8.webm", {"codec": "libvpx"}),
        ("vp8-with-sound.webm", {"codec": "libvpx", "sound_seconds": 9}),
        ("h264.mkv", {}),
        ("h264.flv", {}),
    ],
)
def test_film_cut_short_gives_what_it_has_and_tells_what_is_missing(
    tmp_path: Path, name: str, how: dict[str, Any]
) -> None:
    path = films.encode(tmp_path / name, films.pan("astronaut", 90), **how)
    whole = identity(samples(path))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with reader(path) as film:
        rest = identity(list(film.samples()))
        assert film.declared_seconds == pytest.approx(9, abs=0.1)
        assert film.missing_seconds == pytest.approx(9 - film.seconds, abs=0.5)
    assert 2 <= len(rest) <= 7
    assert rest[:-1] == whole[: len(rest) - 1]


def test_film_whose_index_is_cut_off_is_rejected(tmp_path: Path) -> None:
    path = encode_numbered(tmp_path / "index-last.mp4")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(RejectedInputError, match="its index is damaged or cut off"):
        samples(path)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("b.mp4", "libx265"), ("c.mp4", "libsvtav1"), ("d.ts", "libx264")],
)
def test_bit_rot_is_noticed_and_costs_no_more_than_the_frames_it_hits(
    tmp_path: Path, name: str, codec: str
) -> None:
    path = films.encode(tmp_path / name, films.pan("astronaut", 90), codec=codec, gop=20)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + len(content) // 30] = bytes(len(content) // 30)
    path.write_bytes(content)
    with reader(path) as film:
        taken = list(film.samples())
        assert len(taken) == 9
        assert film.damaged_frames > 0
    assert identity(samples(path)) == identity(taken)


@pytest.mark.parametrize("name", ["a.mp4", "b.webm", "c.mkv", "d.ts", "e.avi", "f.flv"])
def test_scattered_bit_rot_never_does_worse_than_a_rejection(tmp_path: Path, name: str) -> None:
    codec = {"b.webm": "libvpx", "e.avi": "mpeg4"}.get(name, "libx264")
    path = films.encode(tmp_path / name, films.pan("astronaut", 40, width=96, height=64), codec=codec)
    content = path.read_bytes()
    for seed in range(12):
        chance = random.Random(seed)
        rotten = bytearray(content)
        for _ in range(4 ** (seed % 4 + 1)):
            rotten[chance.randrange(len(rotten))] ^= 1 << chance.randrange(8)
        path.write_bytes(rotten)
        with contextlib.suppress(RejectedInputError), reader(path) as film:
            assert len(list(film.samples())) < 3700


class FailingFile(FilmFile):
    """A file on a medium that goes away after a while."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads > 3:
            raise OSError(errno.EIO, "Input/output error")
        return super().read(size)


def test_failing_medium_is_no_fault_of_the_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = films.encode(tmp_path / "film.mkv", films.pan("astronaut", 90, width=640, height=360))
    monkeypatch.setattr(video, "FilmFile", FailingFile)
    with pytest.raises(TransientError, match="cannot be read: Input/output error"):
        samples(path)


@pytest.mark.parametrize("name", ["film.mkv", "film.avi", "film.mp4", "film.ts"])
def test_film_ends_where_only_a_hole_follows(tmp_path: Path, name: str) -> None:
    codec = "mpeg4" if name == "film.avi" else "libx264"
    path = films.encode(tmp_path / name, films.pan("astronaut", 30), codec=codec)
    whole = identity(samples(path))
    os.truncate(path, 10**12)
    assert identity(samples(path)) == whole


def test_hole_in_the_middle_of_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "holes"
    with path.open("wb") as file:
        file.write(b"data")
        file.seek(1_000_000)
        file.write(b"more")
        file.truncate(3_000_000)
    with FilmFile(path) as film:
        content = film.read()
        assert 1_000_004 <= len(content) < 1_100_000
        assert content.rstrip(b"\0") == b"data".ljust(1_000_000, b"\0") + b"more"
        assert film.read(10) == b""
        film.seek(999_999)
        assert film.read(3) == b"\0mo"


def test_file_system_that_knows_of_no_holes_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "film"
    path.write_bytes(b"data")

    def refuse(*_: int) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "lseek", refuse)
    with FilmFile(path) as film:
        assert film.read() == b"data"


def test_missing_file_is_tried_again_later(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="No such file"):
        samples(tmp_path / "gone.mp4")


def test_nothing_is_printed_while_reading(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = encode_numbered(tmp_path / "film.mp4", container_options={"movflags": "faststart"})
    content = path.read_bytes()
    capfd.readouterr()
    samples(path)
    path.write_bytes(content[: len(content) * 2 // 3])
    samples(path)
    assert capfd.readouterr() == ("", "")


def resized(pixels: PixelArray, width: int, height: int) -> PixelArray:
    return np.asarray(Image.fromarray(pixels).resize((width, height)))


def shown_at(path: Path, short_side: int) -> PixelArray:
    with contextlib.closing(
        VideoReader(path, sample_interval_seconds=1, short_side_pixels=short_side)
    ) as film:
        return next(film.samples()).pixels
