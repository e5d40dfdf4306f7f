"""Orders: all that a worker has to know for one job. They are sent from the daemon to its workers."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from mosaicd.jobs.workers import Done, ReportProgress
from mosaicd.media.files import Signature
from mosaicd.media.mounts import Mounts
from mosaicd.pipelines.appearance import Appearance

if TYPE_CHECKING:
    from mosaicd.pipelines.mosaic import MosaicPipeline
    from mosaicd.pipelines.splice import SplicePipeline


class PoorFrames(StrEnum):
    """What becomes of frames of a film that are blurred or hold nothing but writing."""

    SKIP = "skip"
    TILES = "tiles"


class NearDuplicates(StrEnum):
    """Which tiles a square is not to repeat: the one before, any of its film, or any of its library."""

    ONE = "one"
    FILM = "film"
    LIBRARY = "library"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpliceOrder:
    """Cut a video or a photo into tiles.

    Attributes
    ----------
    file : Path
    name : str
        Its path relative to the inbox.
    signature : Signature
        What it looked like when it had settled.
    now : float
        Seconds since 1970.
    """

    library_id: int
    file: Path
    name: str
    signature: Signature
    sample_interval_seconds: float
    master_edge_pixels: int
    photo_pixels_limit: int
    video_gigabytes_limit: float
    video_hours_limit: float
    poor_frames: PoorFrames
    near_duplicates: NearDuplicates
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MosaicOrder:
    """Make a mosaic of a photo.

    Attributes
    ----------
    file, name, signature, now
        As in `SpliceOrder`.
    appearance_file : Path
        The library's ``mosaic.toml``, whether there is one or not.
    outbox_mounts : Mounts
        The file systems of the outbox, without which nothing must be written there.
    gallery_folder : str or None
        Where in the outbox the library's gallery is kept, if one is.
    """

    job_id: int
    library_id: int
    file: Path
    name: str
    signature: Signature
    appearance: Appearance
    appearance_file: Path
    penalty_half_life_days: float
    photo_pixels_limit: int
    mosaic_pixels_limit: int
    page_bytes_limit: int
    library: str
    gallery_folder: str | None
    outbox: Path
    outbox_mounts: Mounts
    staging: Path
    now: float


class SpliceWork:
    """What the splice worker is handed: loads the pipeline's libraries in the worker, not in the daemon."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._pipeline: SplicePipeline | None = None

    def __call__(self, order: SpliceOrder, report_progress: ReportProgress, /) -> Done:
        """Do one job."""
        if self._pipeline is None:
            from mosaicd.pipelines.splice import SplicePipeline

            self._pipeline = SplicePipeline(self._database)
        return self._pipeline.run(order, report_progress)


class MosaicWork:
    """What the mosaic worker is handed; as `SpliceWork`."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._pipeline: MosaicPipeline | None = None

    def __call__(self, order: MosaicOrder, report_progress: ReportProgress, /) -> Done:
        """Do one job."""
        if self._pipeline is None:
            from mosaicd.pipelines.mosaic import MosaicPipeline

            self._pipeline = MosaicPipeline(self._database)
        return self._pipeline.run(order, report_progress)
