"""Estimates: what finished jobs say of others, how a job's own pace takes over, and what begins when."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaicd.jobs.estimates import (
    Finished,
    Task,
    duration,
    schedule,
    seconds_left,
    share_by_stages,
    usual_seconds,
)
from mosaicd.store.models import JobKind

STAGES = {"reading": 1.0, "matching": 6.0, "writing": 3.0}


def finished(*pairs: tuple[float, float]) -> list[Finished]:
    return [Finished(size=size, seconds=seconds) for size, seconds in pairs]


# ---- What is usual


def test_nothing_is_usual_before_anything_is_finished() -> None:
    assert usual_seconds(100, []) is None


def test_time_grows_with_size() -> None:
    assert usual_seconds(300, finished((100, 10))) == pytest.approx(30)


def test_jobs_of_like_size_count() -> None:
    large, small = [(1000, 50)] * 5, [(1, 2)] * 20
    assert usual_seconds(2000, finished(*small, *large)) == pytest.approx(100)
    assert usual_seconds(2, finished(*small, *large)) == pytest.approx(4)


def test_one_odd_job_changes_nothing() -> None:
    assert usual_seconds(100, finished((100, 10), (100, 10), (100, 900))) == pytest.approx(10)


def test_empty_files_have_a_time_too() -> None:
    assert usual_seconds(0, finished((0, 1))) == 0
    assert usual_seconds(5, finished((0, 1))) == 5


# ---- What is left


@pytest.mark.parametrize(
    ("share", "elapsed", "left"), [(0.01, 60, None), (0.5, 1, None), (0, 60, None), (0.5, 60, 60), (1, 60, 0)]
)
def test_first_job_goes_by_its_own_pace_once_that_is_telling(
    share: float, elapsed: float, left: float | None
) -> None:
    assert seconds_left(share, elapsed_seconds=elapsed, usual_seconds=None) == left


def test_job_that_has_hardly_begun_takes_as_long_as_is_usual() -> None:
    assert seconds_left(0, elapsed_seconds=5, usual_seconds=100) == 100
    assert seconds_left(0.01, elapsed_seconds=5, usual_seconds=100) == pytest.approx(103, abs=2)


def test_job_of_another_pace_is_believed_more_and_more() -> None:
    """It takes three times as long as usual."""
    shares = [0.02, 0.1, 0.2, 0.5, 0.9]
    errors = [
        abs((seconds_left(share, elapsed_seconds=300 * share, usual_seconds=100) or 0) / (1 - share) - 300)
        for share in shares
    ]
    assert errors[0] == pytest.approx(200, rel=0.1)
    assert all(later < earlier for earlier, later in pairwise(errors))
    assert errors[-1] < 5


def test_pace_of_what_is_gone_on_with_is_not_known() -> None:
    assert seconds_left(0.6, elapsed_seconds=None, usual_seconds=100) == pytest.approx(40)
    assert seconds_left(0.6, elapsed_seconds=None, usual_seconds=None) is None


@given(
    share=st.floats(0, 1),
    elapsed=st.floats(0, 1e6) | st.none(),
    usual=st.floats(0, 1e6) | st.none(),
)
def test_nothing_takes_less_than_no_time(share: float, elapsed: float | None, usual: float | None) -> None:
    left = seconds_left(share, elapsed_seconds=elapsed, usual_seconds=usual)
    assert left is None or left >= 0


# ---- Stages


@pytest.mark.parametrize(
    ("stage", "elapsed_share", "share"),
    [
        ("starting", 0.5, 0),
        ("reading", 0.05, 0.05),
        ("matching", 0.3, 0.3),
        ("matching", 0.05, 0.1),
        ("matching", 0.9, 0.7),
        ("writing", 2.0, 1.0),
    ],
)
def test_stage_says_between_which_shares_a_job_is(stage: str, elapsed_share: float, share: float) -> None:
    assert share_by_stages(stage, elapsed_share=elapsed_share, stages=STAGES) == pytest.approx(share)


def test_stages_that_took_no_time_say_nothing() -> None:
    assert share_by_stages("reading", elapsed_share=0.5, stages={"reading": 0.0}) == 0


# ---- What begins when


def film(job_id: int, seconds: float | None, *, library_id: int = 1) -> Task:
    return Task(job_id=job_id, library_id=library_id, kind=JobKind.SPLICE, seconds=seconds)


def photo(job_id: int, seconds: float | None, *, library_id: int = 1, is_waiting: bool = False) -> Task:
    return Task(
        job_id=job_id, library_id=library_id, kind=JobKind.MOSAIC, seconds=seconds, is_waiting=is_waiting
    )


def test_films_and_photos_go_side_by_side() -> None:
    plan = schedule([film(1, 10), photo(2, 3), film(3, 20), photo(4, 4)])
    assert plan.begins_in == {1: 0, 2: 0, 3: 10, 4: 3}
    assert plan.ends_in == 30


def test_libraries_take_turns() -> None:
    plan = schedule([film(1, 10), film(2, 10), film(3, 10), film(4, 10, library_id=2)])
    assert plan.begins_in == {1: 0, 4: 10, 2: 20, 3: 30}


def test_photo_that_waits_begins_after_the_films_of_its_library() -> None:
    plan = schedule([photo(1, 5, is_waiting=True), film(2, 10), photo(3, 2), film(4, 50, library_id=2)])
    assert plan.begins_in == {2: 0, 4: 10, 3: 0, 1: 10}
    assert plan.ends_in == 60


def test_photo_that_waits_for_more_tiles_is_left_out() -> None:
    plan = schedule([photo(1, 5, is_waiting=True), photo(2, 7, library_id=2)])
    assert plan.begins_in == {2: 0}
    assert plan.ends_in == 7


def test_what_comes_after_a_job_of_unknown_length_is_not_known() -> None:
    plan = schedule([film(1, 5), film(2, None), film(3, 5), photo(4, 1, is_waiting=True), photo(5, 1)])
    assert plan.begins_in == {1: 0, 2: 5, 5: 0}
    assert plan.ends_in is None


def test_nothing_to_do_takes_no_time() -> None:
    assert schedule([]).ends_in == 0


# ---- Words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "about 1 second"),
        (60, "about 60 seconds"),
        (90, "about 2 minutes"),
        (5400, "about 1.5 hours"),
    ],
)
def test_durations_are_told_in_round_numbers(seconds: float, words: str) -> None:
    assert duration(seconds) == words
