"""Moving files: nothing is overwritten or lost, whatever comes between."""

import ctypes
import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mosaicd.crash_points import CrashPoint
from mosaicd.errors import TransientError
from mosaicd.media import moving
from mosaicd.media.files import Signature, signature
from mosaicd.media.moving import (
    ReplacedError,
    clear_unfinished,
    have_same_content,
    move_aside,
    move_in_steps,
    put_back_if_replaced,
    remove_if,
    write_new,
)
from tests.faults.workplace import small_disk
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


def write(path: Path, text: str) -> None:
    path.write_text(text)


def at_point(monkeypatch: pytest.MonkeyPatch, point: CrashPoint, act: Callable[[], None]) -> None:
    """Let something happen the first time that a point is passed."""
    left = [point]

    def passed(each: CrashPoint) -> None:
        if each in left:
            left.remove(each)
            act()

    monkeypatch.setattr(moving, "passed", passed)


def before_renaming(monkeypatch: pytest.MonkeyPatch, path: Path, act: Callable[[], None]) -> None:
    """Let something happen just before a file is renamed by its owner, once all looks at it are taken."""
    rename = Path.rename

    def late(each: Path, target: Path) -> Path:
        if each == path:
            act()
        return rename(each, target)

    monkeypatch.setattr(Path, "rename", late)


def test_file_that_takes_the_place_of_a_copied_one_at_the_very_last_moment_stays(
    original: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_renaming(monkeypatch, original, lambda: replace(original))
    move_aside(original, elsewhere / "cat.jpg")
    assert [path.name for path in original.parent.iterdir()] == ["cat.jpg"]
    assert original.read_text() == "another cat"
    assert (elsewhere / "cat.jpg").read_bytes() == b"a cat" * 1000


def test_file_that_comes_while_the_copied_one_is_being_removed_stays(
    original: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_point(monkeypatch, CrashPoint.FILE_HELD, lambda: replace(original))
    move_aside(original, elsewhere / "cat.jpg")
    assert [path.name for path in original.parent.iterdir()] == ["cat.jpg"]
    assert original.read_text() == "another cat"


def test_of_two_files_that_come_at_the_last_moment_both_stay(
    original: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_renaming(monkeypatch, original, lambda: replace(original))
    at_point(monkeypatch, CrashPoint.FILE_HELD, lambda: write(original, "a third cat"))
    move_aside(original, elsewhere / "cat.jpg")
    found = {path.name: path.read_text() for path in original.parent.iterdir()}
    assert found == {"cat.jpg": "a third cat", "cat (2).jpg": "another cat"}


def test_newer_file_that_was_moved_by_mistake_comes_back(original: Path, tmp_path: Path) -> None:
    looks = looks_of(original)
    replace(original)
    original.rename(tmp_path / "cat.jpg")
    assert put_back_if_replaced(original, tmp_path / "cat.jpg", looks=looks)
    assert original.read_text() == "another cat"


def test_newer_file_that_was_moved_by_mistake_is_kept_where_it_is_if_a_still_newer_has_come(
    original: Path, tmp_path: Path
) -> None:
    looks = looks_of(original)
    replace(original)
    original.rename(tmp_path / "cat.jpg")
    original.write_text("a third cat")
    assert put_back_if_replaced(original, tmp_path / "cat.jpg", looks=looks)
    assert (original.read_text(), (tmp_path / "cat.jpg").read_text()) == ("a third cat", "another cat")


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


@pytest.mark.parametrize("step", ["rename", "unlink"])
def test_original_that_cannot_be_removed_once_copied_gets_no_copy(
    original: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    do = getattr(Path, step)

    def keep(path: Path, *arguments: Any, **options: Any) -> object:
        if path.parent == original.parent:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return do(path, *arguments, **options)

    monkeypatch.setattr(Path, step, keep)
    with pytest.raises(PermissionError):
        move_aside(original, elsewhere / "cat.jpg")
    assert [path.name for path in original.parent.iterdir()] == ["cat.jpg"]
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("is_elsewhere", [True, False], ids=["other file system", "same file system"])
def test_original_whose_move_cannot_be_made_sure_of_is_where_it_was(
    original: Path,
    tmp_path: Path,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_elsewhere: bool,  # noqa: FBT001
) -> None:
    def fail(_: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    folder = elsewhere if is_elsewhere else tmp_path
    looks = signature(original)
    monkeypatch.setattr(moving, "sync_folder", fail)
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output error"):
            move_aside(original, folder / "cat.jpg")
        assert not (folder / "cat.jpg").exists()
        assert signature(original) == looks


def test_disk_that_has_no_room_for_an_original_is_not_filled_with_a_part_of_it(
    original: Path, tmp_path: Path
) -> None:
    os.truncate(original, 3_000_000)
    with small_disk(tmp_path / "disk", kilobytes=2000):
        steps = move_in_steps(original, tmp_path / "disk/cat.jpg", looks=looks_of(original))
        with pytest.raises(OSError, match="No space left on device"):
            next(steps)
        assert list((tmp_path / "disk").iterdir()) == []
    assert original.exists()


def test_copy_has_no_power_to_run_as_somebody_else(original: Path, elsewhere: Path) -> None:
    original.chmod(0o6751)
    move_aside(original, elsewhere / "cat.jpg")
    assert (elsewhere / "cat.jpg").stat().st_mode & 0o7777 == 0o751


def test_copy_keeps_the_tags_of_the_original(original: Path, elsewhere: Path) -> None:
    try:
        for file in (original, elsewhere / "other"):
            file.touch()
            os.setxattr(file, "user.tags", b"a cat")
    except OSError as error:
        pytest.skip(f"files have no tags here: {error.strerror}")
    move_aside(original, elsewhere / "cat.jpg")
    assert os.getxattr(elsewhere / "cat.jpg", "user.tags") == b"a cat"


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


def test_file_that_was_held_to_be_removed_comes_back(
    original: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def be_killed() -> None:
        raise KeyboardInterrupt

    looks = signature(original)
    at_point(monkeypatch, CrashPoint.FILE_HELD, be_killed)
    with pytest.raises(KeyboardInterrupt):
        move_aside(original, elsewhere / "cat.jpg")
    assert not original.exists()
    clear_unfinished(original, elsewhere / "cat.jpg")
    assert signature(original) == looks
    assert [path.name for path in original.parent.iterdir()] == ["cat.jpg"]


# ---- Small files of one's own


def test_new_file_takes_no_name_that_another_has(tmp_path: Path) -> None:
    write_new(tmp_path / "folder/note", b"ours", staging=tmp_path / "staging")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "folder/note", b"other", staging=tmp_path / "staging")
    assert (tmp_path / "folder/note").read_bytes() == b"ours"
    assert list((tmp_path / "staging").iterdir()) == []


def test_only_a_file_of_ones_own_is_removed(original: Path) -> None:
    remove_if(original, lambda data: data == b"ours")
    assert original.exists()
    original.write_bytes(b"ours")
    remove_if(original, lambda data: data == b"ours")
    assert list(original.parent.iterdir()) == []
    remove_if(original, lambda _: True)


# ---- Comparing


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
