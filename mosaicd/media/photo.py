"""Reading photos: upright, in sRGB, without transparency."""

import io
import re
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import ExifTags, Image, ImageCms, ImageFile, PngImagePlugin, UnidentifiedImageError

from mosaicd.errors import RejectedInputError, TransientError
from mosaicd.imaging import PixelArray
from mosaicd.imaging.high_range import Curve, high_range_to_srgb

pillow_heif.register_heif_opener()
Image.MAX_IMAGE_PIXELS = None  # read_photo has its own limit, with its own words
ImageFile.LOAD_TRUNCATED_IMAGES = False  # what is missing is no grey area
PngImagePlugin.MAX_TEXT_CHUNK = 8 << 20  # a printer's profile has a few megabytes, too
PngImagePlugin.MAX_TEXT_MEMORY = 64 << 20

_FORMATS = ("AVIF", "BMP", "GIF", "HEIF", "JPEG", "JPEG2000", "PNG", "PPM", "PSD", "QOI", "TIFF", "WEBP")
"""What media/kinds.py takes for a photo; others that Pillow has run programs, or take any amount of memory."""
_SRGB = ImageCms.createProfile("sRGB")
_PROFILED_MODES = {"RGB", "CMYK", "L", "LAB"}
_DEEP_MODES = {"I", "F", "I;16", "I;16L", "I;16B", "I;16N"}
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    ArithmeticError,
    LookupError,
    EOFError,
    RuntimeError,
    TypeError,
    AttributeError,
    struct.error,
    zlib.error,
)
_CUT_SHORT_WORDS = "the photo is cut short: a part of it is missing"
_CUT_SHORT = re.compile(r"truncated|end of file|not processed|to read \d+ bytes", re.IGNORECASE)
_OUT_OF_MEMORY = re.compile(
    r"out of memory|cannot allocate|memory allocation error(?!: security)", re.IGNORECASE
)
_MOST_BYTES_A_PIXEL = 8
_LEAST_ROOM_BYTES = 64_000_000
_VALUES_A_STRIP = 3_000_000
_SCALABLE_MODES = {"RGB", "RGBA", "CMYK", "L", "LA"}
_CURVES = {16: Curve.PQ, 18: Curve.HLG}
"""By the transfer characteristics that a HEIC states, ISO/IEC 23091-2, 8.2."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By EXIF orientation."""


def require_photo_size(size_bytes: int, *, photo_pixels_limit: int) -> None:
    """Raise RejectedInputError if a file is larger than any photo within the limit of pixels would be."""
    most = photo_pixels_limit * _MOST_BYTES_A_PIXEL + _LEAST_ROOM_BYTES
    if size_bytes > most:
        message = (
            f"the file has {size_bytes / 1e6:,.0f} MB, more than a photo of at most {photo_pixels_limit:,} pixels "
            "takes up (setting photo_pixels_limit)"
        )
        raise RejectedInputError(message)


def read_photo(path: Path, *, photo_pixels_limit: int, long_side_pixels: int) -> PixelArray:
    """Read a photo of any kind that Pillow and pillow-heif read.

    EXIF orientation and embedded colour profile are honoured; transparency is laid on white.

    Parameters
    ----------
    path : Path
    photo_pixels_limit : int
        Photos with more pixels are refused before they are decoded.
    long_side_pixels : int
        A larger photo is scaled down so that its long side has this many pixels.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        sRGB.

    Raises
    ------
    RejectedInputError
        If it is damaged, cut short, too large, or of a kind that cannot be read.
    TransientError
        If the file cannot be read just now.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"the photo cannot be read: {error.strerror}"
        raise TransientError(message) from error
    if _lacks_pixels(data):
        raise RejectedInputError(_CUT_SHORT_WORDS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # decoders warn of oddities in metadata that do no harm
        try:
            return _decode(data, photo_pixels_limit, long_side_pixels)
        except UnidentifiedImageError as error:
            message = "this is not a photo in a format that can be read, or it is damaged or cut short"
            raise RejectedInputError(message) from error
        except _DECODER_ERRORS as error:
            if _OUT_OF_MEMORY.search(str(error)):
                raise MemoryError from error
            raise RejectedInputError(_in_plain_words(error)) from error


def _lacks_pixels(data: bytes) -> bool:
    """Whether a HEIC or AVIF ends before its pixels do; libheif would leave a part of the picture empty [1]_.

    References
    ----------
    .. [1] ISO/IEC 14496-12, "ISO base media file format", 4.2: its boxes.
    """
    place = 0
    while data[4:8] == b"ftyp" and place + 16 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, place + 8)
        if size < 8:
            break
        place += size
        if kind == b"mdat" and place > len(data):
            return True
    return False


def _decode(data: bytes, pixels_limit: int, long_side_pixels: int) -> PixelArray:
    with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        width, height = image.size
        if width * height > pixels_limit:
            message = (
                f"the photo has {width} x {height} pixels, more than the limit of {pixels_limit:,} pixels "
                "(setting photo_pixels_limit)"
            )
            raise RejectedInputError(message)
        image.draft("RGB", (long_side_pixels, long_side_pixels))
        image.load()
        turn = _turn(image)
        smaller = _scaled(_scalable(image), long_side_pixels)
    srgb = _to_srgb(smaller if turn is None else smaller.transpose(turn))
    return np.asarray(_scaled(srgb, long_side_pixels))


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What sets a loaded image upright."""
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except _DECODER_ERRORS:
        return None  # a damaged note on how the camera was held is no reason to refuse the photo


def _scalable(image: Image.Image) -> Image.Image:
    """The image, in a form of which an average can be taken: with no palette, and no colour for transparency."""
    if image.mode == "1":
        return image.convert("L")
    if image.mode in {"P", "PA"} or (image.mode == "RGB" and "transparency" in image.info):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image


def _scaled(image: Image.Image, long_side_pixels: int) -> Image.Image:
    """The image itself, or a smaller one: before anything else is made of a large one, which takes memory."""
    if max(image.size) <= long_side_pixels or image.mode not in _SCALABLE_MODES:
        return image
    scale = long_side_pixels / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BOX)


def _in_plain_words(error: Exception) -> str:
    """What a decoder complains of, without its own words: they are for programmers."""
    if _CUT_SHORT.search(str(error)):
        return _CUT_SHORT_WORDS
    return "the photo is damaged, or of an unusual kind that cannot be read"


def _to_srgb(image: Image.Image) -> Image.Image:
    """RGB, in sRGB, transparency laid on white."""
    profile = image.info.get("icc_profile")
    curve = _CURVES.get((image.info.get("nclx_profile") or {}).get("transfer_characteristics", 0))
    if image.mode in _DEEP_MODES:
        image = _eight_bits(image)
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    if image.mode == "LA":
        image = image.convert("L")
    elif image.mode not in _PROFILED_MODES:
        image = image.convert("RGB")
    if profile:
        srgb = _through_profile(image, profile)
    elif curve is not None:
        srgb = _toned(image.convert("RGB"), curve)
    else:
        srgb = image.convert("RGB")
    return srgb if alpha is None else Image.composite(srgb, Image.new("RGB", srgb.size, "white"), alpha)


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image.convert(
            "RGB"
        )  # a broken profile is no reason to refuse the photo: viewers ignore it too
    assert converted is not None, "only in-place conversion returns nothing"
    return converted


def _toned(image: Image.Image, curve: Curve) -> Image.Image:
    """Show high dynamic range as sRGB; in strips, for the memory's sake."""
    signal = np.asarray(image)
    strips = np.array_split(signal, 1 + signal.size // _VALUES_A_STRIP)
    return Image.fromarray(
        np.concatenate([high_range_to_srgb(strip * np.uint16(257), curve) for strip in strips])
    )


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 8 bits; where the format does not say what white is, the least of the usual values."""
    values = np.asarray(image).astype(np.float32)
    np.nan_to_num(values, copy=False)
    peak = float(values.max(initial=0))
    usual = (65535.0,) if image.mode.startswith("I;16") else (1.0, 255.0, 65535.0)
    white = next((value for value in usual if peak <= value), peak)
    values /= white / 255
    np.clip(values, 0, 255, out=values)
    return Image.fromarray(np.rint(values, out=values).astype(np.uint8))
