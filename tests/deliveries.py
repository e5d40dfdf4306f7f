"""What people send to an inbox by other programs, those programs' deaths, and what must have come of it."""

import contextlib
import functools
import hashlib
import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tests import films
from tests.daemon_process import DaemonProcess, wait_until
from tests.libraries import PHOTOS
from tests.readme import blocks, table_rows
from tests.syncthing_pair import TYPES

HEADING = "Synced folders"
SMALL = {
    "cells_on_long_side": 16,
    "tile_edge_pixels": 16,
    "minimum_tiles": 20,
    "page_megabytes_limit": 0.5,
}
FILM, PORTRAIT, MUG = "holiday.mkv", "portrait.png", "mug.png"
MOSAICS = {f"{Path(name).stem}.mosaic.{kind}" for name in (PORTRAIT, MUG) for kind in ("jpg", "html", "json")}
PHOTO_FILES = {PORTRAIT: PHOTOS / "astronaut.png", MUG: PHOTOS / "coffee.png"}
_BLOCK_BYTES = 512


def table_of_syncthing_folders() -> dict[str, tuple[str, str]]:
    """Each folder's type on the phone and on the machine, as README has it."""
    return {row[0]: (row[1], row[2]) for row in table_rows(HEADING) if len(row) > 2 and row[1] in TYPES}


def recipes(first_word: str) -> list[str]:
    """The commands of README's section on synced folders that begin so."""
    lines = [line for block in blocks(HEADING) for line in block.splitlines()]
    found = [line for line in lines if line.split()[0] == first_word]
    assert found, f"README has no command {first_word}"
    return found


def camera(folder: Path, *, film_frames: int = 16) -> Path:
    """A folder with two photos, and a film of which any beginning can be shown: about 190 kB a frame."""
    folder.mkdir(parents=True)
    chance = np.random.default_rng(1)
    frames = (
        np.clip(frame + chance.normal(0, 25, frame.shape), 0, 255).astype(np.uint8)
        for frame in films.pan("retina", film_frames, width=480, height=272)
    )
    films.encode(folder / FILM, frames, rate=1, gop=1, options={"qp": "1"})
    for name, picture in PHOTO_FILES.items():
        shutil.copy(picture, folder / name)
    return folder


def with_programs_of_the_tests(**variables: str) -> dict[str, str]:
    """An environment in which what is installed beside these tests' Python is found first."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "RCLONE_CONFIG": os.devnull} | variables


def run(command: str, *, environment: Mapping[str, str] | None = None) -> None:
    """Run a command as a shell does, which has to go well."""
    subprocess.run(["sh", "-c", command], check=True, env=environment, stdout=subprocess.DEVNULL)


def end_in_mid_transfer(
    command: str,
    inbox: Path,
    *,
    film_bytes: int,
    deaths: list[signal.Signals],
    least_bytes: int = 1,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Start a command again and again, and end it each time when a part of the film is there, and no more."""
    arrived = functools.partial(film_parts, inbox, film_bytes=film_bytes, least_bytes=least_bytes)
    for death in deaths:
        start_ns = time.time_ns()
        program = subprocess.Popen(shlex.split(command), start_new_session=True, env=environment)

        def has_begun() -> bool:
            assert program.poll() is None, "it was faster than its death"  # noqa: B023
            return bool(arrived(since_ns=start_ns))  # noqa: B023

        try:
            wait_until(has_begun, what="a part of the film to arrive")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, death)
            program.wait()
        assert arrived(since_ns=start_ns), "it was done before its death"


def film_parts(inbox: Path, *, film_bytes: int, since_ns: int, least_bytes: int = 1) -> list[Path]:
    """Files that hold so much of the film, and not all, written to since then; whatever they are called."""
    found = []
    for path in inbox.rglob("*"):
        if FILM in path.name:
            try:
                facts = path.lstat()
            except FileNotFoundError:  # it has just got its own name
                continue
            there = min(facts.st_size, facts.st_blocks * _BLOCK_BYTES)  # some programs make room first
            is_part = stat.S_ISREG(facts.st_mode) and least_bytes <= there < film_bytes
            if is_part and facts.st_mtime_ns >= since_ns:
                found.append(path)
    return found


def require_taken_once(
    daemon: DaemonProcess, sent: Mapping[str, Path], *, kept_in: Path, among: str = ""
) -> None:
    """Fail unless each file was taken once, and whole, and nothing else was.

    Parameters
    ----------
    sent : mapping
        Files by their path in the inbox.
    kept_in : Path
        Where the daemon leaves them.
    among : str
        Only what concerns files whose paths begin so.
    """
    hashes = {path: hashlib.sha256(file.read_bytes()).digest() for path, file in sent.items()}

    def is_all_done() -> bool:
        done = daemon.query("SELECT CAST(path AS TEXT), sha256 FROM job WHERE state IN ('done', 'rejected')")
        return hashes == {path: content for path, content in done if path.startswith(among)}

    wait_until(is_all_done, what=f"all of {among or 'it'} to be done")
    said = [line for line in daemon.lines() if line.get("file", among).startswith(among)]
    admitted = Counter(line["file"] for line in said if line["event"] == "job_admitted")
    assert admitted == dict.fromkeys(sent, 1), admitted
    assert {line["level"] for line in said} == {"info"}, "something was rejected or incomplete"
    for path, file in sent.items():
        assert (kept_in / path).read_bytes() == file.read_bytes(), path
