"""Workers: one job at a time, every ending told, and a death that the daemon survives."""

import errno
import math
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from mosaicd.errors import CorruptStateError, RejectedInputError, TransientError
from mosaicd.jobs.limits import Limits
from mosaicd.jobs.workers import (
    Deferred,
    Done,
    Failed,
    Message,
    Progress,
    Rejected,
    ReportProgress,
    StateCorrupt,
    Worker,
)
from tests.daemon_process import wait_until

LIMITS = Limits(memory_megabytes=1000, cpu_seconds=100)


class OpenCvError(Exception):
    """As OpenCV says that an allocation failed."""

    code = -4


def fail(error: Exception) -> None:
    raise error


def be_deaf() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        os.kill(os.getpid(), number)


def compute(seconds: float) -> None:
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass


def speak() -> None:
    os.write(1, b"what a file says")
    os.write(2, b'{"event": "forged"}\n')
    print("and again", file=sys.stderr, flush=True)


DEEDS: dict[str, Callable[[], object]] = {
    "work": lambda: None,
    "reject": lambda: fail(RejectedInputError("told to reject")),
    "defer": lambda: fail(TransientError("told to defer")),
    "corrupt": lambda: fail(CorruptStateError("told to corrupt")),
    "fail": lambda: 1 / 0,
    "be killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "be told to end": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "exit": lambda: os._exit(3),
    "be deaf": be_deaf,
    "hang": lambda: time.sleep(3600),
    "take much": lambda: bytearray(700_000_000),
    "take all": lambda: bytearray(5_000_000_000),
    "run out, says OpenCV": lambda: fail(OpenCvError()),
    "run out, says the kernel": lambda: fail(OSError(errno.ENOMEM, "Cannot allocate memory")),
    "compute": lambda: compute(1.5),
    "compute for ever": lambda: compute(math.inf),
    "print": speak,
}


def obey(order: str, report_progress: ReportProgress) -> Done:
    """A pipeline that does what its order says."""
    report_progress(Progress(stage=order, share=0.5))
    DEEDS[order]()
    limits = [resource.getrlimit(each) for each in (resource.RLIMIT_CORE, resource.RLIMIT_NOFILE)]
    return Done(facts={"process": os.getpid(), "limits": limits})


@pytest.fixture(scope="module")
def shared() -> Iterator[Worker]:
    worker = Worker("shared", obey)
    yield worker
    worker.kill()


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker("own", obey)
    yield worker
    worker.kill()


def heard(worker: Worker, *, count: int = 2) -> list[Message]:
    """The next messages of a worker."""
    messages: list[Message] = []

    def has_all() -> bool:
        messages.extend(worker.messages())
        return len(messages) >= count

    wait_until(has_all, what=f"{count} messages", seconds=30)
    return messages


def answer(worker: Worker, order: str) -> Message:
    """What a worker says at the end of a job."""
    worker.send(order, LIMITS)
    progress, outcome = heard(worker)
    assert progress == Progress(stage=order, share=0.5)
    return outcome


def test_each_ending_of_a_job_is_told_and_the_worker_goes_on(shared: Worker) -> None:
    assert answer(shared, "reject") == Rejected(reason="told to reject")
    assert answer(shared, "defer") == Deferred(reason="told to defer")
    assert answer(shared, "corrupt") == StateCorrupt(reason="told to corrupt")
    failed = answer(shared, "fail")
    assert isinstance(failed, Failed)
    assert failed.error == "ZeroDivisionError: division by zero"
    assert failed.traceback.startswith("Traceback (most recent call last)")
    first, second = answer(shared, "work"), answer(shared, "be deaf")
    assert first == second, "one process did both, whatever the terminal sent it"
    assert isinstance(first, Done)
    assert first.facts["process"] != os.getpid()


@pytest.mark.parametrize(
    ("order", "why"),
    [
        ("be killed", "the worker process was killed, as happens when the machine runs out of memory"),
        ("crash", r"the worker process crashed over it \(SIGSEGV\)"),
        ("be told to end", "the worker process was ended by SIGTERM"),
        ("exit", "the worker process ended with exit code 3"),
        ("take all", r"it needs more memory than the 1,000 MB that a worker may take \(setting worker_mem"),
        ("run out, says OpenCV", "it needs more memory than"),
        ("run out, says the kernel", "it needs more memory than"),
    ],
)
def test_death_is_told_and_the_next_job_gets_a_new_process(worker: Worker, order: str, why: str) -> None:
    worker.send(order, LIMITS)
    with pytest.raises(EOFError, match=why):
        heard(worker, count=3)
    assert worker.connection is None
    assert isinstance(answer(worker, "work"), Done)


def test_worker_that_hangs_can_be_ended_at_once(worker: Worker) -> None:
    worker.send("hang", LIMITS)
    heard(worker, count=1)
    worker.kill()
    assert list(worker.messages()) == []
    assert isinstance(answer(worker, "work"), Done)


def test_order_to_a_worker_that_dies_at_this_moment_is_told_as_its_death(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = answer(worker, "work")
    assert isinstance(done, Done)
    os.kill(done.facts["process"], signal.SIGKILL)
    os.waitid(os.P_PID, done.facts["process"], os.WEXITED | os.WNOWAIT)
    monkeypatch.setattr(worker, "start", lambda: None)  # it seemed to be alive
    worker.send("work", LIMITS)
    with pytest.raises(EOFError, match="was killed"):
        list(worker.messages())


def test_worker_without_a_process_has_nothing_to_say(worker: Worker) -> None:
    assert worker.connection is None
    assert list(worker.messages()) == []
    worker.kill()


def test_computing_time_is_counted_anew_for_each_job(worker: Worker) -> None:
    little = Limits(memory_megabytes=1000, cpu_seconds=2)
    for _ in range(3):
        worker.send("compute", little)
        assert isinstance(heard(worker)[-1], Done)
    worker.send("compute for ever", little)
    with pytest.raises(EOFError, match=r"it takes more than 2 s of computing \(setting job_limit_seconds\)"):
        heard(worker, count=2)


def test_memory_limit_is_that_of_the_job_at_hand(worker: Worker) -> None:
    less, more = (Limits(memory_megabytes=each, cpu_seconds=100) for each in (512, 1000))
    for _ in range(2):
        worker.send("take much", more)
        assert isinstance(heard(worker)[-1], Done)
    worker.send("take much", less)
    with pytest.raises(EOFError, match="it needs more memory than the 512 MB"):
        heard(worker, count=2)


def test_memory_limit_leaves_the_machine_some(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = {"SC_PHYS_PAGES": 1_000_000, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", machine.__getitem__)
    assert Limits(memory_megabytes=4096, cpu_seconds=1).usable_megabytes == 3072
    assert Limits(memory_megabytes=1000, cpu_seconds=1).usable_megabytes == 1000


def test_worker_leaves_no_core_dumps_and_opens_few_files(shared: Worker) -> None:
    outcome = answer(shared, "work")
    assert isinstance(outcome, Done)
    assert outcome.facts["limits"] == [(0, 0), (256, 256)]


def test_what_decoders_print_is_no_line_of_the_log(worker: Worker, capfd: pytest.CaptureFixture[str]) -> None:
    assert isinstance(answer(worker, "print"), Done)
    assert capfd.readouterr() == ("", "")


def test_system_without_room_for_a_process_puts_the_work_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    worker = Worker("late", obey)
    with monkeypatch.context() as full:
        full.setattr("multiprocessing.util.spawnv_passfds", refuse)
        with pytest.raises(TransientError, match="no worker process can be started: Resource temporarily"):
            worker.send("work", LIMITS)
    assert isinstance(answer(worker, "work"), Done)
    worker.kill()


def test_worker_that_hangs_in_the_kernel_holds_nobody_up(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.send("hang", LIMITS)
    heard(worker, count=1)
    process = worker._process
    assert process is not None
    monkeypatch.setattr("mosaicd.jobs.workers._KILL_SECONDS", 0.01)
    monkeypatch.setattr(process, "kill", lambda: None)  # as if it did not hear
    worker.kill()
    assert isinstance(answer(worker, "work"), Done)
    monkeypatch.undo()
    process.kill()
    process.join()
