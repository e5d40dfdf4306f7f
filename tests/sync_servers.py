"""Servers that files are sent to: SSH, Samba and S3, each on loopback, with keys and settings of its own."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.daemon_process import wait_until

_SBIN = f"{os.environ['PATH']}:/usr/sbin"


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def program(name: str, package: str) -> str:
    """Where a program is; the test is skipped where it is not."""
    found = shutil.which(name, path=_SBIN)
    if found is None:
        pytest.skip(f"no {name} on this machine (Debian's package {package})")
    return found


@contextlib.contextmanager
def ssh_server(folder: Path) -> Iterator[Path]:
    """A host called ``server`` for `ssh` and `scp`; what the result holds, in front of PATH, lets them know it."""
    sshd, keygen = program("sshd", "openssh-server"), program("ssh-keygen", "openssh-client")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # what Debian's service makes for it
    folder.mkdir()
    for key in ("host", "user"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
    port = free_port()
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
        "PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nSubsystem sftp internal-sftp\n"
    )
    (folder / "ssh_config").write_text(
        f"Host server\nHostName 127.0.0.1\nPort {port}\nIdentityFile {folder}/user\nIdentitiesOnly yes\n"
        f"UserKnownHostsFile {folder}/known\nStrictHostKeyChecking accept-new\nLogLevel ERROR\n"
    )
    programs = folder / "bin"
    programs.mkdir()
    for name in ("ssh", "scp"):
        wrapper = programs / name
        wrapper.write_text(f'#!/bin/sh\nexec {program(name, "openssh-client")} -F {folder}/ssh_config "$@"\n')
        wrapper.chmod(0o755)
    with _serving([sshd, "-D", "-e", "-f", str(folder / "sshd_config")], folder / "log", port):
        yield programs


@contextlib.contextmanager
def samba_server(folder: Path, share: str) -> Iterator[list[str]]:
    """A Samba server with one share, of which `share` is the settings; what to tell smbclient besides."""
    smbd = program("smbd", "samba")
    program("smbclient", "smbclient")
    if os.geteuid() != 0:
        pytest.skip("Samba serves only as root")
    folder.mkdir()
    port = free_port()
    places = [
        f"{name} = {folder}"
        for name in (
            *("lock directory", "state directory", "cache directory", "private dir", "pid directory"),
            *("ncalrpc dir", "usershare path"),
        )
    ]
    settings = folder / "smb.conf"
    settings.write_text(
        "\n".join(
            [
                *("[global]", "interfaces = lo", "bind interfaces only = yes", f"smb ports = {port}"),
                *("server role = standalone server", "map to guest = Bad User", "disable spoolss = yes"),
                *("load printers = no", f"log file = {folder}/log", *places, share, "guest ok = yes\n"),
            ]
        )
    )
    command = [smbd, "--foreground", "--no-process-group", "-s", str(settings)]
    with _serving(command, folder / "output", port):
        yield [f"--port={port}", "--no-pass", f"--configfile={settings}"]


@contextlib.contextmanager
def s3_server(folder: Path) -> Iterator[dict[str, str]]:
    """An S3 server; the variables by which rclone knows it as ``s3``."""
    if find_spec("moto") is None or find_spec("flask_cors") is None:
        pytest.skip("moto's server is not installed (extra test)")
    folder.mkdir()
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _serving(command, folder / "log", port):
        yield {
            "RCLONE_CONFIG_S3_TYPE": "s3",
            "RCLONE_CONFIG_S3_PROVIDER": "Other",
            "RCLONE_CONFIG_S3_ENDPOINT": f"http://127.0.0.1:{port}",
            "RCLONE_CONFIG_S3_ACCESS_KEY_ID": "key",
            "RCLONE_CONFIG_S3_SECRET_ACCESS_KEY": "secret",
        }


@contextlib.contextmanager
def _serving(command: list[str], log_file: Path, port: int) -> Iterator[None]:
    with log_file.open("ab") as log:
        server = subprocess.Popen(  # Samba, when it ends, ends all that is in its session
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )

    def answers() -> bool:
        assert server.poll() is None, log_file.read_text()
        with socket.socket() as caller:
            return caller.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(answers, what=f"{command[0]} to answer")
        yield
    finally:
        server.terminate()
        server.wait()
