"""The outbox: finished mosaics and their companions, each file whole."""

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image, ImageCms

from mosaicd.crash_points import CrashPoint, passed
from mosaicd.imaging import PixelArray
from mosaicd.media.files import shortened, staged, write_whole
from mosaicd.media.formats import OutputFormat

_LONGEST_ENDING = len(" (99999).mosaic.json.reason.txt")
_SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def stems(photo: str) -> Iterator[str]:
    """Stems for the mosaic of the photo at this path in the inbox: its name, then numbered ones."""
    path = PurePosixPath(photo)
    stem = str(path.with_name(shortened(path.stem, room=_LONGEST_ENDING)))
    yield stem
    yield from (f"{stem} ({number})" for number in itertools.count(2))


def image_path(stem: str, output_format: OutputFormat) -> str:
    """Path of a mosaic's image, relative to the outbox."""
    return f"{stem}.mosaic{output_format.suffix}"


def report_path(stem: str) -> str:
    """Path of a mosaic's report, relative to the outbox."""
    return f"{stem}.mosaic.json"


def page_path(stem: str) -> str:
    """Path of a mosaic's page, relative to the outbox."""
    return f"{stem}.mosaic.html"


def is_stem_taken(outbox: Path, stem: str) -> bool:
    """Whether any of the files that a mosaic of this stem would have stands in the outbox already."""
    names = [report_path(stem), page_path(stem), *(image_path(stem, each) for each in OutputFormat)]
    return any(os.path.lexists(outbox / name) for name in names)


def publish(
    mosaic: PixelArray,
    report: dict[str, Any],
    page: bytes | None,
    *,
    outbox: Path,
    staging: Path,
    stem: str,
    output_format: OutputFormat,
    output_quality: int,
) -> None:
    """Write a mosaic's companions and then, last, its image.

    Each file appears whole. Publishing the same stem again replaces what a killed process may have published.

    Raises
    ------
    OSError
        If the outbox cannot be written.
    """
    data = json.dumps(report, ensure_ascii=True, separators=(",", ":")).encode()
    write_whole(outbox / report_path(stem), data, staging=staging)
    passed(CrashPoint.REPORT_PUBLISHED)
    if page is not None:
        write_whole(outbox / page_path(stem), page, staging=staging)
        passed(CrashPoint.PAGE_PUBLISHED)
    write_image(
        mosaic,
        outbox / image_path(stem, output_format),
        staging=staging,
        output_format=output_format,
        output_quality=output_quality,
    )
    passed(CrashPoint.IMAGE_PUBLISHED)


def write_image(
    mosaic: PixelArray, path: Path, *, staging: Path, output_format: OutputFormat, output_quality: int
) -> None:
    """Let a mosaic's image appear at `path`, whole; OSError if it cannot be written."""
    rows, columns = mosaic.shape[:2]
    image = Image.frombuffer("RGB", (columns, rows), mosaic, "raw", "RGB", 0, 1)
    options: dict[OutputFormat, dict[str, Any]] = {
        OutputFormat.JPEG: {"quality": output_quality, "subsampling": "4:4:4"},
        OutputFormat.PNG: {"compress_level": 4},
        OutputFormat.WEBP: {"quality": output_quality, "method": 2},
    }
    with staged(path, staging=staging) as place:
        image.save(place, format=output_format.name, icc_profile=_SRGB_PROFILE, **options[output_format])
