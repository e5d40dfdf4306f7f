"""The life of a job is a table."""

import itertools

import pytest

from mosaicd.jobs.states import ACTIVE_STATES, NEXT_STATES, require_step
from mosaicd.store.models import JobState

QUEUED, WAITING, RUNNING = JobState.QUEUED, JobState.WAITING, JobState.RUNNING
DONE, REJECTED, WITHDRAWN = JobState.DONE, JobState.REJECTED, JobState.WITHDRAWN
STEPS = {
    (QUEUED, RUNNING),
    (QUEUED, WAITING),
    (QUEUED, WITHDRAWN),
    (WAITING, QUEUED),
    (WAITING, WITHDRAWN),
    (RUNNING, QUEUED),
    (RUNNING, DONE),
    (RUNNING, REJECTED),
    (RUNNING, WITHDRAWN),
    (REJECTED, QUEUED),
}


@pytest.mark.parametrize(("current", "following"), list(itertools.product(JobState, repeat=2)))
def test_job_takes_the_steps_of_the_table_and_no_other(current: JobState, following: JobState) -> None:
    if (current, following) in STEPS:
        require_step(current, following)
    else:
        with pytest.raises(ValueError, match=f"a job that is {current} cannot become {following}"):
            require_step(current, following)


def test_every_state_is_in_the_table() -> None:
    assert NEXT_STATES.keys() == set(JobState)


def test_every_active_state_leads_to_an_end() -> None:
    for state in ACTIVE_STATES:
        reached = {state}
        while more := {following for each in reached for following in NEXT_STATES[each]} - reached:
            reached |= more
        assert DONE in reached
