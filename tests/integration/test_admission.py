"""Admission: what is dropped becomes a job once, whatever it is called and however often it is brought."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from mosaicd.intake.admission import Admission
from mosaicd.intake.scan import is_folder
from mosaicd.jobs.originals import Folders, archive, put_aside
from mosaicd.jobs.queue import JobQueue
from mosaicd.jobs.tickets import Ticket
from mosaicd.media.files import signature
from mosaicd.media.kinds import MediaKind
from mosaicd.store.models import JobKind, JobState
from tests.steps import result_of
from tests.stores import new_database

JPEG = b"\xff\xd8\xff\xe0 a cat"
PNG = b"\x89PNG\r\n\x1a\n a dog"
MATROSKA = b"\x1aE\xdf\xa3 a film"
PDF = b"%PDF-1.7 a letter"
SETTLE = 5.0
MTIME = 10**18


class Household:
    """An inbox with its queue, clocks that are set by hand, and what is logged."""

    def __init__(self, root: Path) -> None:
        self.folders = Folders(
            inbox=root / "inbox",
            outbox=root / "outbox",
            archive=root / "archive",
            rejected=root / "rejected",
            staging=root / ".staging",
        )
        self.inbox = self.folders.inbox
        self.inbox.mkdir(parents=True)
        self.database = new_database(root / "state/store.sqlite3")
        self.queue = JobQueue(self.database)
        self.now = 1000.0
        self.jump = 0.0
        self.said: list[EventDict] = []
        self.start()

    def start(self) -> None:
        """Start, or start again, with nothing remembered but the database."""
        self.admission = Admission(
            self.inbox,
            self.queue,
            wall_clock=lambda: 1e9 + self.now + self.jump,
            quiet_clock=lambda: self.now,
        )

    def drop(self, path: str, content: bytes = JPEG, *, mtime_ns: int | None = MTIME) -> Path:
        """Put a file into the inbox, as a sync tool does: at once, with its time."""
        file = self.inbox / path
        file.parent.mkdir(parents=True, exist_ok=True)
        arriving = self.inbox / ".arriving"
        arriving.write_bytes(content)
        if mtime_ns is not None:
            os.utime(arriving, ns=(mtime_ns, mtime_ns))
        arriving.replace(file)
        return file

    def settle(self, *, seconds: float = SETTLE) -> int:
        """Look, wait for the quiet period, look again; how many jobs that made."""
        with capture_logs() as said:
            self.admission.rescan()
            self.now += seconds
            admitted = self.admission.take_in(settle_seconds=SETTLE)
            self.admission.rescan()
        self.said += said
        return admitted

    def events(self, name: str) -> list[EventDict]:
        return [event for event in self.said if event["event"] == name]

    def jobs(self, *states: JobState) -> list[tuple[str, str, JobKind]]:
        return [(job.path, job.library, job.kind) for job in self.queue.in_state(*(states or JobState))]

    def work(self, path: str, *, sha256: bytes | None = None) -> Ticket:
        """Begin the job of a file."""
        (ticket,) = [each for each in self.queue.in_state(JobState.QUEUED) if each.path == path]
        running = self.queue.claim(ticket, now=self.now)
        assert running is not None
        if sha256 is not None:
            self.queue.note_content(running.job_id, sha256)
        return running

    def finish(self, path: str) -> None:
        """Do the job of a file, and archive it."""
        ticket = self.work(path, sha256=hashlib.sha256((self.inbox / path).read_bytes()).digest())
        result_of(archive(ticket, self.queue, self.folders))
        self.queue.end(ticket.job_id, JobState.DONE, now=self.now)

    def finish_in_place(self, path: str) -> None:
        """Do the job of a file, and leave it where it is."""
        self.queue.end(self.work(path).job_id, JobState.DONE, now=self.now)

    def reject(self, path: str) -> None:
        ticket = self.work(path)
        result_of(put_aside(ticket, self.queue, self.folders, reason="no photo"))
        self.queue.end(ticket.job_id, JobState.REJECTED, now=self.now, explanation="no photo")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Household]:
    household = Household(tmp_path)
    yield household
    household.database.close()


# ---- What becomes a job


@pytest.mark.parametrize(
    ("path", "content", "library", "kind"),
    [
        ("cat.jpg", JPEG, "default", JobKind.MOSAIC),
        ("film.mkv", MATROSKA, "default", JobKind.SPLICE),
        ("tiles/face.jpg", JPEG, "default", JobKind.SPLICE),
        ("tiles/film.mkv", MATROSKA, "default", JobKind.SPLICE),
        ("family/cat.png", PNG, "family", JobKind.MOSAIC),
        ("family/tiles/face.png", PNG, "family", JobKind.SPLICE),
        ("family/2026/summer/cat.jpg", JPEG, "family", JobKind.MOSAIC),
        ("a film called.jpg", MATROSKA, "default", JobKind.SPLICE),
        ("a photo called.mp4", JPEG, "default", JobKind.MOSAIC),
        ("no suffix", PNG, "default", JobKind.MOSAIC),
        ("letter.pdf", JPEG, "default", JobKind.MOSAIC),
    ],
)
def test_place_and_content_decide_what_is_made_of_a_file(
    home: Household, path: str, content: bytes, library: str, kind: JobKind
) -> None:
    home.drop(path, content)
    assert home.settle() == 1
    assert home.jobs(JobState.QUEUED) == [(path, library, kind)]


@pytest.mark.parametrize(
    "name",
    ["our cat.jpg", "\N{CAT FACE}.jpg", "two\nlines.jpg", "caf\udce9.jpg", "n" * 255, " ", "-rf", "\\x0a"],
)
def test_file_of_any_name_becomes_a_job(home: Household, name: str) -> None:
    home.drop(f"{name}/{name}")
    assert home.settle() == 1
    ((path, _, _),) = home.jobs()
    assert path == f"{name}/{name}"
    assert (home.inbox / path).read_bytes() == JPEG


def test_file_is_taken_when_it_is_quiet(home: Household) -> None:
    home.drop("cat.jpg")
    assert home.settle(seconds=SETTLE - 1) == 0
    home.drop("cat.jpg", JPEG * 2)
    assert home.settle(seconds=SETTLE - 1) == 0
    assert not home.admission.is_quiet
    assert home.settle() == 1
    assert home.admission.is_quiet


def test_files_of_sync_tools_are_left_alone(home: Household) -> None:
    for path in (
        ".syncthing.cat.jpg.tmp",
        "cat.jpg.part",
        ".stversions/cat.jpg",
        "@eaDir/cat.jpg",
        "x~/cat.jpg",
    ):
        home.drop(path)
    assert home.settle() == 0
    assert home.said == []


def test_conflict_copy_is_taken_and_said_to_be_one(home: Household) -> None:
    home.drop("cat.sync-conflict-20260101-120000-ABCDEFG.jpg")
    home.drop("cat.jpg")
    assert home.settle() == 2
    assert sorted(event["conflict_copy"] for event in home.events("job_admitted")) == [False, True]


def test_appearance_file_is_no_file_to_be_used(home: Household) -> None:
    home.drop("mosaic.toml", b"tile_edge_pixels = 20")
    home.drop("family/mosaic.toml", b"tile_edge_pixels = 20")
    assert home.settle() == 0
    assert home.said == []


def test_kind_that_is_unknown_stays_and_is_said_once(home: Household) -> None:
    letter = home.drop("letter.pdf", PDF)
    for _ in range(3):
        assert home.settle() == 0
    assert letter.read_bytes() == PDF
    (event,) = home.events("file_ignored")
    assert (event["file"], event["log_level"]) == ("letter.pdf", "info")
    assert event["why"] == "it is neither a photo nor a video that can be read"


def test_unknown_kind_that_becomes_a_photo_is_taken(home: Household) -> None:
    home.drop("cat.jpg", b"")
    assert home.settle() == 0
    home.drop("cat.jpg", JPEG)
    assert home.settle() == 1


def test_what_is_no_regular_file_stays_and_is_said_once(home: Household, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(JPEG)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/cat.jpg").write_bytes(JPEG)
    os.mkfifo(home.inbox / "film.mp4")
    (home.inbox / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (home.inbox / "linked folder").symlink_to(tmp_path / "secrets")
    for _ in range(3):
        assert home.settle() == 0
    assert sorted(event["file"] for event in home.events("file_ignored")) == [
        "film.mp4",
        "link.jpg",
        "linked folder",
    ]
    assert {event["why"] for event in home.events("file_ignored")} == {"it is not a regular file"}


def test_linked_folder_is_not_walked_when_something_points_at_it(home: Household, tmp_path: Path) -> None:
    (tmp_path / "secrets/deep").mkdir(parents=True)
    (tmp_path / "secrets/cat.jpg").write_bytes(JPEG)
    (home.inbox / "link").symlink_to(tmp_path / "secrets")
    for hint in ("link", "link/deep"):
        home.admission.look_at(hint)
        assert not is_folder(home.inbox, hint)
    home.now += SETTLE
    assert home.admission.take_in(settle_seconds=SETTLE) == 0


def test_inbox_that_is_a_link_itself_is_walked(tmp_path: Path) -> None:
    (tmp_path / "real/family").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    assert is_folder(tmp_path / "link", "family")


def test_folder_that_cannot_be_read_is_said_once(home: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refusing(path: Path) -> object:
        if Path(path).name == "private":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    home.drop("private/cat.jpg")
    home.drop("dog.jpg")
    home.settle()
    home.settle()
    (event,) = home.events("folder_unreadable")
    assert (event["folder"], event["why"], event["log_level"]) == (
        "private",
        "Permission denied",
        "warning",
    )
    assert [path for path, _, _ in home.jobs()] == ["dog.jpg"]


def test_file_that_cannot_be_read_is_said_once_and_tried_again(
    home: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    home.drop("cat.jpg")
    with monkeypatch.context() as patch:
        patch.setattr("mosaicd.intake.admission.media_kind", refuse)
        for _ in range(2):
            assert home.settle() == 0
    assert len(home.events("file_unreadable")) == 1
    assert home.settle() == 1


def test_file_that_goes_at_the_last_moment_is_not_spoken_of(
    home: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove(path: Path) -> None:
        path.unlink()
        raise FileNotFoundError

    home.drop("cat.jpg")
    monkeypatch.setattr("mosaicd.intake.admission.media_kind", remove)
    assert home.settle() == 0
    assert home.said == []


def test_inbox_that_is_away_for_a_while_is_said_once_and_forgets_nothing(home: Household) -> None:
    home.drop("cat.jpg")
    assert home.settle() == 1
    home.inbox.rename(home.inbox.with_name("away"))
    home.settle()
    home.settle()
    assert [event["folder"] for event in home.events("folder_unreadable")] == ["."]
    home.inbox.with_name("away").rename(home.inbox)
    assert home.settle() == 0
    assert len(home.jobs()) == 1


# ---- The same file again


def test_file_that_is_queued_is_not_queued_again(home: Household) -> None:
    home.drop("cat.jpg")
    assert home.settle() == 1
    home.start()
    assert home.settle() == 0
    assert len(home.jobs()) == 1


def test_file_copied_again_after_it_was_archived_is_said_once(home: Household) -> None:
    home.drop("cat.jpg")
    home.settle()
    home.finish("cat.jpg")
    home.drop("cat.jpg")
    for _ in range(3):
        assert home.settle() == 0
    assert [event["file"] for event in home.events("file_redelivered")] == ["cat.jpg"]
    assert home.jobs(JobState.QUEUED) == []
    assert (home.inbox / "cat.jpg").exists()


def test_file_copied_again_is_not_spoken_of_after_a_restart(home: Household) -> None:
    home.drop("cat.jpg")
    home.settle()
    home.finish("cat.jpg")
    home.drop("cat.jpg")
    home.settle()
    home.start()
    assert home.settle() == 0
    assert len(home.events("file_redelivered")) == 1


def test_file_copied_again_while_the_daemon_was_away_is_said_once(home: Household) -> None:
    home.drop("cat.jpg")
    home.settle()
    home.finish("cat.jpg")
    home.drop("cat.jpg")
    home.start()
    assert home.settle() == 0
    assert len(home.events("file_redelivered")) == 1


def test_file_left_in_its_place_is_remembered(home: Household) -> None:
    home.drop("cat.jpg")
    home.settle()
    home.finish_in_place("cat.jpg")
    home.start()
    for _ in range(2):
        assert home.settle() == 0
    assert home.events("file_redelivered") == []
    assert len(home.jobs()) == 1


def test_file_left_in_its_place_and_copied_over_is_a_redelivery(home: Household) -> None:
    home.drop("cat.jpg")
    home.settle()
    home.finish_in_place("cat.jpg")
    home.drop("cat.jpg")
    assert home.settle() == 0
    assert len(home.events("file_redelivered")) == 1


@pytest.mark.parametrize(
    ("content", "mtime_ns"),
    [(JPEG, MTIME + 1), (JPEG + b"!", MTIME), (JPEG[::-1][:-4] + JPEG[:4], MTIME)],
    ids=["new time", "other size", "other content"],
)
def test_other_time_or_content_is_a_new_wish(home: Household, content: bytes, mtime_ns: int) -> None:
    home.drop("cat.jpg")
    home.settle()
    home.finish("cat.jpg")
    home.drop("cat.jpg", JPEG[:4] + content[4:], mtime_ns=mtime_ns)
    assert home.settle() == 1


def test_same_photo_under_another_name_is_a_new_wish(home: Household) -> None:
    home.drop("cat.jpg")
    home.settle()
    home.finish("cat.jpg")
    home.drop("the same cat.jpg")
    assert home.settle() == 1


def test_file_left_in_its_place_and_touched_is_a_new_wish(home: Household) -> None:
    file = home.drop("cat.jpg")
    home.settle()
    home.finish_in_place("cat.jpg")
    os.utime(file, ns=(MTIME + 1, MTIME + 1))
    assert home.settle() == 1


def test_file_taken_back_from_the_archive_is_a_redelivery(home: Household) -> None:
    home.drop("cat.jpg")
    home.settle()
    home.finish("cat.jpg")
    home.settle()
    shutil.move(home.folders.archive / "cat.jpg", home.inbox / "cat.jpg")
    for _ in range(2):
        assert home.settle() == 0
    assert len(home.events("file_redelivered")) == 1


def test_rejected_file_copied_again_is_a_redelivery(home: Household) -> None:
    home.drop("cat.jpg")
    home.settle()
    home.reject("cat.jpg")
    home.drop("cat.jpg")
    for _ in range(2):
        assert home.settle() == 0
    assert len(home.events("file_redelivered")) == 1
    assert (home.inbox / "cat.jpg").exists()


def test_rejected_file_that_comes_repaired_is_a_new_wish(home: Household) -> None:
    home.drop("cat.jpg")
    home.settle()
    home.reject("cat.jpg")
    home.drop("cat.jpg", JPEG * 2)
    assert home.settle() == 1


# ---- A file that is replaced


def test_file_replaced_while_queued_updates_its_job(home: Household) -> None:
    home.drop("cat.jpg")
    home.settle()
    file = home.drop("cat.jpg", MATROSKA)
    assert home.settle() == 1
    (ticket,) = home.queue.in_state(*JobState)
    assert (ticket.kind, ticket.signature) == (JobKind.SPLICE, signature(file))


def test_file_replaced_while_it_is_worked_on_gets_its_turn_afterwards(home: Household) -> None:
    home.drop("cat.jpg")
    home.settle()
    running = home.work("cat.jpg")
    home.drop("cat.jpg", JPEG * 2)
    for _ in range(2):
        assert home.settle() == 0
        assert not home.admission.is_quiet
    home.queue.end(running.job_id, JobState.DONE, now=home.now)
    assert home.settle() == 1
    assert home.admission.is_quiet


def test_file_replaced_is_looked_at_again_when_its_job_has_ended(home: Household) -> None:
    home.drop("cat.jpg")
    home.settle()
    running = home.work("cat.jpg")
    home.drop("cat.jpg", JPEG * 2)
    home.queue.end(running.job_id, JobState.WITHDRAWN, now=home.now)
    home.admission.look_again("cat.jpg")
    assert not home.admission.is_quiet
    home.now += SETTLE
    assert home.admission.take_in(settle_seconds=SETTLE) == 1


def test_file_renamed_in_case_alone_is_the_same_wish_under_its_new_name(home: Household) -> None:
    home.drop("Cat.jpg")
    home.settle()
    (home.inbox / "Cat.jpg").rename(home.inbox / "cat.JPG")
    assert home.settle() == 1
    assert home.settle() == 0
    assert [path for path, _, _ in home.jobs(JobState.QUEUED)] == ["Cat.jpg", "cat.JPG"]
    gone, there = home.queue.in_state(JobState.QUEUED)
    assert signature(home.inbox / gone.path) is None, "its turn comes to nothing"
    assert signature(home.inbox / there.path) == there.signature


def test_file_renamed_in_case_alone_while_it_is_worked_on_gets_its_own_job(home: Household) -> None:
    home.drop("Cat.jpg")
    home.settle()
    running = home.work("Cat.jpg")
    (home.inbox / "Cat.jpg").rename(home.inbox / "cat.jpg")
    assert home.settle() == 1
    assert result_of(archive(running, home.queue, home.folders)) is None
    assert (home.inbox / "cat.jpg").exists()


# ---- Time


def test_file_that_grows_for_an_hour_is_taken_when_it_is_whole(home: Household) -> None:
    for size in range(1, 3600 // int(SETTLE - 1)):
        home.drop("film.mkv", MATROSKA * size, mtime_ns=None)
        home.admission.look_at("film.mkv")
        home.now += SETTLE - 1
        assert home.admission.take_in(settle_seconds=SETTLE) == 0
    assert home.settle() == 1


@pytest.mark.parametrize("jump", [-1e8, -3600.0, 3600.0, 1e8])
def test_jump_of_the_wall_clock_neither_hastens_nor_delays(home: Household, jump: float) -> None:
    home.admission.rescan()
    home.drop("film.mkv", MATROSKA)
    home.admission.rescan()
    home.jump += jump
    assert home.settle(seconds=SETTLE - 1) == 0
    assert home.settle(seconds=1.0) == 1


def test_suspended_machine_takes_the_file_after_the_rest_of_its_quiet_period(home: Household) -> None:
    home.drop("cat.jpg")
    home.admission.rescan()
    home.jump += 8 * 3600.0  # the wall clock goes on during the suspend, the other does not
    assert home.settle(seconds=SETTLE - 1) == 0
    assert home.settle(seconds=1.0) == 1


# ---- Masses


def test_masses_are_taken_in_portions_each_file_once(home: Household) -> None:
    for number in range(1200):
        (home.inbox / f"{number}.jpg").write_bytes(JPEG)
    with capture_logs():
        home.admission.rescan()
        assert home.admission.rest(settle_seconds=SETTLE) == SETTLE
        home.now += SETTLE
        portions = []
        while home.admission.rest(settle_seconds=SETTLE) < 1:
            portions.append(home.admission.take_in(settle_seconds=SETTLE))
    assert [count for count in portions if count] == [500, 500, 200]
    assert len({path for path, _, _ in home.jobs(JobState.QUEUED)}) == 1200
    assert home.admission.is_quiet


def test_photo_that_waits_has_few_files_looked_into_at_a_time_and_each_once(
    home: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_into: list[Path] = []

    def kind(path: Path) -> MediaKind:
        looked_into.append(path)
        return MediaKind.PHOTO

    monkeypatch.setattr("mosaicd.intake.admission.media_kind", kind)
    for number in range(700):
        (home.inbox / f"{number}.jpg").write_bytes(JPEG)
    home.admission.rescan()
    assert home.admission.unsettled_videos("default", seen_before=2e9) is not None, "it may be a film"
    assert len(looked_into) == 500
    home.admission.rescan()
    for _ in range(3):
        assert home.admission.unsettled_videos("default", seen_before=2e9) is None
        home.admission.rescan()
    assert len(looked_into) == len(set(looked_into)) == 700


# ---- Hints


def test_hint_at_a_file_is_enough_to_take_it(home: Household) -> None:
    home.drop("family/cat.jpg")
    home.admission.look_at("family/cat.jpg")
    home.now += SETTLE
    assert home.admission.take_in(settle_seconds=SETTLE) == 1


def test_hint_at_a_folder_takes_all_that_is_in_it(home: Household) -> None:
    home.drop("family/cat.jpg")
    home.drop("family/2026/film.mkv", MATROSKA)
    home.drop("dog.jpg")
    home.admission.look_at("family")
    home.now += SETTLE
    assert home.admission.take_in(settle_seconds=SETTLE) == 2


def test_hint_at_the_inbox_itself_takes_everything(home: Household) -> None:
    home.drop("cat.jpg")
    home.admission.look_at("")
    home.now += SETTLE
    assert home.admission.take_in(settle_seconds=SETTLE) == 1


@pytest.mark.parametrize("hint", [".hidden", "family/.stversions/cat.jpg", "gone.jpg", "gone/cat.jpg"])
def test_hint_at_what_is_not_for_us_or_gone_is_passed_over(home: Household, hint: str) -> None:
    home.drop(".hidden/x", JPEG)
    home.admission.look_at(hint)
    assert home.admission.is_quiet


# ---- Photos that wait for films


def test_photo_waits_for_films_that_have_not_settled(home: Household) -> None:
    home.admission.rescan()
    home.drop("family/film.mkv", MATROSKA)
    home.admission.rescan()
    seen = 1e9 + home.now
    assert home.admission.unsettled_videos("family", seen_before=seen) == "family/film.mkv"
    assert home.admission.unsettled_videos("family", seen_before=seen - 1) is None
    assert home.admission.unsettled_videos("default", seen_before=seen) is None


def test_photo_waits_for_a_file_of_which_nothing_is_known_yet(home: Household) -> None:
    home.drop("film.mkv", b"")
    home.admission.rescan()
    assert home.admission.unsettled_videos("default", seen_before=2e9) == "film.mkv"


def test_photo_waits_for_no_other_photo(home: Household) -> None:
    home.drop("cat.jpg")
    home.drop("tiles/face.jpg")
    home.admission.rescan()
    assert home.admission.unsettled_videos("default", seen_before=2e9) == "tiles/face.jpg"
    (home.inbox / "tiles/face.jpg").unlink()
    home.admission.rescan()
    assert home.admission.unsettled_videos("default", seen_before=2e9) is None


def test_what_was_there_at_the_start_was_there_before_everything(home: Household) -> None:
    home.drop("film.mkv", MATROSKA)
    home.admission.rescan()
    assert home.admission.unsettled_videos("default", seen_before=0.0) == "film.mkv"


def test_file_is_not_taken_while_a_program_has_it_open_for_writing(home: Household) -> None:
    photo = home.drop("cat.jpg")
    with photo.open("ab"):
        assert home.settle(seconds=SETTLE) == 0
        assert home.settle(seconds=2 * SETTLE) == 0
        assert [event["event"] for event in home.said] == ["file_unfinished"]
        assert not home.admission.is_quiet
    assert home.settle(seconds=SETTLE) == 1


def test_photo_waits_for_a_film_that_a_program_writes_to(home: Household) -> None:
    film = home.drop("beach.mkv", MATROSKA)
    with film.open("ab"):
        home.settle()
        assert home.admission.unsettled_videos("default", seen_before=1e9 + home.now) == "beach.mkv"
