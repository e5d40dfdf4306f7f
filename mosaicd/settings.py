"""Settings: command line over ``MOSAICD_*`` variables over a TOML file over defaults."""

import functools
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import platformdirs
from pydantic import AfterValidator, Field, ValidationError
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
from mosaicd.intake.watcher import Watching
from mosaicd.jobs.originals import Folders, Originals
from mosaicd.logs import LogFormat, LogLevel
from mosaicd.pipelines.appearance import Appearance, first_complaint, parsed_toml

_PREFIX = "MOSAICD_"
SYSTEM_FILE = Path("/etc/mosaicd/mosaicd.toml")
_FOLDER_NAMES = ("inbox", "outbox", "archive", "rejected", "staging")
_DEFAULT_ROOT = Path("~/Mosaics")
_FILE_BYTES_LIMIT = 1_000_000


def _usable(path: Path) -> Path:
    if "\0" in str(path):
        message = "holds a null byte"
        raise ValueError(message)
    try:
        path.expanduser()
    except RuntimeError as error:
        message = "begins with a home folder that cannot be found"
        raise ValueError(message) from error
    return path


UsablePath = Annotated[Path, AfterValidator(_usable)]


class LibrarySettings(Appearance):
    """What can be set for each library in its own table, ``[library.NAME]``."""

    sample_interval_seconds: Annotated[
        float, Field(ge=0.01, le=3600, description="One frame of a video in so many seconds becomes tiles.")
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

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, env_prefix=_PREFIX, env_ignore_empty=True
    )

    root: Annotated[
        UsablePath, Field(description="The folder that holds the five below unless they are set themselves.")
    ] = _DEFAULT_ROOT
    inbox: Annotated[
        UsablePath | None, Field(description="Where files are dropped. Default: ROOT/inbox.")
    ] = None
    outbox: Annotated[UsablePath | None, Field(description="Where mosaics appear. Default: ROOT/outbox.")] = (
        None
    )
    archive: Annotated[
        UsablePath | None, Field(description="Where used originals go. Default: ROOT/archive.")
    ] = None
    rejected: Annotated[
        UsablePath | None, Field(description="Where unusable files go. Default: ROOT/rejected.")
    ] = None
    staging: Annotated[
        UsablePath | None,
        Field(
            description="Where mosaics are written first; same file system as outbox. Default: ROOT/.staging."
        ),
    ] = None
    database: Annotated[
        UsablePath | None,
        Field(description="The SQLite file; never in a synced folder. Default: in the state directory."),
    ] = None
    originals: Annotated[
        Originals,
        Field(description="What becomes of used files: archive (moved there) or leave (in the inbox)."),
    ] = Originals.ARCHIVE
    settle_seconds: Annotated[
        float, Field(ge=0, le=3600, description="A file is taken when it has not changed for so long.")
    ] = 5.0
    rescan_seconds: Annotated[
        float,
        Field(
            gt=0, le=86_400, description="The whole inbox is looked at this often, whatever events have said."
        ),
    ] = 60.0
    watching: Annotated[
        Watching,
        Field(
            description="How new files are noticed: inotify (the kernel tells), polling (by looking), or auto: "
            "inotify where it can serve, which it cannot on network mounts."
        ),
    ] = Watching.AUTO
    polling_seconds: Annotated[
        float,
        Field(
            ge=1, le=86_400, description="Without inotify, the whole inbox is looked at this often instead."
        ),
    ] = 10.0
    master_edge_pixels: Annotated[
        int, Field(ge=16, le=1024, description="Edge of the tiles in the store, in pixels.")
    ] = 128
    photo_pixels_limit: Annotated[int, Field(ge=1, description="Photos with more pixels are rejected.")] = (
        300_000_000
    )
    video_gigabytes_limit: Annotated[
        float, Field(gt=0, description="Videos whose files are larger are rejected.")
    ] = 200.0
    video_hours_limit: Annotated[
        float, Field(gt=0, description="Of longer videos, only so much becomes tiles.")
    ] = 24.0
    mosaic_pixels_limit: Annotated[
        int, Field(ge=1, description="Photos whose mosaic would have more pixels are rejected.")
    ] = 150_000_000
    gallery: Annotated[
        bool, Field(description="Whether index.html in the outbox shows each library's mosaics.")
    ] = True
    status_files: Annotated[
        bool,
        Field(description="Whether NAME.status.txt in the outbox tells how a file fares that takes longer."),
    ] = True
    page_megabytes_limit: Annotated[
        float,
        Field(
            ge=0, description="The page beside each mosaic is no larger; its pictures give way. 0: no pages."
        ),
    ] = 16.0
    attempts_limit: Annotated[
        int, Field(ge=1, description="A file at which the program failed so often is rejected.")
    ] = 2
    stall_limit_seconds: Annotated[
        float, Field(gt=0, description="A job without progress for so long is ended; that is an attempt.")
    ] = 600.0
    job_limit_seconds: Annotated[
        float,
        Field(
            gt=0,
            le=10_000_000,
            description="A job that takes longer altogether, or more computing time, is ended; that is an attempt.",
        ),
    ] = 43_200.0
    worker_memory_limit_megabytes: Annotated[
        int,
        Field(
            ge=512,
            le=1_000_000_000,
            description="A job that needs more memory is ended; that is an attempt. Whatever is set here, it is "
            "at most three quarters of the machine's memory.",
        ),
    ] = 4096
    retry_seconds: Annotated[
        float,
        Field(gt=0, description="What cannot be done just now (a full disk) is tried again after this."),
    ] = 30.0
    archive_retention_days: Annotated[
        float,
        Field(
            ge=0,
            description="Originals that have been in the archive for so long are deleted for good; 0: never.",
        ),
    ] = 0.0
    mosaic_history_retention_days: Annotated[
        float,
        Field(
            ge=0,
            description="Which tiles a mosaic was made of is forgotten after so long, and what it charged as soon "
            "as that has faded to nothing; 0: never.",
        ),
    ] = 0.0
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
        root = _real(self.root)
        if root == _real(_DEFAULT_ROOT):
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
    file = config if config is not None else settings_file()
    places = _Places(
        flags={name: value for name, value in flags.items() if value is not None},
        variables={
            name.upper().removeprefix(_PREFIX).lower(): name
            for name in os.environ
            if name.upper().startswith(_PREFIX)
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
    paths = {name: _real(getattr(folders, name)) for name in _FOLDER_NAMES}
    database = _real(settings.database_path)
    for name, path in {"root": _real(settings.root), **paths}.items():
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


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - links in it are kept as the user wrote them


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path.expanduser()))  # unlike resolve, it never raises
