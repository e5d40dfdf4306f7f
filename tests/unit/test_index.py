import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaicd.imaging.descriptors import COLUMNS, MEAN_COLUMNS, MIRROR_SIGNS
from mosaicd.matching.index import TileIndex
from mosaicd.matching.toning import column_weights
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
@given(
    count=st.integers(1, 1500),
    wanted=st.integers(1, 70),
    seed=st.integers(0, 100),
    batches=st.integers(1, 5),
    mirror=st.booleans(),
    color_correction=st.sampled_from([None, 0.0, 0.5, 1.0]),
)
def test_certified_candidates_are_the_nearest_of_all(
    *, count: int, wanted: int, seed: int, batches: int, mirror: bool, color_correction: float | None
) -> None:
    weights = EVEN if color_correction is None else column_weights(color_correction)
    index = TileIndex(weights)
    for tiles in np.array_split(np.arange(count), min(batches, count)):
        index.add(tiles, varied_descriptors(count, seed=seed)[tiles])
    cells = varied_descriptors(20, seed=seed + 1)
    found = index.nearest(cells, count=wanted, mirror=mirror)
    assert found.certified.all()
    queries = [cells * weights, cells * weights * MIRROR_SIGNS][: 1 + mirror]
    every = np.hstack([brute_force(index, query, count) for query in queries])
    np.testing.assert_allclose(found.distances, np.sort(every, axis=1)[:, :wanted], atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 100),
    sizes=st.lists(st.integers(1, 900), min_size=1, max_size=4),
    removed_share=st.sampled_from([0, 0.3, 0.9]),
    mirror=st.booleans(),
)
def test_neither_the_order_of_additions_nor_removals_change_what_is_found(
    seed: int, sizes: list[int], removed_share: float, *, mirror: bool
) -> None:
    random = np.random.default_rng(seed)
    count = sum(sizes)
    descriptors, cells = varied_descriptors(count, seed=seed), varied_descriptors(10, seed=seed + 1)
    removed = np.flatnonzero(random.random(count - 1) < removed_share)
    grown, fresh = TileIndex(EVEN), TileIndex(EVEN)
    for tiles in np.split(random.permutation(count), np.cumsum(sizes)[:-1]):
        grown.add(tiles, descriptors[tiles])
        grown.nearest(cells[:1], count=1)
    grown.remove(removed)
    kept = np.setdiff1d(np.arange(count), removed)
    fresh.add(kept, descriptors[kept])
    left, right = (index.nearest(cells, count=20, mirror=mirror) for index in (grown, fresh))
    np.testing.assert_array_equal(left.distances, right.distances)
    tiles_left, tiles_right = grown.tiles[left.positions], fresh.tiles[right.positions]
    is_tied = np.isin(left.distances, left.distances[tiles_left != tiles_right])
    np.testing.assert_array_equal(tiles_left[~is_tied], tiles_right[~is_tied])
    assert is_tied.mean() < 0.1


def test_with_as_many_candidates_as_tiles_the_search_is_exhaustive() -> None:
    index = index_of(50)
    cells = varied_descriptors(30, seed=3)
    found = index.nearest(cells, count=50)
    assert found.certified.all()
    np.testing.assert_allclose(found.distances, brute_force(index, cells, 50), atol=1e-2)


def test_growing_step_by_step_finds_what_an_index_made_at_once_finds() -> None:
    cells = varied_descriptors(50, seed=4)
    descriptors = varied_descriptors(3000, seed=1)
    at_once, grown = TileIndex(EVEN), TileIndex(EVEN)
    at_once.add(np.arange(3000), descriptors)
    grown.add(np.arange(2000), descriptors[:2000])
    for start in range(2000, 3000, 50):
        grown.add(np.arange(start, start + 50), descriptors[start : start + 50])
        found = grown.nearest(cells, count=8)
    assert len(grown) == len(at_once)
    np.testing.assert_array_equal(found.distances, at_once.nearest(cells, count=8).distances)


def test_adding_nothing_changes_nothing() -> None:
    index = index_of(100)
    cells = varied_descriptors(5, seed=5)
    before = index.nearest(cells, count=10)
    index.add(np.empty(0, np.int64), np.empty((0, COLUMNS), np.float32))
    np.testing.assert_array_equal(index.nearest(cells, count=10).positions, before.positions)


@pytest.mark.parametrize("step", [1, 37, 300])
def test_recent_tiles_are_divided_into_few_parts(step: int) -> None:
    index = index_of(5000)
    cells = varied_descriptors(1, seed=5)
    for start in range(5000, 5450, step):
        stop = min(start + step, 5450)
        index.add(np.arange(start, stop), varied_descriptors(stop - start, seed=start))
        index.nearest(cells, count=1)
        sizes = [len(part.order) for part in index._parts]
        assert (sum(sizes), sizes) == (stop, sorted(set(sizes), reverse=True))


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


def test_asking_every_tile_agrees_with_the_search() -> None:
    index = index_of(100)
    cell = varied_descriptors(1, seed=7)
    is_allowed = np.ones(100, bool)
    for mirror in (False, True):
        asked = index.nearest_allowed(cell[0], is_allowed, count=50, mirror=mirror)
        found = index.nearest(cell, count=50, mirror=mirror)
        np.testing.assert_array_equal(asked.positions, found.positions)
        np.testing.assert_array_equal(asked.mirrored, found.mirrored)
        np.testing.assert_allclose(asked.distances, found.distances, atol=1e-3)


def test_tiles_that_are_not_allowed_are_not_found() -> None:
    index = index_of(100)
    cell = varied_descriptors(1, seed=7)
    nearest = index.nearest(cell, count=10).positions[0]
    is_allowed = ~np.isin(np.arange(100), nearest)
    asked = index.nearest_allowed(cell[0], is_allowed, count=200, mirror=True)
    assert asked.positions.shape == (1, 180)
    assert not np.isin(asked.positions, nearest).any()
    index.remove(index.tiles[:50])
    again = index.nearest_allowed(cell[0], np.ones(50, bool), count=1)
    distances = np.linalg.norm(index.weighted(np.arange(50, dtype=np.int32)) - cell, axis=1)
    assert again.positions[0, 0] == distances.argmin()


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
