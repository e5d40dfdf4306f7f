"""The files of systemd's that a service consists of, written for one installation.

They are those in the repository's folder ``systemd``, which stand for an installation in `/opt/mosaicd` with its
folders in `/srv/mosaicd`, and for a person's in `~/.local/share/mosaicd`; only such places are replaced.
"""

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Self

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
_OPTIONS = "# With the options: "
_PLAIN = re.compile(r"[\w/.,:=@+%~-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a service was installed with, absolute; None for what was not given."""

    root: Path | None = None
    config: Path | None = None

    @classmethod
    def of(cls, unit: str) -> Self:
        """Those that a unit was written with."""
        line = next((line for line in unit.splitlines() if line.startswith(_OPTIONS)), _OPTIONS)
        words = (word.removeprefix("--").partition("=") for word in shlex.split(line.removeprefix(_OPTIONS)))
        return cls(**{name: Path(path) for name, _, path in words})

    def or_else(self, earlier: Self) -> Self:
        """These, and where none is given the earlier one."""
        return type(self)(root=self.root or earlier.root, config=self.config or earlier.config)

    @property
    def words(self) -> list[str]:
        """As they are given on a command line."""
        return [f"--{name}={path}" for name, path in asdict(self).items() if path is not None]


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


def system_unit(program: Program, places: SystemPlaces, options: Options) -> str:
    """The unit of a service for the whole machine."""
    source = _source(_SYSTEM_UNIT)
    allowed = {Path(word.lstrip("-")) for word in " ".join(values_of(source, "ExecPaths")).split()}
    allowed.remove(Path(_SYSTEM_PROGRAM))
    executable = [
        part
        for part in _outermost(program.executable_parts)
        if not any(part.is_relative_to(each) for each in allowed)
    ]
    command = _command(program, Options(config=options.config))  # it has its root in its environment
    return _unit(
        source,
        options,
        {
            f"{_SYSTEM_SCRIPT} run": command,
            _SYSTEM_PROGRAM: _words(executable),
            f"MOSAICD_ROOT={DEFAULT_ROOT}": _word(f"MOSAICD_ROOT={places.root}"),
            f"{DEFAULT_ROOT}": _words(places.outermost),
        },
    )


def user_unit(program: Program, options: Options) -> str:
    """The unit of a service for one person."""
    return _unit(_source(_USER_UNIT), options, {f"{_USER_SCRIPT} run": _command(program, options)})


def service_user() -> str:
    """What creates the user of the service for the whole machine."""
    return f"{MARK}\n{_source('sysusers.d/mosaicd.conf')}"


def service_folders(places: SystemPlaces) -> str:
    """What creates the folders of the service for the whole machine."""
    folders = places.folders
    made = _replaced(
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
    return f"{MARK}\n{made}"


def values_of(unit: str, name: str) -> list[str]:
    """What a unit says of something, each time that it does."""
    return re.findall(rf"^{name}=(.*)$", unit, re.MULTILINE)


def _outermost(paths: Iterable[Path]) -> list[Path]:
    """Those that lie in no other, each once."""
    every = dict.fromkeys(paths)
    return [path for path in every if every.keys().isdisjoint(path.parents)]


def _source(name: str) -> str:
    return (resources.files("mosaicd.installing") / "systemd" / name).read_text("utf-8")


def _unit(source: str, options: Options, places: Mapping[str, str]) -> str:
    noted = f"{_OPTIONS}{shlex.join(options.words)}\n" if options.words else ""
    return f"{MARK}\n{noted}{_replaced(source, places)}"


def _replaced(text: str, places: Mapping[str, str]) -> str:
    """A text with other places: the longest first, and none in what another was replaced by."""
    longest_first = sorted(places, key=len, reverse=True)
    pattern = "|".join(re.escape(place) for place in longest_first)
    return re.sub(pattern, lambda found: places[found[0]], text)


def _command(program: Program, options: Options) -> str:
    return " ".join(
        [_word(program.script), "run", *(_word(each).replace("$", "$$") for each in options.words)]
    )


def _words(paths: Iterable[Path]) -> str:
    return " ".join(_word(path) for path in paths)


def _word(text: Path | str) -> str:
    """One word as units and their like are written: systemd's own letters escaped, quoted where that is needed."""
    word = str(text).replace("%", "%%")
    if _PLAIN.fullmatch(word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
