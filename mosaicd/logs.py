"""Structured logs on standard error: key=value for people, one JSON object a line for programs."""

import contextlib
import io
import logging
import os
import sys
import threading
from collections.abc import MutableMapping
from enum import StrEnum
from typing import Any, TextIO, cast

import structlog

from mosaicd.plain_text import one_line

_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
_FIRST = ("timestamp", "level", "event")
_NUMBERS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

EventDict = MutableMapping[str, Any]


class LogFormat(StrEnum):
    """How log lines look."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """The least important lines that are logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def configure_logs(log_format: LogFormat, level: LogLevel) -> None:
    """Send log lines to standard error from now on."""
    is_text = log_format is LogFormat.TEXT or (log_format is LogFormat.AUTO and sys.stderr.isatty())
    journal_reads = _journal_reads()
    renderer: Any = _as_text if is_text else structlog.processors.JSONRenderer()
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        _on_one_line,
    ]
    if not journal_reads:  # the journal has times of its own
        processors.insert(0, structlog.processors.TimeStamper(fmt="iso", utc=True))
    processors.append(_PriorityPrefixed(renderer) if journal_reads else renderer)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_NUMBERS[level]),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Unfailing(sys.stderr))),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Forwarder()], level=_NUMBERS[LogLevel.WARNING])
    threading.excepthook = _say_that_thread_died


def complain(text: str) -> None:
    """Write one line to standard error before there is a log, as an error if the journal reads."""
    prefix = f"<{_PRIORITIES['error']}>" if _journal_reads() else ""
    sys.stderr.write(f"{prefix}mosaicd: {one_line(text)}\n")


def _say_that_thread_died(death: threading.ExceptHookArgs) -> None:
    """Log what a library's thread has died of."""
    name = death.thread.name if death.thread is not None else None
    why = f"{death.exc_type.__name__}: {death.exc_value}"
    structlog.get_logger().error("thread_died", thread=name, why=why)


class _Unfailing(io.TextIOBase):
    """A stream to which lines are written as far as that can be done: a full disk must not end the daemon."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text, or not."""
        with contextlib.suppress(OSError, ValueError):  # ValueError: it is closed
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Let what was written go out, or not."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


class _Forwarder(logging.Handler):
    """Brings what libraries warn of into the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a library's record."""
        if record.name.startswith("watchdog.") and "thread is inactive" in record.getMessage():
            return  # its threads say so at many a stop, and nothing is wrong
        structlog.get_logger().warning("library_warned", library=record.name, why=record.getMessage())


class _PriorityPrefixed:
    """Renders lines with the prefix from which the journal learns their priority."""

    def __init__(self, renderer: Any) -> None:  # noqa: ANN401
        self._renderer = renderer

    def __call__(self, logger: Any, method: str, event: EventDict) -> str:  # noqa: ANN401
        prefix = f"<{_PRIORITIES[event.get('level', 'info')]}>"
        lines = self._renderer(logger, method, event).split("\n")
        return "\n".join(f"{prefix}{line}" for line in lines)


_logfmt = structlog.processors.LogfmtRenderer(key_order=_FIRST, drop_missing=True, bool_as_flag=False)


def _as_text(logger: Any, method: str, event: EventDict) -> str:  # noqa: ANN401
    """A line of key=value, and below it, each line marked as such, the exception if there is one."""
    exception = event.pop("exception", None)
    line = _logfmt(logger, method, event)
    below = str(exception).split("\n") if exception else []
    return "\n".join([line, *(f"  | {each}" for each in below)])


def _on_one_line(_logger: Any, _method: str, event: EventDict) -> EventDict:  # noqa: ANN401
    """Escape what could forge a line or steer a terminal."""
    for key, value in event.items():
        if key == "exception":
            event[key] = "\n".join(one_line(line) for line in str(value).rstrip("\n").split("\n"))
        elif value is not None and not isinstance(value, bool | int | float | list | dict):
            event[key] = one_line(str(value))
    return event


def _journal_reads() -> bool:
    """Whether standard error is the stream that systemd says it gave us."""
    try:
        facts = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{facts.st_dev}:{facts.st_ino}"
