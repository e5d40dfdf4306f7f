"""Files: whole or not at all, names that fit."""

import os
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mosaicd.errors import TransientError
from mosaicd.media.files import (
    NAME_BYTES_LIMIT,
    clear_staging,
    content_hash,
    has_gone,
    numbered,
    shortened,
    signature,
    signature_of,
    staged,
    write_whole,
)
from tests.faults.workplace import mount, small_disk

names = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=300),
    st.binary(min_size=1, max_size=400).filter(lambda name: not {0, 0x2F} & set(name)).map(os.fsdecode),
)


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


# ---- Signatures


@pytest.mark.parametrize("inode", [1, 2**63 - 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("seconds", [-(2**40), 0, 2**33, 2**40])
def test_signature_fits_into_64_bits_whatever_the_file_system_says(inode: int, seconds: int) -> None:
    facts = os.stat_result(
        (0o100644, inode, 1, 1, 0, 0, 5, seconds, seconds, seconds),
        {"st_mtime_ns": seconds * 10**9},
    )
    looks = signature_of(facts)
    assert looks is not None
    assert all(-(2**63) <= value < 2**63 for value in (looks.size, looks.mtime_ns, looks.inode))
    assert looks.inode % 2**64 == inode


def test_file_has_gone_when_it_is_removed_or_replaced(tmp_path: Path) -> None:
    path = tmp_path / "cat.jpg"
    path.write_bytes(b"a cat")
    looks = signature(path)
    assert looks is not None
    assert not has_gone(path, looks)
    path.write_bytes(b"another cat")
    assert has_gone(path, looks)
    path.unlink()
    assert has_gone(path, looks)


def test_file_that_cannot_be_seen_is_not_believed_gone(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir()
    path = private / "cat.jpg"
    path.write_bytes(b"a cat")
    looks = signature(path)
    assert looks is not None
    private.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)  # root sees everything
    try:
        assert signature(path) is None
        assert not has_gone(path, looks)
    finally:
        os.seteuid(user)
        private.chmod(0o700)


def test_pipe_that_has_taken_the_place_of_a_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "cat.jpg")
    with pytest.raises(TransientError, match="no regular file"):
        content_hash(tmp_path / "cat.jpg")


def test_what_cannot_be_cleared_from_staging_is_left_for_the_next_time(tmp_path: Path) -> None:
    with small_disk(tmp_path / "staging"):
        half = tmp_path / "staging/half.staged"
        half.write_bytes(b"half")
        mount("-o", "remount,ro", tmp_path / "staging")
        assert clear_staging(tmp_path / "staging") == 0
        mount("-o", "remount,rw", tmp_path / "staging")
        assert clear_staging(tmp_path / "staging") == 1
        assert not half.exists()
