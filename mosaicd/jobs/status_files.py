"""Status files: what is happening to a dropped file, told in the outbox while it lasts."""

import contextlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mosaicd.media.files import shortened, signature, write_whole
from mosaicd.plain_text import printable

_SUFFIX = ".status.txt"
_FIRST_LINE = "mosaicd is not done with this file yet.\n"
_LEAST_KNOWN_SHARE = 0.02
_LEAST_KNOWN_SECONDS = 3.0


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
    seconds : float
        How long it has been.
    """

    path: str
    words: str
    share_done: float | None = None
    seconds: float = 0.0


def status_path(path: str) -> str:
    """Path of a file's status file, relative to the outbox."""
    place = Path(path)
    return str(place.with_name(shortened(place.name, room=len(_SUFFIX)) + _SUFFIX))


def in_words(standing: Standing) -> str:
    """One line that a person understands."""
    name, share = printable(Path(standing.path).name), standing.share_done
    line = f"{name}: {standing.words}"
    if share is None:
        return line
    line = f"{line}, {share:.0%} done"
    if share < _LEAST_KNOWN_SHARE or standing.seconds < _LEAST_KNOWN_SECONDS:
        return line
    return f"{line}, {_duration(standing.seconds * (1 - share) / share)} left"


class StatusFiles:
    """Keeps a status file for each of some files, and for no other.

    That a status file cannot be written is no reason to stop or to log anything: what keeps it from being written
    is said where it matters.

    Parameters
    ----------
    outbox, staging : Path
        On one file system.
    refresh_seconds : float
        A file is written again when its words change, and for progress no more often than this: each time, a sync
        tool carries it.
    """

    def __init__(self, outbox: Path, staging: Path, *, refresh_seconds: float = 15.0) -> None:
        self._outbox = outbox
        self._staging = staging
        self._refresh_seconds = refresh_seconds
        self._written: dict[str, tuple[str, float]] = {}

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
            words, written_at = self._written.get(path, (None, 0.0))
            is_stale = standing.share_done is not None and now - written_at >= self._refresh_seconds
            if words != standing.words or is_stale:
                self._write(standing)
                self._written[path] = (standing.words, now)

    def remove(self, paths: Iterable[str]) -> None:
        """Remove the status files of these, whoever has written them: a daemon that was killed, perhaps."""
        for path in paths:
            self._remove(path)

    def _write(self, standing: Standing) -> None:
        text = f"{_FIRST_LINE}\n{in_words(standing)}\n\n({time.strftime('%Y-%m-%d %H:%M')})\n"
        with contextlib.suppress(OSError):
            data = text.encode("utf-8", "backslashreplace")
            write_whole(self._outbox / status_path(standing.path), data, staging=self._staging)

    def _remove(self, path: str) -> None:
        self._written.pop(path, None)
        place = self._outbox / status_path(path)
        if signature(place) is None:
            return
        with contextlib.suppress(OSError):
            with place.open("rb") as file:
                is_ours = file.read(len(_FIRST_LINE)) == _FIRST_LINE.encode()
            if is_ours:
                place.unlink()


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"about {max(1, round(seconds))} seconds"
    if seconds < 5400:
        return f"about {round(seconds / 60)} minutes"
    return f"about {seconds / 3600:.1f} hours"
