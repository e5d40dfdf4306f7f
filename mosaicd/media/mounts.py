"""Which file systems a folder lies on: whether one of them has gone, or another one has come over it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

_TABLE = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounts:
    """The file systems that belong to a folder, each known by where it is mounted.

    That stays the same when a disk is unplugged and comes back, or a share is mounted again, while device numbers
    do not; and it tells the folder made anew on the same disk from the empty one beneath a disk that has gone.

    Attributes
    ----------
    folder : Path
    own : str
        The one that the folder lies on.
    beneath : frozenset of str
        Those mounted somewhere in the folder.
    """

    folder: Path
    own: str
    beneath: frozenset[str]

    def complaint(self, mounted: frozenset[str]) -> str | None:
        """What is wrong with them, in words, if these are `mounted` now; None if nothing is."""
        missing = sorted({self.own, *self.beneath} - mounted)
        if missing:
            return f"the file system at {missing[0]} is not mounted any more"
        own = mounts_of(self.folder, mounted).own
        if own != self.own:
            return f"another file system has been mounted at {own}; restart mosaicd to use it"
        return None


def mounted_now() -> frozenset[str]:
    """Where file systems are mounted, as this process sees it."""
    try:
        lines = os.fsdecode(_TABLE.read_bytes()).splitlines()
    except OSError:
        lines = []
    points = {_ESCAPED.sub(lambda code: chr(int(code[1], 8)), line.split()[4]) for line in lines}
    return frozenset(points | {"/"})


def mounts_of(folder: Path, mounted: frozenset[str]) -> Mounts:
    """The file systems of a folder, whether it is there or not."""
    real = os.path.realpath(folder)
    above = {point for point in mounted if _is_at_or_in(real, point)}
    beneath = {point for point in mounted - above if _is_at_or_in(point, real)}
    return Mounts(folder=folder, own=max(above, key=len), beneath=frozenset(beneath))


def _is_at_or_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
