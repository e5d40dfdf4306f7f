"""Films whose keyframes alone are dense enough to be sampled, and passages by those."""

import itertools
from collections.abc import Iterator, Set
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from mosaicd.media.passage import Passage, Shown
from mosaicd.media.streams import (
    KNOWS_EACH_TRACK,
    LEADS_TO_FRAMES,
    STAMPS_DECODING,
    FilmFile,
    declared_seconds,
)

_TOLERATED_EXCESS = 0.05
_TOLERATED_GAP = 1.25
_SOUND_LONGER_SECONDS = 1.0


def dense_keyframes(
    container: InputContainer, stream: VideoStream, *, interval_seconds: float
) -> Set[int] | None:
    """The time stamps of a film's keyframes, if these are hardly farther apart than sampling moments; else None.

    The answer comes from the file's index, which must reach from the film's beginning to its end and have no parts
    cut out. It is the same each time that it is asked of a file. Afterwards the container stands anywhere.

    Parameters
    ----------
    container : InputContainer
        Just opened.
    stream : VideoStream
    interval_seconds : float
        Between sampling moments.

    Notes
    -----
    What gaps between keyframes have beyond the interval may be 5% of the film, so that no more than about one
    sample in twenty shows again what the one before it showed: phones write a keyframe every 30 frames, which at
    29.97 frames a second are 1.001 s. No gap may be longer than 1.25 intervals. (MP4's index says when frames are
    decoded, two frames before they are shown here and four there: exact gaps it does not tell.)
    """
    declared = declared_seconds(container, stream)
    if container.format.name not in LEADS_TO_FRAMES or declared is None or stream.time_base is None:
        return None
    tick = float(stream.time_base)
    start = (stream.start_time or 0) * tick
    knows_each_track = container.format.name in KNOWS_EACH_TRACK
    try:
        if not knows_each_track:  # Matroska's index is read by the first seek
            container.seek(stream.start_time or 0, stream=stream)
        entries = list(stream.index_entries)
    except (av.FFmpegError, OSError):
        return None
    stamps = sorted(entry.timestamp for entry in entries if entry.is_keyframe)
    if not stamps or any(entry.is_discard for entry in entries) or not entries[0].is_keyframe:
        return None
    end = start + declared if knows_each_track else max(declared - _SOUND_LONGER_SECONDS, stamps[-1] * tick)
    lead = max(0.0, start - stamps[0] * tick)
    times = [start - lead, *(stamp * tick for stamp in stamps), end - lead]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    excess = sum(max(0.0, gap - interval_seconds) for gap in gaps)
    if max(gaps) > _TOLERATED_GAP * interval_seconds or excess > _TOLERATED_EXCESS * sum(gaps):
        return None
    return frozenset(stamps) if len(stamps) == 1 or _stands_alone(container, stream, stamps[1]) else None


class KeyframePassage(Passage):
    """Goes through a film once, by its keyframes alone, and decodes only those of which a picture is wanted.

    Parameters
    ----------
    file : FilmFile
        Nobody else reads from it meanwhile.
    stamps : set of int
        Of the keyframes, by the film's index. One that turns out to be none, or damaged, makes the film suspect.
    """

    most_owed = 0

    def __init__(self, file: FilmFile, stamps: Set[int]) -> None:
        super().__init__(file)
        self._stamps = stamps

    def picture(self, shown: Shown) -> VideoFrame | None:
        """The keyframe that is shown; None if it is damaged, or is none and builds on others."""
        if isinstance(shown, VideoFrame):
            return shown
        frame = _lone_frame(self.stream, shown)
        if frame is None:
            self.damaged_frames += 1
        return frame

    def _decode(self, packet: "Packet[Any] | None") -> Iterator[Shown]:
        # a keyframe damaged beyond recognition stands as such in the index alone
        if packet is not None and (
            _indexed_stamp(self._container, packet) in self._stamps or packet.is_keyframe
        ):
            yield packet

    def _note(self, packet: "Packet[Any]") -> None:
        super()._note(packet)
        if packet.stream_index == self.stream.index and packet.pts is not None:
            end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            self._unchanged_until = max(self._unchanged_until, end)


def _stands_alone(container: InputContainer, stream: VideoStream, stamp: int) -> bool:
    """Whether the keyframe with that time stamp is a whole picture: some only begin to renew it, bit by bit."""
    try:
        container.seek(stamp, stream=stream)
        packets = (each for each in container.demux(stream) if _indexed_stamp(container, each) == stamp)
        packet = next(packets, None)
    except (av.FFmpegError, OSError):
        return False
    return packet is not None and _lone_frame(stream, packet) is not None


def _indexed_stamp(container: InputContainer, packet: "Packet[Any]") -> int | None:
    return packet.dts if container.format.name in STAMPS_DECODING else packet.pts


def _lone_frame(stream: VideoStream, packet: "Packet[Any]") -> VideoFrame | None:
    """The frame that a packet gives without any other; None if it is damaged or builds on others."""
    try:
        frames = [*stream.decode(packet), *stream.decode(None)]
    except MemoryError:
        raise
    except av.FFmpegError:
        frames = []
    stream.codec_context.flush_buffers()
    whole = (
        each for each in frames if each.key_frame and each.pict_type == PictureType.I and not each.is_corrupt
    )
    return next(whole, None)
