"""The states of a job and what may follow each. Pure."""

from mosaicd.store.models import JobState

NEXT_STATES: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.WAITING, JobState.WITHDRAWN}),
    JobState.WAITING: frozenset({JobState.QUEUED, JobState.WITHDRAWN}),
    JobState.RUNNING: frozenset({JobState.QUEUED, JobState.DONE, JobState.REJECTED, JobState.WITHDRAWN}),
    JobState.REJECTED: frozenset({JobState.QUEUED}),
    JobState.DONE: frozenset(),
    JobState.WITHDRAWN: frozenset(),
}

ACTIVE_STATES = (JobState.QUEUED, JobState.WAITING, JobState.RUNNING)


def require_step(current: JobState, following: JobState) -> None:
    """Raise ValueError unless a job may go from `current` to `following`."""
    if following not in NEXT_STATES[current]:
        message = f"a job that is {current} cannot become {following}"
        raise ValueError(message)
