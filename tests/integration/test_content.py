"""A file that is replaced while it is worked on, though it looks as before, is noticed by its content."""

import os
from pathlib import Path

import pytest

from mosaicd.errors import TransientError
from mosaicd.jobs.workers import Progress
from mosaicd.media.files import content_hash, signature
from mosaicd.pipelines.content import Content
from mosaicd.store.models import Mosaic
from tests.libraries import fill_library
from tests.mosaic_studio import MosaicStudio
from tests.stores import new_database

CHANGED = "the file was changed or removed before it was read to its end"


def rewrite_in_place(file: Path, *, at: int = -1) -> None:
    """Change one byte of a file that then looks as it did: the same size, time and inode."""
    before, facts = signature(file), file.stat()
    with file.open("r+b") as stream:
        stream.seek(at, os.SEEK_END if at < 0 else os.SEEK_SET)
        (byte,) = stream.read(1)
        stream.seek(-1, os.SEEK_CUR)
        stream.write(bytes([byte ^ 1]))
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert signature(file) == before


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "cat.jpg"
    file.write_bytes(b"a cat")
    return file


def content_of(file: Path) -> Content:
    looks = signature(file)
    assert looks is not None
    return Content(file, looks, lambda _: None)


def test_content_that_stays_is_unchanged(file: Path) -> None:
    content = content_of(file)
    content.require_unchanged()
    assert content.sha256 == content_hash(file)


def test_file_rewritten_in_place_with_its_old_time_is_changed(file: Path) -> None:
    content = content_of(file)
    rewrite_in_place(file)
    for _ in range(2):
        with pytest.raises(TransientError, match=CHANGED):
            content.require_unchanged()


def test_new_permissions_and_names_are_no_change(file: Path) -> None:
    content = content_of(file)
    file.chmod(0o600)
    content.require_unchanged()
    os.link(file, file.with_name("other name"))
    content.require_unchanged()
    rewrite_in_place(file)
    with pytest.raises(TransientError, match=CHANGED):
        content.require_unchanged()


@pytest.mark.parametrize("becomes", ["gone", "folder", "other"])
def test_file_that_is_gone_or_another_one_is_changed(file: Path, becomes: str) -> None:
    content = content_of(file)
    file.unlink()
    if becomes == "folder":
        file.mkdir()
    elif becomes == "other":
        file.write_bytes(b"a cat")
    with pytest.raises(TransientError, match=CHANGED):
        content.require_unchanged()


def test_photo_rewritten_in_place_while_it_is_read_becomes_no_mosaic(tmp_path: Path) -> None:
    database = new_database(tmp_path / "store.sqlite3")
    library = fill_library(database, name="default", tiles=60)
    studio = MosaicStudio(database, library, tmp_path, "coffee.png")

    def rewrite(progress: Progress) -> None:
        if progress.sha256 is not None:
            rewrite_in_place(tmp_path / "inbox/1-coffee.png")

    with pytest.raises(TransientError, match=CHANGED):
        studio.make(now=1e9, report_progress=rewrite, cells_on_long_side=12, tile_edge_pixels=8)
    with database.read() as session:
        assert session.query(Mosaic).count() == 0
    database.close()
