"""Which looks are known already: none that is alike is missed, few others are named."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mosaicd.imaging.descriptors import COLUMNS, describe
from mosaicd.imaging.looks import KnownLooks
from tests.squares import varied_descriptors


def test_nothing_is_like_what_is_not_there() -> None:
    known = KnownLooks()
    assert known.latest == 0
    assert len(known.like(np.zeros(COLUMNS, np.float32))) == 0


def test_tiles_are_found_by_their_looks_in_whatever_portions_they_came() -> None:
    descriptors = varied_descriptors(300, seed=3)
    known = KnownLooks()
    known.add(np.arange(10, 210), descriptors[:200])
    known.add(np.arange(210, 310), descriptors[200:])
    assert known.latest == 309
    found = [known.like(descriptor) for descriptor in descriptors]
    assert all(number in tiles for number, tiles in enumerate(found, start=10))
    assert np.mean([len(tiles) for tiles in found]) < 3


@given(seed=st.integers(0, 2**32 - 1), length=st.floats(0, 0.999))
def test_no_tile_that_differs_by_less_than_one_is_missed(seed: int, length: float) -> None:
    random = np.random.default_rng(seed)
    (descriptor,) = describe(random.integers(0, 256, (1, 5, 5, 3), dtype=np.uint8))
    step = random.standard_normal(COLUMNS)
    known = KnownLooks()
    known.add(np.array([7]), descriptor[np.newaxis])
    near = (descriptor + step * (length / np.linalg.norm(step))).astype(np.float32)
    assert known.like(near).tolist() == [7]
