import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaicd.imaging.descriptors import COLUMNS, MEAN_COLUMNS, MIRROR_SIGNS
from mosaicd.matching.index import TileIndex
from tests.squares import varied_descriptors

EVEN = np.ones(COLUMNS, np.float32)


def index_of(count: int, *, seed: int = 1, batches: int = 1) -> TileIndex:
    index = TileIndex(EVEN)
    for tiles in np.array_split(np.arange(count), batches):
        index.add(tiles + 1000, varied_descriptors(count, seed=seed)[tiles])
    return index


def brute_force(index: TileIndex, cells: np.ndarray, count: int) -> np.ndarray:
    descriptors = index.weighted(np.arange(len(index), dtype=np.int32))
    distances = np.linalg.norm(descriptors[None] - cells[:, None], axis=2)
    return np.sort(distances, axis=1)[:, :count]


@settings(max_examples=25, deadline=None)
@given(count=st.integers(1, 400), seed=st.integers(0, 100), batches=st.integers(1, 5))
def test_certified_candidates_are_the_best_of_all(count: int, seed: int, batches: int) -> None:
    index = index_of(count, seed=seed, batches=min(batches, count))
    cells = varied_descriptors(20, seed=seed + 1)
    found = index.nearest(cells, count=4)
    best = brute_force(index, cells, 1)[:, 0]
    np.testing.assert_allclose(found.distances[found.certified, 0], best[found.certified], atol=1e-2)


def test_candidates_are_the_nearest_for_nearly_all_cells() -> None:
    index = index_of(5000)
    cells = varied_descriptors(300, seed=2)
    found = index.nearest(cells, count=64)
    expected = brute_force(index, cells, 64)
    assert np.mean(np.isclose(found.distances[:, 0], expected[:, 0], atol=1e-2)) >= 0.99
    assert np.mean(np.isclose(found.distances, expected, atol=1e-2)) >= 0.9


def test_with_as_many_candidates_as_tiles_the_search_is_exhaustive() -> None:
    index = index_of(50)
    cells = varied_descriptors(30, seed=3)
    found = index.nearest(cells, count=50)
    assert found.certified.all()
    np.testing.assert_allclose(found.distances, brute_force(index, cells, 50), atol=1e-2)


def test_growing_step_by_step_finds_what_one_tree_finds() -> None:
    cells = varied_descriptors(50, seed=4)
    at_once, grown = index_of(3000), index_of(2000)
    grown.nearest(cells, count=8)
    more = varied_descriptors(3000, seed=1)[2000:]
    fresh = index_of(3000)
    for start in range(0, 1000, 50):
        grown.add(np.arange(3000 + start, 3050 + start), more[start : start + 50])
        found = grown.nearest(cells, count=8)
    descriptors = varied_descriptors(2000, seed=1)
    rebuilt = TileIndex(EVEN)
    rebuilt.add(np.arange(2000), descriptors)
    rebuilt.add(np.arange(2000, 3000), more)
    np.testing.assert_allclose(found.distances, rebuilt.nearest(cells, count=8).distances, atol=1e-3)
    assert len(grown) == len(at_once) == len(fresh)


def test_candidates_come_nearest_first_and_distances_are_theirs() -> None:
    index = index_of(500)
    cells = varied_descriptors(20, seed=5)
    found = index.nearest(cells, count=10)
    assert (np.diff(found.distances, axis=1) >= 0).all()
    distances = np.linalg.norm(index.weighted(found.positions) - cells[:, None], axis=2)
    np.testing.assert_allclose(found.distances, distances, atol=1e-3)


def test_removed_tiles_are_found_no_more() -> None:
    index = index_of(200)
    cells = varied_descriptors(40, seed=6)
    best = index.tiles[index.nearest(cells, count=1).positions[:, 0]]
    index.remove(np.unique(best))
    assert not np.isin(index.tiles, best).any()
    assert not np.isin(index.tiles[index.nearest(cells, count=5).positions], best).any()


def test_a_mirrored_tile_is_found_for_a_mirrored_cell() -> None:
    index = index_of(300)
    wanted = index.weighted(np.arange(300, dtype=np.int32))
    found = index.nearest(wanted * MIRROR_SIGNS, count=3, mirror=True)
    np.testing.assert_allclose(found.distances[:, 0], 0, atol=1e-3)
    np.testing.assert_array_equal(found.positions[:, 0], np.arange(300))
    assert found.mirrored[:, 0].mean() > 0.95  # a square that is symmetric needs no mirror
    upright = index.nearest(wanted, count=3, mirror=True)
    np.testing.assert_allclose(upright.distances[:, 0], 0, atol=1e-3)


def test_ranking_all_tiles_agrees_with_the_search() -> None:
    index = index_of(100)
    cell = varied_descriptors(1, seed=7)
    for mirror in (False, True):
        ranked = index.rank_all(cell[0], mirror=mirror)
        found = index.nearest(cell, count=100, mirror=mirror)
        assert ranked.positions.shape[1] == 100 * (1 + mirror)
        np.testing.assert_allclose(ranked.distances[0, :100], found.distances[0], atol=1e-3)


def test_weights_let_differences_of_mean_colour_count_less() -> None:
    descriptors = np.zeros((2, COLUMNS), np.float32)
    descriptors[0, 0] = 10  # another lightness, the right structure
    descriptors[1, 40] = 6  # the right lightness, another structure
    cell = np.zeros((1, COLUMNS), np.float32)
    for weight, expected in ((1.0, 1), (0.5, 0)):
        weights = EVEN.copy()
        weights[list(MEAN_COLUMNS)] = weight
        index = TileIndex(weights)
        index.add(np.array([5, 6]), descriptors)
        assert index.nearest(cell, count=1).positions[0, 0] == expected
        np.testing.assert_allclose(index.weighted(np.array([0, 1], np.int32)), descriptors * weights)


def test_an_empty_index_says_so() -> None:
    with pytest.raises(ValueError, match="no tiles"):
        TileIndex(EVEN).nearest(varied_descriptors(1, seed=1), count=1)
