"""Writing a service's files and telling systemd, and taking back just that."""

import contextlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from mosaicd.errors import MosaicdError
from mosaicd.installing.units import MARK, Options
from mosaicd.media.files import make_folder, staged

UNIT = "mosaicd.service"
_BOOTED = Path("/run/systemd/system")  # as sd_booted(3) finds out
_MODE = 0o644  # whatever the umask: none of it is secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service of systemd's, installed or not.

    Attributes
    ----------
    unit : Path
        Its unit file.
    companions : tuple of Path
        The other files that belong to it.
    manager : tuple of str
        What ``systemctl`` and ``journalctl`` are told besides, so that they know whose service it is.
    """

    unit: Path
    companions: tuple[Path, ...] = ()
    manager: tuple[str, ...] = ()

    @property
    def options(self) -> Options:
        """What it is installed with now."""
        return Options.of(self.unit.read_text("utf-8")) if _is_ours(self.unit) else Options()

    def require_installable(self) -> None:
        """MosaicdError if there is no systemd to install it for, or another unit of its name."""
        self._require_systemd()
        for file in (self.unit, *self.companions):
            if os.path.lexists(file) and not _is_ours(file):
                message = (
                    f"{file} was not written by this command: if it is not needed, remove it and try again"
                )
                raise MosaicdError(message)
        known = self._ask("FragmentPath")
        if known and os.path.realpath(known) != os.path.realpath(self.unit):
            message = (
                f"there is a {UNIT} already ({known}), which this one would hide: if it is not needed, remove it,"
                " `systemctl daemon-reload`, and try again"
            )
            raise MosaicdError(message)

    def install(self, texts: Mapping[Path, str], *preparations: tuple[str, ...]) -> None:
        """Write its files, run what else they are written for, and start it, now and at each boot or login.

        Installed again, it is started again, with the program as it is now.

        Raises
        ------
        MosaicdError
            If something fails; what has been written by then stays, to be looked at or removed.
        """
        for file, text in texts.items():
            _write(file, text)
        for command in preparations:
            _run(*command)
        self._systemctl("daemon-reload")
        self._forget_failures()
        self._systemctl("enable", UNIT)
        try:
            self._systemctl("restart", UNIT)
        except MosaicdError as error:
            code = self._ask("ExecMainStatus")
            journal = shlex.join(["journalctl", *self.manager, "-u", "mosaicd"])
            message = f"{UNIT} is installed, but does not start (exit code {code}): `{journal}` says why"
            raise MosaicdError(message) from error

    def remove(self) -> list[Path]:
        """Stop it, and remove the files that were written for it, and nothing else; which those were."""
        self._require_systemd()
        ours = [file for file in (self.unit, *self.companions) if _is_ours(file)]
        if os.path.lexists(self.unit) and self.unit not in ours:
            message = f"{self.unit} was not written by this command, and stays: remove it by hand"
            raise MosaicdError(message)
        if self.unit in ours:
            self._systemctl("disable", "--now", UNIT)
        for file in ours:
            file.unlink()
        self._systemctl("daemon-reload")
        self._forget_failures()
        return ours

    def _require_systemd(self) -> None:
        if shutil.which("systemctl") is None or not _BOOTED.is_dir():
            message = "no systemd runs this machine: let what starts its services start `mosaicd run`"
            raise MosaicdError(message)
        try:
            self._systemctl("show", "--property=Version")
        except MosaicdError as error:
            message = f"systemd does not answer (log in for that, without su or sudo): {error}"
            raise MosaicdError(message) from error

    def _forget_failures(self) -> None:
        with contextlib.suppress(MosaicdError):  # systemd has nothing to forget
            self._systemctl("reset-failed", UNIT)

    def _ask(self, name: str) -> str:
        return self._systemctl("show", "--value", f"--property={name}", UNIT).strip()

    def _systemctl(self, *words: str) -> str:
        return _run("systemctl", *self.manager, *words)


def system_service() -> Service:
    """The service for the whole machine."""
    return Service(
        unit=Path("/etc/systemd/system") / UNIT,
        companions=(Path("/etc/sysusers.d/mosaicd.conf"), Path("/etc/tmpfiles.d/mosaicd.conf")),
    )


def user_service() -> Service:
    """The service for whoever asks."""
    return Service(unit=Path(platformdirs.user_config_dir("systemd")) / "user" / UNIT, manager=("--user",))


def _is_ours(file: Path) -> bool:
    try:
        return not file.is_symlink() and file.read_text("utf-8", "replace").startswith(f"{MARK}\n")
    except OSError:
        return False


def _write(file: Path, text: str) -> None:
    try:
        make_folder(file.parent)
        with staged(file, staging=file.parent) as place:
            place.write_text(text, "utf-8")
            place.chmod(_MODE)
    except OSError as error:
        message = f"{file} cannot be written: {error.strerror}"
        raise MosaicdError(message) from error


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as error:
        message = f"{command[0]} cannot be started: {error.strerror}"
        raise MosaicdError(message) from error
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        message = f"`{shlex.join(command)}` failed: {said}"
        raise MosaicdError(message)
    return done.stdout
