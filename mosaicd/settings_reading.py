"""Reading settings: command line over ``MOSAICD_*`` variables over a TOML file over defaults."""

import functools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict
from pydantic_settings import SettingsError as SourceError

from mosaicd.errors import SettingsError
from mosaicd.pipelines.appearance import first_complaint, parsed_toml
from mosaicd.settings import PREFIX, LibrarySettings, Settings, real_path

SYSTEM_FILE = Path("/etc/mosaicd/mosaicd.toml")
_FOLDER_NAMES = ("inbox", "outbox", "archive", "rejected", "staging")
_FILE_BYTES_LIMIT = 1_000_000


def load_settings(flags: Mapping[str, Any], *, config: Path | None = None) -> Settings:
    """Read the settings from all four places.

    Parameters
    ----------
    flags : mapping
        What the command line set, by the settings' names.
    config : Path, optional
        The TOML file, instead of the first of the user's and the system's that exists.

    Raises
    ------
    SettingsError
        If any setting is unknown, of the wrong kind or in conflict with another; says which, and where it was set.
    """
    file = config if config is not None else settings_file()
    places = _Places(
        flags={name: value for name, value in flags.items() if value is not None},
        variables={
            name.upper().removeprefix(PREFIX).lower(): name
            for name in os.environ
            if name.upper().startswith(PREFIX)
        },
        file=file,
        in_file=_read_toml(file) if file is not None else {},
    )
    settings = _validated(places)
    for complaint in (*_library_complaints(settings, places), *_conflicts(settings, places)):
        raise SettingsError(complaint)
    return settings


def settings_file() -> Path | None:
    """The TOML file that is read if none is named: the user's or else the system's; None if there is neither."""
    candidates = (Path(platformdirs.user_config_dir("mosaicd")) / "mosaicd.toml", SYSTEM_FILE)
    return next((path for path in candidates if os.path.isfile(path)), None)  # noqa: PTH113 - never raises


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """Where each setting was set."""

    flags: dict[str, Any]
    variables: dict[str, str]
    file: Path | None
    in_file: dict[str, Any]

    def of(self, name: str) -> str:
        """The place that had the last word on a setting."""
        if name in self.flags:
            return "on the command line"
        if name in self.variables and (os.environ[self.variables[name]] or name not in self.in_file):
            return f"in the environment variable {self.variables[name]}"
        return f"in {self.file}" if name in self.in_file else "by default"


def _validated(places: _Places) -> Settings:
    for name in (*places.flags, *places.variables):
        if name not in Settings.model_fields:
            message = f"there is no setting {name} (set {places.of(name)})"
            raise SettingsError(message)
    try:
        return _settings_from(places.file)(**places.flags)
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        message = f"{first_complaint(error)} (set {places.of(name)})"
        raise SettingsError(message) from error
    except SourceError as error:
        message = f"library should be JSON (set {places.of('library')})"
        raise SettingsError(message) from error


@functools.lru_cache(maxsize=1)
def _settings_from(file: Path | None) -> type[Settings]:
    """Settings that read this file whenever one is made; kept, since a class for each reload would linger."""

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=file)

    return FromFile


def _library_complaints(settings: Settings, places: _Places) -> Iterator[str]:
    for library, table in settings.library.items():
        where = f"[library.{library}] (set {places.of('library')})"
        for name in table:
            if name in Settings.model_fields and name not in LibrarySettings.model_fields:
                yield f"{name} holds for all libraries alike and cannot be set in {where}"
        try:
            settings.for_library(library)
        except ValidationError as error:
            yield f"{first_complaint(error)} in {where}"


def _conflicts(settings: Settings, places: _Places) -> Iterator[str]:
    folders = settings.folders
    paths = {name: real_path(getattr(folders, name)) for name in _FOLDER_NAMES}
    database = real_path(settings.database_path)
    for name, path in {"root": real_path(settings.root), **paths}.items():
        if database.is_relative_to(path):
            yield (
                f"database ({database}, set {places.of('database')}) lies in {name} "
                f"({path}, set {places.of(name)}): "
                "a sync tool that carries it would corrupt it"
            )
    for first in _FOLDER_NAMES:
        for second in _FOLDER_NAMES:
            if first != second and paths[first].is_relative_to(paths[second]):
                yield (
                    f"{first} ({paths[first]}, set {places.of(first)}) lies in {second} "
                    f"({paths[second]}, set {places.of(second)}): what is written would be taken for input"
                )


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            data = stream.read(_FILE_BYTES_LIMIT + 1)
        if len(data) > _FILE_BYTES_LIMIT:
            message = f"it is larger than {_FILE_BYTES_LIMIT:,} bytes"
            raise ValueError(message)
        return parsed_toml(data)
    except (OSError, ValueError) as error:
        why = (
            f"cannot be read: {error.strerror}"
            if isinstance(error, OSError)
            else str(error).removeprefix("it ")
        )
        message = f"the configuration file {file} {why}"
        raise SettingsError(message) from error
