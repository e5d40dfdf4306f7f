"""Worker processes: one job at a time each, away from the daemon, which a dying decoder cannot take along."""

import contextlib
import ctypes
import errno
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

from mosaicd.errors import CorruptStateError, Need, ObstructedError, RejectedInputError, TransientError
from mosaicd.jobs.limits import Limits, confine

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
_KILL_SECONDS = 5.0
_OUT_OF_MEMORY = 75  # the exit code of a worker whose job needed more memory than it may take
_OPENCV_INSUFFICIENT_MEMORY = -4  # cv2.Error.StsNoMem
_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is."""

    stage: str
    share: float
    sha256: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A job is done; `facts` are for the log, the complaint for the author of the library's ``mosaic.toml``."""

    facts: dict[str, Any]
    appearance_complaint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A file cannot be used."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """Something outside the file stood in the way; `need` says what, if other work needs it as well."""

    reason: str
    need: Need | None = None
    is_full: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The program failed at a file, in a way nobody foresaw."""

    error: str
    traceback: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Died:
    """The worker died over a job, or was ended; said by the daemon, since the dead say nothing."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """Nothing is to be made of a file; decided by the daemon, without a worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateCorrupt:
    """The database cannot be trusted."""

    reason: str


Outcome = Done | Rejected | Deferred | Failed | StateCorrupt
Message = Progress | Outcome
ReportProgress = Callable[[Progress], None]


class Pipeline(Protocol):
    """What a worker does with each order it gets: a module-level function, so that it can be sent there."""

    def __call__(self, order: Any, report_progress: ReportProgress, /) -> Done:  # noqa: ANN401
        """Do one job."""
        ...


def deferred_by(error: TransientError) -> Deferred:
    """What came of a job that this error cut short."""
    if isinstance(error, ObstructedError):
        return Deferred(reason=str(error), need=error.need, is_full=error.is_full)
    return Deferred(reason=str(error))


class Worker:
    """A worker process as the daemon sees it; started again when it has died.

    Parameters
    ----------
    name : str
        Of the process.
    pipeline : callable
    """

    def __init__(self, name: str, pipeline: Pipeline) -> None:
        self._name = name
        self._pipeline = pipeline
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None
        self._limits: Limits | None = None

    @property
    def connection(self) -> Connection | None:
        """What becomes readable when the worker has something to say, or has died."""
        return self._connection

    def start(self) -> None:
        """Start the process, if it does not run; TransientError if the system has no room for one just now."""
        if self._process is not None and self._process.is_alive():
            return
        self.kill()
        context = multiprocessing.get_context("spawn")
        try:
            ours, theirs = context.Pipe()
            with theirs:
                process = context.Process(
                    target=_serve, args=(theirs, self._pipeline, os.getpid()), name=self._name, daemon=True
                )
                try:
                    process.start()
                except OSError:
                    ours.close()
                    raise
        except OSError as error:
            message = f"no worker process can be started: {error.strerror}"
            raise TransientError(message) from error
        self._process, self._connection = process, ours

    def send(self, order: object, limits: Limits) -> None:
        """Give the worker a job, and say what that may take; it must not have one already."""
        self.start()
        assert self._connection is not None, "a started worker has a connection"
        self._limits = limits
        with contextlib.suppress(ConnectionError):  # it has just died, as the next look at its messages tells
            self._connection.send((order, limits))

    def messages(self) -> Iterator[Message]:
        """What the worker has said since last asked.

        Raises
        ------
        EOFError
            If it has died; the text says of what.
        """
        connection = self._connection
        try:
            while connection is not None and connection.poll():
                yield connection.recv()
        except (EOFError, OSError) as error:
            message = self._cause_of_death()
            self.kill()
            raise EOFError(message) from error

    def kill(self) -> None:
        """End the process at once. The store is safe: SQLite undoes what was not committed."""
        if self._process is not None:
            self._process.kill()
            self._process.join(_KILL_SECONDS)
            with contextlib.suppress(ValueError):  # it hangs in the kernel, say over a dead mount
                self._process.close()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None

    def _cause_of_death(self) -> str:
        assert self._process is not None, "what died was started"
        self._process.join(_KILL_SECONDS)
        code = self._process.exitcode
        if code == _OUT_OF_MEMORY and self._limits is not None:
            return (
                f"it needs more memory than the {self._limits.usable_megabytes:,} MB that a worker may take "
                "(setting worker_memory_limit_megabytes)"
            )
        if code is None or code >= 0:
            return f"the worker process ended with exit code {code}"
        match signal.Signals(-code):
            case signal.SIGXCPU if self._limits is not None:
                return (
                    f"it takes more than {self._limits.cpu_seconds:g} s of computing "
                    "(setting job_limit_seconds)"
                )
            case signal.SIGKILL:
                return "the worker process was killed, as happens when the machine runs out of memory"
            case number if number in _CRASHES:
                return f"the worker process crashed over it ({number.name})"
            case number:
                return f"the worker process was ended by {number.name}"


def _serve(connection: Connection, pipeline: Pipeline, parent: int) -> None:
    """Do jobs until the daemon is gone. Runs in the worker process."""
    _die_with(parent)
    _show_as(f"mosaicd-{multiprocessing.current_process().name}")
    confine()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the daemon, which then ends its workers
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    while True:
        try:
            order, limits = connection.recv()
        except EOFError:
            return
        limits.hold()
        try:
            connection.send(_outcome(pipeline, order, connection.send))
        except MemoryError:  # nothing that this process holds can be relied on any more
            os._exit(_OUT_OF_MEMORY)
        _give_memory_back()


def _outcome(pipeline: Pipeline, order: object, report_progress: ReportProgress) -> Outcome:
    try:
        return pipeline(order, report_progress)
    except RejectedInputError as error:
        return Rejected(reason=str(error))
    except TransientError as error:
        return deferred_by(error)
    except CorruptStateError as error:
        return StateCorrupt(reason=str(error))
    except Exception as error:
        if _is_lack_of_memory(error):
            raise MemoryError from error
        return Failed(error=f"{type(error).__name__}: {error}", traceback=traceback.format_exc())


def _is_lack_of_memory(error: Exception) -> bool:
    is_opencv_s = getattr(error, "code", None) == _OPENCV_INSUFFICIENT_MEMORY
    is_kernel_s = getattr(error, "errno", None) == errno.ENOMEM
    return isinstance(error, MemoryError) or is_opencv_s or is_kernel_s


def _die_with(parent: int) -> None:
    """Ask the kernel to kill this process when the daemon dies, however it dies."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel was asked
        os._exit(1)


def _show_as(name: str) -> None:
    """Let ps and top show this process under a name, up to 15 characters of it."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode())


def _give_memory_back() -> None:
    """Return to the system what the last job has left unused; glibc keeps tens of megabytes of it otherwise."""
    with contextlib.suppress(AttributeError):  # other C libraries have no such call, or no such need
        ctypes.CDLL(None).malloc_trim(0)
