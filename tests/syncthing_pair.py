"""Two Syncthing instances on loopback alone: one as the phone, one beside the daemon."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from tests.daemon_process import wait_until
from tests.sync_servers import free_port, program

_KEY = "k" * 32
_OPTIONS = {
    "globalAnnounceEnabled": "false",
    "localAnnounceEnabled": "false",
    "relaysEnabled": "false",
    "natEnabled": "false",
    "crashReportingEnabled": "false",
    "startBrowser": "false",
    "announceLANAddresses": "false",
    "setLowPriority": "false",
    "urAccepted": "-1",
    "urURL": "",
    "autoUpgradeIntervalH": "0",
    "releasesURL": "",
    "stunKeepaliveStartS": "0",
    "reconnectionIntervalS": "1",
    "limitBandwidthInLan": "true",
}


_VARIABLES = {
    "STNOUPGRADE": "1",
    "STMONITORED": "yes",  # one process, without another one that starts it: it is dead as soon as it is killed
    "STHASHING": "standard",  # without a second for finding out what is fastest
}
TYPES = {"Send & Receive": "sendreceive", "Send Only": "sendonly", "Receive Only": "receiveonly"}
"""What its interface calls a folder's type, and what its settings do."""


class Syncthing:
    """One instance.

    Parameters
    ----------
    folder : Path
        Gets its keys, settings and log.

    Attributes
    ----------
    device : str
        What other instances know it by.
    address : str
        Where it listens.
    """

    def __init__(self, folder: Path) -> None:
        self._home = folder
        self._interface_port = free_port()
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self._process: subprocess.Popen[bytes] | None = None
        self._run("generate", "--no-default-folder", "--skip-port-probing")
        self.device = self._run("serve", "--device-id").strip()

    def configure(
        self, *, partner: "Syncthing", partner_address: str, folders: dict[str, tuple[Path, str]], speed: int
    ) -> None:
        """Share folders with a partner; nothing of it goes anywhere but to loopback.

        Parameters
        ----------
        partner_address : str
            ``dynamic`` for one that calls: if both call, they lose time over which call to keep.
        folders : dict
            Path and type of each, by the identifier that both have for it.
        speed : int
            Kilobytes a second that it receives at most; 0: no limit.
        """
        parts = ['<configuration version="36">']
        for name, (path, kind) in folders.items():
            path.mkdir(parents=True, exist_ok=True)
            parts += [
                f'<folder id="{name}" path="{path}" type="{kind}" fsWatcherEnabled="true" fsWatcherDelayS="1">',
                *(f'<device id="{device}"/>' for device in (self.device, partner.device)),
                "</folder>",
            ]
        for device, address in ((self.device, "dynamic"), (partner.device, partner_address)):
            parts += [
                f'<device id="{device}"><address>{address}</address>',
                "<allowedNetwork>127.0.0.1/32</allowedNetwork></device>",
            ]
        options = _OPTIONS | {"listenAddress": self.address, "maxRecvKbps": str(speed)}
        parts += [
            f"<gui><address>127.0.0.1:{self._interface_port}</address><apikey>{_KEY}</apikey></gui>",
            "<options>",
            *(f"<{name}>{value}</{name}>" for name, value in options.items()),
            "</options></configuration>",
        ]
        (self._home / "config.xml").write_text("\n".join(parts))

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [
            "syncthing",
            "serve",
            f"--home={self._home}",
            "--no-browser",
            "--no-restart",
            "--no-upgrade",
        ]
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment())
        wait_until(lambda: self.ask("system/ping") is not None, what="Syncthing to answer")

    def kill(self) -> None:
        """Kill it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def ask(self, path: str) -> Any:
        """Ask its REST interface; None as long as that does not answer."""
        interface = HTTPConnection("127.0.0.1", self._interface_port, timeout=5)
        with contextlib.closing(interface), contextlib.suppress(OSError, HTTPException):
            interface.request("GET", f"/rest/{path}", headers={"X-API-Key": _KEY})
            return json.load(interface.getresponse())
        return None

    def wait_until_connected(self) -> None:
        """Wait until it has found its partner."""

        def is_connected() -> bool:
            answer = self.ask("system/connections")
            return answer is not None and any(each["connected"] for each in answer["connections"].values())

        wait_until(is_connected, what="the two Syncthings to connect")

    def _run(self, command: str, *arguments: str) -> str:
        return subprocess.run(
            ["syncthing", command, f"--home={self._home}", *arguments],
            check=True,
            capture_output=True,
            text=True,
            env=self._environment(),
        ).stdout

    def _environment(self) -> dict[str, str]:
        return os.environ | _VARIABLES | {"HOME": str(self._home)}


@contextlib.contextmanager
def syncthing_pair(
    folder: Path, folders: dict[str, tuple[tuple[Path, str], tuple[Path, str]]], *, speed: int = 0
) -> Iterator[tuple[Syncthing, Syncthing]]:
    """Two running instances, the phone's and the machine's, which share folders.

    Parameters
    ----------
    folders : dict
        By identifier: path and type on the phone, path and type on the machine.
    speed : int
        Kilobytes a second that the machine receives at most; 0: no limit.
    """
    program("syncthing", "syncthing")
    phone, machine = Syncthing(folder / "phone"), Syncthing(folder / "machine")
    phone.configure(
        partner=machine,
        partner_address="dynamic",
        folders={name: sides[0] for name, sides in folders.items()},
        speed=0,
    )
    machine.configure(
        partner=phone,
        partner_address=phone.address,
        folders={name: sides[1] for name, sides in folders.items()},
        speed=speed,
    )
    with contextlib.ExitStack() as stack:
        for instance in (phone, machine):
            stack.callback(instance.kill)
            instance.start()
        machine.wait_until_connected()
        yield phone, machine
