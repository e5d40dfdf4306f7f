"""Which program is running: what a service starts, and where its code lies."""

import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import mosaicd
from mosaicd.errors import MosaicdError

_NAME = "mosaicd"
_LIBRARIES = ("lib", "lib64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An installation of mosaicd.

    Attributes
    ----------
    script : Path
        What is started: ``mosaicd``, as pip wrote it.
    package : Path
        Where mosaicd's own code lies, which for an editable installation is elsewhere.
    environment : Path or None
        The virtual environment; None if it is installed beside the system's packages.
    interpreter : Path
        Python itself, without links.
    libraries : tuple of Path
        Python's standard library, and what else it loads code from.
    """

    script: Path
    package: Path
    environment: Path | None
    interpreter: Path
    libraries: tuple[Path, ...]

    @property
    def executable_parts(self) -> tuple[Path, ...]:
        """Where code lies that the machine itself runs."""
        parts = (self.environment, self.script, self.interpreter, *self.libraries)
        return tuple(part for part in parts if part is not None)


def running_program() -> Program:
    """The installation whose code runs here; MosaicdError if it has no ``mosaicd`` that could be started."""
    base = Path(sys.base_prefix)
    return Program(
        script=_script(),
        package=Path(mosaicd.__file__).parent,
        environment=Path(sys.prefix) if sys.prefix != sys.base_prefix else None,
        interpreter=Path(os.path.realpath(sys.executable)),
        libraries=tuple(base / name for name in _LIBRARIES if (base / name).is_dir()),
    )


def _script() -> Path:
    script = Path(sysconfig.get_path("scripts")) / _NAME
    started = Path(os.path.realpath(sys.argv[0]))
    if started.name == _NAME and started.is_file() and started != Path(os.path.realpath(script)):
        return started  # installed with --user, or to a folder of its own
    if not script.is_file():
        message = f"there is no {script} that a service could start: install mosaicd with pip"
        raise MosaicdError(message)
    return script
