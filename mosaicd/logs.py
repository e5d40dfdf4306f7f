"""Structured logs on standard error: key=value for people, one JSON object a line for programs."""

import os
import sys
from collections.abc import MutableMapping
from enum import StrEnum
from typing import Any

import structlog

from mosaicd.media.files import printable

_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
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
    renderer: Any = (
        structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False)
        if is_text
        else structlog.processors.JSONRenderer()
    )
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        _made_printable,
    ]
    if not journal_reads:  # the journal has times of its own
        processors.insert(0, structlog.processors.TimeStamper(fmt="iso", utc=True))
    processors.append(_PriorityPrefixed(renderer) if journal_reads else renderer)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_NUMBERS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


class _PriorityPrefixed:
    """Renders a line with the prefix from which the journal learns its priority."""

    def __init__(self, renderer: Any) -> None:  # noqa: ANN401
        self._renderer = renderer

    def __call__(self, logger: Any, method: str, event: EventDict) -> str:  # noqa: ANN401
        priority = _PRIORITIES[event.get("level", "info")]
        return f"<{priority}>{self._renderer(logger, method, event)}"


def _made_printable(_logger: Any, _method: str, event: EventDict) -> EventDict:  # noqa: ANN401
    """Escape what could forge a line or steer a terminal."""
    for key, value in event.items():
        if isinstance(value, str) and key != "exception":
            event[key] = printable(value)
    return event


def _journal_reads() -> bool:
    """Whether standard error is the stream that systemd says it gave us."""
    try:
        facts = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{facts.st_dev}:{facts.st_ino}"
