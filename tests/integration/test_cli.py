"""The command line: what people read, what programs read, and exit codes."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from mosaicd.jobs.originals import put_aside, write_reason
from mosaicd.jobs.queue import JobQueue
from mosaicd.jobs.tickets import Ticket
from mosaicd.media.files import signature
from mosaicd.settings import Settings
from mosaicd.settings_reading import load_settings
from mosaicd.startup import lock
from mosaicd.store.database import Database
from mosaicd.store.models import JobKind, JobState, Mosaic
from mosaicd.store.mosaics import record_mosaic, stem_key
from tests.daemon_process import DaemonProcess, wait_until
from tests.steps import result_of
from tests.stores import add_source, new_database, placement

Run = Callable[..., tuple[int, str, str]]


pytestmark = pytest.mark.usefixtures("at_home")


def process(*arguments: str) -> tuple[int, str, str]:
    """The same, as a process of its own."""
    result = subprocess.run(
        [sys.executable, "-m", "mosaicd", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return result.returncode, result.stdout, result.stderr


class Store:
    """A root with its database, as the daemon leaves them."""

    def __init__(self) -> None:
        self.settings: Settings = load_settings({})
        self.folders = self.settings.folders
        self.database: Database = new_database(self.settings.database_path)
        self.queue = JobQueue(self.database)

    def fill(self) -> None:
        """Two libraries, three films and two mosaics."""
        with self.database.write() as session:
            library = add_source(session, name="beach.mp4", tiles=4).library_id
            add_source(session, name="two\nlines.mp4", tiles=1, shortfall="it ends after 1.0 of 9.0 seconds")
            add_source(session, library="family", name="family/garden.mkv", tiles=1500)
            record(session, library, "cat", 1, 2)
            record(session, library, "family/our cat", 3)

    def running(self, path: str, *, kind: JobKind = JobKind.MOSAIC) -> Ticket:
        """A job that is worked on, whose file is in the inbox."""
        file = self.folders.inbox / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"half a cat")
        looks = signature(file)
        assert looks is not None
        ticket = self.queue.admit(
            library="default", kind=kind, path=path, signature=looks, first_seen_at=1.0, now=2.0
        )
        running = self.queue.claim(ticket, now=3.0)
        assert running is not None
        return running

    def reject(self, path: str) -> Path:
        """Reject a file; where it is then."""
        ticket = self.running(path)
        moved = result_of(put_aside(ticket, self.queue, self.folders, reason="it ends too soon"))
        self.queue.end(ticket.job_id, JobState.REJECTED, now=4.0, explanation="it ends too soon")
        assert moved is not None
        return moved

    def state(self, path: str) -> JobState:
        job = self.queue.last_of_path(path)
        assert job is not None
        return job.state


def record(session: Session, library_id: int, stem: str, *tiles: int) -> None:
    mosaic = Mosaic(
        job_id=None,
        library_id=library_id,
        photo_sha256=bytes(32),
        photo_name=f"{stem}.jpg",
        stem=stem,
        stem_key=stem_key(stem),
        settings={},
        tiles_in_library=4,
        rows=3,
        columns=4,
        created_at=1000.0,
        published_at=1001.0,
        figures={
            "distinct_tiles": len(tiles),
            "color_error_1px": 3.14,
            "seconds": {"matching": 1.2, "writing": 0.5},
        },
    )
    record_mosaic(session, mosaic, placement(*tiles))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store()
    yield store
    store.database.close()


# ---- check


def test_check_finds_nothing_wrong_with_a_new_root(tmp_path: Path) -> None:
    code, out, err = process("check")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == "ok      settings: defaults, there is no configuration file"
    assert lines[1] == f"ok      inbox: {tmp_path}/root/inbox will be made when the daemon starts"
    for word in (
        "outbox",
        "archive",
        "rejected",
        "staging",
        "database",
        "inotify",
        "video decoders",
        "photo decoders",
    ):
        assert any(line.startswith(f"ok      {word}") for line in lines)


def test_check_looks_at_what_is_there(run: Run, store: Store, tmp_path: Path) -> None:
    config = tmp_path / "mosaicd.toml"
    config.write_text("minimum_tiles = 3\n")
    store.folders.inbox.mkdir(parents=True)
    code, out, _ = run("check", "--config", str(config))
    assert code == 0
    assert f"ok      settings: {config}" in out
    assert f"ok      inbox: {store.folders.inbox} is readable and writable" in out
    assert f"ok      database: {store.database.path} is usable, 0.1 MB" in out


def test_check_says_what_is_wrong(run: Run, store: Store) -> None:
    store.folders.inbox.parent.mkdir(parents=True)
    store.folders.inbox.touch()
    store.folders.archive.symlink_to("nowhere")
    store.database.close()
    store.database.path.write_bytes(b"no database at all" * 500)
    code, out, _ = run("check")
    assert code == 1
    assert f"PROBLEM inbox: {store.folders.inbox} is not a folder" in out
    assert f"PROBLEM archive: {store.folders.archive} is not a folder" in out
    assert (
        f"PROBLEM database: the database {store.database.path} cannot be used: file is not a database" in out
    )


def test_check_says_which_folders_cannot_be_made_or_used(
    run: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.folders.outbox.mkdir(parents=True)
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.F_OK and access(path, mode))
    code, out, _ = run("check")
    assert code == 1
    assert f"inbox: {store.folders.inbox} cannot be made: {store.folders.inbox.parent} is not writable" in out
    assert f"outbox: {store.folders.outbox} is not readable and writable" in out


def test_check_says_that_the_system_watches_too_few_folders(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "max_user_watches").write_text("100\n")
    monkeypatch.setattr("mosaicd.check._INOTIFY", tmp_path)
    code, out, _ = run("check")
    assert code == 1
    assert "PROBLEM inotify: fs.inotify.max_user_watches is only 100: raise it with sysctl" in out
    assert "ok      inotify: fs.inotify.max_user_instances cannot be read here" in out


def test_check_says_that_staging_is_elsewhere(run: Run, tmp_path: Path) -> None:
    memory = Path("/dev/shm")  # noqa: S108 - the other file system that every Linux has
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    code, out, _ = run("check", "--set", f"staging={memory}/mosaicd-staging")
    assert code == 1
    for name in ("outbox", "rejected"):
        assert f"lies on another file system than {name}: set staging" in out


def test_check_says_which_decoders_are_missing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mosaicd.check._DECODERS", ("h264", "steam"))
    code, out, _ = run("check")
    assert code == 1
    assert "PROBLEM video decoders: none for steam" in out


# ---- status


def test_status_without_a_database_says_where_it_would_be(run: Run, tmp_path: Path) -> None:
    code, out, err = run("status")
    assert (code, out) == (1, "")
    assert err.startswith(f"mosaicd: there is no database yet at {tmp_path}/home/.local/state/mosaicd/root-")
    assert err.endswith("/mosaicd.sqlite3: start `mosaicd run` first, or name its --root\n")


def test_status_tells_people_everything(run: Run, store: Store, tmp_path: Path) -> None:
    store.fill()
    store.reject("broken.jpg")
    store.queue.note_progress(
        store.running("film.mkv", kind=JobKind.SPLICE).job_id, stage="splicing", progress=0.255
    )
    waiting = store.running("waits.jpg")
    store.queue.give_back(waiting, explanation="x")
    store.queue.wait({waiting: "waits until film.mkv has become tiles"})
    code, out, err = run("status")
    assert (code, err) == (0, "")
    *lines, disk = out.splitlines()
    assert disk.startswith("disk: database ")
    assert lines == [
        f"root: {tmp_path}/root",
        "daemon: not running",
        "library default: 5 tiles from 2 sources, 2 mosaics",
        "incomplete: two\\x0alines.mp4: it ends after 1.0 of 9.0 seconds",
        "library family: 1,500 tiles from 1 source, 0 mosaics",
        "queue: 0 queued, 1 waiting, 1 running",
        "running: film.mkv: splicing, 26%",
        "waiting: waits.jpg: waits until film.mkv has become tiles",
        "mosaic 1: cat: 2 distinct tiles, colour error 3.1, 1.7 s",
        "mosaic 2: family/our cat: 1 distinct tile, colour error 3.1, 1.7 s",
        "rejected: broken.jpg: it ends too soon",
    ]


def test_status_tells_programs_everything(run: Run, store: Store, tmp_path: Path) -> None:
    store.fill()
    store.reject("caf\udce9.jpg")
    code, out, _ = run("status", "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["daemon_runs"] is False
    assert facts["root"] == f"{tmp_path}/root"
    assert facts["database"] == str(store.database.path)
    assert [(each["name"], each["tiles"]) for each in facts["libraries"]] == [
        ("default", 5),
        ("family", 1500),
    ]
    assert facts["libraries"][0]["incomplete_sources"][0]["why"] == "it ends after 1.0 of 9.0 seconds"
    assert facts["queue"] == {"queued": 0, "waiting": 0, "running": 0, "seconds_left": None}
    assert (facts["running"], facts["waiting"]) == ([], [])
    assert [each["stem"] for each in facts["last_mosaics"]] == ["cat", "family/our cat"]
    assert facts["last_mosaics"][0]["seconds"] == 1.7
    assert facts["last_rejections"] == [{"file": "caf\\xe9.jpg", "why": "it ends too soon", "at": 4.0}]


def test_status_says_how_long_work_takes_still_if_the_daemon_works(run: Run, store: Store) -> None:
    store.queue.note_progress(
        store.running("film.mkv", kind=JobKind.SPLICE).job_id, stage="splicing", progress=0.5
    )
    assert json.loads(run("status", "--json")[1])["running"][0]["seconds_left"] is None
    with lock(store.database.path):
        facts = json.loads(run("status", "--json")[1])
        out = run("status")[1]
    (running,) = facts["running"]
    assert (running["file"], running["library"], running["stage"]) == ("film.mkv", "default", "splicing")
    assert running["seconds_left"] == facts["queue"]["seconds_left"] == running["elapsed_seconds"] > 0
    assert re.search(r"^queue: 0 queued, 0 waiting, 1 running; about [\d.]+ hours left$", out, re.MULTILINE)
    assert re.search(r"^running: film.mkv: splicing, 50%, about [\d.]+ hours left$", out, re.MULTILINE)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--watch"], "--watch draws on a terminal, and there is none: leave it out, or give --json"),
        (["--watch", "--json"], "give --watch or --json, not both"),
    ],
)
def test_what_cannot_be_watched_is_refused_in_one_line(
    run: Run, store: Store, options: list[str], why: str
) -> None:
    assert run("status", *options) == (2, "", f"mosaicd: {why}\n")


def test_daemon_is_seen_and_a_second_one_is_refused(tmp_path: Path) -> None:
    with DaemonProcess(tmp_path / "first") as daemon:
        daemon.wait_for("daemon_ready")
        code, out, err = process("status", "--json", *daemon.arguments())
        assert (code, err) == (0, "")
        assert json.loads(out)["daemon_runs"] is True
        code, out, err = process("run", *daemon.arguments())
        assert (code, out) == (6, "")
        (line,) = err.splitlines()
        assert json.loads(line)["event"] == "daemon_failed"
        assert json.loads(line)["why"] == f"another mosaicd already works on {daemon.database}"
        assert daemon.terminate() == 0
    code, out, _ = process("status", *daemon.arguments())
    assert (code, out.splitlines()[1]) == (0, "daemon: not running")


# ---- libraries, sources


def test_libraries_are_listed(run: Run, store: Store) -> None:
    assert run("libraries") == (0, "there are no libraries yet: drop a film into the inbox\n", "")
    store.fill()
    assert run("libraries")[1].splitlines() == [
        "default: 5 tiles from 2 sources, 2 mosaics",
        "family: 1,500 tiles from 1 source, 0 mosaics",
    ]


def test_sources_are_listed(run: Run, store: Store) -> None:
    store.fill()
    assert run("sources", "default")[1].splitlines() == [
        "1: beach.mp4: 4 tiles from 4 frames, 0 crops skipped",
        "2: two\\x0alines.mp4: 1 tile from 1 frame, 0 crops skipped; it ends after 1.0 of 9.0 seconds",
    ]


@pytest.mark.parametrize("name", ["2", "two\\x0alines.mp4", "two\nlines.mp4"])
def test_source_is_taken_out_of_use_by_number_or_name(run: Run, store: Store, name: str) -> None:
    store.fill()
    code, out, err = run("sources", "default", "--remove", name)
    assert (code, err) == (0, "")
    assert out == (
        "two\\x0alines.mp4: 1 tile out of use; `mosaicd libraries --restore default` takes them back\n"
    )
    assert run("libraries")[1].startswith("default: 4 tiles from 1 source,")
    code, _, err = run("sources", "default", "--remove", name)
    assert code == 1
    assert err.startswith("mosaicd: there is no source ")
    assert run("libraries", "--restore", "default")[0] == 0
    assert run("libraries")[1].startswith("default: 5 tiles from 2 sources,")


def test_library_without_sources_says_so(run: Run, store: Store) -> None:
    store.fill()
    run("sources", "family", "--remove", "3")
    assert run("sources", "family") == (0, "library family has no sources\n", "")


@pytest.mark.parametrize("command", ["sources", "penalties"])
def test_library_that_is_not_there_is_said_to_be_none(run: Run, store: Store, command: str) -> None:
    code, _, err = run(command, "zoo")
    assert (code, err) == (1, "mosaicd: there is no library 'zoo'; `mosaicd libraries` lists them\n")


# ---- penalties


def test_penalties_are_listed(run: Run, store: Store) -> None:
    store.fill()
    assert run("penalties", "default")[1].splitlines() == [
        "1: cat: 12 uses of 2 tiles",
        "2: family/our cat: 12 uses of 1 tile",
    ]
    assert run("penalties", "family") == (0, "no tile of library family has been used yet\n", "")


@pytest.mark.parametrize("name", ["1", "cat", "cat.mosaic.jpg"])
def test_one_mosaic_is_taken_out_of_the_history(run: Run, store: Store, name: str) -> None:
    store.fill()
    assert run("penalties", "default", "--undo", name) == (0, "cat: its uses of 2 tiles are taken back\n", "")
    assert run("penalties", "default")[1].splitlines() == ["2: family/our cat: 12 uses of 1 tile"]
    assert run("penalties", "default", "--undo", name)[1] == "cat: its uses were taken back before\n"


@pytest.mark.parametrize("name", ["dog", "99"])
def test_mosaic_that_is_not_there_is_said_to_be_none(run: Run, store: Store, name: str) -> None:
    store.fill()
    assert run("penalties", "default", "--undo", name) == (1, "", f"mosaicd: there is no mosaic '{name}'\n")


def test_history_is_forgotten(run: Run, store: Store) -> None:
    store.fill()
    code, out, _ = run("penalties", "default", "--reset")
    assert (code, out) == (0, "no earlier use counts any more in library default\n")
    assert run("penalties", "default")[1].splitlines() == [
        "1: cat: 12 uses of 2 tiles, forgotten",
        "2: family/our cat: 12 uses of 1 tile, forgotten",
    ]


def test_reset_and_undo_are_not_given_together(run: Run, store: Store) -> None:
    store.fill()
    code, _, err = run("penalties", "default", "--reset", "--undo", "cat")
    assert (code, err) == (2, "mosaicd: give --reset or --undo, not both\n")


# ---- retry


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("family/cat.jpg", "cat.jpg"),
        ("family/cat.jpg", "family/cat.jpg"),
        ("two\nlines.jpg", "two\\x0alines.jpg"),
        ("n" * 255, "n" * 255),
    ],
)
def test_rejected_file_goes_back_and_its_reason_disappears(
    run: Run, store: Store, path: str, name: str
) -> None:
    store.reject(path)
    code, out, err = run("retry", name)
    assert (code, err) == (0, "")
    assert out.endswith(" is queued again\n")
    assert (store.folders.inbox / path).read_bytes() == b"half a cat"
    assert [file for file in store.folders.rejected.rglob("*") if file.is_file()] == []
    assert store.state(path) is JobState.QUEUED


def test_rejected_file_goes_back_as_a_process(store: Store) -> None:
    store.reject("cat.jpg")
    assert process("retry", "cat.jpg") == (0, "cat.jpg is queued again\n", "")
    assert store.state("cat.jpg") is JobState.QUEUED


def test_file_that_came_back_by_itself_is_tried_and_not_overwritten(run: Run, store: Store) -> None:
    moved = store.reject("cat.jpg")
    (store.folders.inbox / "cat.jpg").write_bytes(b"a whole cat")
    assert run("retry", "cat.jpg")[0] == 0
    assert (store.folders.inbox / "cat.jpg").read_bytes() == b"a whole cat"
    assert moved.read_bytes() == b"half a cat"


def test_file_with_the_name_of_a_reason_stays_when_its_file_goes_back(run: Run, store: Store) -> None:
    store.reject("cat.jpg")
    reason = store.folders.rejected / "cat.jpg.reason.txt"
    reason.write_bytes(b"a film of this name")
    assert run("retry", "cat.jpg")[0] == 0
    assert reason.read_bytes() == b"a film of this name"


def test_rejected_file_left_in_the_inbox_is_tried_and_its_reason_disappears(run: Run, store: Store) -> None:
    ticket = store.running("cat.jpg")
    write_reason(store.folders.rejected / "cat.jpg", "it ends too soon", store.folders)
    store.queue.end(ticket.job_id, JobState.REJECTED, now=4.0, explanation="it ends too soon")
    assert run("retry", "cat.jpg")[0] == 0
    assert list(store.folders.rejected.iterdir()) == []
    assert store.state("cat.jpg") is JobState.QUEUED


def test_rejected_file_that_is_gone_is_said_to_be_gone(run: Run, store: Store) -> None:
    store.reject("cat.jpg").unlink()
    code, _, err = run("retry", "cat.jpg")
    folders = store.folders
    assert (code, err) == (
        1,
        f"mosaicd: cat.jpg is neither in {folders.rejected} nor in {folders.inbox} any more\n",
    )
    assert store.state("cat.jpg") is JobState.REJECTED


def test_rejected_file_that_cannot_be_moved_is_said_to_stay(run: Run, store: Store) -> None:
    moved = store.reject("family/cat.jpg")
    (store.folders.inbox / "family").rmdir()
    (store.folders.inbox / "family").touch()
    code, _, err = run("retry", "cat.jpg")
    assert (code, err) == (
        1,
        f"mosaicd: family/cat.jpg cannot be moved back to {store.folders.inbox}: Not a directory\n",
    )
    assert moved.exists()


def test_name_that_fits_no_rejected_file_or_several_is_said_to(run: Run, store: Store) -> None:
    assert run("retry", "cat.jpg") == (1, "", "mosaicd: there is no rejected file 'cat.jpg'\n")
    store.reject("family/cat.jpg")
    store.reject("zoo/cat.jpg")
    assert run("retry", "cat.jpg") == (
        1,
        "",
        "mosaicd: 2 rejected files are called 'cat.jpg': name one fully\n",
    )
    assert run("retry", "zoo/cat.jpg")[0] == 0


# ---- All of them


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"no database" * 100, "cannot be used: file is not a database"),
        (None, "was written by a newer mosaicd than this one"),
    ],
)
@pytest.mark.parametrize("command", [["status"], ["run", "--until-idle"]])
def test_database_that_cannot_be_used_ends_with_one_line_and_exit_code_5(
    run: Run, store: Store, content: bytes | None, why: str, command: list[str]
) -> None:
    store.database.close()
    if content is not None:
        store.database.path.write_bytes(content)
    else:
        connection = sqlite3.connect(store.database.path)
        with connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.close()
    code, out, err = run(*command) if command == ["status"] else process(*command)
    assert (code, out, err.count("\n")) == (5, "", 1)
    assert why in err


def test_folder_that_cannot_be_made_ends_with_one_line_and_exit_code_2(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, out, err = run("run", "--root", str(tmp_path / "file/root"), "--set", "log_format=text")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"the folder {tmp_path}/file/root/inbox cannot be made: Not a directory" in err


@pytest.mark.parametrize(
    "command", ["run", "demo", "check", "status", "libraries", "sources", "penalties", "retry"]
)
def test_every_command_explains_itself(run: Run, command: str) -> None:
    code, out, err = run(command, "--help")
    assert (code, err) == (0, "")
    assert f"Usage: mosaicd {command}" in out
    assert "--root" in out
    assert "--config" in out


def test_program_without_a_command_explains_itself(run: Run) -> None:
    code, out, err = run("--help")
    assert code == 0
    assert "Turns films dropped into a folder into photo-mosaic tiles" in out + err


def test_version_is_told(run: Run) -> None:
    code, out, _ = run("--version")
    assert (code, out.startswith("mosaicd ")) == (0, True)


def test_names_are_shown_without_steering_the_terminal(run: Run, store: Store) -> None:
    store.reject("\x1b[2J.jpg")
    code, out, _ = run("status")
    assert code == 0
    assert "rejected: \\x1b[2J.jpg: it ends too soon" in out


def test_until_idle_on_an_empty_inbox_ends_at_once(tmp_path: Path) -> None:
    daemon = DaemonProcess(tmp_path / "idle")
    assert daemon.run_until_idle() == 0
    wait_until(lambda: bool(daemon.events("daemon_stopped")), what="the end")
    assert {line["level"] for line in daemon.lines()} == {"info"}
