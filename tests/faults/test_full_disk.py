"""Disks of 4 MB that fill up: work pauses and says so, goes on by itself when there is room, and loses nothing."""

import contextlib
import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.daemon_process import DaemonProcess, wait_until
from tests.faults.workplace import (
    QUICK,
    drop_film,
    drop_photo,
    fill_up,
    furnished,
    make_room,
    mosaics,
    samples_stored,
    small_disk,
)
from tests.libraries import PHOTOS
from tests.skips import skipped_in
from tests.upgrades import small_store

PHOTO = "coffee.png"
NAMES = [f"photo-{number}.png" for number in range(5)]
SECONDS = 300
DUMPS = Path(small_store.__file__).parent


class Systemd:
    """Hears what the daemon tells systemd."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._said: list[str] = []

    def statuses(self) -> list[str]:
        """Every status so far, in words."""
        while True:
            try:
                said = self._channel.recv(65_536).decode()
            except BlockingIOError:
                return self._said
            self._said += [line.removeprefix("STATUS=") for line in said.split("\n") if "STATUS=" in line]


@pytest.fixture
def address(tmp_path: Path) -> Path:
    return tmp_path / "notify"


@pytest.fixture
def systemd(address: Path) -> Iterator[Systemd]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(address))
        channel.settimeout(0)
        yield Systemd(channel)


def wait_for_pause(daemon: DaemonProcess, systemd: Systemd, *, needs: str, paused: str, place: Path) -> None:
    """Wait until the disk is full, which the log and systemd are told in words."""
    (event,) = daemon.wait_for("work_paused")
    assert (event["needs"], event["paused"], event["place"]) == (needs, paused, str(place))
    assert str(place) in event["why"]
    assert any(words in event["why"] for words in ("No space left on device", "disk is full"))
    status = f"{paused} paused: {event['why']}"
    wait_until(lambda: any(said.startswith(status) for said in systemd.statuses()), what=status)


def require_sound(daemon: DaemonProcess) -> None:
    """Everything was said once, cost no attempt, and the store is as it should be."""
    assert len(daemon.events("work_paused")) == len(daemon.events("work_resumed")) == 1
    assert {event["attempt"] for event in daemon.events("job_started")} == {1}
    assert daemon.query("SELECT DISTINCT state, attempts FROM job") == [("done", 1)]
    assert list(daemon.inbox.iterdir()) == []
    done = subprocess.run(
        [*daemon.command, "check", "--deep", *daemon.arguments()],
        capture_output=True, text=True, check=False, env=daemon.environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def require_mosaics(daemon: DaemonProcess, folder: Path) -> None:
    """Each photo has one mosaic, whole, charged once, and its original in the archive."""
    assert sorted(mosaics(daemon)) == sorted((name.removesuffix(".png"), True) for name in NAMES)
    assert len(daemon.events("mosaic_published")) == len(NAMES)
    stems = [name.removesuffix(".png") for name in NAMES]
    wanted = {f"{stem}.mosaic.{ending}" for stem in stems for ending in ("html", "jpg", "json")}
    assert {path.name for path in folder.iterdir()} == wanted | {"index.html"}
    for name in NAMES:
        assert (daemon.archive / name).read_bytes() == (PHOTOS / PHOTO).read_bytes()


def require_whole(folder: Path) -> None:
    """What stands in an outbox is whole."""
    for image in folder.glob("*.jpg"):
        json.loads(image.with_suffix(".json").read_text())
        with Image.open(image) as opened:
            opened.load()


def test_film_goes_on_when_the_disk_of_the_database_has_room_again(
    tmp_path: Path, systemd: Systemd, address: Path
) -> None:
    state = tmp_path / "state"
    with contextlib.ExitStack() as stack:
        ballast = stack.enter_context(small_disk(state))
        daemon = furnished(tmp_path)
        daemon.variables["NOTIFY_SOCKET"] = str(address)
        stack.enter_context(daemon)
        daemon.wait_for("daemon_ready")
        fill_up(ballast, but_kilobytes=500)
        drop_film(daemon, seconds=SECONDS)
        drop_photo(daemon, "cat.png")
        wait_for_pause(daemon, systemd, needs="database", paused="everything", place=state)
        assert 0 < samples_stored(daemon) < SECONDS
        make_room(state)
        (spliced,) = daemon.wait_for("source_spliced")
        daemon.wait_for("mosaic_published")
        assert daemon.terminate() == 0
        skipped = skipped_in(spliced)
        assert spliced["sampled_frames"] == SECONDS
        assert spliced["tiles"] + skipped == 2 * SECONDS
        _, tiles = daemon.query("SELECT COUNT(*) FROM tile GROUP BY source_id ORDER BY source_id")
        assert tiles == (spliced["tiles"],)
        assert mosaics(daemon) == [("cat", True)]
        assert sorted(path.name for path in daemon.archive.iterdir()) == ["cat.png", "film.mp4"]
        require_sound(daemon)


def test_mosaics_go_on_when_the_disk_of_the_outbox_has_room_again(
    tmp_path: Path, systemd: Systemd, address: Path
) -> None:
    disk = tmp_path / "disk"
    folders = {name: disk / name for name in ("outbox", "rejected", "staging")}
    with small_disk(disk) as ballast:
        fill_up(ballast, but_kilobytes=1500)
        daemon = furnished(tmp_path, tile_edge_pixels=60, **folders)
        daemon.variables["NOTIFY_SOCKET"] = str(address)
        with daemon:
            for name in NAMES[:-1]:
                drop_photo(daemon, name, picture=PHOTO)
            wait_for_pause(daemon, systemd, needs="outbox", paused="mosaics", place=folders["outbox"])
            begun = len(daemon.events("job_started"))
            assert list(folders["staging"].iterdir()) == []
            require_whole(folders["outbox"])
            drop_photo(daemon, NAMES[-1], picture=PHOTO)
            daemon.wait_for("job_admitted", count=len(NAMES))
            assert len(daemon.events("job_started")) == begun
            make_room(disk)
            daemon.wait_for("mosaic_published", count=len(NAMES))
            assert daemon.terminate() == 0
        require_whole(folders["outbox"])
        assert list(folders["staging"].iterdir()) == []
        require_mosaics(daemon, folders["outbox"])
        assert len(daemon.events("job_started")) == len(NAMES) + 1
        require_sound(daemon)


def test_originals_are_archived_when_the_disk_of_the_archive_has_room_again(
    tmp_path: Path, systemd: Systemd, address: Path
) -> None:
    daemon = furnished(tmp_path)
    daemon.variables["NOTIFY_SOCKET"] = str(address)
    with small_disk(daemon.archive) as ballast:
        fill_up(ballast, but_kilobytes=1500)
        with daemon:
            for name in NAMES:
                drop_photo(daemon, name, picture=PHOTO)
            wait_for_pause(daemon, systemd, needs="archive", paused="everything", place=daemon.archive)
            assert {path.name for path in daemon.archive.iterdir()} < {ballast.name, *NAMES}
            make_room(daemon.archive)
            daemon.wait_for("mosaic_published", count=len(NAMES))
            assert daemon.terminate() == 0
        require_mosaics(daemon, daemon.outbox)
        assert {path.name for path in daemon.archive.iterdir()} == {ballast.name, *NAMES}
        assert len(daemon.events("job_started")) == len(NAMES) + 1
        require_sound(daemon)


@pytest.mark.parametrize("revision", ["none", "0001"])
def test_daemon_that_starts_on_a_full_disk_waits_for_room_and_then_works(
    tmp_path: Path, systemd: Systemd, address: Path, revision: str
) -> None:
    state = tmp_path / "state"
    with small_disk(state) as ballast:
        daemon = DaemonProcess(tmp_path, **QUICK)
        if revision != "none":
            daemon.database.parent.mkdir(exist_ok=True)
            small_store.load(DUMPS / f"{revision}.sql", daemon.database)
        fill_up(ballast)
        daemon.variables["NOTIFY_SOCKET"] = str(address)
        drop_film(daemon, seconds=60)
        drop_photo(daemon, "cat.png")
        with daemon:
            daemon.wait_for("daemon_ready")
            wait_for_pause(daemon, systemd, needs="database", paused="everything", place=state)
            make_room(state)
            daemon.wait_for("work_resumed")
            daemon.wait_for("mosaic_published")
            assert daemon.terminate() == 0
        assert len(daemon.events("work_paused")) == 1
        assert len(daemon.events("database_upgraded")) == (revision != "none")
