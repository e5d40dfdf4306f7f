"""Files: moved without overwriting, whole or not at all, names that fit."""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mosaicd.errors import TransientError
from mosaicd.media.files import (
    NAME_BYTES_LIMIT,
    clear_staging,
    content_hash,
    free_path,
    has_same_content,
    move_aside,
    numbered,
    shortened,
    signature,
    staged,
    write_whole,
)

names = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=300),
    st.binary(min_size=1, max_size=400).filter(lambda name: not {0, 0x2F} & set(name)).map(os.fsdecode),
)
NO_LINKS = [errno.EPERM, errno.ENOTSUP, errno.ENOSYS]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system."""
    memory = Path("/dev/shm")  # noqa: S108 - the other file system that every Linux has
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system that can be written")
    with TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def original(tmp_path: Path) -> Path:
    path = tmp_path / "inbox/cat.jpg"
    path.parent.mkdir()
    path.write_bytes(b"a cat" * 1000)
    os.utime(path, ns=(10**18, 10**18))
    return path


def refuse_links(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Be a file system without hard links."""

    def link(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", link)


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


@pytest.mark.parametrize("code", NO_LINKS)
def test_file_is_moved_where_there_are_no_hard_links(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    refuse_links(monkeypatch, code)
    move_aside(original, tmp_path / "archive/cat.jpg")
    assert (tmp_path / "archive/cat.jpg").read_bytes() == b"a cat" * 1000
    assert not original.exists()


def test_move_overwrites_nothing_where_there_are_no_hard_links(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_links(monkeypatch, errno.EPERM)
    (tmp_path / "taken").write_bytes(b"another")
    with pytest.raises(FileExistsError):
        move_aside(original, tmp_path / "taken")
    assert (tmp_path / "taken").read_bytes() == b"another"
    assert original.exists()


def test_move_that_fails_leaves_no_empty_file_behind(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_links(monkeypatch, errno.EPERM)

    def replace(_source: Path, _target: Path) -> None:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(PermissionError):
        move_aside(original, tmp_path / "cat.jpg")
    assert not (tmp_path / "cat.jpg").exists()
    assert original.exists()


@pytest.mark.parametrize("has_links", [True, False])
def test_of_many_movers_to_one_name_one_succeeds(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    has_links: bool,  # noqa: FBT001
) -> None:
    if not has_links:
        refuse_links(monkeypatch, errno.EPERM)
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


# ---- Appearing


def test_staged_file_appears_when_its_block_has_ended(tmp_path: Path) -> None:
    target = tmp_path / "outbox/family/cat.mosaic.jpg"
    with staged(target, staging=tmp_path / "staging") as place:
        place.write_bytes(b"half")
        assert not target.exists()
        place.write_bytes(b"all of it")
    assert target.read_bytes() == b"all of it"
    assert list((tmp_path / "staging").iterdir()) == []


def test_staged_file_does_not_appear_when_its_block_fails(tmp_path: Path) -> None:
    target = tmp_path / "outbox/cat.mosaic.jpg"

    def fail_half_way() -> None:
        with staged(target, staging=tmp_path / "staging") as place:
            place.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert not target.exists()
    assert list((tmp_path / "staging").iterdir()) == []


def test_staged_file_replaces_the_earlier_one_at_once(tmp_path: Path) -> None:
    target = tmp_path / "cat.txt"
    write_whole(target, b"first", staging=tmp_path / "staging")
    with staged(target, staging=tmp_path / "staging") as place:
        place.write_bytes(b"second")
        assert target.read_bytes() == b"first"
    assert target.read_bytes() == b"second"


def test_name_of_255_bytes_can_be_staged(tmp_path: Path) -> None:
    write_whole(tmp_path / ("n" * 255), b"x", staging=tmp_path / "staging")
    assert (tmp_path / ("n" * 255)).read_bytes() == b"x"


def test_what_a_killed_process_staged_is_cleared(tmp_path: Path) -> None:
    (tmp_path / "abc.staged").touch()
    (tmp_path / "mine.txt").touch()
    assert clear_staging(tmp_path) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


# ---- Looking


def test_only_regular_files_have_a_signature(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    assert signature(tmp_path / "file") is not None
    for name in ("link", "pipe", ".", "nothing", "file/below", "n" * 300):
        assert signature(tmp_path / name) is None


def test_content_that_cannot_be_read_is_tried_again_later(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="the file cannot be read: Is a directory"):
        content_hash(tmp_path)


def test_files_are_compared_by_content(tmp_path: Path) -> None:
    for name, text in (("a", "cat"), ("b", "cat"), ("c", "dog")):
        (tmp_path / name).write_text(text)
    (tmp_path / "hard").hardlink_to(tmp_path / "a")
    assert has_same_content(tmp_path / "a", tmp_path / "hard")
    assert has_same_content(tmp_path / "a", tmp_path / "b")
    assert not has_same_content(tmp_path / "a", tmp_path / "c")


# ---- Names that fit


@given(names, st.integers(0, 200))
def test_shortened_name_fits_and_is_not_cut_within_a_letter(name: str, room: int) -> None:
    short = shortened(name, room=room)
    encoded = os.fsencode(short)
    assert 0 < len(encoded) <= NAME_BYTES_LIMIT - room
    try:
        name.encode()
    except UnicodeEncodeError:
        return
    encoded.decode()


@given(names, names, st.integers(0, 200))
def test_different_names_stay_different(first: str, second: str, room: int) -> None:
    assume(first != second)
    assert shortened(first, room=room) != shortened(second, room=room)


@given(names)
def test_name_that_fits_is_kept(name: str) -> None:
    assume(len(os.fsencode(name)) <= NAME_BYTES_LIMIT)
    assert shortened(name, room=0) == name


def test_as_much_of_a_long_name_is_kept_as_fits() -> None:
    assert shortened("\N{CAT FACE}" * 70, room=0).startswith("\N{CAT FACE}" * 61 + "~")
    assert len(os.fsencode(shortened("n" * 300, room=10))) == 245


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("cat.jpg", "cat (2).jpg"),
        ("cat", "cat (2)"),
        ("cat.tar.gz", "cat.tar (2).gz"),
        ("cat.a suffix that is none", "cat.a suffix that is none (2)"),
    ],
)
def test_number_goes_before_the_suffix(name: str, second: str) -> None:
    assert [path.name for path in islice(numbered(Path(name)), 2)] == [name, second]


@given(names.filter(lambda name: name not in {".", ".."} and len(os.fsencode(name)) <= NAME_BYTES_LIMIT))
def test_numbered_names_fit_and_differ(name: str) -> None:
    found = [path.name for path in islice(numbered(Path(name)), 12)]
    assert all(len(os.fsencode(each)) <= NAME_BYTES_LIMIT for each in found)
    assert len(set(found)) == 12


def test_free_path_is_the_first_that_nothing_stands_at(tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").touch()
    (tmp_path / "cat (2).jpg").symlink_to("nowhere")
    assert free_path(tmp_path / "cat.jpg").name == "cat (3).jpg"
