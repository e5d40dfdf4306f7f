"""One passage through a film: what it shows, in order, and what was wrong with that."""

import itertools
import os
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import av
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mosaicd.media.complaints import Complaints
from mosaicd.media.streams import (
    LEADS_TO_FRAMES,
    LONGEST_FRAME_SECONDS,
    FilmFile,
    frame_seconds,
    open_film,
    raise_if_medium_failed,
)

_DROPS_SILENTLY = "hevc"  # the codec whose decoder leaves out damaged frames without a word
_THREADED = "h264"  # the codec whose decoder can be made to say all that is wrong, and has threads for frames
_MOST_THREADS = 8
_MOST_BYTES_UNDER_WAY = 400_000_000
_BYTES_A_PIXEL = 4  # of what is decoded at 10 bits, with the notes that decoders keep beside it
_SEEK_MARGIN_SECONDS = 1.0
_REORDERED_SECONDS = 1.0

Shown: TypeAlias = "VideoFrame | Packet[Any]"
"""What a film shows for a while: a frame, or the packet from which one can be decoded."""


class Passage:
    """Goes through a film once, by all its frames.

    Parameters
    ----------
    file : FilmFile
        Nobody else reads from it meanwhile.
    threads : int
        How many frames to decode at once. By one thread, a damaged film gives the same each time; by several, what
        becomes of the frames after a damaged one is a matter of chance.

    Raises
    ------
    RejectedInputError
        If the file is no video that can be opened.
    TransientError
        If the file cannot be read just now.

    Attributes
    ----------
    stream : VideoStream
    damaged_frames : int
        How many frames are damaged or out of order, so far.
    is_encrypted : bool
        Whether any frame so far is encrypted, and thus counted as damaged.
    reached_seconds : float
        Up to where, on the file's own clock, any of its tracks has been read.
    delivered : int
        How many frames have been given so far.
    """

    most_owed = 32
    """No decoder gives as many frames between one that is damaged and its saying so."""

    def __init__(self, file: FilmFile, *, threads: int = 1) -> None:
        self._file = file
        self._threads = threads
        self._complaints: Complaints | None = None
        self._open()

    def close(self) -> None:
        """Let go of the decoder; the file stays open."""
        if self._complaints is not None:
            self.stream.codec_context.flush_buffers()
            self._complaints.stop()
            self._complaints = None
        self._container.close()

    @property
    def is_suspect(self) -> bool:
        """Whether anything so far is damaged, or the decoder has complained of it."""
        return self.damaged_frames > 0 or (self._complaints is not None and self._complaints.are_any)

    def shown(self, moment: float) -> Iterator[tuple[float, Shown]]:
        """(seconds from the film's start, what is shown from then on), the first at `moment` or before it.

        Raises
        ------
        TransientError
            If the file cannot be read just now.
        """
        if moment and self._container.format.name in LEADS_TO_FRAMES:
            shown = self._shown_around(moment)
            if shown is not None:
                return shown
            self.close()
            self._open()
        return self._timed(self._decoded())

    def picture(self, shown: Shown) -> VideoFrame | None:
        """The frame that is shown; None if it is damaged."""
        return shown if isinstance(shown, VideoFrame) else None

    def end_after(self, seconds: float) -> float:
        """Until when the last frame is shown, which by itself would be shown until `seconds`."""
        if self._origin is None:
            return seconds
        latest_end = seconds + LONGEST_FRAME_SECONDS
        return max(seconds, min(self._unchanged_until - self._origin, latest_end))

    def _open(self) -> None:
        """Open the file from its beginning, with nothing read yet."""
        self._file.seek(0)
        self._container, self.stream = open_film(self._file)
        self._tick = float(self.stream.time_base or 0)
        self.damaged_frames = 0
        self.is_encrypted = False
        self.reached_seconds = 0.0
        self.delivered = 0
        self._origin: float | None = None
        self._unchanged_until = 0.0
        self._awaited: set[int] = set()
        self._latest_stamp: int | None = None
        self._has_jumped = False
        context = self.stream.codec_context
        context.thread_type = "SLICE"
        if self._threads > 1:
            context.thread_type, context.thread_count = "FRAME", self._threads
            context.options = {"err_detect": "explode"}
            self._complaints = Complaints()
        elif context.name == _THREADED:
            context.thread_count = 1  # what it guesses of a damaged frame would depend on its other threads

    def _shown_around(self, moment: float) -> Iterator[tuple[float, Shown]] | None:
        """As `shown`, from a keyframe at or before `moment`; None if the file's index leads to none."""
        next(self._timed(self._decoded()), None)
        if self._origin is None:
            return None
        wanted = self._origin + moment - _SEEK_MARGIN_SECONDS
        try:
            self._container.seek(int(wanted / self._tick), stream=self.stream)
        except (av.FFmpegError, OSError):
            return None
        self._awaited.clear()
        self._latest_stamp = None
        shown = self._timed(itertools.dropwhile(lambda each: not _is_key(each), self._decoded()))
        head = next(shown, None)
        if head is None or head[0] > moment:
            return None
        self.damaged_frames = 0  # before a keyframe, frames lack what they build on
        if self._complaints is not None:
            self._complaints.forget()
        return itertools.chain([head], shown)

    def _timed(self, frames: Iterable[Shown]) -> Iterator[tuple[float, Shown]]:
        """(seconds from the film's start, frame), ever later; where the file's clock jumps, without a gap."""
        latest: float | None = None
        end = 0.0
        for frame in frames:
            self.delivered += 1
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
                latest, end = seconds, seconds + frame_seconds(frame, self.stream)
                yield seconds, frame

    def _decoded(self) -> Iterator[Shown]:
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
            if packet.stream_index != self.stream.index or not packet.size:
                continue
            if packet.has_sidedata("encryption_info"):
                self.is_encrypted = True
                self.damaged_frames += 1
            else:
                yield from self._decode(packet)
        yield from self._decode(None)

    def _decode(self, packet: "Packet[Any] | None") -> Iterator[Shown]:
        if packet is not None:
            self._await(packet)
        try:
            frames = self.stream.decode(packet)
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

    def _await(self, packet: "Packet[Any]") -> None:
        """Note what the decoder is to deliver."""
        if self._threads > 1 and packet.is_corrupt:
            self.damaged_frames += 1
        if (
            self.stream.codec_context.name == _DROPS_SILENTLY
            and packet.pts is not None
            and not packet.is_discard
        ):
            self._awaited.add(packet.pts)

    def _note(self, packet: "Packet[Any]") -> None:
        """Note how far the file reaches, and where its clock jumps."""
        if packet.pts is None:
            return
        end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
        self.reached_seconds = max(self.reached_seconds, end)
        if packet.stream_index != self.stream.index:
            return
        stamp = packet.pts if packet.dts is None else packet.dts
        if self._latest_stamp is not None and not _is_steady((stamp - self._latest_stamp) * self._tick):
            self._has_jumped = True
        self._latest_stamp = stamp
        if not packet.size:
            self._unchanged_until = end  # Theora writes an empty packet for "as before"

    def _miss_overtaken(self, frame: VideoFrame) -> None:
        """Count the frames that should have come before this one, if one has come before it at all."""
        if frame.pts is None:
            return
        overtaken = {pts for pts in self._awaited if pts < frame.pts}
        if self._origin is not None:
            self.damaged_frames += len(overtaken)
        self._awaited -= overtaken | {frame.pts}


def threads_for(stream: VideoStream) -> int:
    """How many frames of a film to decode at once: 1 if its codec, its size or the machine allow no more.

    Each frame under way is held in memory beside those that all codecs keep.
    """
    context = stream.codec_context
    if context.name != _THREADED:
        return 1
    frame_bytes = max(1, context.width * context.height * _BYTES_A_PIXEL)
    return max(1, min(len(os.sched_getaffinity(0)), _MOST_THREADS, _MOST_BYTES_UNDER_WAY // frame_bytes))


def _is_key(shown: Shown) -> bool:
    return shown.key_frame if isinstance(shown, VideoFrame) else shown.is_keyframe


def _is_steady(step_seconds: float) -> bool:
    """Whether time goes on, though not always in order."""
    return -_REORDERED_SECONDS < step_seconds < LONGEST_FRAME_SECONDS
