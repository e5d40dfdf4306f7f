"""What cameras write beside the picture stays in the original: no place, no serial number, no preview gets out."""

import base64
import gzip
import io
import re
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from tests.daemon_process import wait_until
from tests.faults.workplace import furnished
from tests.libraries import photo, varied_squares

PLACE, SERIAL, OWNER, PREVIEW = "+48.8577+002.2950/", "SN-4711-0815", "Erika Mustermann", "PREVIEW-OF-A-FACE"
SUFFIXES = ("jpg", "png", "heic", "avif", "webp", "tiff")
FILMS = {"film.mov": (PLACE, OWNER), "film.mkv": (PLACE, OWNER, PREVIEW)}
SECRETS = (PLACE, SERIAL, OWNER, PREVIEW, "48.8577")


def exif() -> Image.Exif:
    found = Image.Exif()
    found[ExifTags.Base.Artist] = OWNER
    found[ExifTags.Base.ImageDescription] = PLACE
    found.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.BodySerialNumber] = SERIAL
    found.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote] = PREVIEW.encode()
    found.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSProcessingMethod] = PLACE.encode()
    found.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (48.0, 51.0, 27.7)
    return found


def save(pixels: np.ndarray, path: Path) -> None:
    """Save a photo with all that a camera would tell."""
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", OWNER)
    text.add_itxt("XML:com.adobe.xmp", f"<x>{PLACE}{SERIAL}</x>")
    Image.fromarray(pixels).save(
        path,
        exif=exif().tobytes() + PREVIEW.encode(),  # where cameras keep a small copy
        xmp=f"<x:xmpmeta>{PLACE}{SERIAL}{PREVIEW}</x:xmpmeta>".encode(),
        comment=OWNER.encode(),
        pnginfo=text,
        icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    )


def film(path: Path) -> None:
    with av.open(path, "w", options={"movflags": "use_metadata_tags"}) as container:
        container.metadata.update(
            {
                "location": PLACE,
                "com.apple.quicktime.location.ISO6709": PLACE,
                "com.apple.quicktime.creationdate": OWNER,
                "artist": OWNER,
                "comment": SERIAL,
            }
        )
        if path.suffix == ".mkv":
            cover = io.BytesIO()
            Image.fromarray(photo("coffee.png")).save(cover, "JPEG")
            container.add_attachment("cover.jpg", "image/jpeg", cover.getvalue() + PREVIEW.encode())
        stream = container.add_stream("libx264", rate=1)
        stream.width = stream.height = 128
        stream.pix_fmt = "yuv420p"
        for square in varied_squares(30, seed=8, edge=128):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(square, format="rgb24")))
        container.mux(stream.encode())


def cut_short(source: Path, target: Path) -> None:
    data = source.read_bytes()
    target.write_bytes(data[: len(data) // 2])


def unpacked(data: bytes) -> Iterator[bytes]:
    """What a file holds, and what it holds in other forms."""
    yield data
    for block in re.findall(rb"[A-Za-z0-9+/]{64,}={0,2}", data):
        inner = base64.b64decode(block + b"=" * (-len(block) % 4))
        yield gzip.decompress(inner) if inner.startswith(b"\x1f\x8b") else inner


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_inputs_of_this_test_do_hold_the_secrets(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cat.{suffix}"
    save(photo("chelsea.png"), path)
    assert any(secret.encode() in path.read_bytes() for secret in SECRETS)


@pytest.mark.parametrize("name", FILMS)
def test_films_of_this_test_hold_the_secrets(tmp_path: Path, name: str) -> None:
    film(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    assert not [secret for secret in FILMS[name] if secret.encode() not in data]


def test_nothing_private_is_in_any_output(tmp_path: Path) -> None:
    daemon = furnished(tmp_path, page_megabytes_limit=4)
    inbox = daemon.inbox
    for folder in ("tiles", "family"):
        (inbox / folder).mkdir()
    save(photo("chelsea.png"), inbox / "family/waits.heic")
    for suffix in SUFFIXES:
        save(photo("chelsea.png"), inbox / f"{suffix}.{suffix}")
        save(photo("coffee.png"), inbox / f"tiles/{suffix}.{suffix}")
        cut_short(inbox / f"{suffix}.{suffix}", inbox / f"cut.{suffix}")
    for name in FILMS:
        film(inbox / name)
    cut_short(inbox / "film.mov", inbox / "cut.mov")
    rejected = len(SUFFIXES) + 1
    with daemon:
        daemon.wait_for("mosaic_published", count=len(SUFFIXES))
        daemon.wait_for("source_spliced", count=len(SUFFIXES) + len(FILMS))
        daemon.wait_for("job_rejected", count=rejected)
        status = daemon.outbox / "family/waits.heic.status.txt"
        wait_until(status.exists, what="word of the photo that waits")
        outputs = [path for path in daemon.outbox.rglob("*") if path.is_file()]
        outputs += daemon.rejected.rglob("*.reason.txt")
        for path in outputs:
            require_nothing_private(path)
        gallery_and_status = 2
        assert len(outputs) >= 3 * len(SUFFIXES) + rejected + gallery_and_status
        masters = daemon.query("SELECT jpeg FROM master")
        assert not [jpeg for (jpeg,) in masters if any(secret.encode() in jpeg for secret in SECRETS)]
        said = daemon.log_file.read_text()
        assert not [secret for secret in SECRETS if secret in said]


def require_nothing_private(path: Path) -> None:
    for data in unpacked(path.read_bytes()):
        assert not [secret for secret in SECRETS if secret.encode() in data], path
        if data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9"):
            assert data.count(b"\xff\xd8\xff") == 1, f"another picture in {path}"
            with Image.open(io.BytesIO(data)) as image:
                assert not image.getexif(), path
                assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "icc_profile"}
