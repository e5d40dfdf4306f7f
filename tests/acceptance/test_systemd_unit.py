"""The system unit, in a real systemd: from start to the journal, and what it does when things go wrong."""

import json
import re
import shutil
from collections.abc import Iterator

import pytest

from tests.acceptance.system_service import (
    CONFIG,
    ROOT,
    UNIT,
    drop,
    fill_library,
    mosaic,
    size,
    start,
    system_unit,
)
from tests.acceptance.systemd_sandbox import (
    FILM,
    INSTALLED,
    MOSAIC_SIZE,
    PERSON,
    PHOTO,
    SETTINGS,
    Sandbox,
    Service,
    booted,
)
from tests.readme import block, log_recipes


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with booted(tmp_path_factory.mktemp("system")) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def unit(sandbox: Sandbox) -> Service:
    return system_unit(sandbox)


@pytest.fixture
def service(sandbox: Sandbox, unit: Service) -> Service:
    """The unit, started, with the usual settings."""
    start(sandbox, unit)
    return unit


@pytest.fixture
def library(sandbox: Sandbox, service: Service) -> None:
    """The default library has the tiles of a film."""
    fill_library(sandbox, service)


def test_unit_is_verified_without_complaint(sandbox: Sandbox) -> None:
    done = sandbox.run("systemd-analyze", "verify", UNIT)
    assert (done.stdout, done.stderr) == ("", "")


def test_unit_is_exposed_by_at_most_one_in_ten(sandbox: Sandbox) -> None:
    report = sandbox.run("systemd-analyze", "security", "--offline=true", "--no-pager", UNIT).stdout
    score = re.search(r"Overall exposure level for mosaicd\.service: ([0-9.]+)", report)
    assert score is not None, report
    print(score[0])
    assert float(score[1]) <= 1.0


def test_start_returns_when_the_daemon_is_ready(service: Service) -> None:
    assert service.show("ActiveState") == "active"
    assert service.show("StatusText").startswith("waiting for files")
    assert service.events("daemon_ready", inbox=f"{ROOT}/inbox")


def test_daemon_runs_as_its_user_without_privileges(sandbox: Sandbox, service: Service) -> None:
    status = sandbox.path(f"/proc/{service.main_process}/status").read_text()
    facts = dict(line.split(":\t", 1) for line in status.splitlines())
    user = sandbox.run("id", "--user", "mosaicd").stdout.strip()
    assert set(facts["Uid"].split()) == {user}
    assert int(facts["CapEff"], 16) == int(facts["CapBnd"], 16) == 0
    assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")


@pytest.mark.usefixtures("library")
def test_photo_dropped_by_a_group_member_becomes_a_mosaic_that_the_member_manages(
    sandbox: Sandbox, service: Service
) -> None:
    drop(sandbox, PHOTO)
    service.wait_for(lambda: service.events("mosaic_published", file=PHOTO), "the mosaic is published")
    assert size(mosaic(sandbox, "cat")) == MOSAIC_SIZE
    inside = f"{ROOT}/outbox/cat.mosaic.jpg"
    assert sandbox.run("stat", "--format=%U %G %a", inside).stdout.split() == ["mosaicd", "mosaicd", "660"]
    for original in (FILM, PHOTO):
        assert (
            sandbox.path(f"{ROOT}/archive/{original}").read_bytes() == (sandbox.share / original).read_bytes()
        )
        assert not sandbox.path(f"{ROOT}/inbox/{original}").exists()
    sandbox.run_as_person("mv", inside, f"{ROOT}/outbox/mine.jpg")
    sandbox.run_as_person("rm", f"{ROOT}/archive/cat.jpg")


def test_file_in_a_folder_made_by_a_group_member_is_archived(sandbox: Sandbox, service: Service) -> None:
    drop(sandbox, PHOTO, "family/tiles/face.jpg")
    archived = f"{ROOT}/archive/family/tiles/face.jpg"
    service.wait_for(sandbox.path(archived).exists, "the photo is archived")
    assert not sandbox.path(f"{ROOT}/inbox/family/tiles/face.jpg").exists()
    assert sandbox.run("stat", "--format=%U %G", archived).stdout.split() == [PERSON, "mosaicd"]
    sandbox.run_as_person("rm", "-r", f"{ROOT}/archive/family", f"{ROOT}/inbox/family")


@pytest.mark.usefixtures("library")
def test_journal_holds_events_as_json_with_their_priorities(sandbox: Sandbox, service: Service) -> None:
    (sandbox.share / "broken.jpg").write_bytes((sandbox.share / PHOTO).read_bytes()[:5000])
    drop(sandbox, "broken.jpg")
    service.wait_for(lambda: service.events("job_rejected", file="broken.jpg"), "the half photo is rejected")
    (rejected,) = service.events("job_rejected", file="broken.jpg")
    assert (rejected["level"], rejected["PRIORITY"]) == ("warning", "4")
    ready = service.events("daemon_ready")[-1]
    assert (ready["level"], ready["PRIORITY"]) == ("info", "6")
    reason = f"{ROOT}/rejected/broken.jpg.reason.txt"
    assert sandbox.run_as_person("cat", reason).stdout.splitlines()[0] == rejected["why"]


@pytest.mark.usefixtures("library")
@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_recipes_for_the_log_read_the_journal(sandbox: Sandbox, service: Service) -> None:
    (sandbox.share / "torn.jpg").write_bytes((sandbox.share / PHOTO).read_bytes()[:4000])
    drop(sandbox, "torn.jpg")
    service.wait_for(lambda: service.events("job_rejected", file="torn.jpg"), "the torn photo is rejected")
    definition, recipes = log_recipes()
    (recipe,) = [recipe for recipe in recipes if "job_rejected" in recipe]
    of_system = definition.replace("--user ", "")
    shown = sandbox.run("bash", "-c", f"set -o pipefail; {of_system}\n{recipe}").stdout
    assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  torn\.jpg: .{10,}$", shown, re.MULTILINE)


def test_status_is_read_while_the_unit_runs(sandbox: Sandbox, service: Service) -> None:
    places = {"MOSAICD_ROOT": ROOT, "STATE_DIRECTORY": "/var/lib/mosaicd"}
    shown = sandbox.run("runuser", "-u", "mosaicd", "--", INSTALLED, "status", "--json", environment=places)
    assert json.loads(shown.stdout)["daemon_runs"]


@pytest.mark.usefixtures("service")
def test_service_is_asked_as_readme_has_it(sandbox: Sandbox) -> None:
    shown = sandbox.run("sh", "-ec", block("alias mosaicd-service="))
    assert "daemon: running" in shown.stdout


def test_stop_of_a_daemon_at_rest_says_nothing_alarming(sandbox: Sandbox, service: Service) -> None:
    service.systemctl("restart", "mosaicd")
    invocation = f"_SYSTEMD_INVOCATION_ID={service.show('InvocationID')}"
    service.systemctl("stop", "mosaicd")
    said = sandbox.journal("_TRANSPORT=stdout", invocation)
    assert [json.loads(entry["MESSAGE"])["event"] for entry in said] == ["daemon_ready", "daemon_stopped"]


@pytest.mark.usefixtures("library")
def test_reload_applies_changed_settings(sandbox: Sandbox, service: Service) -> None:
    process = service.main_process
    sandbox.write(CONFIG, SETTINGS.replace("tile_edge_pixels = 8", "tile_edge_pixels = 10"))
    assert service.systemctl("reload", "mosaicd").returncode == 0
    service.wait_for(lambda: service.events("settings_reloaded"), "the settings are reloaded")
    drop(sandbox, PHOTO, "finer.jpg")
    service.wait_for(mosaic(sandbox, "finer").exists, "a mosaic with the new settings")
    assert size(mosaic(sandbox, "finer")) == (24 * 10, 16 * 10)
    assert service.main_process == process


def test_reload_of_broken_settings_leaves_the_daemon_at_work(sandbox: Sandbox, service: Service) -> None:
    process = service.main_process
    sandbox.write(CONFIG, 'cells_on_long_side = "many"\n')
    assert service.systemctl("reload", "mosaicd").returncode == 0, "the daemon is there, and says more"
    service.wait_for(lambda: service.events("settings_refused"), "the settings are refused")
    (refused,) = service.events("settings_refused")
    assert refused["PRIORITY"] == "3"
    assert "cells_on_long_side" in refused["why"]
    assert CONFIG in refused["why"]
    service.wait_for(lambda: service.show("ActiveState") == "active", "the reload is over")
    assert service.main_process == process


def test_daemon_with_broken_settings_is_not_started_again(sandbox: Sandbox, unit: Service) -> None:
    unit.systemctl("stop", "mosaicd")
    sandbox.write(CONFIG, "cells_on_log_side = 81\n")
    assert unit.systemctl("start", "mosaicd").returncode != 0
    assert (unit.show("ActiveState"), unit.show("ExecMainStatus"), unit.show("NRestarts")) == (
        "failed",
        "2",
        "0",
    )
    sentence = f"mosaicd: there is no setting cells_on_log_side (set in {CONFIG})"
    unit.wait_for(lambda: sentence in unit.status(), "the status says what is wrong")
    unit.systemctl("reset-failed", "mosaicd")


def test_ordinary_user_cannot_look_in(sandbox: Sandbox) -> None:
    for folder in (ROOT, "/var/lib/mosaicd"):
        assert sandbox.run("runuser", "-u", "nobody", "--", "ls", folder, check=False).returncode != 0
    assert PERSON in sandbox.run("getent", "group", "mosaicd").stdout
