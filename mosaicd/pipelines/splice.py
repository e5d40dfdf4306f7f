"""Splice: a video, or a photo meant for tiles, becomes tiles of its library."""

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mosaicd.crash_points import CrashPoint, passed
from mosaicd.errors import RejectedInputError, TransientError
from mosaicd.imaging import FloatArray, PixelArray
from mosaicd.imaging.descriptors import describe, subcells
from mosaicd.imaging.frames import square_crops
from mosaicd.imaging.shots import ShotFinder
from mosaicd.jobs.workers import Done, Progress, ReportProgress
from mosaicd.media.kinds import MediaKind, media_kind
from mosaicd.media.masters import decode_master, encode_master
from mosaicd.media.photo import read_photo, require_photo_size
from mosaicd.media.video import Frames, Sample, VideoReader
from mosaicd.pipelines.content import Content, require_looks
from mosaicd.pipelines.orders import SpliceOrder
from mosaicd.pipelines.sieve import Sieve
from mosaicd.store.database import Database
from mosaicd.store.models import Source, SourceKind
from mosaicd.store.superseding import supersede_parts
from mosaicd.store.tiles import (
    Chunk,
    NewTile,
    add_chunk,
    complete_source,
    find_or_add_source,
    find_source,
    last_subcells,
    shot_starts,
    skipped,
)

_SAMPLES_A_CHUNK = 50
_PHOTO_LONG_SIDE_PIXELS = 8192
_TOLERATED_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ending:
    """How a source ended."""

    duration_seconds: float | None = None
    shortfall: str | None = None


class SplicePipeline:
    """Splices one file after the other into the store.

    Parameters
    ----------
    database : Path
    frames : Frames
        Which of a film's frames to decode.
    """

    def __init__(self, database: Path, *, frames: Frames = Frames.KEYFRAMES_IF_DENSE) -> None:
        self._database = Database(database)
        self._frames = frames

    def run(self, order: SpliceOrder, report_progress: ReportProgress) -> Done:
        """Splice a file. What was committed before an interruption is kept and gone on from.

        Raises
        ------
        RejectedInputError
            If nothing of the file can be used.
        TransientError
            If it cannot be read just now, or changed meanwhile.
        """
        start = time.perf_counter()
        require_looks(order.file, order.signature)
        report_progress(Progress(stage="reading", share=0))
        kind = _kind_of(order)
        content = Content(order.file, order.signature, report_progress)
        report_progress(Progress(stage="splicing", share=0, sha256=content.sha256))
        source, is_restored = self._source(order, kind, content.sha256)
        is_known = source.completed_at is not None
        superseded: list[int] = []
        if not is_known:
            source, superseded = self._splice(order, source, content, report_progress)
        return Done(
            facts={
                "source": source.id,
                "already_known": is_known,
                "restored": is_restored,
                "superseded": superseded,
                "sampled_frames": source.next_sample,
                "tiles": source.tiles_made,
                **skipped(source),
                "duration_seconds": source.duration_seconds,
                "shortfall": source.shortfall,
                "total_seconds": round(time.perf_counter() - start, 3),
            }
        )

    def _source(self, order: SpliceOrder, kind: SourceKind, sha256: bytes) -> tuple[Source, bool]:
        """The source that this file is, and whether it was out of use until now."""
        with self._database.write() as session:
            known = find_source(session, order.library_id, sha256)
            is_restored = known is not None and known.removed_at is not None
            source = find_or_add_source(
                session,
                library_id=order.library_id,
                sha256=sha256,
                kind=kind,
                name=order.name,
                sample_interval_seconds=order.sample_interval_seconds,
                now=order.now,
            )
        passed(CrashPoint.SOURCE_ADDED)
        return source, is_restored

    def _splice(
        self, order: SpliceOrder, source: Source, content: Content, report_progress: ReportProgress
    ) -> tuple[Source, list[int]]:
        """The completed source, and the incomplete ones that it takes the place of."""
        splicer = _Splicer(self._database, order, source, content)
        try:
            if source.kind is SourceKind.VIDEO:
                ending = _splice_video(order, source, splicer, self._frames, report_progress)
            else:
                ending = _splice_photo(order, splicer)
        except RejectedInputError:
            self._forget_unused(source)
            raise
        with self._database.write() as session:
            completed = complete_source(
                session,
                source.id,
                duration_seconds=ending.duration_seconds,
                shortfall=ending.shortfall,
                now=order.now,
            )
            superseded = supersede_parts(session, completed, now=order.now)
        passed(CrashPoint.SOURCE_COMPLETED)
        return completed, superseded

    def _forget_unused(self, source: Source) -> None:
        """What gave nothing is no source of tiles."""
        with self._database.write() as session:
            row = session.get_one(Source, source.id)
            if row.next_sample == 0:
                session.delete(row)
        passed(CrashPoint.SOURCE_FORGOTTEN)


class _Splicer:
    """Takes samples, commits what they give in chunks."""

    def __init__(self, database: Database, order: SpliceOrder, source: Source, content: Content) -> None:
        self._database = database
        self._content = content
        self._order = order
        self._source_id = source.id
        self._chunk = Chunk()
        self._samples = 0
        with database.read() as session:
            kept = last_subcells(session, source.id)
            starts = list(shot_starts(session, source.id))
        self._sieve = Sieve(
            database,
            source,
            poor_frames=order.poor_frames,
            near_duplicates=order.near_duplicates,
            previous={crop: _described(squares) for crop, squares in kept.items()},
        )
        self._sieve.refresh()
        self._shots = ShotFinder()
        for shot, crop, squares in starts:
            self._shots.resume(shot, {crop: _described(squares)})

    @property
    def is_full(self) -> bool:
        """Whether it is time to commit."""
        return self._samples >= _SAMPLES_A_CHUNK

    def take(self, sample: Sample) -> None:
        """Cut a sample into crops and keep those worth keeping."""
        seen: dict[int, FloatArray] = {}
        tiles: list[NewTile] = []
        for number, crop in enumerate(square_crops(sample.pixels, edge=self._order.master_edge_pixels)):
            jpeg = encode_master(crop)
            squares = subcells(decode_master(jpeg)[np.newaxis])
            seen[number] = _described(squares[0])
            reason = self._sieve.judge(number, crop, seen[number])
            if reason is not None:
                self._chunk.skipped[reason] += 1
                continue
            tiles.append(
                NewTile(presentation_us=sample.presentation_us, crop=number, jpeg=jpeg, subcells=squares[0])
            )
        kept = {tile.crop: seen[tile.crop] for tile in tiles}
        if kept:
            shot = self._shots.shot_of(seen, kept)
            self._chunk.tiles += [replace(tile, shot=shot) for tile in tiles]
        self._samples += 1

    def commit(self, *, next_sample: int, shortfall: str | None = None) -> None:
        """Commit what has been taken, unless the file is no longer the one it was taken from."""
        self._content.require_unchanged()
        with self._database.write() as session:
            source = session.get_one(Source, self._source_id)
            source.shortfall = shortfall
            add_chunk(session, self._source_id, self._chunk, next_sample=next_sample)
        passed(CrashPoint.CHUNK_COMMITTED)
        self._sieve.refresh()
        self._chunk = Chunk()
        self._samples = 0


def _described(squares: PixelArray) -> FloatArray:
    row: FloatArray = describe(squares[np.newaxis])[0]
    return row


def _kind_of(order: SpliceOrder) -> SourceKind:
    """What the file is; RejectedInputError if it is too large for that."""
    size = order.signature.size
    try:
        kind = media_kind(order.file)
    except OSError as error:
        message = f"the file cannot be read: {error.strerror}"
        raise TransientError(message) from error
    if kind is not MediaKind.VIDEO:
        require_photo_size(size, photo_pixels_limit=order.photo_pixels_limit)
        return SourceKind.PHOTO
    if size > order.video_gigabytes_limit * 1e9:
        message = (
            f"the file has {size / 1e9:,.1f} GB, more than the limit of {order.video_gigabytes_limit:g} GB for "
            "videos (setting video_gigabytes_limit)"
        )
        raise RejectedInputError(message)
    return SourceKind.VIDEO


def _splice_video(
    order: SpliceOrder, source: Source, splicer: _Splicer, frames: Frames, report_progress: ReportProgress
) -> _Ending:
    most_samples = math.ceil(order.video_hours_limit * 3600 / source.sample_interval_seconds)
    next_sample = source.next_sample

    def report() -> None:
        seconds = next_sample * source.sample_interval_seconds
        share = min(1.0, seconds / (reader.declared_seconds or seconds)) if seconds else 0.0
        report_progress(Progress(stage="splicing", share=share))

    with _reader(order, source, frames=frames) as reader:
        goes_on = False
        # From the middle of a damaged film, other frames might be readable than from its start.
        first = 0 if source.shortfall else next_sample
        for sample in reader.samples(first, report_reread=report):
            if sample.number < next_sample:
                report()
                continue
            if sample.number >= most_samples:
                goes_on = True
                break
            splicer.take(sample)
            next_sample = sample.number + 1
            if splicer.is_full:
                splicer.commit(next_sample=next_sample, shortfall=_damage(reader))
            report()
        if next_sample == 0:
            message = (
                "this video is encrypted: only players that have its key can show it"
                if reader.is_encrypted
                else "no frame of this video could be decoded"
            )
            raise RejectedInputError(message)
        splicer.commit(next_sample=next_sample, shortfall=_damage(reader))
        shortfall = (
            f"only its first {order.video_hours_limit:g} hours have become tiles (setting video_hours_limit)"
            if goes_on
            else _shortfall(reader, source)
        )
        return _Ending(duration_seconds=reader.seconds, shortfall=shortfall)


def _splice_photo(order: SpliceOrder, splicer: _Splicer) -> _Ending:
    photo = read_photo(
        order.file, photo_pixels_limit=order.photo_pixels_limit, long_side_pixels=_PHOTO_LONG_SIDE_PIXELS
    )
    splicer.take(Sample(number=0, presentation_us=0, pixels=photo))
    splicer.commit(next_sample=1)
    return _Ending()


def _shortfall(reader: VideoReader, source: Source) -> str | None:
    """What of a film could not be read, in plain words."""
    tolerated = max(_TOLERATED_SECONDS, 2 * source.sample_interval_seconds)
    if reader.declared_seconds is None or reader.missing_seconds <= tolerated:
        return _damage(reader)
    end = f"it ends after {reader.seconds:.1f} of {reader.declared_seconds:.1f} seconds"
    damage = _damage(reader)
    return end if damage is None else f"{end}; {damage}"


def _damage(reader: VideoReader) -> str | None:
    match reader.damaged_frames:
        case 0:
            return None
        case 1:
            return "one of its frames is damaged or out of order"
        case number:
            return f"{number} of its frames are damaged or out of order"


@contextlib.contextmanager
def _reader(order: SpliceOrder, source: Source, *, frames: Frames) -> Iterator[VideoReader]:
    reader = VideoReader(
        order.file,
        sample_interval_seconds=source.sample_interval_seconds,
        short_side_pixels=order.master_edge_pixels,
        frames=frames,
    )
    with contextlib.closing(reader):
        yield reader
