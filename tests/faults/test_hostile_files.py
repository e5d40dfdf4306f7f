"""Files made to do harm, dropped on the real daemon: each is done or refused for the right reason."""

import os
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mosaicd.jobs.originals import FILE_ADVICE, reason_path
from tests.daemon_process import DaemonProcess
from tests.faults.garbage import SETTINGS, feed
from tests.faults.hostile_files import DONE, HOSTILE, TOO_MUCH
from tests.faults.workplace import furnished
from tests.libraries import PHOTOS

MEMORY_MEGABYTES = 768
TOO_GREEDY = [name for name, (_, end) in HOSTILE.items() if end == TOO_MUCH]
ENDS = {"mosaic_published": DONE, "source_spliced": DONE, "job_rejected": "", "file_ignored": ""}
NAMES = [
    'line\n{"event": "forged", "level": "info"}',
    "line\ntimestamp=2026-01-01 level=info event=forged",
    "\x1b[2J\x1b]0;owned\x07screen",
    "\r\b\b\bback",
    "up\\..\\..\\etc",
    "%2e%2e%2fup",
    "right\u202egpj.exe",
    "bytes \udcff\udcfe",
    "--root=elsewhere",
    "$(reboot) `reboot` ' OR 1=1; --",
    "n" * 251,
]


def came(daemon: DaemonProcess) -> dict[str, str]:
    """What became of each file: done, or the reason why not."""
    lines = [line for line in daemon.lines() if line["event"] in ENDS]
    return {line["file"]: ENDS[line["event"]] or line["why"] for line in lines}


def said(daemon: DaemonProcess, command: str) -> str:
    """What a command prints about a daemon."""
    done = subprocess.run(
        [sys.executable, "-m", "mosaicd", command, *daemon.arguments()[:1]],
        env=daemon.environment() | {"MOSAICD_DATABASE": str(daemon.database)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout + done.stderr


def test_each_hostile_file_comes_to_its_end_and_harms_no_other(tmp_path: Path) -> None:
    daemon = furnished(tmp_path, **SETTINGS | {"worker_memory_limit_megabytes": MEMORY_MEGABYTES})
    for name, (make, _) in HOSTILE.items():
        make(daemon.inbox / name)
    findings = feed(daemon, memory_megabytes=MEMORY_MEGABYTES)
    assert findings.complaints == []
    ends = came(daemon)
    assert {name: ends[name] for name, (_, end) in HOSTILE.items() if not re.search(end, ends[name])} == {}
    assert sum(findings.deaths.values()) == 2 * len(TOO_GREEDY)
    assert 256 < findings.peak_megabytes < MEMORY_MEGABYTES, "and workers that died are measured, too"


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_name_of_a_file_forges_nothing_and_leads_nowhere(tmp_path: Path, log_format: str) -> None:
    daemon = furnished(tmp_path, **SETTINGS | {"log_format": log_format})
    photo = (PHOTOS / "coffee.png").read_bytes()
    for name in NAMES:
        (daemon.inbox / f"{name}.png").write_bytes(photo)
        (daemon.inbox / f"{name}.gif").write_bytes(b"GIF89a, but no more")
    assert daemon.run_until_idle() == 3
    assert sorted(path.name for path in daemon.archive.iterdir()) == sorted(f"{name}.png" for name in NAMES)
    assert len(list(daemon.outbox.iterdir())) == 3 * len(NAMES) + len(["index.html"])
    assert all(path.parent == daemon.outbox for path in daemon.outbox.rglob("*"))
    for name in NAMES:
        reason = reason_path(daemon.rejected / f"{name}.gif").read_text()
        assert reason == (
            "this is not a photo in a format that can be read, or it is damaged or cut short\n\n"
            + FILE_ADVICE
        )
    log, status = daemon.log_file.read_text(), said(daemon, "status")
    for text in (log, status):
        assert all(letter.isprintable() or letter == "\n" for letter in text)
        assert not re.search(r"^(line|screen|back|timestamp=2026-01-01)", text, re.MULTILINE)
    assert "forged" in log
    start = r'\{"' if log_format == "json" else "timestamp="
    assert all(re.match(start, line) for line in log.splitlines())
    assert not daemon.events("forged")


def test_devices_are_left_alone(tmp_path: Path) -> None:
    daemon = furnished(tmp_path, **SETTINGS)
    (daemon.inbox / "tiles").mkdir()
    devices = {
        "endless.mp4": (stat.S_IFCHR, 5),
        "tiles/empty.jpg": (stat.S_IFCHR, 3),
        "disk.png": (stat.S_IFBLK, 0),
    }
    try:
        for name, (kind, minor) in devices.items():
            os.mknod(daemon.inbox / name, kind | 0o666, os.makedev(1, minor))
    except PermissionError:
        pytest.skip("devices cannot be made here")
    assert daemon.run_until_idle() == 0
    assert came(daemon) == dict.fromkeys(devices, "it is not a regular file")
    assert all((daemon.inbox / name).exists() for name in devices)


def test_what_is_no_regular_file_is_left_alone_and_two_names_of_one_file_are_two_wishes(
    tmp_path: Path,
) -> None:
    daemon = furnished(tmp_path, **SETTINGS)
    inbox = daemon.inbox
    os.mkfifo(inbox / "pipe.mp4")
    (inbox / "link.jpg").symlink_to("/etc/passwd")
    (inbox / "tiles").mkdir()
    (inbox / "tiles/nowhere.jpg").symlink_to(inbox / "gone.jpg")
    with socket.socket(socket.AF_UNIX) as ear:
        ear.bind(os.path.relpath(inbox / "ear.mp4"))
        (inbox / "one.png").write_bytes((PHOTOS / "coffee.png").read_bytes())
        os.link(inbox / "one.png", inbox / "two.png")
        os.link(inbox / "one.png", inbox / "tiles/three.png")
        assert daemon.run_until_idle() == 0
    ends = came(daemon)
    odd = ["ear.mp4", "link.jpg", "pipe.mp4", "tiles/nowhere.jpg"]
    assert {name: end for name, end in ends.items() if end != DONE} == dict.fromkeys(
        odd, "it is not a regular file"
    )
    assert sorted(name for name, end in ends.items() if end == DONE) == [
        "one.png",
        "tiles/three.png",
        "two.png",
    ]
    assert sorted(str(path.relative_to(inbox)) for path in inbox.rglob("*") if not path.is_dir()) == odd
    assert sorted(path.name for path in daemon.outbox.glob("*.jpg")) == ["one.mosaic.jpg", "two.mosaic.jpg"]
