"""Logs: the form fits the reader, and nothing that is logged can pass for another line."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaicd.errors import MosaicdError, Need, ObstructedError
from mosaicd.plain_text import one_line

SPEAK = """
import os, sys
from mosaicd.logs import LogFormat, LogLevel, configure_logs
import structlog

if "journal" in sys.argv:
    facts = os.fstat(2)
    os.environ["JOURNAL_STREAM"] = f"{facts.st_dev}:{facts.st_ino}"
configure_logs(LogFormat(sys.argv[1]), LogLevel(sys.argv[2]))
log = structlog.get_logger()
log.debug("inbox_scanned", files=1)
log.info("job_started", file="cat.jpg", attempt=1, certified=True, nothing=None)
log.warning("job_rejected", file="a cat.jpg", share=0.5)
"""
FORGED = "x\nlevel=critical event=daemon_failed\r\x1b[2J\u2028\u0085<2>\udcff"


def lines_of(*arguments: str, code: str = SPEAK, **variables: str) -> list[str]:
    """What a process writes that is not on a terminal."""
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        check=True,
        env={**os.environ, "JOURNAL_STREAM": "", **variables},
    )
    assert result.stdout == b""
    return result.stderr.decode().split("\n")[:-1]


def lines_on_terminal(*arguments: str) -> list[str]:
    """What a process writes that is on a terminal."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        process = subprocess.Popen([sys.executable, "-c", SPEAK, *arguments], stderr=theirs)
        os.close(theirs)
        written = b""
        try:
            while chunk := terminal.read(65_536):
                written += chunk
        except OSError:  # how Linux says that nobody is at the other end any more
            pass
        assert process.wait(timeout=30) == 0
    return written.decode().replace("\r\n", "\n").split("\n")[:-1]


def log_in_process(log_format: str, statement: str) -> list[str]:
    code = f"""
import sys
from mosaicd.logs import LogFormat, LogLevel, configure_logs
import structlog
configure_logs(LogFormat({log_format!r}), LogLevel.INFO)
log = structlog.get_logger()
{statement}
"""
    return lines_of(code=code)


def test_terminal_gets_text() -> None:
    first, second = lines_on_terminal("auto", "info")
    assert first.startswith("timestamp=")
    assert " level=info event=job_started file=cat.jpg attempt=1 certified=true nothing=" in first
    assert second.endswith('level=warning event=job_rejected file="a cat.jpg" share=0.5')


def test_terminal_gets_json_if_the_setting_says_so() -> None:
    assert [json.loads(line)["event"] for line in lines_on_terminal("json", "info")] == [
        "job_started",
        "job_rejected",
    ]


def test_anything_else_gets_an_object_a_line() -> None:
    first, second = map(json.loads, lines_of("auto", "info"))
    assert (first["level"], first["file"], first["certified"], first["nothing"]) == (
        "info",
        "cat.jpg",
        True,
        None,
    )
    assert (second["event"], second["share"]) == ("job_rejected", 0.5)
    assert first["timestamp"].endswith("Z")


def test_anything_else_gets_text_if_the_setting_says_so() -> None:
    assert all(line.startswith("timestamp=") for line in lines_of("text", "info"))


@pytest.mark.parametrize(("level", "count"), [("debug", 3), ("info", 2), ("warning", 1), ("error", 0)])
def test_lines_below_the_level_are_not_logged(level: str, count: int) -> None:
    assert len(lines_of("json", level)) == count


def test_journal_gets_priorities_and_no_times() -> None:
    first, second, third = lines_of("auto", "debug", "journal")
    assert [line[:3] for line in (first, second, third)] == ["<7>", "<6>", "<4>"]
    assert "timestamp" not in json.loads(first[3:])


def test_other_stream_than_the_journal_gets_no_priorities() -> None:
    assert lines_of("json", "warning", JOURNAL_STREAM="8:12345")[0].startswith("{")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_name_cannot_forge_a_line(log_format: str) -> None:
    lines = log_in_process(log_format, f"log.info('job_admitted', file={FORGED!r})")
    assert len(lines) == 1
    assert one_line(FORGED).replace("\\", "\\\\") in lines[0]
    assert lines[0].isprintable()


def test_name_in_an_object_that_is_no_string_cannot_forge_a_line() -> None:
    (line,) = log_in_process("text", f"from pathlib import Path; log.info('x', file=Path({FORGED!r}))")
    assert line.isprintable()


RAISE = f"""
def fail():
    raise ValueError("cannot read " + {FORGED!r})
try:
    fail()
except ValueError:
    log.exception("job_failed", file="cat.jpg")
log.info("daemon_stopped")
"""


def test_exception_is_whole_in_json() -> None:
    failed, stopped = map(json.loads, log_in_process("json", RAISE))
    assert (failed["event"], failed["file"], stopped["event"]) == ("job_failed", "cat.jpg", "daemon_stopped")
    lines = failed["exception"].split("\n")
    assert lines[0] == "Traceback (most recent call last):"
    assert "ValueError: cannot read x" in lines
    assert all(line.isprintable() for line in lines)


def test_exception_is_whole_and_marked_as_such_in_text() -> None:
    first, *below, last = log_in_process("text", RAISE)
    assert "event=job_failed" in first
    assert "event=daemon_stopped" in last
    assert below[0] == "  | Traceback (most recent call last):"
    assert "  | ValueError: cannot read x" in below
    assert all(line.startswith("  | ") and line.isprintable() for line in below)


def test_traceback_of_a_worker_is_marked_as_well() -> None:
    lines = log_in_process("text", "log.error('job_failed', exception='Traceback:\\n  line\\nlevel=info\\n')")
    assert lines[1:] == ["  | Traceback:", "  |   line", "  | level=info"]


def test_every_line_of_an_exception_has_its_priority_in_the_journal() -> None:
    code = SPEAK + "log.error('job_failed', exception='one\\ntwo')\n"
    assert [line[:3] for line in lines_of("text", "error", "journal", code=code)] == ["<3>"] * 3


def test_what_libraries_warn_of_comes_in_the_same_form() -> None:
    code = "import logging\nlogging.getLogger('watchdog').warning('overflow of %s', 'a\\nb')"
    (line,) = log_in_process("json", code)
    facts = json.loads(line)
    assert (facts["event"], facts["library"], facts["why"]) == (
        "library_warned",
        "watchdog",
        "overflow of a\\x0ab",
    )
    assert facts["level"] == "warning"


def test_what_watchdog_says_whenever_it_is_stopped_is_not_logged() -> None:
    code = "import logging\nlogging.getLogger('watchdog.x').error('called when the thread is inactive')"
    assert log_in_process("json", code) == []


@settings(max_examples=50)
@given(st.text() | st.binary().map(os.fsdecode))
def test_escaped_text_is_one_line_and_is_not_escaped_twice(text: str) -> None:
    escaped = one_line(text)
    assert len(escaped.splitlines()) <= 1
    assert "\x1b" not in escaped
    escaped.encode()
    assert one_line(escaped) == escaped


def test_full_disk_under_the_log_ends_nothing() -> None:
    code = f"{SPEAK}\nprint('still here')"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-u", "-c", code, "json", "debug"],
            stderr=full,
            stdout=subprocess.PIPE,
            check=False,
        )
    assert done.stdout == b"still here\n"


@given(st.text())
def test_what_an_error_says_is_one_line_whatever_names_are_in_it(text: str) -> None:
    assert str(MosaicdError(text)) == str(ObstructedError(text, need=Need.OUTBOX)) == one_line(text)
