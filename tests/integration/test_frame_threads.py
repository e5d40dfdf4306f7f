"""Films decoded several frames at once: the same samples as one at a time, damaged ones among them."""

import contextlib
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from mosaicd.media import video
from mosaicd.media.passage import Passage, threads_for
from mosaicd.media.streams import FilmFile, open_film
from mosaicd.media.video import Sample, VideoReader
from tests import films

FILMS: dict[str, dict[str, Any]] = {
    "b-frames.mp4": {"options": {"preset": "medium", "bf": "3"}, "gop": 45},
    "deep-b-frames.mkv": {"options": {"preset": "medium", "bf": "8", "refs": "6"}, "gop": 45},
    "open-gop.mkv": {"options": {"preset": "medium", "x264-params": "log-level=none:open-gop=1"}, "gop": 20},
    "refresh.mp4": {"options": {"preset": "medium", "x264-params": "log-level=none:intra-refresh=1"}},
    "slices.mp4": {"options": {"preset": "medium", "x264-params": "log-level=none:slices=4"}, "gop": 30},
    "stream.ts": {"options": {"preset": "medium", "bf": "3"}, "gop": 20},
    "stream.flv": {},
}
THREADS = [2, 3, 8]

Reading = tuple[list[tuple[int, int, bytes]], int, float]


def reader(path: Path) -> contextlib.closing[VideoReader]:
    return contextlib.closing(VideoReader(path, sample_interval_seconds=0.3, short_side_pixels=48))


def set_threads(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(video, "threads_for", lambda _stream: count)


def read(monkeypatch: pytest.MonkeyPatch, path: Path, *, threads: int, first: int = 0) -> Reading:
    """(samples, damaged frames, seconds) of a film, by so many threads."""
    set_threads(monkeypatch, threads)
    with reader(path) as film:
        taken = identity(list(film.samples(first)))
        return taken, film.damaged_frames, film.seconds


def identity(taken: list[Sample]) -> list[tuple[int, int, bytes]]:
    return [(sample.number, sample.presentation_us, sample.pixels.tobytes()) for sample in taken]


def encode(path: Path, **how: Any) -> Path:
    return films.encode(path, films.pan("rocket", 90), **how)


def note_threads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """By how many threads films are read from now on."""
    noted: list[int] = []

    class NotedPassage(Passage):
        def __init__(self, file: FilmFile, *, threads: int = 1) -> None:
            noted.append(threads)
            super().__init__(file, threads=threads)

    monkeypatch.setattr(video, "Passage", NotedPassage)
    return noted


def damaged(content: bytes, seed: int) -> bytes:
    """A film's bytes with a stretch of noise, flipped bits, or without its end; its index at the end is spared."""
    most = len(content) * 8 // 10
    chance = random.Random(seed)
    broken = bytearray(content)
    match seed % 3:
        case 0:
            start, length = chance.randrange(most - 3000), chance.choice([20, 300, 3000])
            broken[start : start + length] = chance.randbytes(len(broken[start : start + length]))
        case 1:
            for _ in range(chance.choice([3, 10, 60])):
                broken[chance.randrange(most // 10, most)] ^= 1 << chance.randrange(8)
        case _:
            del broken[chance.randrange(len(broken) // 2, len(broken)) :]
    return bytes(broken)


@pytest.mark.parametrize("name", FILMS)
def test_samples_are_the_same_with_any_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = encode(tmp_path / name, **FILMS[name])
    alone = read(monkeypatch, path, threads=1)
    assert len(alone[0]) == 30
    assert alone[1] == 0
    noted = note_threads(monkeypatch)
    for threads in THREADS:
        assert read(monkeypatch, path, threads=threads) == alone
        samples, *facts = read(monkeypatch, path, threads=threads, first=17)
        assert (samples, *facts) == (alone[0][17:], *alone[1:])
    assert min(noted) > 1  # no film that is whole needs care


@pytest.mark.parametrize("name", FILMS)
def test_damaged_films_give_what_reading_with_care_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = encode(tmp_path / name, **FILMS[name])
    content = path.read_bytes()
    told = 0
    for seed in range(18):
        path.write_bytes(damaged(content, seed))
        if seed % 3 == 2 and name.endswith(".mp4"):
            continue  # its index is gone
        alone = read(monkeypatch, path, threads=1)
        told += alone[1] > 0
        for threads in THREADS:
            assert read(monkeypatch, path, threads=threads) == alone
    assert told > 3


def test_samples_before_damage_are_given_once_and_passed_by_when_reading_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(tmp_path / "film.mp4", gop=20)
    content = bytearray(path.read_bytes())
    start = len(content) * 3 // 4
    content[start : start + 500] = bytes(500)
    path.write_bytes(content)
    set_threads(monkeypatch, 3)
    reports: list[int] = []
    film = VideoReader(
        path,
        sample_interval_seconds=0.3,
        short_side_pixels=48,
    )
    taken: list[int] = []
    with contextlib.closing(film):
        for sample in film.samples(report_reread=lambda: reports.append(len(taken))):
            taken.append(sample.number)
            assert (film.damaged_frames > 0) <= bool(reports)
    assert taken == list(range(30))
    assert 5 < len(reports) < 30
    assert set(reports) == {len(reports)}


def test_closing_a_film_while_threads_come_upon_damage_ends_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(tmp_path / "film.mkv", gop=90)
    content = bytearray(path.read_bytes())
    chance = random.Random(1)
    for _ in range(400):
        content[chance.randrange(len(content) // 3, len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    set_threads(monkeypatch, 8)
    begun = time.monotonic()
    for count in range(12):
        with contextlib.suppress(StopIteration), reader(path) as film:
            samples = film.samples()
            for _ in range(count):
                next(samples)
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize(
    ("codec", "size", "processors", "threads"),
    [
        ("libx264", (192, 108), 2, 2),
        ("libx264", (192, 108), 64, 8),
        ("libx264", (192, 108), 1, 1),
        ("libx264", (7680, 4320), 64, 3),
        ("mpeg4", (192, 108), 64, 1),
    ],
)
def test_threads_are_as_many_as_processors_and_memory_allow(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    codec: str,
    size: tuple[int, int],
    processors: int,
    threads: int,
) -> None:
    width, height = size
    frames = films.pan("rocket", 1, width=width, height=height)
    path = films.encode(tmp_path / "film.mp4", frames, codec=codec)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(processors)))
    with contextlib.closing(FilmFile(path)) as file:
        container, stream = open_film(file)
        with container:
            assert threads_for(stream) == threads
