"""Watching the inbox. Events are hints to look sooner; the rescan is the truth."""

import logging
import os
import queue
import threading
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import structlog
from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from mosaicd.media.mounts import shared_file_system

log = structlog.get_logger()

# With more kinds of event, 10,000 files from 8 writers overflowed inotify's queue; with these, they did not.
_EVENTS: list[type[FileSystemEvent]] = [
    FileClosedEvent,
    FileMovedEvent,
    FileCreatedEvent,
    DirCreatedEvent,
    DirMovedEvent,
]
_STOP_SECONDS = 5.0
_HINTS_AT_ONCE = 1000


class Watching(StrEnum):
    """How the daemon learns that something has come."""

    AUTO = "auto"
    INOTIFY = "inotify"
    POLLING = "polling"


class InboxWatcher(FileSystemEventHandler):
    """Turns file system events into hints: paths relative to the inbox that are worth a look.

    Where the system cannot watch, it says why, once, and rescans do alone, more often.

    Parameters
    ----------
    inbox : Path
    wake : callable
        Called, from another thread, when there is a hint.
    watching : Watching
        `AUTO` does without events where they would tell only a part of what happens, on network mounts.

    Attributes
    ----------
    watching : Watching
        A change takes effect at the next `ensure_watching`.
    """

    def __init__(self, inbox: Path, wake: Callable[[], None], *, watching: Watching = Watching.AUTO) -> None:
        self.watching = watching
        self._inbox = self._real_inbox = inbox
        self._wake = wake
        self._hints: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._observer: BaseObserver | None = None
        self._threads: set[threading.Thread] = set()
        self._armed: tuple[Watching, tuple[int, int] | None] | None = None
        self._complaint: str | None = None
        self._overflow = _Overflow(wake)

    @property
    def is_watching(self) -> bool:
        """Whether events come in."""
        return self._observer is not None and all(thread.is_alive() for thread in self._threads)

    @property
    def manner(self) -> Watching:
        """Whether events come in, or only looking finds anything out."""
        return Watching.INOTIFY if self.is_watching else Watching.POLLING

    @property
    def has_missed_something(self) -> bool:
        """Whether there may be files that no event has told of, so that the whole inbox has to be looked at.

        So it is when events were lost, when what watched has died, and when the inbox is another folder now.
        """
        has_died = self._observer is not None and not self.is_watching
        return has_died or self._overflow.is_set() or self._armed != (self.watching, self._identity())

    def ensure_watching(self) -> None:
        """Watch, if that is possible and not done already. What came before it has to be looked for after it."""
        wanted = (self.watching, self._identity())
        has_overflowed = self._overflow.is_set()
        if self.is_watching and self._armed == wanted and not has_overflowed:
            return
        has_died = self._observer is not None and not self.is_watching
        self.stop()  # after an overflow, too: watchdog leaves out what comes while it sets its watches again
        self._armed = wanted
        if has_overflowed:
            self._overflow.clear()
            log.info("events_lost", folder=str(self._inbox))
        if wanted[1] is None or self.watching is Watching.POLLING:
            return
        if has_died:
            log.warning("watching_restarted", folder=str(self._inbox))
        shared = shared_file_system(self._inbox) if self.watching is Watching.AUTO else None
        if shared is None:
            self._start()
        else:
            self._complain(
                f"on {shared}, events tell only what this machine writes",
                'what others write is found by looking; set watching = "inotify" if nobody else writes here',
            )

    def stop(self) -> None:
        """Stop watching."""
        observer, self._observer, self._armed = self._observer, None, None
        self._threads = set()
        if observer is not None:
            was_alive = observer.is_alive()
            observer.stop()
            if was_alive:
                observer.join(_STOP_SECONDS)
        self._overflow.detach()  # only now, when nobody is left to tell of another

    def dispatch(self, event: FileSystemEvent) -> None:
        """Take an event as a hint; called by watchdog in its own thread."""
        path = os.fsdecode(event.dest_path or event.src_path)
        relative = os.path.relpath(path, self._real_inbox)
        if not relative.startswith(".."):
            self._hints.put("" if relative == "." else relative)
            self._wake()

    @property
    def has_hints(self) -> bool:
        """Whether there are paths to look at."""
        return not self._hints.empty()

    def hints(self) -> set[str]:
        """Paths to look at, files or folders, since last asked; of very many, some."""
        found: set[str] = set()
        while len(found) < _HINTS_AT_ONCE:
            try:
                found.add(self._hints.get_nowait())
            except queue.Empty:
                break
        return found

    def _identity(self) -> tuple[int, int] | None:
        """What tells the inbox from another folder of its name."""
        try:
            facts = self._inbox.stat()
        except OSError:
            return None
        return facts.st_dev, facts.st_ino

    def _start(self) -> None:
        self._real_inbox = self._inbox.resolve()  # a link itself would be watched, not what it leads to
        others = set(threading.enumerate())
        try:
            self._observer = Observer()
            self._observer.daemon = True
            self._observer.schedule(self, str(self._real_inbox), recursive=True, event_filter=_EVENTS)
            self._observer.start()
        except OSError as error:
            armed = self._armed
            self.stop()
            self._armed = armed
            self._complain(
                error.strerror or str(error), "raise fs.inotify.max_user_watches and max_user_instances"
            )
            return
        self._threads = set(threading.enumerate()) - others
        self._overflow.attach()
        self._complaint = None

    def _complain(self, error: str, remedy: str) -> None:
        """Say once why there are no events."""
        if self._complaint != error:
            self._complaint = error
            log.warning("watching_unavailable", folder=str(self._inbox), error=error, remedy=remedy)


class _Overflow(logging.Filter):
    """Learns that inotify has lost events, of which watchdog tells its log alone.

    Parameters
    ----------
    wake : callable
        Called, from another thread, when events were lost.
    """

    _LOGGERS = ("watchdog.observers.inotify", "watchdog.observers.inotify_c")

    def __init__(self, wake: Callable[[], None]) -> None:
        super().__init__()
        self._wake = wake
        self._event = threading.Event()
        self.is_set, self.clear = self._event.is_set, self._event.clear

    def attach(self) -> None:
        """Begin to listen."""
        for name in self._LOGGERS:
            logging.getLogger(name).addFilter(self)

    def detach(self) -> None:
        """Listen no more."""
        for name in self._LOGGERS:
            logging.getLogger(name).removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Take note of what is said of an overflow, and let nobody else hear it: a rescan mends it."""
        if "overflow" not in record.getMessage():
            return True
        self._event.set()
        self._wake()
        return False
