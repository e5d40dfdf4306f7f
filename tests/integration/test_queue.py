"""The queue: one active job a path, claimed once, and every step of a job's life in the database."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from mosaicd.jobs.queue import JobQueue, rejected_jobs_named
from mosaicd.jobs.tickets import Ticket
from mosaicd.media.files import Signature
from mosaicd.store.database import Database
from mosaicd.store.models import Job, JobKind, JobState
from tests.stores import new_database

MOSAIC, SPLICE = JobKind.MOSAIC, JobKind.SPLICE
LOOKS = Signature(size=10, mtime_ns=20, inode=30)
OTHER_LOOKS = Signature(size=11, mtime_ns=21, inode=31)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = new_database(tmp_path / "store.sqlite3")
    yield database
    database.close()


@pytest.fixture
def queue(database: Database) -> JobQueue:
    return JobQueue(database)


def admit(
    queue: JobQueue, path: str = "cat.jpg", *, looks: Signature = LOOKS, now: float = 105.0, **changes: Any
) -> Ticket:
    facts: dict[str, Any] = {"library": "default", "kind": MOSAIC, "first_seen_at": 100.0}
    return queue.admit(path=path, signature=looks, now=now, **{**facts, **changes})


def claimed(queue: JobQueue, ticket: Ticket, *, now: float = 110.0) -> Ticket:
    """The ticket of a job that has been started."""
    running = queue.claim(ticket, now=now)
    assert running is not None
    return running


def job(queue: JobQueue, path: str = "cat.jpg") -> Job:
    found = queue.last_of_path(path)
    assert found is not None
    return found


# ---- Admission


def test_admitted_file_is_queued(queue: JobQueue) -> None:
    ticket = admit(queue)
    assert queue.claimable(MOSAIC, now=200.0) == [ticket]
    assert queue.claimable(SPLICE, now=200.0) == []
    assert (ticket.state, ticket.attempts, ticket.signature) == (JobState.QUEUED, 0, LOOKS)


@pytest.mark.parametrize("path", ["two\nlines.jpg", "caf\udce9.jpg", "\N{CAT FACE}.jpg", "d/" + "n" * 255])
def test_path_is_kept_byte_for_byte(queue: JobQueue, path: str) -> None:
    admit(queue, path)
    assert [ticket.path for ticket in queue.in_state(JobState.QUEUED)] == [path]


def test_file_replaced_while_queued_updates_its_job(queue: JobQueue) -> None:
    first = admit(queue)
    second = admit(queue, looks=OTHER_LOOKS, kind=SPLICE, now=120.0)
    assert second.job_id == first.job_id
    assert (second.signature, second.kind, second.admitted_at) == (OTHER_LOOKS, SPLICE, 120.0)
    assert second.first_seen_at == 100.0


def test_file_replaced_while_waiting_updates_its_job(queue: JobQueue) -> None:
    first = admit(queue)
    queue.wait({first: "waits until there are tiles"})
    assert admit(queue, looks=OTHER_LOOKS).job_id == first.job_id
    assert job(queue).state is JobState.WAITING


def test_job_that_has_begun_is_not_brought_up_to_date(queue: JobQueue) -> None:
    first = claimed(queue, admit(queue))
    queue.give_back(first, explanation="the disk is full", not_before=500.0, costs_attempt=True)
    with pytest.raises(IntegrityError):
        admit(queue, looks=OTHER_LOOKS, now=120.0)
    assert job(queue).size == LOOKS.size


def test_path_has_one_active_job(queue: JobQueue) -> None:
    claimed(queue, admit(queue))
    with pytest.raises(IntegrityError):
        admit(queue, looks=OTHER_LOOKS)
    assert queue.counts() == {JobState.RUNNING: 1}


def test_path_whose_job_has_ended_gets_a_new_one(queue: JobQueue) -> None:
    first = claimed(queue, admit(queue))
    queue.end(first.job_id, JobState.DONE, now=130.0)
    assert admit(queue).job_id != first.job_id


# ---- Claims


def test_job_is_claimed_once(queue: JobQueue) -> None:
    ticket = admit(queue)
    running = claimed(queue, ticket)
    assert (running.state, running.attempts) == (JobState.RUNNING, 1)
    assert queue.claim(ticket, now=111.0) is None
    assert job(queue).started_at == 110.0


def test_of_many_threads_one_claims_each_job(tmp_path: Path, queue: JobQueue) -> None:
    tickets = [admit(queue, f"{number}.jpg") for number in range(20)]
    barrier = threading.Barrier(4)
    found: list[int] = []

    def claim_all() -> None:
        database = Database(tmp_path / "store.sqlite3")
        mine = JobQueue(database)
        barrier.wait()
        found.extend(ticket.job_id for ticket in tickets if mine.claim(ticket, now=110.0) is not None)
        database.close()

    threads = [threading.Thread(target=claim_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [ticket.job_id for ticket in tickets]


def test_of_two_processes_one_claims_each_job(tmp_path: Path, queue: JobQueue) -> None:
    tickets = [admit(queue, f"{number}.jpg") for number in range(60)]
    code = """
import sys
from pathlib import Path
from mosaicd.jobs.queue import JobQueue
from mosaicd.store.database import Database
from mosaicd.store.models import JobKind
queue = JobQueue(Database(Path(sys.argv[1])))
tickets = queue.claimable(JobKind.MOSAIC, now=200.0, limit=1000)
print("ready", flush=True)
sys.stdin.readline()
print(*(ticket.job_id for ticket in tickets if queue.claim(ticket, now=200.0) is not None))
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, tmp_path / "store.sqlite3"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    found = [int(number) for process in processes for number in process.communicate(timeout=60)[0].split()]
    assert sorted(found) == [ticket.job_id for ticket in tickets]


def test_libraries_take_turns_however_many_jobs_one_of_them_has(queue: JobQueue) -> None:
    for number in range(500):
        admit(queue, f"big/{number}.jpg", library="big")
    small = admit(queue, "small/cat.jpg", library="small")
    begun = []
    for now in range(200, 204):
        first, *_ = queue.claimable(MOSAIC, now=now)
        begun.append(claimed(queue, first, now=now).path)
    assert begun == ["big/0.jpg", small.path, "big/1.jpg", "big/2.jpg"]
    admit(queue, "small/dog.jpg", library="small")
    admit(queue, "third/cow.jpg", library="third")
    after_a_restart = [ticket.path for ticket in queue.claimable(MOSAIC, now=204)]
    assert after_a_restart[:4] == ["third/cow.jpg", "small/dog.jpg", "big/3.jpg", "big/4.jpg"]


def test_turns_go_on_though_the_clock_is_set_back(queue: JobQueue) -> None:
    for number in range(4):
        for library in ("one", "two"):
            admit(queue, f"{library}/{number}.jpg", library=library)
    begun = []
    for now in (9000, 9001, 200, 201, 202, 203):
        first, *_ = queue.claimable(MOSAIC, now=now)
        begun.append(claimed(queue, first, now=now).library)
    assert begun == ["one", "two"] * 3


def test_turns_are_found_by_indexes_alone(database: Database, queue: JobQueue) -> None:
    asked: list[str] = []
    with database.read() as session:
        engine = session.get_bind()

    def listen(_connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT"):
            plan = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            asked.extend(row[3] for row in plan)

    admit(queue)
    event.listen(engine, "before_cursor_execute", listen)
    assert len(queue.claimable(MOSAIC, now=200.0)) == 1
    assert [step for step in asked if step.startswith("SCAN") and "library" not in step] == []
    assert any("job_by_turn" in step for step in asked)
    assert any("job_by_library" in step for step in asked)


def test_jobs_are_claimable_oldest_first_and_not_before_their_time(queue: JobQueue) -> None:
    first, second, third = (admit(queue, f"{number}.jpg") for number in range(3))
    queue.give_back(claimed(queue, first), explanation="the disk is full", not_before=500.0)
    assert [ticket.job_id for ticket in queue.claimable(MOSAIC, now=499.0)] == [second.job_id, third.job_id]
    assert [ticket.job_id for ticket in queue.claimable(MOSAIC, now=500.0, limit=2)] == [
        first.job_id,
        second.job_id,
    ]


# ---- Steps


def test_attempt_counts_unless_the_job_is_given_back(queue: JobQueue) -> None:
    ticket = admit(queue)
    for _ in range(3):
        queue.give_back(claimed(queue, ticket), explanation="the disk is full")
    assert job(queue).attempts == 0
    for attempts in (1, 2):
        running = claimed(queue, ticket)
        assert running.attempts == attempts
        queue.give_back(running, explanation="the worker died", costs_attempt=True)
    assert (job(queue).attempts, job(queue).explanation) == (2, "the worker died")


def test_waiting_job_says_for_what_and_goes_on(queue: JobQueue) -> None:
    ticket = admit(queue)
    (waiting,) = queue.wait({ticket: "waits until there are tiles"})
    assert waiting == ticket
    (waiting,) = queue.in_state(JobState.WAITING)
    assert queue.wait({waiting: "waits until there are tiles"}) == []
    assert queue.wait({waiting: "waits until film.mp4 has become tiles"}) == [waiting]
    assert job(queue).explanation == "waits until film.mp4 has become tiles"
    assert queue.claimable(MOSAIC, now=200.0) == []
    assert not queue.can_proceed(now=200.0)
    queue.release([waiting])
    assert (job(queue).state, job(queue).explanation) == (JobState.QUEUED, None)


def test_job_that_runs_neither_waits_nor_is_released(queue: JobQueue) -> None:
    ticket = admit(queue)
    claimed(queue, ticket)
    assert queue.wait({ticket: "waits"}) == []
    queue.release([ticket])
    assert job(queue).state is JobState.RUNNING


@pytest.mark.parametrize("state", [JobState.DONE, JobState.REJECTED])
def test_job_that_was_not_started_cannot_end(queue: JobQueue, state: JobState) -> None:
    ticket = admit(queue)
    with pytest.raises(ValueError, match=f"a job that is queued cannot become {state}"):
        queue.end(ticket.job_id, state, now=130.0)
    assert job(queue).state is JobState.QUEUED


def test_end_is_noted(queue: JobQueue) -> None:
    ticket = claimed(queue, admit(queue))
    queue.note_progress(ticket.job_id, stage="matching", progress=0.4)
    assert (job(queue).stage, job(queue).progress) == ("matching", 0.4)
    queue.note_progress(ticket.job_id, stage="matching", progress=1.7)
    queue.end(ticket.job_id, JobState.DONE, now=130.0)
    ended = job(queue)
    assert (ended.state, ended.ended_at, ended.stage, ended.progress) == (JobState.DONE, 130.0, None, 1.0)


def test_job_that_is_done_stays_done(queue: JobQueue) -> None:
    ticket = claimed(queue, admit(queue))
    queue.end(ticket.job_id, JobState.DONE, now=130.0)
    with pytest.raises(ValueError, match="a job that is done cannot become queued"):
        queue.give_back(ticket, explanation="no")
    with pytest.raises(ValueError, match="a job that is done cannot become queued"):
        queue.revive(ticket.job_id, LOOKS, now=140.0)


def test_rejected_job_is_revived_as_new(queue: JobQueue) -> None:
    ticket = claimed(queue, admit(queue))
    queue.note_move(ticket.job_id, "/rejected/cat.jpg", explanation="no photo")
    queue.end(ticket.job_id, JobState.REJECTED, now=130.0, explanation="no photo")
    queue.revive(ticket.job_id, OTHER_LOOKS, now=140.0)
    (revived,) = queue.claimable(MOSAIC, now=140.0)
    assert (revived.signature, revived.attempts, revived.moved_to) == (OTHER_LOOKS, 0, None)
    assert revived.explanation is None


def test_queue_can_proceed_while_anything_is_ready_or_running(queue: JobQueue) -> None:
    assert not queue.can_proceed(now=200.0)
    ticket = admit(queue)
    assert queue.can_proceed(now=200.0)
    running = claimed(queue, ticket)
    assert queue.can_proceed(now=200.0)
    queue.give_back(running, explanation="the disk is full", not_before=300.0)
    assert not queue.can_proceed(now=200.0)
    assert queue.can_proceed(now=300.0)


def test_film_of_each_library_that_was_seen_first_is_known_until_it_is_done(queue: JobQueue) -> None:
    photo = admit(queue, "cat.jpg", first_seen_at=1.0)
    assert queue.first_splices({photo.library_id}) == {}
    assert queue.first_splices(set()) == {}
    admit(queue, "later.mp4", kind=SPLICE, first_seen_at=106.0)
    film = admit(queue, "film.mp4", kind=SPLICE, first_seen_at=104.0)
    other = admit(queue, "family/film.mp4", library="family", kind=SPLICE, first_seen_at=3.0)
    ids = {film.library_id, other.library_id}
    assert queue.first_splices(ids) == {
        film.library_id: ("film.mp4", 104.0),
        other.library_id: ("family/film.mp4", 3.0),
    }
    queue.end(claimed(queue, film).job_id, JobState.DONE, now=130.0)
    assert queue.first_splices({film.library_id}) == {film.library_id: ("later.mp4", 106.0)}


def test_rejected_file_is_found_by_path_or_name_unless_it_has_come_again(
    queue: JobQueue, database: Database
) -> None:
    for path in ("family/cat.jpg", "zoo/cat.jpg", "dog.jpg"):
        ticket = claimed(queue, admit(queue, path))
        queue.end(ticket.job_id, JobState.REJECTED, now=130.0, explanation="no photo")
    admit(queue, "dog.jpg", looks=OTHER_LOOKS)

    def found(name: str) -> list[str]:
        with database.read() as session:
            return [each.path for each in rejected_jobs_named(session, name)]

    assert found("cat.jpg") == ["family/cat.jpg", "zoo/cat.jpg"]
    assert found("zoo/cat.jpg") == ["zoo/cat.jpg"]
    assert found("dog.jpg") == []
