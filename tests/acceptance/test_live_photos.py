"""Live photos as phones and sync tools bring them: their mosaics come, and their films become tiles if asked."""

import os
import shutil
from pathlib import Path

from PIL import Image

from tests import films
from tests.daemon_process import DaemonProcess, wait_until
from tests.faults.workplace import furnished

TAKEN = 1_600_000_000


def drop_photo(daemon: DaemonProcess, name: str) -> None:
    """Drop a photo, at once and whole."""
    arriving = daemon.inbox / f".arriving{Path(name).suffix}"
    kind = "HEIF" if name.lower().endswith(".heic") else "JPEG"
    Image.fromarray(films.photo("chelsea")).save(arriving, kind)
    os.utime(arriving, (TAKEN, TAKEN))
    arriving.rename(daemon.inbox / name)


def drop_film(daemon: DaemonProcess, name: str, *, is_marked: bool = True) -> None:
    """Drop a live photo's film, with the note that says so or without it."""
    arriving = daemon.inbox / ".arriving.mov"
    if is_marked:
        films.live_photo_film(arriving)
    else:
        films.encode(arriving, films.pan("coffee", 30))
    os.utime(arriving, (TAKEN, TAKEN))
    arriving.rename(daemon.inbox / name)


def bring_again(daemon: DaemonProcess, name: str) -> None:
    """Put a file from the archive into the inbox once more, with its time, as a sync tool does."""
    arriving = daemon.inbox / ".arriving"
    shutil.copy2(daemon.archive / name, arriving)
    arriving.rename(daemon.inbox / name)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def tiles(daemon: DaemonProcess) -> int:
    ((count,),) = daemon.query("SELECT COUNT(*) FROM tile")
    return int(count)


def test_films_of_live_photos_go_where_their_photos_go_in_whatever_order_they_come(tmp_path: Path) -> None:
    with furnished(tmp_path, page_megabytes_limit=0, gallery="false") as daemon:
        drop_film(daemon, "IMG_1.MOV")
        daemon.wait_for("live_photo_film_skipped")
        drop_photo(daemon, "IMG_1.HEIC")
        drop_photo(daemon, "IMG_2.JPG")
        daemon.wait_for("mosaic_published", count=2)
        drop_film(daemon, "IMG_2.MOV", is_marked=False)
        drop_film(daemon, "IMG_3.mov")
        drop_photo(daemon, "IMG_3.heic")
        daemon.wait_for("mosaic_published", count=3)
        daemon.wait_for("live_photo_film_skipped", count=3)
        wait_until(lambda: not names(daemon.inbox), what="an empty inbox")
        bring_again(daemon, "IMG_1.MOV")
        daemon.wait_for("file_redelivered")
        assert daemon.terminate() == 0
        assert tiles(daemon) == 150
        assert len(daemon.events("live_photo_film_skipped")) == 3
    films_kept = [name for name in names(daemon.archive) if name.lower().endswith(".mov")]
    assert films_kept == ["IMG_1.MOV", "IMG_2.MOV", "IMG_3.mov"]
    assert not daemon.events("job_rejected")


def test_films_of_live_photos_become_tiles_if_asked(tmp_path: Path) -> None:
    daemon = furnished(tmp_path, page_megabytes_limit=0, gallery="false", live_photo_films="tiles")
    drop_film(daemon, "IMG_1.MOV")
    drop_photo(daemon, "IMG_1.HEIC")
    assert daemon.run_until_idle() == 0
    assert tiles(daemon) > 150
    assert len(daemon.events("source_spliced")) == 1
    assert len(daemon.events("mosaic_published")) == 1
    assert not daemon.events("live_photo_film_skipped")


def test_film_that_was_skipped_is_remembered_where_files_are_left(tmp_path: Path) -> None:
    daemon = furnished(tmp_path, originals="leave")
    drop_film(daemon, "IMG_1.MOV")
    for _ in range(2):
        assert daemon.run_until_idle() == 0
    assert (daemon.inbox / "IMG_1.MOV").exists()
    assert len(daemon.events("live_photo_film_skipped")) == 1
    assert tiles(daemon) == 150
