"""Deleting one file, and never another that has taken its place or its way."""

import os
from pathlib import Path

import pytest

from mosaicd.media.deletion import Fate, delete_unchanged


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    (folder / "family" / "summer").mkdir(parents=True)
    return folder


@pytest.fixture
def file(folder: Path) -> Path:
    file = folder / "family" / "summer" / "caf\udce9.mp4"
    file.write_bytes(b"a film")
    return file


def delete(file: Path, folder: Path, *, like: os.stat_result) -> Fate:
    return delete_unchanged(file, folder=folder, size=like.st_size, mtime_ns=like.st_mtime_ns)


def test_file_that_is_as_it_was_is_deleted(folder: Path, file: Path) -> None:
    looks = file.stat()
    assert delete(file, folder, like=looks) is Fate.DELETED
    assert not file.exists()
    assert delete(file, folder, like=looks) is Fate.GONE


def test_file_that_has_changed_is_kept(folder: Path, file: Path) -> None:
    looks = file.stat()
    file.write_bytes(b"another film")
    os.utime(file, ns=(looks.st_mtime_ns, looks.st_mtime_ns))
    assert delete(file, folder, like=looks) is Fate.KEPT
    file.write_bytes(b"A FILM")
    os.utime(file, ns=(1, 1))
    assert delete(file, folder, like=looks) is Fate.KEPT
    assert file.exists()


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("../../../other")])
def test_what_is_no_file_is_kept(folder: Path, file: Path, make: object) -> None:
    (folder.parent / "other").write_bytes(b"a film")
    looks = file.stat()
    file.unlink()
    assert callable(make)
    make(file)
    assert delete(file, folder, like=looks) is Fate.KEPT
    assert os.path.lexists(file)
    assert (folder.parent / "other").exists()


def test_no_link_is_followed_on_the_way(folder: Path, file: Path) -> None:
    looks = file.stat()
    elsewhere = folder.parent / "elsewhere"
    file.parent.rename(elsewhere)
    file.parent.symlink_to(elsewhere)
    assert file.exists()
    assert delete(file, folder, like=looks) is Fate.GONE
    assert file.exists()


@pytest.mark.parametrize("name", ["../film.mp4", "family/../../film.mp4", "family/.."])
def test_nothing_outside_the_folder_is_deleted(folder: Path, name: str) -> None:
    film = folder.parent / "film.mp4"
    film.write_bytes(b"a film")
    assert delete(folder / name, folder, like=film.stat()) is Fate.KEPT
    assert delete(film, folder, like=film.stat()) is Fate.KEPT
    assert film.exists()


def test_folder_may_be_reached_by_a_link(folder: Path, file: Path) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    assert delete(link / file.relative_to(folder), link, like=file.stat()) is Fate.DELETED


def test_folder_that_cannot_be_opened_is_an_error(folder: Path, file: Path) -> None:
    looks = file.stat()
    folder.rename(folder.parent / "aside")
    with pytest.raises(FileNotFoundError):
        delete(file, folder, like=looks)


def test_name_that_is_too_long_is_an_error(folder: Path, file: Path) -> None:
    with pytest.raises(OSError, match="File name too long"):
        delete(folder / ("n" * 300), folder, like=file.stat())
