"""What ``mosaicd status --watch`` shows: the status as a view that fills the terminal and is drawn anew."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mosaicd.errors import SettingsError, TransientError
from mosaicd.jobs.estimates import clock_time, duration
from mosaicd.status import mosaic_in_words, queue_in_words

_REFRESH_SECONDS = 1.0
_REST = 4  # so many times as long as a look takes, it rests
_OTHER_LINES = 18  # beside what the three lists hold, while both workers are at work
_FEWEST_LINES = 2


def require_terminal() -> None:
    """Raise SettingsError unless standard output is a terminal that can be drawn on."""
    if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") in {"dumb", "unknown"}:
        message = "--watch draws on a terminal, and there is none: leave it out, or give --json"
        raise SettingsError(message)


def watch(gather: Callable[[], dict[str, Any]]) -> None:
    """Show what `gather` says, about once a second, until SIGINT (Ctrl-C) or SIGTERM."""
    must_stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: must_stop.set())
    console = Console()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while not must_stop.is_set():
            start = time.monotonic()
            try:
                shown = view(gather(), height=console.height)
            except TransientError as error:  # the database may come back
                shown = Text(str(error))
            live.update(shown, refresh=True)
            must_stop.wait(max(_REFRESH_SECONDS, _REST * (time.monotonic() - start)))


def view(facts: dict[str, Any], *, height: int) -> RenderableType:
    """The status as a view of any width, the most important of it first, in so many lines if that can be."""
    return Group(*_lines(facts, longest=max(_FEWEST_LINES, (height - _OTHER_LINES) // 3)))


def _lines(facts: dict[str, Any], *, longest: int) -> Iterator[RenderableType]:
    yield _line(facts["root"], style="bold")
    yield _line(f"the daemon is {'running' if facts['daemon_runs'] else 'not running'}")
    yield Text(queue_in_words(facts["queue"]))
    for job in facts["running"]:
        yield Text()
        yield Text.assemble((job["file"], "bold"), f", library {job['library']}: {job['stage']}")
        yield _bar(job)
    waiting = [f"{job['file']}: {job['why']}" for job in facts["waiting"]]
    mosaics = [f"{each['stem']}: {mosaic_in_words(each)}" for each in facts["last_mosaics"]]
    rejections = [f"{job['file']}: {job['why']}" for job in facts["last_rejections"]]
    yield from _list("Waiting", waiting, longest=longest)
    yield from _list("Last mosaics", mosaics, longest=longest)
    yield from _list("Last rejections", rejections, longest=longest)


def _bar(job: dict[str, Any]) -> RenderableType:
    facts = [f"{job['progress']:.0%}", clock_time(job["elapsed_seconds"])]
    if job["seconds_left"] is not None:
        facts.append(f"{duration(job['seconds_left'])} left")
    row = Table.grid(expand=True, padding=(0, 1, 0, 0))
    row.add_column(ratio=2)
    row.add_column(ratio=3)
    row.add_row(ProgressBar(total=1.0, completed=job["progress"]), _line(", ".join(facts)))
    return row


def _list(heading: str, lines: list[str], *, longest: int) -> Iterator[RenderableType]:
    if not lines:
        return
    yield Text()
    yield _line(heading, style="bold")
    for line in lines[:longest]:
        yield _line(f"  {line}")
    if len(lines) > longest:
        yield _line(f"  and {len(lines) - longest:,} more")


def _line(text: str, *, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")
