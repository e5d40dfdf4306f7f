"""Status files: what they say, for whom they are, and that they touch nothing else."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from mosaicd.crash_points import CrashPoint
from mosaicd.jobs.status_files import Standing, StatusFiles, in_words, status_path
from mosaicd.media import moving
from mosaicd.media.files import NAME_BYTES_LIMIT


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    (tmp_path / "outbox").mkdir()
    return tmp_path / "outbox"


@pytest.fixture
def files(outbox: Path) -> StatusFiles:
    return StatusFiles(outbox, outbox.with_name("staging"), refresh_seconds=15)


def said(outbox: Path, name: str = "cat.jpg.status.txt") -> str:
    return (outbox / name).read_text().splitlines()[2]


WAITING = Standing(path="cat.jpg", words="waits until beach.mp4 has become tiles")


def working(share: float, *, seconds: float | None = None, path: str = "cat.jpg") -> Standing:
    return Standing(path=path, words="becomes tiles of library default", share_done=share, seconds=seconds)


# ---- Words


def test_waiting_file_says_what_it_waits_for() -> None:
    assert in_words(WAITING) == "cat.jpg: waits until beach.mp4 has become tiles"


@pytest.mark.parametrize(
    ("seconds", "when"),
    [(None, ""), (10, "; about 60 seconds until its turn"), (600, "; about 10 minutes until its turn")],
)
def test_waiting_file_says_when_its_turn_comes_if_that_is_known(seconds: float | None, when: str) -> None:
    assert (
        in_words(replace(WAITING, seconds=seconds))
        == f"cat.jpg: waits until beach.mp4 has become tiles{when}"
    )


@pytest.mark.parametrize(("seconds", "left"), [(None, ""), (60, ", about 60 seconds left")])
def test_work_says_how_far_it_is_and_how_long_still_if_that_is_known(
    seconds: float | None, left: str
) -> None:
    expected = f"cat.jpg: becomes tiles of library default, 25% done{left}"
    assert in_words(working(0.25, seconds=seconds)) == expected


def test_name_cannot_forge_a_line() -> None:
    line = in_words(Standing(path="a\n\x1b[31mb.jpg", words="waits"))
    assert line == "a\\x0a\\x1b[31mb.jpg: waits"


# ---- Files


def test_each_file_has_its_status_in_the_place_of_its_mosaic(files: StatusFiles, outbox: Path) -> None:
    files.show([WAITING, working(0.5, path="family/2026/film.mp4")], now=0)
    assert said(outbox).startswith("cat.jpg: waits")
    assert said(outbox, "family/2026/film.mp4.status.txt").startswith("film.mp4: becomes tiles")


def test_status_goes_when_the_file_is_done(files: StatusFiles, outbox: Path) -> None:
    files.show([WAITING], now=0)
    files.show([], now=1)
    assert list(outbox.iterdir()) == []


def test_new_words_are_written_at_once_and_progress_now_and_then(files: StatusFiles, outbox: Path) -> None:
    files.show([WAITING], now=0)
    files.show([working(0.1)], now=1)
    assert "10% done" in said(outbox)
    files.show([working(0.2)], now=15)
    assert "10% done" in said(outbox)
    files.show([working(0.3)], now=16)
    assert "30% done" in said(outbox)


def test_wait_is_told_anew_when_it_has_become_another_one(files: StatusFiles, outbox: Path) -> None:
    files.show([replace(WAITING, seconds=600)], now=0)
    files.show([replace(WAITING, seconds=500)], now=14)
    assert "about 10 minutes until its turn" in said(outbox)
    files.show([replace(WAITING, seconds=500)], now=15)
    assert "about 8 minutes until its turn" in said(outbox)
    (outbox / "cat.jpg.status.txt").unlink()
    files.show([replace(WAITING, seconds=499)], now=1000)
    assert list(outbox.iterdir()) == []


def test_words_that_stay_are_not_written_again(files: StatusFiles, outbox: Path) -> None:
    files.show([WAITING], now=0)
    (outbox / "cat.jpg.status.txt").unlink()
    files.show([WAITING], now=1000)
    assert list(outbox.iterdir()) == []


def test_status_that_a_killed_daemon_left_can_be_removed(files: StatusFiles, outbox: Path) -> None:
    files.show([WAITING], now=0)
    StatusFiles(outbox, outbox.with_name("staging")).remove(["cat.jpg", "dog.jpg"])
    assert list(outbox.iterdir()) == []


def test_status_that_a_killed_daemon_was_removing_or_giving_its_name_can_be_removed(
    files: StatusFiles, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def be_killed(point: CrashPoint) -> None:
        if point is CrashPoint.FILE_HELD:
            raise KeyboardInterrupt

    (outbox / "dog.jpg.status.txt").touch()
    files.show([WAITING], now=0)
    with monkeypatch.context() as patch:
        patch.setattr(moving, "passed", be_killed)
        with pytest.raises(KeyboardInterrupt):
            files.show([], now=1)
    StatusFiles(outbox, outbox.with_name("staging")).remove(["cat.jpg", "dog.jpg"])
    assert list(outbox.iterdir()) == []


def test_file_of_that_name_that_is_not_ours_stays(files: StatusFiles, outbox: Path) -> None:
    (outbox / "cat.jpg.status.txt").write_text("mine")
    os.mkfifo(outbox / "dog.jpg.status.txt")
    files.show([WAITING, Standing(path="dog.jpg", words="waits")], now=0)
    files.show([], now=1)
    files.remove(["cat.jpg", "dog.jpg"])
    assert len(list(outbox.iterdir())) == 2
    assert (outbox / "cat.jpg.status.txt").read_text() == "mine"


def test_outbox_that_cannot_be_written_is_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("no folder")
    files = StatusFiles(tmp_path / "outbox", tmp_path / "staging")
    files.show([WAITING], now=0)
    files.show([], now=1)


def test_longest_name_still_has_a_status() -> None:
    name = "n" * 251 + ".jpg"
    assert len(Path(status_path(name)).name) <= NAME_BYTES_LIMIT
