"""How long work takes still, by how long like work took on this machine and how far it has come. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from operator import itemgetter
from statistics import median

from mosaicd.store.models import JobKind

_LIKE_JOBS = 5
_TELLING_SHARE = 0.1  # from here on a job's own pace says more than that of earlier ones
_LEAST_TELLING_SHARE = 0.02
_LEAST_TELLING_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A job that is done: how large it was, by whatever measure, and how long it took."""

    size: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A job that is not done.

    Attributes
    ----------
    job_id, library_id : int
    kind : JobKind
    seconds : float or None
        How long it takes from now on, or once it has begun; None if nobody knows.
    is_waiting : bool
        Whether it is a photo that waits for its library.
    """

    job_id: int
    library_id: int
    kind: JobKind
    seconds: float | None
    is_waiting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When tasks begin, by job, in seconds from now, and when the last one ends; as far as that is known."""

    begins_in: Mapping[int, float]
    ends_in: float | None


def usual_seconds(size: float, finished: Sequence[Finished]) -> float | None:
    """How long a job of this size takes, going by the few finished ones of most like size; None without any."""
    like = sorted(finished, key=lambda each: max(each.size, size) / max(1, min(each.size, size)))[:_LIKE_JOBS]
    return size * median(each.seconds / max(1, each.size) for each in like) if like else None


def seconds_left(
    share_done: float, *, elapsed_seconds: float | None, usual_seconds: float | None
) -> float | None:
    """How long a job takes still.

    Parameters
    ----------
    share_done : float
        0 to 1.
    elapsed_seconds : float or None
        How long that share took; None if part of it was done at another time.
    usual_seconds : float or None
        How long such a job takes as a whole; None if nobody knows.

    Returns
    -------
    float or None
        By its own pace, once that is telling, and by what is usual before; None if neither is known.
    """
    left = 1 - share_done
    if usual_seconds is None:
        is_telling = share_done >= _LEAST_TELLING_SHARE and (elapsed_seconds or 0) >= _LEAST_TELLING_SECONDS
        return elapsed_seconds * left / share_done if is_telling and elapsed_seconds is not None else None
    if elapsed_seconds is None:
        return usual_seconds * left
    # The mean of both, its own pace weighing as much as the square of its share: half at _TELLING_SHARE.
    pace, usual = elapsed_seconds * share_done, usual_seconds * _TELLING_SHARE**2
    return left * (pace + usual) / (share_done**2 + _TELLING_SHARE**2)


def share_by_stages(stage: str, *, elapsed_share: float, stages: Mapping[str, float]) -> float:
    """How much of its time lies behind a job in this stage.

    Parameters
    ----------
    stage : str
    elapsed_share : float
        The time it has taken, as a share of the usual time of the whole.
    stages : mapping
        How long each stage usually takes, in their order.

    Returns
    -------
    float
        `elapsed_share`, but no less than the stages before this one make up, and no more than those up to its end.
    """
    whole = sum(stages.values()) or 1.0
    before = through = 0.0
    if stage in stages:
        before = sum(seconds for _, seconds in takewhile(lambda each: each[0] != stage, stages.items()))
        through = before + stages[stage]
    return min(max(elapsed_share, before / whole), through / whole)


def schedule(tasks: Iterable[Task]) -> Schedule:
    """When each task begins, if two workers take them, one the films, the other the photos; libraries take turns.

    Within a library, they are taken in this order. A photo that waits begins after the films of its library. One
    that waits though there are none waits for more tiles, and nobody knows how long: it is left out.
    """
    begins: dict[int, float] = {}
    tasks = _in_turn(tasks)
    ready: dict[int, float | None] = {}
    films_end: float | None = 0.0
    for task in tasks:
        if task.kind is JobKind.SPLICE:
            films_end = _take(task, films_end, begins)
            ready[task.library_id] = films_end
    photos_end: float | None = 0.0
    photos = [task for task in tasks if task.kind is JobKind.MOSAIC]
    for task in photos:
        if not task.is_waiting:
            photos_end = _take(task, photos_end, begins)
    for task in photos:
        if task.is_waiting and task.library_id in ready:
            films = ready[task.library_id]
            free = None if films is None or photos_end is None else max(films, photos_end)
            photos_end = _take(task, free, begins)
    ends_in = None if films_end is None or photos_end is None else max(films_end, photos_end)
    return Schedule(begins_in=begins, ends_in=ends_in)


def duration(seconds: float) -> str:
    """About so long, in words."""
    if seconds < 90:
        number = max(1, round(seconds))
        return f"about {number} second{'' if number == 1 else 's'}"
    if seconds < 5400:
        return f"about {round(seconds / 60)} minutes"
    return f"about {seconds / 3600:.1f} hours"


def clock_time(seconds: float) -> str:
    """So long, as a clock shows it."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def _in_turn(tasks: Iterable[Task]) -> list[Task]:
    """The first tasks of all libraries, then the second ones, and so on."""
    ranks: Counter[tuple[JobKind, int]] = Counter()
    turns = []
    for task in tasks:
        turns.append((ranks[task.kind, task.library_id], task))
        ranks[task.kind, task.library_id] += 1
    return [task for _, task in sorted(turns, key=itemgetter(0))]


def _take(task: Task, free_in: float | None, begins: dict[int, float]) -> float | None:
    """Let a worker that is free then take a task; when it is free again, if that is known."""
    if free_in is None:
        return None
    begins[task.job_id] = free_in
    return None if task.seconds is None else free_in + task.seconds
