"""What a worker may take of the machine, so that a file made to exhaust it costs one attempt and nothing more.

Everything here but `Limits` itself runs in the worker process.
"""

import os
import resource
from dataclasses import dataclass

_OPEN_FILES = 256
_MOST_SHARE_OF_MEMORY = 0.75
_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a job may take.

    Attributes
    ----------
    memory_megabytes : int
        Of data: the heap, arrays and stacks; never more than three quarters of the machine's memory.
    cpu_seconds : float
        Of computing, on all processors together.
    """

    memory_megabytes: int
    cpu_seconds: float

    def hold(self) -> None:
        """Hold this process to the limits from now on: whatever it has computed before does not count."""
        most, hard = self._usable_bytes()
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
        usage = resource.getrusage(resource.RUSAGE_SELF)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        seconds = int(usage.ru_utime + usage.ru_stime + self.cpu_seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (_within(seconds, hard), hard))

    @property
    def usable_megabytes(self) -> int:
        """How much memory the limit comes to on this machine, and under what its service manager grants."""
        return self._usable_bytes()[0] // _MEGABYTE

    def _usable_bytes(self) -> tuple[int, int]:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        most = min(self.memory_megabytes * _MEGABYTE, int(machine * _MOST_SHARE_OF_MEMORY))
        return _within(most, hard), hard


def confine() -> None:
    """Take from this process what no job needs: core dumps, many open files, and a voice of its own.

    Decoders print what a file tells them to; that must not stand among the lines of the log.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _within(_OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silence, stream)
    os.close(silence)


def _within(wanted: int, hard: int) -> int:
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
