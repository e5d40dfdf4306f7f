"""Which file systems a folder lies on: whether one has gone, or come over it, and whether others write to it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

_TABLE = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")
_SHARED = frozenset(
    {"9p", "afs", "ceph", "cifs", "coda", "davfs", "lustre", "ncpfs", "nfs", "nfs4", "prl_fs"}
) | {
    *("smb3", "smbfs", "vboxsf", "virtiofs", "fuse.ceph", "fuse.davfs2", "fuse.glusterfs", "fuse.gvfsd-fuse"),
    *("fuse.rclone", "fuse.s3fs", "fuse.sshfs", "fuse.vmhgfs-fuse"),
}
"""Others write to these as well, past this machine's kernel, which then has nothing to tell of it."""


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
    return frozenset(_kinds())


def shared_file_system(folder: Path) -> str | None:
    """The kind of file system that a folder lies on, if others write to it past this machine's kernel."""
    kinds = _kinds()
    kind = kinds[mounts_of(folder, frozenset(kinds)).own]
    return kind if kind in _SHARED else None


def mounts_of(folder: Path, mounted: frozenset[str]) -> Mounts:
    """The file systems of a folder, whether it is there or not."""
    real = os.path.realpath(folder)
    above = {point for point in mounted if _is_at_or_in(real, point)}
    beneath = {point for point in mounted - above if _is_at_or_in(point, real)}
    return Mounts(folder=folder, own=max(above, key=len), beneath=frozenset(beneath))


def _kinds() -> dict[str, str]:
    """The kind of the file system at each place; what was mounted last in a place hides what was before."""
    try:
        lines = os.fsdecode(_TABLE.read_bytes()).splitlines()
    except OSError:
        lines = []
    kinds = {"/": ""}
    for line in lines:
        place, _, source = line.partition(" - ")
        kinds[_ESCAPED.sub(lambda code: chr(int(code[1], 8)), place.split()[4])] = source.split()[0]
    return kinds


def _is_at_or_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
