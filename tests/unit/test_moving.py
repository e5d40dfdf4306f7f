"""Moving files: nothing is overwritten or lost, whatever comes between."""

import ctypes
import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mosaicd.errors import TransientError
from mosaicd.media import moving
from mosaicd.media.files import Signature, signature
from mosaicd.media.moving import (
    ReplacedError,
    clear_unfinished,
    have_same_content,
    move_aside,
    move_in_steps,
)
from tests.steps import result_of


@pytest.fixture
def original(tmp_path: Path) -> Path:
    path = tmp_path / "inbox/cat.jpg"
    path.parent.mkdir()
    path.write_bytes(b"a cat" * 1000)
    os.utime(path, ns=(10**18, 10**18))
    return path


@pytest.fixture
def _no_renaming_to_free_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a file system, or a C library, that cannot tell whether a name is free when it gives it."""
    monkeypatch.setattr(moving, "_renameat2", None)


# ---- Moving


def test_moved_file_keeps_content_and_time(original: Path, tmp_path: Path) -> None:
    before = signature(original)
    move_aside(original, tmp_path / "archive/deep/cat.jpg")
    assert signature(tmp_path / "archive/deep/cat.jpg") == before
    assert not original.exists()


def test_file_moved_across_file_systems_keeps_content_and_time(original: Path, elsewhere: Path) -> None:
    before, content = signature(original), original.read_bytes()
    move_aside(original, elsewhere / "archive/cat.jpg")
    after = signature(elsewhere / "archive/cat.jpg")
    assert before is not None
    assert after is not None
    assert (after.size, after.mtime_ns) == (before.size, before.mtime_ns)
    assert (elsewhere / "archive/cat.jpg").read_bytes() == content
    assert [path.name for path in (elsewhere / "archive").iterdir()] == ["cat.jpg"]
    assert not original.exists()


def test_move_across_file_systems_overwrites_nothing(original: Path, elsewhere: Path) -> None:
    (elsewhere / "cat.jpg").write_bytes(b"another")
    with pytest.raises(FileExistsError):
        move_aside(original, elsewhere / "cat.jpg")
    assert (elsewhere / "cat.jpg").read_bytes() == b"another"
    assert [path.name for path in elsewhere.iterdir()] == ["cat.jpg"]
    assert original.exists()


@pytest.mark.parametrize(
    "occupy",
    [Path.touch, Path.mkdir, lambda path: path.symlink_to("nowhere")],
    ids=["file", "folder", "link"],
)
def test_move_overwrites_nothing(original: Path, tmp_path: Path, occupy: Callable[[Path], None]) -> None:
    target = tmp_path / "taken"
    occupy(target)
    with pytest.raises(FileExistsError):
        move_aside(original, target)
    assert original.read_bytes() == b"a cat" * 1000


@pytest.mark.usefixtures("_no_renaming_to_free_names")
def test_file_is_moved_where_names_have_to_be_held(original: Path, tmp_path: Path) -> None:
    move_aside(original, tmp_path / "archive/cat.jpg")
    assert (tmp_path / "archive/cat.jpg").read_bytes() == b"a cat" * 1000
    assert not original.exists()


@pytest.mark.usefixtures("_no_renaming_to_free_names")
def test_move_overwrites_nothing_where_names_have_to_be_held(original: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"another")
    with pytest.raises(FileExistsError):
        move_aside(original, tmp_path / "taken")
    assert (tmp_path / "taken").read_bytes() == b"another"
    assert original.exists()


@pytest.mark.usefixtures("_no_renaming_to_free_names")
def test_move_that_fails_leaves_no_empty_file_behind(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace(_source: Path, _target: Path) -> None:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(PermissionError):
        move_aside(original, tmp_path / "cat.jpg")
    assert not (tmp_path / "cat.jpg").exists()
    assert original.exists()


@pytest.mark.parametrize("holds_names", [False, True])
def test_of_many_movers_to_one_name_one_succeeds(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    holds_names: bool,  # noqa: FBT001
) -> None:
    if holds_names:
        monkeypatch.setattr(moving, "_renameat2", None)
    movers = [tmp_path / f"from {number}" for number in range(8)]
    for path in movers:
        path.write_text(path.name)
    barrier = threading.Barrier(len(movers))
    winners: list[Path] = []

    def move(path: Path) -> None:
        barrier.wait()
        try:
            move_aside(path, tmp_path / "target")
        except FileExistsError:
            return
        winners.append(path)

    threads = [threading.Thread(target=move, args=(path,)) for path in movers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = winners
    assert (tmp_path / "target").read_text() == winner.name
    assert sorted(path.name for path in movers if path.exists()) == sorted(
        path.name for path in movers if path != winner
    )


def test_file_in_the_place_of_a_folder_is_said_to_be_no_folder(original: Path, tmp_path: Path) -> None:
    (tmp_path / "family").touch()
    with pytest.raises(NotADirectoryError):
        move_aside(original, tmp_path / "family/cat.jpg")
    assert original.exists()


def test_file_that_is_gone_cannot_be_moved(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        move_aside(tmp_path / "nothing", tmp_path / "target")
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS])
def test_file_system_that_does_not_know_free_names_is_asked_another_way(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object) -> int:
        ctypes.set_errno(code)
        return -1

    monkeypatch.setattr(moving, "_renameat2", refuse)
    move_aside(original, tmp_path / "cat.jpg")
    assert (tmp_path / "cat.jpg").read_bytes() == b"a cat" * 1000


# ---- Files that are replaced meanwhile


def looks_of(path: Path) -> Signature:
    found = signature(path)
    assert found is not None
    return found


def replace(path: Path) -> None:
    """Let another file come to this path, as sync tools do."""
    arriving = path.with_name("arriving")
    arriving.write_text("another cat")
    arriving.replace(path)


def test_file_that_was_replaced_just_before_its_move_stays_in_the_inbox(
    original: Path, tmp_path: Path
) -> None:
    looks = looks_of(original)
    replace(original)
    with pytest.raises(ReplacedError):
        list(move_in_steps(original, tmp_path / "archive/cat.jpg", looks=looks))
    assert original.read_text() == "another cat"
    assert list((tmp_path / "archive").iterdir()) == []


def test_file_that_is_replaced_while_it_is_copied_stays_and_is_not_archived(
    original: Path, elsewhere: Path
) -> None:
    steps = move_in_steps(original, elsewhere / "cat.jpg", looks=looks_of(original))
    next(steps)
    replace(original)
    with pytest.raises(ReplacedError):
        next(steps)
    assert original.read_text() == "another cat"
    assert list(elsewhere.iterdir()) == []


def test_file_that_takes_the_place_of_a_copied_one_stays(
    original: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        moving, "sync_folder", lambda _: replace(original)
    )  # called once the copy has its name
    (elsewhere / "archive").mkdir()
    move_aside(original, elsewhere / "archive/cat.jpg")
    assert original.read_text() == "another cat"
    assert (elsewhere / "archive/cat.jpg").read_bytes() == b"a cat" * 1000


# ---- Copies to another file system


def test_large_file_is_copied_a_part_at_a_time(original: Path, elsewhere: Path) -> None:
    os.truncate(original, 40_000_000)
    steps = move_in_steps(original, elsewhere / "cat.jpg", looks=looks_of(original))
    assert len(list(steps)) == 3
    assert (elsewhere / "cat.jpg").stat().st_size == 40_000_000
    assert not original.exists()


def test_copy_that_is_given_up_leaves_nothing_behind(original: Path, elsewhere: Path) -> None:
    os.truncate(original, 40_000_000)
    steps = move_in_steps(original, elsewhere / "cat.jpg", looks=looks_of(original))
    next(steps)
    assert len(list(elsewhere.iterdir())) == 1
    steps.close()
    assert list(elsewhere.iterdir()) == []
    assert original.exists()


def test_original_that_cannot_be_removed_once_copied_gets_no_copy(
    original: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = Path.unlink

    def keep(path: Path, *, missing_ok: bool = False) -> None:
        if path == original:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", keep)
    with pytest.raises(PermissionError):
        move_aside(original, elsewhere / "cat.jpg")
    assert original.exists()
    assert list(elsewhere.iterdir()) == []


# ---- What a kill leaves


def test_what_a_killed_copy_left_is_cleared(original: Path, elsewhere: Path) -> None:
    os.truncate(original, 40_000_000)
    steps = move_in_steps(original, elsewhere / "cat.jpg", looks=looks_of(original))
    next(steps)
    clear_unfinished(original, elsewhere / "cat.jpg")
    assert list(elsewhere.iterdir()) == []


def test_empty_file_that_held_the_name_is_cleared(original: Path, tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").touch()
    clear_unfinished(original, tmp_path / "cat.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["inbox"]


def test_empty_file_that_held_the_name_is_cleared_though_the_original_has_gone(
    original: Path, tmp_path: Path
) -> None:
    original.unlink()
    (tmp_path / "cat.jpg").touch()
    clear_unfinished(original, tmp_path / "cat.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["inbox"]


def test_file_that_holds_something_is_not_cleared(original: Path, tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_text("another cat")
    clear_unfinished(original, tmp_path / "cat.jpg")
    assert (tmp_path / "cat.jpg").read_text() == "another cat"


@pytest.mark.parametrize(
    ("other", "is_same"),
    [(b"a cat" * 1000, True), (b"a dog" * 1000, False), (b"a cat" * 999, False), (b"a cat" * 1001, False)],
)
def test_files_are_compared_by_content(
    original: Path,
    tmp_path: Path,
    other: bytes,
    is_same: bool,  # noqa: FBT001
) -> None:
    (tmp_path / "other").write_bytes(other)
    assert result_of(have_same_content(original, tmp_path / "other")) is is_same


def test_two_names_of_one_file_have_the_same_content(original: Path, tmp_path: Path) -> None:
    (tmp_path / "other").hardlink_to(original)
    assert result_of(have_same_content(original, tmp_path / "other"))


def test_files_that_cannot_be_compared_are_compared_another_time(original: Path, tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="the file cannot be read: Is a directory"):
        result_of(have_same_content(original, tmp_path))
