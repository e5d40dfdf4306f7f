"""Garbage: feeds the real daemon what decoders fear most, and tells what became of it.

Run with ``python -m tests.faults.garbage --mutations 2000 --seed 1 --folder DIR``: all images of Pillow's own
tests, the broken files of `tests.faults.broken_files`, and mutations of real photos and films, half of the photos
for mosaics and half for tiles. Exit code 1 if anything is not as it should be; the complaints say what.
"""

import argparse
import itertools
import json
import os
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mosaicd.jobs.limits import Limits
from mosaicd.jobs.originals import reason_path
from tests.daemon_process import DaemonProcess
from tests.faults.broken_files import make_broken_files
from tests.faults.mutations import mutated
from tests.faults.workplace import QUICK, furnished
from tests.real_media import Origin, package

SETTINGS: dict[str, Any] = QUICK | {
    "cells_on_long_side": 12,
    "tile_edge_pixels": 8,
    "photo_wait_limit_seconds": 0,
    "stall_limit_seconds": 60,
    "job_limit_seconds": 300,
    "worker_memory_limit_megabytes": 4096,
}
PROGRAM_MEGABYTES = 250
"""Of a worker's memory, what is mapped from files and may be dropped at any time: program, libraries, the store."""
MOST_ATTEMPTS = 2
_SHORTEST_REASON = 20
_FINE_EXIT_CODES = {0, 3, 4}
_ENDS = {
    "job_rejected": "rejected",
    "mosaic_published": "done",
    "source_spliced": "done",
    "file_ignored": "ignored",
}
_NEVER = {"raw", "job_failed", "daemon_failed", "work_paused"}
_NOT_FOR_PEOPLE = re.compile(
    r"\w(Error|Exception|Warning)\b|Traceback|program failed|errno|\b0x[0-9a-f]|\b_io\b|NoneType|object|python"
    r"|\bNone\b|\bargument|\bunpack|\bbuffer|\bindex out|[\[\]{}<>_]|''|\(\)|\(:|\bb'",
    re.IGNORECASE,
)
"""What no reason may hold; names of settings are taken out first."""
_SETTING = re.compile(r"\(settings? [a-z_]+( (and|or) [a-z_]+)?\)")
_PILLOW = (Origin.SDIST, "pillow==13.0.0", "pillow-13.0.0/Tests/images")
_FILETYPE = (Origin.SDIST, "filetype==1.2.0", "filetype-1.2.0/tests/fixtures")
_MIMETYPE = (
    Origin.DEBIAN,
    "golang-github-gabriel-vasile-mimetype-dev",
    "usr/share/gocode/src/github.com/gabriel-vasile/mimetype/testdata",
)
_OCEAN = (Origin.NPM, "vide@0.5.1", "package/test/video")
_MUTATED = {
    "jpg": ((*_FILETYPE, "sample.jpg"), (*_PILLOW, "hopper.jpg"), (*_PILLOW, "exif_gps.jpg")),
    "png": ((*_FILETYPE, "sample.png"), (*_PILLOW, "hopper.png"), (*_PILLOW, "16_bit_noise.tif")),
    "heic": ((*_FILETYPE, "sample.heic"), (*_FILETYPE, "sample.avif")),
    "mp4": ((*_FILETYPE, "sample.mp4"), (*_MIMETYPE, "mp4.mp4")),
    "webm": ((*_MIMETYPE, "webm.webm"), (*_OCEAN, "ocean.webm")),
    "ogv": ((*_MIMETYPE, "ogg.ogv"), (*_OCEAN, "ocean.ogv")),
}


@dataclass(slots=True, kw_only=True)
class Findings:
    """What became of what was dropped.

    Attributes
    ----------
    ends : counter
        How many files of each group ended how.
    deaths : counter
        Over how many files of each group a worker died.
    reasons : counter
        How many files were rejected or ignored for what; numbers are shown as N.
    complaints : list of str
        What is not as it should be.
    peak_megabytes : float
        The most memory that the daemon or any worker has held: what it took, and what of its program was in use.
    """

    seconds: float = 0.0
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    attempts: Counter[int] = field(default_factory=Counter)
    deaths: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)
    peak_megabytes: float = 0.0


def feed(
    daemon: DaemonProcess, *, memory_megabytes: int = SETTINGS["worker_memory_limit_megabytes"]
) -> Findings:
    """Let a daemon do what is in its inbox, and look at what came of each file; its name begins with its group.

    Parameters
    ----------
    daemon : DaemonProcess
        Does not run.
    memory_megabytes : int
        `worker_memory_limit_megabytes` of its settings.
    """
    names = {str(path.relative_to(daemon.inbox)) for path in daemon.inbox.rglob("*") if not path.is_dir()}
    findings = Findings()
    start = time.monotonic()
    findings.peak_megabytes = daemon.run_measured() / 1e6
    findings.seconds = time.monotonic() - start
    if daemon.exit_code not in _FINE_EXIT_CODES:
        findings.complaints.append(f"the daemon ended with exit code {daemon.exit_code}")
    limit = Limits(memory_megabytes=memory_megabytes, cpu_seconds=0).usable_megabytes + PROGRAM_MEGABYTES
    if findings.peak_megabytes > limit:
        findings.complaints.append(f"a process held {findings.peak_megabytes:.0f} MB, more than {limit}")
    _judge(daemon, names, findings)
    return findings


def understandable(reason: str) -> bool:
    """Whether a reason is a line with nothing in it that only a programmer understands."""
    plain = _SETTING.sub("", reason)
    return len(reason) > _SHORTEST_REASON and "\n" not in reason and not _NOT_FOR_PEOPLE.search(plain)


def drop(files: Sequence[Path], group: str, daemon: DaemonProcess) -> None:
    """Copy files to the inbox, every other one to be a tile if it is a photo."""
    for number, file in enumerate(files):
        target = _place(daemon, group, number, file.name)
        if file.is_file() and not file.is_symlink():
            shutil.copyfile(file, target)
        else:
            file.rename(target)


def drop_pillow_images(daemon: DaemonProcess) -> None:
    """All images of Pillow's own tests."""
    origin, name, folder = _PILLOW
    images = sorted(path for path in (package(origin, name) / folder).rglob("*") if path.is_file())
    drop(images, "pillow", daemon)


def drop_broken_files(daemon: DaemonProcess, folder: Path) -> None:
    """The broken files that are made here, with a pipe and a link."""
    folder.mkdir()
    make_broken_files(folder)
    os.mkfifo(folder / "pipe.mp4")
    (folder / "link.jpg").symlink_to("/etc/passwd")
    drop(sorted(folder.iterdir()), "broken", daemon)


def drop_mutations(
    daemon: DaemonProcess, originals: dict[str, list[bytes]], *, count: int, seed: int
) -> None:
    """`count` mutations, of each kind in turn."""
    donors = list(itertools.chain.from_iterable(originals.values()))
    kinds = itertools.cycle(originals)
    for number, kind in zip(range(count), kinds, strict=False):
        turn = number // len(originals)
        content = originals[kind][turn % len(originals[kind])]
        changed = mutated(content, seed=seed * 1_000_003 + number, donors=donors)
        _place(daemon, kind, turn, f"mutation.{kind}").write_bytes(changed)


def real_originals() -> dict[str, list[bytes]]:
    """Real photos and films to be mutated, by kind."""
    return {
        kind: [(package(origin, name) / folder / file).read_bytes() for origin, name, folder, file in files]
        for kind, files in _MUTATED.items()
    }


def report(findings: Findings) -> Iterator[str]:
    """Say in lines of text what was found."""
    groups = list(dict.fromkeys(group for group, _ in findings.ends))
    yield f"{'group':8} {'done':>6} {'rejected':>9} {'ignored':>8} {'deaths':>7}"
    for group in groups:
        done, rejected, ignored = (findings.ends[group, end] for end in ("done", "rejected", "ignored"))
        yield f"{group:8} {done:6} {rejected:9} {ignored:8} {findings.deaths[group]:7}"
    yield f"attempts: {dict(sorted(findings.attempts.items()))}"
    yield f"peak resident MB: {findings.peak_megabytes:.0f}; {findings.seconds:.0f} s"
    yield from (f"{count:5} x {reason}" for reason, count in findings.reasons.most_common())
    yield from (f"COMPLAINT: {complaint}" for complaint in findings.complaints)


def _place(daemon: DaemonProcess, group: str, number: int, name: str) -> Path:
    folder = daemon.inbox / "tiles" if number % 2 else daemon.inbox
    folder.mkdir(exist_ok=True)
    return folder / f"{group}-{number:04}-{name}"


def _group(name: str) -> str:
    return name.rsplit("/", 1)[-1].split("-", 1)[0]


def _judge(daemon: DaemonProcess, names: set[str], findings: Findings) -> None:
    lines = daemon.lines()
    ends: dict[str, list[str]] = {name: [] for name in names}
    jobs = {line["job"]: line["file"] for line in lines if line["event"] == "job_admitted"}
    for line in lines:
        if line["event"] in _ENDS:
            ends[line["file"]].append(_ENDS[line["event"]])
        elif line["event"] == "worker_died":
            findings.deaths[_group(jobs[line["job"]])] += 1
        elif line["event"] in _NEVER:
            findings.complaints.append(json.dumps(line)[:2000])
    for name, came in sorted(ends.items()):
        findings.complaints += [f"{name} ended {len(came)} times: {came}"] if len(came) != 1 else []
        findings.ends[_group(name), came[-1] if came else "nothing"] += 1
    for line in lines:
        if line["event"] in {"job_rejected", "file_ignored"}:
            findings.reasons[re.sub(r"[\d,]*\d", "N", line["why"])] += 1
            findings.complaints += _complaints_of_reason(daemon, line)
    findings.attempts.update(attempts for (attempts,) in daemon.query("SELECT attempts FROM job"))
    if max(findings.attempts, default=0) > MOST_ATTEMPTS:
        findings.complaints.append(f"a file took more than {MOST_ATTEMPTS} attempts")


def _complaints_of_reason(daemon: DaemonProcess, line: dict[str, Any]) -> Iterator[str]:
    name, reason = line["file"], line["why"]
    if not understandable(reason):
        yield f"{name}: not in plain words: {reason}"
    written = reason_path(daemon.rejected / name)
    if line["event"] == "job_rejected" and (
        not written.exists() or written.read_text().split("\n")[0] != reason
    ):
        yield f"{name}: no reason stands beside it"


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutations", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, required=True, help="must not exist yet")
    options = parser.parse_args()
    daemon = furnished(options.folder, **SETTINGS)
    drop_pillow_images(daemon)
    drop_broken_files(daemon, options.folder / "broken")
    drop_mutations(daemon, real_originals(), count=options.mutations, seed=options.seed)
    findings = feed(daemon)
    print("\n".join(report(findings)))
    sys.exit(bool(findings.complaints))


if __name__ == "__main__":
    main()
