"""Films for the benchmark of splicing: journeys over photos in 1080p, with keyframes far apart or dense."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from mosaicd.imaging import PixelArray
from mosaicd.media.photo import read_photo
from mosaicd.studies.bench_material import TILE_PHOTOS
from mosaicd.studies.material import photo_files

FILM_RECIPE = (
    "1920 x 1080, 24 frames a second, journeys of 5 s over scikit-image's photos, in grain that changes"
)

RATE = 24
_WIDTH, _HEIGHT = 1920, 1080
_JOURNEY_SECONDS = 5
_GRAIN = 3
_SEED = 11
_PHOTO_PIXELS = 50_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a film is coded.

    Attributes
    ----------
    name : str
    codec : str
        Of FFmpeg's encoders.
    keyframe_seconds : int
        From one keyframe to the next.
    """

    name: str
    codec: str
    keyframe_seconds: int


RECIPES = (
    Recipe(name="H.264, keyframes 6 s apart", codec="libx264", keyframe_seconds=6),
    Recipe(name="H.264, keyframes 1 s apart", codec="libx264", keyframe_seconds=1),
    Recipe(name="HEVC, keyframes 1 s apart", codec="libx265", keyframe_seconds=1),
)


def make_film(file: Path, recipe: Recipe, *, seconds: int) -> Path:
    """Encode so many seconds of film; the same each time."""
    gop = recipe.keyframe_seconds * RATE
    params = f"log-level=none:keyint={gop}:min-keyint={gop}:scenecut=0"
    options = {
        "preset": "superfast",
        "crf": "23",
        f"{recipe.codec.removeprefix('lib')}-params": params,
    }
    with av.open(file, "w") as container:
        stream: Any = container.add_stream(recipe.codec, rate=Fraction(RATE), options=options)
        stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
        for pixels in itertools.islice(_journeys(), seconds * RATE):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode())
    return file


def _journeys() -> Iterator[PixelArray]:
    """Frames without an end: from the lower left to the upper right of one photo after the other."""
    folder = photo_files([])["portrait"].parent
    random = np.random.default_rng(_SEED)
    grain = random.integers(0, 2 * _GRAIN, (2 * _HEIGHT, 2 * _WIDTH, 3), np.uint8)
    for name in itertools.cycle(TILE_PHOTOS):
        photo = read_photo(folder / name, photo_pixels_limit=_PHOTO_PIXELS, long_side_pixels=_WIDTH)
        for step in range(_JOURNEY_SECONDS * RATE):
            pixels = _view(photo, step / (_JOURNEY_SECONDS * RATE))
            top, left = random.integers(0, (_HEIGHT, _WIDTH))
            noisy = cv2.add(pixels, grain[top : top + _HEIGHT, left : left + _WIDTH])
            yield noisy.astype(np.uint8, copy=False)


def _view(photo: PixelArray, share: float) -> PixelArray:
    height, width = photo.shape[:2]
    scale = (0.5 + 0.3 * share) * min(width / _WIDTH, height / _HEIGHT)
    left, top = (width - _WIDTH * scale) * share, (height - _HEIGHT * scale) * (1 - share)
    matrix = np.array([[scale, 0, left], [0, scale, top]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(photo, matrix, (_WIDTH, _HEIGHT), flags=flags).astype(np.uint8, copy=False)
