"""Files that every reader must survive, made here: cut, empty, mislabelled, misshapen, of unusual kinds."""

import random
import struct
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image

from tests import films

_FRAMES = 40
_SIZE = {"width": 96, "height": 64}


def make_broken_files(folder: Path) -> list[Path]:
    """Make one file of each kind in `folder`, which is empty; each is named for what is wrong with it."""
    _make_broken_films(folder)
    _make_broken_photos(folder)
    for name, content in {
        "empty.mp4": b"",
        "one-byte.mp4": b"\0",
        "random-bytes.mp4": random.Random(1).randbytes(50_000),
        "header-only.mp4": struct.pack(">I4s4sI4s", 20, b"ftyp", b"isom", 512, b"isom"),
        "header-only.webm": bytes.fromhex("1a45dfa3a342868101"),
        "header-only.jpg": b"\xff\xd8\xff\xe0",
        "text.mp4": b"The quick brown fox jumps over the lazy dog.\n" * 200,
        "picture.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "document.pdf": b"%PDF-1.7\n" + bytes(2000),
    }.items():
        (folder / name).write_bytes(content)
    return sorted(folder.iterdir())


def claiming_size(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says to be of this size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(bytes(100))
    chunks = [
        struct.pack(">I", len(chunk) - 4) + chunk + _checksum(chunk) for chunk in (header, data, b"IEND")
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _checksum(chunk: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(chunk))


def _film(path: Path, **how: Any) -> Path:
    return films.encode(path, films.pan("astronaut", _FRAMES, **_SIZE), **how)


def _make_broken_films(folder: Path) -> None:
    index_first = {"container_options": {"movflags": "faststart"}}
    _cut(_film(folder / "cut-index-first.mp4", **index_first))
    _cut(_film(folder / "cut-index-last.mp4"))
    _cut(_film(folder / "cut.webm", codec="libvpx"))
    _rot(_film(folder / "bit-rot.mp4", **index_first))
    _film(folder / "film.webm", codec="libvpx").rename(folder / "webm-named.mp4")
    films.sound_only(folder / "sound-only.mp4", 2)
    films.encode(folder / "sixteen-pixels.mp4", films.numbered(20, width=16, height=16))
    films.encode(folder / "fifth-of-a-second.mp4", films.numbered(2))
    times = [0, 0.1, 0.5, 3.9, 4.0, 9.7, 9.8]
    films.encode(folder / "variable-frame-rate.mp4", films.numbered(len(times)), times=times)
    _film(folder / "ten-bit.mp4", codec="libx265", pixel_format="yuv420p10le")
    _film(folder / "hevc.mp4", codec="libx265")
    _film(folder / "av1.mp4", codec="libsvtav1")
    _film(folder / "wide-pixels.mkv", sample_aspect=Fraction(4, 3))


def _make_broken_photos(folder: Path) -> None:
    photo = Image.fromarray(films.photo("chelsea"))
    for suffix, kind in {"jpg": "JPEG", "png": "PNG", "heic": "HEIF", "webp": "WEBP", "tif": "TIFF"}.items():
        photo.save(folder / f"cut.{suffix}", kind)
        _cut(folder / f"cut.{suffix}")
    photo.save(folder / "photo-named.mp4", "JPEG")
    (folder / "thirty-thousand-pixels-square.png").write_bytes(claiming_size(30_000, 30_000))


def _cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _rot(path: Path) -> None:
    content = bytearray(path.read_bytes())
    chance = random.Random(2)
    for _ in range(100):
        content[chance.randrange(len(content) // 4, len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
