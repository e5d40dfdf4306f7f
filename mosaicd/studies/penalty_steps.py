"""The article's experiment: what a growing penalty does to closeness and to repetition."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from mosaicd.matching.codebox import CodeboxEngine
from mosaicd.matching.engine import Engine, Rules
from mosaicd.matching.mean_color_ssim import MeanColorSsimEngine
from mosaicd.matching.perceptual import PerceptualEngine
from mosaicd.pipelines import appearance as appearances
from mosaicd.pipelines.appearance import Appearance
from mosaicd.studies.material import Quality, Target, Tiles, quality

STEPS = (0.0, 0.03, 0.05, 0.15)
ARTICLE = appearances.Engine.MEAN_COLOR_SSIM


@dataclass(frozen=True, slots=True, kw_only=True)
class PenaltyOutcome:
    """A mosaic, made with one penalty step.

    Attributes
    ----------
    photo, engine : str
    penalty_step : float
    mean_similarity : float
        As the engine measures it: SSIM of 5 x 5 sub-cells, the article's own figure, for the article's engine.
    quality : Quality
    """

    photo: str
    engine: str
    penalty_step: float
    mean_similarity: float
    quality: Quality


def penalty_outcomes(target: Target, tiles: Tiles, default: Appearance) -> Iterator[PenaltyOutcome]:
    """The article's engine with each of its steps; beside it the original program's, and the `default`."""
    for step in STEPS:
        yield _outcome(MeanColorSsimEngine(), ARTICLE, step, target, tiles, default)
    yield _outcome(CodeboxEngine(), appearances.Engine.CODEBOX, 0.0, target, tiles, default)
    engine = PerceptualEngine(color_correction=default.color_correction)
    name = appearances.Engine.PERCEPTUAL
    yield _outcome(engine, name, default.penalty_step, target, tiles, default)


def _outcome(
    engine: Engine, name: str, step: float, target: Target, tiles: Tiles, default: Appearance
) -> PenaltyOutcome:
    count = len(tiles.subcells)
    engine.add(np.arange(count), tiles.subcells)
    looks = default.model_copy(update={"penalty_step": step})
    choice = engine.choose(
        target.cells,
        shape=(target.grid.rows, target.grid.columns),
        past_appearances=np.zeros(count, np.float32),
        rules=Rules(**{field.name: getattr(looks, field.name) for field in fields(Rules)}),
    )
    return PenaltyOutcome(
        photo=target.name,
        engine=name,
        penalty_step=step,
        mean_similarity=choice.mean_similarity,
        quality=quality(choice, tiles, target),
    )
