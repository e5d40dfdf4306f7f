"""Settings: command line over ``MOSAICD_*`` variables over a TOML file over defaults."""

import hashlib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import platformdirs
from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import (
    SettingsError as SourceError,
)

from mosaicd.errors import SettingsError
from mosaicd.jobs.originals import Folders, Originals
from mosaicd.logs import LogFormat, LogLevel
from mosaicd.pipelines.appearance import Appearance, first_complaint

_PREFIX = "MOSAICD_"
SYSTEM_FILE = Path("/etc/mosaicd/mosaicd.toml")
_FOLDER_NAMES = ("inbox", "outbox", "archive", "rejected", "staging")
_DEFAULT_ROOT = Path("~/Mosaics")


class LibrarySettings(Appearance):
    """What can be set for each library in its own table, ``[library.NAME]``."""

    sample_interval_seconds: Annotated[
        float, Field(gt=0, le=3600, description="One frame of a video in so many seconds becomes tiles.")
    ] = 1.0
    minimum_tiles: Annotated[
        int, Field(ge=1, description="A photo waits until its library has this many tiles.")
    ] = 50
    photo_wait_limit_seconds: Annotated[
        float, Field(ge=0, description="The longest that a photo waits for videos that were there before it.")
    ] = 3600.0
    penalty_half_life_days: Annotated[
        float, Field(gt=0, description="After so many days a use counts half as much against its tile.")
    ] = 30.0


class Settings(LibrarySettings, BaseSettings):
    """Every setting. Read once, never changed."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix=_PREFIX, toml_file=None)

    root: Annotated[
        Path, Field(description="The folder that holds the five below unless they are set themselves.")
    ] = _DEFAULT_ROOT
    inbox: Annotated[Path | None, Field(description="Where files are dropped. Default: ROOT/inbox.")] = None
    outbox: Annotated[Path | None, Field(description="Where mosaics appear. Default: ROOT/outbox.")] = None
    archive: Annotated[Path | None, Field(description="Where used originals go. Default: ROOT/archive.")] = (
        None
    )
    rejected: Annotated[
        Path | None, Field(description="Where unusable files go. Default: ROOT/rejected.")
    ] = None
    staging: Annotated[
        Path | None,
        Field(
            description="Where mosaics are written first; same file system as outbox. Default: ROOT/.staging."
        ),
    ] = None
    database: Annotated[
        Path | None,
        Field(description="The SQLite file; never in a synced folder. Default: in the state directory."),
    ] = None
    originals: Annotated[
        Originals,
        Field(description="What becomes of used files: archive (moved there) or leave (in the inbox)."),
    ] = Originals.ARCHIVE
    settle_seconds: Annotated[
        float, Field(ge=0, description="A file is taken when it has not changed for so long.")
    ] = 5.0
    rescan_seconds: Annotated[
        float, Field(gt=0, description="The whole inbox is looked at this often, whatever events have said.")
    ] = 60.0
    master_edge_pixels: Annotated[
        int, Field(ge=16, le=1024, description="Edge of the tiles in the store, in pixels.")
    ] = 128
    photo_pixels_limit: Annotated[int, Field(ge=1, description="Photos with more pixels are rejected.")] = (
        300_000_000
    )
    mosaic_pixels_limit: Annotated[
        int, Field(ge=1, description="Photos whose mosaic would have more pixels are rejected.")
    ] = 150_000_000
    attempts_limit: Annotated[
        int, Field(ge=1, description="A file at which the program failed so often is rejected.")
    ] = 2
    stall_limit_seconds: Annotated[
        float, Field(gt=0, description="A job without progress for so long is ended; that is an attempt.")
    ] = 600.0
    job_limit_seconds: Annotated[
        float, Field(gt=0, description="A job that takes longer altogether is ended; that is an attempt.")
    ] = 43_200.0
    retry_seconds: Annotated[
        float,
        Field(gt=0, description="What cannot be done just now (a full disk) is tried again after this."),
    ] = 30.0
    log_format: Annotated[
        LogFormat,
        Field(
            description="text (key=value), json (an object a line), or auto: text on a terminal, json elsewhere."
        ),
    ] = LogFormat.AUTO
    log_level: Annotated[
        LogLevel, Field(description="The least important lines logged: debug, info, warning or error.")
    ] = LogLevel.INFO
    library: Annotated[
        dict[str, dict[str, Any]], Field(description="Settings of single libraries: [library.NAME] tables.")
    ] = {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line, environment, file: the earlier wins."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def folders(self) -> Folders:
        """The folders, absolute."""
        root = _absolute(self.root)
        return Folders(
            inbox=_absolute(self.inbox or root / "inbox"),
            outbox=_absolute(self.outbox or root / "outbox"),
            archive=_absolute(self.archive or root / "archive"),
            rejected=_absolute(self.rejected or root / "rejected"),
            staging=_absolute(self.staging or root / ".staging"),
        )

    @property
    def database_path(self) -> Path:
        """The SQLite file, absolute: each root has its own, unless `database` says which."""
        if self.database is not None:
            return _absolute(self.database)
        given = os.environ.get("STATE_DIRECTORY")
        if given:
            return Path(given.split(":")[0]) / "mosaicd.sqlite3"
        folder = Path(platformdirs.user_state_dir("mosaicd"))
        root = _absolute(self.root)
        if root == _absolute(_DEFAULT_ROOT):
            return folder / "mosaicd.sqlite3"
        digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:8]
        return folder / f"root-{digest}" / "mosaicd.sqlite3"

    def for_library(self, name: str) -> LibrarySettings:
        """The settings of one library."""
        base = {field: getattr(self, field) for field in LibrarySettings.model_fields}
        return LibrarySettings.model_validate({**base, **self.library.get(name, {})})

    def appearance(self, library: str) -> Appearance:
        """What mosaics of a library look like, before its ``mosaic.toml`` has its say."""
        settings = self.for_library(library)
        return Appearance.model_validate(settings.model_dump(include=set(Appearance.model_fields)))


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
    file = config if config is not None else next((path for path in _config_files() if path.is_file()), None)
    places = _Places(
        flags={name: value for name, value in flags.items() if value is not None},
        file=file,
        in_file=_read_toml(file) if file is not None else {},
    )
    _refuse_unknown_variables()
    settings = _validated(places)
    for name in settings.library:
        try:
            settings.for_library(name)
        except ValidationError as error:
            message = f"[library.{name}]: {first_complaint(error)} (set {places.of('library')})"
            raise SettingsError(message) from error
    for complaint in _conflicts(settings, places):
        raise SettingsError(complaint)
    return settings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """Where each setting was set."""

    flags: dict[str, Any]
    file: Path | None
    in_file: dict[str, Any]

    def of(self, name: str) -> str:
        """The place that had the last word on a setting."""
        if name in self.flags:
            return "on the command line"
        if _variable(name) in os.environ:
            return f"in the environment variable {_variable(name)}"
        return f"in {self.file}" if name in self.in_file else "by default"


def _validated(places: _Places) -> Settings:
    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=places.file)

    try:
        return FromFile(**places.flags)
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        message = f"{first_complaint(error)} (set {places.of(name)})"
        raise SettingsError(message) from error
    except SourceError as error:
        raise SettingsError(str(error).splitlines()[0]) from error


def _refuse_unknown_variables() -> None:
    for variable in os.environ:
        name = variable.removeprefix(_PREFIX).lower()
        if variable.startswith(_PREFIX) and name not in Settings.model_fields:
            message = f"there is no setting {name} (set in the environment variable {variable})"
            raise SettingsError(message)


def _conflicts(settings: Settings, places: _Places) -> Iterator[str]:
    folders = settings.folders
    paths = {name: getattr(folders, name).resolve() for name in _FOLDER_NAMES}
    database = settings.database_path.resolve()
    for name, path in {"root": _absolute(settings.root).resolve(), **paths}.items():
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


def _config_files() -> list[Path]:
    return [Path(platformdirs.user_config_dir("mosaicd")) / "mosaicd.toml", SYSTEM_FILE]


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        message = f"the configuration file {file} cannot be read: {error.strerror}"
        raise SettingsError(message) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"the configuration file {file} is not TOML: {error}"
        raise SettingsError(message) from error


def _variable(name: str) -> str:
    return f"{_PREFIX}{name.upper()}"


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - links in it are kept as the user wrote them
