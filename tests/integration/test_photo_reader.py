"""Photos of every kind, whole and broken, as the reader shows them: upright, in sRGB, on white."""

import contextlib
import io
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from mosaicd.errors import RejectedInputError, TransientError
from mosaicd.imaging import PixelArray
from mosaicd.imaging.color import mean_color_difference
from mosaicd.media.photo import read_photo
from tests import films

ORIENTATION = 0x0112
UPRIGHT = ["rgbw", "grwb", "wbgr", "bwrg", "rbgw", "brwg", "wgbr", "gwrb"]
"""What a picture that is stored as "rgbw" shows, by its EXIF orientation, 1 to 8."""


def read(path: Path, *, pixels: int = 10_000_000, long_side: int = 1000) -> PixelArray:
    return read_photo(path, photo_pixels_limit=pixels, long_side_pixels=long_side)


def saved(path: Path, image: Image.Image | PixelArray, kind: str, **options: Any) -> Path:
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(path, kind, **options)
    return path


def swapped_profile() -> bytes:
    """sRGB's profile with its red and its blue exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    exchanged = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}
    (count,) = struct.unpack_from(">I", profile, 128)
    for entry in range(132, 132 + 12 * count, 12):
        name = bytes(profile[entry : entry + 4])
        profile[entry : entry + 4] = exchanged.get(name, name)
    return bytes(profile)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photo_is_upright_however_the_camera_was_held(tmp_path: Path, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = saved(tmp_path / "photo", films.quarters(128, 64), kind, exif=exif.tobytes())
    pixels = read(path)
    assert films.quarters_shown(pixels) == UPRIGHT[orientation - 1]
    assert pixels.shape == ((64, 128, 3) if orientation < 5 else (128, 64, 3))


def test_damaged_exif_is_no_reason_to_refuse_a_photo(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "photo.jpg", films.quarters(128, 64), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f"
    )
    assert films.quarters_shown(read(path)) == "rgbw"


@pytest.mark.parametrize(
    "kind", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF", "GIF", "BMP", "TIFF", "JPEG2000", "PPM"]
)
def test_colors_survive_in_every_format(tmp_path: Path, kind: str) -> None:
    photo = np.asarray(Image.fromarray(films.photo("astronaut")).resize((128, 128)))
    path = saved(tmp_path / "photo", photo, kind)
    assert mean_color_difference(read(path), photo) < 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "HEIF"])
def test_embedded_profile_is_converted(tmp_path: Path, kind: str) -> None:
    photo = np.asarray(Image.fromarray(films.photo("coffee")).resize((128, 96)))
    stored = np.ascontiguousarray(photo[..., ::-1])
    path = saved(tmp_path / "photo", stored, kind, icc_profile=swapped_profile())
    assert mean_color_difference(read(path), stored) > 10
    assert mean_color_difference(read(path), photo) < 4


@pytest.mark.parametrize("mode", ["P", "RGBA"])
def test_embedded_profile_is_honoured_beside_transparency_and_palettes(tmp_path: Path, mode: str) -> None:
    picture = Image.new("RGBA", (32, 32), (200, 40, 40, 255)).convert(mode)
    path = saved(tmp_path / "photo.png", picture, "PNG", icc_profile=swapped_profile())
    red, green, blue = read(path)[16, 16]
    assert max(red, green) < 60
    assert blue > 180


def test_broken_profile_is_no_reason_to_refuse_a_photo(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "photo.jpg", films.quarters(128, 64), "JPEG", icc_profile=b"no profile at all" * 20
    )
    assert films.quarters_shown(read(path)) == "rgbw"


def test_profile_of_another_kind_of_colors_is_passed_over(tmp_path: Path) -> None:
    cmyk = Image.fromarray(films.quarters(128, 64)).convert("CMYK")
    path = saved(tmp_path / "photo.jpg", cmyk, "JPEG", icc_profile=swapped_profile(), quality=95)
    assert films.quarters_shown(read(path)) == "rgbw"


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_printer_s_colors_become_a_screen_s(tmp_path: Path, kind: str) -> None:
    path = saved(tmp_path / "photo", Image.fromarray(films.quarters(128, 64)).convert("CMYK"), kind)
    assert films.quarters_shown(read(path)) == "rgbw"


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "HEIF", "TIFF"])
def test_transparency_is_laid_on_white(tmp_path: Path, kind: str) -> None:
    picture = Image.new("RGBA", (64, 64), (200, 0, 0, 0))
    picture.paste((0, 0, 200, 128), (32, 0, 64, 64))
    pixels = read(saved(tmp_path / "photo", picture, kind))
    assert pixels[32, 8].tolist() == pytest.approx([255, 255, 255], abs=3)
    assert pixels[32, 56].tolist() == pytest.approx([127, 127, 227], abs=6)


def test_transparent_entry_of_a_palette_is_white(tmp_path: Path) -> None:
    picture = Image.new("P", (64, 64), 1)
    picture.putpalette([0, 0, 0, 220, 20, 20])
    picture.paste(0, (0, 0, 32, 64))
    for kind in ("PNG", "GIF"):
        pixels = read(saved(tmp_path / f"photo.{kind}", picture, kind, transparency=0))
        assert pixels[32, 8].tolist() == [255, 255, 255]
        assert pixels[32, 56].tolist() == [220, 20, 20]


def test_grey_with_transparency_is_laid_on_white(tmp_path: Path) -> None:
    pixels = read(saved(tmp_path / "photo.png", Image.new("LA", (8, 8), (40, 0)), "PNG"))
    assert pixels.tolist() == np.full((8, 8, 3), 255).tolist()


@pytest.mark.parametrize("share", [1.0, 0.5, 0.003])
def test_sixteen_bits_of_grey_keep_their_brightness(tmp_path: Path, share: float) -> None:
    grey = np.full((16, 16), round(65535 * share), np.uint16)
    pixels = read(saved(tmp_path / "photo.png", Image.fromarray(grey), "PNG"))
    assert pixels.shape == (16, 16, 3)
    assert np.ptp(pixels) == 0
    assert int(pixels[0, 0, 0]) == pytest.approx(255 * share, abs=1)


@pytest.mark.parametrize(
    ("kind", "values"), [("f4", (0, 0.5, 1)), ("f4", (0, 127.5, 255)), ("i4", (0, 9_000, 18_000))]
)
def test_deep_greys_of_unusual_range_keep_their_order(
    tmp_path: Path, kind: str, values: tuple[float, ...]
) -> None:
    tiled = np.tile(np.repeat(np.array(values, kind), 8), (8, 1))
    row = read(saved(tmp_path / "photo.tif", Image.fromarray(tiled), "TIFF"))[4, ::8, 0].tolist()
    assert row == sorted(row)
    assert row[0] == 0
    assert row[1] == pytest.approx(row[2] / 2, abs=1)


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    picture = Image.new("1", (16, 16), 1)
    picture.paste(0, (0, 0, 8, 16))
    row = read(saved(tmp_path / "photo.png", picture, "PNG"))[8, :, 0].tolist()
    assert row == [0] * 8 + [255] * 8


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_first_picture_of_several_is_taken(tmp_path: Path, kind: str) -> None:
    first, second = (Image.new("RGB", (32, 32), color) for color in ((220, 30, 30), (30, 30, 220)))
    path = saved(tmp_path / "photo", first, kind, save_all=True, append_images=[second], duration=100)
    red, _, blue = read(path)[16, 16]
    assert red > 200
    assert blue < 60


def test_large_photo_is_scaled_down_in_proportion(tmp_path: Path) -> None:
    path = saved(tmp_path / "photo.jpg", Image.new("RGB", (3000, 1000), (10, 200, 30)), "JPEG")
    assert read(path, long_side=600).shape == (200, 600, 3)


def test_panorama_keeps_its_shape(tmp_path: Path) -> None:
    path = saved(tmp_path / "photo.jpg", Image.new("RGB", (4000, 200)), "JPEG")
    assert read(path, long_side=8192).shape == (200, 4000, 3)
    assert read(path, long_side=1000).shape == (50, 1000, 3)


def test_line_of_pixels_keeps_at_least_one_row(tmp_path: Path) -> None:
    path = saved(tmp_path / "photo.png", Image.new("RGB", (4000, 1)), "PNG")
    assert read(path, long_side=1000).shape == (1, 1000, 3)


def test_photo_over_the_limit_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = saved(tmp_path / "photo.png", Image.new("RGB", (8, 8)), "PNG")
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", 30_000, 30_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content)
    words = (
        r"has 30000 x 30000 pixels, more than the limit of 10,000,000 pixels \(setting photo_pixels_limit\)"
    )
    with pytest.raises(RejectedInputError, match=words):
        read(path)


def test_text_that_unpacks_to_any_amount_is_refused(tmp_path: Path) -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("bomb", "a" * 70_000_000, zip=True)
    path = saved(tmp_path / "photo.png", Image.new("RGB", (8, 8)), "PNG", pnginfo=notes)
    with pytest.raises(RejectedInputError):
        read(path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF", "GIF", "TIFF", "BMP"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_photo_cut_short_is_rejected_in_plain_words(tmp_path: Path, kind: str, share: float) -> None:
    path = saved(tmp_path / "photo", films.photo("chelsea"), kind)
    content = path.read_bytes()
    path.write_bytes(content[: round(len(content) * share)])
    with pytest.raises(
        RejectedInputError, match=r"the photo is (cut short|damaged, or)|damaged or cut short"
    ):
        read(path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF", "GIF", "TIFF"])
def test_bit_rot_never_does_worse_than_a_rejection(tmp_path: Path, kind: str) -> None:
    photo = Image.fromarray(films.photo("chelsea")).resize((160, 100))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    path = saved(tmp_path / "photo", photo, kind, exif=exif.tobytes(), icc_profile=swapped_profile())
    content = path.read_bytes()
    for seed in range(60):
        chance = random.Random(seed)
        rotten = bytearray(content)
        for _ in range(3):
            rotten[chance.randrange(len(rotten))] ^= 1 << chance.randrange(8)
        path.write_bytes(rotten)
        with contextlib.suppress(RejectedInputError):
            pixels = read(path)
            assert pixels.dtype == np.uint8
            assert pixels.shape[2] == 3


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"\xff\xd8\xff", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", bytes(10_000)],
)
def test_what_is_no_photo_is_rejected_in_plain_words(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(RejectedInputError, match="not a photo in a format that can be read"):
        read(path)


def test_missing_photo_is_tried_again_later(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="No such file"):
        read(tmp_path / "gone.jpg")


def test_nothing_is_printed_while_reading(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for kind in ("JPEG", "PNG", "HEIF", "AVIF", "TIFF"):
        read(saved(tmp_path / kind, films.photo("coffee"), kind, icc_profile=swapped_profile()))
    buffer = io.BytesIO()
    Image.fromarray(films.photo("coffee")).save(buffer, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(buffer.getvalue()[:5000])
    with pytest.raises(RejectedInputError):
        read(tmp_path / "cut.jpg")
    assert capfd.readouterr() == ("", "")
