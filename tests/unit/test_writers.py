"""Whether somebody still writes to a file."""

import fcntl
import os
from pathlib import Path

import pytest

from mosaicd.media import mounts
from mosaicd.media.writers import has_writer


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"film")
    return path


@pytest.mark.parametrize("mode", ["ab", "r+b", "wb"])
def test_file_that_is_open_for_writing_has_a_writer_until_it_is_closed(film: Path, mode: str) -> None:
    with film.open(mode):
        assert has_writer(film)
    assert not has_writer(film)


def test_reading_is_not_writing(film: Path) -> None:
    with film.open("rb"):
        assert not has_writer(film)


def test_nobody_is_kept_from_writing_afterwards(film: Path) -> None:
    assert not has_writer(film)
    descriptor = os.open(film, os.O_WRONLY | os.O_NONBLOCK)  # would be refused while there is a lease
    os.close(descriptor)


def test_what_is_not_there_or_no_file_has_no_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "link.mp4").symlink_to(tmp_path / "pipe.mp4")
    for name in ("nothing.mp4", "pipe.mp4", "link.mp4"):
        assert not has_writer(tmp_path / name)


def test_where_others_write_as_well_a_refusal_tells_nothing(
    film: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(f"36 1 0:1 / / rw - ext4 /dev/x rw\n37 36 0:2 / {tmp_path} rw - nfs4 server:/x rw\n")
    monkeypatch.setattr(mounts, "_TABLE", table)
    with film.open("ab"):
        assert not has_writer(film)


def test_another_users_file_tells_nothing(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, command: int, value: int) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    with film.open("ab"):
        assert not has_writer(film)
