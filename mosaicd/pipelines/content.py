"""The content of a job's file, and whether it still is what it was."""

import time
from pathlib import Path

from mosaicd.errors import TransientError
from mosaicd.jobs.workers import Progress, ReportProgress
from mosaicd.media.files import Signature, hash_in_steps, signature_of

_REPORT_SECONDS = 1.0
_CHANGED = "the file was changed or removed before it was read to its end"


class Content:
    """What a job's file held when its work began.

    Size, time and inode can stay the same though the file was written to; the time at which the system noted a
    change, which nobody can set back, cannot. Names and permissions change that one as well, hence the second look
    at the content itself.

    Parameters
    ----------
    file : Path
    looks : Signature
        What it looked like when it had settled.
    report_progress : callable
        Told that a large file is being read, so that nobody takes that for a stall.

    Attributes
    ----------
    sha256 : bytes

    Raises
    ------
    TransientError
        If it cannot be read just now, or looks otherwise.
    """

    def __init__(self, file: Path, looks: Signature, report_progress: ReportProgress) -> None:
        self._file = file
        self._looks = looks
        self._report_progress = report_progress
        self._changed_ns = require_looks(file, looks)
        self.sha256 = self._hash()

    def require_unchanged(self) -> None:
        """Raise TransientError unless the file still holds what it held."""
        changed_ns = require_looks(self._file, self._looks)
        if changed_ns == self._changed_ns:
            return
        if self._hash() != self.sha256:
            raise TransientError(_CHANGED)
        self._changed_ns = changed_ns

    def _hash(self) -> bytes:
        reported = time.monotonic()
        for digest in hash_in_steps(self._file):
            if digest is not None:
                break
            if time.monotonic() - reported >= _REPORT_SECONDS:
                self._report_progress(Progress(stage="reading", share=0.0))
                reported = time.monotonic()
        assert digest is not None, "the last step gives the digest"
        return digest


def require_looks(file: Path, looks: Signature) -> int:
    """When the system noted the last change of a file, in nanoseconds; TransientError if it looks otherwise."""
    try:
        facts = file.lstat()
    except OSError as error:
        raise TransientError(_CHANGED) from error
    if signature_of(facts) != looks:
        raise TransientError(_CHANGED)
    return facts.st_ctime_ns
