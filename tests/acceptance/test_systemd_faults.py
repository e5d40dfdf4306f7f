"""The system unit when things go wrong, in a real systemd: what comes of it, and what an operator reads of it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.acceptance.system_service import (
    CONFIG,
    ROOT,
    STATE,
    UNIT,
    drop,
    fill_library,
    journal,
    mosaic,
    start,
    system_unit,
    worker,
)
from tests.acceptance.systemd_sandbox import PHOTO, SETTINGS, Sandbox, Service, booted
from tests.films import encode, pan

FILM_SECONDS = 1500
# Mosaics that take a moment, so that there is time to kill over them; and a hung worker is not waited for for long.
SLOW = SETTINGS.replace("tile_edge_pixels = 8", "tile_edge_pixels = 200") + (
    "stall_limit_seconds = 5\nattempts_limit = 9\n"
)
DROP_IN = f"{UNIT}.d/test.conf"
WORKS = {"mosaicd-splice": "splicing ", "mosaicd-mosaic": "making a mosaic of "}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with booted(tmp_path_factory.mktemp("faults")) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def unit(sandbox: Sandbox) -> Service:
    return system_unit(sandbox)


@pytest.fixture
def service(sandbox: Sandbox, unit: Service) -> Service:
    """The unit at work, with a library."""
    start(sandbox, unit, settings=SLOW)
    fill_library(sandbox, unit)
    return unit


@pytest.fixture
def stopped(unit: Service) -> Iterator[Service]:
    """The unit, stopped, and free of what a failed start has left."""
    unit.systemctl("stop", "mosaicd")
    yield unit
    unit.systemctl("stop", "mosaicd")
    unit.systemctl("reset-failed", "mosaicd")


def drop_film(sandbox: Sandbox, name: str) -> None:
    """Drop a film that takes a while; each is another one."""
    pictures = ("coffee", "chelsea", "rocket", "astronaut")
    picture = pictures[len(list(sandbox.share.glob("*.mp4"))) % len(pictures)]
    encode(sandbox.share / name, pan(picture, FILM_SECONDS), rate=1)
    drop(sandbox, name)


def worker_at_work(sandbox: Sandbox, service: Service, name: str) -> psutil.Process:
    """A worker in the middle of its job."""

    def is_in_the_middle() -> bool:
        status = service.show("StatusText")
        return WORKS[name] in status and "(0%)" not in status and worker(sandbox, name) is not None

    service.wait_for(is_in_the_middle, f"{name} is at work")
    found = worker(sandbox, name)
    assert found is not None
    return found


def events_of(service: Service, file: str) -> list[str]:
    """What the log tells of a file, in order, and of workers that died over it."""
    found = [json.loads(entry["MESSAGE"]) for entry in service.entries() if entry["MESSAGE"].startswith("{")]
    jobs = {event["job"] for event in found if event.get("file") == file}
    return [event["event"] for event in found if event.get("job") in jobs and event["event"] != "job_waiting"]


def kept(service: Service, file: str) -> dict[str, Any]:
    """What the log says of a film in the end."""
    service.wait_for(lambda: service.events("source_spliced", file=file), f"{file} is spliced after all")
    (spliced,) = service.events("source_spliced", file=file)
    return spliced


def test_daemon_killed_in_the_middle_of_a_film_is_started_again_and_goes_on(
    sandbox: Sandbox, service: Service
) -> None:
    process = service.main_process
    drop_film(sandbox, "daemon.mp4")
    worker_at_work(sandbox, service, "mosaicd-splice")
    sandbox.run("kill", "-KILL", str(process))
    assert kept(service, "daemon.mp4")["sampled_frames"] == FILM_SECONDS
    assert service.main_process not in {0, process}
    assert events_of(service, "daemon.mp4") == [
        "job_admitted", "job_started", "job_recovered", "job_started", "source_spliced"
    ]  # fmt: skip
    assert {event["attempt"] for event in service.events("job_started", file="daemon.mp4")} == {1}
    said = journal(sandbox)
    assert "mosaicd.service: Main process exited, code=killed, status=9/KILL" in said
    assert "mosaicd.service: Scheduled restart job, restart counter is at 1." in said
    assert sandbox.path(f"{ROOT}/archive/daemon.mp4").exists()


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("KILL", "the worker process was killed, as happens when the machine runs out of memory"),
        ("STOP", "no progress in 5 s (setting stall_limit_seconds)"),
    ],
)
def test_splice_worker_that_dies_or_hangs_costs_an_attempt_and_nothing_else(
    sandbox: Sandbox, service: Service, number: str, why: str
) -> None:
    process, film = service.main_process, f"{number}.mp4"
    drop_film(sandbox, film)
    victim = worker_at_work(sandbox, service, "mosaicd-splice")
    (victim.kill if number == "KILL" else victim.suspend)()
    assert kept(service, film)["sampled_frames"] == FILM_SECONDS
    assert events_of(service, film) == [
        "job_admitted", "job_started", "worker_died", "job_started", "source_spliced"
    ]  # fmt: skip
    (died,) = service.events("worker_died", why=why, worker="splice")
    assert died["PRIORITY"] == "3"
    assert service.main_process == process
    assert not victim.is_running()


def test_mosaic_worker_that_is_killed_costs_an_attempt_and_one_mosaic_is_published(
    sandbox: Sandbox, service: Service
) -> None:
    process = service.main_process
    drop(sandbox, PHOTO, "killed.jpg")
    worker_at_work(sandbox, service, "mosaicd-mosaic").kill()
    service.wait_for(lambda: service.events("mosaic_published", file="killed.jpg"), "there is a mosaic")
    assert events_of(service, "killed.jpg") == [
        "job_admitted", "job_started", "worker_died", "job_started", "mosaic_published"
    ]  # fmt: skip
    assert service.events("worker_died", worker="mosaic")[-1]["PRIORITY"] == "3"
    assert service.main_process == process
    assert mosaic(sandbox, "killed").exists()
    assert not mosaic(sandbox, "killed (2)").exists()


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
