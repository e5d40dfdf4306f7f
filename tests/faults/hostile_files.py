"""Files made to do harm: bombs, liars, two things at once, each with what is to come of it."""

import io
import itertools
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image, ImageCms

from tests import films
from tests.faults.broken_files import claiming_size

DONE = "done"
TOO_MUCH = r"it needs more memory than the \d+ MB that a worker may take \(setting worker_memory_limit"
TOO_LARGE = r"more than the limit of 300,000,000 pixels \(setting photo_pixels_limit\)"
UNUSUAL = r"the photo is (damaged, or of an unusual kind that cannot be read|cut short)"
NO_KIND = "it is neither a photo nor a video"
_SIZE = {"width": 96, "height": 64}
_KEY = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "1f" * 16, "encryption_kid": "2e" * 16}

Maker = Callable[[Path], object]


def _photo() -> Image.Image:
    return Image.fromarray(films.photo("coffee")).resize((160, 100))


def _jpeg() -> bytes:
    buffer = io.BytesIO()
    _photo().save(buffer, "JPEG")
    return buffer.getvalue()


def _archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("run.sh", "rm -rf /")
    return buffer.getvalue()


def _jpeg_and_archive(path: Path) -> None:
    path.write_bytes(_jpeg() + _archive())


def _gif_and_archive(path: Path) -> None:
    _photo().save(path, "GIF")
    path.write_bytes(path.read_bytes() + _archive())


def _page_in_a_film(path: Path) -> None:
    film = films.encode(path, films.pan("astronaut", 20, **_SIZE)).read_bytes()
    page = b"<html><script>alert(1)</script></html>"
    path.write_bytes(film + struct.pack(">I4s", len(page) + 8, b"free") + page)


def _saved(kind: str, **options: Any) -> Maker:
    return lambda path: _photo().save(path, kind, **options)


def _exif_that_lies() -> bytes:
    """A camera's name of a gigabyte, and a directory that leads to itself."""
    entries = struct.pack("<HHII", 0x010F, 2, 1 << 30, 8) + struct.pack("<HHII", 0x8769, 4, 1, 8)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + struct.pack("<I", 8)


def _profile_that_unpacks_to(count: int) -> Maker:
    def make(path: Path) -> None:
        _photo().save(path, "PNG")
        content = path.read_bytes()
        chunk = b"iCCPbomb\0\0" + zlib.compress(bytes(count), 9)
        profile = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        path.write_bytes(content[:33] + profile + content[33:])

    return make


def _large_profile() -> bytes:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile + np.random.default_rng(1).bytes(10_000_000)


def _line(width: int, height: int) -> Maker:
    rows = np.resize(np.array([[200, 30, 30], [30, 200, 30], [30, 30, 200]], np.uint8), (100_000, 3))
    return lambda path: Image.fromarray(rows.reshape(height, width, 3)).save(path, "PNG")


def _of_many_pictures(kind: str, count: int) -> Maker:
    pictures = [Image.new("RGB", (8, 8), (number % 256, 40, 90)) for number in range(count)]
    return lambda path: pictures[0].save(path, kind, save_all=True, append_images=pictures[1:], duration=20)


def _bomb(path: Path) -> None:
    """A PNG of half a megabyte that unpacks to 576 MB of pixels as Pillow holds them."""
    path.write_bytes(claiming_size(12_000, 12_000))
    packer = zlib.compressobj(1)
    row = b"\0" + bytes(3 * 12_000)
    data = b"IDAT" + b"".join(packer.compress(row) for _ in range(12_000)) + packer.flush()
    head = path.read_bytes()[:33]
    end = struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND"))
    path.write_bytes(
        head + struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data)) + end
    )


def _tiff(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    packed = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + packed + struct.pack("<I", following)


def _tiff_of(width: int, height: int, *, compression: int, following: int = 0) -> bytes:
    return _tiff(
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, compression),
        (262, 3, 1, 1),
        (273, 4, 1, 200),
        (277, 3, 1, 1),
        (278, 4, 1, height),
        (279, 4, 1, 1000),
        following=following,
    )


def _tiff_that_leads_to_itself(path: Path) -> None:
    head = _tiff_of(40, 25, compression=1, following=8)
    path.write_bytes(head.ljust(200, b"\0") + bytes(range(250)) * 4)


def _tiff_bomb(path: Path) -> None:
    head = _tiff_of(25_000, 25_000, compression=8)
    path.write_bytes(head.ljust(200, b"\0") + zlib.compress(bytes(625_000_000 // 100), 1))


def _photoshop_bomb(path: Path) -> None:
    path.write_bytes(b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 30_000, 30_000, 8, 3) + bytes(14))


def _film(**how: Any) -> Maker:
    return lambda path: films.encode(path, films.pan("astronaut", 30, **_SIZE), **how)


def _film_that_counts_a_billion_frames(path: Path) -> None:
    """Its sample table says that each of a billion frames has the same size, and lasts as long."""
    content = bytearray(films.encode(path, films.pan("astronaut", 30, **_SIZE)).read_bytes())
    sizes, times = content.index(b"stsz"), content.index(b"stts")
    content[sizes + 8 : sizes + 16] = struct.pack(">II", 100, 10**9)
    content[times + 12 : times + 16] = struct.pack(">I", 10**9)
    path.write_bytes(content)


def _film_that_says_to_last_years(path: Path) -> None:
    content = bytearray(films.encode(path, films.pan("astronaut", 30, **_SIZE)).read_bytes())
    for mark in (b"mvhd", b"mdhd"):
        place = content.index(mark)
        content[place + 20 : place + 24] = struct.pack(">I", 2**31 - 1)
    path.write_bytes(content)


def _film_of_two_sizes(path: Path) -> None:
    parts = []
    for size in ({"width": 96, "height": 64}, {"width": 320, "height": 240}):
        part = films.encode(path, films.pan("chelsea", 20, **size))
        parts.append(part.read_bytes())
    path.write_bytes(b"".join(parts))


def _film_with_a_leaping_clock(path: Path) -> None:
    times = [0, 0.5, 1, 90_000, 90_000.5, 90_001]
    films.encode(path, films.pan("astronaut", len(times), **_SIZE), times=times)


def _film_whose_clock_goes_back(path: Path) -> None:
    frames = list(films.pan("astronaut", 60, **_SIZE))
    parts = [
        films.encode(
            path, itertools.islice(frames, 30 * part, 30 * part + 30), start_seconds=start
        ).read_bytes()
        for part, start in ((0, 20_000), (1, 5))
    ]
    path.write_bytes(b"".join(parts))


def _film_of_huge_frames(path: Path) -> None:
    """A still of 16,000 x 16,000 pixels in 12 kB."""
    with av.open(path, "w", format="mov") as output:
        stream = output.add_stream("png", rate=1)
        assert isinstance(stream, av.VideoStream)
        stream.width = stream.height = 64
        stream.pix_fmt = "rgb24"
        for packet in stream.encode(
            av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        ):
            output.mux(packet)
        output.mux(stream.encode(None))
    content = path.read_bytes()
    place = content.index(b"IHDR")
    header = b"IHDR" + struct.pack(">II", 16_000, 16_000) + content[place + 12 : place + 17]
    path.write_bytes(content[:place] + header + struct.pack(">I", zlib.crc32(header)) + content[place + 21 :])


def _hollow(head: bytes) -> Maker:
    def make(path: Path) -> None:
        path.write_bytes(head)
        with path.open("r+b") as file:
            file.truncate(10**12)

    return make


HOSTILE: dict[str, tuple[Maker, str]] = {
    "jpeg-and-zip.jpg": (_jpeg_and_archive, DONE),
    "gifar.gif": (_gif_and_archive, DONE),
    "page-in-film.mp4": (_page_in_a_film, DONE),
    "exif-of-40-mb.png": (_saved("PNG", exif=b"Exif\0\0II*\0" + bytes(40_000_000)), DONE),
    "exif-of-40-mb.webp": (_saved("WEBP", exif=b"Exif\0\0II*\0" + bytes(40_000_000)), DONE),
    "exif-that-lies.jpg": (_saved("JPEG", exif=_exif_that_lies()), DONE),
    "profile-bomb.png": (_profile_that_unpacks_to(200_000_000), UNUSUAL),
    "profile-of-10-mb.jpg": (_saved("JPEG", icc_profile=_large_profile()), DONE),
    "tall.png": (_line(1, 100_000), DONE),
    "wide.png": (_line(100_000, 1), DONE),
    "many-pictures.gif": (_of_many_pictures("GIF", 3000), DONE),
    "many-pictures.png": (_of_many_pictures("PNG", 3000), DONE),
    "many-pictures.webp": (_of_many_pictures("WEBP", 500), DONE),
    "bomb.png": (_bomb, TOO_MUCH),
    "claims-900-megapixels.png": (lambda path: path.write_bytes(claiming_size(30_000, 30_000)), TOO_LARGE),
    "bomb.tif": (_tiff_bomb, TOO_LARGE),
    "leads-to-itself.tif": (_tiff_that_leads_to_itself, DONE),
    "bomb.psd": (_photoshop_bomb, TOO_LARGE),
    "script.svg": (lambda path: path.write_text("<svg onload='alert(1)'/>"), NO_KIND),
    "letter.pdf": (lambda path: path.write_bytes(b"%PDF-1.7\n" + bytes(999)), NO_KIND),
    "hollow-terabyte.jpg": (_hollow(_jpeg()), "more than a photo of at most 300,000,000 pixels takes up"),
    "hollow-terabyte.mkv": (_hollow(b"\x1aE\xdf\xa3 a film"), r"1,000\.0 GB, more than the limit of 200 GB"),
    "billion-frames.mp4": (_film_that_counts_a_billion_frames, "no frame of this video could be decoded"),
    "lasts-years.mp4": (_film_that_says_to_last_years, DONE),
    "negative-times.mp4": (_film(start_seconds=-1), DONE),
    "leaping-clock.mkv": (_film_with_a_leaping_clock, DONE),
    "clock-goes-back.ts": (_film_whose_clock_goes_back, DONE),
    "two-sizes.ts": (_film_of_two_sizes, DONE),
    "huge-frames.mov": (_film_of_huge_frames, TOO_MUCH),
    "encrypted.mp4": (_film(container_options=_KEY), "this video is encrypted"),
}
"""How each file is made, and how it is to end: done, or with a reason like this."""
