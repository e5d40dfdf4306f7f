"""Status files: what is happening to a dropped file, told in the outbox while it lasts."""

import contextlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mosaicd.jobs.estimates import duration
from mosaicd.media.files import shortened, write_whole
from mosaicd.media.moving import holds, remove_if, write_new
from mosaicd.plain_text import printable

_SUFFIX = ".status.txt"
_FIRST_LINE = "mosaicd is not done with this file yet.\n"
_LEAST_WAIT_SECONDS = 60.0  # what is said of a wait, sync tools carry each time it changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How things stand with one file.

    Attributes
    ----------
    path : str
        Relative to the inbox.
    words : str
        What is happening to it, or what it waits for.
    share_done : float or None
        0 to 1, if it is being worked on.
    seconds : float or None
        How long that takes still, or how long it is until then, if that is known.
    """

    path: str
    words: str
    share_done: float | None = None
    seconds: float | None = None


def status_path(path: str) -> str:
    """Path of a file's status file, relative to the outbox."""
    place = Path(path)
    return str(place.with_name(shortened(place.name, room=len(_SUFFIX)) + _SUFFIX))


def in_words(standing: Standing) -> str:
    """One line that a person understands."""
    line = f"{printable(Path(standing.path).name)}: {standing.words}"
    seconds = standing.seconds
    if standing.share_done is None:
        return (
            line
            if seconds is None
            else f"{line}; {duration(max(seconds, _LEAST_WAIT_SECONDS))} until its turn"
        )
    line = f"{line}, {standing.share_done:.0%} done"
    return line if seconds is None else f"{line}, {duration(seconds)} left"


class StatusFiles:
    """Keeps a status file for each of some files, and for no other.

    That a status file cannot be written is no reason to stop or to log anything: what keeps it from being written
    is said where it matters.

    Parameters
    ----------
    outbox, staging : Path
        On one file system.
    refresh_seconds : float
        A file is written again when its words change, and for progress or another time no more often than this:
        each time, a sync tool carries it.
    """

    def __init__(self, outbox: Path, staging: Path, *, refresh_seconds: float = 15.0) -> None:
        self._outbox = outbox
        self._staging = staging
        self._refresh_seconds = refresh_seconds
        self._written: dict[str, tuple[Standing, float]] = {}

    def show(self, standings: Iterable[Standing], *, now: float) -> None:
        """Let exactly these have status files.

        Parameters
        ----------
        standings : iterable of Standing
        now : float
            Seconds, of a clock that does not jump.
        """
        shown = {standing.path: standing for standing in standings}
        for path in self._written.keys() - shown.keys():
            self._remove(path)
        for path, standing in shown.items():
            told, written_at = self._written.get(path, (None, 0.0))
            is_due = now - written_at >= self._refresh_seconds
            if told is None or told.words != standing.words or (is_due and _has_news(told, standing)):
                self._write(standing)
                self._written[path] = (standing, now)

    def remove(self, paths: Iterable[str]) -> None:
        """Remove the status files of these, whoever has written them: a daemon that was killed, perhaps."""
        for path in paths:
            self._remove(path)

    def _write(self, standing: Standing) -> None:
        text = f"{_FIRST_LINE}\n{in_words(standing)}\n\n({time.strftime('%Y-%m-%d %H:%M')})\n"
        place = self._outbox / status_path(standing.path)
        with contextlib.suppress(OSError):
            write = write_whole if holds(place, _is_ours) else write_new
            write(place, text.encode("utf-8", "backslashreplace"), staging=self._staging)

    def _remove(self, path: str) -> None:
        self._written.pop(path, None)
        with contextlib.suppress(OSError):
            remove_if(self._outbox / status_path(path), _is_ours)


def _is_ours(data: bytes) -> bool:
    """Whether a status file is ours; an empty one holds the name on some file systems, if a kill left it."""
    return not data or data.startswith(_FIRST_LINE.encode())


def _has_news(told: Standing, standing: Standing) -> bool:
    """Whether there is more to say than was told; of what is being worked on, at least when that was."""
    return standing.share_done is not None or in_words(standing) != in_words(told)
