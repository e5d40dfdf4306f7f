"""README's recipes for the log, word for word, over the lines of a real daemon."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.daemon_process import DaemonProcess
from tests.faults.workplace import QUICK, drop_film, drop_photo
from tests.readme import log_recipes

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"

if shutil.which("jq") is None:
    pytest.skip("jq is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a program ``journalctl`` that shows a daemon's lines as the real one would, and others."""
    folder = tmp_path_factory.mktemp("journal")
    daemon = DaemonProcess(folder, **QUICK)
    drop_film(daemon, "beach.mp4", seconds=60)
    drop_photo(daemon, "cat.png")
    (daemon.inbox / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    assert daemon.run_until_idle() == 3
    lines = ["Started mosaicd.service.", *daemon.log_file.read_text().splitlines(), "3"]
    now = time.time_ns() // 1000
    entries: list[dict[str, Any]] = [
        {"__REALTIME_TIMESTAMP": str(now + place), "MESSAGE": line} for place, line in enumerate(lines)
    ]
    entries.append({"__REALTIME_TIMESTAMP": str(now), "MESSAGE": [255, 254]})  # no text
    (folder / "entries").write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    program = folder / "journalctl"
    program.write_text(f"#!/bin/sh\ncat {folder}/entries\n")
    program.chmod(0o755)
    return folder


def answers(journal: Path) -> list[list[str]]:
    definition, recipes = log_recipes()
    return [
        subprocess.run(
            ["bash", "-c", f"set -o pipefail\nPATH={journal}:$PATH\n{definition}\n{recipe}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        for recipe in recipes
    ]


def test_recipes_answer_what_they_are_for(journal: Path) -> None:
    mosaics, rejected, beach, slowest, needs_a_look = answers(journal)
    (mosaic,) = mosaics
    assert re.fullmatch(rf"{TIME}  \d+\.\d+ s  cat\.mosaic\.jpg", mosaic)
    (rejection,) = rejected
    assert re.fullmatch(rf"{TIME}  broken\.jpg: .{{10,}}", rejection)
    assert [line.split()[4] for line in beach] == ["job_admitted", "job_started", "source_spliced"]
    assert len({line.split()[3] for line in beach}) == 1
    seconds = [float(line.split()[0]) for line in slowest]
    assert len(seconds) == 2
    assert seconds == sorted(seconds, reverse=True)
    assert {line.split()[-1] for line in slowest} == {"beach.mp4", "cat.png"}
    assert any(re.fullmatch(rf"{TIME}  job_rejected broken\.jpg: .{{10,}}", line) for line in needs_a_look)
    assert not any("job_started" in line for line in needs_a_look)
