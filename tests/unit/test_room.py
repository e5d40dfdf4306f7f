"""Room: whether a folder takes files just now, found out without any file that others could see."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from mosaicd.media import room
from mosaicd.media.room import is_full, lacking_bytes, require_room


@pytest.fixture
def _without_unnamed_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """As network file systems are."""

    def refuse(*_: object) -> int:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "open", refuse)


def with_room_for(size: int) -> Callable[[Path, int], None]:
    def require(folder: Path, wanted: int) -> None:
        if wanted > size:
            raise OSError(errno.ENOSPC, "full")

    return require


def test_folder_with_room_is_left_as_it_was(tmp_path: Path) -> None:
    before = tmp_path.stat().st_mtime_ns
    require_room(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert tmp_path.stat().st_mtime_ns == before


def test_folder_that_is_yet_to_be_made_has_the_room_of_the_one_above(tmp_path: Path) -> None:
    require_room(tmp_path / "family" / "trips")
    assert list(tmp_path.iterdir()) == []


def test_file_in_the_place_of_a_folder_takes_nothing(tmp_path: Path) -> None:
    (tmp_path / "family").touch()
    with pytest.raises(NotADirectoryError):
        require_room(tmp_path / "family")


@pytest.mark.parametrize(("free", "lacking"), [(0, 65_536), (300_000, 524_288), (1 << 40, None)])
def test_size_that_a_folder_lacks_is_at_most_twice_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, lacking: int | None
) -> None:
    monkeypatch.setattr(room, "require_room", with_room_for(free))
    assert lacking_bytes(tmp_path) == lacking


@pytest.mark.parametrize(("code", "expected"), [("ENOSPC", True), ("EDQUOT", True), ("EACCES", False)])
def test_full_disk_and_used_up_quota_are_lacks_of_room(code: str, *, expected: bool) -> None:
    assert is_full(OSError(getattr(errno, code), "")) is expected


@pytest.mark.usefixtures("_without_unnamed_files")
def test_file_system_without_unnamed_files_is_believed_what_it_says(tmp_path: Path) -> None:
    require_room(tmp_path)


@pytest.mark.usefixtures("_without_unnamed_files")
@pytest.mark.parametrize(
    ("free_blocks", "flags", "code"), [(0, 0, errno.ENOSPC), (1 << 30, os.ST_RDONLY, errno.EROFS)]
)
def test_file_system_that_says_it_is_full_or_read_only_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_blocks: int, flags: int, code: int
) -> None:
    facts = SimpleNamespace(f_bavail=free_blocks, f_frsize=4096, f_flag=flags)
    monkeypatch.setattr(os, "statvfs", lambda _: facts)
    with pytest.raises(OSError, check=lambda error: error.errno == code):
        require_room(tmp_path)


@pytest.mark.usefixtures("_without_unnamed_files")
def test_folder_without_permission_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError):
        require_room(tmp_path)
