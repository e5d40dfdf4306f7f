"""What a study computes, against brute force, scikit-image and published figures."""

import itertools
import math
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from skimage.metrics import structural_similarity

from mosaicd.imaging import PixelArray
from mosaicd.imaging.descriptors import KEY_COLUMNS, describe
from mosaicd.imaging.grid import CellGrid
from mosaicd.studies.cam16 import linear_light, srgb_to_cam16_ucs
from mosaicd.studies.freckles import freckled_share, off_color_share
from mosaicd.studies.measures import (
    CIELAB,
    FIXED_KEY,
    MEAN_SRGB,
    MEANS,
    SQUARED_RGB,
    Ssim,
    in_rgb,
    keys,
    mixed,
    squared_distances,
    structural_similarities,
    window_moments,
)
from mosaicd.studies.search import FORK_MEASURE, MEASURES, MIXES, SSIMS, Way, recall, search
from mosaicd.studies.suspects import mended_ways, shapley
from tests.squares import varied_subcells

CELLS, TILES = varied_subcells(23, seed=1), varied_subcells(90, seed=2)


def similarity(cell: PixelArray, tile: PixelArray, ssim: Ssim) -> float:
    return float(
        structural_similarity(
            cell,
            tile,
            channel_axis=2,
            data_range=255,
            win_size=ssim.window,
            K1=ssim.first_constant,
            K2=ssim.second_constant,
        )
    )


@cache
def brute_force(measure: str) -> NDArray[np.float64]:
    """Differences of all cells to all tiles, one pair at a time."""
    if measure == SQUARED_RGB:
        return np.asarray(cdist(in_rgb(CELLS), in_rgb(TILES), "sqeuclidean"))
    if measure == CIELAB:
        return np.asarray(cdist(describe(CELLS), describe(TILES), "sqeuclidean"))
    if measure in SSIMS:
        return 1 - np.array([[similarity(cell, tile, SSIMS[measure]) for tile in TILES] for cell in CELLS])
    share = MIXES[measure]
    mix: NDArray[np.float64] = share * brute_force(FORK_MEASURE)
    mix += (1 - share) * np.sqrt(brute_force(CIELAB)) / 100
    return mix


@pytest.mark.parametrize("name", SSIMS)
def test_structural_similarity_is_that_of_scikit_image(name: str) -> None:
    window = SSIMS[name].window
    found = structural_similarities(window_moments(CELLS, window), window_moments(TILES, window), SSIMS[name])
    np.testing.assert_allclose(1 - found, brute_force(name), atol=1e-5)


def test_squared_distances_are_those_of_scipy() -> None:
    np.testing.assert_allclose(
        squared_distances(describe(CELLS), describe(TILES)), brute_force(CIELAB), rtol=1e-3, atol=1e-2
    )


def test_mix_is_of_both_by_their_shares() -> None:
    found = mixed(np.full((1, 1), 0.5, np.float32), np.full((1, 1), 400, np.float32), structure_share=0.25)
    assert found[0, 0] == pytest.approx(0.25 * 0.5 + 0.75 * 0.2)


@pytest.mark.parametrize("measure", MEASURES)
def test_way_without_key_takes_the_best_of_all(measure: str) -> None:
    way = Way(measure=measure)
    winners = search(CELLS, TILES, keys={}, truths=(), ways=[way]).winners[way]
    differences = brute_force(measure)
    reached = np.take_along_axis(differences, winners[:, np.newaxis], axis=1)[:, 0]
    np.testing.assert_allclose(reached, differences.min(axis=1), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("count", [1, 7, 90, 1000])
def test_way_with_key_takes_the_best_of_the_nearest(count: int) -> None:
    way = Way(measure=SQUARED_RGB, key=MEAN_SRGB, count=count)
    found = search(CELLS, TILES, keys=MEANS, truths=(SQUARED_RGB,), ways=[way])
    distances = cdist(CELLS.mean(axis=(1, 2)), TILES.mean(axis=(1, 2)), "sqeuclidean")
    differences = brute_force(SQUARED_RGB)
    for cell, order in enumerate(distances.argsort(axis=1)):
        near = order[:count]
        assert found.winners[way][cell] == near[differences[cell, near].argmin()]


def test_rank_counts_the_tiles_that_are_nearer_than_the_best() -> None:
    found = search(CELLS, TILES, keys=MEANS, truths=(SQUARED_RGB,), ways=[])
    distances = cdist(CELLS.mean(axis=(1, 2)), TILES.mean(axis=(1, 2)), "sqeuclidean")
    best = brute_force(SQUARED_RGB).argmin(axis=1)
    order = distances.argsort(axis=1)
    expected = [int(np.flatnonzero(order[cell] == best[cell])[0]) for cell in range(len(CELLS))]
    ranks = found.ranks[MEAN_SRGB, SQUARED_RGB]
    assert ranks.tolist() == expected
    assert recall(ranks, 5) == pytest.approx(np.mean([rank < 5 for rank in expected]))
    assert recall(ranks, len(TILES)) == 1


def test_all_components_together_keep_every_distance() -> None:
    projections = keys(TILES)
    exact = cdist(in_rgb(CELLS), in_rgb(TILES), "sqeuclidean")
    errors = []
    for count in (3, 8, 12, 16):
        project = projections[f"PCA {count}, RGB"]
        assert project(CELLS).shape == (len(CELLS), count)
        kept = cdist(project(CELLS), project(TILES), "sqeuclidean")
        assert (kept <= exact * 1.001).all(), "a projection never exceeds the whole distance"
        errors.append(float((exact - kept).mean()))
    assert errors == sorted(errors, reverse=True)


def test_fixed_key_is_that_of_the_default_engine() -> None:
    np.testing.assert_array_equal(keys(TILES)[FIXED_KEY](CELLS), describe(CELLS)[:, :KEY_COLUMNS])


def test_light_is_averaged_as_light() -> None:
    checks = np.zeros((1, 5, 5, 3), np.uint8)
    checks[0, ::2] = 255
    np.testing.assert_allclose(MEANS[MEAN_SRGB](checks), [[153] * 3])
    np.testing.assert_allclose(MEANS["mean linear light"](checks), [[203] * 3], atol=1)


def test_every_mean_of_an_even_square_is_its_color() -> None:
    even = np.full((1, 5, 5, 3), (200, 100, 50), np.uint8)
    np.testing.assert_allclose(MEANS["mean linear light"](even), [[200, 100, 50]], atol=1e-2)
    np.testing.assert_allclose(MEANS["mean CAM16-UCS"](even), srgb_to_cam16_ucs(even[:, 0, 0]), atol=1e-4)


@pytest.mark.parametrize(
    ("color", "expected"),
    [
        ((255, 255, 255), (100.0, -1.89, -1.07)),
        ((0, 0, 0), (0, 0, 0)),
        ((255, 0, 0), (59.174, 40.830, 21.156)),
        ((51, 102, 153), (43.958, -6.192, -20.924)),
    ],
)
def test_cam16_ucs_is_that_of_colour_science(
    color: tuple[int, int, int], expected: tuple[float, float, float]
) -> None:
    """Figures of the package colour-science 0.4.7, `XYZ_to_CAM16UCS(sRGB_to_XYZ(color))`."""
    np.testing.assert_allclose(srgb_to_cam16_ucs(np.array(color, np.uint8)), expected, atol=0.01)


def test_light_ends_at_black_and_white() -> None:
    assert linear_light(np.array([0, 255], np.uint8)).tolist() == [0, 1]


def test_changes_shared_out_over_all_orders_make_up_the_whole() -> None:
    random = np.random.default_rng(3)
    values = {way: random.normal() for way in mended_ways(CIELAB, 1000)}
    players = ("key", "candidates", "measure")
    shares = {player: shapley(values, player) for player in players}
    assert sum(shares.values()) == pytest.approx(values[frozenset(players)] - values[frozenset()])
    orders = list(itertools.permutations(players))
    for player in players:
        changes = []
        for order in orders:
            before = frozenset(order[: order.index(player)])
            changes.append(values[before | {player}] - values[before])
        assert shares[player] == pytest.approx(np.mean(changes))


def test_ways_are_mended_one_thing_at_a_time() -> None:
    found = mended_ways(CIELAB, 20_000)
    assert len(set(found.values())) == 8
    assert found[frozenset()] == Way(measure=FORK_MEASURE, key=MEAN_SRGB, count=40)
    assert found[frozenset({"measure"})] == Way(measure=CIELAB, key=MEAN_SRGB, count=40)
    assert found[frozenset({"key", "candidates", "measure"})] == Way(
        measure=CIELAB, key=FIXED_KEY, count=1000
    )


GRID = CellGrid.fit((60, 60), cells_on_long_side=12)
EVEN = np.full((60, 60, 3), 120, np.uint8)
ALL_FLAT = np.ones((12, 12), bool)


def test_area_of_another_color_has_no_freckles_but_is_off() -> None:
    other = np.full((120, 120, 3), (200, 60, 60), np.uint8)
    assert freckled_share(other, EVEN, GRID, ALL_FLAT) == 0
    assert off_color_share(other, EVEN, GRID, ALL_FLAT) == 1


def test_cell_that_stands_out_is_a_freckle() -> None:
    speckled = EVEN.copy()
    speckled[20:25, 20:25] = 220
    assert freckled_share(speckled, EVEN, GRID, ALL_FLAT) == pytest.approx(1 / 144)
    assert off_color_share(speckled, EVEN, GRID, ALL_FLAT) == pytest.approx(1 / 144)


def test_speckled_tile_of_the_right_mean_is_a_freckle_of_no_other_color() -> None:
    speckled = EVEN.copy()
    speckled[20:25, 20:25] = [
        [[80 + 80 * ((row + column) % 2)] * 3 for column in range(5)] for row in range(5)
    ]
    assert freckled_share(speckled, EVEN, GRID, ALL_FLAT) == pytest.approx(1 / 144)
    assert off_color_share(speckled, EVEN, GRID, ALL_FLAT) == 0


def test_only_flat_cells_count() -> None:
    speckled = EVEN.copy()
    speckled[20:25, 20:25] = 220
    elsewhere = ALL_FLAT.copy()
    elsewhere[4, 4] = False
    assert freckled_share(speckled, EVEN, GRID, elsewhere) == 0
    assert math.isnan(freckled_share(speckled, EVEN, GRID, ~ALL_FLAT))
