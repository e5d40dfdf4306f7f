"""What somebody could do who has taken over the daemon: run as the service, it tries, and says what came of it.

One JSON object: for each attempt the name of the error, or "done".
"""

import ctypes
import errno
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_PTRACE_ATTACH, _CLONE_NEWUSER, _PERSONALITY_32_BIT = 16, 0x10000000, 0x0008
_SETUID_BIT = 0o4755
ROOT, STATE = Path("/srv/mosaicd"), Path("/var/lib/mosaicd")


def call(name: str, *arguments: object) -> None:
    """Call the C library; OSError if that fails."""
    if getattr(_LIBC, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def write_to(path: Path) -> None:
    """Make a file, or write into one, and remove it."""
    with path.open("a") as file:
        file.write("")
    path.unlink()


def open_socket(family: int, kind: int = socket.SOCK_DGRAM) -> None:
    """Open a socket."""
    socket.socket(family, kind).close()


def execute(program: Path) -> None:
    """Start a program."""
    subprocess.run([program, "-c", ""], check=True, stdin=subprocess.DEVNULL)


def execute_own(folder: Path) -> None:
    """Start a program that was put into a folder."""
    program = folder / "program"
    program.write_bytes(Path(os.path.realpath("/bin/sh")).read_bytes())
    program.chmod(0o755)
    try:
        execute(program)
    finally:
        program.unlink()


def map_own_code() -> None:
    """Load code from a file in the inbox."""
    with tempfile.TemporaryFile(dir=ROOT / "inbox") as file:
        file.write(bytes(mmap.PAGESIZE))
        file.flush()
        mmap.mmap(file.fileno(), mmap.PAGESIZE, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC).close()


def map_writable_code() -> None:
    """Make memory that can be written and executed."""
    protection = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, protection).close()


def set_setuid() -> None:
    """Make a program that runs as whoever owns it."""
    program = STATE / "program"
    program.touch()
    try:
        program.chmod(_SETUID_BIT)
    finally:
        program.unlink()


ATTEMPTS: dict[str, Callable[[], object]] = {
    # What the daemon does have to do.
    "write to the outbox": lambda: write_to(ROOT / "outbox" / "probe"),
    "write to the state folder": lambda: write_to(STATE / "probe"),
    "write to a /tmp of its own": lambda: write_to(Path("/tmp/probe")),  # noqa: S108 - it is
    "open a UNIX socket": lambda: open_socket(socket.AF_UNIX),
    "start a worker": lambda: execute(Path(sys.executable)),
    # What it has not.
    "write to /etc": lambda: write_to(Path("/etc/probe")),
    "write to /usr": lambda: write_to(Path("/usr/probe")),
    "write to /srv": lambda: write_to(Path("/srv/probe")),
    "write to its own program": lambda: write_to(Path("/opt/mosaicd/probe")),
    "write to its own settings": lambda: write_to(Path("/etc/mosaicd/mosaicd.toml")),
    "write to a kernel setting": lambda: Path("/proc/sys/kernel/core_pattern").write_text("core"),
    "write to a control group": lambda: Path("/sys/fs/cgroup/cgroup.procs").write_text("0"),
    "read a home folder": lambda: Path("/home/person/secret").read_text(),
    "read root's home folder": lambda: list(Path("/root").iterdir()),
    "read others' /tmp": lambda: Path("/tmp/secret").read_text(),  # noqa: S108
    "see another's process": lambda: Path("/proc/1/environ").read_bytes(),
    "end another's process": lambda: os.kill(1, signal.SIGTERM),
    "open an IPv4 socket": lambda: open_socket(socket.AF_INET),
    "open an IPv6 socket": lambda: open_socket(socket.AF_INET6),
    "open a packet socket": lambda: open_socket(socket.AF_PACKET),
    "open a netlink socket": lambda: open_socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "start a shell": lambda: execute(Path("/bin/sh")),
    "start a program dropped into the inbox": lambda: execute_own(ROOT / "inbox"),
    "start a program from the state folder": lambda: execute_own(STATE),
    "start a program from /tmp": lambda: execute_own(Path("/tmp")),  # noqa: S108
    "start a program from /var/tmp": lambda: execute_own(Path("/var/tmp")),  # noqa: S108
    "start a program from /dev/shm": lambda: execute_own(Path("/dev/shm")),  # noqa: S108
    "load code dropped into the inbox": map_own_code,
    "write code into memory": map_writable_code,
    "make a program setuid": set_setuid,
    "trace a process": lambda: call("ptrace", _PTRACE_ATTACH, os.getppid(), 0, 0),
    "become root": lambda: os.setuid(0),
    "make a namespace": lambda: call("unshare", _CLONE_NEWUSER),
    "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, 0),
    "change the root folder": lambda: os.chroot("/srv"),
    "make a device": lambda: os.mknod(STATE / "device", 0o20666, os.makedev(1, 1)),
    "load a kernel module": lambda: call("init_module", None, 0, b""),
    "set the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
    "set the host's name": lambda: socket.sethostname("probe"),
    "read the kernel's log": lambda: call("klogctl", 3, ctypes.create_string_buffer(64), 64),
    "run in real time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "run as another architecture": lambda: call("personality", _PERSONALITY_32_BIT),
    "restart the machine": lambda: call("reboot", 0),
}


def outcome(attempt: Callable[[], object]) -> str:
    """What comes of an attempt."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "done"


if __name__ == "__main__":
    print(json.dumps({name: outcome(attempt) for name, attempt in ATTEMPTS.items()}))
