"""The user unit, in a real systemd --user: from start to a mosaic and back to rest."""

import json
from collections.abc import Iterator

import pytest
from PIL import Image

from tests.acceptance.systemd_sandbox import (
    FILM,
    INSTALLED,
    MOSAIC_SIZE,
    PERSON,
    PERSON_ID,
    PHOTO,
    SETTINGS,
    Sandbox,
    Service,
    booted,
    log_person_in,
    user_service,
)
from tests.films import encode, pan

HOME = f"/home/{PERSON}"
PROGRAM = f"{HOME}/.local/share/mosaicd/bin/mosaicd"
CONFIG = f"{HOME}/.config/mosaicd/mosaicd.toml"
UNIT = "/etc/systemd/user/mosaicd.service"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with booted(tmp_path_factory.mktemp("user")) as sandbox:
        sandbox.run_as_person("mkdir", "-p", f"{HOME}/.config/mosaicd", f"{HOME}/.local/share/mosaicd/bin")
        sandbox.run_as_person("ln", "-s", INSTALLED, PROGRAM)
        sandbox.write(CONFIG, SETTINGS)
        log_person_in(sandbox)
        yield sandbox


@pytest.fixture(scope="module")
def unit(sandbox: Sandbox) -> Service:
    return user_service(sandbox)


@pytest.fixture
def service(unit: Service) -> Service:
    """The unit, started."""
    started = unit.systemctl("start", "mosaicd")
    assert started.returncode == 0, started.stderr
    return unit


def test_user_unit_is_verified_without_complaint(sandbox: Sandbox) -> None:
    done = sandbox.run_as_person("systemd-analyze", "--user", "verify", UNIT)
    assert (done.stdout, done.stderr) == ("", "")


def test_start_returns_when_the_daemon_is_ready(service: Service) -> None:
    assert service.show("ActiveState") == "active"
    assert service.show("StatusText").startswith("waiting for files")
    assert service.events("daemon_ready", inbox=f"{HOME}/Mosaics/inbox")


def test_daemon_runs_as_the_person_under_the_filters(sandbox: Sandbox, service: Service) -> None:
    status = sandbox.path(f"/proc/{service.main_process}/status").read_text()
    facts = dict(line.split(":\t", 1) for line in status.splitlines())
    assert set(facts["Uid"].split()) == {str(PERSON_ID)}
    assert int(facts["CapEff"], 16) == 0
    assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")


def test_film_and_photo_dropped_together_become_a_mosaic(sandbox: Sandbox, service: Service) -> None:
    inbox = f"{HOME}/Mosaics/inbox"
    sandbox.run_as_person("cp", f"{sandbox.share_inside}/{PHOTO}", f"{sandbox.share_inside}/{FILM}", inbox)
    service.wait_for(lambda: service.events("mosaic_published", file=PHOTO), "the mosaic is published")
    with Image.open(sandbox.path(f"{HOME}/Mosaics/outbox/cat.mosaic.jpg")) as mosaic:
        assert mosaic.size == MOSAIC_SIZE
    for original in (FILM, PHOTO):
        archived = sandbox.path(f"{HOME}/Mosaics/archive/{original}")
        assert archived.read_bytes() == (sandbox.share / original).read_bytes()
    (published,) = service.events("mosaic_published", file=PHOTO)
    assert (published["level"], published["PRIORITY"]) == ("info", "6")


def test_status_in_the_persons_shell_is_that_of_the_unit(sandbox: Sandbox, service: Service) -> None:
    facts = json.loads(sandbox.run_as_person(PROGRAM, "status", "--json").stdout)
    assert facts["daemon_runs"]
    assert facts["database"] == f"{HOME}/.local/state/mosaicd/mosaicd.sqlite3"


def test_reload_applies_changed_settings(sandbox: Sandbox, service: Service) -> None:
    process = service.main_process
    sandbox.write(CONFIG, SETTINGS + 'log_level = "debug"\n')
    assert service.systemctl("reload", "mosaicd").returncode == 0
    service.wait_for(lambda: service.events("settings_reloaded"), "the settings are reloaded")
    assert service.main_process == process


def test_reload_of_broken_settings_leaves_the_daemon_at_work(sandbox: Sandbox, service: Service) -> None:
    process = service.main_process
    sandbox.write(CONFIG, 'cells_on_long_side = "many"\n')
    service.systemctl("reload", "mosaicd")
    service.wait_for(lambda: service.events("settings_refused"), "the settings are refused")
    sandbox.write(CONFIG, SETTINGS)
    (refused,) = service.events("settings_refused")
    assert (refused["PRIORITY"], CONFIG in refused["why"]) == ("3", True)
    service.wait_for(lambda: service.show("ActiveState") == "active", "the reload is over")
    assert service.main_process == process


def test_daemon_killed_in_the_middle_of_a_film_is_started_again_and_goes_on(
    sandbox: Sandbox, service: Service
) -> None:
    process = service.main_process
    encode(sandbox.share / "long.mp4", pan("coffee", 1000), rate=1)
    sandbox.run_as_person("cp", f"{sandbox.share_inside}/long.mp4", f"{HOME}/Mosaics/inbox")
    service.wait_for(lambda: service.events("job_started", file="long.mp4"), "the film is being spliced")
    sandbox.run("kill", "-KILL", str(process))
    service.wait_for(lambda: service.events("source_spliced", file="long.mp4"), "the film is spliced")
    assert service.events("job_recovered", file="long.mp4")
    assert service.main_process not in {0, process}
    assert service.show("NRestarts") == "1"


def test_stop_is_quick_and_clean(sandbox: Sandbox, service: Service) -> None:
    assert service.systemctl("stop", "mosaicd").returncode == 0
    assert service.show("Result") == "success"
    assert service.show("ExecMainStatus") == "0"
    took = int(service.show("InactiveEnterTimestampMonotonic")) - int(
        service.show("ActiveExitTimestampMonotonic")
    )
    assert took < 5e6
    assert service.events("daemon_stopped")
