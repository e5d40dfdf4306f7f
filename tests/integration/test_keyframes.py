"""Films whose keyframes are as dense as sampling moments are read by those alone: as many samples, less work."""

import contextlib
import math
import random
import struct
from pathlib import Path
from typing import Any

import pytest

from mosaicd.media import video
from mosaicd.media.keyframes import dense_keyframes
from mosaicd.media.streams import FilmFile, open_film
from mosaicd.media.video import Sample, VideoReader
from tests import films

FRAMES, RATE, GOP = 63, 10, 10

DENSE: dict[str, dict[str, Any]] = {
    "h264.mp4": {},
    "b-frames.mp4": {"options": {"preset": "medium", "bf": "3"}},
    "open-gop.mkv": {"options": {"preset": "medium", "x264-params": "log-level=none:open-gop=1"}},
    "hevc.mp4": {"codec": "libx265"},
    "open-gop-hevc.mp4": {
        "codec": "libx265",
        "options": {"preset": "fast", "x265-params": "log-level=none:open-gop=1:keyint=10:min-keyint=10"},
    },
    "vp8.webm": {"codec": "libvpx"},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "av1.mp4": {"codec": "libsvtav1"},
    "starting-late.mp4": {"start_seconds": 7},
    "starting-late.mkv": {"start_seconds": 7},
    "fragments.mp4": {"container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "rotated.mov": {"rotation": 180},
    "sound-longer.mp4": {"sound_seconds": 9},
}
SPARSE: dict[str, dict[str, Any]] = {
    "far-apart.mp4": {"gop": 20},
    "far-apart.mkv": {"gop": 20},
    "stream.ts": {},
    "bare.flv": {},
    "no-index.webm": {"codec": "libvpx", "container_options": {"live": "1"}},
    "no-index.mkv": {"container_options": {"live": "1"}},
    "refresh.mp4": {
        "options": {"preset": "medium", "x264-params": "log-level=none:intra-refresh=1:keyint=8"},
    },
}
UNEVEN = [index * 0.1 + (0.04 if index % 3 else 0) for index in range(FRAMES)]


def encode(path: Path, **how: Any) -> Path:
    return films.encode(path, films.numbered(FRAMES), rate=RATE, **{"gop": GOP} | how)


def reader(path: Path, *, interval: float = 1) -> contextlib.closing[VideoReader]:
    return contextlib.closing(VideoReader(path, sample_interval_seconds=interval, short_side_pixels=64))


def samples(path: Path, *, interval: float = 1, first: int = 0) -> list[Sample]:
    with reader(path, interval=interval) as film:
        return list(film.samples(first))


def identity(taken: list[Sample]) -> list[tuple[int, int, bytes]]:
    return [(sample.number, sample.presentation_us, sample.pixels.tobytes()) for sample in taken]


def suffice(path: Path, *, interval: float = 1) -> bool:
    with contextlib.closing(FilmFile(path)) as file:
        container, stream = open_film(file)
        with container:
            return dense_keyframes(container, stream, interval_seconds=interval) is not None


def decode_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "dense_keyframes", lambda *_, **__: None)


@pytest.mark.parametrize("name", DENSE)
def test_keyframes_alone_give_as_many_samples_as_all_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = encode(tmp_path / name, **DENSE[name])
    assert suffice(path)
    with reader(path, interval=1.2) as film:
        taken = list(film.samples())
        facts = film.damaged_frames, film.seconds, film.missing_seconds
    # x265 without B-pictures before its first keyframe begins its second group a frame early
    moments = [sample.number * 1.2 for sample in taken]
    ages = [moment - sample.presentation_us / 1e6 for moment, sample in zip(moments, taken, strict=True)]
    assert all(-0.001 <= age < 1.01 for age in ages)
    decode_all(monkeypatch)
    with reader(path, interval=1.2) as film:
        assert len(list(film.samples())) == len(taken) == math.ceil(FRAMES / RATE / 1.2)
        assert facts == pytest.approx((0, film.seconds, film.missing_seconds), abs=0.002)


@pytest.mark.parametrize("name", ["h264.mp4", "vp8.webm", "rotated.mov"])
def test_each_sample_is_the_last_keyframe_at_its_moment(tmp_path: Path, name: str) -> None:
    taken = samples(encode(tmp_path / name, **DENSE[name]))
    turn = -1 if "rotated" in name else 1
    shown = [films.number_shown(sample.pixels[::turn, ::turn]) for sample in taken]
    assert shown == [0, 10, 20, 30, 40, 50, 60]
    assert [sample.presentation_us for sample in taken] == [number * 100_000 for number in shown]


@pytest.mark.parametrize("name", DENSE)
def test_reading_on_from_any_sample_gives_what_reading_through_gives(tmp_path: Path, name: str) -> None:
    path = encode(tmp_path / name, **DENSE[name])
    whole = identity(samples(path, interval=1.1))
    for first in range(1, len(whole) + 1):
        assert identity(samples(path, interval=1.1, first=first)) == whole[first:]


@pytest.mark.parametrize("name", SPARSE)
def test_film_without_dense_keyframes_or_an_index_is_decoded_in_full(tmp_path: Path, name: str) -> None:
    path = encode(tmp_path / name, **SPARSE[name])
    assert not suffice(path)
    shown = [films.number_shown(sample.pixels) for sample in samples(path, interval=1.3)]
    assert shown == [0, 13, 26, 39, 52]


def test_keyframes_hardly_farther_apart_than_moments_suffice(tmp_path: Path) -> None:
    path = encode(tmp_path / "film.mp4")
    assert suffice(path, interval=0.96)
    assert not suffice(path, interval=0.94)
    shown = [films.number_shown(sample.pixels) for sample in samples(path, interval=0.96)]
    assert shown == [0, 0, 10, 20, 30, 40, 50]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_frames_of_uneven_length_are_sampled_by_keyframes_too(tmp_path: Path, suffix: str) -> None:
    path = encode(tmp_path / f"uneven{suffix}", times=UNEVEN)
    assert suffice(path)
    assert [films.number_shown(sample.pixels) for sample in samples(path)] == [0, 0, 10, 30, 30, 40, 60]


def test_gap_in_the_middle_or_at_the_end_is_decoded_in_full(tmp_path: Path) -> None:
    assert suffice(encode(tmp_path / "even.mp4"))
    middle = [index / RATE + (2 if index > 35 else 0) for index in range(FRAMES)]
    assert not suffice(encode(tmp_path / "middle.mp4", times=middle))
    end = [index / RATE + (2 if index > 61 else 0) for index in range(FRAMES)]
    assert not suffice(encode(tmp_path / "end.mp4", times=end))


def test_film_with_its_beginning_cut_off_within_a_group_is_sampled_as_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(tmp_path / "trimmed.mp4", start_seconds=-1.5)
    taken = samples(path)
    decode_all(monkeypatch)
    assert [sample.number for sample in taken] == [sample.number for sample in samples(path)]


def packets(path: Path) -> list[tuple[bool, Any, int]]:
    """(whether it is a keyframe, where it lies, its size), of each frame."""
    with contextlib.closing(FilmFile(path)) as file:
        container, stream = open_film(file)
        with container:
            return [(each.is_keyframe, each.pos, each.size) for each in container.demux(stream) if each.size]


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_damaged_keyframe_is_told_and_the_film_read_by_all_its_frames_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str
) -> None:
    path = encode(tmp_path / "film.mp4", codec=codec)
    whole = identity(samples(path))
    content = bytearray(path.read_bytes())
    _, position, size = [each for each in packets(path) if each[0]][3]
    content[position : position + size] = bytes(size)
    path.write_bytes(content)
    with reader(path) as film:
        taken = identity(list(film.samples()))
        damaged_frames = film.damaged_frames
    assert taken[:3] == whole[:3]
    assert identity(samples(path, first=2)) == taken[2:]
    decode_all(monkeypatch)
    with reader(path) as film:
        assert identity(list(film.samples()))[3:] == taken[3:]
        assert film.damaged_frames == damaged_frames > 0


def with_sync_samples(path: Path, *, numbers: list[int]) -> Path:
    """The film, made to say that its keyframes are these, counted from 1; if none are given, that all are."""
    content = bytearray(path.read_bytes())
    start = content.index(b"stss")  # ISO/IEC 14496-12, 8.6.2: version, count, numbers
    if numbers:
        assert struct.unpack_from(">I", content, start + 8) == (len(numbers),)
        struct.pack_into(f">{len(numbers)}I", content, start + 12, *numbers)
    else:
        content[start : start + 4] = b"free"
    path.write_bytes(content)
    return path


def test_film_whose_index_calls_every_frame_a_keyframe_is_decoded_in_full(tmp_path: Path) -> None:
    path = with_sync_samples(encode(tmp_path / "film.mp4"), numbers=[])
    assert not suffice(path)
    assert [films.number_shown(sample.pixels) for sample in samples(path)] == [0, 10, 20, 30, 40, 50, 60]


def test_film_in_whose_index_one_keyframe_is_none_is_decoded_in_full_from_there(tmp_path: Path) -> None:
    path = with_sync_samples(encode(tmp_path / "film.mp4"), numbers=[1, 11, 21, 31, 45, 51, 61])
    assert suffice(path, interval=1.2)
    with reader(path, interval=1.2) as film:
        taken = list(film.samples())
        assert film.damaged_frames == 1  # so that, once interrupted, it is read from its beginning again
    assert [films.number_shown(sample.pixels) for sample in taken] == [0, 10, 20, 30, 48, 60]


def test_damage_between_keyframes_does_no_harm(tmp_path: Path) -> None:
    path = encode(tmp_path / "film.mp4")
    whole = identity(samples(path))
    content = bytearray(path.read_bytes())
    for is_keyframe, position, size in packets(path):
        if not is_keyframe:
            content[position : position + size] = random.Random(position).randbytes(size)
    path.write_bytes(content)
    with reader(path) as film:
        assert identity(list(film.samples())) == whole
        assert film.damaged_frames == 0


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
def test_film_cut_short_tells_what_is_missing(tmp_path: Path, name: str) -> None:
    how: dict[str, Any] = {"container_options": {"movflags": "faststart"}} if name == "film.mp4" else {}
    path = films.encode(tmp_path / name, films.pan("astronaut", FRAMES), gop=GOP, **how)
    whole = identity(samples(path))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with reader(path) as film:
        rest = identity(list(film.samples()))
        assert film.missing_seconds == pytest.approx(FRAMES / RATE - film.seconds, abs=0.2)
        assert 2 < film.missing_seconds < 5
    assert rest[:-1] == whole[: len(rest) - 1]
