"""The watcher: whatever comes into the inbox gives a hint, and a new inbox is watched as well."""

import errno
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from watchdog.events import FileClosedEvent, FileCreatedEvent
from watchdog.observers import Observer
from watchdog.observers.inotify import InotifyEmitter, InotifyWatchGroup
from watchdog.observers.inotify_c import InotifyFD

from mosaicd.intake.watcher import InboxWatcher, Watching

DEADLINE_SECONDS = 20.0
QUEUE_LENGTH = Path("/proc/sys/fs/inotify/max_queued_events")


class Listener:
    """A watcher, and all the hints that it has given."""

    def __init__(self, inbox: Path) -> None:
        self._woken = threading.Event()
        self.watcher = InboxWatcher(inbox, self._woken.set)
        self.hints: set[str] = set()

    def hears(self, *wanted: str) -> bool:
        """Whether all these hints come before the deadline."""
        return self.comes_true(lambda: self._listen() >= set(wanted))

    def comes_true(self, condition: Callable[[], bool]) -> bool:
        end = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            if time.monotonic() > end:
                return False
            self._woken.wait(0.05)
            self._woken.clear()
        return True

    def _listen(self) -> set[str]:
        self.hints |= self.watcher.hints()
        return self.hints


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    return inbox


@pytest.fixture
def listener(inbox: Path) -> Iterator[Listener]:
    listener = Listener(inbox)
    listener.watcher.ensure_watching()
    assert listener.watcher.is_watching
    yield listener
    listener.watcher.stop()


def test_file_written_gives_a_hint(listener: Listener, inbox: Path) -> None:
    (inbox / "cat.jpg").write_bytes(b"x")
    assert listener.hears("cat.jpg")


def test_file_moved_in_gives_a_hint(listener: Listener, inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(b"x")
    (tmp_path / "cat.jpg").rename(inbox / "cat.jpg")
    assert listener.hears("cat.jpg")


def test_file_renamed_gives_a_hint_at_its_new_name(listener: Listener, inbox: Path) -> None:
    (inbox / ".syncthing.cat.jpg.tmp").write_bytes(b"x")
    (inbox / ".syncthing.cat.jpg.tmp").rename(inbox / "cat.jpg")
    assert listener.hears("cat.jpg")


@pytest.mark.parametrize(
    "name", ["our cat.jpg", "\N{CAT FACE}.jpg", "two\nlines.jpg", "caf\udce9.jpg", "n" * 255]
)
def test_file_of_any_name_gives_a_hint(listener: Listener, inbox: Path, name: str) -> None:
    (inbox / name).write_bytes(b"x")
    assert listener.hears(name)


def test_folder_moved_in_gives_a_hint(listener: Listener, inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "family/2026").mkdir(parents=True)
    (tmp_path / "family/2026/cat.jpg").write_bytes(b"x")
    (tmp_path / "family").rename(inbox / "family")
    assert listener.hears("family")
    (inbox / "family/2026/dog.jpg").write_bytes(b"x")
    assert listener.hears("family/2026/dog.jpg")


def test_file_in_a_nested_folder_made_at_the_same_moment_is_within_what_is_hinted_at(
    listener: Listener, inbox: Path
) -> None:
    for number in range(20):
        folder = inbox / f"library {number}/2026/summer"
        folder.mkdir(parents=True)
        (folder / "cat.jpg").write_bytes(b"x")

    def covered() -> bool:
        listener.hints |= listener.watcher.hints()
        return all(f"library {number}" in listener.hints for number in range(20))

    assert listener.comes_true(covered)
    (inbox / "library 7/2026/summer/dog.jpg").write_bytes(b"x")
    assert listener.hears("library 7/2026/summer/dog.jpg")


def test_inbox_behind_a_link_is_watched(inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(inbox)
    listener = Listener(tmp_path / "link")
    listener.watcher.ensure_watching()
    (inbox / "family").mkdir()
    (inbox / "cat.jpg").write_bytes(b"x")
    assert listener.hears("cat.jpg", "family")
    listener.watcher.stop()


def test_inbox_deleted_and_made_again_is_watched_again(listener: Listener, inbox: Path) -> None:
    shutil.rmtree(inbox)
    assert listener.comes_true(lambda: not listener.watcher.is_watching)
    listener.watcher.ensure_watching()
    assert not listener.watcher.is_watching
    inbox.mkdir()
    listener.watcher.ensure_watching()
    (inbox / "cat.jpg").write_bytes(b"x")
    assert listener.hears("cat.jpg")


def test_inbox_that_another_folder_took_the_place_of_is_watched_again(
    listener: Listener, inbox: Path
) -> None:
    inbox.rename(inbox.with_name("old"))
    inbox.mkdir()
    listener.watcher.ensure_watching()
    (inbox / "cat.jpg").write_bytes(b"x")
    assert listener.hears("cat.jpg")


def test_inbox_that_is_watched_is_not_watched_twice(listener: Listener, inbox: Path) -> None:
    before = threading.active_count()
    for _ in range(3):
        listener.watcher.ensure_watching()
    assert threading.active_count() == before


def test_watcher_that_is_stopped_leaves_no_thread_and_no_hint(inbox: Path) -> None:
    before = threading.active_count()
    listener = Listener(inbox)
    listener.watcher.ensure_watching()
    listener.watcher.stop()
    listener.watcher.stop()
    (inbox / "cat.jpg").write_bytes(b"x")
    assert threading.active_count() == before
    assert not listener.watcher.has_hints


@pytest.mark.parametrize("method", ["schedule", "start", "none"])
def test_system_that_cannot_watch_is_said_once_and_asked_again(
    inbox: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "inotify watch limit reached")

    before = threading.active_count()
    listener = Listener(inbox)
    with monkeypatch.context() as patch, capture_logs() as said:
        if method == "none":
            patch.setattr("mosaicd.intake.watcher.Observer", fail)
        else:
            patch.setattr(Observer, method, fail)
        for _ in range(2):
            listener.watcher.ensure_watching()
            assert not listener.watcher.is_watching
    assert [event["event"] for event in said] == ["watching_unavailable"]
    assert said[0]["error"] == "inotify watch limit reached"
    assert said[0]["remedy"] == "raise fs.inotify.max_user_watches and max_user_instances"
    assert threading.active_count() == before
    listener.watcher.ensure_watching()
    assert listener.watcher.is_watching
    listener.watcher.stop()


# ---- What becomes of the watch


def is_sound(watcher: InboxWatcher) -> bool:
    """Whether it watches, as far as it knows, all that there is."""
    return watcher.is_watching and not watcher.has_missed_something


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    ("victim", "method"),
    [(InboxWatcher, "dispatch"), (InotifyEmitter, "queue_events"), (InotifyWatchGroup, "on_event")],
    ids=["observer", "emitter", "reader"],
)
def test_watch_of_which_a_thread_has_died_is_taken_up_again(
    listener: Listener, inbox: Path, monkeypatch: pytest.MonkeyPatch, victim: type, method: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        message = "nobody foresaw this"
        raise RuntimeError(message)

    assert is_sound(listener.watcher)
    with monkeypatch.context() as patch:
        patch.setattr(victim, method, fail)
        for number in range(3):  # the emitter may be reading already
            (inbox / f"{number}.jpg").write_bytes(b"x")
        assert listener.comes_true(lambda: listener.watcher.has_missed_something)
    with capture_logs() as said:
        listener.watcher.ensure_watching()
    assert [event["event"] for event in said] == ["watching_restarted"]
    assert is_sound(listener.watcher)
    (inbox / "cat.jpg").write_bytes(b"x")
    assert listener.hears("cat.jpg")


def test_inbox_moved_away_and_back_is_watched(listener: Listener, inbox: Path) -> None:
    away = inbox.with_name("away")
    inbox.rename(away)
    assert not is_sound(listener.watcher)
    listener.watcher.ensure_watching()
    away.rename(inbox)
    assert not is_sound(listener.watcher)
    listener.watcher.ensure_watching()
    assert is_sound(listener.watcher)
    (inbox / "cat.jpg").write_bytes(b"x")
    assert listener.hears("cat.jpg")


def test_link_that_leads_elsewhere_is_followed_there(inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    link = tmp_path / "link"
    link.symlink_to(inbox)
    listener = Listener(link)
    listener.watcher.ensure_watching()
    link.unlink()
    link.symlink_to(tmp_path / "other")
    assert listener.watcher.has_missed_something
    listener.watcher.ensure_watching()
    assert is_sound(listener.watcher)
    (tmp_path / "other/cat.jpg").write_bytes(b"x")
    assert listener.hears("cat.jpg")
    listener.watcher.stop()


def test_overflow_of_inotify_is_noticed_and_said_once(
    listener: Listener, inbox: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    length = int(QUEUE_LENGTH.read_text())
    if length > 100_000:
        pytest.skip(f"inotify's queue is too long here to overflow: {length} events")
    may_read = threading.Event()
    read_events = InotifyFD.read_events

    def read_late(self: InotifyFD, **options: int) -> object:
        may_read.wait(DEADLINE_SECONDS)
        return read_events(self, **options)

    monkeypatch.setattr(InotifyFD, "read_events", read_late)
    (inbox / "first.jpg").write_bytes(b"x")  # what is read by now was asked for before
    assert listener.hears("first.jpg")
    for number in range(length // 2 + 100):
        (inbox / f"{number}.jpg").touch()
    assert not listener.watcher.has_missed_something
    may_read.set()
    assert listener.comes_true(lambda: listener.watcher.has_missed_something)
    with capture_logs() as said:
        listener.watcher.ensure_watching()
        listener.watcher.ensure_watching()
    assert [event["event"] for event in said] == ["events_lost"]
    assert is_sound(listener.watcher)
    assert not [record for record in caplog.records if "overflow" in record.getMessage()]
    (inbox / "cat.jpg").write_bytes(b"x")
    assert listener.hears("cat.jpg")


# ---- Looking instead of watching


def test_inbox_is_not_watched_if_that_is_not_wanted(inbox: Path) -> None:
    listener = Listener(inbox)
    listener.watcher.watching = Watching.POLLING
    with capture_logs() as said:
        listener.watcher.ensure_watching()
    assert said == []
    assert not listener.watcher.has_missed_something
    manners = [listener.watcher.manner]
    for wanted in (Watching.INOTIFY, Watching.POLLING):
        listener.watcher.watching = wanted
        assert not is_sound(listener.watcher)
        listener.watcher.ensure_watching()
        manners.append(listener.watcher.manner)
    assert manners == [Watching.POLLING, Watching.INOTIFY, Watching.POLLING]


def test_network_mount_is_watched_only_if_that_is_asked_for(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mosaicd.intake.watcher.shared_file_system", lambda _: "nfs4")
    listener = Listener(inbox)
    with capture_logs() as said:
        for _ in range(2):
            listener.watcher.ensure_watching()
            assert not listener.watcher.is_watching
            assert not listener.watcher.has_missed_something
    assert [event["error"] for event in said] == ["on nfs4, events tell only what this machine writes"]
    listener.watcher.watching = Watching.INOTIFY
    listener.watcher.ensure_watching()
    assert is_sound(listener.watcher)
    listener.watcher.stop()


def test_very_many_hints_come_in_portions(listener: Listener, inbox: Path) -> None:
    names = [f"{number}.jpg" for number in range(1500)]
    for name in names:
        listener.watcher.dispatch(FileCreatedEvent(str(inbox / name)))
        listener.watcher.dispatch(FileClosedEvent(str(inbox / name)))
    first = listener.watcher.hints()
    assert len(first) == 1000
    assert listener.watcher.has_hints
    assert first | listener.watcher.hints() == set(names)
    assert not listener.watcher.has_hints
