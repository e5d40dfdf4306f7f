"""Watching the inbox. Events are hints to look sooner; the rescan is the truth."""

import os
import queue
from collections.abc import Callable
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


class InboxWatcher(FileSystemEventHandler):
    """Turns file system events into hints: paths relative to the inbox that are worth a look.

    Where the system cannot watch (too few watches, a network mount), it says so once, and rescans do alone.

    Parameters
    ----------
    inbox : Path
    wake : callable
        Called, from another thread, when there is a hint.
    """

    def __init__(self, inbox: Path, wake: Callable[[], None]) -> None:
        self._inbox = self._real_inbox = inbox
        self._wake = wake
        self._hints: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._observer: BaseObserver | None = None
        self._inode: int | None = None
        self._complaint: str | None = None

    @property
    def is_watching(self) -> bool:
        """Whether events come in."""
        return self._observer is not None and all(
            thread.is_alive() for thread in (self._observer, *self._observer.emitters)
        )

    def ensure_watching(self) -> None:
        """Watch, or watch again if the inbox was replaced by another folder of its name."""
        try:
            inode = self._inbox.stat().st_ino
        except OSError:
            inode = None
        if self.is_watching and inode == self._inode:
            return
        self.stop()
        if inode is None:
            return
        self._real_inbox = self._inbox.resolve()  # a link itself would be watched, not what it leads to
        try:
            self._observer = Observer()
            self._observer.daemon = True
            self._observer.schedule(self, str(self._real_inbox), recursive=True, event_filter=_EVENTS)
            self._observer.start()
        except OSError as error:
            self.stop()
            if self._complaint != str(error):
                self._complaint = str(error)
                log.warning(
                    "watching_unavailable",
                    folder=str(self._inbox),
                    error=error.strerror,
                    remedy="raise fs.inotify.max_user_watches and max_user_instances; until then, rescans do",
                )
            return
        self._inode, self._complaint = inode, None

    def stop(self) -> None:
        """Stop watching."""
        observer, self._observer, self._inode = self._observer, None, None
        if observer is None:
            return
        was_alive = observer.is_alive()
        observer.stop()
        if was_alive:
            observer.join(_STOP_SECONDS)

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
        """Paths to look at, files or folders, since last asked."""
        found = set()
        while True:
            try:
                found.add(self._hints.get_nowait())
            except queue.Empty:
                return found
