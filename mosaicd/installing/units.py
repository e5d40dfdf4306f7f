"""The files of systemd's that a service consists of, written for one installation.

They are those in the repository's folder ``systemd``, which stand for an installation in `/opt/mosaicd` with its
folders in `/srv/mosaicd`, and for a person's in `~/.local/share/mosaicd`; only such places are replaced.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

from mosaicd.installing.program import Program
from mosaicd.jobs.originals import Folders

MARK = "# Written by `mosaicd install-service`, which writes it anew each time: changes belong in a drop-in."
DEFAULT_ROOT = Path("/srv/mosaicd")
STATE = Path("/var/lib/mosaicd")
_SYSTEM_UNIT = "mosaicd.service"
_USER_UNIT = "user/mosaicd.service"
_SYSTEM_SCRIPT = "/opt/mosaicd/bin/mosaicd"
_SYSTEM_PROGRAM = "/opt/mosaicd"
_USER_SCRIPT = "%h/.local/share/mosaicd/bin/mosaicd"
_PLAIN = re.compile(r"[\w/.,:=@+%~-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemPlaces:
    """Where a service for the whole machine works, without links.

    Attributes
    ----------
    root : Path
    folders : Folders
    """

    root: Path
    folders: Folders

    @property
    def named(self) -> dict[str, Path]:
        """Each folder by its name."""
        return {"root": self.root, **asdict(self.folders)}

    @property
    def outermost(self) -> list[Path]:
        """The folders that lie in no other."""
        return _outermost(self.named.values())


def system_unit(program: Program, places: SystemPlaces, config: Path | None) -> str:
    """The unit of a service for the whole machine."""
    source = _source(_SYSTEM_UNIT)
    allowed = {Path(word.lstrip("-")) for word in " ".join(values_of(source, "ExecPaths")).split()}
    allowed.remove(Path(_SYSTEM_PROGRAM))
    executable = [
        part
        for part in _outermost(program.executable_parts)
        if not any(part.is_relative_to(each) for each in allowed)
    ]
    return _replaced(
        source,
        {
            f"{_SYSTEM_SCRIPT} run": _command(program, config=config),
            _SYSTEM_PROGRAM: _words(executable),
            f"MOSAICD_ROOT={DEFAULT_ROOT}": _word(f"MOSAICD_ROOT={places.root}"),
            f"{DEFAULT_ROOT}": _words(places.outermost),
        },
    )


def user_unit(program: Program, root: Path | None, config: Path | None) -> str:
    """The unit of a service for one person."""
    return _replaced(
        _source(_USER_UNIT), {f"{_USER_SCRIPT} run": _command(program, root=root, config=config)}
    )


def service_user() -> str:
    """What creates the user of the service for the whole machine."""
    return f"{MARK}\n{_source('sysusers.d/mosaicd.conf')}"


def service_folders(places: SystemPlaces) -> str:
    """What creates the folders of the service for the whole machine."""
    folders = places.folders
    return _replaced(
        _source("tmpfiles.d/mosaicd.conf"),
        {
            f"{DEFAULT_ROOT}/inbox": _word(folders.inbox),
            f"{DEFAULT_ROOT}/outbox": _word(folders.outbox),
            f"{DEFAULT_ROOT}/archive": _word(folders.archive),
            f"{DEFAULT_ROOT}/rejected": _word(folders.rejected),
            f"{DEFAULT_ROOT}/.staging": _word(folders.staging),
            f"{DEFAULT_ROOT}": _word(places.root),
        },
    )


def values_of(unit: str, name: str) -> list[str]:
    """What a unit says of something, each time that it does."""
    return re.findall(rf"^{name}=(.*)$", unit, re.MULTILINE)


def _outermost(paths: Iterable[Path]) -> list[Path]:
    """Those that lie in no other, each once."""
    every = dict.fromkeys(paths)
    return [path for path in every if every.keys().isdisjoint(path.parents)]


def _source(name: str) -> str:
    return (resources.files("mosaicd.installing") / "systemd" / name).read_text("utf-8")


def _replaced(text: str, places: Mapping[str, str]) -> str:
    """A text, marked as ours, with other places: the longest first, and none in what another was replaced by."""
    longest_first = sorted(places, key=len, reverse=True)
    pattern = "|".join(re.escape(place) for place in longest_first)
    return f"{MARK}\n{re.sub(pattern, lambda found: places[found[0]], text)}"


def _command(program: Program, *, root: Path | None = None, config: Path | None = None) -> str:
    options = {"--root": root, "--config": config}
    given = [_word(f"{name}={path}").replace("$", "$$") for name, path in options.items() if path is not None]
    return " ".join([_word(program.script), "run", *given])


def _words(paths: Iterable[Path]) -> str:
    return " ".join(_word(path) for path in paths)


def _word(text: Path | str) -> str:
    """One word as units and their like are written: systemd's own letters escaped, quoted where that is needed."""
    word = str(text).replace("%", "%%")
    if _PLAIN.fullmatch(word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
