from dataclasses import replace

import numpy as np
import pytest

from mosaicd.imaging.descriptors import MEAN_COLUMNS, describe
from mosaicd.imaging.figures import repetition
from mosaicd.matching.engine import Assignment, Relaxed, Rules, uncorrected
from mosaicd.matching.perceptual import PerceptualEngine
from tests.squares import varied_subcells

SHAPE = (8, 10)
CELLS = varied_subcells(80, seed=2)
FRESH = np.zeros(500, np.float32)

each_assignment = pytest.mark.parametrize("assignment", Assignment)


def engine_of(order: np.ndarray, *, color_correction: float = 0.5) -> PerceptualEngine:
    engine = PerceptualEngine(color_correction=color_correction)
    engine.add(order + 1000, varied_subcells(500, seed=1)[order])
    return engine


def rules(
    assignment: Assignment, *, color_correction: float = 0.5, mirror: bool = True, distance: int = 2
) -> Rules:
    return Rules(
        minimum_distance_cells=distance,
        minimum_shot_distance_cells=0,
        maximum_uses=0,
        penalty_step=0.03,
        mirror=mirror,
        color_correction=color_correction,
        assignment=assignment,
    )


@each_assignment
def test_the_choice_is_complete_and_keeps_to_the_rules(assignment: Assignment) -> None:
    chosen = engine_of(np.arange(500)).choose(
        CELLS, shape=SHAPE, past_appearances=FRESH, rules=rules(assignment)
    )
    assert chosen.tiles.shape == chosen.mirrored.shape == SHAPE
    assert chosen.corrections.shape == (*SHAPE, 4)
    assert np.isin(chosen.tiles, np.arange(1000, 1500)).all()
    assert repetition(chosen.tiles).touching_share == 0
    assert chosen.certified_share is not None
    assert 0 < chosen.mean_similarity <= 1


@each_assignment
def test_the_order_of_tiles_in_the_library_does_not_matter(assignment: Assignment) -> None:
    shuffled = np.random.default_rng(1).permutation(500)
    first = engine_of(np.arange(500)).choose(
        CELLS, shape=SHAPE, past_appearances=FRESH, rules=rules(assignment)
    )
    second = engine_of(shuffled).choose(CELLS, shape=SHAPE, past_appearances=FRESH, rules=rules(assignment))
    np.testing.assert_array_equal(first.tiles, second.tiles)
    np.testing.assert_allclose(first.corrections, second.corrections, atol=0.02)


@each_assignment
def test_without_correction_and_mirror_tiles_are_shown_as_they_are(assignment: Assignment) -> None:
    engine = engine_of(np.arange(500), color_correction=0)
    chosen = engine.choose(
        CELLS, shape=SHAPE, past_appearances=FRESH, rules=rules(assignment, color_correction=0, mirror=False)
    )
    np.testing.assert_array_equal(chosen.corrections, uncorrected(SHAPE))
    assert not chosen.mirrored.any()


@each_assignment
def test_shots_are_kept_apart_and_removed_with_their_tiles(assignment: Assignment) -> None:
    engine = PerceptualEngine(color_correction=0.5)
    shots = np.arange(500) // 5
    engine.add(np.arange(500), varied_subcells(500, seed=1), shots)
    engine.remove(np.arange(100))
    chosen = engine.choose(
        CELLS,
        shape=SHAPE,
        past_appearances=np.zeros(400, np.float32),
        rules=replace(rules(assignment), minimum_shot_distance_cells=1, maximum_uses=3),
    )
    assert (chosen.tiles >= 100).all()
    assert repetition(chosen.tiles // 5).touching_share == 0
    assert repetition(chosen.tiles).most_used_tile_count <= 3
    assert chosen.relaxed == Relaxed()


@each_assignment
def test_removed_tiles_are_not_chosen(assignment: Assignment) -> None:
    engine = engine_of(np.arange(500))
    engine.remove(np.arange(1000, 1400))
    chosen = engine.choose(
        CELLS, shape=SHAPE, past_appearances=np.zeros(100, np.float32), rules=rules(assignment)
    )
    assert (chosen.tiles >= 1400).all()


@each_assignment
def test_an_engine_without_tiles_says_so(assignment: Assignment) -> None:
    engine = PerceptualEngine(color_correction=0.5)
    with pytest.raises(ValueError, match="no tiles"):
        engine.choose(CELLS, shape=SHAPE, past_appearances=np.zeros(0, np.float32), rules=rules(assignment))


@each_assignment
def test_few_tiles_leave_no_cell_bare(assignment: Assignment) -> None:
    engine = PerceptualEngine(color_correction=0.5)
    engine.add(np.arange(3), varied_subcells(3, seed=1))
    chosen = engine.choose(
        CELLS, shape=SHAPE, past_appearances=np.zeros(3, np.float32), rules=rules(assignment)
    )
    assert chosen.relaxed.minimum_distance_cells > 0
    assert np.isin(chosen.tiles, np.arange(3)).all()


def test_diffusion_keeps_the_mean_colour_of_areas() -> None:
    cells = np.tile(varied_subcells(1, seed=7), (400, 1, 1, 1))
    wanted = describe(cells)[0, list(MEAN_COLUMNS)]
    left = {}
    for assignment in Assignment:
        engine = engine_of(np.arange(500), color_correction=0)
        chosen = engine.choose(
            cells,
            shape=(20, 20),
            past_appearances=FRESH,
            rules=rules(assignment, color_correction=0, distance=1),
        )
        shown = describe(varied_subcells(500, seed=1))[chosen.tiles.ravel() - 1000][:, list(MEAN_COLUMNS)]
        left[assignment] = np.linalg.norm(shown.mean(axis=0) - wanted)
    assert left[Assignment.DIFFUSION] < 0.8 * left[Assignment.GREEDY]
