"""Workers: one job at a time, every ending told, and a death that the daemon survives."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from mosaicd.errors import CorruptStateError, RejectedInputError, TransientError
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

ERRORS = {"reject": RejectedInputError, "defer": TransientError, "corrupt": CorruptStateError}


def obey(order: str, report_progress: ReportProgress) -> Done:
    """A pipeline that does what its order says."""
    report_progress(Progress(stage=order, share=0.5))
    match order:
        case "reject" | "defer" | "corrupt":
            raise ERRORS[order](f"told to {order}")
        case "fail":
            return Done(facts={"share": 1 / 0})
        case "be killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(3)
        case "be deaf":
            for number in (signal.SIGINT, signal.SIGHUP):
                os.kill(os.getpid(), number)
        case "hang":
            time.sleep(3600)
    return Done(facts={"process": os.getpid()})


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
    worker.send(order)
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
    ("order", "why"), [("be killed", "killed by SIGKILL"), ("exit", "ended with exit code 3")]
)
def test_death_is_told_and_the_next_job_gets_a_new_process(worker: Worker, order: str, why: str) -> None:
    worker.send(order)
    with pytest.raises(EOFError, match=why):
        heard(worker, count=3)
    assert worker.connection is None
    assert isinstance(answer(worker, "work"), Done)


def test_worker_that_hangs_can_be_ended_at_once(worker: Worker) -> None:
    worker.send("hang")
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
    worker.send("work")
    with pytest.raises(EOFError, match="killed by SIGKILL"):
        list(worker.messages())


def test_worker_without_a_process_has_nothing_to_say(worker: Worker) -> None:
    assert worker.connection is None
    assert list(worker.messages()) == []
    worker.kill()
