"""A real, throw-away systemd for tests of the units, with the program installed as an administrator would."""

import functools
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest
from PIL import Image

import mosaicd
from tests.films import encode, pan, photo

UNITS = Path(__file__).resolve().parents[2] / "systemd"
INSTALLED = "/opt/mosaicd/bin/mosaicd"
PERSON = "person"
PERSON_ID = 4711
FILM = "film.mp4"
PHOTO = "cat.jpg"
SETTINGS = """\
settle_seconds = 0.2
minimum_tiles = 20
cells_on_long_side = 24
tile_edge_pixels = 8
"""
MOSAIC_SIZE = (24 * 8, 16 * 8)
_SHARE = "/run/share"
_INTERPRETER = "/opt/python"
PYTHON = f"{_INTERPRETER}/bin/python{sysconfig.get_python_version()}"
Mount = tuple[Path, str, Literal["ro", "rw"]]
"""What is seen inside: where it is here, where it is there, and whether it can be written there."""
# As pip writes it.
_SCRIPT = """\
#!/opt/mosaicd/bin/python
import sys
from mosaicd.__main__ import main
if __name__ == "__main__":
    sys.exit(main())
"""
# As the distributions' own, without what needs a login: PAM, D-Bus and logind.
_USER_MANAGER = """\
[Service]
User=%i
Type=notify
ExecStart=/lib/systemd/systemd --user
Environment=XDG_RUNTIME_DIR=/run/user/%i
Slice=user-%i.slice
KillMode=mixed
Delegate=pids memory cpu
"""
_BOOT_SCRIPT = Path(__file__).with_name("boot_systemd.sh")
_SYSTEMD = Path("/lib/systemd/systemd")
_TOOLS = (
    "bash", "env", "mount", "nsenter", "runuser", "setpriv", "unshare",
    "journalctl", "systemctl", "systemd-analyze", "systemd-sysusers", "systemd-tmpfiles", "usermod",
)  # fmt: skip
# sudo, which is not there, as far as README asks for it; for root.
_SUDO = """\
#!/bin/sh
[ "$1 $2" = "-H -u" ] || exec "$@"
user=$3
shift 3
exec runuser -u "$user" -- "$@"
"""
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
_BOOT_SECONDS = 60.0
_COMMAND_SECONDS = 180.0
_POLL_SECONDS = 0.05


class Sandbox:
    """A booted systemd.

    Parameters
    ----------
    leader : int
        Its process, as seen from here.
    share : Path
        The folder that is ``/run/share`` inside.
    """

    def __init__(self, leader: int, share: Path) -> None:
        self._leader = leader
        self.share = share

    share_inside = _SHARE

    def path(self, inside: str) -> Path:
        """Where a path inside is found from here."""
        return Path(f"/proc/{self._leader}/root{inside}")

    def run(
        self, *command: str, check: bool = True, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as root."""
        enter = [
            "nsenter",
            f"--target={self._leader}",
            "--mount",
            "--pid",
            "--cgroup",
            "--ipc",
            "--uts",
            "--net",
        ]
        done = subprocess.run(
            [*enter, "--", *command],
            check=False, capture_output=True, text=True, timeout=_COMMAND_SECONDS,
            env={**_ENVIRONMENT, **(environment or {})},
        )  # fmt: skip
        if check and done.returncode != 0:
            message = f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"
            raise AssertionError(message)
        return done

    def run_as_person(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as the ordinary user."""
        runtime = f"/run/user/{PERSON_ID}"
        return self.run(
            *("runuser", "-u", PERSON, "--", "env", f"HOME=/home/{PERSON}", f"XDG_RUNTIME_DIR={runtime}"),
            *command,
            check=check,
        )

    def write(self, inside: str, text: str) -> None:
        """Write a file inside."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def write_command(self, name: str, text: str) -> None:
        """Write a script inside that is found by its name."""
        place = f"/usr/local/sbin/{name}"
        self.write(place, text)
        self.path(place).chmod(0o755)

    def journal(self, *match: str) -> list[dict[str, Any]]:
        """Entries of the journal, the oldest first."""
        lines = self.run("journalctl", "--output=json", "--all", "--no-pager", *match).stdout.splitlines()
        return [json.loads(line) for line in lines]


class Service:
    """The daemon as a unit of a sandbox.

    Parameters
    ----------
    systemctl : callable
        Runs ``systemctl`` with these arguments.
    sandbox : Sandbox
    match : str
        Selects its entries in the journal.
    """

    def __init__(
        self, sandbox: Sandbox, systemctl: Callable[..., subprocess.CompletedProcess[str]], *, match: str
    ) -> None:
        self.systemctl = systemctl
        self._sandbox = sandbox
        self._match = match

    def show(self, name: str) -> str:
        """A property of the unit."""
        return self.systemctl("show", "--value", f"--property={name}", "mosaicd.service").stdout.strip()

    def status(self) -> str:
        """What ``systemctl status`` shows of the unit."""
        return self.systemctl("status", "--no-pager", "--full", "mosaicd").stdout

    @property
    def main_process(self) -> int:
        """The daemon's process, as seen inside; 0 if it does not run."""
        return int(self.show("MainPID"))

    def entries(self) -> list[dict[str, Any]]:
        """What the daemon itself has written to the journal, the oldest first."""
        return self._sandbox.journal("_TRANSPORT=stdout", self._match)

    def events(self, name: str, **facts: object) -> list[dict[str, Any]]:
        """Log events of this name and with these facts, each with its ``PRIORITY``."""
        found = []
        for entry in self.entries():
            try:
                event = json.loads(entry["MESSAGE"])
            except ValueError:
                continue
            if event["event"] == name and facts.items() <= event.items():
                found.append({**event, "PRIORITY": entry["PRIORITY"]})
        return found

    def wait_for(self, condition: Callable[[], Any], what: str, *, seconds: float = 240.0) -> None:
        """Wait until the condition holds; fail with the end of the journal if it does not in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                last = "\n".join(str(entry.get("MESSAGE")) for entry in self._sandbox.journal()[-30:])
                pytest.fail(f"not within {seconds:g} seconds: {what}\n{last}")
            time.sleep(_POLL_SECONDS)


@contextmanager
def booted(folder: Path) -> Iterator[Sandbox]:
    """Boot systemd with the program and the units, as installed by hand; otherwise as `booted_bare`."""
    packages = Path(sysconfig.get_path("purelib"))
    program: list[Mount] = [
        (_program(folder / "program"), "/opt/mosaicd", "ro"),
        (packages, "/opt/mosaicd/packages", "ro"),
    ]
    with booted_bare(folder, program) as sandbox:
        _install_units(sandbox)
        yield sandbox


@contextmanager
def booted_bare(folder: Path, besides: Sequence[Mount] = ()) -> Iterator[Sandbox]:
    """Boot systemd, with a person, and neither program nor unit; skip the test, with the reason, where that fails.

    Parameters
    ----------
    folder : Path
        For what the sandbox needs; `FILM` and `PHOTO` are in the share.
    besides : sequence of Mount
        What else is seen inside.
    """
    reason = _obstacle()
    if reason is not None:
        pytest.skip(f"no throw-away systemd: {reason}")
    share = folder / "share"
    share.mkdir()
    share.chmod(0o755)
    encode(share / FILM, pan("astronaut", 40), rate=1)
    Image.fromarray(photo("chelsea")).save(share / PHOTO)
    mounts: list[Mount] = [
        (share, _SHARE, "rw"),
        (Path(sys.base_prefix), _INTERPRETER, "ro"),
        *besides,
    ]
    cgroup = _cgroup_root() / f"mosaicd-test-{os.getpid()}-{folder.name}"
    log = folder / "boot.log"
    arguments = [str(part) for mount in mounts for part in mount]
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", str(_BOOT_SCRIPT), str(cgroup), *arguments],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        leader = _leader(process)
        if leader is None:
            said = log.read_text(errors="replace").strip() or f"not up after {_BOOT_SECONDS:g} seconds"
            pytest.skip(f"no throw-away systemd: it does not start here: {said}")
        sandbox = Sandbox(leader, share)
        _make_livable(sandbox)
        yield sandbox
    finally:
        _end(process)
        _remove_cgroup(cgroup)


def log_person_in(sandbox: Sandbox) -> None:
    """Start the person's own systemd."""
    sandbox.write("/etc/systemd/system/user@.service", _USER_MANAGER)
    sandbox.run("systemctl", "daemon-reload")
    sandbox.run("systemctl", "start", f"user@{PERSON_ID}.service")


def user_service(sandbox: Sandbox) -> Service:
    """The person's own service."""
    return Service(
        sandbox,
        lambda *words: sandbox.run_as_person("systemctl", "--user", *words, check=False),
        match="_SYSTEMD_USER_UNIT=mosaicd.service",
    )


def _obstacle() -> str | None:
    if os.geteuid() != 0:
        return "it takes root"
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    if not _SYSTEMD.exists():
        return f"there is no {_SYSTEMD}"
    if not (_cgroup_root() / "cgroup.procs").exists():
        return "there is no cgroup v2 hierarchy"
    if not os.access(_cgroup_root(), os.W_OK) or os.statvfs(_cgroup_root()).f_flag & os.ST_RDONLY:
        return "the cgroup v2 hierarchy cannot be written"
    return None


@functools.cache
def _cgroup_root() -> Path:
    hybrid = Path("/sys/fs/cgroup/unified")
    return hybrid if hybrid.is_dir() else Path("/sys/fs/cgroup")


def _program(folder: Path) -> Path:
    """A virtual environment with the program, made for its place in the sandbox: nothing in it lies in a home."""
    packages = folder / "lib" / Path(PYTHON).name / "site-packages"
    for each in (folder / "bin", folder / "packages", packages):
        each.mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text(f"home = {_INTERPRETER}/bin\n")
    (folder / "bin" / "python").symlink_to(PYTHON)
    script = folder / "bin" / "mosaicd"
    script.write_text(_SCRIPT)
    script.chmod(0o755)
    (packages / "dependencies.pth").write_text("/opt/mosaicd/packages\n")
    shutil.copytree(Path(mosaicd.__file__).parent, packages / "mosaicd")
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o644))
    return folder


def _leader(process: subprocess.Popen[bytes]) -> int | None:
    """The process that is systemd, once it runs; None if it does not."""
    deadline = time.monotonic() + _BOOT_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        for child in _children(process.pid):
            is_up = child.name() == "systemd" and Sandbox(child.pid, Path()).run(
                "systemctl", "is-system-running", check=False
            )
            if is_up and is_up.returncode == 0:
                return int(child.pid)
        time.sleep(_POLL_SECONDS)
    return None


def _children(process: int) -> Sequence[psutil.Process]:
    try:
        children: list[psutil.Process] = psutil.Process(process).children()
    except psutil.Error:
        return []
    return children


def _make_livable(sandbox: Sandbox) -> None:
    """Let Python find its libraries, and let there be sudo, and an ordinary user with a home."""
    sandbox.write("/etc/ld.so.conf.d/interpreter.conf", f"{_INTERPRETER}/lib\n")
    sandbox.run("ldconfig")
    sandbox.write_command("sudo", _SUDO)
    sandbox.write("/etc/sysusers.d/person.conf", f"u {PERSON} {PERSON_ID} - /home/{PERSON} /bin/sh\n")
    sandbox.run("systemd-sysusers", "/etc/sysusers.d/person.conf")
    sandbox.run("install", "-d", "-o", PERSON, "-g", PERSON, f"/home/{PERSON}", f"/run/user/{PERSON_ID}")


def _install_units(sandbox: Sandbox) -> None:
    """Install the units, their user and their folders, which the person syncs."""
    for source, target in (
        ("mosaicd.service", "/etc/systemd/system/mosaicd.service"),
        ("user/mosaicd.service", "/etc/systemd/user/mosaicd.service"),
        ("sysusers.d/mosaicd.conf", "/etc/sysusers.d/mosaicd.conf"),
        ("tmpfiles.d/mosaicd.conf", "/etc/tmpfiles.d/mosaicd.conf"),
    ):
        sandbox.write(target, (UNITS / source).read_text("utf-8"))
    sandbox.write(
        "/etc/systemd/system/mosaicd.service.d/interpreter.conf", f"[Service]\nExecPaths={_INTERPRETER}\n"
    )
    sandbox.run("systemd-sysusers", "/etc/sysusers.d/mosaicd.conf")
    sandbox.run("usermod", "--append", "--groups", "mosaicd", PERSON)
    sandbox.run("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/mosaicd.conf")
    sandbox.run("systemctl", "daemon-reload")


def _end(process: subprocess.Popen[bytes]) -> None:
    processes = _children(process.pid)
    process.kill()  # takes systemd along, and systemd everything inside
    process.wait()
    psutil.wait_procs(processes, timeout=10)


def _remove_cgroup(cgroup: Path) -> None:
    deadline = time.monotonic() + 10
    while cgroup.exists():
        for folder, _, _ in os.walk(cgroup, topdown=False):
            try:
                Path(folder).rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    raise
        time.sleep(_POLL_SECONDS)
