"""Both units when processes are killed, hang or are stopped in the middle of their work, in a real systemd."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.acceptance import system_service, user_service
from tests.acceptance.systemd_sandbox import FILM, PHOTO, PYTHON, SETTINGS, Sandbox, Service, booted
from tests.films import encode, pan

FILM_SECONDS = 1500
# Mosaics that take a moment, so that there is time to kill over them.
SLOW = SETTINGS.replace("tile_edge_pixels = 8", "tile_edge_pixels = 200") + "attempts_limit = 9\n"
BEGUN = {
    "mosaicd-splice": "SELECT 1 FROM source WHERE next_sample > 0 AND completed_at IS NULL",
    "mosaicd-mosaic": "SELECT 1 FROM mosaic WHERE published_at IS NULL",
}
"""What the database says while a worker is in the middle of a job."""
LOOK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
*before, question = sys.argv[2].split(";")
for statement in before:
    connection.execute(statement)
sys.exit(connection.execute(question).fetchone() is None)
"""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A unit in a systemd of its own, with its folders as seen inside.

    Attributes
    ----------
    messages : tuple of str
        Selects the journal's entries about the unit, systemd's as well as the daemon's.
    """

    sandbox: Sandbox
    service: Service
    root: str
    config: str
    unit: str
    messages: tuple[str, ...]

    def drop(self, source: str, target: str) -> None:
        """Copy a file into the inbox, as the person's sync tool does."""
        copy = ("cp", f"{self.sandbox.share_inside}/{source}", f"{self.root}/inbox/{target}")
        self.sandbox.run_as_person(*copy)

    def drop_film(self, name: str) -> None:
        """Drop a film that takes a while; each is another one."""
        pictures = ("coffee", "chelsea", "rocket", "astronaut")
        picture = pictures[len(list(self.sandbox.share.glob("*.mp4"))) % len(pictures)]
        encode(self.sandbox.share / name, pan(picture, FILM_SECONDS), rate=1)
        self.drop(name, name)

    def path(self, inside: str) -> Path:
        """Where a path below the unit's root is found from here."""
        return self.sandbox.path(f"{self.root}/{inside}")

    def worker(self, name: str) -> psutil.Process | None:
        """A worker of the daemon by the name that it shows, as seen from here; None if it does not run."""
        for number in self.processes():
            try:
                process = psutil.Process(number)
                if process.name() == name:
                    return process
            except psutil.NoSuchProcess:
                continue
        return None

    def processes(self) -> list[int]:
        """All processes of the running unit, as seen from here."""
        group = self.sandbox.path(f"/sys/fs/cgroup{self.service.show('ControlGroup')}")
        return [int(number) for number in (group / "cgroup.procs").read_text().split()]

    def frozen_worker(self, name: str) -> psutil.Process:
        """A worker in the middle of its job, stopped between two of its commits."""
        held: list[psutil.Process] = []

        def is_held() -> bool:
            if self.look(BEGUN[name]) and (worker := self.worker(name)) is not None:
                worker.suspend()
                if self.look(f"BEGIN IMMEDIATE; {BEGUN[name]}"):
                    held.append(worker)
                else:
                    worker.resume()
            return bool(held)

        self.service.wait_for(is_held, f"{name} is held in the middle of its work")
        assert held[0].status() == psutil.STATUS_STOPPED
        return held[0]

    def look(self, statements: str) -> bool:
        """Whether the database answers with anything; not where a transaction is wanted and another one is open."""
        database = self.service.events("daemon_ready")[-1]["database"]
        return self.sandbox.run(PYTHON, "-c", LOOK, database, statements, check=False).returncode == 0

    def wait_for_stalled_no_longer_than(self, seconds: int) -> None:
        """Only for as long as a worker hangs, a short time: another one may take longer to begin."""
        before = len(self.service.events("settings_reloaded"))
        self.sandbox.write(self.config, f"{SLOW}stall_limit_seconds = {seconds}\n")
        assert self.service.systemctl("reload", "mosaicd").returncode == 0
        self.service.wait_for(
            lambda: len(self.service.events("settings_reloaded")) > before, "the settings are reloaded"
        )

    def events_of(self, file: str) -> list[str]:
        """What the log tells of a file, in order, and of workers that died over it."""
        lines = [entry["MESSAGE"] for entry in self.service.entries()]
        found = [json.loads(line) for line in lines if line.startswith("{")]
        jobs = {event["job"] for event in found if event.get("file") == file}
        told = [event["event"] for event in found if event.get("job") in jobs]
        return [event for event in told if event != "job_waiting"]

    def spliced(self, file: str) -> dict[str, Any]:
        """What the log says of a film in the end."""
        self.service.wait_for(
            lambda: self.service.events("source_spliced", file=file), f"{file} is spliced after all"
        )
        (spliced,) = self.service.events("source_spliced", file=file)
        return spliced

    def said(self) -> list[str]:
        """What the journal says of the unit, a line each."""
        command = ("journalctl", "--output=cat", "--no-pager", *self.messages)
        return self.sandbox.run(*command).stdout.splitlines()


@pytest.fixture(scope="module", params=["system", "user"])
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with booted(tmp_path_factory.mktemp(request.param)) as sandbox:
        if request.param == "system":
            yield Place(
                sandbox=sandbox,
                service=system_service.system_unit(sandbox),
                root=system_service.ROOT,
                config=system_service.CONFIG,
                unit=system_service.UNIT,
                messages=(system_service.UNIT_MATCH,),
            )
        else:
            yield Place(
                sandbox=sandbox,
                service=user_service.user_unit(sandbox),
                root=user_service.ROOT,
                config=user_service.CONFIG,
                unit=user_service.UNIT,
                messages=("USER_UNIT=mosaicd.service", "+", "_SYSTEMD_USER_UNIT=mosaicd.service"),
            )


@pytest.fixture
def place(installed: Place) -> Place:
    """The unit at work, with a library."""
    service = installed.service
    if not service.events("daemon_ready"):
        installed.sandbox.write(installed.config, SLOW)
    started = service.systemctl("start", "mosaicd")
    assert started.returncode == 0, started.stderr
    if not service.events("source_spliced", file=FILM):
        installed.drop(FILM, FILM)
        service.wait_for(lambda: service.events("source_spliced", file=FILM), "the film is spliced")
    return installed


def test_daemon_killed_in_the_middle_of_a_film_is_started_again_and_goes_on(place: Place) -> None:
    service, process = place.service, place.service.main_process
    place.drop_film("daemon.mp4")
    place.frozen_worker("mosaicd-splice")
    place.sandbox.run("kill", "-KILL", str(process))
    assert place.spliced("daemon.mp4")["sampled_frames"] == FILM_SECONDS
    assert service.main_process not in {0, process}
    assert place.events_of("daemon.mp4") == [
        "job_admitted", "job_started", "job_recovered", "job_started", "source_spliced"
    ]  # fmt: skip
    assert {event["attempt"] for event in service.events("job_started", file="daemon.mp4")} == {1}
    said = place.said()
    assert "mosaicd.service: Main process exited, code=killed, status=9/KILL" in said
    assert "mosaicd.service: Scheduled restart job, restart counter is at 1." in said
    assert place.path("archive/daemon.mp4").exists()


def test_splice_worker_that_is_killed_costs_an_attempt_and_nothing_else(place: Place) -> None:
    process = place.service.main_process
    place.drop_film("killed.mp4")
    place.frozen_worker("mosaicd-splice").kill()
    assert place.spliced("killed.mp4")["sampled_frames"] == FILM_SECONDS
    assert place.events_of("killed.mp4") == [
        "job_admitted", "job_started", "worker_died", "job_started", "source_spliced"
    ]  # fmt: skip
    why = "the worker process was killed, as happens when the machine runs out of memory"
    (died,) = place.service.events("worker_died", why=why, worker="splice")
    assert died["PRIORITY"] == "3"
    assert place.service.main_process == process


def test_splice_worker_that_hangs_is_ended_and_its_film_goes_on(place: Place) -> None:
    process, service = place.service.main_process, place.service
    place.drop_film("hung.mp4")
    victim = place.frozen_worker("mosaicd-splice")
    place.wait_for_stalled_no_longer_than(2)
    why = "no progress in 2 s (setting stall_limit_seconds)"
    service.wait_for(lambda: service.events("worker_died", why=why), "the worker is ended")
    place.wait_for_stalled_no_longer_than(600)
    assert place.spliced("hung.mp4")["sampled_frames"] == FILM_SECONDS
    deaths = service.events("worker_died", why=why, worker="splice")
    assert {died["PRIORITY"] for died in deaths} == {"3"}
    # More than one only where two seconds are not enough for another worker to begin.
    again = ["worker_died", "job_started"] * len(deaths)
    assert place.events_of("hung.mp4") == ["job_admitted", "job_started", *again, "source_spliced"]
    assert service.main_process == process
    assert not victim.is_running()


def test_mosaic_worker_that_is_killed_costs_an_attempt_and_one_mosaic_is_published(place: Place) -> None:
    process, service = place.service.main_process, place.service
    place.drop(PHOTO, "killed.jpg")
    victim = place.frozen_worker("mosaicd-mosaic")
    assert not place.path("outbox/killed.mosaic.jpg").exists()
    victim.kill()
    service.wait_for(lambda: service.events("mosaic_published", file="killed.jpg"), "there is a mosaic")
    assert place.events_of("killed.jpg") == [
        "job_admitted", "job_started", "worker_died", "job_started", "mosaic_published"
    ]  # fmt: skip
    assert service.events("worker_died", worker="mosaic")[-1]["PRIORITY"] == "3"
    assert service.main_process == process
    assert place.path("outbox/killed.mosaic.jpg").exists()
    assert not place.path("outbox/killed (2).mosaic.jpg").exists()


def test_stop_in_the_middle_of_a_film_does_not_wait_for_it_and_loses_nothing(place: Place) -> None:
    service = place.service
    place.drop_film("stopped.mp4")
    place.frozen_worker("mosaicd-splice")
    stopped, processes = len(service.events("daemon_stopped")), place.processes()
    assert len(processes) > 1
    assert service.systemctl("stop", "mosaicd").returncode == 0
    # Within TimeoutStopSec, or the result would be "timeout"; and this worker would never end by itself.
    assert (service.show("Result"), service.show("ExecMainStatus")) == ("success", "0")
    assert not any(psutil.pid_exists(number) for number in processes)
    assert service.events("job_interrupted", file="stopped.mp4")
    assert len(service.events("daemon_stopped")) == stopped + 1
    service.systemctl("start", "mosaicd")
    assert place.spliced("stopped.mp4")["sampled_frames"] == FILM_SECONDS
    assert {event["attempt"] for event in service.events("job_started", file="stopped.mp4")} == {1}


@pytest.fixture
def impatient(place: Place) -> Iterator[Place]:
    """The unit, started, with a watchdog that does not wait for long."""
    drop_in = f"{place.unit}.d/watchdog.conf"
    place.sandbox.write(drop_in, "[Service]\nWatchdogSec=2s\n")
    place.service.systemctl("daemon-reload")
    place.service.systemctl("restart", "mosaicd")
    yield place
    place.sandbox.path(drop_in).unlink()
    place.service.systemctl("daemon-reload")
    place.service.systemctl("restart", "mosaicd")


def test_daemon_that_hangs_is_ended_by_the_watchdog_and_started_again(impatient: Place) -> None:
    service = impatient.service
    process, ready = service.main_process, len(service.events("daemon_ready"))
    impatient.sandbox.run("kill", "-STOP", str(process))
    service.wait_for(lambda: len(service.events("daemon_ready")) > ready, "the daemon is ready again")
    assert service.main_process != process
    assert any("Watchdog timeout" in line for line in impatient.said())
