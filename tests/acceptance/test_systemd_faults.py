"""The system unit when things go wrong, in a real systemd: what comes of it, and what an operator reads of it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.system_service import CONFIG, STATE, UNIT, journal, start, system_unit
from tests.acceptance.systemd_sandbox import SETTINGS, Sandbox, Service, booted

DROP_IN = f"{UNIT}.d/test.conf"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with booted(tmp_path_factory.mktemp("faults")) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def unit(sandbox: Sandbox) -> Service:
    return system_unit(sandbox)


@pytest.fixture
def stopped(sandbox: Sandbox, unit: Service) -> Iterator[Service]:
    """The unit, stopped after it has run, and free of what a failed start has left."""
    start(sandbox, unit)
    unit.systemctl("stop", "mosaicd")
    yield unit
    unit.systemctl("stop", "mosaicd")
    unit.systemctl("reset-failed", "mosaicd")


def test_damaged_database_is_said_in_the_status_and_not_started_with_again(
    sandbox: Sandbox, stopped: Service
) -> None:
    database = sandbox.path(f"{STATE}/mosaicd.sqlite3")
    aside = database.rename(database.with_name("aside"))
    database.write_bytes(b"no database at all" * 500)
    os.chown(database, aside.stat().st_uid, aside.stat().st_gid)
    try:
        assert stopped.systemctl("start", "mosaicd").returncode != 0
    finally:
        aside.replace(database)
    assert (stopped.show("Result"), stopped.show("ExecMainStatus"), stopped.show("NRestarts")) == (
        "exit-code", "5", "0"
    )  # fmt: skip
    sentence = f"the database {STATE}/mosaicd.sqlite3 cannot be used: file is not a database"
    stopped.wait_for(lambda: sentence in stopped.status(), "the status says what is wrong", seconds=60)
    assert stopped.events("daemon_failed")[-1]["PRIORITY"] == "2"


def test_daemon_that_fails_at_every_start_is_given_up(sandbox: Sandbox, stopped: Service) -> None:
    tries = int(stopped.show("StartLimitBurst"))
    assert 5 <= tries <= 30
    failing = "/opt/mosaicd/bin/python -c 'raise SystemExit(1)'"
    sandbox.write(DROP_IN, f"[Service]\nExecStart=\nExecStart={failing}\nRestartSec=10ms\n")
    try:
        stopped.systemctl("daemon-reload")
        stopped.systemctl("start", "mosaicd")
        stopped.wait_for(lambda: stopped.show("ActiveState") == "failed", "it is given up")
    finally:
        sandbox.path(DROP_IN).unlink()
        stopped.systemctl("daemon-reload")
    assert int(stopped.show("NRestarts")) == tries
    assert "mosaicd.service: Start request repeated too quickly." in journal(sandbox)
    stopped.systemctl("reset-failed", "mosaicd")
    assert stopped.systemctl("start", "mosaicd").returncode == 0, "repaired, it can be started"


def test_service_taken_over_can_do_its_work_and_nothing_else(sandbox: Sandbox, stopped: Service) -> None:
    probe = Path(__file__).with_name("hardening_probe.py")
    (sandbox.share / probe.name).write_text(probe.read_text("utf-8"), "utf-8")
    for secret in ("/tmp/secret", "/home/person/secret"):  # noqa: S108 - others' /tmp, which it must not see
        sandbox.write(secret, "")
    sandbox.write(CONFIG, SETTINGS)
    command = f"/opt/mosaicd/bin/python {sandbox.share_inside}/{probe.name}"
    sandbox.write(DROP_IN, f"[Service]\nType=oneshot\nRestart=no\nExecStart=\nExecStart={command}\n")
    try:
        stopped.systemctl("daemon-reload")
        assert stopped.systemctl("start", "mosaicd").returncode == 0, journal(sandbox)[-20:]
    finally:
        sandbox.path(DROP_IN).unlink()
        stopped.systemctl("daemon-reload")
    (outcomes,) = (json.loads(line) for line in journal(sandbox) if line.startswith('{"write to the outbox"'))
    assert outcomes == {
        "write to the outbox": "done",
        "write to the state folder": "done",
        "write to a /tmp of its own": "done",
        "open a UNIX socket": "done",
        "start a worker": "done",
        "write to /etc": "EROFS",
        "write to /usr": "EROFS",
        "write to /srv": "EROFS",
        "write to its own program": "EROFS",
        "write to its own settings": "EACCES",
        "write to a kernel setting": "EROFS",
        "write to a control group": "EROFS",
        "read a home folder": "EACCES",
        "read root's home folder": "EACCES",
        "read others' /tmp": "ENOENT",
        "see another's process": "ENOENT",
        "end another's process": "EPERM",
        "open an IPv4 socket": "EAFNOSUPPORT",
        "open an IPv6 socket": "EAFNOSUPPORT",
        "open a packet socket": "EAFNOSUPPORT",
        "open a netlink socket": "EAFNOSUPPORT",
        "start a shell": "EACCES",
        "start a program dropped into the inbox": "EACCES",
        "start a program from the state folder": "EACCES",
        "start a program from /tmp": "EACCES",
        "start a program from /var/tmp": "EACCES",
        "start a program from /dev/shm": "EACCES",
        "load code dropped into the inbox": "EPERM",
        "write code into memory": "EPERM",
        "make a program setuid": "EPERM",
        "trace a process": "EPERM",
        "become root": "EPERM",
        "make a namespace": "EPERM",
        "mount": "EPERM",
        "change the root folder": "EPERM",
        "make a device": "EPERM",
        "load a kernel module": "EPERM",
        "set the clock": "EPERM",
        "set the host's name": "EPERM",
        "read the kernel's log": "EPERM",
        "run in real time": "EPERM",
        "run as another architecture": "EPERM",
        "restart the machine": "EPERM",
    }
