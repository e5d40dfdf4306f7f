"""Pictures of high dynamic range, made from ordinary ones as ITU-R BT.2408 says: the same picture, their white at 203 cd/m2."""

import numpy as np
from numpy.typing import NDArray

from mosaicd.imaging import FloatArray, PixelArray

WHITE_NITS = 203
_HLG_PEAK_NITS, _HLG_GAMMA = 1000, 1.2
_TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
_LUMINANCE = np.array([0.2627, 0.6780, 0.0593])


def hybrid_log_gamma(pixels: PixelArray) -> NDArray[np.uint16]:
    """What a film in HLG stores of a picture in sRGB: shape (..., 3), BT.2020, white at three quarters."""
    shown = _light(pixels) * (WHITE_NITS / _HLG_PEAK_NITS)
    luminance = np.maximum(shown @ _LUMINANCE, 1e-9)[..., np.newaxis]
    scene = shown * luminance ** (1 / _HLG_GAMMA - 1)
    upper = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return _stored(np.where(scene <= 1 / 12, np.sqrt(3 * scene), upper))


def perceptual_quantizer(pixels: PixelArray) -> NDArray[np.uint16]:
    """What a film in PQ stores of a picture in sRGB: shape (..., 3), BT.2020."""
    powered = (_light(pixels) * (WHITE_NITS / 10_000)) ** 0.1593017578125
    return _stored(((0.8359375 + 18.8515625 * powered) / (1 + 18.6875 * powered)) ** 78.84375)


def _light(pixels: PixelArray) -> FloatArray:
    """Linear light in BT.2020's primaries, white at 1."""
    encoded = pixels / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    light: FloatArray = np.maximum(linear @ _TO_BT2020.T, 0)
    return light


def _stored(signal: FloatArray) -> NDArray[np.uint16]:
    return np.rint(np.clip(signal, 0, 1) * 65535).astype(np.uint16)
