"""Mosaic: a photo becomes a mosaic of its library's tiles."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mosaicd.crash_points import CrashPoint, passed
from mosaicd.errors import RejectedInputError, TransientError
from mosaicd.imaging import PixelArray
from mosaicd.imaging.descriptors import SUBCELLS
from mosaicd.imaging.figures import closeness, repetition
from mosaicd.imaging.grid import CellGrid
from mosaicd.imaging.rendering import render
from mosaicd.jobs.workers import Done, Progress, ReportProgress
from mosaicd.matching.engine import Choice, Rules
from mosaicd.media.formats import OutputFormat
from mosaicd.media.masters import decode_master
from mosaicd.media.outbox import image_path, is_stem_taken, stems
from mosaicd.media.photo import read_photo, require_photo_size
from mosaicd.pipelines.appearance import Appearance, appearance_over
from mosaicd.pipelines.content import Content
from mosaicd.pipelines.libraries import LibraryEngines
from mosaicd.pipelines.mosaic_page import page_of
from mosaicd.pipelines.orders import MosaicOrder
from mosaicd.pipelines.publishing import publish_mosaic, require_outbox, show_in_gallery
from mosaicd.pipelines.report import figures_to_keep, placement_in_words
from mosaicd.plain_text import printable
from mosaicd.store.database import Database
from mosaicd.store.history import Histories
from mosaicd.store.models import Mosaic
from mosaicd.store.mosaics import (
    StoredPlacement,
    free_stem,
    load_placement,
    mark_published,
    mosaic_of_job,
    record_mosaic,
    stem_key,
)
from mosaicd.store.tiles import masters

PHOTO_PIXELS_A_CELL = 16


@dataclass(slots=True)
class _Stages:
    """Tells which stage a job is in, and keeps how long each took."""

    report_progress: ReportProgress
    seconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def stage(self, name: str, *, share: float) -> Iterator[None]:
        """Time a stage that begins when `share` of the job is done."""
        self.report_progress(Progress(stage=name, share=share))
        start = time.perf_counter()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 3)


class MosaicPipeline:
    """Makes one mosaic after the other.

    Parameters
    ----------
    database : Path
    """

    def __init__(self, database: Path) -> None:
        self._database = Database(database)
        self._engines = LibraryEngines(self._database)
        self._histories = Histories()

    def run(self, order: MosaicOrder, report_progress: ReportProgress) -> Done:
        """Make and publish the mosaic of a photo.

        What an interrupted run has recorded is rendered and published again under the same name; nothing is
        chosen or charged anew.

        Raises
        ------
        RejectedInputError
            If the photo cannot be used.
        TransientError
            If it cannot be read, or the mosaic cannot be written, just now.
        """
        stages = _Stages(report_progress)
        with stages.stage("reading", share=0.0):
            require_photo_size(order.signature.size, photo_pixels_limit=order.photo_pixels_limit)
            content = Content(order.file, order.signature, report_progress)
            report_progress(Progress(stage="reading", share=0.0, sha256=content.sha256))
            mosaic = self._recorded(order)
            if mosaic is not None and mosaic.published_at is not None:
                return Done(facts=_facts(mosaic))
            require_outbox(order)
            appearance, complaint = _appearance(order, mosaic)
            photo = read_photo(
                order.file,
                photo_pixels_limit=order.photo_pixels_limit,
                long_side_pixels=appearance.cells_on_long_side * PHOTO_PIXELS_A_CELL,
            )
            content.require_unchanged()
            grid = CellGrid.fit(photo.shape, cells_on_long_side=appearance.cells_on_long_side)
            require_writable_size(grid, appearance, order.mosaic_pixels_limit)
        if mosaic is None:
            mosaic, placement = self._place(order, appearance, photo, grid, content.sha256, stages)
        else:
            with self._database.read() as session:
                placement = load_placement(session, mosaic)
        with stages.stage("rendering", share=0.4):
            image = self._render(placement, appearance)
        with stages.stage("measuring", share=0.7):
            figures = {**asdict(repetition(placement.tiles)), **asdict(closeness(image, photo, grid))}
        report = self._report(order, mosaic, placement, figures, stages)
        with stages.stage("making its page", share=0.8):
            page = self._page(order, image, photo, grid, report)
        with stages.stage("writing", share=0.9):
            publish_mosaic(order, mosaic.stem, appearance, image, report, page)
            show_in_gallery(self._database, order, mosaic, image)
        return Done(facts=_facts(self._finish(mosaic, report, stages)), appearance_complaint=complaint)

    def _recorded(self, order: MosaicOrder) -> Mosaic | None:
        with self._database.read() as session:
            return mosaic_of_job(session, order.job_id)

    def _place(
        self,
        order: MosaicOrder,
        appearance: Appearance,
        photo: PixelArray,
        grid: CellGrid,
        sha256: bytes,
        stages: _Stages,
    ) -> tuple[Mosaic, StoredPlacement]:
        """Choose a tile for each cell, and record the choice, its charges and the mosaic's name as one."""
        with stages.stage("loading tiles", share=0.05):
            engine = self._engines.current(order.library_id, appearance)
            if len(engine.tiles) == 0:
                message = "the library has no tiles any more"
                raise TransientError(message)
            with self._database.read() as session:
                history = self._histories.of(order.library_id, half_life_days=order.penalty_half_life_days)
                appearances = history.appearances(session, engine.tiles, now=order.now)
        with stages.stage("matching", share=0.1):
            chosen = engine.choose(
                grid.cut(grid.sample(photo, pixels_a_cell=SUBCELLS)),
                shape=(grid.rows, grid.columns),
                past_appearances=appearances,
                rules=Rules(
                    minimum_distance_cells=appearance.minimum_distance_cells,
                    minimum_shot_distance_cells=appearance.minimum_shot_distance_cells,
                    maximum_uses=appearance.maximum_uses,
                    penalty_step=appearance.penalty_step,
                    mirror=appearance.mirror,
                    color_correction=appearance.color_correction,
                    assignment=appearance.assignment,
                ),
            )
        placement = StoredPlacement(
            tiles=chosen.tiles, mirrored=chosen.mirrored, corrections=chosen.corrections
        )
        settings = {
            **appearance.model_dump(mode="json"),
            "penalty_half_life_days": order.penalty_half_life_days,
        }
        with self._database.write() as session:
            stem = free_stem(
                session, stems(order.name), is_taken=lambda stem: is_stem_taken(order.outbox, stem)
            )
            mosaic = Mosaic(
                job_id=order.job_id,
                library_id=order.library_id,
                photo_sha256=sha256,
                photo_name=order.name,
                stem=stem,
                stem_key=stem_key(stem),
                settings=settings,
                tiles_in_library=len(engine.tiles),
                rows=grid.rows,
                columns=grid.columns,
                created_at=order.now,
                figures=figures_of(chosen),
            )
            record_mosaic(session, mosaic, placement)
        passed(CrashPoint.PLACEMENT_RECORDED)
        return mosaic, placement

    def _render(self, placement: StoredPlacement, appearance: Appearance) -> PixelArray:
        wanted = np.unique(placement.tiles).tolist()
        with self._database.read() as session:
            return render(
                ((tile, decode_master(jpeg)) for tile, jpeg in masters(session, wanted)),
                tiles=placement.tiles,
                mirrored=placement.mirrored,
                corrections=placement.corrections,
                tile_edge_pixels=appearance.tile_edge_pixels,
            )

    def _report(
        self,
        order: MosaicOrder,
        mosaic: Mosaic,
        placement: StoredPlacement,
        figures: dict[str, Any],
        stages: _Stages,
    ) -> dict[str, Any]:
        rounded = {key: round(value, 4) for key, value in figures.items()}
        with self._database.read() as session:
            return {
                "photo": printable(order.name),
                "tiles_in_library": mosaic.tiles_in_library,
                "rows": mosaic.rows,
                "columns": mosaic.columns,
                **rounded,
                **mosaic.figures,
                "seconds": dict(stages.seconds),
                "settings": mosaic.settings,
                "placement": placement_in_words(session, placement),
            }

    def _page(
        self,
        order: MosaicOrder,
        image: PixelArray,
        photo: PixelArray,
        grid: CellGrid,
        report: dict[str, Any],
    ) -> bytes | None:
        if order.page_bytes_limit == 0:
            return None
        with self._database.read() as session:
            return page_of(
                session,
                image=image,
                photo=photo,
                grid=grid,
                report=report,
                bytes_limit=order.page_bytes_limit,
            )

    def _finish(self, mosaic: Mosaic, report: dict[str, Any], stages: _Stages) -> Mosaic:
        """Note that the mosaic is published, and its figures."""
        figures = {**figures_to_keep(report), "seconds": dict(stages.seconds)}
        with self._database.write() as session:
            published = mark_published(session, mosaic.id, figures, now=time.time())
        passed(CrashPoint.MOSAIC_MARKED_PUBLISHED)
        return published


def _facts(mosaic: Mosaic) -> dict[str, Any]:
    return {
        **mosaic.figures,
        "mosaic": mosaic.id,
        "image": image_path(mosaic.stem, OutputFormat(mosaic.settings["output_format"])),
        "total_seconds": round(sum(mosaic.figures["seconds"].values()), 3),
    }


def figures_of(chosen: Choice) -> dict[str, Any]:
    """What the choice itself tells of a mosaic."""
    shifts, gains = chosen.corrections[..., :3], chosen.corrections[..., 3]
    figures = {
        "relaxed_cells": asdict(chosen.relaxed),
        "mean_similarity": round(chosen.mean_similarity, 4),
        "mean_shift": round(float(np.linalg.norm(shifts, axis=2).mean()), 3),
        "mean_gain": round(float(gains.mean()), 3),
    }
    if chosen.certified_share is not None:
        figures["certified_share"] = round(chosen.certified_share, 4)
    return figures


def _appearance(order: MosaicOrder, mosaic: Mosaic | None) -> tuple[Appearance, str | None]:
    """What the mosaic is to look like, and what is wrong with the library's ``mosaic.toml``, if anything.

    A mosaic that has been recorded looks as it was recorded.
    """
    if mosaic is not None:
        recorded = {key: value for key, value in mosaic.settings.items() if key in Appearance.model_fields}
        return Appearance.model_validate(recorded), None
    try:
        return appearance_over(order.appearance, order.appearance_file), None
    except ValueError as error:
        return order.appearance, str(error)


def require_writable_size(grid: CellGrid, appearance: Appearance, pixels_limit: int) -> None:
    """Raise RejectedInputError if a mosaic of this appearance would be larger than it may be."""
    height, width = grid.rows * appearance.tile_edge_pixels, grid.columns * appearance.tile_edge_pixels
    longest = appearance.output_format.edge_limit_pixels
    if max(height, width) > longest:
        message = f"the mosaic would be {width} x {height} pixels; {appearance.output_format} holds {longest}"
        raise RejectedInputError(message)
    if height * width > pixels_limit:
        message = (
            f"the mosaic would have {width} x {height} pixels, more than the limit of {pixels_limit:,} "
            "(setting mosaic_pixels_limit)"
        )
        raise RejectedInputError(message)
