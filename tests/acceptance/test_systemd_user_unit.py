"""The user unit, in a real systemd --user: from start to a mosaic and back to rest."""

import json
from collections.abc import Iterator

import pytest
from PIL import Image

from tests.acceptance.systemd_sandbox import (
    FILM,
    MOSAIC_SIZE,
    PERSON_ID,
    PHOTO,
    SETTINGS,
    Sandbox,
    Service,
    booted,
)
from tests.acceptance.user_service import CONFIG, HOME, PROGRAM, UNIT, user_unit
from tests.readme import block


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with booted(tmp_path_factory.mktemp("user")) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def unit(sandbox: Sandbox) -> Service:
    return user_unit(sandbox)


@pytest.fixture
def service(unit: Service) -> Service:
    """The unit, started."""
    started = unit.systemctl("start", "mosaicd")
    assert started.returncode == 0, started.stderr
    return unit


@pytest.mark.usefixtures("unit")
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


def test_backup_is_restored_as_readme_has_it(sandbox: Sandbox, service: Service) -> None:
    sandbox.run_as_person(PROGRAM, "backup", f"{HOME}/backup.sqlite3")
    before = json.loads(sandbox.run_as_person(PROGRAM, "status", "--json").stdout)
    with sandbox.path(f"{HOME}/.local/state/mosaicd/mosaicd.sqlite3").open("r+b") as database:
        database.write(b"no database any more")
    sandbox.run_as_person("sh", "-ec", block("systemctl --user stop mosaicd"))
    assert service.show("ActiveState") == "active"
    after = json.loads(sandbox.run_as_person(PROGRAM, "status", "--json").stdout)
    assert (after["daemon_runs"], after["libraries"]) == (True, before["libraries"])
    assert sandbox.path(f"{HOME}/.local/state/mosaicd/damaged/mosaicd.sqlite3").exists()


def test_stop_is_clean(sandbox: Sandbox, service: Service) -> None:
    assert service.systemctl("stop", "mosaicd").returncode == 0
    assert service.show("Result") == "success"
    assert service.show("ExecMainStatus") == "0"
    assert service.events("daemon_stopped")
