"""Reading videos: one frame for each sampling moment, upright, with square pixels."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from mosaicd.errors import RejectedInputError, TransientError
from mosaicd.imaging import PixelArray
from mosaicd.imaging.frames import short_side_size

_HD_HEIGHT = 720
_UNSPECIFIED_COLORSPACE = 2  # AVCOL_SPC_UNSPECIFIED
_SEEK_MARGIN_SECONDS = 1.0
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
    damaged_packets : int
        Packets the decoder could not use, so far.
    seconds : float
        Up to where the film could be read, so far.
    """

    def __init__(self, path: Path, *, sample_interval_seconds: float, short_side_pixels: int) -> None:
        self._interval = sample_interval_seconds
        self._short_side = short_side_pixels
        self._reformatter = VideoReformatter()
        self.damaged_packets = 0
        self.seconds = 0.0
        # FFmpeg is given the open file: it takes some names for addresses, and cannot take every name.
        try:
            self._file = path.open("rb")
        except OSError as error:
            message = f"the video cannot be read: {error.strerror}"
            raise TransientError(message) from error
        try:
            self._container, self._stream = _open(self._file)
        except BaseException:
            self._file.close()
            raise
        self.declared_seconds = _declared_seconds(self._container, self._stream)

    def close(self) -> None:
        """Close the file."""
        self._container.close()
        self._file.close()

    def samples(self, first: int = 0) -> Iterator[Sample]:
        """Samples from number `first` on, in order.

        The sample of a moment is the last frame that appeared at or before it, as a player would show it:
        right for variable frame rates too. A frame shown for longer than the interval is several samples.
        """
        held: VideoFrame | None = None
        held_seconds = 0.0
        number = first
        end = 0.0
        for seconds, frame in self._frames(first):
            while held is not None and number * self._interval < seconds - _TICK:
                yield self._sample(number, held, held_seconds)
                number += 1
            held, held_seconds = frame, seconds
            end = seconds + _frame_seconds(frame, self._stream)
            self.seconds = end
        while held is not None and number * self._interval < end - _TICK:
            yield self._sample(number, held, held_seconds)
            number += 1

    def _frames(self, first: int) -> Iterator[tuple[float, VideoFrame]]:
        """(seconds from the film's start, frame), from the frame shown at sample `first` or before it."""
        start = None
        if first:
            start = self._start_seconds()
            self._seek(start + first * self._interval)
        latest = -1.0
        for frame in self._decoded():
            if frame.pts is None or frame.time_base is None:
                continue
            time = float(frame.pts * frame.time_base)
            start = time if start is None else start
            if time - start > latest:
                latest = time - start
                yield latest, frame

    def _decoded(self) -> Iterator[VideoFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.FFmpegError:
                self.damaged_packets += 1
                return
            if packet.size == 0 and packet.dts is not None:
                continue  # Theora writes an empty packet for "as before"
            try:
                yield from self._stream.decode(packet)
            except av.FFmpegError:
                self.damaged_packets += 1

    def _start_seconds(self) -> float:
        """The first frame's time. Leaves the reader somewhere after it."""
        for frame in self._decoded():
            if frame.pts is not None and frame.time_base is not None:
                return float(frame.pts * frame.time_base)
        return 0.0

    def _seek(self, seconds: float) -> None:
        """Go to a keyframe before `seconds` of the stream's own time, or else back to the beginning."""
        time_base = self._stream.time_base
        assert time_base is not None, "an opened stream has a time base"
        target = seconds - _SEEK_MARGIN_SECONDS
        try:
            self._container.seek(int(target / time_base), stream=self._stream)
            first = next((frame for frame in self._decoded() if frame.pts is not None), None)
            lands_before = first is not None and float(first.pts * time_base) <= target  # type: ignore[operator]
            if lands_before:
                self._container.seek(int(target / time_base), stream=self._stream)
                return
        except av.FFmpegError:
            pass
        self._container.close()
        self._file.seek(0)
        self._container, self._stream = _open(self._file)

    def _sample(self, number: int, frame: VideoFrame, seconds: float) -> Sample:
        return Sample(number=number, presentation_us=round(seconds * 1e6), pixels=self._upright(frame))

    def _upright(self, frame: VideoFrame) -> PixelArray:
        ratio = self._stream.sample_aspect_ratio or self._stream.codec_context.sample_aspect_ratio
        stretch = float(ratio) if ratio else 1.0
        width, height = short_side_size(frame.width * stretch, frame.height, short_side=self._short_side)
        is_unmarked_hd = frame.colorspace == _UNSPECIFIED_COLORSPACE and frame.height >= _HD_HEIGHT
        scaled = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="rgb24",
            src_colorspace=Colorspace.ITU709 if is_unmarked_hd else None,
            interpolation=Interpolation.AREA,
            dst_color_range=ColorRange.JPEG,
        )
        return np.ascontiguousarray(np.rot90(scaled.to_ndarray(), frame.rotation // 90))


def _open(file: BinaryIO) -> tuple[InputContainer, VideoStream]:
    try:
        container = av.open(file, mode="r", metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        message = f"this is not a video that can be opened, or its beginning is damaged ({_plain(error)})"
        raise RejectedInputError(message) from error
    return container, _video_stream(container)


def _plain(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _video_stream(container: InputContainer) -> VideoStream:
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream):
        message = "there are no moving pictures in this file, only sound or data"
        raise RejectedInputError(message)
    stream.thread_type = "AUTO"
    return stream


def _declared_seconds(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is not None:
        return container.duration / av.time_base
    return None


def _frame_seconds(frame: VideoFrame, stream: VideoStream) -> float:
    """How long a frame is shown, when no later one says."""
    if frame.duration and frame.time_base is not None:
        return float(frame.duration * frame.time_base)
    rate = stream.average_rate or stream.guessed_rate
    return 1 / float(rate) if rate else 0.0
