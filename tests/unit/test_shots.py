"""Which frames make a shot."""

import numpy as np

from mosaicd.imaging.shots import ShotFinder
from tests.squares import varied_descriptors

FIRST, SECOND, THIRD = varied_descriptors(3, seed=1)
NEAR = np.zeros_like(FIRST)
NEAR[3] = 4.0
FAR = np.zeros_like(FIRST)
FAR[5] = 40.0


def shots_of(*frames: dict[int, np.ndarray]) -> list[int]:
    finder = ShotFinder()
    return [finder.shot_of(frame, frame) for frame in frames]


def test_alike_frames_are_one_shot_and_another_picture_begins_the_next() -> None:
    frames = [{0: FIRST, 1: SECOND}, {0: FIRST + NEAR, 1: SECOND - NEAR}, {0: THIRD, 1: FIRST}]
    assert shots_of(*frames) == [0, 0, 1]


def test_the_shot_goes_on_while_one_end_of_the_frame_is_alike() -> None:
    assert (
        shots_of({0: FIRST, 1: SECOND}, {0: FIRST + FAR, 1: SECOND}, {0: FIRST, 1: SECOND + FAR}) == [0] * 3
    )


def test_a_slow_change_ends_the_shot_at_last() -> None:
    assert shots_of(*({0: FIRST + step * NEAR} for step in range(6))) == [0, 0, 0, 1, 1, 1]


def test_a_cut_back_comes_back_to_its_shot_if_all_ends_are_alike() -> None:
    back, half_back = {0: FIRST, 1: SECOND + NEAR}, {0: FIRST, 1: SECOND + FAR}
    assert shots_of({0: FIRST, 1: SECOND}, {0: THIRD, 1: THIRD}, back) == [0, 1, 0]
    assert shots_of({0: FIRST, 1: SECOND}, {0: THIRD, 1: THIRD}, half_back) == [0, 1, 2]


def test_an_end_that_became_no_tile_is_compared_once_it_has_become_one() -> None:
    finder = ShotFinder()
    assert finder.shot_of({0: FIRST, 1: SECOND}, {0: FIRST}) == 0
    assert finder.shot_of({0: FIRST, 1: THIRD}, {1: THIRD}) == 0
    assert finder.shot_of({0: FIRST + FAR, 1: THIRD}, {0: FIRST + FAR}) == 0
    assert finder.shot_of({0: FIRST + FAR, 1: SECOND}, {1: SECOND}) == 1


def test_finding_goes_on_where_it_was_left() -> None:
    frames = [{0: row} for row in varied_descriptors(200, seed=2)] + [{0: FIRST}, {0: FIRST + NEAR}]
    whole = ShotFinder()
    expected = [whole.shot_of(frame, frame) for frame in frames]
    resumed = ShotFinder()
    for shot in sorted(
        set(expected[:-1]), key=lambda shot: max(np.flatnonzero(np.array(expected[:-1]) == shot))
    ):
        resumed.resume(shot, frames[expected.index(shot)])
    assert resumed.shot_of(frames[-1], frames[-1]) == expected[-1]
    assert expected[-1] == expected[-2]
    assert max(expected) > 100


def test_finding_goes_on_after_a_film_that_came_back_to_all_but_its_late_shots() -> None:
    rows = varied_descriptors(200, seed=2)
    finder = ShotFinder()
    for shot in [*range(190, 200), *range(190)]:
        finder.resume(shot, {0: rows[shot]})
    assert [finder.shot_of({0: rows[shot]}, {0: rows[shot]}) for shot in (195, 189)] == [195, 189]
