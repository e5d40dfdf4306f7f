"""The content of a job's file."""

import time
from pathlib import Path

from mosaicd.jobs.workers import Progress, ReportProgress
from mosaicd.media.files import hash_in_steps

_REPORT_SECONDS = 1.0


def hash_of_content(file: Path, report_progress: ReportProgress) -> bytes:
    """SHA-256 of a file's content; a large one is reported to be read, so that nobody takes that for a stall.

    Raises
    ------
    TransientError
        If it cannot be read just now.
    """
    reported = time.monotonic()
    for digest in hash_in_steps(file):
        if digest is not None:
            break
        if time.monotonic() - reported >= _REPORT_SECONDS:
            report_progress(Progress(stage="reading", share=0.0))
            reported = time.monotonic()
    assert digest is not None, "the last step gives the digest"
    return digest
