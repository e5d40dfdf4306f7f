"""What takes how much of the disk."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaicd.disk_use import DiskUse, disk_use, in_units
from mosaicd.jobs.originals import Folders


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(
        inbox=tmp_path / "inbox",
        outbox=tmp_path / "outbox",
        archive=tmp_path / "archive",
        rejected=tmp_path / "rejected",
        staging=tmp_path / ".staging",
    )


def parts(tmp_path: Path, folders: Folders) -> dict[str, DiskUse]:
    return {use.part: use for use in disk_use(tmp_path / "store.sqlite3", folders)}


def test_nothing_takes_nothing(tmp_path: Path, folders: Folders) -> None:
    uses = disk_use(tmp_path / "store.sqlite3", folders)
    assert [(use.part, use.files, use.bytes, use.is_whole) for use in uses] == [
        ("database", 0, 0, True),
        ("write-ahead log", 0, 0, True),
        ("outbox", 0, 0, True),
        ("archive", 0, 0, True),
        ("rejected", 0, 0, True),
    ]


def test_each_part_is_counted_by_itself_however_deep(tmp_path: Path, folders: Folders) -> None:
    for name, size in (
        ("store.sqlite3", 50_000),
        ("store.sqlite3-wal", 70_000),
        ("inbox/film.mp4", 90_000),
        ("outbox/cat.mosaic.jpg", 20_000),
        ("outbox/family/2026/cat.mosaic.jpg", 30_000),
        ("archive/film.mp4", 40_000),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
    uses = parts(tmp_path, folders)
    assert {part: use.files for part, use in uses.items()} == {
        "database": 1,
        "write-ahead log": 1,
        "outbox": 2,
        "archive": 1,
        "rejected": 0,
    }
    for part, size in (("database", 50_000), ("write-ahead log", 70_000), ("outbox", 50_000)):
        assert size <= uses[part].bytes < size + 10_000


def test_links_are_not_followed_and_holes_take_nothing(tmp_path: Path, folders: Folders) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "film.mp4").write_bytes(os.urandom(500_000))
    folders.archive.mkdir()
    (folders.archive / "link").symlink_to(tmp_path / "elsewhere")
    (folders.archive / "loop").symlink_to(folders.archive)
    with (folders.archive / "hollow").open("wb") as file:
        file.truncate(10_000_000)
    use = parts(tmp_path, folders)["archive"]
    assert use.files == 3
    assert use.bytes < 50_000


def test_folder_of_too_many_files_is_counted_in_part(
    tmp_path: Path, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mosaicd.disk_use._FILES_LIMIT", 3)
    folders.archive.mkdir()
    for number in range(3):
        (folders.archive / str(number)).touch()
    assert parts(tmp_path, folders)["archive"].is_whole
    (folders.archive / "one more").touch()
    use = parts(tmp_path, folders)["archive"]
    assert (use.files, use.is_whole) == (3, False)


def test_files_that_are_moved_meanwhile_are_passed_over(
    tmp_path: Path, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folders.archive / "emptied").mkdir(parents=True)
    for name in ("stays.mp4", "stays too.mp4", "goes.mp4"):
        (folders.archive / name).write_bytes(b"film")
    scandir = os.scandir

    @contextlib.contextmanager
    def list_and_take_away(path: str) -> Iterator[Iterator[os.DirEntry[str]]]:
        with scandir(path) as entries:
            listed = list(entries)
        if path == str(folders.archive):
            (folders.archive / "emptied").rmdir()
            (folders.archive / "goes.mp4").unlink()
        yield iter(listed)

    monkeypatch.setattr(os, "scandir", list_and_take_away)
    use = parts(tmp_path, folders)["archive"]
    assert (use.files, use.is_whole) == (2, True)


def test_folder_that_cannot_be_read_is_said_to_hold_more(
    tmp_path: Path, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folders.archive / "closed").mkdir(parents=True)
    (folders.archive / "film.mp4").write_bytes(b"film")
    scandir = os.scandir

    def refuse_closed(path: str) -> object:
        if path.endswith("closed"):
            raise PermissionError
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse_closed)
    use = parts(tmp_path, folders)["archive"]
    assert (use.files, use.is_whole) == (1, False)


def test_database_that_cannot_be_looked_at_takes_an_unknown_amount(tmp_path: Path, folders: Folders) -> None:
    (tmp_path / "loop").symlink_to("loop")
    use = disk_use(tmp_path / "loop", folders)[0]
    assert (use.bytes, use.is_whole) == (0, False)


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0.0 kB"),
        (4096, "4.1 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (12_345_678, "12.3 MB"),
        (5_000_000_000, "5.0 GB"),
        (1_234_000_000_000_000, "1,234.0 TB"),
    ],
)
def test_amounts_are_told_in_units(count: int, words: str) -> None:
    assert in_units(count) == words
