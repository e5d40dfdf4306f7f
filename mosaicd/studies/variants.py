"""Variants of a mosaic, by engine and strategy, each made in a process of its own."""

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from mosaicd.errors import MosaicdError, SettingsError
from mosaicd.imaging import FloatArray
from mosaicd.imaging.descriptors import SUBCELLS
from mosaicd.imaging.figures import closeness, repetition
from mosaicd.imaging.grid import CellGrid
from mosaicd.imaging.rendering import render
from mosaicd.matching.engine import Assignment, Rules
from mosaicd.media.masters import decode_master
from mosaicd.media.outbox import write_image
from mosaicd.media.photo import read_photo
from mosaicd.pipelines.appearance import Appearance, Engine
from mosaicd.pipelines.libraries import new_engine
from mosaicd.pipelines.mosaic import PHOTO_PIXELS_A_CELL, figures_of, require_writable_size
from mosaicd.store.database import Database
from mosaicd.store.history import History
from mosaicd.store.tiles import load_tiles, masters, outdated_descriptors

VARIANTS: dict[str, dict[str, Any]] = {
    "perceptual-diffusion": {"engine": Engine.PERCEPTUAL, "assignment": Assignment.DIFFUSION},
    "perceptual-greedy": {"engine": Engine.PERCEPTUAL, "assignment": Assignment.GREEDY},
    "perceptual-optimal": {"engine": Engine.PERCEPTUAL, "assignment": Assignment.OPTIMAL},
    "perceptual-uncorrected": {"engine": Engine.PERCEPTUAL, "color_correction": 0.0},
    "codebox": {"engine": Engine.CODEBOX},
    "mean-color-ssim": {"engine": Engine.MEAN_COLOR_SSIM},
}
"""What is different from the library's own settings in each."""

_STATUS = Path("/proc/self/status")
_PEAK_FIELD = "VmHWM:"


class DiedError(MosaicdError):
    """The process that made a mosaic died over it: leave that one out, go on with the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commission:
    """A mosaic that is to be made: all that its process has to know.

    Attributes
    ----------
    penalty_half_life_days : float or None
        How fast earlier mosaics fade; None if they do not count.
    now : float
        Seconds since 1970.
    image : Path
        Where it goes.
    """

    database: Path
    library_id: int
    photo: Path
    photo_pixels_limit: int
    mosaic_pixels_limit: int
    appearance: Appearance
    penalty_half_life_days: float | None
    now: float
    image: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A mosaic that was made.

    Attributes
    ----------
    tiles_in_library, rows, columns : int
    figures : dict
        As in a mosaic's report.
    seconds : dict
        Of each stage.
    peak_megabytes : float
        The most memory that its process had, from its start to the measured mosaic.
    """

    tiles_in_library: int
    rows: int
    columns: int
    figures: dict[str, Any]
    seconds: dict[str, float]
    peak_megabytes: float


def variants_named(names: Sequence[str], base: Appearance) -> dict[str, Appearance]:
    """The variants of these names, all that differ where none is named.

    Each looks like `base` but for what it is named for.

    Raises
    ------
    SettingsError
        If there is no such variant.
    """
    for name in names:
        if name not in VARIANTS:
            message = f"--engines knows {', '.join(VARIANTS)}; not {name!r}"
            raise SettingsError(message)
    chosen: dict[str, Appearance] = {}
    for name, differences in VARIANTS.items():
        looks = base.model_copy(update=differences)
        if name in names or (not names and looks not in chosen.values()):
            chosen[name] = looks
    return chosen


def is_as_set(appearance: Appearance, base: Appearance) -> bool:
    """Whether mosaics of `base` are made in just this way; only one engine of the three knows assignments."""
    return appearance == base or (
        appearance.engine is base.engine and appearance.engine is not Engine.PERCEPTUAL
    )


def make_apart(commission: Commission) -> Made:
    """Make a mosaic in a process of its own, so that what it takes is its alone.

    Raises
    ------
    MosaicdError
        If it cannot be made; `DiedError` if its process died over it.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as executor:
        try:
            return executor.submit(make, commission).result()
        except BrokenProcessPool as error:
            message = "its process died, most likely because memory ran out"
            raise DiedError(message) from error


def make(commission: Commission) -> Made:
    """Make a mosaic, write its image, and measure it. Nothing is recorded or charged.

    Raises
    ------
    MosaicdError
        If the photo cannot be used, or there are no tiles, or the image cannot be written.
    """
    looks, seconds = commission.appearance, dict[str, float]()
    photo = read_photo(
        commission.photo,
        photo_pixels_limit=commission.photo_pixels_limit,
        long_side_pixels=looks.cells_on_long_side * PHOTO_PIXELS_A_CELL,
    )
    grid = CellGrid.fit(photo.shape, cells_on_long_side=looks.cells_on_long_side)
    require_writable_size(grid, looks, commission.mosaic_pixels_limit)
    database = Database(commission.database)
    engine = new_engine(looks)
    with _timed(seconds, "loading"), database.read() as session:
        if outdated_descriptors(session, commission.library_id):
            message = (
                "the library's tiles were described by an earlier mosaicd: let the daemon make a mosaic first"
            )
            raise MosaicdError(message)
        for loaded in load_tiles(session, commission.library_id):
            engine.add(loaded.tiles, loaded.subcells, loaded.shots)
        appearances = _past_appearances(session, commission, engine.tiles)
    if len(engine.tiles) == 0:
        message = "the library has no tiles yet"
        raise MosaicdError(message)
    with _timed(seconds, "matching"):
        chosen = engine.choose(
            grid.cut(grid.sample(photo, pixels_a_cell=SUBCELLS)),
            shape=(grid.rows, grid.columns),
            past_appearances=appearances,
            rules=Rules(**{field.name: getattr(looks, field.name) for field in fields(Rules)}),
        )
    with _timed(seconds, "rendering"), database.read() as session:
        mosaic = render(
            (
                (tile, decode_master(jpeg))
                for tile, jpeg in masters(session, np.unique(chosen.tiles).tolist())
            ),
            tiles=chosen.tiles,
            mirrored=chosen.mirrored,
            corrections=chosen.corrections,
            tile_edge_pixels=looks.tile_edge_pixels,
        )
    database.close()
    with _timed(seconds, "writing"):
        write_image(
            mosaic,
            commission.image,
            staging=commission.image.parent,
            output_format=looks.output_format,
            output_quality=looks.output_quality,
        )
    near, repeats = closeness(mosaic, photo, grid), repetition(chosen.tiles)
    return Made(
        tiles_in_library=len(engine.tiles),
        rows=grid.rows,
        columns=grid.columns,
        figures={**asdict(near), **asdict(repeats), **figures_of(chosen)},
        seconds=seconds,
        peak_megabytes=_peak_megabytes(),
    )


def _past_appearances(session: Session, commission: Commission, tiles: NDArray[np.int64]) -> FloatArray:
    if commission.penalty_half_life_days is None:
        return np.zeros(len(tiles), np.float32)
    history = History(commission.library_id, half_life_days=commission.penalty_half_life_days)
    return history.appearances(session, tiles, now=commission.now)


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = round(time.perf_counter() - start, 3)


def _peak_megabytes() -> float:
    lines = _STATUS.read_text().splitlines()
    kibibytes = next(int(line.split()[1]) for line in lines if line.startswith(_PEAK_FIELD))
    return round(kibibytes * 1024 / 1e6, 1)
