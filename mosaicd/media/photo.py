"""Reading photos: upright, in sRGB, without transparency."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from mosaicd.errors import RejectedInputError, TransientError
from mosaicd.imaging import PixelArray

pillow_heif.register_heif_opener()
Image.MAX_IMAGE_PIXELS = None  # read_photo has its own limit, with its own words

_SRGB = ImageCms.createProfile("sRGB")
_DECODER_ERRORS = (OSError, SyntaxError, ValueError, EOFError, OverflowError, RuntimeError, TypeError)
_DECODER_ERRORS += (IndexError, KeyError, ZeroDivisionError, AttributeError, NotImplementedError)  # type: ignore[assignment]


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
            message = "this is not a photo in a format that can be read, or its beginning is damaged"
            raise RejectedInputError(message) from error
        except MemoryError as error:
            message = "decoding this photo takes more memory than there is"
            raise RejectedInputError(message) from error
        except _DECODER_ERRORS as error:
            message = f"the photo is damaged or incomplete ({error})"
            raise RejectedInputError(message) from error


def _decode(data: bytes, pixels_limit: int, long_side_pixels: int) -> PixelArray:
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
        if width * height > pixels_limit:
            message = (
                f"the photo has {width} x {height} pixels, more than the limit of {pixels_limit:,} pixels "
                "(setting photo_pixels_limit)"
            )
            raise RejectedInputError(message)
        image.draft("RGB", (long_side_pixels, long_side_pixels))
        image.load()
        upright = ImageOps.exif_transpose(image)
        srgb = _on_white(_to_srgb(upright))
    if max(srgb.size) > long_side_pixels:
        scale = long_side_pixels / max(srgb.size)
        size = (max(1, round(srgb.width * scale)), max(1, round(srgb.height * scale)))
        srgb = srgb.resize(size, Image.Resampling.BOX)
    return np.asarray(srgb)


def _to_srgb(image: Image.Image) -> Image.Image:
    """RGB or RGBA, in sRGB."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith(("I;16", "I")) and image.mode != "1":
        image = _sixteen_to_eight(image)
    has_alpha = image.has_transparency_data
    if profile and image.mode in {"RGB", "RGBA", "CMYK", "L", "LAB"}:
        try:
            converted = _through_profile(image, profile)
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a broken profile is no reason to refuse the photo: viewers ignore it too
        else:
            if has_alpha:
                converted.putalpha(image.convert("RGBA").getchannel("A"))
            return converted
    return image.convert("RGBA" if has_alpha else "RGB")


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image:
    opaque = image.convert("RGB") if image.mode == "RGBA" else image
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    converted = ImageCms.profileToProfile(opaque, source, _SRGB, outputMode="RGB")
    assert converted is not None, "only in-place conversion returns nothing"
    return converted


def _sixteen_to_eight(image: Image.Image) -> Image.Image:
    values: Any = np.asarray(image).astype(np.int64)
    if values.max(initial=0) > np.iinfo(np.uint8).max:
        values = values * 255 // max(np.iinfo(np.uint16).max, int(values.max()))
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")
