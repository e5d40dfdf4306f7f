"""The foreman and the bookkeeper: what is handed out when, and what becomes of a file, whatever happens over it."""

import errno
import itertools
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from structlog.testing import capture_logs

from mosaicd.errors import CorruptStateError, TransientError
from mosaicd.foreman import Foreman
from mosaicd.intake.admission import Admission
from mosaicd.jobs.limits import Limits
from mosaicd.jobs.originals import FILE_ADVICE
from mosaicd.jobs.queue import JobQueue
from mosaicd.jobs.workers import (
    Deferred,
    Done,
    Failed,
    Message,
    Outcome,
    Progress,
    Rejected,
    StateCorrupt,
    Worker,
)
from mosaicd.media.files import signature
from mosaicd.pipelines.orders import MosaicOrder, SpliceOrder
from mosaicd.settings_reading import load_settings
from mosaicd.status import gather, in_words
from mosaicd.store.database import Database
from mosaicd.store.models import (
    Job,
    JobKind,
    JobState,
    Mosaic,
    MosaicPlacement,
    Source,
    SourceKind,
    Tile,
    TileUse,
)
from mosaicd.store.mosaics import record_mosaic, stem_key
from mosaicd.store.tiles import find_or_add_source
from tests.faults.workplace import replaced_by_file, small_disk, unplugged
from tests.steps import result_of
from tests.stores import add_source, new_database, placement

SPLICE, MOSAIC = JobKind.SPLICE, JobKind.MOSAIC
REASON = "it is no photo"
YEAR = 365 * 86_400.0
FACTS = {
    SPLICE: {
        "source": 1,
        "already_known": False,
        "restored": False,
        "superseded": [7],
        "sampled_frames": 9,
        "tiles": 18,
        "skipped_black": 0,
        "skipped_blank": 0,
        "skipped_repeated": 0,
        "skipped_blurred": 0,
        "skipped_credits": 0,
        "skipped_duplicate": 0,
        "shortfall": "it ends after 9.0 of 12.0 seconds",
        "total_seconds": 1.5,
    },
    MOSAIC: {
        "mosaic": 1,
        "image": "cat.mosaic.jpg",
        "rows": 3,
        "columns": 4,
        "tiles_in_library": 50,
        "distinct_tiles": 3,
        "color_error_1px": 3.1,
        "ssim_5px": 0.5,
        "total_seconds": 1.5,
    },
}


class ScriptedWorker(Worker):
    """A worker without a process: a test says what it says."""

    def __init__(self) -> None:
        self.orders: list[Any] = []
        self.says: list[Message | EOFError] = []
        self.ends = 0

    def send(self, order: object, limits: Limits) -> None:
        self.orders.append(order)
        self.limits = limits

    def messages(self) -> Iterator[Message]:
        while self.says:
            message = self.says.pop(0)
            if isinstance(message, EOFError):
                raise message
            yield message

    def kill(self) -> None:
        self.ends += 1


class Workshop:
    """A root with its database, a foreman with scripted workers, and the log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database: Database = new_database(folder / "state" / "store.sqlite3")
        with self.database.write() as session:
            source = add_source(session, tiles=60)
            self.library_id, self.source_id = source.library_id, source.id
        self.queue = JobQueue(self.database)
        self.changes: dict[str, Any] = {}
        self.numbers = itertools.count(1)
        self.start()
        self.folders = self.foreman._settings.folders
        self.folders.inbox.mkdir(parents=True)

    def start(self, **changes: Any) -> None:
        """Start, or start again as after a kill: nothing is remembered but the database and the files."""
        self.changes |= changes
        self.workers = {SPLICE: ScriptedWorker(), MOSAIC: ScriptedWorker()}
        settings = load_settings(
            {"root": self.folder / "root", "database": self.database.path, "retry_seconds": 1e-6}
            | self.changes
        )
        inbox = settings.folders.inbox
        self.admission = Admission(inbox, self.queue)
        self.foreman = Foreman(settings, self.database, self.queue, self.admission, self.workers)
        result_of(self.foreman.recover())

    def drop(self, path: str, *, content: str = "a file", kind: JobKind = MOSAIC) -> int:
        """Put a file into the inbox and admit it; the number of its job."""
        file = self.folders.inbox / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{content} {next(self.numbers)}")
        looks = signature(file)
        assert looks is not None
        return self.queue.admit(
            library="default", kind=kind, path=path, signature=looks, first_seen_at=1.0, now=2.0
        ).job_id

    def begin(self, path: str = "cat.jpg", *, kind: JobKind = MOSAIC) -> int:
        """Drop a file and let a worker have it; the number of its job."""
        number = self.drop(path, kind=kind)
        self.foreman.hand_out()
        assert self.state(path) is JobState.RUNNING
        return number

    def hear(self, *messages: Message | EOFError, kind: JobKind = MOSAIC) -> bool:
        self.workers[kind].says += messages
        return self.foreman.collect()

    def again(self, outcome: Outcome | EOFError, *, kind: JobKind = MOSAIC) -> None:
        """Let the worker have its next job, and hear what comes of that."""
        self.foreman.premises.look()
        self.foreman.hand_out()
        self.hear(outcome, kind=kind)

    def job(self, path: str = "cat.jpg") -> Job:
        job = self.queue.last_of_path(path)
        assert job is not None
        return job

    def state(self, path: str = "cat.jpg") -> JobState:
        return self.job(path).state

    def retry(self, path: str) -> None:
        """What the command ``retry`` does."""
        job = self.job(path)
        assert job.moved_to is not None
        Path(job.moved_to).rename(self.folders.inbox / path)
        looks = signature(self.folders.inbox / path)
        assert looks is not None
        self.queue.revive(job.id, looks, now=9.0)

    def record(self, job_id: int, *, published_at: float | None = None) -> int:
        """Record a mosaic of a job, as its worker does; the mosaic's number."""
        mosaic = Mosaic(
            job_id=job_id,
            library_id=self.library_id,
            photo_sha256=bytes(32),
            photo_name="cat.jpg",
            stem="cat",
            stem_key=stem_key("cat"),
            settings={"output_format": "jpeg"},
            tiles_in_library=60,
            rows=3,
            columns=4,
            created_at=5.0,
            published_at=published_at,
            figures={},
        )
        with self.database.write() as session:
            record_mosaic(session, mosaic, placement(1, 2, 3))
        return mosaic.id

    def charged(self) -> int:
        """Uses that count; zero if there is neither a mosaic nor a placement either."""
        with self.database.read() as session:
            kept = [
                session.scalar(select(func.count()).select_from(each)) for each in (Mosaic, MosaicPlacement)
            ]
            uses = session.scalar(select(func.sum(TileUse.count))) or 0
        assert (uses > 0) == (kept == [1, 1])
        assert (uses == 0) == (kept == [0, 0])
        return uses

    def store_samples(self, job_id: int, count: int) -> None:
        """Store so many samples of a film, as its worker does."""
        with self.database.write() as session:
            source = find_or_add_source(
                session,
                library_id=self.library_id,
                sha256=b"f" * 32,
                kind=SourceKind.VIDEO,
                name="film.mp4",
                sample_interval_seconds=1.0,
                now=3.0,
            )
            session.get_one(Source, source.id).next_sample = count
        self.queue.note_content(job_id, b"f" * 32)

    def be_killed(self, *paths: str) -> None:
        """Hand out what can be, see that these files are worked on, die, and start again."""
        self.foreman.hand_out()
        for path in paths:
            assert self.state(path) is JobState.RUNNING
        self.start()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    for name in os.environ:
        if name.startswith("MOSAICD_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with capture_logs():  # whatever the log was set up for, it is not for these
        shop = Workshop(tmp_path)
        yield shop
        shop.database.close()


# ---- Handing out


def test_each_worker_gets_one_job_of_its_kind_at_a_time(shop: Workshop) -> None:
    for path in ("a.jpg", "b.jpg"):
        shop.drop(f"photos/{path}")
    shop.drop("film.mp4", kind=SPLICE)
    shop.start(photo_wait_limit_seconds=0)
    for _ in range(2):
        shop.foreman.hand_out()
    (order,) = shop.workers[SPLICE].orders
    assert isinstance(order, SpliceOrder)
    assert order.name == "film.mp4"
    (order,) = shop.workers[MOSAIC].orders
    assert isinstance(order, MosaicOrder)
    assert order.name == "photos/a.jpg"
    shop.hear(Progress(stage="matching", share=0.25))
    assert shop.foreman.doing() == "splicing film.mp4 (0%), making a mosaic of photos/a.jpg (25%)"
    shop.again(Done(facts=FACTS[MOSAIC]))
    shop.foreman.hand_out()
    assert [order.name for order in shop.workers[MOSAIC].orders] == ["photos/a.jpg", "photos/b.jpg"]


def test_what_a_worker_said_last_is_noted_though_it_says_no_more(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.begin()
    shop.hear(Progress(stage="reading", share=0.0))
    shop.hear(Progress(stage="matching", share=0.25))
    assert shop.job().stage == "reading", "not every word is worth a write"
    later = time.monotonic() + 2.0
    monkeypatch.setattr("mosaicd.foreman.time.monotonic", lambda: later)
    shop.hear()
    assert (shop.job().stage, shop.job().progress) == ("matching", 0.25)


def test_photo_waits_for_films_and_for_tiles_and_then_goes_on(shop: Workshop) -> None:
    shop.drop("film.mp4", kind=SPLICE)
    with capture_logs() as log:
        shop.drop("cat.jpg")
        with shop.database.write() as session:
            session.get_one(Job, shop.job().id).admitted_at = time.time()
        shop.foreman.hand_out()
        assert shop.state() is JobState.WAITING
        shop.again(Done(facts=FACTS[SPLICE]), kind=SPLICE)
        shop.start(minimum_tiles=61)
        shop.foreman.recheck_waiting()
        shop.start(minimum_tiles=60)
        shop.foreman.recheck_waiting()
    assert shop.state() is JobState.QUEUED
    reasons = [event["why"] for event in log if event["event"] == "job_waiting"]
    assert reasons == [
        "waits until film.mp4 has become tiles",
        "waits until library default has 61 tiles (drop in more videos, or set minimum_tiles)",
    ]


@pytest.mark.parametrize(("set_back_seconds", "waits"), [(60, True), (YEAR, False)])
def test_photo_waits_for_no_year_when_the_clock_is_set_back_by_one(
    shop: Workshop,
    monkeypatch: pytest.MonkeyPatch,
    set_back_seconds: float,
    waits: bool,  # noqa: FBT001
) -> None:
    shop.begin("film.mp4", kind=SPLICE)
    shop.drop("cat.jpg")
    now = time.time()
    with shop.database.write() as session:
        session.get_one(Job, shop.job().id).admitted_at = now
    monkeypatch.setattr(time, "time", lambda: now - set_back_seconds)
    shop.foreman.hand_out()
    assert shop.state() is (JobState.WAITING if waits else JobState.RUNNING)


def test_photo_that_waits_for_one_file_after_the_other_says_so_once(shop: Workshop) -> None:
    for path in ("a.mp4", "b.mp4", "c.mp4"):
        shop.drop(path, kind=SPLICE)
    shop.drop("cat.jpg")
    with shop.database.write() as session:
        session.get_one(Job, shop.job().id).admitted_at = time.time()
    with capture_logs() as log:
        for _ in range(3):
            shop.foreman.hand_out()
            shop.again(Done(facts=FACTS[SPLICE]), kind=SPLICE)
            shop.foreman.recheck_waiting()
    assert shop.state() is JobState.QUEUED
    (waiting,) = [event for event in log if event["event"] == "job_waiting"]
    assert waiting["why"].endswith(".mp4 has become tiles")


@pytest.mark.parametrize("must_wait", ["queued", "waiting"])
def test_job_whose_file_has_changed_is_withdrawn(shop: Workshop, must_wait: str) -> None:
    shop.drop("cat.jpg")
    if must_wait == "waiting":
        shop.start(minimum_tiles=61)
        shop.foreman.hand_out()
    assert shop.state() == must_wait
    (shop.folders.inbox / "cat.jpg").unlink()
    shop.foreman.hand_out()
    shop.foreman.recheck_waiting()
    assert shop.state() is JobState.WITHDRAWN
    assert not shop.workers[MOSAIC].orders


def test_job_whose_file_cannot_be_seen_just_now_is_not_withdrawn(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.drop("family/cat.jpg")
    shop.start(minimum_tiles=61)
    shop.foreman.hand_out()
    lstat = Path.lstat

    def refuse(path: Path) -> os.stat_result:
        if path.name == "cat.jpg":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", refuse)
    shop.foreman.recheck_waiting()
    assert shop.state("family/cat.jpg") is JobState.WAITING


@pytest.mark.parametrize("is_complete", [False, True])
def test_tiles_of_a_film_that_was_replaced_before_its_end_go_out_of_use(
    shop: Workshop,
    is_complete: bool,  # noqa: FBT001
) -> None:
    number = shop.begin("beach.mp4", kind=SPLICE)
    with shop.database.write() as session:
        source = add_source(session, name="beach.mp4", tiles=5)
        source.completed_at = 3.0 if is_complete else None
    shop.queue.note_content(number, source.sha256)
    (shop.folders.inbox / "beach.mp4").write_text("the whole film")
    shop.hear(Deferred(reason="the file was changed"), kind=SPLICE)
    assert shop.state("beach.mp4") is JobState.WITHDRAWN
    with shop.database.read() as session:
        in_use = select(func.count()).where(Tile.source_id == source.id, Tile.removed_at.is_(None))
        assert session.scalar(in_use) == (5 if is_complete else 0)


def test_job_for_which_no_worker_can_be_started_is_put_off(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        message = "no worker process can be started: Resource temporarily unavailable"
        raise TransientError(message)

    monkeypatch.setattr(shop.workers[MOSAIC], "send", refuse)
    shop.drop("cat.jpg")
    shop.foreman.hand_out()
    shop.foreman.collect()
    job = shop.job()
    assert (job.state, job.attempts) == (JobState.QUEUED, 0)
    assert job.explanation == "no worker process can be started: Resource temporarily unavailable"


# ---- Endings


@pytest.mark.parametrize("kind", [SPLICE, MOSAIC])
def test_file_that_is_done_goes_to_the_archive(shop: Workshop, kind: JobKind) -> None:
    shop.begin(kind=kind)
    with capture_logs() as log:
        assert shop.hear(Done(facts=FACTS[kind]), kind=kind)
    assert shop.state() is JobState.DONE
    assert (shop.folders.archive / "cat.jpg").exists()
    named = {
        SPLICE: ["source_spliced", "source_incomplete", "source_superseded"],
        MOSAIC: ["mosaic_published"],
    }
    assert [event["event"] for event in log if event["log_level"] != "debug"] == named[kind]
    assert not shop.foreman.is_busy


def test_file_that_cannot_be_used_is_put_aside_with_the_reason(shop: Workshop) -> None:
    shop.begin()
    shop.hear(Rejected(reason=REASON))
    assert (shop.state(), shop.job().explanation) == (JobState.REJECTED, REASON)
    assert (shop.folders.rejected / "cat.jpg").exists()
    assert (shop.folders.rejected / "cat.jpg.reason.txt").read_text() == f"{REASON}\n\n{FILE_ADVICE}"
    assert shop.foreman.rejections == 1


@pytest.mark.parametrize("outcome", [Done(facts=FACTS[MOSAIC]), Rejected(reason=REASON)])
def test_file_is_left_in_the_inbox_if_the_settings_say_so(shop: Workshop, outcome: Outcome) -> None:
    shop.start(originals="leave")
    shop.begin()
    shop.hear(outcome)
    assert shop.state() is (JobState.DONE if isinstance(outcome, Done) else JobState.REJECTED)
    assert (shop.folders.inbox / "cat.jpg").exists()
    assert (shop.folders.rejected / "cat.jpg.reason.txt").exists() == isinstance(outcome, Rejected)


def test_file_that_stays_and_is_rejected_again_has_the_latest_reason(shop: Workshop) -> None:
    shop.start(originals="leave")
    for reason in ("it is blue", "it is green"):
        shop.begin()
        shop.hear(Rejected(reason=reason))
    assert [path.name for path in shop.folders.rejected.iterdir()] == ["cat.jpg.reason.txt"]
    assert (shop.folders.rejected / "cat.jpg.reason.txt").read_text() == f"it is green\n\n{FILE_ADVICE}"


def test_clock_set_back_by_a_year_defers_nothing_by_a_year(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.start(retry_seconds=30)
    shop.begin()
    shop.hear(Deferred(reason="the disk is full"))
    shop.foreman.hand_out()
    assert shop.state() is JobState.QUEUED
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - YEAR)
    assert shop.queue.can_proceed(now=time.time(), retry_seconds=30)
    shop.foreman.hand_out()
    assert shop.state() is JobState.RUNNING


def test_what_stands_in_the_way_costs_no_attempt_and_is_said_once(shop: Workshop) -> None:
    shop.begin()
    with capture_logs() as log:
        for _ in range(5):
            shop.again(Deferred(reason="the disk is full"))
    assert [event["why"] for event in log if event["event"] == "job_deferred"] == ["the disk is full"]
    assert (shop.state(), shop.job().attempts) == (JobState.QUEUED, 0)


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        (EOFError("the worker was killed"), "the work on this file did not end well: the worker was killed"),
        (
            Failed(error="KeyError: 'x'", traceback="Traceback"),
            "mosaicd failed at this file; its log describes how (job_failed)",
        ),
    ],
)
def test_file_at_which_the_program_fails_twice_is_put_aside_and_the_next_is_done(
    shop: Workshop, outcome: Failed | EOFError, why: str
) -> None:
    shop.begin()
    shop.drop("next.jpg")
    shop.hear(outcome)
    assert (shop.state(), shop.job().attempts) == (JobState.QUEUED, 1)
    shop.again(outcome)
    assert shop.state() is JobState.REJECTED
    assert f"{why} (2 attempts)" in (shop.folders.rejected / "cat.jpg.reason.txt").read_text()
    shop.again(Done(facts=FACTS[MOSAIC]))
    assert shop.state("next.jpg") is JobState.DONE


def test_next_job_may_take_what_reloaded_settings_say(shop: Workshop) -> None:
    shop.begin()
    shop.hear(Done(facts=FACTS[MOSAIC]))
    shop.foreman.apply(
        shop.foreman._settings.model_copy(
            update={"worker_memory_limit_megabytes": 777, "job_limit_seconds": 88.0}
        )
    )
    shop.begin("next.jpg")
    assert shop.workers[MOSAIC].limits == Limits(memory_megabytes=777, cpu_seconds=88)


@pytest.mark.parametrize("setting", ["stall_limit_seconds", "job_limit_seconds"])
def test_worker_that_takes_too_long_is_ended_and_the_file_tried_again(shop: Workshop, setting: str) -> None:
    shop.start(**{setting: 1e-9})
    shop.begin()
    with capture_logs() as log:
        assert shop.hear()
    assert shop.workers[MOSAIC].ends == 1
    assert (shop.state(), shop.job().attempts) == (JobState.QUEUED, 1)
    assert [event["event"] for event in log] == ["worker_died"]


def test_worker_that_dies_after_its_job_was_done_costs_the_file_nothing(shop: Workshop) -> None:
    shop.begin()
    shop.hear(Done(facts=FACTS[MOSAIC]), EOFError("the worker was killed"))
    assert shop.state() is JobState.DONE


def test_database_that_a_worker_cannot_trust_stops_the_daemon(shop: Workshop) -> None:
    shop.begin()
    with pytest.raises(CorruptStateError, match="malformed"):
        shop.hear(StateCorrupt(reason="malformed"))


def test_appearance_file_that_was_passed_over_is_complained_of(shop: Workshop) -> None:
    shop.begin("family/cat.jpg")
    shop.hear(Done(facts=FACTS[MOSAIC], appearance_complaint="no setting x"))
    complaint = (shop.folders.rejected / "family" / "mosaic.toml.reason.txt").read_text()
    assert complaint == (
        "mosaic.toml of library default was passed over: no setting x\n\n"
        "What to do: correct it where it stands in the inbox; the next mosaic goes by it.\n"
    )


def test_complaint_about_an_appearance_file_replaces_the_last_one_and_no_other_file(shop: Workshop) -> None:
    other = shop.folders.rejected / "mosaic.toml.reason.txt"
    other.parent.mkdir()
    other.write_text("a film of this name")
    for number in (1, 2):
        shop.begin(f"{number}.jpg")
        shop.hear(Done(facts=FACTS[MOSAIC], appearance_complaint=f"no setting {number}"))
    assert other.read_text() == "a film of this name"
    complaint = (shop.folders.rejected / "mosaic (2).toml.reason.txt").read_text()
    assert complaint.startswith("mosaic.toml of library default was passed over: no setting 2\n")


def test_stop_gives_every_job_back_without_a_mark(shop: Workshop) -> None:
    shop.begin()
    shop.folders.staging.mkdir()
    (shop.folders.staging / "half a mosaic.staged").touch()
    shop.foreman.stop()
    assert (shop.state(), shop.job().attempts, shop.job().interruptions) == (JobState.QUEUED, 0, 0)
    assert list(shop.folders.staging.iterdir()) == []


# ---- A mosaic that nobody has seen


def test_rejected_file_leaves_no_charges_and_gets_a_fresh_mosaic_when_tried_again(shop: Workshop) -> None:
    shop.record(shop.begin())
    assert shop.charged() == 12
    shop.hear(Rejected(reason=REASON))
    assert shop.charged() == 0
    shop.retry("cat.jpg")
    shop.foreman.hand_out()
    shop.record(shop.job().id)
    assert shop.charged() == 12


@pytest.mark.parametrize("is_back", [True, False], ids=["queued again", "being worked on"])
def test_file_that_has_changed_leaves_no_charges(shop: Workshop, is_back: bool) -> None:  # noqa: FBT001
    shop.record(shop.begin())
    if is_back:
        shop.foreman.stop()
    (shop.folders.inbox / "cat.jpg").write_text("another cat altogether")
    if is_back:
        shop.foreman.hand_out()
    else:
        shop.hear(Deferred(reason="the file was changed"))
    assert shop.state() is JobState.WITHDRAWN
    assert shop.charged() == 0


def test_file_that_is_replaced_before_its_second_turn_leaves_no_charges(shop: Workshop) -> None:
    first = shop.begin()
    shop.record(first)
    shop.foreman.stop()
    (shop.folders.inbox / "cat.jpg").write_text("another cat")
    shop.foreman.hand_out()
    assert shop.state() is JobState.WITHDRAWN
    assert shop.charged() == 0


def test_mosaic_that_people_have_seen_keeps_its_charges(shop: Workshop) -> None:
    shop.record(shop.begin(), published_at=6.0)
    (shop.folders.inbox / "cat.jpg").unlink()
    shop.hear(Deferred(reason="the archive cannot be written"))
    assert shop.state() is JobState.WITHDRAWN
    assert shop.charged() == 12


def publish(shop: Workshop) -> Path:
    """What a worker does that is killed when the image stands in the outbox; the report."""
    shop.record(shop.begin())
    shop.folders.outbox.mkdir(exist_ok=True)
    (shop.folders.outbox / "cat.mosaic.jpg").write_bytes(b"an image")
    figures = {"color_error_1px": 1.5, "color_error_5px": 2.5, "ssim_5px": 0.5, "seconds": {"matching": 1.0}}
    repeated = {"distinct_tiles": 3, "most_used_tile_count": 4, "touching_share": 0.5}
    report = shop.folders.outbox / "cat.mosaic.json"
    report.write_text(json.dumps(figures | repeated))
    return report


def published(shop: Workshop) -> dict[str, Any]:
    """The figures of the one mosaic, which has been published and is charged."""
    assert shop.charged() == 12
    with shop.database.read() as session:
        mosaic = session.scalars(select(Mosaic)).one()
    assert mosaic.published_at is not None
    return mosaic.figures


@pytest.mark.parametrize("left", ["", "[]", "{}", "no report"], ids=["none", "a list", "empty", "a text"])
def test_mosaic_whose_image_stands_keeps_its_charges_though_its_report_was_taken(
    shop: Workshop, left: str
) -> None:
    report = publish(shop)
    report.write_text(left) if left else report.unlink()
    (shop.folders.inbox / "cat.jpg").unlink()
    shop.hear(Deferred(reason="the archive cannot be written"))
    assert shop.state() is JobState.WITHDRAWN
    figures = published(shop)
    assert (figures["distinct_tiles"], figures["color_error_1px"], figures["rows"]) == (3, None, 3)
    assert "colour error unknown" in in_words(gather(shop.database, shop.foreman._settings, now=9.0))


@pytest.mark.parametrize("how", ["unplugged", "a file"])
@pytest.mark.parametrize("is_removed", [True, False], ids=["photo removed", "photo cannot be used"])
def test_mosaic_keeps_its_charges_though_its_outbox_is_away_when_its_job_comes_to_nothing(
    shop: Workshop,
    how: str,
    is_removed: bool,  # noqa: FBT001
) -> None:
    disk = shop.folder / "disk"
    with small_disk(disk):
        shop.start(outbox=disk / "outbox")
        shop.folders = shop.foreman._settings.folders
        publish(shop)
        outcome = Deferred(reason="x") if is_removed else Rejected(reason=REASON)
        with unplugged(disk) if how == "unplugged" else replaced_by_file(shop.folders.outbox):
            if is_removed:
                (shop.folders.inbox / "cat.jpg").unlink()
            shop.hear(outcome)
            for _ in range(3):
                shop.foreman.premises.look()
                shop.foreman.recheck_waiting()
                shop.foreman.hand_out()
                assert shop.state() is JobState.QUEUED
            assert shop.charged() == 12
        for _ in range(2):
            shop.foreman.premises.look()
        shop.foreman.hand_out()
        shop.hear(*([] if is_removed else [outcome]))
        assert shop.state() is (JobState.WITHDRAWN if is_removed else JobState.DONE)
        assert published(shop)["color_error_1px"] == 1.5
        assert (shop.folders.archive / "cat.jpg").exists() != is_removed


# ---- After a crash


def test_file_over_which_the_daemon_is_killed_again_and_again_is_put_aside(shop: Workshop) -> None:
    shop.drop("cat.jpg")
    for _ in range(5):
        shop.be_killed("cat.jpg")
        assert shop.state() is JobState.QUEUED
    assert shop.job().attempts == 0
    shop.foreman.hand_out()
    assert shop.foreman.collect()
    assert not shop.workers[MOSAIC].orders
    assert "killed 5 times in a row" in (shop.folders.rejected / "cat.jpg.reason.txt").read_text()
    shop.retry("cat.jpg")
    shop.foreman.hand_out()
    assert shop.workers[MOSAIC].orders


def test_film_that_gets_further_between_kills_is_never_put_aside(shop: Workshop) -> None:
    number = shop.drop("film.mp4", kind=SPLICE)
    for samples in range(20):
        shop.foreman.hand_out()
        shop.store_samples(number, 50 * samples)
        shop.be_killed("film.mp4")
    assert shop.job("film.mp4").interruptions == 1


def test_film_at_whose_one_frame_the_daemon_dies_is_put_aside(shop: Workshop) -> None:
    number = shop.drop("film.mp4", kind=SPLICE)
    for samples in (50, 100, 150, 150, 150, 150, 150):
        shop.foreman.hand_out()
        shop.store_samples(number, samples)
        shop.be_killed("film.mp4")
    shop.foreman.hand_out()
    shop.foreman.collect()
    assert shop.state("film.mp4") is JobState.REJECTED


def test_placement_that_was_recorded_is_a_gain(shop: Workshop) -> None:
    number = shop.drop("cat.jpg")
    for kill in range(8):
        shop.be_killed("cat.jpg")
        if kill == 3:
            shop.record(number)
    assert shop.job().interruptions == 4


def test_file_over_which_the_daemon_has_died_repeatedly_is_worked_on_alone(shop: Workshop) -> None:
    shop.start(photo_wait_limit_seconds=0)
    shop.drop("film.mp4", kind=SPLICE)
    for _ in range(2):
        shop.be_killed("film.mp4")
    shop.drop("cat.jpg")
    shop.be_killed("film.mp4")
    assert (shop.job().interruptions, shop.job("film.mp4").interruptions) == (0, 3)
    shop.foreman.hand_out()
    shop.hear(Done(facts=FACTS[SPLICE]), kind=SPLICE)
    shop.foreman.hand_out()
    assert shop.state() is JobState.RUNNING


@pytest.mark.parametrize("outcome", [Done(facts=FACTS[MOSAIC]), Rejected(reason=REASON)])
def test_original_that_was_moved_before_the_crash_is_where_it_belongs(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, outcome: Outcome
) -> None:
    shop.begin()
    with monkeypatch.context() as patch:
        patch.setattr(shop.queue, "end", _cannot_write)
        with pytest.raises(TransientError):
            shop.hear(outcome)
    shop.start()
    place = shop.folders.archive if isinstance(outcome, Done) else shop.folders.rejected
    assert (place / "cat.jpg").exists()
    assert shop.state() is (JobState.DONE if isinstance(outcome, Done) else JobState.REJECTED)
    assert (place / "cat.jpg.reason.txt").exists() == isinstance(outcome, Rejected)


# ---- What cannot be written just now


def _cannot_write(*_: object, **__: object) -> None:
    message = "the database cannot be used just now: disk is full"
    raise TransientError(message)


@pytest.mark.parametrize("method", ["end", "note_move", "give_back"])
@pytest.mark.parametrize(
    "outcome",
    [
        Done(facts=FACTS[MOSAIC]),
        Rejected(reason=REASON),
        Deferred(reason="x"),
        EOFError("the worker was killed"),
    ],
)
def test_outcome_is_not_lost_when_the_database_cannot_be_written(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, method: str, outcome: Outcome | EOFError
) -> None:
    shop.begin()
    with monkeypatch.context() as patch:
        for each in {method, "give_back"}:
            patch.setattr(shop.queue, each, _cannot_write)
        try:
            shop.hear(outcome)
        except TransientError:
            assert shop.foreman.is_busy
    shop.foreman.collect()
    assert not shop.foreman.is_busy
    ended = {Done: JobState.DONE, Rejected: JobState.REJECTED}
    assert shop.state() is ended.get(type(outcome), JobState.QUEUED)
    assert shop.job().attempts == (0 if isinstance(outcome, Deferred) else 1)


def test_content_is_not_lost_when_the_database_cannot_be_written(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.begin()
    with monkeypatch.context() as patch:
        patch.setattr(shop.queue, "note_content", _cannot_write)
        with pytest.raises(TransientError):
            shop.hear(Progress(stage="reading", share=0.0, sha256=b"c" * 32))
    shop.hear(Done(facts=FACTS[MOSAIC]))
    assert (shop.state(), shop.job().sha256) == (JobState.DONE, b"c" * 32)


def test_reason_that_cannot_be_written_leaves_the_file_in_the_inbox_until_it_can(shop: Workshop) -> None:
    shop.folders.rejected.touch()
    shop.begin()
    shop.hear(Rejected(reason=REASON))
    assert (shop.state(), shop.job().attempts) == (JobState.QUEUED, 0)
    assert (shop.folders.inbox / "cat.jpg").exists()
    shop.folders.rejected.unlink()
    shop.again(Rejected(reason=REASON))
    assert shop.state() is JobState.REJECTED
    assert (shop.folders.rejected / "cat.jpg.reason.txt").read_text() == f"{REASON}\n\n{FILE_ADVICE}"


def test_rejection_that_was_decided_is_carried_out_after_a_crash_where_files_are_left(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.start(originals="leave")
    shop.begin()
    with monkeypatch.context() as patch:
        patch.setattr(shop.queue, "end", _cannot_write)
        with pytest.raises(TransientError):
            shop.hear(Rejected(reason=REASON))
    shop.start()
    assert (shop.state(), shop.job().explanation) == (JobState.REJECTED, REASON)
    assert (shop.folders.inbox / "cat.jpg").exists()


# ---- Large originals on their way to another file system


def begin_large_move(shop: Workshop, elsewhere: Path) -> None:
    """Let a film of 100 MB be done, so that it is on its way to the archive."""
    shop.start(archive=elsewhere / "archive")
    shop.folders = shop.foreman._settings.folders
    film = shop.folders.inbox / "film.mp4"
    film.touch()
    os.truncate(film, 100_000_000)
    looks = signature(film)
    assert looks is not None
    shop.queue.admit(
        library="default", kind=SPLICE, path="film.mp4", signature=looks, first_seen_at=1.0, now=2.0
    )
    shop.foreman.hand_out()
    assert not shop.hear(Done(facts=FACTS[SPLICE]), kind=SPLICE)
    assert shop.foreman.is_settling


def test_photo_is_done_while_a_large_film_is_copied_to_the_archive(shop: Workshop, elsewhere: Path) -> None:
    begin_large_move(shop, elsewhere)
    shop.begin("cat.jpg")
    shop.hear(Done(facts=FACTS[MOSAIC]))
    assert shop.foreman.collect()
    assert (shop.state("cat.jpg"), shop.state("film.mp4")) == (JobState.DONE, JobState.RUNNING)
    while shop.foreman.is_settling:
        shop.foreman.collect()
    assert shop.state("film.mp4") is JobState.DONE
    assert sorted(path.name for path in (elsewhere / "archive").iterdir()) == ["cat.jpg", "film.mp4"]


def test_stop_while_a_film_is_copied_leaves_no_part_of_it_and_costs_nothing(
    shop: Workshop, elsewhere: Path
) -> None:
    begin_large_move(shop, elsewhere)
    shop.foreman.stop()
    assert list((elsewhere / "archive").iterdir()) == []
    assert (shop.folders.inbox / "film.mp4").exists()
    job = shop.job("film.mp4")
    assert (job.state, job.attempts, job.interruptions) == (JobState.QUEUED, 0, 0)


def test_stop_when_the_move_is_done_and_its_end_cannot_be_written_loses_nothing(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.begin()
    with monkeypatch.context() as patch:
        patch.setattr(shop.queue, "end", _cannot_write)
        with pytest.raises(TransientError):
            shop.hear(Done(facts=FACTS[MOSAIC]))
        shop.foreman.stop()
    shop.start()
    assert shop.state() is JobState.DONE
    assert (shop.folders.archive / "cat.jpg").exists()


def test_stop_ends_well_when_the_database_cannot_be_written(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.begin()
    with monkeypatch.context() as patch:
        patch.setattr(shop.queue, "give_back", _cannot_write)
        shop.foreman.stop()
    shop.start()
    assert shop.state() is JobState.QUEUED
