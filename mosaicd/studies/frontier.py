"""The frontier: how close a mosaic is for how little it repeats, over settings, beside other makers' mosaics."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from mosaicd.errors import MosaicdError
from mosaicd.imaging.figures import closeness, repetition
from mosaicd.matching.engine import Assignment, Rules
from mosaicd.pipelines.appearance import Appearance, Engine
from mosaicd.pipelines.libraries import new_engine
from mosaicd.studies.material import Target, Tiles, paint

DEFAULT = "as set"
UNCORRECTED = 0.0
_OURS = "mosaicd"
_PENALTY_STEPS = (0.0, 0.03, 0.1, 0.3, 1.0)
_DISTANCES_CELLS = (0, 1, 2, 3, 5)
_USES_A_SHARE = (1, 2, 4, 8)
"""Limits on uses, in multiples of what using all tiles evenly takes."""
_SSIM_PENALTY_STEPS = (0.0, 0.03, 0.05, 0.15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a mosaic is judged by, as in `mosaicd.imaging.figures`."""

    color_error_1px: float
    color_error_5px: float
    ssim_5px: float
    distinct_tiles: int
    most_used_tile_count: int
    touching_share: float

    @property
    def costs(self) -> tuple[float, ...]:
        """The same, in such a way that less is better."""
        return (
            self.color_error_1px,
            self.color_error_5px,
            -self.ssim_5px,
            -self.distinct_tiles,
            self.most_used_tile_count,
            self.touching_share,
        )

    def beats(self, other: "Figures") -> bool:
        """Whether it is as good on every figure, and better on one."""
        pairs = list(zip(self.costs, other.costs, strict=True))
        return all(own <= its for own, its in pairs) and any(own < its for own, its in pairs)

    def better_count(self, other: "Figures") -> int:
        """On how many of the six figures it is better."""
        return sum(own < its for own, its in zip(self.costs, other.costs, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A mosaic on the plot.

    Attributes
    ----------
    series : str
        What is common to the points of a line.
    setting : str
        What sets it apart within its series.
    figures : Figures
    """

    series: str
    setting: str
    figures: Figures

    @property
    def name(self) -> str:
        """The whole name."""
        return f"{self.series}, {self.setting}" if self.setting else self.series


def settings_to_try(base: Appearance, *, cells: int, tiles: int) -> Iterator[tuple[str, str, Appearance]]:
    """(series, setting, appearance) of each of our points, the appearance of the library first; each way once."""
    seen: list[dict[str, Any]] = []
    for series, setting, changes in _changes(base, cells=cells, tiles=tiles):
        looks = base.model_copy(update=changes)
        way = {**asdict(_rules(looks)), "engine": looks.engine}
        if way not in seen:
            seen.append(way)
            yield series, setting, looks


def frontier(target: Target, tiles: Tiles, base: Appearance) -> Iterator[Point]:
    """Make and measure a mosaic of each setting. Every tile counts as a shot of its own."""
    for series, setting, looks in settings_to_try(base, cells=target.grid.cells, tiles=len(tiles.squares)):
        yield Point(series=series, setting=setting, figures=_measured(target, tiles, looks))


def read_peers(file: Path, photo: str) -> list[Point]:
    """Other makers' mosaics of a photo, as ``tests/benchmarks/peers.py`` writes their figures; ours are left out.

    Raises
    ------
    MosaicdError
        If the file cannot be read or holds none.
    """
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
        points = [
            Point(series=row["maker"], setting="", figures=Figures(**row["closeness"], **row["repetition"]))
            for row in rows
            if row["photo"] == photo and not row["maker"].startswith(_OURS)
        ]
    except OSError as error:
        message = f"the peers' figures cannot be read: {error.strerror}"
        raise MosaicdError(message) from error
    except (ValueError, KeyError, TypeError) as error:
        message = f"{file} holds no figures of peers ({error})"
        raise MosaicdError(message) from error
    if not points:
        message = f"{file} holds no peer's figures of a photo called {photo}"
        raise MosaicdError(message)
    return points


def beaten_by(point: Point, others: Sequence[Point]) -> list[Point]:
    """Those of `others` that beat a point, the closest first."""
    better = [other for other in others if other.figures.beats(point.figures)]
    return sorted(better, key=lambda other: other.figures.color_error_1px)


def _changes(base: Appearance, *, cells: int, tiles: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    even_share = -(-cells // tiles)
    limits = [share * even_share for share in _USES_A_SHARE]
    yield _series(base.assignment, base.color_correction), DEFAULT, {}
    for correction in dict.fromkeys((base.color_correction, UNCORRECTED)):
        alike: dict[str, Any] = {"engine": Engine.PERCEPTUAL, "color_correction": correction}
        for assignment in Assignment:
            series, changes = _series(assignment, correction), {**alike, "assignment": assignment}
            yield series, "no limit on uses", changes
            for limit in limits:
                yield series, f"at most {limit} uses", {**changes, "maximum_uses": limit}
        changes = {**alike, "assignment": Assignment.DIFFUSION}
        series = _series(Assignment.DIFFUSION, correction)
        for step in _PENALTY_STEPS:
            yield series, f"penalty {step:g}", {**changes, "penalty_step": step}
        for distance in _DISTANCES_CELLS:
            yield series, f"distance {distance}", {**changes, "minimum_distance_cells": distance}
    yield Engine.CODEBOX, "", {"engine": Engine.CODEBOX}
    for step in _SSIM_PENALTY_STEPS:
        changes = {"engine": Engine.MEAN_COLOR_SSIM, "penalty_step": step}
        yield Engine.MEAN_COLOR_SSIM, f"penalty {step:g}", changes


def _series(assignment: Assignment, correction: float) -> str:
    return f"{assignment}, color_correction {correction:g}"


def _rules(looks: Appearance) -> Rules:
    return Rules(**{field.name: getattr(looks, field.name) for field in fields(Rules)})


def _measured(target: Target, tiles: Tiles, looks: Appearance) -> Figures:
    engine, count = new_engine(looks), len(tiles.subcells)
    engine.add(np.arange(count), tiles.subcells)
    choice = engine.choose(
        target.cells,
        shape=(target.grid.rows, target.grid.columns),
        past_appearances=np.zeros(count, np.float32),
        rules=_rules(looks),
    )
    near = closeness(paint(choice, tiles), target.photo, target.grid)
    return Figures(**asdict(near), **asdict(repetition(choice.tiles)))
