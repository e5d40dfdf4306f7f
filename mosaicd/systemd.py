"""Speaking to systemd: the notification protocol of sd_notify(3)."""

import os
import socket
import time

from mosaicd.plain_text import one_line


class Notifier:
    """Tells systemd how the daemon is, if systemd started it."""

    def __init__(self) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", None)
        is_for_us = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = int(os.environ.get("WATCHDOG_USEC", "0")) if is_for_us else 0
        self.watchdog_seconds: float | None = microseconds / 1e6 or None
        self._status = ""

    def ready(self) -> None:
        """Say that the daemon is up, or has read its settings again."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Say that settings are being read again."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Say that the daemon is on its way out."""
        self._send("STOPPING=1")

    def progressing(self) -> None:
        """Say that work goes on, for systemd's watchdog."""
        if self.watchdog_seconds is not None:
            self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Say in words what is being done, if it is something else than before."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={one_line(text)}")  # each line would be a notification of its own

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            try:
                channel.sendto(message.encode("utf-8", "replace"), address)
            except OSError:
                return  # systemd is busy or gone; it asks again through its own time-outs
