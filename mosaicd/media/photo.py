"""Reading photos: upright, in sRGB, without transparency."""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from mosaicd.errors import RejectedInputError, TransientError
from mosaicd.imaging import PixelArray

pillow_heif.register_heif_opener()
Image.MAX_IMAGE_PIXELS = None  # read_photo has its own limit, with its own words

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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # decoders warn of oddities in metadata that do no harm
        try:
            return _decode(data, photo_pixels_limit, long_side_pixels)
        except UnidentifiedImageError as error:
            message = "this is not a photo in a format that can be read, or it is damaged or cut short"
            raise RejectedInputError(message) from error
        except MemoryError as error:
            message = "decoding this photo takes more memory than there is"
            raise RejectedInputError(message) from error
        except _DECODER_ERRORS as error:
            message = f"the photo is damaged or incomplete ({error})"
            raise RejectedInputError(message) from error


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
        srgb = _to_srgb(_upright(image))
    if max(srgb.size) > long_side_pixels:
        scale = long_side_pixels / max(srgb.size)
        size = (max(1, round(srgb.width * scale)), max(1, round(srgb.height * scale)))
        srgb = srgb.resize(size, Image.Resampling.BOX)
    return np.asarray(srgb)


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except _DECODER_ERRORS:
        return image  # a damaged note on how the camera was held is no reason to refuse the photo


def _to_srgb(image: Image.Image) -> Image.Image:
    """RGB, in sRGB, transparency laid on white."""
    profile = image.info.get("icc_profile")
    if image.mode in _DEEP_MODES:
        image = _eight_bits(image)
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    if image.mode == "LA":
        image = image.convert("L")
    elif image.mode not in _PROFILED_MODES:
        image = image.convert("RGB")
    srgb = _through_profile(image, profile) if profile else image.convert("RGB")
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


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 8 bits; where the format does not say what white is, the least of the usual values."""
    values = np.nan_to_num(np.asarray(image).astype(np.float64))
    peak = float(values.max(initial=0))
    usual = (65535.0,) if image.mode.startswith("I;16") else (1.0, 255.0, 65535.0)
    white = next((value for value in usual if peak <= value), peak)
    return Image.fromarray(np.rint(np.clip(values / white, 0, 1) * 255).astype(np.uint8))
