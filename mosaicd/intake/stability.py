"""When a file has settled. Pure: observations and times come from outside."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mosaicd.media.files import Signature


@dataclass(slots=True, kw_only=True)
class _Unsettled:
    signature: Signature
    first_seen_at: float
    unchanged_since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A file that has been quiet long enough."""

    path: str
    signature: Signature
    first_seen_at: float


class SettleTracker:
    """Keeps what was seen of each file, and says which have settled.

    A file has settled when its size, modification time and inode have stayed the same for `settle_seconds`,
    counted from when this tracker first saw them so: what stands on the disk from before a restart is no more
    trusted than what has just come.
    """

    def __init__(self) -> None:
        self._unsettled: dict[str, _Unsettled] = {}  # those that have been quiet for longest come first
        self._settled: dict[str, Signature] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._unsettled or path in self._settled

    def observe(self, path: str, signature: Signature | None, *, now: float, first_seen_at: float) -> None:
        """Note what a file looks like now; `None` if it is not there."""
        if signature is None:
            self.forget(path)
            return
        if self._settled.get(path) == signature:
            return
        self._settled.pop(path, None)  # other content under an old name is a new file
        known = self._unsettled.get(path)
        if known is None:
            known = _Unsettled(signature=signature, first_seen_at=first_seen_at, unchanged_since=now)
        elif known.signature == signature:
            return
        else:
            del self._unsettled[path]
            known.signature, known.unchanged_since = signature, now
        self._unsettled[path] = known

    def disturb(self, path: str, *, now: float) -> None:
        """Let the quiet period of a file that has not settled begin anew."""
        file = self._unsettled.pop(path)
        file.unchanged_since = now
        self._unsettled[path] = file

    @property
    def has_unsettled(self) -> bool:
        """Whether any file has not settled."""
        return bool(self._unsettled)

    def unsettled(self) -> Iterator[tuple[str, Signature, float]]:
        """(path, signature, when it was first seen) of each file that has yet to settle."""
        for path, file in self._unsettled.items():
            yield path, file.signature, file.first_seen_at

    def quiet_since(self) -> float | None:
        """Since when the file has been quiet that will be the next to settle, if any will."""
        return next((file.unchanged_since for file in self._unsettled.values()), None)

    def due(self, *, now: float, settle_seconds: float, limit: int) -> list[str]:
        """Paths of files that will have settled if they still look as they did when last seen."""
        quiet = itertools.takewhile(
            lambda item: now - item[1].unchanged_since >= settle_seconds, self._unsettled.items()
        )
        return [path for path, _ in itertools.islice(quiet, limit)]

    def settle(self, paths: Iterable[str], *, now: float, settle_seconds: float) -> list[Settled]:
        """Those of `paths` that have settled since last asked, oldest first."""
        settled = []
        for path in paths:
            file = self._unsettled.get(path)
            if file is not None and now - file.unchanged_since >= settle_seconds:
                del self._unsettled[path]
                self._settled[path] = file.signature
                settled.append(Settled(path=path, signature=file.signature, first_seen_at=file.first_seen_at))
        return sorted(settled, key=lambda file: (file.first_seen_at, file.path))

    def forget(self, path: str) -> None:
        """Look at a file afresh, as if it had just come."""
        self._unsettled.pop(path, None)
        self._settled.pop(path, None)

    def keep_only(self, paths: set[str]) -> None:
        """Forget files that a whole scan did not find."""
        for path in (self._unsettled.keys() | self._settled.keys()) - paths:
            self.forget(path)
