"""Films as FFmpeg sees them: opening a file, choosing its stream, setting its frames upright."""

import errno
import io
import os
from pathlib import Path
from typing import Any, BinaryIO, cast

import av
import numpy as np
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, ColorTrc, Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from mosaicd.errors import RejectedInputError, TransientError
from mosaicd.imaging import PixelArray
from mosaicd.imaging.frames import short_side_size
from mosaicd.imaging.high_range import Curve, high_range_to_srgb
from mosaicd.media.quicktime import movie_facts

LONGEST_FRAME_SECONDS = 3600.0
"""What lasts longer is no frame but a damaged time stamp."""
_FORMATS = "asf,avi,flv,matroska,mov,mpeg,mpegts,mpegvideo,mxf,ogg,rm"
_MOV, _MATROSKA = "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"
LEADS_TO_FRAMES = {_MOV, _MATROSKA}
"""Containers whose index leads to exactly the frames that reading from the start gives."""
STAMPS_DECODING = {_MOV}
"""Containers whose index says when frames are decoded, not when they are shown."""
KNOWS_EACH_TRACK = {_MOV, "avi"}
"""Containers that state each track's length, not only that of the longest."""
_HD_WIDTH, _SD_HEIGHT = 1280, 576
_UNSPECIFIED_COLORSPACE = 2  # AVCOL_SPC_UNSPECIFIED
_CURVES: dict[int, Curve] = {ColorTrc.SMPTE2084: Curve.PQ, ColorTrc.ARIB_STD_B67: Curve.HLG}
_MOST_STRETCH = 16.0
_SLIVER = 64


class FilmFile(io.FileIO):
    """A film's file, read up to where nothing but a hole follows: in one, FFmpeg looks for frames for hours."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._end_of_data = _end_of_data(self.fileno())
        self.seek(0)

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as any file, but nothing of the last hole."""
        left = max(0, self._end_of_data - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left)) or b""


def open_film(file: BinaryIO) -> tuple[InputContainer, VideoStream]:
    """Open a file that is a film, and choose the stream that holds it.

    Raises
    ------
    RejectedInputError
        If it is no film, or none that can be decoded or shown.
    TransientError
        If the file cannot be read just now.
    """
    try:
        is_dolby_alone = movie_facts(file).is_dolby_alone
        file.seek(0)
        container = av.open(file, "r", options={"format_whitelist": _FORMATS}, metadata_errors="replace")
    except MemoryError:
        raise
    except (av.FFmpegError, OSError, ValueError) as error:
        raise_if_medium_failed(error)
        message = (
            "this is not a video that can be opened, or its beginning or its index is damaged or cut off"
        )
        raise RejectedInputError(message) from error
    try:
        if is_dolby_alone:
            message = (
                "its colours are coded as Dolby Vision alone (profile 5), which is shown green and pink by any "
                "program not made for it; export it as HDR10, HLG or without HDR"
            )
            raise RejectedInputError(message)
        return container, _film_stream(container)
    except RejectedInputError:
        container.close()
        raise


def _end_of_data(descriptor: int) -> int:
    end = 0
    try:
        while True:
            end = os.lseek(descriptor, os.lseek(descriptor, end, os.SEEK_DATA), os.SEEK_HOLE)
    except OSError as error:
        if error.errno != errno.ENXIO:  # a file system that knows of no holes
            return os.fstat(descriptor).st_size
    return end


def raise_if_medium_failed(error: Exception) -> None:
    """Raise TransientError if it was not FFmpeg that failed at a file's content, but the reading of the file."""
    if isinstance(error, av.FFmpegError) or not isinstance(error, OSError):
        return
    if error.errno != errno.EINVAL:  # a damaged file can say to seek to nowhere
        message = f"the video cannot be read: {error.strerror}"
        raise TransientError(message) from error


def declared_seconds(container: InputContainer, stream: VideoStream) -> float | None:
    """The film's length as its file says; None if it does not say."""
    if container.format.name in KNOWS_EACH_TRACK and stream.duration and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    is_guess_from_size = bool(Flags(container.format.flags) & Flags.no_timestamps)
    if container.duration is None or is_guess_from_size:
        return None
    return container.duration / av.time_base


def frame_seconds(frame: "VideoFrame | Packet[Any]", stream: VideoStream) -> float:
    """How long a frame is shown, when no later one says."""
    if frame.duration and stream.time_base is not None:
        return min(float(frame.duration * stream.time_base), LONGEST_FRAME_SECONDS)
    rate = stream.average_rate or stream.guessed_rate
    return 1 / float(rate) if rate else 0.0


class Projector:
    """Shows frames as a player would: upright, with square pixels, in sRGB.

    Parameters
    ----------
    short_side : int
        In pixels, of what is shown.
    """

    def __init__(self, *, short_side: int) -> None:
        self._short_side = short_side
        self._scaler = VideoReformatter()  # remembers its last conversion

    def show(self, frame: VideoFrame, stream: VideoStream) -> PixelArray:
        """Show a frame of a stream: an ndarray of uint8, shape (height, width, 3).

        Its short side is as asked; only of slivers, which would become huge, it may be less.

        Raises
        ------
        RejectedInputError
            If its pictures are of a form that cannot be shown.
        """
        try:
            return _turned(self._to_srgb(frame, stream), frame)
        except MemoryError:
            raise
        except (av.FFmpegError, ValueError) as error:
            message = "its pictures are coded in a way that cannot be shown"
            raise RejectedInputError(message) from error

    def _to_srgb(self, frame: VideoFrame, stream: VideoStream) -> PixelArray:
        stretched = frame.width * _stretch(stream)
        least, most = sorted((max(1, round(stretched)), frame.height))
        short_side = self._short_side if most <= _SLIVER * least else min(self._short_side, least)
        width, height = short_side_size(stretched, frame.height, short_side=short_side)
        curve = _CURVES.get(frame.color_trc)
        scaled = self._scaler.reformat(
            frame,
            width=width,
            height=height,
            format="rgb24" if curve is None else "rgb48le",
            src_colorspace=_unmarked_colorspace(frame, curve),
            interpolation=Interpolation.AREA,
            dst_color_range=ColorRange.JPEG,
        ).to_ndarray()
        if curve is None:
            return cast("PixelArray", scaled)
        return high_range_to_srgb(cast("NDArray[np.uint16]", scaled), curve)


def _film_stream(container: InputContainer) -> VideoStream:
    films = [each for each in container.streams.video if not each.disposition & Disposition.attached_pic]
    if not films:
        message = "there are no moving pictures in this file, only sound or data"
        raise RejectedInputError(message)
    best = container.streams.best("video")
    stream = next((each for each in films if each is best), films[0])
    if getattr(stream, "codec_context", None) is None:
        message = "its pictures are coded in a way that cannot be decoded"
        raise RejectedInputError(message)
    return stream


def _unmarked_colorspace(frame: VideoFrame, curve: Curve | None) -> Colorspace | None:
    """What the colours of a frame that does not say it are to be taken for, if not for what FFmpeg would."""
    if frame.colorspace != _UNSPECIFIED_COLORSPACE:
        return None
    if curve is not None:
        return Colorspace.BT2020
    is_high_definition = frame.width >= _HD_WIDTH or frame.height > _SD_HEIGHT
    return Colorspace.ITU709 if is_high_definition else None


def _stretch(stream: VideoStream) -> float:
    """How many times wider than high a stored pixel is to be shown."""
    ratio = float(stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or 1)
    return ratio if 1 / _MOST_STRETCH <= ratio <= _MOST_STRETCH else 1.0


def _turned(pixels: PixelArray, frame: VideoFrame) -> PixelArray:
    """Turn and mirror pixels by a frame's display matrix: where a step to the right and a step down lead [1]_.

    References
    ----------
    .. [1] ISO/IEC 14496-12, "ISO base media file format", 8.3.2 and 6.2.2.
    """
    try:
        matrix = cast("dict[str, bytes]", frame.side_data).get("DISPLAYMATRIX")
    except ValueError:  # beside the matrix stands what PyAV does not know, such as Exif
        return np.ascontiguousarray(np.rot90(pixels, frame.rotation // 90))
    if matrix is None:
        return np.ascontiguousarray(pixels)
    (right_x, right_y, _), (down_x, down_y, _), _ = np.frombuffer(matrix, np.int32).reshape(3, 3).tolist()
    if abs(right_y) > abs(right_x):
        pixels = pixels.transpose(1, 0, 2)
        right_x, down_y = down_x, right_y
    return np.ascontiguousarray(pixels[:: -1 if down_y < 0 else 1, :: -1 if right_x < 0 else 1])
