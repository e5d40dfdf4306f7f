"""Word of what takes longer: how long still, from the real daemon while it waits, and gone when it is done."""

import time
from pathlib import Path

from mosaicd.foreman import AtHand, Foreman
from mosaicd.jobs.tickets import Ticket
from mosaicd.settings_reading import load_settings
from mosaicd.standings import Standings
from tests.daemon_process import DaemonProcess, wait_until
from tests.faults.workplace import QUICK, drop_photo
from tests.job_history import History
from tests.libraries import varied_film
from tests.stores import new_database


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


class OneAtWork(Foreman):
    """A foreman as far as who is told of it needs one."""

    def __init__(self, ticket: Ticket) -> None:
        self.ticket = ticket

    def at_hand(self) -> list[AtHand]:
        return [AtHand(ticket=self.ticket, share_done=0.0)]


def test_times_are_those_of_the_forecast(tmp_path: Path) -> None:
    settings = load_settings({"root": tmp_path / "root", "database": tmp_path / "state" / "store.sqlite3"})
    settings.folders.outbox.mkdir(parents=True)
    history = History(new_database(settings.database_path))
    history.spliced("old.mp4", seconds=600)
    film = history.running(history.queued("film.mp4"), since=time.time())
    history.queued("next.mp4")
    Standings(settings, history.database, history.queue, OneAtWork(film)).tell()
    said = [(settings.folders.outbox / f"{name}.mp4.status.txt").read_text() for name in ("film", "next")]
    assert "0% done, about 10 minutes left" in said[0]
    assert "waits for others to be done; about 10 minutes until its turn" in said[1]
    history.database.close()
