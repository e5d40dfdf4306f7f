"""Films as phones record them: high dynamic range, Dolby Vision, held upright, in slow motion."""

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mosaicd.errors import RejectedInputError
from mosaicd.imaging import PixelArray
from mosaicd.media.video import Sample, VideoReader
from tests import films
from tests.high_range import VERSIONS, TilePlace, differences, splice

PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")
HLG = VERSIONS["HLG"]


def samples(path: Path, *, interval: float = 1, short_side: int = 64) -> list[Sample]:
    reader = VideoReader(path, sample_interval_seconds=interval, short_side_pixels=short_side)
    with contextlib.closing(reader):
        return list(reader.samples())


def journeys() -> Iterator[PixelArray]:
    for name in PHOTOS:
        yield from films.pan(name, 6, width=384, height=216)


# ---- High dynamic range


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[TilePlace, PixelArray]]:
    """The tiles that each version of one film gives."""
    folder = tmp_path_factory.mktemp("ranges")
    found = {}
    for name, version in VERSIONS.items():
        film = version.encode(folder / f"{name}.mp4", journeys(), rate=2, preset="ultrafast", crf=16)
        _, found[name] = splice(film, folder / f"{name}.sqlite3", interval_seconds=0.5)
    return found


@pytest.mark.parametrize("version", ["HLG", "PQ"])
def test_tiles_of_a_film_in_high_range_are_those_of_the_same_film_without(
    tiles: dict[str, dict[TilePlace, PixelArray]], version: str
) -> None:
    expected = tiles["SDR, H.264"]
    found = differences(expected, tiles[version])
    assert len(found) > 0.9 * len(expected) > 30
    assert np.mean(list(found.values())) < 2  # 7 and 13 if they are shown as they are stored
    assert max(found.values()) < 4


def test_same_film_in_another_codec_gives_the_same_tiles(
    tiles: dict[str, dict[TilePlace, PixelArray]],
) -> None:
    assert max(differences(tiles["SDR, H.264"], tiles["SDR, HEVC"]).values()) < 2


# ---- Dolby Vision


def mark_as_dolby_vision(path: Path, *, profile: int, compatibility: int) -> None:
    """Let a film say that it is in Dolby Vision, as phones do: a box at the end of the track's description."""
    content = path.read_bytes()
    box = struct.pack(">I4sBBHB19x", 32, b"dvvC", 1, 0, (profile << 9) | (6 << 3) | 0b101, compatibility << 4)
    entry = content.index(b"hev1") - 4
    (length,) = struct.unpack_from(">I", content, entry)
    marked = bytearray(content[: entry + length] + box + content[entry + length :])
    assert content.index(b"mdat") < content.index(b"moov"), "the frames must not move"
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"hev1"):
        place = marked.index(name, content.index(b"moov")) - 4
        struct.pack_into(">I", marked, place, struct.unpack_from(">I", marked, place)[0] + len(box))
    path.write_bytes(marked)


def test_film_in_dolby_vision_on_top_of_hlg_is_shown_as_its_hlg(tmp_path: Path) -> None:
    path = HLG.encode(tmp_path / "phone.mov", journeys(), preset="ultrafast", crf=20)
    before = [sample.pixels.tobytes() for sample in samples(path)]
    mark_as_dolby_vision(path, profile=8, compatibility=4)
    assert [sample.pixels.tobytes() for sample in samples(path)] == before


def test_film_whose_colours_only_dolby_vision_knows_is_rejected_in_plain_words(tmp_path: Path) -> None:
    path = films.encode(tmp_path / "film.mp4", journeys(), codec="libx265", pixel_format="yuv420p10le")
    mark_as_dolby_vision(path, profile=5, compatibility=0)
    with pytest.raises(RejectedInputError, match=r"as Dolby Vision alone .* export it as HDR10, HLG or"):
        samples(path)


# ---- Held upright, in slow motion


def test_film_of_a_phone_held_upright_is_upright_and_in_its_colours(tmp_path: Path) -> None:
    frames = [films.quarters(128, 64)] * 3
    path = HLG.encode(tmp_path / "portrait.mov", frames, preset="ultrafast", crf=20, rotation=270)
    (sample,) = samples(path)
    assert sample.pixels.shape == (128, 64, 3)
    assert films.quarters_shown(sample.pixels) == "brwg"


def test_slow_motion_is_sampled_by_when_it_is_shown(tmp_path: Path) -> None:
    """A moment in 240 frames a second between others in 30, the first half second cut off by the phone's editor."""
    times = [
        *(number / 30 for number in range(60)),
        *(2 + number / 240 for number in range(120)),
        *(2.5 + number / 30 for number in range(45)),
    ]
    path = films.encode(
        tmp_path / "slow.mov",
        films.numbered(len(times)),
        times=times,
        start_seconds=-0.5,
        codec="libx265",
        gop=240,
    )
    taken = samples(path, interval=0.5)
    shown = [films.number_shown(sample.pixels) for sample in taken]
    moments = [0.5 + 0.5 * sample.number for sample in taken]
    expected = [
        max(number for number, time in enumerate(times) if time <= moment + 1e-6) for moment in moments
    ]
    assert len(taken) == 7
    assert shown == expected
