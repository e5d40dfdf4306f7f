"""What would keep a service from working, said before anything is written."""

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from mosaicd.installing.program import Program
from mosaicd.installing.units import DEFAULT_ROOT, STATE, Options, SystemPlaces, system_unit, values_of

SERVICE_USER = "mosaicd"
_HIDDEN_BY = {
    "ProtectHome": ("/home", "/root", "/run/user"),
    "PrivateTmp": ("/tmp", "/var/tmp"),  # noqa: S108 - they are named, not used
    "PrivateDevices": ("/dev",),
}
_FOR_YOURSELF = "or install it for yourself alone, with --user"
_OF_A_NEW_DISK = {"lost+found"}
_READ, _ENTER = 0o004, 0o001  # by others than owner and group


def system_obstacles(
    program: Program, places: SystemPlaces, options: Options, database: Path
) -> Iterator[str]:
    """What keeps a service for the whole machine from working, and what to do about it, a sentence each.

    Parameters
    ----------
    program : Program
    places : SystemPlaces
    options : Options
    database : Path
        Where its settings have the database.
    """
    unit = system_unit(program, places, options)
    yield from _unwritable(*program.executable_parts, *places.named.values(), options.config)
    for what, path, remedy in _seen(program, places, options.config):
        found = _hidden_by(unit, path)
        if found is not None:
            yield f"the system service cannot see {what} ({path}), since {found}: {remedy}"
    for part in (*program.executable_parts, program.package):
        for folder in (*places.outermost, STATE):
            if _real(part).is_relative_to(folder):
                yield (
                    f"the program ({part}) lies in {folder}, where the system service may write but start nothing:"
                    " install it elsewhere, such as in /opt/mosaicd"
                )
    yield from _unusable_script(program)
    yield from _closed_places(program)
    if not database.is_relative_to(STATE):
        yield (
            f"the system service keeps its database in {STATE} and can write to no other place:"
            f" take the setting database ({database}) out"
        )
    for name, folder in places.named.items():
        if folder in places.outermost:
            yield from _others_folder(name, folder)


def user_obstacles(program: Program, options: Options) -> Iterator[str]:
    """What keeps a service for one person from working, and what to do about it, a sentence each."""
    yield from _unwritable(program.script, options.root, options.config)


def _seen(program: Program, places: SystemPlaces, config: Path | None) -> Iterator[tuple[str, Path, str]]:
    """Everything that has to be seen: what it is, where it is, and what to do if it cannot be."""
    move = f"install it elsewhere, such as in /opt/mosaicd, {_FOR_YOURSELF}"
    yield "the program", program.environment or program.script, move
    yield "the program's code", program.package, f"install it without --editable, {_FOR_YOURSELF}"
    for part in (program.interpreter, *program.libraries):
        other = "make its environment with a Python of the system's, such as /usr/bin/python3"
        yield "its Python", part, f"{other}, {_FOR_YOURSELF}"
    for name, folder in places.named.items():
        other = (
            f"name another --root, such as {DEFAULT_ROOT}"
            if name == "root"
            else f"set {name} to another folder"
        )
        yield f"its {name}", folder, f"{other}, {_FOR_YOURSELF}"
    if config is not None:
        yield "its configuration file", config, "put it elsewhere, such as in /etc/mosaicd"


def _hidden_by(unit: str, path: Path) -> str | None:
    """What of a unit hides a path from the service, in words; None if nothing does."""
    for setting, folders in _HIDDEN_BY.items():
        if values_of(unit, setting) != ["yes"]:
            continue
        for folder in folders:
            if path.is_relative_to(folder) or _real(path).is_relative_to(_real(Path(folder))):
                return f"{setting}= hides {folder} from it"
    return None


def _unwritable(*paths: Path | None) -> Iterator[str]:
    for path in paths:
        if path is not None and not str(path).isprintable():
            yield f"{str(path)!a} cannot be written into a unit: name a path without control characters, in UTF-8"


def _unusable_script(program: Program) -> Iterator[str]:
    """A path that is long, or holds a space, makes pip write a script that is started by a shell."""
    with program.script.open("rb") as script:
        first = script.readline()
    if first.startswith(b"#!/bin/sh"):
        yield (
            f"the program ({program.script}) is started by a shell, and the system service may start none:"
            " install it where the path is short and without spaces, such as in /opt/mosaicd"
        )


def _closed_places(program: Program) -> Iterator[str]:
    """What the service's user could not read, since a strict umask has closed it to all but its owner."""
    for part in (program.script, program.interpreter, program.package):
        place = _real(part)
        needed = {**dict.fromkeys(reversed(place.parents), _ENTER), place: _READ | _ENTER}
        for each, bits in needed.items():
            if each.stat().st_mode & bits != bits:
                home = program.environment
                is_ours = home is not None and each.is_relative_to(_real(home))
                mend = f"chmod --recursive go+rX {home}" if is_ours else f"chmod go+rX {each}"
                yield f"the system service's user cannot read {each}: `{mend}` lets it"
                break


def _others_folder(name: str, folder: Path) -> Iterator[str]:
    """A folder that the service would take from somebody, or from the system."""
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        yield f"its {name} ({folder}) is no folder: name another"
        return
    owner = _owner(folder)
    is_free = folder.parent != Path("/") and {each.name for each in folder.iterdir()} <= _OF_A_NEW_DISK
    if owner != SERVICE_USER and not is_free:
        yield (
            f"its {name} ({folder}) belongs to {owner}, and the service would take it over:"
            f" name a folder of its own, such as {folder / 'mosaicd'}"
        )


def _owner(path: Path) -> str:
    number = path.stat().st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
