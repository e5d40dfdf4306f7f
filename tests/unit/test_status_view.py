"""The live view: what it shows in a terminal of any size."""

import io
from typing import Any

import pytest
from rich.console import Console

from mosaicd.status_view import view


def running(file: str, **facts: Any) -> dict[str, Any]:
    usual = {
        "library": "default",
        "stage": "splicing",
        "progress": 0.53,
        "elapsed_seconds": 131.0,
        "seconds_left": 118.0,
    }
    return {"file": file} | usual | facts


FACTS: dict[str, Any] = {
    "daemon_runs": True,
    "root": "/home/person/Mosaics",
    "queue": {"queued": 3, "waiting": 10, "running": 2, "seconds_left": 754.0},
    "running": [running("[bold]beach.mp4"), running("cat.jpg", stage="reading", seconds_left=None)],
    "waiting": [
        {"file": f"dog {number}.jpg", "why": "waits until beach.mp4 has become tiles"} for number in range(10)
    ],
    "last_mosaics": [
        {"stem": f"bird {number}", "distinct_tiles": 1234, "color_error_1px": 3.14, "seconds": 2.3}
        for number in range(5)
    ],
    "last_rejections": [
        {"file": f"song {number}.mp4", "why": "this video is encrypted"} for number in range(5)
    ],
}


def shown(facts: dict[str, Any], *, width: int = 80, height: int = 24) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(view(facts, height=height))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_everything_is_in_24_lines_of_80_columns() -> None:
    lines = shown(FACTS)
    assert len(lines) <= 24
    assert lines[:5] == [
        "/home/person/Mosaics",
        "the daemon is running",
        "3 queued, 10 waiting, 2 running; about 13 minutes left",
        "",
        "[bold]beach.mp4, library default: splicing",
    ]
    assert lines[5].startswith("\u2501")
    assert lines[5].endswith("53%, 0:02:11, about 2 minutes left")
    assert lines[8].endswith("53%, 0:02:11")
    assert lines[9:14] == [
        "",
        "Waiting",
        "  dog 0.jpg: waits until beach.mp4 has become tiles",
        "  dog 1.jpg: waits until beach.mp4 has become tiles",
        "  and 8 more",
    ]
    assert "  bird 1: 1,234 distinct tiles, colour error 3.1, 2.3 s" in lines
    assert "  song 1.mp4: this video is encrypted" in lines


def test_tall_terminal_shows_all() -> None:
    assert not any("more" in line for line in shown(FACTS, height=60))


@pytest.mark.parametrize("width", [1, 5, 20, 40, 200])
def test_no_line_is_longer_than_the_terminal_is_wide(width: int) -> None:
    assert max(map(len, shown(FACTS, width=width))) <= width


def test_idle_daemon_has_no_empty_lists() -> None:
    idle = {"queued": 0, "waiting": 0, "running": 0, "seconds_left": 0.0}
    nothing: dict[str, Any] = {"running": [], "waiting": [], "last_mosaics": [], "last_rejections": []}
    assert shown(FACTS | nothing | {"queue": idle, "daemon_runs": False}) == [
        "/home/person/Mosaics",
        "the daemon is not running",
        "0 queued, 0 waiting, 0 running",
    ]
