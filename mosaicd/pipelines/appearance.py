"""What a mosaic looks like: the settings that a library's ``mosaic.toml`` may change."""

import os
import re
import stat
import tomllib
from datetime import date, time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mosaicd.matching.engine import Assignment
from mosaicd.media.formats import OutputFormat

_FILE_BYTES_LIMIT = 64_000
_SHOWN_LIMIT = 100


class Engine(StrEnum):
    """Ways of comparing tiles with cells."""

    PERCEPTUAL = "perceptual"
    CODEBOX = "codebox"
    MEAN_COLOR_SSIM = "mean-color-ssim"


class Appearance(BaseModel):
    """What a mosaic looks like."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    engine: Annotated[
        Engine,
        Field(
            description="How tiles are compared with cells: perceptual (CIELAB sub-cells); or as two earlier "
            "programs do, which neither mirror nor correct tiles nor keep repeats apart: codebox (RGB sub-cells) "
            "or mean-color-ssim (SSIM among tiles of like mean colour)."
        ),
    ] = Engine.PERCEPTUAL
    assignment: Annotated[
        Assignment,
        Field(
            description="How tiles are assigned to cells: diffusion (areas keep their mean colour), greedy (cells "
            "rich in detail first) or optimal (all cells together, tiles used evenly where that costs little)."
        ),
    ] = Assignment.DIFFUSION
    cells_on_long_side: Annotated[
        int, Field(ge=2, le=1000, description="Cells along the photo's longer side.")
    ] = 96
    tile_edge_pixels: Annotated[
        int, Field(ge=2, le=512, description="Edge of a tile in the mosaic, in pixels.")
    ] = 50
    minimum_distance_cells: Annotated[
        int,
        Field(ge=0, le=20, description="Two uses of one tile are more than this many cells apart."),
    ] = 2
    minimum_shot_distance_cells: Annotated[
        int,
        Field(
            ge=0,
            le=20,
            description="Two tiles of one shot (alike frames of a film) are more than this many cells apart.",
        ),
    ] = 1
    maximum_uses: Annotated[
        int,
        Field(
            ge=0,
            description="A tile is used at most so often in a mosaic; 0: no limit.",
        ),
    ] = 0
    mirror: Annotated[
        bool, Field(description="Whether tiles may be mirrored; false for films with writing in them.")
    ] = True
    color_correction: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="How far a tile's mean colour and contrast are moved towards its cell's: 0 not at all.",
        ),
    ] = 0.5
    penalty_step: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="What earlier mosaics take off their tiles' similarity (0 to 1); 0: no memory.",
        ),
    ] = 0.03
    output_format: Annotated[
        OutputFormat, Field(description="File format of mosaics: jpeg, png or webp.")
    ] = OutputFormat.JPEG
    output_quality: Annotated[int, Field(ge=1, le=100, description="Quality of JPEG and WebP files.")] = 90


def appearance_over(base: Appearance, file: Path) -> Appearance:
    """Lay a library's ``mosaic.toml`` over `base`; `base` itself if there is no such file.

    Raises
    ------
    ValueError
        If the file cannot be used, with a line that says what is wrong with it.
    """
    try:
        if not stat.S_ISREG(file.lstat().st_mode):
            message = "it is not a regular file"
            raise ValueError(message)
        with open(file, "rb", opener=_without_following) as stream:
            data = stream.read(_FILE_BYTES_LIMIT + 1)
    except FileNotFoundError:
        return base
    except OSError as error:
        message = f"it cannot be read: {error.strerror}"
        raise ValueError(message) from error
    if len(data) > _FILE_BYTES_LIMIT:
        message = f"it is larger than {_FILE_BYTES_LIMIT} bytes"
        raise ValueError(message)
    changes = parsed_toml(data)
    try:
        return Appearance.model_validate({**base.model_dump(), **changes})
    except ValidationError as error:
        raise ValueError(first_complaint(error)) from error


def parsed_toml(data: bytes) -> dict[str, Any]:
    """What a TOML file holds; ValueError if it is none, with a line that says why."""
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"it is not TOML: line {line} is not in UTF-8"
    except RecursionError:
        message = "it is not TOML: too many brackets in one another"
    except tomllib.TOMLDecodeError as error:
        message = f"it is not TOML: {error}"
    except ValueError:  # Python reads no more digits than these
        message = "it is not TOML: a number has more than 4,300 digits"
    raise ValueError(message)


def _without_following(file: str, flags: int) -> int:
    """Open a file, even if a link or a pipe has just taken its place."""
    return os.open(file, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def first_complaint(error: ValidationError) -> str:
    """The first thing that is wrong, in one line that names the setting."""
    details: Any = error.errors()[0]
    name = ".".join(str(part) for part in details["loc"])
    match details["type"]:
        case "extra_forbidden":
            return f"there is no setting {_cut(name)}"
        case "string_unicode":
            return f"{name} should be text in UTF-8, not {_shown(details['input'])}"
        case "int_parsing_size":
            return f"{name} should have fewer digits, unlike {_shown(details['input'])}"
        case "path_type":
            return f"{name} should be a path, not {_shown(details['input'])}"
    given = "" if details["type"] == "missing" else f", not {_shown(details['input'])}"
    what = re.split(", unable to | for <class", details["msg"].removeprefix("Value error, "))[0]
    what = what.removeprefix("Input ")
    return f"{_cut(name)} {what[:1].lower()}{what[1:]}{given}"


def _shown(value: object) -> str:
    """A value of whatever kind, as somebody who wrote it will know it again."""
    try:
        return _cut(str(value) if isinstance(value, date | time) else repr(value))
    except (ValueError, RecursionError):  # more digits, or brackets, than Python shows
        return "that"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_LIMIT else f"{text[:_SHOWN_LIMIT]}..."
