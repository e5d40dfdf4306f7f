"""Signals: a stop is quick and loses nothing, a reload applies what is right and leaves what is wrong."""

import os
import signal
from pathlib import Path

from PIL import Image

from mosaicd.crash_points import CrashPoint
from tests.daemon_process import DaemonProcess, wait_until
from tests.faults.workplace import (
    FILM_SECONDS,
    drop_film,
    drop_photo,
    furnished,
    furnished_to_be_held,
    samples_stored,
)


def test_stop_in_the_middle_of_a_film_is_quick_and_loses_nothing(tmp_path: Path) -> None:
    with furnished_to_be_held(tmp_path) as daemon:
        daemon.hold_at(CrashPoint.CHUNK_COMMITTED)
        drop_film(daemon)
        daemon.held_worker()  # a stop that waits for it would never end
        assert daemon.terminate() == 0
    assert 0 < samples_stored(daemon) < FILM_SECONDS
    assert daemon.query("SELECT state, attempts, interruptions FROM job") == [("queued", 0, 0)]
    assert (daemon.inbox / "film.mp4").exists()
    assert daemon.run_until_idle() == 0
    assert samples_stored(daemon) == FILM_SECONDS
    assert {line["level"] for line in daemon.lines()} == {"info"}


def columns_of_next_mosaic(daemon: DaemonProcess, name: str) -> int:
    """Drop a photo; how many cells its mosaic has from left to right."""
    drop_photo(daemon, f"{name}.png")
    image = daemon.outbox / f"{name}.mosaic.jpg"
    wait_until(image.exists, what=str(image))
    with Image.open(image) as opened:
        return opened.width // 16


def test_reload_applies_changed_settings_to_the_next_mosaic_and_passes_over_wrong_ones(
    tmp_path: Path,
) -> None:
    config = tmp_path / "mosaicd.toml"
    daemon = furnished(tmp_path)
    del daemon._settings["cells_on_long_side"]
    config.write_text("cells_on_long_side = 12\n")
    with daemon:
        daemon.kill()
        daemon.start(f"--config={config}")
        assert columns_of_next_mosaic(daemon, "before") == 12
        config.write_text("cells_on_long_side = 20\n")
        os.kill(daemon.pid, signal.SIGHUP)
        daemon.wait_for("settings_reloaded")
        assert columns_of_next_mosaic(daemon, "after") == 20
        config.write_text("cells_on_long_side = 16\ncells = 16\n")
        os.kill(daemon.pid, signal.SIGHUP)
        (refused,) = daemon.wait_for("settings_refused")
        assert refused["why"] == f"there is no setting cells (set in {config})"
        assert columns_of_next_mosaic(daemon, "still") == 20
        assert daemon.terminate() == 0
