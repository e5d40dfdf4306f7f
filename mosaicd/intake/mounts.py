"""What file system a folder lies on, and whether the kernel hears of what happens there."""

import os
import re
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(rb"\\([0-7]{3})")
# Others write to these as well, past this machine's kernel, which then has nothing to tell.
_SHARED = frozenset(
    {
        "9p",
        "afs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "prl_fs",
        "smb3",
        "smbfs",
    }
    | {"vboxsf", "virtiofs", "fuse.ceph", "fuse.davfs2", "fuse.glusterfs", "fuse.gvfsd-fuse", "fuse.rclone"}
    | {"fuse.s3fs", "fuse.sshfs", "fuse.vmhgfs-fuse"}
)


def shared_file_system(folder: Path, *, mounts: Path = _MOUNTS) -> str | None:
    """The kind of file system that a folder lies on, if others write to it past this machine's kernel."""
    real = os.fsencode(os.path.realpath(folder))
    kind = ""
    longest = -1
    try:
        lines = mounts.read_bytes().splitlines()
    except OSError:
        return None
    for line in lines:
        fields, _, rest = line.partition(b" - ")
        point = _ESCAPED.sub(lambda code: bytes([int(code[1], 8)]), fields.split()[4])
        is_above = real == point or real.startswith(point.rstrip(b"/") + b"/")
        if is_above and len(point) >= longest:  # what was mounted last in a place hides what was before
            longest, kind = len(point), rest.split()[0].decode()
    return kind if kind in _SHARED else None
