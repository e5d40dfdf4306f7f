import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaicd.imaging.descriptors import COLOR_COLUMNS, MEAN_COLUMNS, MIRROR_SIGNS
from mosaicd.matching.index import TileIndex
from mosaicd.matching.toning import GAIN_RANGE, LONGEST_SHIFT, column_weights, corrections, toned
from tests.squares import varied_descriptors

MEANS = list(MEAN_COLUMNS)


def index_of(count: int, correction: float, *, seed: int = 1) -> TileIndex:
    index = TileIndex(column_weights(correction))
    index.add(np.arange(count), varied_descriptors(count, seed=seed))
    return index


def applied(tiles: np.ndarray, toning: np.ndarray) -> np.ndarray:
    """Descriptors of tiles once they are toned."""
    changed = tiles * toning[..., 3:]
    changed[..., MEANS] = tiles[..., MEANS] + toning[..., :3]
    result: np.ndarray = changed
    return result


@given(correction=st.floats(0, 1), seed=st.integers(0, 50))
def test_toning_makes_up_for_its_share_and_never_more_than_a_tile_can_bear(
    correction: float, seed: int
) -> None:
    index = index_of(10, correction, seed=seed)
    cells, tiles = varied_descriptors(10, seed=seed + 1), varied_descriptors(10, seed=seed)
    toning = corrections(cells, np.arange(10, dtype=np.int32), index, color_correction=correction)
    shifts, gains = toning[:, :3], toning[:, 3]
    lengths = np.linalg.norm(shifts, axis=1)
    wanted = correction * (cells - tiles)[:, MEANS]
    assert (lengths <= LONGEST_SHIFT + 0.05).all()
    within = np.linalg.norm(wanted, axis=1) < LONGEST_SHIFT
    np.testing.assert_allclose(shifts[within], wanted[within], atol=0.1)
    assert ((gains >= GAIN_RANGE[0] - 1e-3) & (gains <= GAIN_RANGE[1] + 1e-3)).all()


def test_without_correction_nothing_changes() -> None:
    index = index_of(200, 0.0)
    cells = varied_descriptors(20, seed=2)
    found = index.nearest(cells, count=8)
    ranked = toned(found, cells, index, color_correction=0.0)
    np.testing.assert_allclose(ranked.distances, found.distances, atol=1e-2)
    toning = corrections(cells, found.positions[:, 0], index, color_correction=0.0)
    np.testing.assert_array_equal(toning, np.tile([0, 0, 0, 1], (20, 1)))


@pytest.mark.parametrize("mirror", [False, True])
def test_candidates_are_ranked_by_what_they_become(*, mirror: bool) -> None:
    correction = 0.5
    index = index_of(300, correction)
    cells = varied_descriptors(600, seed=3)
    ranked = toned(index.nearest(cells, count=16, mirror=mirror), cells, index, color_correction=correction)
    assert (np.diff(ranked.distances, axis=1) >= 0).all()
    weights = column_weights(correction)
    for choice in (0, 7):
        positions = ranked.positions[:, choice]
        signs = np.where(ranked.mirrored[:, choice, np.newaxis], MIRROR_SIGNS, 1)
        tiles = index.weighted(positions) / weights * signs
        gains = corrections(cells, positions, index, color_correction=correction)[:, 3:]
        changed = tiles * gains
        changed[:, MEANS] = tiles[:, MEANS]  # what is left of the means' difference is in the weights
        expected = np.linalg.norm((changed - cells) * weights, axis=1)
        np.testing.assert_allclose(ranked.distances[:, choice], expected, atol=0.1)


def test_toned_tiles_are_nearer_to_their_cells() -> None:
    index = index_of(300, 0.5)
    cells = varied_descriptors(50, seed=4)
    positions = index.nearest(cells, count=1).positions[:, 0]
    tiles = varied_descriptors(300, seed=1)[positions]
    toning = corrections(cells, positions, index, color_correction=0.5)
    before = np.linalg.norm(cells - tiles, axis=1)
    after = np.linalg.norm(cells - applied(tiles, toning), axis=1)
    assert after.mean() < 0.95 * before.mean()


def test_mean_colour_counts_less_the_more_of_it_is_made_up_for() -> None:
    mean_weights = [column_weights(correction)[MEANS[0]] for correction in (0.0, 0.25, 0.5)]
    assert mean_weights[0] == 1
    assert mean_weights[0] > mean_weights[1] > mean_weights[2] == pytest.approx(0.645, abs=0.001)


def test_colour_counts_less_than_lightness() -> None:
    weights = column_weights(0.0)
    np.testing.assert_allclose(np.square(weights[list(COLOR_COLUMNS)]), 0.6, rtol=1e-5)
    assert set(np.delete(weights, COLOR_COLUMNS)) == {1.0}
