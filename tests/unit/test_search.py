import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaicd.imaging import FloatArray
from mosaicd.imaging.descriptors import COLUMNS, KEY_COLUMNS, MIRROR_SIGNS, describe
from mosaicd.matching import search as searching
from mosaicd.matching.leaves import LEAF_ROWS, Partition, join, partition
from mosaicd.matching.search import Found, search
from tests.photo_cells import photo_cells, varied_tiles
from tests.squares import varied_descriptors


def leaves_of(descriptors: FloatArray, *, batches: int = 1) -> Partition:
    """One partition, or several joined."""
    bounds = np.linspace(0, len(descriptors), batches + 1).astype(int)
    return join(
        [
            partition(np.ascontiguousarray(descriptors[start:stop, :KEY_COLUMNS].T), first=start)
            for start, stop in itertools.pairwise(bounds.tolist())
        ]
    )


def found(descriptors: FloatArray, variants: list[FloatArray], *, count: int, batches: int = 1) -> Found:
    blocks = list(search(descriptors, leaves_of(descriptors, batches=batches), variants, count=count))
    return Found(
        rows=np.concatenate([block.rows for block in blocks]),
        distances=np.concatenate([block.distances for block in blocks]),
        variants=np.concatenate([block.variants for block in blocks]),
    )


def all_distances(descriptors: FloatArray, variants: list[FloatArray]) -> np.ndarray:
    """By plain differences, shape (queries, variants, rows)."""
    return np.stack([np.linalg.norm(descriptors - queries[:, None], axis=2) for queries in variants], axis=1)


def assert_exact(descriptors: FloatArray, variants: list[FloatArray], result: Found, count: int) -> None:
    every = all_distances(descriptors, variants)
    expected = np.sort(every.reshape(len(every), -1), axis=1)[:, :count]
    np.testing.assert_allclose(result.distances, expected, rtol=1e-5, atol=1e-4)
    lines = np.arange(len(every))[:, None]
    np.testing.assert_allclose(
        result.distances, every[lines, result.variants, result.rows], rtol=1e-5, atol=1e-4
    )
    named = result.variants * len(descriptors) + result.rows
    assert all(len(np.unique(line)) == count for line in named)


@st.composite
def libraries(draw: st.DrawFn) -> FloatArray:
    """Random numbers or photo-like squares, some of them several times, some of one colour."""
    count = draw(st.integers(1, 1500))
    seed = draw(st.integers(0, 1000))
    random = np.random.default_rng(seed)
    if draw(st.booleans()):
        descriptors = random.normal(0, draw(st.sampled_from([0.01, 1, 100])), (count, COLUMNS))
    else:
        descriptors = varied_descriptors(count, seed=seed).astype(np.float64)
    repeated = draw(st.sampled_from([1, 2, 300]))
    descriptors = (
        descriptors[random.integers(0, -(-count // repeated), count)] if repeated > 1 else descriptors
    )
    flat = random.random(count) < draw(st.sampled_from([0, 0.1, 1]))
    descriptors[flat, 3:] = 0
    return np.ascontiguousarray(descriptors, np.float32)


@settings(max_examples=60, deadline=None)
@given(
    descriptors=libraries(),
    seed=st.integers(0, 100),
    wanted=st.integers(1, 80),
    batches=st.integers(1, 4),
    mirror=st.booleans(),
    are_cells_flat=st.booleans(),
)
def test_what_is_found_is_exactly_the_nearest(
    *,
    descriptors: FloatArray,
    seed: int,
    wanted: int,
    batches: int,
    mirror: bool,
    are_cells_flat: bool,
) -> None:
    random = np.random.default_rng(seed)
    cells = np.concatenate(
        [varied_descriptors(10, seed=seed), descriptors[random.integers(0, len(descriptors), 10)]]
    )
    if are_cells_flat:
        cells[:, 3:] = 0
    variants = [cells, cells * MIRROR_SIGNS] if mirror else [cells]
    count = min(wanted, len(variants) * len(descriptors))
    result = found(descriptors, variants, count=count, batches=min(batches, len(descriptors)))
    assert_exact(descriptors, variants, result, count)


@settings(max_examples=40, deadline=None)
@given(
    descriptors=libraries(), seed=st.integers(0, 100), wanted=st.integers(1, 80), batches=st.integers(2, 4)
)
def test_neither_the_leaves_nor_the_other_queries_change_what_is_found(
    descriptors: FloatArray, seed: int, wanted: int, batches: int
) -> None:
    cells = np.concatenate([varied_descriptors(9, seed=seed), descriptors[:1]])
    variants = [cells, cells * MIRROR_SIGNS]
    count = min(wanted, 2 * len(descriptors))
    whole = found(descriptors, variants, count=count)
    for start in range(0, len(cells), 3):
        some = [queries[start : start + 3] for queries in variants]
        part = found(descriptors, some, count=count, batches=min(batches, len(descriptors)))
        for name in ("rows", "distances", "variants"):
            np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[start : start + 3])


@pytest.mark.parametrize(("cells", "count"), [(1, 1), (3, 64), (3, 5000), (40, 64)])
def test_most_of_many_rows_are_ruled_out_and_none_wrongly(cells: int, count: int) -> None:
    descriptors = varied_descriptors(10_000, seed=1)
    queries = varied_descriptors(cells, seed=9)
    assert_exact(descriptors, [queries], found(descriptors, [queries], count=count), count)


def test_cells_of_a_photo_find_their_nearest_tiles() -> None:
    descriptors = describe(varied_tiles(5000))
    cells, _ = photo_cells("astronaut.png", cells_on_long_side=40)
    queries = describe(cells)
    result = found(descriptors, [queries], count=16)
    for start in range(0, len(queries), 200):
        block = slice(start, start + 200)
        some = Found(
            rows=result.rows[block], distances=result.distances[block], variants=result.variants[block]
        )
        assert_exact(descriptors, [queries[block]], some, 16)


def test_queries_far_from_everything_are_served_too() -> None:
    descriptors = varied_descriptors(4000, seed=1)
    queries = np.repeat(varied_descriptors(4, seed=2), 2, axis=0)
    queries[::2] *= 40
    assert_exact(descriptors, [queries], found(descriptors, [queries], count=64), 64)


def test_a_row_finds_itself_at_no_distance() -> None:
    descriptors = varied_descriptors(3000, seed=1)
    result = found(descriptors, [descriptors[::7]], count=1)
    assert (result.distances == 0).all()
    np.testing.assert_array_equal(descriptors[result.rows[:, 0]], descriptors[::7])


@pytest.mark.parametrize("alike", [500, 3000])
def test_where_too_many_rows_are_alike_fewer_queries_are_asked_at_once(
    monkeypatch: pytest.MonkeyPatch, alike: int
) -> None:
    monkeypatch.setattr(searching, "_PAIRS_LIMIT", 1200)
    monkeypatch.setattr(searching, "_LEAVES_A_TASK", 2)
    descriptors = np.repeat(varied_descriptors(1, seed=1), alike, axis=0)
    queries = varied_descriptors(9, seed=2)
    variants = [queries, queries * MIRROR_SIGNS]
    assert_exact(descriptors, variants, found(descriptors, variants, count=5), 5)


def test_pairs_that_are_many_but_not_in_one_place_are_too_many_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(searching, "_PAIRS_LIMIT", 2000)
    monkeypatch.setattr(searching, "_LEAVES_A_TASK", 1)
    descriptors, queries = varied_descriptors(3000, seed=1), varied_descriptors(60, seed=2)
    assert_exact(descriptors, [queries], found(descriptors, [queries], count=64), 64)


def test_leaves_are_small_and_their_boxes_hold_their_rows() -> None:
    descriptors = varied_descriptors(5000, seed=1)
    leaves = leaves_of(descriptors, batches=3)
    assert sorted(leaves.order.tolist()) == list(range(5000))
    for leaf in range(len(leaves)):
        keys = descriptors[leaves.rows(leaf), :KEY_COLUMNS]
        assert 0 < len(keys) <= LEAF_ROWS
        assert (np.abs(keys - leaves.middles[leaf]) <= leaves.halves[leaf] + 1e-5).all()
        np.testing.assert_allclose(leaves.means[leaf], keys.mean(axis=0), atol=1e-3)
