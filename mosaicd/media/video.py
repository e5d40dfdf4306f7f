"""Reading videos: one frame for each sampling moment, upright, with square pixels."""

from collections import deque
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from mosaicd.errors import TransientError
from mosaicd.imaging import PixelArray
from mosaicd.media.keyframes import KeyframePassage, dense_keyframes
from mosaicd.media.passage import Passage, Shown, threads_for
from mosaicd.media.streams import (
    KNOWS_EACH_TRACK,
    FilmFile,
    Projector,
    declared_seconds,
    frame_seconds,
    open_film,
)

_TICK = 1e-6


class Frames(Enum):
    """Which of a film's frames are decoded."""

    KEYFRAMES_IF_DENSE = auto()
    ALL = auto()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """What a film shows at one sampling moment.

    Attributes
    ----------
    number : int
        The moment is `number` times the sampling interval after the film's start.
    presentation_us : int
        When the frame shown then first appeared, in microseconds from the film's start.
    pixels : ndarray of uint8, shape (height, width, 3)
        sRGB, upright, its short side scaled as asked.
    """

    number: int
    presentation_us: int
    pixels: PixelArray


class VideoReader:
    """Reads a video's samples, and knows afterwards what it could not read.

    The film starts at its first frame that can be decoded. Frames that the decoder had to guess are left out, as
    if the one before them had lasted longer.

    A film is read in haste for as long as nothing is wrong with it. Where its index has keyframes as dense as
    sampling moments all through the film, only those are decoded, and what is between them counts as showing the
    same. Otherwise several frames are decoded at once, where the codec allows it. Samples are given only once it is
    certain that they were made of nothing damaged. For the others, the film is read again with less haste: at last
    from its beginning and one frame at a time. (Of 2,000 damaged films, one gave other samples when it was read on
    from a keyframe before the damage.)

    Parameters
    ----------
    path : Path
    sample_interval_seconds : float
    short_side_pixels : int
    frames : Frames

    Raises
    ------
    RejectedInputError
        If the file is no video that can be opened.
    TransientError
        If the file cannot be read just now.

    Attributes
    ----------
    declared_seconds : float or None
        The film's length as its file says.
    seconds : float
        Up to where the film could be read, so far.
    """

    def __init__(
        self,
        path: Path,
        *,
        sample_interval_seconds: float,
        short_side_pixels: int,
        frames: Frames = Frames.KEYFRAMES_IF_DENSE,
    ) -> None:
        self._interval = sample_interval_seconds
        self._projector = Projector(short_side=short_side_pixels)
        self.seconds = 0.0
        self._has_false_keyframe = False
        # FFmpeg is given the open file: it takes some names for addresses, and cannot take every name.
        try:
            self._file = FilmFile(path)
        except OSError as error:
            message = f"the video cannot be read: {error.strerror}"
            raise TransientError(message) from error
        try:
            keyframes = self._look(frames)
            self._passage = (
                Passage(self._file, threads=self._threads)
                if keyframes is None
                else KeyframePassage(self._file, keyframes)
            )
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._passage.close()
        self._file.close()

    @property
    def damaged_frames(self) -> int:
        """How many frames are damaged, out of order, or keyframes by the index alone, so far."""
        return max(self._passage.damaged_frames, int(self._has_false_keyframe))

    @property
    def is_encrypted(self) -> bool:
        """Whether any frame so far is encrypted, and thus counted as damaged."""
        return self._passage.is_encrypted

    @property
    def missing_seconds(self) -> float:
        """How much shorter than declared the file turned out to be, once all its samples are read."""
        reached = self.seconds
        if not self._knows_each_track:
            reached = max(reached, self._passage.reached_seconds)
        return max(0.0, (self.declared_seconds or 0.0) - reached)

    def samples(
        self, first: int = 0, *, report_reread: Callable[[], None] = lambda: None
    ) -> Iterator[Sample]:
        """Samples from number `first` on, in order: the same, wherever one begins.

        Each sample that is passed by again is told to `report_reread`.

        The sample of a moment is the last frame that appeared at or before it, as a player would show it:
        right for variable frame rates too. A frame shown for longer than the interval is several samples.

        Raises
        ------
        TransientError
            If the file cannot be read just now.
        """
        begin = first
        if isinstance(self._passage, KeyframePassage):
            for sample in self._undamaged(first, begin=first, report_reread=report_reread):
                yield sample
                first = sample.number + 1
            if not self._passage.is_suspect:
                return
            self._has_false_keyframe = True
            self._read_again(threads=self._threads)
            begin = first if self._threads > 1 else 0
        if self._threads > 1:
            for sample in self._undamaged(first, begin=begin, report_reread=report_reread):
                yield sample
                first = sample.number + 1
            if not self._passage.is_suspect:
                return
            self._read_again(threads=1)
            begin = 0
        yield from self._taken(first, begin=begin, report_reread=report_reread)

    def _look(self, frames: Frames) -> Set[int] | None:
        """Look at how the film is made: which its keyframes are, if they are dense."""
        container, stream = open_film(self._file)
        with container:
            self.declared_seconds = declared_seconds(container, stream)
            self._knows_each_track = container.format.name in KNOWS_EACH_TRACK
            self._threads = threads_for(stream)
            if frames is Frames.ALL:
                return None
            return dense_keyframes(container, stream, interval_seconds=self._interval)

    def _read_again(self, *, threads: int) -> None:
        self._passage.close()
        self._passage = Passage(self._file, threads=threads)

    def _undamaged(self, first: int, *, begin: int, report_reread: Callable[[], None]) -> Iterator[Sample]:
        """Samples up to a damaged frame; each only once it is certain that it was made of none."""
        waiting: deque[tuple[int, Sample]] = deque()
        for sample in self._taken(first, begin=begin, report_reread=report_reread):
            if self._passage.is_suspect:
                return
            delivered = self._passage.delivered
            waiting.append((delivered + self._passage.most_owed, sample))
            while waiting and waiting[0][0] <= delivered:
                yield waiting.popleft()[1]
        if not self._passage.is_suspect:
            yield from (sample for _, sample in waiting)

    def _taken(self, first: int, *, begin: int, report_reread: Callable[[], None]) -> Iterator[Sample]:
        """Samples from number `first` on, where reading begins with number `begin`."""
        for number, shown, seconds in self._shown(begin):
            frame = self._passage.picture(shown)
            if frame is None:
                return
            if number < first:
                report_reread()
            else:
                pixels = self._projector.show(frame, self._passage.stream)
                yield Sample(number=number, presentation_us=round(seconds * 1e6), pixels=pixels)

    def _shown(self, first: int) -> Iterator[tuple[int, Shown, float]]:
        """(sample's number, what is shown at its moment, when that appeared), from number `first` on."""
        held: Shown | None = None
        held_seconds = 0.0
        number = first
        for seconds, shown in self._passage.shown(first * self._interval):
            while held is not None and number * self._interval < seconds - _TICK:
                yield number, held, held_seconds
                number += 1
            held, held_seconds = shown, seconds
            self.seconds = seconds + frame_seconds(shown, self._passage.stream)
        self.seconds = self._passage.end_after(self.seconds)
        while held is not None and number * self._interval < self.seconds - _TICK:
            yield number, held, held_seconds
            number += 1
