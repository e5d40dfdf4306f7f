"""Settings: which there are."""

import hashlib
import os
from pathlib import Path
from typing import Annotated, Any

import platformdirs
from pydantic import AfterValidator, Field
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from mosaicd.intake.live_photos import LivePhotoFilms
from mosaicd.intake.watcher import Watching
from mosaicd.jobs.originals import Folders, Originals
from mosaicd.logs import LogFormat, LogLevel
from mosaicd.pipelines.appearance import Appearance
from mosaicd.pipelines.orders import NearDuplicates, PoorFrames

PREFIX = "MOSAICD_"
_DEFAULT_ROOT = Path("~/Mosaics")


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
    live_photo_films: Annotated[
        LivePhotoFilms,
        Field(
            description="What becomes of the few seconds of film that belong to a live photo: skip (nothing) or "
            "tiles."
        ),
    ] = LivePhotoFilms.SKIP
    poor_frames: Annotated[
        PoorFrames,
        Field(
            description="What becomes of a film's frames that are blurred or hold nothing but writing, as credits "
            "do: skip (nothing) or tiles."
        ),
    ] = PoorFrames.SKIP
    near_duplicates: Annotated[
        NearDuplicates,
        Field(
            description="What a tile must not repeat, as far as an eye can tell: one (the tile before it), film "
            "(any other of its film) or library (any other at all)."
        ),
    ] = NearDuplicates.FILM
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
        frozen=True, extra="forbid", allow_inf_nan=False, env_prefix=PREFIX, env_ignore_empty=True
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
        root = real_path(self.root)
        if root == real_path(_DEFAULT_ROOT):
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


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - links in it are kept as the user wrote them


def real_path(path: Path) -> Path:
    """A path without links, whatever stands there."""
    return Path(os.path.realpath(path.expanduser()))  # unlike resolve, it never raises
