"""When a file has settled. Pure: observations and times come from outside."""

from dataclasses import dataclass

from mosaicd.media.files import Signature


@dataclass(slots=True, kw_only=True)
class _Watched:
    signature: Signature
    first_seen_at: float
    unchanged_since: float
    is_settled: bool = False


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
        self._watched: dict[str, _Watched] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._watched

    def observe(self, path: str, signature: Signature | None, *, now: float, first_seen_at: float) -> None:
        """Note what a file looks like now; `None` if it is not there."""
        if signature is None:
            self._watched.pop(path, None)
            return
        watched = self._watched.get(path)
        if watched is None:
            self._watched[path] = _Watched(
                signature=signature, first_seen_at=first_seen_at, unchanged_since=now
            )
        elif watched.signature != signature:
            if watched.is_settled:  # other content under an old name is a new file
                watched.first_seen_at = first_seen_at
            watched.signature = signature
            watched.unchanged_since = now
            watched.is_settled = False

    def unsettled(self) -> list[str]:
        """Paths that have to be looked at again."""
        return [path for path, watched in self._watched.items() if not watched.is_settled]

    def first_seen_at(self, path: str) -> float:
        """When an unsettled file was first seen."""
        return self._watched[path].first_seen_at

    def settle(self, *, now: float, settle_seconds: float) -> list[Settled]:
        """Files that have settled since last asked, oldest first."""
        settled = [
            Settled(path=path, signature=watched.signature, first_seen_at=watched.first_seen_at)
            for path, watched in self._watched.items()
            if not watched.is_settled and now - watched.unchanged_since >= settle_seconds
        ]
        for file in settled:
            self._watched[file.path].is_settled = True
        return sorted(settled, key=lambda file: (file.first_seen_at, file.path))

    def forget(self, path: str) -> None:
        """Look at a file afresh, as if it had just come."""
        self._watched.pop(path, None)

    def keep_only(self, paths: set[str]) -> None:
        """Forget files that a whole scan did not find."""
        for path in self._watched.keys() - paths:
            del self._watched[path]
