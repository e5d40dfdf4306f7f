"""The mosaic pipeline at work in a folder of its own."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mosaicd.jobs.queue import JobQueue
from mosaicd.jobs.workers import ReportProgress
from mosaicd.media.files import signature
from mosaicd.media.mounts import mounted_now, mounts_of
from mosaicd.media.outbox import report_path
from mosaicd.pipelines.appearance import Appearance
from mosaicd.pipelines.mosaic import MosaicPipeline
from mosaicd.pipelines.orders import MosaicOrder
from mosaicd.store.database import Database
from mosaicd.store.models import JobKind, Mosaic
from mosaicd.store.mosaics import mosaic_of_job
from tests.libraries import PHOTOS


@dataclass
class MosaicStudio:
    """Makes mosaics of one of scikit-image's pictures, one after the other, at times that it is told."""

    database: Database
    library_id: int
    folder: Path
    picture: str
    page_bytes_limit: int = 0

    def __post_init__(self) -> None:
        self.pipeline = MosaicPipeline(self.database.path)
        self.queue = JobQueue(self.database)
        self.inbox = self.folder / "inbox"
        self.inbox.mkdir()
        self.made = 0

    def make(
        self, *, now: float, report_progress: ReportProgress = lambda _: None, **appearance: Any
    ) -> Mosaic:
        """Drop the picture once more; the mosaic that comes of it."""
        self.made += 1
        photo = self.inbox / f"{self.made}-{self.picture}"
        photo.write_bytes((PHOTOS / self.picture).read_bytes())
        looks = signature(photo)
        assert looks is not None
        ticket = self.queue.admit(
            library="default",
            kind=JobKind.MOSAIC,
            path=photo.name,
            signature=looks,
            first_seen_at=now,
            now=now,
        )
        order = MosaicOrder(
            job_id=ticket.job_id,
            library_id=self.library_id,
            file=photo,
            name=photo.name,
            signature=looks,
            appearance=Appearance(**appearance),
            appearance_file=self.inbox / "mosaic.toml",
            penalty_half_life_days=30,
            photo_pixels_limit=10**8,
            mosaic_pixels_limit=10**8,
            page_bytes_limit=self.page_bytes_limit,
            library="default",
            gallery_folder="" if self.page_bytes_limit else None,
            outbox=self.folder / "outbox",
            outbox_mounts=mounts_of(self.folder / "outbox", mounted_now()),
            staging=self.folder / "staging",
            now=now,
        )
        self.pipeline.run(order, report_progress)
        with self.database.read() as session:
            mosaic = mosaic_of_job(session, ticket.job_id)
            assert mosaic is not None
            return mosaic

    def report(self, mosaic: Mosaic) -> dict[str, Any]:
        """What was published beside a mosaic."""
        report: dict[str, Any] = json.loads((self.folder / "outbox" / report_path(mosaic.stem)).read_text())
        return report
