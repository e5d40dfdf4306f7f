"""Whether a file is still being written, as far as the kernel tells."""

import errno
import fcntl
import os
import signal
from pathlib import Path

from mosaicd.media.mounts import shared_file_system


def has_writer(path: Path) -> bool:
    """Whether a program on this machine has a file open for writing.

    Found out by asking for a lease, which the kernel refuses then [1]_. False as well where that tells nothing: for
    files of another user, and on file systems that others write to, where it may be refused for other reasons.

    References
    ----------
    .. [1] fcntl(2), "Leases".
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        # Who wants to write in this moment has to wait, of which a signal tells: one that does nothing.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN and shared_file_system(path) is None
    finally:
        os.close(descriptor)  # and give the lease back
    return False
