"""What the database holds. Times are seconds since 1970 UTC; paths are bytes, relative to their folder."""

import os
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Enum,
    ForeignKey,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column
from sqlalchemy.types import TypeDecorator


class FsPath(TypeDecorator[str]):
    """A path of the file system: any bytes, which Python holds as a string with surrogate escapes."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> bytes | None:  # noqa: ANN401, ARG002
        """To the database."""
        return None if value is None else os.fsencode(value)

    def process_result_value(self, value: bytes | None, dialect: Any) -> str | None:  # noqa: ANN401, ARG002
        """From the database."""
        return None if value is None else os.fsdecode(value)


class JobState(StrEnum):
    """Where a job stands; jobs/states.py says what may follow what."""

    QUEUED = "queued"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class JobKind(StrEnum):
    """What is to be made of a job's file."""

    SPLICE = "splice"
    MOSAIC = "mosaic"


class SourceKind(StrEnum):
    """What tiles were cut from."""

    VIDEO = "video"
    PHOTO = "photo"


def _words(enum: type[StrEnum]) -> Enum:
    return Enum(
        enum,
        native_enum=False,
        length=12,
        create_constraint=True,
        name=f"{enum.__name__.lower()}_is_known",
        values_callable=lambda members: [member.value for member in members],
    )


class Base(MappedAsDataclass, DeclarativeBase, kw_only=True):
    """The root of the mapped classes."""


class Library(Base):
    """A named set of tiles with its penalty history."""

    __tablename__ = "library"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[float]
    penalties_reset_at: Mapped[float | None] = mapped_column(default=None)
    """Uses before this time no longer count."""


class Source(Base):
    """A video or photo that tiles were cut from, known by its content."""

    __tablename__ = "source"
    __table_args__ = (
        UniqueConstraint("library_id", "sha256"),
        CheckConstraint("length(sha256) = 32", name="sha256_is_whole"),
        CheckConstraint("sample_interval_seconds > 0", name="interval_is_positive"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    library_id: Mapped[int] = mapped_column(ForeignKey("library.id"))
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    kind: Mapped[SourceKind] = mapped_column(_words(SourceKind))
    name: Mapped[str] = mapped_column(FsPath)
    """Its path in the inbox when it first came."""
    sample_interval_seconds: Mapped[float]
    added_at: Mapped[float]
    next_sample: Mapped[int] = mapped_column(default=0)
    """Samples before this one are in the store: where an interrupted video goes on."""
    tiles_made: Mapped[int] = mapped_column(default=0)
    skipped_black: Mapped[int] = mapped_column(default=0)
    skipped_blank: Mapped[int] = mapped_column(default=0)
    skipped_repeated: Mapped[int] = mapped_column(default=0)
    skipped_blurred: Mapped[int] = mapped_column(default=0, server_default="0")
    skipped_credits: Mapped[int] = mapped_column(default=0, server_default="0")
    skipped_duplicate: Mapped[int] = mapped_column(default=0, server_default="0")
    duration_seconds: Mapped[float | None] = mapped_column(default=None)
    shortfall: Mapped[str | None] = mapped_column(default=None)
    """What of it could not be read, in plain words."""
    completed_at: Mapped[float | None] = mapped_column(default=None)
    removed_at: Mapped[float | None] = mapped_column(default=None)
    purge_begun_at: Mapped[float | None] = mapped_column(default=None)
    """Since when it is being deleted for good; it is known by no content any more, and does not come back."""


class Tile(Base):
    """A square cut from a source. Its pixels and its descriptor stand in tables of their own."""

    __tablename__ = "tile"
    __table_args__ = (
        UniqueConstraint("source_id", "presentation_us", "crop"),
        Index("tile_by_library", "library_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    library_id: Mapped[int] = mapped_column(ForeignKey("library.id"))
    source_id: Mapped[int] = mapped_column(ForeignKey("source.id"))
    presentation_us: Mapped[int]
    """Microseconds from the film's start to the frame; 0 for a photo."""
    crop: Mapped[int]
    """0: the upper or left end of the frame; 1: the lower or right end."""
    shot: Mapped[int | None] = mapped_column(default=None)
    removed_at: Mapped[float | None] = mapped_column(default=None)


class Master(Base):
    """A tile's pixels: the truth that descriptors and renderings are derived from."""

    __tablename__ = "master"

    tile_id: Mapped[int] = mapped_column(ForeignKey("tile.id"), primary_key=True)
    jpeg: Mapped[bytes] = mapped_column(LargeBinary)


class Descriptor(Base):
    """What is compared: the tile averaged to sub-cells, derived from the master by the scheme named."""

    __tablename__ = "descriptor"

    tile_id: Mapped[int] = mapped_column(ForeignKey("tile.id"), primary_key=True)
    scheme: Mapped[int]
    subcells: Mapped[bytes] = mapped_column(LargeBinary)
    """uint8, sRGB, 5 x 5 x 3."""


class Job(Base):
    """One file's passage from the inbox to the archive."""

    __tablename__ = "job"
    __table_args__ = (
        Index(
            "one_active_job_a_path",
            "path",
            unique=True,
            sqlite_where=text("state IN ('queued', 'waiting', 'running')"),
        ),
        Index("job_by_path", "path", "id"),
        Index("job_by_state", "state", "id"),
        Index("job_by_turn", "state", "kind", "library_id", "id"),
        Index("job_by_library", "library_id", "kind", "started_at"),
        CheckConstraint("attempts >= 0", name="attempts_are_counted"),
        CheckConstraint("interruptions >= 0", name="interruptions_are_counted"),
        CheckConstraint("progress BETWEEN 0 AND 1", name="progress_is_a_share"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    library_id: Mapped[int] = mapped_column(ForeignKey("library.id"))
    kind: Mapped[JobKind] = mapped_column(_words(JobKind))
    path: Mapped[str] = mapped_column(FsPath)
    size: Mapped[int]
    mtime_ns: Mapped[int]
    inode: Mapped[int]
    first_seen_at: Mapped[float]
    admitted_at: Mapped[float]
    state: Mapped[JobState] = mapped_column(_words(JobState), default=JobState.QUEUED)
    explanation: Mapped[str | None] = mapped_column(default=None)
    """What it waits for or why it was rejected, in plain words."""
    not_before: Mapped[float] = mapped_column(default=0.0)
    attempts: Mapped[int] = mapped_column(default=0)
    interruptions: Mapped[int] = mapped_column(default=0)
    """How often in a row the daemon was killed while it was worked on, without any gain in `work_kept`."""
    work_kept: Mapped[int] = mapped_column(default=0)
    """How much of it did not have to be done again after the last of these."""
    sha256: Mapped[bytes | None] = mapped_column(LargeBinary, default=None)
    started_at: Mapped[float | None] = mapped_column(default=None)
    ended_at: Mapped[float | None] = mapped_column(default=None)
    stage: Mapped[str | None] = mapped_column(default=None)
    progress: Mapped[float] = mapped_column(default=0.0)
    moved_to: Mapped[str | None] = mapped_column(FsPath, default=None)
    """Where the original goes, absolute; written before the move, so that a crash cannot lose track of it."""
    redelivered_at: Mapped[float | None] = mapped_column(default=None)
    original_gone_at: Mapped[float | None] = mapped_column(default=None)
    """Since when the original is known not to be in the archive any more, its time being up."""


class Mosaic(Base):
    """A finished image, or one that is about to be published under its stem."""

    __tablename__ = "mosaic"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    job_id: Mapped[int | None] = mapped_column(ForeignKey("job.id"), unique=True)
    library_id: Mapped[int] = mapped_column(ForeignKey("library.id"), index=True)
    photo_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    photo_name: Mapped[str] = mapped_column(FsPath)
    stem: Mapped[str] = mapped_column(FsPath)
    stem_key: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    """The stem as file systems that ignore case compare it."""
    settings: Mapped[dict[str, Any]] = mapped_column(JSON)
    tiles_in_library: Mapped[int]
    rows: Mapped[int]
    columns: Mapped[int]
    created_at: Mapped[float]
    figures: Mapped[dict[str, Any]] = mapped_column(JSON)
    """How close it came and how often it repeats itself: the report, without the placement."""
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("mosaic.id"), default=None)
    """The version of the same photo's mosaic that this one improves on."""
    published_at: Mapped[float | None] = mapped_column(default=None)
    charges_undone_at: Mapped[float | None] = mapped_column(default=None)
    placement_dropped_at: Mapped[float | None] = mapped_column(default=None)
    """When its placement was deleted for good; its name stays taken."""
    uses_dropped_at: Mapped[float | None] = mapped_column(default=None)
    """When its uses were deleted for good, which counted for nothing any more."""


class MosaicPlacement(Base):
    """The tile of each cell, row by row; arrays compressed by zlib, little-endian."""

    __tablename__ = "mosaic_placement"

    mosaic_id: Mapped[int] = mapped_column(ForeignKey("mosaic.id"), primary_key=True)
    tiles: Mapped[bytes] = mapped_column(LargeBinary)
    """int64."""
    mirrored: Mapped[bytes] = mapped_column(LargeBinary)
    """uint8, 0 or 1."""
    corrections: Mapped[bytes] = mapped_column(LargeBinary)
    """float16, four a cell: what is added to L*, a* and b*, and what their spread is multiplied by."""


class MosaicThumbnail(Base):
    """A mosaic small enough for a gallery."""

    __tablename__ = "mosaic_thumbnail"

    mosaic_id: Mapped[int] = mapped_column(ForeignKey("mosaic.id"), primary_key=True)
    jpeg: Mapped[bytes] = mapped_column(LargeBinary)


class TileUse(Base):
    """An event: a mosaic used a tile so many times. The penalty history is the sum of these."""

    __tablename__ = "tile_use"
    __table_args__ = (
        CheckConstraint("count > 0", name="use_is_real"),
        Index("tile_use_by_library", "library_id", "used_at"),
        Index("tile_use_by_tile", "tile_id"),
    )

    mosaic_id: Mapped[int] = mapped_column(ForeignKey("mosaic.id"), primary_key=True)
    tile_id: Mapped[int] = mapped_column(ForeignKey("tile.id"), primary_key=True)
    library_id: Mapped[int] = mapped_column(ForeignKey("library.id"))
    count: Mapped[int]
    used_at: Mapped[float]
