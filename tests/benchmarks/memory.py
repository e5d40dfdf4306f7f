"""Peak memory of the daemon and its workers while a mosaic is made, summed as PSS.

Run with ``python -m tests.benchmarks.memory [TILES]``.
"""

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

import psutil

from mosaicd.store.database import Database
from tests.daemon_process import DaemonProcess
from tests.libraries import PHOTOS, fill_library, varied_film


def main() -> None:
    """Fill a library, make mosaics and a few more tiles, print the peak."""
    tiles = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory() as name:
        daemon = DaemonProcess(Path(name))
        daemon.database.parent.mkdir(parents=True)
        database = Database(daemon.database)
        database.migrate()
        fill_library(database, name="default", tiles=tiles)
        database.close()
        varied_film(daemon.inbox / "film.mp4", seconds=60)  # so that both workers are up
        shutil.copy(PHOTOS / "astronaut.png", daemon.inbox / "portrait.png")
        with daemon:
            peak, parts = 0, {}
            while not daemon.events("mosaic_published"):
                now = _pss(daemon.pid)
                if sum(now.values()) > peak:
                    peak, parts = sum(now.values()), now
            (published,) = daemon.events("mosaic_published")
    print(f"{published['tiles_in_library']} tiles, {published['rows']} x {published['columns']} cells:")
    print(f"peak {peak / 1e6:.0f} MB = " + " + ".join(f"{part / 1e6:.0f}" for part in parts.values()))


def _pss(pid: int) -> dict[int, int]:
    """Proportional set size of each process of a daemon, in bytes."""
    found = {}
    with contextlib.suppress(psutil.Error):
        daemon = psutil.Process(pid)
        for process in (daemon, *daemon.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                found[process.pid] = process.memory_full_info().pss
    return found


if __name__ == "__main__":
    main()
