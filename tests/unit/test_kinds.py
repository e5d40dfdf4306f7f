"""Photo or video, by what a file begins with."""

import os
import struct
from pathlib import Path

import pytest

from mosaicd.media.kinds import MediaKind, kind_of_head, media_kind
from tests import films

TRANSPORT_PACKET = b"\x47" + bytes(187)
QUICKTIME = struct.pack(">I4s", 8, b"wide") + struct.pack(">I4s", 5000, b"mdat")

PHOTOS = {
    "JPEG": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "PNG": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    "GIF": b"GIF89a\x10\x00",
    "little-endian TIFF": b"II*\x00\x08\x00\x00\x00",
    "big-endian TIFF": b"MM\x00*\x00\x00\x00\x08",
    "BigTIFF": b"II+\x00\x08\x00\x00\x00",
    "WebP": b"RIFF\x10\x00\x00\x00WEBPVP8 ",
    "HEIC": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00",
    "HEIF": b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00",
    "AVIF": b"\x00\x00\x00\x18ftypavif\x00\x00\x00\x00",
    "BMP": b"BM" + struct.pack("<IHHII", 5000, 0, 0, 54, 40),
    "JPEG 2000": b"\x00\x00\x00\x0cjP  \r\n\x87\n",
    "PPM": b"P6\n640 480\n255\n",
}
VIDEOS = {
    "MP4": b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00",
    "QuickTime": b"\x00\x00\x00\x14ftypqt  \x00\x00\x02\x00",
    "QuickTime without a brand": QUICKTIME,
    "3GP": b"\x00\x00\x00\x18ftyp3gp4\x00\x00\x00\x00",
    "Matroska": b"\x1aE\xdf\xa3\x01\x00\x00\x00",
    "Ogg": b"OggS\x00\x02",
    "AVI": b"RIFF\x10\x00\x00\x00AVI LIST",
    "Flash": b"FLV\x01\x05",
    "program stream": b"\x00\x00\x01\xba\x44",
    "transport stream": TRANSPORT_PACKET * 5,
    "short transport stream": TRANSPORT_PACKET * 2,
    "camcorder": (b"\x00\x00\x12\x34" + TRANSPORT_PACKET) * 5,
}
NEITHER = {
    "nothing": b"",
    "a byte": b"\x00",
    "PDF": b"%PDF-1.7\n",
    "sound in MP4": b"\x00\x00\x00\x18ftypM4A \x00\x00\x02\x00",
    "raw photo": b"\x00\x00\x00\x18ftypcrx \x00\x00\x00\x00",
    "sound in RIFF": b"RIFF\x10\x00\x00\x00WAVEfmt ",
    "text about freedom": b"The free press is a public good, and so on.\n" * 20,
    "text with a G in the wrong place": b"G" + b"a" * 187 + b"G" + b"a" * 900,
    "text that begins as BMP does": b"BM: the annual report of the Bohemian Museum\n",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "TOML": b"[library]\ncells_on_long_side = 96\n",
    "zeros": bytes(1024),
}


@pytest.mark.parametrize("name", PHOTOS)
def test_photo_is_known_by_its_beginning(name: str) -> None:
    assert kind_of_head(PHOTOS[name].ljust(64, b"\0")) is MediaKind.PHOTO


@pytest.mark.parametrize("name", VIDEOS)
def test_video_is_known_by_its_beginning(name: str) -> None:
    assert kind_of_head(VIDEOS[name]) is MediaKind.VIDEO


@pytest.mark.parametrize("name", NEITHER)
def test_anything_else_is_neither(name: str) -> None:
    assert kind_of_head(NEITHER[name]) is MediaKind.UNKNOWN


@pytest.mark.parametrize("cut", range(24))
def test_beginning_cut_short_breaks_nothing(cut: int) -> None:
    for head in (PHOTOS | VIDEOS | NEITHER).values():
        assert kind_of_head(head[:cut]) in MediaKind


@pytest.mark.parametrize(
    "suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi", ".flv", ".wmv", ".ts", ".mpg", ".ogg"]
)
def test_what_is_written_under_any_name_is_a_video(tmp_path: Path, suffix: str) -> None:
    codec = {".webm": "libvpx", ".wmv": "wmv2", ".mpg": "mpeg2video", ".ogg": "libvpx"}.get(suffix, "libx264")
    path = films.encode(tmp_path / f"film{suffix}", films.numbered(5), codec=codec, rate=25)
    assert media_kind(path.rename(tmp_path / "film.jpg")) is MediaKind.VIDEO


def test_pipe_is_neither_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    path = tmp_path / "pipe.mp4"
    os.mkfifo(path)
    assert media_kind(path) is MediaKind.UNKNOWN


def test_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        media_kind(tmp_path / "folder.mp4")


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        media_kind(tmp_path / "gone.mp4")
