"""Masters: tiles as JPEG."""

import cv2
import numpy as np

from mosaicd.errors import CorruptStateError
from mosaicd.imaging import PixelArray

_QUALITY = 90


def encode_master(pixels: PixelArray) -> bytes:
    """Encode a tile of shape (edge, edge, 3), sRGB, as JPEG with full colour resolution."""
    flags = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    flags += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), flags)
    return data.tobytes()


def decode_master(jpeg: bytes) -> PixelArray:
    """Decode a master to shape (edge, edge, 3), sRGB.

    Raises
    ------
    CorruptStateError
        If it is no JPEG: the store holds only what `encode_master` made.
    """
    data = np.frombuffer(jpeg, np.uint8)
    pixels = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if data.size else None
    if pixels is None:
        message = "a tile's master image in the database is damaged"
        raise CorruptStateError(message)
    return pixels.astype(np.uint8, copy=False)
