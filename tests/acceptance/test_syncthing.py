"""Syncthing brings films and photos from a phone, and mosaics back to it, as README's recipes have it."""

import shutil
import time
from pathlib import Path

from tests.daemon_process import DaemonProcess, wait_until
from tests.deliveries import (
    FILM,
    MOSAICS,
    MUG,
    PHOTO_FILES,
    PORTRAIT,
    SMALL,
    camera,
    film_parts,
    require_taken_once,
    table_of_syncthing_folders,
)
from tests.faults.workplace import furnished
from tests.syncthing_pair import TYPES, syncthing_pair


def shared(recipe: str, on_machine: Path, on_phone: Path) -> tuple[tuple[Path, str], tuple[Path, str]]:
    """A folder on the phone and one on the machine, of the types that README's table has for them."""
    phone_type, machine_type = table_of_syncthing_folders()[recipe]
    return (on_phone, TYPES[phone_type]), (on_machine, TYPES[machine_type])


def take_pictures(originals: Path, folder: Path) -> None:
    """Let files appear in a folder whole, as a phone's camera does."""
    for file in originals.iterdir():
        arriving = folder.parent / file.name
        shutil.copy2(file, arriving)
        arriving.rename(folder / file.name)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_what_is_put_in_on_the_phone_comes_back_as_mosaics_though_syncthing_is_killed_ten_times(
    tmp_path: Path,
) -> None:
    phone_inbox, phone_outbox = tmp_path / "phone" / "Drop", tmp_path / "phone" / "Mosaics"
    originals = camera(tmp_path / "originals", film_frames=48)
    film_bytes = (originals / FILM).stat().st_size
    daemon = DaemonProcess(tmp_path, **SMALL)
    folders = {
        "inbox": shared("`inbox`, to drop files into", daemon.inbox, phone_inbox),
        "outbox": shared("`outbox`", daemon.outbox, phone_outbox),
    }
    with daemon, syncthing_pair(tmp_path, folders, speed=1500) as (phone, machine):
        daemon.wait_for("daemon_ready")
        started_ns = time.time_ns()
        take_pictures(originals, phone_inbox)
        for killed in [[machine]] * 7 + [[phone, machine]] * 3:
            wait_until(
                lambda: bool(film_parts(daemon.inbox, film_bytes=film_bytes, since_ns=started_ns)),  # noqa: B023
                what="more of the film to arrive",
            )
            for instance in killed:
                instance.kill()
            assert film_parts(daemon.inbox, film_bytes=film_bytes, since_ns=started_ns)
            started_ns = time.time_ns()
            for instance in killed:
                instance.start()
        daemon.wait_for("mosaic_published", count=2)
        wait_until(lambda: names(phone_outbox) >= MOSAICS, what="the mosaics on the phone")
        wait_until(lambda: not names(phone_inbox), what="the originals to leave the phone")
        for name in MOSAICS:
            assert (phone_outbox / name).read_bytes() == (daemon.outbox / name).read_bytes()
        assert daemon.terminate() == 0
    require_taken_once(daemon, {file.name: file for file in originals.iterdir()}, kept_in=daemon.archive)


def test_a_camera_roll_stays_on_the_phone_and_mosaics_thrown_away_there_stay_on_the_machine(
    tmp_path: Path,
) -> None:
    phone_camera, phone_outbox = tmp_path / "phone" / "Camera", tmp_path / "phone" / "Mosaics"
    originals = tmp_path / "originals"
    originals.mkdir()
    for name, picture in PHOTO_FILES.items():
        shutil.copy(picture, originals / name)
    daemon = furnished(tmp_path, originals="leave")
    folders = {
        "camera": shared("`inbox`, from a camera roll", daemon.inbox, phone_camera),
        "outbox": shared("`outbox`", daemon.outbox, phone_outbox),
    }
    with daemon, syncthing_pair(tmp_path, folders) as (phone, _):
        daemon.wait_for("daemon_ready")
        take_pictures(originals, phone_camera)
        wait_until(lambda: names(phone_outbox) >= MOSAICS, what="the mosaics on the phone")
        (phone_outbox / "mug.mosaic.jpg").unlink()
        (phone_camera / MUG).unlink()
        wait_until(lambda: MUG not in names(daemon.inbox), what="the photo to leave the machine as well")
        wait_until(
            lambda: phone.ask("db/status?folder=outbox")["receiveOnlyChangedDeletes"] == 1,
            what="Syncthing to have noticed that a mosaic was thrown away",
        )
        assert names(daemon.outbox) >= MOSAICS
        assert names(phone_camera) == {PORTRAIT}
        assert daemon.terminate() == 0
    assert sorted(event["file"] for event in daemon.events("job_admitted")) == [MUG, PORTRAIT]
    assert {line["level"] for line in daemon.lines()} == {"info"}
