"""Reading videos: one frame for each sampling moment, upright, with square pixels."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.packet import Packet
from av.video.frame import VideoFrame

from mosaicd.errors import TransientError
from mosaicd.imaging import PixelArray
from mosaicd.media.streams import (
    KNOWS_EACH_TRACK,
    LEADS_TO_FRAMES,
    LONGEST_FRAME_SECONDS,
    FilmFile,
    Projector,
    declared_seconds,
    frame_seconds,
    open_film,
    raise_if_medium_failed,
)

_DROPS_SILENTLY = "hevc"  # the codec whose decoder leaves out damaged frames without a word
_SEEK_MARGIN_SECONDS = 1.0
_REORDERED_SECONDS = 1.0
_TICK = 1e-6


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

    Parameters
    ----------
    path : Path
    sample_interval_seconds : float
    short_side_pixels : int

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
    damaged_frames : int
        How many frames are damaged or out of order, so far.
    is_encrypted : bool
        Whether any frame so far is encrypted, and thus counted as damaged.
    """

    def __init__(self, path: Path, *, sample_interval_seconds: float, short_side_pixels: int) -> None:
        self._interval = sample_interval_seconds
        self._projector = Projector(short_side=short_side_pixels)
        self.seconds = 0.0
        self.is_encrypted = False
        # FFmpeg is given the open file: it takes some names for addresses, and cannot take every name.
        try:
            self._file = FilmFile(path)
        except OSError as error:
            message = f"the video cannot be read: {error.strerror}"
            raise TransientError(message) from error
        try:
            self._open()
        except BaseException:
            self._file.close()
            raise
        self.declared_seconds = declared_seconds(self._container, self._stream)

    def close(self) -> None:
        """Close the file."""
        self._container.close()
        self._file.close()

    @property
    def missing_seconds(self) -> float:
        """How much shorter than declared the file turned out to be, once all its samples are read."""
        knows_each_track = self._container.format.name in KNOWS_EACH_TRACK
        reached = self.seconds if knows_each_track else max(self.seconds, self._reached)
        return max(0.0, (self.declared_seconds or 0.0) - reached)

    def samples(self, first: int = 0) -> Iterator[Sample]:
        """Samples from number `first` on, in order: the same, wherever one begins.

        The sample of a moment is the last frame that appeared at or before it, as a player would show it:
        right for variable frame rates too. A frame shown for longer than the interval is several samples.

        Raises
        ------
        TransientError
            If the file cannot be read just now.
        """
        held: VideoFrame | None = None
        held_seconds = 0.0
        number = first
        for seconds, frame in self._frames(first):
            while held is not None and number * self._interval < seconds - _TICK:
                yield self._sample(number, held, held_seconds)
                number += 1
            held, held_seconds = frame, seconds
            self.seconds = seconds + frame_seconds(frame, self._stream)
        if self._origin is not None:
            latest_end = self.seconds + LONGEST_FRAME_SECONDS
            self.seconds = max(self.seconds, min(self._unchanged_until - self._origin, latest_end))
        while held is not None and number * self._interval < self.seconds - _TICK:
            yield self._sample(number, held, held_seconds)
            number += 1

    def _open(self) -> None:
        """Open the file from its beginning, with nothing read yet."""
        self._file.seek(0)
        self._container, self._stream = open_film(self._file)
        self._tick = float(self._stream.time_base or 0)
        self.damaged_frames = 0
        self._origin: float | None = None
        self._reached = 0.0
        self._unchanged_until = 0.0
        self._awaited: set[int] = set()
        self._latest_stamp: int | None = None
        self._has_jumped = False

    def _frames(self, first: int) -> Iterator[tuple[float, VideoFrame]]:
        """(seconds from the film's start, frame), from the frame shown at sample `first` or before it."""
        if first and self._container.format.name in LEADS_TO_FRAMES:
            frames = self._frames_around(first * self._interval)
            if frames is not None:
                return frames
            self._container.close()
            self._open()
        return self._timed(self._decoded())

    def _frames_around(self, moment: float) -> Iterator[tuple[float, VideoFrame]] | None:
        """As `_frames`, from a keyframe at or before `moment`; None if the file's index leads to none."""
        next(self._timed(self._decoded()), None)
        if self._origin is None:
            return None
        wanted = self._origin + moment - _SEEK_MARGIN_SECONDS
        try:
            self._container.seek(int(wanted / self._tick), stream=self._stream)
        except (av.FFmpegError, OSError):
            return None
        self._awaited.clear()
        self._latest_stamp = None
        frames = self._timed(itertools.dropwhile(lambda frame: not frame.key_frame, self._decoded()))
        head = next(frames, None)
        if head is None or head[0] > moment:
            return None
        self.damaged_frames = 0  # before a keyframe, frames lack what they build on
        return itertools.chain([head], frames)

    def _timed(self, frames: Iterable[VideoFrame]) -> Iterator[tuple[float, VideoFrame]]:
        """(seconds from the film's start, frame), ever later; where the file's clock jumps, without a gap."""
        latest: float | None = None
        end = 0.0
        for frame in frames:
            time = end + (self._origin or 0.0) if frame.pts is None else frame.pts * self._tick
            if self._origin is None:
                self._origin = time
            step = 0.0 if latest is None else time - self._origin - latest
            if not _is_steady(step):
                self.damaged_frames += 1
                if not self._has_jumped:
                    continue
                self._origin, self._has_jumped = time - end, False
            seconds = time - self._origin
            if latest is None or seconds > latest:
                latest, end = seconds, seconds + frame_seconds(frame, self._stream)
                yield seconds, frame

    def _decoded(self) -> Iterator[VideoFrame]:
        """The frames that the decoder vouches for, in the order of presentation."""
        packets = self._container.demux()
        while True:
            try:
                packet = next(packets, None)
            except IndexError:  # PyAV, at the end of a file in which streams appeared on the way
                break
            except MemoryError:
                raise
            except (av.FFmpegError, OSError) as error:
                raise_if_medium_failed(error)
                self.damaged_frames += 1
                break
            if packet is None:
                break
            self._note(packet)
            if packet.stream_index != self._stream.index or not packet.size:
                continue
            if packet.has_sidedata("encryption_info"):
                self.is_encrypted = True
                self.damaged_frames += 1
            else:
                yield from self._decode(packet)
        yield from self._decode(None)

    def _decode(self, packet: "Packet[Any] | None") -> Iterator[VideoFrame]:
        try:
            frames = self._stream.decode(packet)
        except MemoryError:
            raise
        except av.FFmpegError:
            self.damaged_frames += 1
            return
        for frame in frames:
            self._miss_overtaken(frame)
            if frame.is_corrupt:
                self.damaged_frames += 1
            else:
                yield frame

    def _note(self, packet: "Packet[Any]") -> None:
        """Note how far the file reaches, and what the decoder is to deliver."""
        if packet.pts is None:
            return
        end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
        self._reached = max(self._reached, end)
        if packet.stream_index != self._stream.index:
            return
        stamp = packet.pts if packet.dts is None else packet.dts
        if self._latest_stamp is not None and not _is_steady((stamp - self._latest_stamp) * self._tick):
            self._has_jumped = True
        self._latest_stamp = stamp
        if not packet.size:
            self._unchanged_until = end  # Theora writes an empty packet for "as before"
        elif self._stream.codec_context.name == _DROPS_SILENTLY and not packet.is_discard:
            self._awaited.add(packet.pts)

    def _miss_overtaken(self, frame: VideoFrame) -> None:
        """Count the frames that should have come before this one, if one has come before it at all."""
        if frame.pts is None:
            return
        overtaken = {pts for pts in self._awaited if pts < frame.pts}
        if self._origin is not None:
            self.damaged_frames += len(overtaken)
        self._awaited -= overtaken | {frame.pts}

    def _sample(self, number: int, frame: VideoFrame, seconds: float) -> Sample:
        pixels = self._projector.show(frame, self._stream)
        return Sample(number=number, presentation_us=round(seconds * 1e6), pixels=pixels)


def _is_steady(step_seconds: float) -> bool:
    """Whether time goes on, though not always in order."""
    return -_REORDERED_SECONDS < step_seconds < LONGEST_FRAME_SECONDS
