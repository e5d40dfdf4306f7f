"""Photos as phones write them: several pictures in one file, more than eight bits, high dynamic range."""

import io
import struct
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from mosaicd.imaging import PixelArray
from mosaicd.imaging.color import mean_color_difference
from mosaicd.media.kinds import MediaKind, media_kind
from mosaicd.media.photo import read_photo
from tests import films
from tests.high_range import hybrid_log_gamma, perceptual_quantizer

RED, BLUE = (Image.new("RGB", (128, 96), color) for color in ((220, 30, 30), (30, 30, 220)))
ULTRA_HDR = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


def read(path: Path) -> PixelArray:
    assert media_kind(path) is MediaKind.PHOTO
    return read_photo(path, photo_pixels_limit=10_000_000, long_side_pixels=1000)


def is_red(path: Path) -> bool:
    red, _, blue = read(path)[48, 64]
    return bool(red > 200 and blue < 60)


@pytest.mark.parametrize("primary", [0, 1])
def test_primary_picture_of_a_heic_is_taken(tmp_path: Path, primary: int) -> None:
    pictures = [BLUE, BLUE]
    pictures[primary] = RED
    heic = pillow_heif.from_pillow(pictures[0])
    heic.add_from_pillow(pictures[1])
    heic.save(tmp_path / "photo.heic", primary_index=primary)
    assert is_red(tmp_path / "photo.heic")


def test_primary_picture_of_a_burst_is_taken(tmp_path: Path) -> None:
    """A HEIC whose other pictures are a film in it, as bursts and moving pictures are stored."""
    RED.save(tmp_path / "still.heic", "HEIF")
    still = (tmp_path / "still.heic").read_bytes()
    film = films.encode(tmp_path / "film.mp4", [np.asarray(BLUE)] * 6, codec="libx265").read_bytes()
    frames, tracks = film.index(b"mdat") - 4, film.index(b"moov") - 4
    moved = bytearray(film[tracks:].replace(b"hev1", b"hvc1").replace(b"vide", b"pict"))
    place = moved.index(b"stco") + 12
    (offset,) = struct.unpack_from(">I", moved, place)
    struct.pack_into(">I", moved, place, offset + len(still) - frames)
    path = tmp_path / "burst.heic"
    path.write_bytes(still[:8] + b"msf1" + still[12:] + film[frames:tracks] + moved)
    assert is_red(path)


def test_first_picture_of_a_moving_avif_is_taken(tmp_path: Path) -> None:
    frames = [np.asarray(RED)] * 3 + [np.asarray(BLUE)] * 3
    assert is_red(films.encode(tmp_path / "moving.avif", frames, codec="libsvtav1", container="avif"))


@pytest.mark.parametrize("xmp", [b"", ULTRA_HDR], ids=["depth", "gain map"])
def test_base_picture_of_a_jpeg_with_others_is_taken(tmp_path: Path, xmp: bytes) -> None:
    RED.save(tmp_path / "photo.jpg", "MPO", save_all=True, append_images=[BLUE], xmp=xmp)
    assert is_red(tmp_path / "photo.jpg")


def test_photo_with_its_film_behind_it_is_a_photo(tmp_path: Path) -> None:
    picture = io.BytesIO()
    RED.save(picture, "JPEG")
    film = films.live_photo_film(tmp_path / "film.mp4")
    (tmp_path / "MVIMG_1.jpg").write_bytes(picture.getvalue() + film.read_bytes())
    assert is_red(tmp_path / "MVIMG_1.jpg")


def test_ten_bits_of_a_heic_keep_their_colours(tmp_path: Path) -> None:
    photo = np.asarray(Image.fromarray(films.photo("coffee")).resize((192, 128)))
    deep = photo.astype(np.uint16) * 257
    pillow_heif.encode("RGB;16", (192, 128), deep.tobytes(), str(tmp_path / "deep.heic"), quality=90)
    assert pillow_heif.open_heif(tmp_path / "deep.heic").info["bit_depth"] > 8
    assert mean_color_difference(read(tmp_path / "deep.heic"), photo) < 4


@pytest.mark.parametrize(("transfer", "signal"), [(16, perceptual_quantizer), (18, hybrid_log_gamma)])
def test_heic_of_high_dynamic_range_is_not_washed_out(tmp_path: Path, transfer: int, signal: object) -> None:
    assert callable(signal)
    photo = np.asarray(Image.fromarray(films.photo("coffee")).resize((192, 128)))
    heic = pillow_heif.from_bytes("RGB;16", (192, 128), signal(photo).tobytes())
    heic.save(
        tmp_path / "high.heic",
        quality=95,
        color_primaries=9,
        transfer_characteristics=transfer,
        matrix_coefficients=9,
    )
    assert mean_color_difference(read(tmp_path / "high.heic"), photo) < 4
