"""Word of what takes longer, from the real daemon: there while it waits, gone when it is done."""

from pathlib import Path

from tests.daemon_process import DaemonProcess, wait_until
from tests.faults.workplace import QUICK, drop_photo
from tests.libraries import varied_film


def test_photo_that_waits_says_for_what_until_it_is_done(tmp_path: Path) -> None:
    with DaemonProcess(tmp_path, **QUICK) as daemon:
        drop_photo(daemon, "cat.png")
        status = daemon.outbox / "cat.png.status.txt"
        wait_until(status.exists, what="word of the photo")
        assert "cat.png: waits until library default has 20 tiles" in status.read_text()
        arriving = daemon.inbox / ".film.mp4"
        varied_film(arriving, seconds=40)
        arriving.rename(daemon.inbox / "film.mp4")
        daemon.wait_for("mosaic_published")
        wait_until(lambda: not status.exists(), what="nothing more to say")
        assert daemon.terminate() == 0


def test_what_a_killed_daemon_said_goes_with_the_next_start(tmp_path: Path) -> None:
    with DaemonProcess(tmp_path, **QUICK) as daemon:
        drop_photo(daemon, "cat.png")
        status = daemon.outbox / "cat.png.status.txt"
        wait_until(status.exists, what="word of the photo")
        daemon.kill()
        (daemon.inbox / "cat.png").unlink()
        daemon.start()
        wait_until(lambda: not status.exists(), what="nothing more to say")
