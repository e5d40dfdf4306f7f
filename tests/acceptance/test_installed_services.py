"""`mosaicd install-service` in a real systemd: installed, at work, renewed, and taken away again."""

import json
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.system_service import CONFIG, ROOT, STATE, UNIT, drop, mosaic, size, system_unit
from tests.acceptance.systemd_sandbox import (
    FILM,
    INSTALLED,
    MOSAIC_SIZE,
    PERSON,
    PHOTO,
    PYTHON,
    SETTINGS,
    Sandbox,
    Service,
    booted_bare,
    log_person_in,
    user_service,
)
from tests.published import copy_published
from tests.readme import block

COMPANIONS = ("/etc/sysusers.d/mosaicd.conf", "/etc/tmpfiles.d/mosaicd.conf")
OTHER_ROOT = '/srv/our "films", 100% $HOME \\ more'
HOME = f"/home/{PERSON}"
OWN_PROGRAM = f"{HOME}/.local/share/mosaicd"
OWN_UNIT = f"{HOME}/.config/systemd/user/mosaicd.service"
# What pip would download, where the system service may load code from.
PACKAGES = "/usr/local/lib/packages"
# There is no network in there: whoever makes an environment finds in it what pip would download.
PYTHON3 = f"""\
#!/bin/sh
{PYTHON} "$@" || exit
[ "$1 $2" != "-m venv" ] || echo {PACKAGES} >"$3/lib/{Path(PYTHON).name}/site-packages/packages.pth"
"""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """With what README's installation needs: a Python, what pip would download, and what is published."""
    packages = Path(sysconfig.get_path("purelib"))
    with booted_bare(tmp_path_factory.mktemp("install"), [(packages, PACKAGES, "ro")]) as sandbox:
        sandbox.write_command("python3", PYTHON3)
        _fetch_builder(sandbox.share / "wheels")
        copy_published(sandbox.share / "published")
        log_person_in(sandbox)
        yield sandbox


@pytest.fixture(scope="module")
def said_to_root(sandbox: Sandbox) -> list[str]:
    """The service for the whole machine is installed as README has it; what was said."""
    sandbox.write(CONFIG, SETTINGS)
    return sandbox.run(*_as_readme_has_it("sudo python3 -m venv /opt/mosaicd")).stdout.splitlines()


@pytest.fixture(scope="module")
def said_to_person(sandbox: Sandbox) -> list[str]:
    """The person's service is installed as README has it; what was said."""
    sandbox.run_as_person("mkdir", "-p", f"{HOME}/.config/mosaicd")
    sandbox.write(f"{HOME}/.config/mosaicd/mosaicd.toml", SETTINGS)
    command = _as_readme_has_it("python3 -m venv ~/.local/share/mosaicd")
    return sandbox.run_as_person(*command).stdout.splitlines()


@pytest.fixture
def without_services(sandbox: Sandbox, said_to_root: list[str], said_to_person: list[str]) -> None:
    """The programs are there, and no service is."""
    if is_installed(system_unit(sandbox)):
        install(sandbox, "--remove")
    if is_installed(user_service(sandbox)):
        install_own(sandbox, "--remove")


def _fetch_builder(folder: Path) -> None:
    """Fetch what pip builds the program with, which need not be among what this test itself runs with."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    done = subprocess.run([*command, "setuptools>=77"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"setuptools cannot be had: {done.stderr}")


def _as_readme_has_it(beginning: str) -> list[str]:
    """What does a block of README's, in a fresh copy of what is published, for the person, without network."""
    share = Sandbox.share_inside
    prepared = f"""
export USER={PERSON} PIP_NO_INDEX=1 PIP_FIND_LINKS={share}/wheels
cd "$(mktemp -d)"
cp -r {share}/published/. .
"""
    return ["sh", "-ec", prepared + block(beginning)]


def install(sandbox: Sandbox, *options: str) -> list[str]:
    """Install the system service; what the command says."""
    return sandbox.run(INSTALLED, "install-service", *options).stdout.splitlines()


def install_own(sandbox: Sandbox, *options: str) -> list[str]:
    """Install the person's service; what the command says."""
    command = (f"{OWN_PROGRAM}/bin/mosaicd", "install-service", "--user", *options)
    return sandbox.run_as_person(*command).stdout.splitlines()


def refusal(sandbox: Sandbox, *command: str) -> str:
    """What a command says that fails."""
    done = sandbox.run(*command, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr.strip()


def contents(sandbox: Sandbox, folder: str) -> list[str]:
    """Every file in a folder, with what is in it."""
    listing = sandbox.run("find", folder, "-type", "f", "-exec", "sha256sum", "{}", "+")
    return sorted(listing.stdout.splitlines())


def is_installed(service: Service) -> bool:
    return service.show("LoadState") != "not-found"


def test_system_service_is_installed_works_is_renewed_and_is_taken_away(
    sandbox: Sandbox, said_to_root: list[str]
) -> None:
    service = system_unit(sandbox)
    assert said_to_root[-3:] == [
        f"installed: {UNIT}",
        f"it runs: drop files into {ROOT}/inbox",
        "who drops files must be in the group mosaicd: usermod --append --groups mosaicd NAME",
    ]
    assert (service.show("ActiveState"), service.show("UnitFileState")) == ("active", "enabled")
    verified = sandbox.run("systemd-analyze", "verify", UNIT)
    assert (verified.stdout, verified.stderr) == ("", "")
    drop(sandbox, PHOTO)
    drop(sandbox, FILM)
    service.wait_for(mosaic(sandbox, "cat").exists, "the mosaic is published")
    assert size(mosaic(sandbox, "cat")) == MOSAIC_SIZE

    first = service.main_process
    install(sandbox, "--root", OTHER_ROOT)
    assert service.main_process not in {0, first}
    service.wait_for(lambda: service.events("daemon_ready", inbox=f"{OTHER_ROOT}/inbox"), "it is ready there")
    mount = ("findmnt", f"--task={service.main_process}", "--noheadings", "--output=OPTIONS", "--mountpoint")
    assert {"rw", "noexec"} <= set(sandbox.run(*mount, OTHER_ROOT).stdout.split(","))
    copy = ("cp", f"{sandbox.share_inside}/{PHOTO}", f"{OTHER_ROOT}/inbox/again.jpg")
    sandbox.run_as_person(*copy)
    service.wait_for(
        sandbox.path(f"{OTHER_ROOT}/outbox/again.mosaic.jpg").exists, "a mosaic in the other root"
    )
    service.wait_for(lambda: service.show("StatusText").startswith("waiting for"), "nothing is left to do")

    written = sandbox.path(UNIT).read_text()
    assert install(sandbox)[1] == f"it runs: drop files into {OTHER_ROOT}/inbox", "it keeps its root"
    assert sandbox.path(UNIT).read_text() == written

    kept = [contents(sandbox, folder) for folder in (ROOT, OTHER_ROOT)]
    assert all(kept)
    removed = install(sandbox, "--remove")
    assert removed == [f"removed: {file}" for file in (UNIT, *COMPANIONS)]
    assert not is_installed(service)
    assert not any(sandbox.path(file).exists() for file in (UNIT, *COMPANIONS))
    assert [contents(sandbox, folder) for folder in (ROOT, OTHER_ROOT)] == kept
    places = {"MOSAICD_ROOT": ROOT, "STATE_DIRECTORY": STATE}
    shown = sandbox.run("runuser", "-u", "mosaicd", "--", INSTALLED, "status", "--json", environment=places)
    assert json.loads(shown.stdout)["libraries"][0]["tiles"] >= 20
    assert install(sandbox, "--remove") == ["no service was installed by this command"]


def test_user_service_is_installed_works_is_renewed_and_is_taken_away(
    sandbox: Sandbox, said_to_person: list[str]
) -> None:
    service = user_service(sandbox)
    assert said_to_person[-3:] == [
        f"installed: {OWN_UNIT}",
        f"it runs: drop files into {HOME}/Mosaics/inbox",
        "it runs while you are logged in; with `loginctl enable-linger`, always",
    ]
    assert (service.show("ActiveState"), service.show("UnitFileState")) == ("active", "enabled")
    assert f"{OWN_PROGRAM}/bin/mosaicd run" in service.show("ExecStart")
    for name in (PHOTO, FILM):
        sandbox.run_as_person("cp", f"{sandbox.share_inside}/{name}", f"{HOME}/Mosaics/inbox")
    published = sandbox.path(f"{HOME}/Mosaics/outbox/cat.mosaic.jpg")
    service.wait_for(published.exists, "the mosaic is published")
    assert size(published) == MOSAIC_SIZE
    service.wait_for(lambda: service.show("StatusText").startswith("waiting for"), "nothing is left to do")

    first, other_root = service.main_process, f"{HOME}/{Path(OTHER_ROOT).name}"
    install_own(sandbox, "--root", other_root)
    assert service.main_process not in {0, first}
    service.wait_for(lambda: service.events("daemon_ready", inbox=f"{other_root}/inbox"), "it is ready there")

    kept = contents(sandbox, f"{HOME}/Mosaics")
    assert install_own(sandbox, "--remove") == [f"removed: {OWN_UNIT}"]
    assert not is_installed(service)
    assert contents(sandbox, f"{HOME}/Mosaics") == kept


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (
            [f"{OWN_PROGRAM}/bin/mosaicd", "install-service"],
            f"the system service cannot see the program ({OWN_PROGRAM}), since ProtectHome= hides /home from it",
        ),
        (
            [INSTALLED, "install-service", "--root", f"{HOME}/Mosaics"],
            f"the system service cannot see its root ({HOME}/Mosaics), since ProtectHome= hides /home from it",
        ),
        (
            ["runuser", "-u", PERSON, "--", INSTALLED, "install-service"],
            "only root installs a service for the whole machine",
        ),
    ],
)
@pytest.mark.usefixtures("without_services")
def test_what_would_not_work_is_refused_before_anything_is_written(
    sandbox: Sandbox, command: list[str], reason: str
) -> None:
    assert refusal(sandbox, *command).startswith(f"mosaicd: {reason}")
    assert not is_installed(system_unit(sandbox))
    assert not any(sandbox.path(file).exists() for file in (UNIT, *COMPANIONS))


@pytest.mark.usefixtures("without_services")
def test_unit_that_was_not_written_by_the_command_is_left_alone(sandbox: Sandbox) -> None:
    foreign = "[Service]\nExecStart=/bin/true\n"
    sandbox.write(UNIT, foreign)
    try:
        for options in ((), ("--remove",)):
            said = refusal(sandbox, INSTALLED, "install-service", *options)
            assert said.startswith(f"mosaicd: {UNIT} was not written by this command")
            assert sandbox.path(UNIT).read_text() == foreign
    finally:
        sandbox.path(UNIT).unlink()


@pytest.mark.usefixtures("without_services")
def test_unit_of_a_package_is_not_hidden(sandbox: Sandbox) -> None:
    packaged = "/lib/systemd/system/mosaicd.service"
    sandbox.write(packaged, "[Service]\nExecStart=/bin/true\n")
    sandbox.run("systemctl", "daemon-reload")
    try:
        said = refusal(sandbox, INSTALLED, "install-service")
        assert f"there is a mosaicd.service already ({packaged})" in said
        assert not sandbox.path(UNIT).exists()
    finally:
        sandbox.path(packaged).unlink()
        sandbox.run("systemctl", "daemon-reload")


@pytest.mark.usefixtures("without_services")
def test_service_that_does_not_start_is_not_said_to_run(sandbox: Sandbox) -> None:
    sandbox.write("/etc/mosaicd/closed.toml", SETTINGS)
    sandbox.run("chmod", "600", "/etc/mosaicd/closed.toml")
    wrong = sandbox.run(INSTALLED, "install-service", "--config", "/etc/no-such.toml", check=False)
    assert (wrong.returncode, sandbox.path(UNIT).exists()) == (2, False)
    said = refusal(sandbox, INSTALLED, "install-service", "--config", "/etc/mosaicd/closed.toml")
    assert said == (
        "mosaicd: mosaicd.service is installed, but does not start (exit code 2): `journalctl -u mosaicd` says why"
    )
    assert install(sandbox, "--remove")[0] == f"removed: {UNIT}"
    assert not is_installed(system_unit(sandbox))
