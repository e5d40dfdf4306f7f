"""Garbage, in small: a short version of `tests.faults.garbage`, with films and photos made here."""

from pathlib import Path

import pytest
from PIL import Image

from tests import films
from tests.faults.garbage import SETTINGS, drop_broken_files, drop_mutations, feed, report, understandable
from tests.faults.workplace import furnished

MUTATIONS = 60


def small_originals(folder: Path) -> dict[str, list[bytes]]:
    """A photo or film of each kind, by kind."""
    folder.mkdir()
    photo = Image.fromarray(films.photo("chelsea")).resize((160, 106))
    for suffix, kind in {"jpg": "JPEG", "png": "PNG", "heic": "HEIF", "webp": "WEBP", "tif": "TIFF"}.items():
        photo.save(folder / f"a.{suffix}", kind)
    size = {"width": 96, "height": 64}
    films.encode(folder / "a.mp4", films.pan("astronaut", 40, **size))
    films.encode(folder / "a.webm", films.pan("astronaut", 40, **size), codec="libvpx")
    films.encode(folder / "a.ogv", films.pan("astronaut", 40, **size), codec="libvpx", container="ogg")
    return {path.suffix[1:]: [path.read_bytes()] for path in sorted(folder.iterdir())}


def test_whatever_is_dropped_is_done_or_refused_in_plain_words(tmp_path: Path) -> None:
    daemon = furnished(tmp_path, **SETTINGS)
    drop_broken_files(daemon, tmp_path / "broken")
    drop_mutations(daemon, small_originals(tmp_path / "originals"), count=MUTATIONS, seed=1)
    dropped = sum(not path.is_dir() for path in daemon.inbox.rglob("*"))
    findings = feed(daemon)
    assert findings.complaints == [], "\n".join(report(findings))
    assert sum(findings.ends.values()) == dropped > MUTATIONS
    assert {"done", "rejected", "ignored"} == {end for _, end in findings.ends}


@pytest.mark.parametrize(
    "reason",
    [
        "the photo is cut short: a part of it is missing",
        "the photo has 30000 x 30000 pixels, more than the limit (setting photo_pixels_limit)",
        "it needs more memory than the 4,096 MB that a worker may take (setting worker_memory_limit_megabytes)",
    ],
)
def test_reasons_for_people_pass(reason: str) -> None:
    assert understandable(reason)


@pytest.mark.parametrize(
    "reason",
    [
        "the program failed at this file: KeyError: 'x'",
        "the photo is damaged ('NoneType' object is not subscriptable)",
        "cannot identify image file <_io.BytesIO at 0x7f>",
        "[Errno 22] Invalid argument: 'film.mp4'",
        "unpack requires a buffer of 4 bytes",
        "the photo is damaged (broken PNG file (chunk b'b'))",
        "the photo is damaged\nin two lines of text",
        "damaged",
    ],
)
def test_reasons_for_programmers_do_not_pass(reason: str) -> None:
    assert not understandable(reason)
