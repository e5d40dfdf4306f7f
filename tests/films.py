"""Films for tests: made from scikit-image's photos, encoded with PyAV, in any codec, shape and timing."""

import contextlib
import functools
import io
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import skimage.data
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray
from PIL import Image

from mosaicd.imaging import PixelArray

os.environ.setdefault("SVT_LOG", "1")  # that encoder has no other way to be told to keep quiet
_TICKS_A_SECOND = 90_000
_QUIET: dict[str, dict[str, str]] = {
    "libx264": {"preset": "ultrafast", "x264-params": "log-level=none"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
    "libsvtav1": {"preset": "12", "svtav1-params": "lp=2"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
}
_COLORSPACES: dict[str | None, tuple[Colorspace, int]] = {
    None: (Colorspace.ITU601, 2),
    "bt601": (Colorspace.ITU601, 6),
    "bt709": (Colorspace.ITU709, 1),
    "bt709, unmarked": (Colorspace.ITU709, 2),
    "bt2020": (Colorspace.BT2020, 9),
}
_MARK_ROWS, _MARK_COLUMNS = 2, 4


@functools.cache
def photo(name: str) -> PixelArray:
    """One of scikit-image's photos: astronaut, chelsea, coffee, retina, rocket."""
    pixels: PixelArray = getattr(skimage.data, name)()
    return pixels


def pan(name: str, count: int, *, width: int = 192, height: int = 108) -> Iterator[PixelArray]:
    """Frames of a slow journey over a photo: neighbours differ, though not by much."""
    image = Image.fromarray(photo(name))
    for index in range(count):
        share = index / max(1, count - 1)
        side = 0.45 + 0.35 * share
        box_width = image.width * side
        box_height = min(image.height * side, box_width * height / width)
        left, top = (image.width - box_width) * share, (image.height - box_height) * (1 - share)
        box = (left, top, left + box_width, top + box_height)
        yield np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box=box))


def numbered(count: int, *, width: int = 128, height: int = 64) -> Iterator[PixelArray]:
    """Frames that say which they are: eight fields, each light or dark, on a coloured ground."""
    for number in range(count):
        bits = [(number >> place) & 1 for place in range(_MARK_ROWS * _MARK_COLUMNS)]
        fields = np.array(bits, np.uint8).reshape(_MARK_ROWS, _MARK_COLUMNS) * 180 + 40
        rows = np.repeat(fields, height // _MARK_ROWS, axis=0)
        grey = np.repeat(rows, width // _MARK_COLUMNS, axis=1)
        yield np.repeat(grey[..., np.newaxis], 3, axis=2)


def number_shown(pixels: PixelArray) -> int:
    """What a frame of `numbered` says."""
    rows, columns = pixels.shape[:2]
    total = 0
    for place in range(_MARK_ROWS * _MARK_COLUMNS):
        row, column = divmod(place, _MARK_COLUMNS)
        top, left = row * rows // _MARK_ROWS, column * columns // _MARK_COLUMNS
        field = pixels[top : top + rows // _MARK_ROWS, left : left + columns // _MARK_COLUMNS]
        total |= int(field.mean() > 128) << place
    return total


def quarters(width: int, height: int) -> PixelArray:
    """A picture whose upper left is red, upper right green, lower left blue, lower right white."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = (220, 30, 30)
    picture[: height // 2, width // 2 :] = (30, 200, 30)
    picture[height // 2 :, : width // 2] = (30, 30, 220)
    picture[height // 2 :, width // 2 :] = (230, 230, 230)
    return picture


def quarters_shown(pixels: PixelArray) -> str:
    """The colours of a picture's quarters in reading order, by their initials; `quarters` is "rgbw"."""
    names: dict[tuple[int, ...], str] = {(1, 0, 0): "r", (0, 1, 0): "g", (0, 0, 1): "b", (1, 1, 1): "w"}
    rows, columns = pixels.shape[:2]
    centres = itertools.product((rows // 4, rows * 3 // 4), (columns // 4, columns * 3 // 4))
    return "".join(names.get(tuple(int(value > 128) for value in pixels[centre]), "?") for centre in centres)


def encode(
    path: Path,
    frames: Iterable[PixelArray | NDArray[np.uint16]],
    *,
    codec: str = "libx264",
    container: str | None = None,
    rate: Fraction | int = 10,
    times: Sequence[float] | None = None,
    start_seconds: float = 0,
    pixel_format: str = "yuv420p",
    rotation: int = 0,
    sample_aspect: Fraction | None = None,
    colorspace: str | None = None,
    color_range: ColorRange = ColorRange.MPEG,
    gop: int = 12,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    sound_seconds: float = 0,
    notes: dict[str, str] | None = None,
) -> Path:
    """Encode a film, silently.

    Parameters
    ----------
    path : Path
        Its suffix chooses the container, unless `container` does.
    frames : iterable of ndarrays of uint8 or uint16, shape (height, width, 3)
    times : sequence of float, optional
        When each frame appears, in seconds, for a variable frame rate; `rate` frames a second otherwise.
    rotation : int
        Degrees anticlockwise by which a player turns what is stored.
    colorspace : {"bt601", "bt709", "bt709, unmarked", "bt2020"}, optional
        Converted by it and marked with it; without, BT.601 and unmarked.
    sound_seconds : float
        With a sound track of this length.
    notes : dict of str, optional
        What the file says of itself besides.
    """
    frames = iter(frames)
    first = next(frames)
    time_base = Fraction(1, _TICKS_A_SECOND) if times else 1 / Fraction(rate)
    with _same_priority(), av.open(path, "w", format=container, options=container_options or {}) as output:
        output.metadata.update(notes or {})
        stream: Any = output.add_stream(
            codec, rate=Fraction(rate), options=_QUIET.get(codec, {}) | (options or {})
        )
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = pixel_format
        context = stream.codec_context
        context.time_base, context.gop_size, context.color_range = time_base, gop, color_range
        if sample_aspect is not None:
            context.sample_aspect_ratio = stream.sample_aspect_ratio = sample_aspect
        matrix, mark = _COLORSPACES[colorspace]
        context.colorspace = mark
        if rotation:
            stream.set_display_rotation(rotation)
        if sound_seconds:
            _add_sound(output, sound_seconds)
        for index, pixels in enumerate(itertools.chain([first], frames)):
            stored = "rgb24" if pixels.dtype == np.uint8 else "rgb48le"
            frame = av.VideoFrame.from_ndarray(pixels, stored).reformat(
                format=pixel_format, dst_colorspace=matrix, dst_color_range=color_range
            )
            seconds = Fraction(times[index]) if times else index / Fraction(rate)
            frame.time_base = time_base
            frame.pts = round((seconds + Fraction(start_seconds)) / time_base)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


def live_photo_film(path: Path) -> Path:
    """Three seconds of film that say, as phones do, which photo they belong to."""
    return encode(
        path,
        pan("coffee", 30),
        container_options={"movflags": "use_metadata_tags"},
        notes={"com.apple.quicktime.content.identifier": "3A1D6A9C-0E64-4C0C-9D5C-5B3B4E8E1F2A"},
    )


@contextlib.contextmanager
def _same_priority() -> Iterator[None]:
    """Undo what SVT-AV1 does to whoever runs it as root: real time, for every process started later as well."""
    policy, param = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, param)


def sound_only(path: Path, seconds: float) -> Path:
    """A file with a sound track and nothing else."""
    with av.open(path, "w") as output:
        _add_sound(output, seconds)
    return path


def sound_with_cover(path: Path, seconds: float) -> Path:
    """A Matroska file with a sound track and the picture on its sleeve."""
    cover = io.BytesIO()
    Image.fromarray(photo("coffee")).save(cover, "JPEG")
    with av.open(path, "w") as output:
        output.add_attachment("cover.jpg", "image/jpeg", cover.getvalue())
        _add_sound(output, seconds)
    return path


def _add_sound(output: Any, seconds: float) -> None:
    stream = output.add_stream("libopus" if output.format.name in {"webm", "ogg"} else "aac", rate=48_000)
    stream.layout = "mono"
    samples = (np.sin(np.arange(round(48_000 * seconds)) / 20) * 8000).astype(np.int16)
    sound = av.AudioFrame.from_ndarray(samples[np.newaxis], format="s16", layout="mono")
    sound.sample_rate = 48_000
    output.mux(stream.encode(sound))
    output.mux(stream.encode(None))
