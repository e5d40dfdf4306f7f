import numpy as np

from mosaicd.matching.penalties import with_shots


def test_what_a_shot_has_shown_counts_half_for_its_other_tiles() -> None:
    appearances = np.array([2, 0, 0.5, 0], np.float32)
    assert with_shots(appearances, np.array([7, 7, 7, 8])).tolist() == [2, 1, 1, 0]


def test_what_was_never_used_stays_so() -> None:
    assert with_shots(np.zeros(3, np.float32), np.array([1, 1, 2])).tolist() == [0, 0, 0]
