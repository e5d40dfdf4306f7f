"""What the daemon costs while nothing happens, with a large inbox that it has done with and that is left in place.

Run with ``python -m tests.benchmarks.idle [--minutes 10] [--files 10000]``. Each way of watching is measured in
turn, in processor time of the daemon and its workers as the kernel counts it, which other work on the machine
changes little. That the many files are done with is written into the database by the queue itself, without working
on them; a film and a photo are worked on, so that both workers are there.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import psutil

from mosaicd.intake.scan import Found, walk
from mosaicd.intake.watcher import Watching
from mosaicd.jobs.queue import JobQueue
from mosaicd.jobs.tickets import Arrival
from mosaicd.store.models import JobKind, JobState
from tests import films
from tests.daemon_process import DaemonProcess
from tests.faults.workplace import drop_photo
from tests.stores import new_database

FILES_A_FOLDER = 100
JPEG = b"\xff\xd8\xff\xe0 a cat"
LIMIT_SHARES = {Watching.INOTIFY: 0.002, Watching.POLLING: 0.02}
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Let a daemon take the files in, then watch it rest, in both modes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of rest, for each way of watching")
    parser.add_argument("--files", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for watching in Watching.INOTIFY, Watching.POLLING:
            daemon = DaemonProcess(
                folder, originals="leave", watching=watching, log_level="debug", minimum_tiles=20
            )
            if not daemon.database.exists():
                _fill(daemon, options.files)
            with daemon:
                daemon.wait_for("mosaic_published")
                scans = len(daemon.events("inbox_scanned"))
                daemon.wait_for(
                    "inbox_scanned", count=scans + 2
                )  # all it found the first time is known by then
                share, parts = _rest(daemon, options.minutes * 60)
                daemon.terminate()
            print(
                f"{watching}: {share:.3%} of one CPU over {options.minutes:g} min with {options.files:,} files"
                f" (limit {LIMIT_SHARES[watching]:.1%}); processor seconds: {parts}",
                flush=True,
            )


def _fill(daemon: DaemonProcess, count: int) -> None:
    """Put so many files into folders of the inbox, done with, and a film and a photo to be worked on."""
    for number in range(count):
        folder = daemon.inbox / "tiles" / f"{number // FILES_A_FOLDER:03}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:05}.jpg").write_bytes(JPEG)
    database = new_database(daemon.database)
    queue = JobQueue(database)
    arrivals = [
        Arrival(
            library="default",
            kind=JobKind.SPLICE,
            path=found.path,
            signature=found.signature,
            first_seen_at=1.0,
        )
        for found in walk(daemon.inbox)
        if isinstance(found, Found) and found.signature is not None
    ]
    for ticket in queue.admit_all(arrivals, now=2.0):
        queue.claim(ticket, now=3.0)
        queue.end(ticket.job_id, JobState.DONE, now=4.0)
    database.close()
    films.encode(daemon.inbox / "film.mp4", films.pan("astronaut", 60), rate=1)
    drop_photo(daemon, "portrait.png")


def _rest(daemon: DaemonProcess, seconds: float) -> tuple[float, str]:
    """The share of one CPU that the daemon takes in this time, and the seconds of each of its processes."""
    before, start = _processor_seconds(daemon.pid), time.monotonic()
    time.sleep(seconds)  # this is what is measured, not something waited for
    after, elapsed = _processor_seconds(daemon.pid), time.monotonic() - start
    spent = {process: after[process] - before.get(process, 0.0) for process in after}
    words = ", ".join(f"{'daemon' if each == daemon.pid else 'worker'} {spent[each]:.2f}" for each in spent)
    return sum(spent.values()) / elapsed, words


def _processor_seconds(pid: int) -> dict[int, float]:
    """User and system time of a daemon and its children so far, by process."""
    daemon = psutil.Process(pid)
    found = {}
    for process in (daemon, *daemon.children(recursive=True)):
        text = Path(f"/proc/{process.pid}/stat").read_text()
        fields = text.rpartition(") ")[2].split()
        found[process.pid] = (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND
    return found


if __name__ == "__main__":
    main()
