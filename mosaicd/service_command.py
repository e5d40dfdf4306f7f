"""The command that makes this installation a service, or takes that back."""

import os
import pwd
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mosaicd.command_line import Config, Root, echo_lines, shown
from mosaicd.errors import MosaicdError, SettingsError
from mosaicd.installing.obstacles import SERVICE_USER, system_obstacles, user_obstacles
from mosaicd.installing.program import Program, running_program
from mosaicd.installing.service import Service, system_service, user_service
from mosaicd.installing.units import (
    DEFAULT_ROOT,
    STATE,
    Options,
    SystemPlaces,
    service_folders,
    service_user,
    system_unit,
    user_unit,
)
from mosaicd.jobs.originals import Folders
from mosaicd.settings import PREFIX, Settings, real_path
from mosaicd.settings_reading import load_settings

_LINGERING = Path("/var/lib/systemd/linger")


def install_service(
    root: Root = None,
    config: Config = None,
    *,
    user: Annotated[
        bool, typer.Option("--user", help="For yourself alone, with folders in your home.")
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Stop the service and take it away; folders and tiles stay.")
    ] = False,
) -> None:
    """Make this installation a systemd service, or renew it."""
    _require_its_owner(is_for_user=user)
    service = user_service() if user else system_service()
    if remove:
        if root is not None or config is not None:
            message = (
                "--remove takes away what was installed, whatever its root: leave --root and --config out"
            )
            raise SettingsError(message)
        lines = [f"removed: {shown(file)}" for file in service.remove()]
        echo_lines(lines, otherwise="no service was installed by this command")
        return
    service.require_installable()
    program = running_program()
    install = _install_for_yourself if user else _install_for_all
    options = Options(root=_absolute(root), config=_absolute(config)).or_else(service.options)
    inbox = install(service, program, options)
    typer.echo(f"installed: {shown(service.unit)}")
    typer.echo(f"it runs: drop files into {shown(inbox)}")
    for hint in _hints(is_for_user=user):
        typer.echo(hint)


def _require_its_owner(*, is_for_user: bool) -> None:
    is_root = os.geteuid() == 0
    if is_for_user and is_root and "SUDO_USER" in os.environ:
        message = "--user is for whoever runs the command, which is root under sudo: leave sudo out"
        raise MosaicdError(message)
    if not is_for_user and not is_root:
        message = "only root installs a service for the whole machine: say sudo, or --user for yourself alone"
        raise MosaicdError(message)


def _install_for_all(service: Service, program: Program, options: Options) -> Path:
    """Install the service for the whole machine; its inbox."""
    with _environment({"HOME": str(STATE), "STATE_DIRECTORY": str(STATE)}):  # as the unit's is
        settings = load_settings({"root": options.root or DEFAULT_ROOT}, config=options.config)
        places, database = _places(settings), settings.database_path
    for obstacle in system_obstacles(program, places, options, database):
        raise MosaicdError(obstacle)
    user_file, folders_file = service.companions
    service.install(
        {
            service.unit: system_unit(program, places, options),
            user_file: service_user(),
            folders_file: service_folders(places),
        },
        ("systemd-sysusers", str(user_file)),
        ("systemd-tmpfiles", "--create", str(folders_file)),
    )
    return places.folders.inbox


def _install_for_yourself(service: Service, program: Program, options: Options) -> Path:
    """Install the service for whoever runs the command; its inbox."""
    kept = {name: value for name, value in os.environ.items() if not _is_setting(name)}
    with _environment(kept):
        inbox = load_settings({"root": options.root}, config=options.config).folders.inbox
    for obstacle in user_obstacles(program, options):
        raise MosaicdError(obstacle)
    service.install({service.unit: user_unit(program, options)})
    return inbox


def _hints(*, is_for_user: bool) -> Iterator[str]:
    if not is_for_user:
        yield f"who drops files must be in the group {SERVICE_USER}: usermod --append --groups {SERVICE_USER} NAME"
    elif not (_LINGERING / pwd.getpwuid(os.geteuid()).pw_name).exists():
        yield "it runs while you are logged in; with `loginctl enable-linger`, always"
    unseen = sorted(filter(_is_setting, os.environ))
    if unseen:
        yield f"it does not see what is set here alone: {', '.join(unseen)}"


def _is_setting(variable: str) -> bool:
    return variable.upper().startswith(PREFIX) or variable == "STATE_DIRECTORY"


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Settings are read as a service reads them, which sees nothing of the shell that it is installed from."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _places(settings: Settings) -> SystemPlaces:
    folders = {name: real_path(path) for name, path in asdict(settings.folders).items()}
    return SystemPlaces(root=real_path(settings.root), folders=Folders(**folders))


def _absolute(path: Path | None) -> Path | None:
    if path is None:
        return None
    return Path(os.path.abspath(os.path.expanduser(path)))  # noqa: PTH100, PTH111 - never raise
