"""The notification protocol: what systemd is told, and when nothing is said."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaicd.systemd import Notifier


@pytest.fixture
def channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket that systemd listens at."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.delenv("WATCHDOG_USEC", raising=False)
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield channel


def _heard(channel: socket.socket) -> list[str]:
    """All that has been said so far."""
    channel.settimeout(0)
    heard = []
    while True:
        try:
            heard.append(channel.recv(4096).decode())
        except BlockingIOError:
            return heard


def test_states_are_said_in_the_protocols_words(channel: socket.socket) -> None:
    notifier = Notifier()
    notifier.ready()
    notifier.status("splicing beach.mp4 (12%)")
    notifier.stopping()
    assert _heard(channel) == ["READY=1", "STATUS=splicing beach.mp4 (12%)", "STOPPING=1"]


def test_reload_is_dated_on_the_monotonic_clock(channel: socket.socket) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    Notifier().reloading()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    (said,) = _heard(channel)
    first, _, stamp = said.partition("\nMONOTONIC_USEC=")
    assert first == "RELOADING=1"
    assert before <= int(stamp) <= after


def test_status_is_said_only_when_it_changes(channel: socket.socket) -> None:
    notifier = Notifier()
    for words in ("waiting for files", "waiting for files", "splicing a.mp4", "waiting for files"):
        notifier.status(words)
    assert _heard(channel) == [
        "STATUS=waiting for files",
        "STATUS=splicing a.mp4",
        "STATUS=waiting for files",
    ]


def test_watchdog_is_fed_when_systemd_asks_for_it(
    channel: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    notifier = Notifier()
    notifier.progressing()
    assert notifier.watchdog_seconds == 3
    assert _heard(channel) == ["WATCHDOG=1"]


def test_watchdog_is_not_fed_unasked(channel: socket.socket) -> None:
    notifier = Notifier()
    notifier.progressing()
    assert notifier.watchdog_seconds is None
    assert _heard(channel) == []


def test_watchdog_of_another_process_is_not_fed(
    channel: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))
    notifier = Notifier()
    notifier.progressing()
    assert notifier.watchdog_seconds is None
    assert _heard(channel) == []


def test_children_are_not_given_the_socket(channel: socket.socket) -> None:
    Notifier()
    assert "NOTIFY_SOCKET" not in os.environ


def test_abstract_socket_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"mosaicd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(f"\0{name}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        Notifier().ready()
        assert _heard(channel) == ["READY=1"]


def test_name_that_is_no_unicode_is_said_all_the_same(channel: socket.socket) -> None:
    Notifier().status("splicing \udcff.mp4")
    assert _heard(channel) == ["STATUS=splicing \\xff.mp4"]


def test_nothing_is_said_without_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notifier = Notifier()
    notifier.ready()
    notifier.status("waiting for files")
    notifier.stopping()


def test_systemd_that_is_gone_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    Notifier().ready()


def test_name_cannot_give_systemd_orders(channel: socket.socket) -> None:
    Notifier().status("everything paused: x\nWATCHDOG=trigger\nMAINPID=1")
    assert _heard(channel) == ["STATUS=everything paused: x\\x0aWATCHDOG=trigger\\x0aMAINPID=1"]
