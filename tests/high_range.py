"""One film in three ranges: as ever, and in HLG and PQ as ITU-R BT.2408 converts it, its white at 203 cd/m2."""

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from mosaicd.imaging import FloatArray, PixelArray
from mosaicd.imaging.color import mean_color_difference
from mosaicd.media.files import signature
from mosaicd.media.masters import decode_master
from mosaicd.pipelines.orders import NearDuplicates, PoorFrames, SpliceOrder
from mosaicd.pipelines.splice import SplicePipeline
from mosaicd.store.libraries import library_named
from mosaicd.store.models import Master, Tile
from tests import films
from tests.stores import new_database

_WHITE_NITS = 203
_HLG_PEAK_NITS, _HLG_GAMMA = 1000, 1.2
_TO_BT2020 = np.array(
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]], np.float32
)
_LUMINANCE = np.array([0.2627, 0.6780, 0.0593], np.float32)
_SRGB = np.arange(256) / 255
_LIGHT_OF_SRGB = np.where(_SRGB <= 0.04045, _SRGB / 12.92, ((_SRGB + 0.055) / 1.055) ** 2.4).astype(
    np.float32
)

TilePlace = tuple[int, int]
"""When a tile's frame appears, in microseconds, and its crop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """How a film is coded."""

    codec: str
    depth: int = 8
    transfer: str = "bt709"
    signal: Callable[[PixelArray], NDArray[Any]] = np.asarray

    def encode(self, path: Path, frames: Iterable[PixelArray], *, preset: str, crf: int, **how: Any) -> Path:
        """Encode frames in sRGB as a film in this version, and otherwise as `films.encode` does."""
        colors = "bt709" if self.depth == 8 else "bt2020"
        matrix = "bt709" if self.depth == 8 else "bt2020nc"
        marks = f"log-level=none:colorprim={colors}:transfer={self.transfer}:colormatrix={matrix}"
        return films.encode(
            path,
            (self.signal(frame) for frame in frames),
            codec=self.codec,
            pixel_format="yuv420p" if self.depth == 8 else "yuv420p10le",
            colorspace=colors,
            gop=60,
            options={"preset": preset, "crf": str(crf), f"{self.codec.removeprefix('lib')}-params": marks},
            **how,
        )


def hybrid_log_gamma(pixels: PixelArray) -> NDArray[np.uint16]:
    """What a film in HLG stores of a picture in sRGB: shape (..., 3), BT.2020, white at three quarters."""
    shown = _light(pixels) * (_WHITE_NITS / _HLG_PEAK_NITS)
    luminance = np.maximum(shown @ _LUMINANCE, 1e-9)[..., np.newaxis]
    scene = shown * luminance ** (1 / _HLG_GAMMA - 1)
    upper = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return _stored(np.where(scene <= 1 / 12, np.sqrt(3 * scene), upper))


def perceptual_quantizer(pixels: PixelArray) -> NDArray[np.uint16]:
    """What a film in PQ stores of a picture in sRGB: shape (..., 3), BT.2020."""
    powered = (_light(pixels) * (_WHITE_NITS / 10_000)) ** 0.1593017578125
    return _stored(((0.8359375 + 18.8515625 * powered) / (1 + 18.6875 * powered)) ** 78.84375)


VERSIONS = {
    "SDR, H.264": Version(codec="libx264"),
    "SDR, HEVC": Version(codec="libx265"),
    "HLG": Version(codec="libx265", depth=10, transfer="arib-std-b67", signal=hybrid_log_gamma),
    "PQ": Version(codec="libx265", depth=10, transfer="smpte2084", signal=perceptual_quantizer),
}


def splice(
    film: Path, database: Path, *, interval_seconds: float
) -> tuple[float, dict[TilePlace, PixelArray]]:
    """Splice a film into a new store, as its worker does: how many seconds that took, and the tiles."""
    database.unlink(missing_ok=True)
    with contextlib.closing(new_database(database)) as store, store.write() as session:
        library_id = library_named(session, "default", now=0).id
    looks = signature(film)
    assert looks is not None
    order = SpliceOrder(
        library_id=library_id,
        file=film,
        name=film.name,
        signature=looks,
        sample_interval_seconds=interval_seconds,
        master_edge_pixels=128,
        photo_pixels_limit=1,
        video_gigabytes_limit=10,
        video_hours_limit=1,
        poor_frames=PoorFrames.SKIP,
        near_duplicates=NearDuplicates.FILM,
        now=0,
    )
    pipeline = SplicePipeline(database)
    with contextlib.closing(pipeline._database) as store:
        start = time.perf_counter()
        pipeline.run(order, lambda _progress: None)
        seconds = time.perf_counter() - start
        with store.read() as session:
            rows = session.execute(
                select(Tile.presentation_us, Tile.crop, Master.jpeg).join(Master, Master.tile_id == Tile.id)
            )
            return seconds, {(moment, crop): decode_master(jpeg) for moment, crop, jpeg in rows}


def differences(
    tiles: dict[TilePlace, PixelArray], others: dict[TilePlace, PixelArray]
) -> dict[TilePlace, float]:
    """Mean CIEDE2000 of the tiles that two splicings have in common."""
    return {
        place: mean_color_difference(tiles[place], others[place])
        for place in sorted(tiles.keys() & others.keys())
    }


def _light(pixels: PixelArray) -> FloatArray:
    """Linear light in BT.2020's primaries, white at 1."""
    light: FloatArray = np.maximum(_LIGHT_OF_SRGB[pixels] @ _TO_BT2020.T, 0)
    return light


def _stored(signal: NDArray[np.floating[Any]]) -> NDArray[np.uint16]:
    stored: NDArray[np.uint16] = np.rint(np.clip(signal, 0, 1) * 65535).astype(np.uint16)
    return stored
