"""The machine that figures were measured on, and how much time and memory a piece of work takes on it."""

import contextlib
import ctypes
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

_PROCESS = Path("/proc/self")
_RESET_PEAK = "5"
_KIBIBYTE = 1024

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine.

    Attributes
    ----------
    processor : str
    cores : int
        That this process may use.
    memory_gigabytes : float
    """

    processor: str
    cores: int
    memory_gigabytes: float

    def __str__(self) -> str:
        return f"{self.cores} cores of {self.processor}, {self.memory_gigabytes:.0f} GB"


def this_machine() -> Machine:
    """The machine that this runs on."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    return Machine(
        processor=models[0] if models else platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_gigabytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a piece of work took.

    Attributes
    ----------
    seconds : float
    processor_seconds : float
        Of all threads.
    peak_megabytes : float or None
        Most memory at once, beyond what was in use before; None where the system does not say.
    """

    seconds: float
    processor_seconds: float
    peak_megabytes: float | None


def measure(work: Callable[[], Result]) -> tuple[Result, Cost]:
    """Do a piece of work and say what it took."""
    before = _restart_peak()
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    seconds, processor_seconds = time.perf_counter() - wall, time.process_time() - processor
    peak = None if before is None else (_memory("VmHWM") - before) / 1e6
    return result, Cost(seconds=seconds, processor_seconds=processor_seconds, peak_megabytes=peak)


def _restart_peak() -> int | None:
    """Forget the peak of memory so far; what is in use now, in bytes."""
    # memory that was freed, but kept for later, would not count when it is used again; glibc alone can let it go
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    try:
        (_PROCESS / "clear_refs").write_text(_RESET_PEAK, encoding="ascii")
    except OSError:  # not every container allows it
        return None
    return _memory("VmRSS")


def _memory(name: str) -> int:
    """A figure of this process's memory, in bytes."""
    status = dict(
        line.partition(":")[::2] for line in (_PROCESS / "status").read_text(encoding="utf-8").splitlines()
    )
    return int(status[name].split()[0]) * _KIBIBYTE
