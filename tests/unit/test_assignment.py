import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaicd.imaging.descriptors import COLUMNS, detail
from mosaicd.matching.assignment import Placement, assign, similarity
from mosaicd.matching.engine import Assignment, Rules
from mosaicd.matching.index import TileIndex
from tests.squares import varied_descriptors

EVEN = np.ones(COLUMNS, np.float32)


def place(
    *,
    tiles: int,
    shape: tuple[int, int],
    distance: int = 2,
    step: float = 0.0,
    count: int = 16,
    seed: int = 1,
    past_appearances: np.ndarray | None = None,
    cells: np.ndarray | None = None,
) -> Placement:
    index = TileIndex(EVEN)
    index.add(np.arange(tiles), varied_descriptors(tiles, seed=seed))
    cells = varied_descriptors(shape[0] * shape[1], seed=seed + 1) if cells is None else cells
    return assign(
        index.nearest(cells, count=count, mirror=True),
        shape=shape,
        detail=detail(cells),
        past_appearances=np.zeros(tiles, np.float32) if past_appearances is None else past_appearances,
        rules=Rules(
            minimum_distance_cells=distance,
            penalty_step=step,
            mirror=True,
            color_correction=0,
            assignment=Assignment.GREEDY,
        ),
        rank_all=lambda cell: index.rank_all(cells[cell], mirror=True),
    )


def closest_repeat(positions: np.ndarray) -> int:
    """Cells between the two nearest uses of one tile, along rows or along columns."""
    nearest = 10**9
    for position in np.unique(positions):
        places = np.argwhere(positions == position)
        apart = np.abs(places[:, None] - places[None]).max(axis=2)
        nearest = min([nearest, *apart[apart > 0].tolist()])
    return nearest


@settings(max_examples=40, deadline=None)
@given(
    tiles=st.integers(1, 120),
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    distance=st.integers(0, 3),
    step=st.sampled_from([0.0, 0.03, 0.5]),
    count=st.integers(1, 8),
)
def test_no_cell_is_ever_bare_and_distances_hold_unless_said(
    tiles: int, rows: int, columns: int, distance: int, step: float, count: int
) -> None:
    placed = place(tiles=tiles, shape=(rows, columns), distance=distance, step=step, count=count)
    assert placed.positions.shape == (rows, columns)
    assert ((placed.positions >= 0) & (placed.positions < tiles)).all()
    if placed.crowded_cells == 0:
        assert closest_repeat(placed.positions) > distance


def test_with_enough_tiles_distances_hold() -> None:
    placed = place(tiles=60, shape=(20, 20), distance=3, count=4)
    assert placed.crowded_cells == 0
    assert closest_repeat(placed.positions) > 3


def test_with_too_few_tiles_the_distance_gives_way_step_by_step() -> None:
    placed = place(tiles=10, shape=(8, 8), distance=3)
    assert placed.crowded_cells > 0
    assert closest_repeat(placed.positions) >= 1
    assert closest_repeat(place(tiles=1, shape=(3, 3), distance=3).positions) == 1


def test_without_rules_each_cell_has_its_nearest_tile() -> None:
    index = TileIndex(EVEN)
    index.add(np.arange(200), varied_descriptors(200, seed=1))
    cells = varied_descriptors(36, seed=2)
    placed = place(tiles=200, shape=(6, 6), distance=0, cells=cells)
    best = index.nearest(cells, count=16, mirror=True)
    np.testing.assert_array_equal(placed.positions.ravel(), best.positions[:, 0])
    np.testing.assert_allclose(placed.similarities.ravel(), similarity(best.distances[:, 0]))


def test_a_higher_penalty_step_gives_more_distinct_tiles() -> None:
    cells = np.repeat(varied_descriptors(1, seed=9), 100, axis=0)
    distinct = [
        len(
            np.unique(
                place(tiles=100, shape=(10, 10), distance=0, step=step, cells=cells, count=200).positions
            )
        )
        for step in (0.0, 0.1, 1.0)
    ]
    assert distinct[0] == 1
    assert distinct[0] < distinct[1] < distinct[2]


def test_tiles_used_in_the_past_are_avoided() -> None:
    cells = varied_descriptors(25, seed=3)
    first = place(tiles=300, shape=(5, 5), step=0.1, cells=cells)
    appearances = np.isin(np.arange(300), first.positions).astype(np.float32)
    second = place(tiles=300, shape=(5, 5), step=0.1, cells=cells, past_appearances=appearances)
    shared = np.intersect1d(first.positions, second.positions)
    assert len(shared) < len(np.unique(first.positions)) / 2


def test_similarities_lie_between_0_and_1() -> None:
    assert similarity(np.array([0, 25, 100, 500], np.float32)).tolist() == [1, 0.75, 0, 0]
