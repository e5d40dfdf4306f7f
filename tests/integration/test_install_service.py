"""`mosaicd install-service` with a systemctl that answers as it is told: files, order, words and exit codes."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mosaicd import service_command
from mosaicd.errors import MosaicdError
from mosaicd.installing import service as services
from mosaicd.installing.service import Service
from mosaicd.installing.units import MARK

Run = Callable[..., tuple[int, str, str]]
SYSTEMCTL = """\
#!/bin/sh
echo "$*" >> "$0.calls"
case "$*" in
    *"$(cat "$0.failing")"*) echo "it says no" >&2; exit 1 ;;
    *FragmentPath*) cat "$0.fragment" ;;
    *ExecMainStatus*) echo 5 ;;
esac
"""


class Systemctl:
    """The program `systemctl` of this test."""

    def __init__(self, folder: Path) -> None:
        self._program = folder / "systemctl"
        self._program.write_text(SYSTEMCTL)
        self._program.chmod(0o755)
        self.fail_at("nothing")
        self.know("")

    def fail_at(self, words: str) -> None:
        """Let it fail when it is told these words."""
        Path(f"{self._program}.failing").write_text(words)

    def know(self, unit: str) -> None:
        """Let it know a unit of our name."""
        Path(f"{self._program}.fragment").write_text(unit)

    @property
    def told(self) -> list[str]:
        """What it was told to do, without what it was asked."""
        lines = Path(f"{self._program}.calls").read_text().splitlines()
        return [line for line in lines if not line.startswith(("show", "--user show"))]


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemctl:
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(services, "_BOOTED", tmp_path)
    monkeypatch.delenv("SUDO_USER", raising=False)
    return Systemctl(folder)


@pytest.fixture
def strict() -> Iterator[None]:
    """The umask of a strict administrator."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(
        unit=tmp_path / "etc" / "system" / "mosaicd.service",
        companions=(tmp_path / "etc" / "tmpfiles.d" / "mosaicd.conf",),
    )


def texts(service: Service) -> dict[Path, str]:
    return dict.fromkeys((service.unit, *service.companions), f"{MARK}\n[Unit]\n")


@pytest.mark.usefixtures("strict")
def test_files_are_written_for_everybody_to_read_and_nothing_else_is_removed(
    service: Service, systemctl: Systemctl, tmp_path: Path
) -> None:
    service.require_installable()
    service.install(texts(service), ("sh", "-c", f"ls {service.unit} > {tmp_path}/prepared"))
    for file, text in texts(service).items():
        assert (file.read_text(), file.stat().st_mode & 0o777) == (text, 0o644)
    assert (tmp_path / "prepared").exists()
    assert systemctl.told == [
        "daemon-reload", "reset-failed mosaicd.service", "enable mosaicd.service", "restart mosaicd.service",
    ]  # fmt: skip
    service.require_installable()

    other = service.unit.with_name("other.service")
    drop_in = service.unit.with_name("mosaicd.service.d") / "mine.conf"
    drop_in.parent.mkdir()
    for file in (other, drop_in):
        file.touch()
    assert service.remove() == [service.unit, *service.companions]
    assert systemctl.told[4:] == [
        "disable --now mosaicd.service", "daemon-reload", "reset-failed mosaicd.service",
    ]  # fmt: skip
    left = (path for path in (tmp_path / "etc").rglob("*") if path.is_file())
    assert set(left) == {other, drop_in}
    assert service.remove() == []


@pytest.mark.parametrize("which", [0, 1])
def test_file_that_was_not_written_by_the_command_is_not_touched(
    which: int, service: Service, systemctl: Systemctl
) -> None:
    file = (service.unit, *service.companions)[which]
    file.parent.mkdir(parents=True)
    file.symlink_to("/dev/null")
    with pytest.raises(MosaicdError, match=rf"{file} was not written by this command"):
        service.require_installable()
    if file == service.unit:
        with pytest.raises(MosaicdError, match=rf"{file} was not written by this command, and stays"):
            service.remove()
    else:
        assert service.remove() == []
    assert file.is_symlink()


def test_unit_of_the_name_elsewhere_is_not_hidden(service: Service, systemctl: Systemctl) -> None:
    systemctl.know("/lib/systemd/system/mosaicd.service")
    with pytest.raises(MosaicdError, match=r"already \(/lib/systemd/system/mosaicd.service\)"):
        service.require_installable()


def test_what_cannot_be_written_is_said(service: Service, systemctl: Systemctl) -> None:
    service.unit.parent.parent.touch()
    with pytest.raises(MosaicdError, match=rf"{service.unit} cannot be written: Not a directory"):
        service.install(texts(service))


def test_systemd_that_does_not_answer_is_said(service: Service, systemctl: Systemctl) -> None:
    systemctl.fail_at("Version")
    with pytest.raises(MosaicdError, match=r"systemd does not answer .*: it says no"):
        service.require_installable()


def test_start_that_fails_is_said_with_its_exit_code(service: Service, systemctl: Systemctl) -> None:
    systemctl.fail_at("restart")
    with pytest.raises(
        MosaicdError, match=r"does not start \(exit code 5\): `journalctl -u mosaicd` says why"
    ):
        service.install(texts(service))
    assert service.remove() == [service.unit, *service.companions]


def test_preparation_that_fails_is_said(service: Service, systemctl: Systemctl) -> None:
    with pytest.raises(MosaicdError, match=r"no-such-program cannot be started: No such file"):
        service.install(texts(service), ("no-such-program",))


def test_person_reads_where_to_drop_files_and_what_the_service_does_not_see(
    run: Run, systemctl: Systemctl, tmp_path: Path
) -> None:
    unit = tmp_path / "home/.config/systemd/user/mosaicd.service"
    code, out, err = run("install-service", "--user")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"installed: {unit}",
        f"it runs: drop files into {tmp_path}/home/Mosaics/inbox",
        "it runs while you are logged in; with `loginctl enable-linger`, always",
        "it does not see what is set here alone: MOSAICD_ROOT",
    ]
    run("install-service", "--user", "--root", "my films")
    assert f'mosaicd run "--root={tmp_path}/my films"\n' in unit.read_text()
    assert run("install-service", "--user")[1].splitlines()[1] == (
        f"it runs: drop files into {tmp_path}/my films/inbox"
    )
    assert set(systemctl.told) == {
        *("--user daemon-reload", "--user reset-failed mosaicd.service"),
        *("--user enable mosaicd.service", "--user restart mosaicd.service"),
    }
    assert run("install-service", "--user", "--remove") == (0, f"removed: {unit}\n", "")
    assert run("install-service", "--user", "--remove") == (
        0,
        "no service was installed by this command\n",
        "",
    )


def test_what_is_wrong_with_settings_is_told_apart(run: Run, systemctl: Systemctl, tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text("minimum_tiles = 0\n")
    code, _, err = run("install-service", "--user", "--config", "wrong.toml")
    assert (code, "minimum_tiles" in err) == (2, True)
    code, _, err = run("install-service", "--user", "--root", "bell\a")
    assert (code, "cannot be written into a unit" in err) == (1, True)
    code, _, err = run("install-service", "--user", "--remove", "--root", "films")
    assert (code, "leave --root and --config out" in err) == (2, True)
    assert not (tmp_path / "home/.config/systemd").exists()


def test_whoever_it_is_not_for_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    code, _, err = run("install-service")
    assert (code, "only root installs a service for the whole machine" in err) == (1, True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_USER", "me")
    code, _, err = run("install-service", "--user")
    assert (code, "leave sudo out" in err) == (1, True)


def test_system_service_is_judged_by_the_settings_that_it_will_see(
    run: Run, service: Service, systemctl: Systemctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_command, "system_service", lambda: service)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("MOSAICD_MINIMUM_TILES", "0")  # wrong, if it counted
    code, _, err = run("install-service", "--root", "/home/me/Mosaics")
    assert (code, "the system service cannot see" in err) == (1, True)
    (tmp_path / "wrong.toml").write_text("minimum_tiles = 0\n")
    code, _, err = run("install-service", "--config", "wrong.toml")
    assert (code, "minimum_tiles" in err) == (2, True)
    assert not service.unit.parent.exists()
