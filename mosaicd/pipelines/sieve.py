"""The sieve: which of a source's squares become tiles, and why the others do not."""

import numpy as np

from mosaicd.imaging import FloatArray, PixelArray
from mosaicd.imaging.descriptors import describe
from mosaicd.imaging.frames import REPEATED_DISTANCE, SkipReason, skip_reason
from mosaicd.imaging.looks import KnownLooks
from mosaicd.imaging.worth import is_blurred, is_writing
from mosaicd.pipelines.orders import NearDuplicates, PoorFrames
from mosaicd.store.database import Database
from mosaicd.store.looks import looks_of_library, looks_of_source, subcells_of
from mosaicd.store.models import Source, SourceKind


class Sieve:
    """Says which squares of one source are worth having, and notes those that are kept.

    A square repeats a tile from which it differs by less than an eye can tell apart, the measure by which it
    repeats the one before it. Of other sources, only those count that are whole: an incomplete one may yet give way
    to the film that it is a part of.

    Parameters
    ----------
    database : Database
    source : Source
    poor_frames : PoorFrames
        Of films; what a person has chosen as a tile is one.
    near_duplicates : NearDuplicates
    previous : dict of int to ndarray of float32, shape (75,)
        The source's last tile from each end.
    """

    def __init__(
        self,
        database: Database,
        source: Source,
        *,
        poor_frames: PoorFrames,
        near_duplicates: NearDuplicates,
        previous: dict[int, FloatArray],
    ) -> None:
        self._database = database
        self._source = source
        self._skips_poor = poor_frames is PoorFrames.SKIP and source.kind is SourceKind.VIDEO
        self._near_duplicates = near_duplicates
        self._previous = previous
        self._known = KnownLooks()
        self._uncommitted: list[FloatArray] = []

    def refresh(self) -> None:
        """Take note of what has been committed."""
        self._uncommitted.clear()
        if self._near_duplicates is NearDuplicates.ONE:
            return
        of_all = looks_of_source if self._near_duplicates is NearDuplicates.FILM else looks_of_library
        with self._database.read() as session:
            for tiles, squares in of_all(session, self._source, after_tile=self._known.latest):
                self._known.add(tiles, describe(squares))

    def judge(self, end: int, square: PixelArray, descriptor: FloatArray) -> SkipReason | None:
        """Say why a square should not become a tile, and note it if it should.

        Parameters
        ----------
        end : int
            Which end of the frame it was cut from.
        square : ndarray of uint8, shape (edge, edge, 3)
            sRGB.
        descriptor : ndarray of float32, shape (75,)

        Returns
        -------
        SkipReason or None
            None if it should.
        """
        reason = skip_reason(descriptor, self._previous.get(end))
        if reason is None and self._skips_poor:
            reason = _poverty(square)
        if reason is None and self._is_repeated(descriptor):
            reason = SkipReason.DUPLICATE
        if reason is None:
            self._previous[end] = descriptor
            self._uncommitted.append(descriptor)
        return reason

    def _is_repeated(self, descriptor: FloatArray) -> bool:
        if self._near_duplicates is NearDuplicates.ONE:
            return False
        if self._uncommitted and _is_alike(descriptor, np.stack(self._uncommitted)):
            return True
        candidates = self._known.like(descriptor).tolist()
        if not candidates:
            return False
        with self._database.read() as session:
            return any(_is_alike(descriptor, describe(some)) for some in subcells_of(session, candidates))


def _poverty(square: PixelArray) -> SkipReason | None:
    if is_writing(square):
        return SkipReason.CREDITS
    return SkipReason.BLURRED if is_blurred(square) else None


def _is_alike(descriptor: FloatArray, others: FloatArray) -> bool:
    return bool((np.linalg.norm(others - descriptor, axis=1) < REPEATED_DISTANCE).any())
