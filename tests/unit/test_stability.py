"""When a file has settled: never while it grows, and once for each content."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from mosaicd.intake.stability import Settled, SettleTracker
from mosaicd.media.files import Signature

QUIET = 5.0


def looks(size: int = 1, mtime_ns: int = 1, inode: int = 1) -> Signature:
    return Signature(size=size, mtime_ns=mtime_ns, inode=inode)


def settle(tracker: SettleTracker, *, now: float, quiet: float = QUIET) -> list[Settled]:
    """All that has settled, if it looks as it was last seen."""
    due = tracker.due(now=now, settle_seconds=quiet, limit=1000)
    return tracker.settle(due, now=now, settle_seconds=quiet)


class Inbox:
    """A tracker of one file, and a clock."""

    def __init__(self) -> None:
        self.tracker = SettleTracker()
        self.now = 1000.0
        self.settled: list[Settled] = []

    def step(self, signature: Signature | None, *, after: float, wall: float = 0.0) -> list[Settled]:
        """Let time pass, look at the file, and ask what has settled."""
        self.now += after
        self.tracker.observe("film.mp4", signature, now=self.now, first_seen_at=wall)
        found = settle(self.tracker, now=self.now)
        self.settled += found
        return found


short = st.floats(0.0, QUIET, exclude_max=True, allow_subnormal=False).map(lambda seconds: round(seconds, 3))
short = short.filter(lambda seconds: seconds < QUIET - 0.001)


@given(st.lists(st.tuples(short, st.sampled_from(["size", "mtime_ns", "inode"])), max_size=30))
def test_file_still_growing_is_never_settled(steps: list[tuple[float, str]]) -> None:
    inbox, state = Inbox(), {"size": 1, "mtime_ns": 1, "inode": 1}
    for after, what in steps:
        state[what] += 1
        assert inbox.step(looks(**state), after=after) == []


@given(st.lists(st.tuples(st.floats(0.0, 20.0), st.integers(0, 3)), min_size=1, max_size=40))
def test_file_settles_exactly_once_per_content(steps: list[tuple[float, int]]) -> None:
    inbox = Inbox()
    for after, size in steps:
        inbox.step(looks(size), after=after)
    contents = [size for size, _ in itertools.groupby(size for _, size in steps)]
    settled = [file.signature.size for file in inbox.settled]
    remaining = iter(contents)
    assert all(size in remaining for size in settled), "each once, in the order in which they were there"
    inbox.step(looks(steps[-1][1]), after=0.0)
    inbox.step(looks(steps[-1][1]), after=QUIET + 0.01)
    assert inbox.settled[-1].signature.size == steps[-1][1]


@given(st.lists(st.floats(-1e6, 1e6), max_size=20), st.lists(short, max_size=20))
def test_jumps_of_the_wall_clock_settle_nothing(walls: list[float], waits: list[float]) -> None:
    inbox = Inbox()
    for number, (wall, after) in enumerate(zip(walls, waits, strict=False)):
        assert inbox.step(looks(mtime_ns=number), after=after, wall=wall) == []


def test_file_from_the_past_or_the_future_settles_like_any_other() -> None:
    for mtime_ns in (0, -(10**18), 4 * 10**18):
        inbox = Inbox()
        assert inbox.step(looks(mtime_ns=mtime_ns), after=0.0) == []
        assert len(inbox.step(looks(mtime_ns=mtime_ns), after=QUIET)) == 1


def test_clock_that_goes_back_delays_and_does_not_hasten() -> None:
    inbox = Inbox()
    inbox.step(looks(), after=0.0)
    assert inbox.step(looks(), after=-100.0) == []
    assert inbox.step(looks(), after=100.0) == []
    assert len(inbox.step(looks(), after=QUIET)) == 1


def test_file_that_went_for_a_moment_starts_afresh() -> None:
    inbox = Inbox()
    inbox.step(looks(), after=0.0)
    inbox.step(None, after=QUIET - 0.1)
    assert inbox.step(looks(), after=0.2) == []
    assert len(inbox.step(looks(), after=QUIET)) == 1


def test_file_that_left_and_came_back_settles_again() -> None:
    inbox = Inbox()
    inbox.step(looks(), after=0.0)
    inbox.step(looks(), after=QUIET)
    inbox.step(None, after=1.0)
    inbox.step(looks(), after=1.0)
    assert len(inbox.step(looks(), after=QUIET)) == 1


def test_file_seen_first_counts_from_then_though_it_grows() -> None:
    inbox = Inbox()
    inbox.step(looks(1), after=0.0, wall=50.0)
    inbox.step(looks(2), after=1.0, wall=51.0)
    assert list(inbox.tracker.unsettled()) == [("film.mp4", looks(2), 50.0)]
    assert inbox.step(looks(2), after=QUIET, wall=60.0)[0].first_seen_at == 50.0


def test_other_content_under_an_old_name_is_a_new_file() -> None:
    inbox = Inbox()
    inbox.step(looks(1), after=0.0, wall=50.0)
    inbox.step(looks(1), after=QUIET, wall=60.0)
    inbox.step(looks(2), after=1.0, wall=70.0)
    assert inbox.step(looks(2), after=QUIET, wall=80.0)[0].first_seen_at == 70.0


def test_files_settle_in_the_order_in_which_they_came() -> None:
    tracker = SettleTracker()
    for path, wall in (("c", 1.0), ("b", 2.0), ("a", 1.0)):
        tracker.observe(path, looks(), now=0.0, first_seen_at=wall)
    assert [file.path for file in settle(tracker, now=QUIET)] == ["a", "c", "b"]


def test_file_that_a_scan_did_not_find_is_forgotten() -> None:
    tracker = SettleTracker()
    for path in ("kept", "gone"):
        tracker.observe(path, looks(), now=0.0, first_seen_at=0.0)
    tracker.keep_only({"kept"})
    assert [path for path, *_ in tracker.unsettled()] == ["kept"]
    assert "gone" not in tracker
    settle(tracker, now=QUIET)
    assert "kept" in tracker
    tracker.keep_only(set())
    assert "kept" not in tracker


def test_without_a_quiet_period_a_file_settles_when_it_is_seen() -> None:
    tracker = SettleTracker()
    tracker.observe("a", looks(), now=0.0, first_seen_at=0.0)
    assert len(settle(tracker, now=0.0, quiet=0.0)) == 1


def test_files_that_have_been_quiet_for_longest_are_due_first_and_only_as_many_as_asked_for() -> None:
    tracker = SettleTracker()
    for number, path in enumerate(("grows", "a", "b", "c")):
        tracker.observe(path, looks(), now=float(number), first_seen_at=0.0)
    assert tracker.quiet_since() == 0.0
    tracker.observe("grows", looks(2), now=4.0, first_seen_at=0.0)
    assert tracker.quiet_since() == 1.0
    assert tracker.due(now=10.0, settle_seconds=QUIET, limit=2) == ["a", "b"]
    assert tracker.due(now=7.0, settle_seconds=QUIET, limit=9) == ["a", "b"]
    assert tracker.due(now=10.0, settle_seconds=QUIET, limit=9) == ["a", "b", "c", "grows"]


def test_file_that_was_due_and_has_changed_does_not_settle() -> None:
    tracker = SettleTracker()
    for path in ("same", "changed", "gone"):
        tracker.observe(path, looks(), now=0.0, first_seen_at=0.0)
    due = tracker.due(now=QUIET, settle_seconds=QUIET, limit=9)
    tracker.observe("changed", looks(2), now=QUIET, first_seen_at=0.0)
    tracker.observe("gone", None, now=QUIET, first_seen_at=0.0)
    assert [file.path for file in tracker.settle(due, now=QUIET, settle_seconds=QUIET)] == ["same"]
    assert tracker.has_unsettled


def test_tracker_of_nothing_waits_for_nothing() -> None:
    tracker = SettleTracker()
    assert tracker.quiet_since() is None
    assert not tracker.has_unsettled


def test_file_that_was_disturbed_settles_a_quiet_period_later_and_keeps_its_place() -> None:
    tracker = SettleTracker()
    for path in ("disturbed", "other"):
        tracker.observe(path, looks(), now=0.0, first_seen_at=3.0)
    tracker.disturb("disturbed", now=QUIET)
    due = tracker.due(now=QUIET, settle_seconds=QUIET, limit=9)
    assert due == ["other"]
    assert [file.path for file in tracker.settle(due, now=QUIET, settle_seconds=QUIET)] == ["other"]
    (settled,) = tracker.settle(["disturbed"], now=2 * QUIET, settle_seconds=QUIET)
    assert settled.first_seen_at == 3.0
