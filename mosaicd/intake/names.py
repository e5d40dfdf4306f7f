"""What names say: which files are not for us, which library a path belongs to. Pure."""

import functools
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from mosaicd.intake.welcome import WELCOME_FILE
from mosaicd.plain_text import printable

DEFAULT_LIBRARY = "default"
TILES_FOLDER = "tiles"
APPEARANCE_FILE = "mosaic.toml"

_IGNORED_NAMES = frozenset({WELCOME_FILE.casefold(), "thumbs.db", "desktop.ini", "@eadir", "__macosx"})
_IGNORED_SUFFIXES = (".tmp", ".part", ".partial", ".filepart", ".crdownload", ".!sync", ".bts", "~")
_FOLDERS_REMEMBERED = 4096
_CONFLICT = re.compile(r"\.sync-conflict-|_conflict-|conflicted copy", re.IGNORECASE)


class Role(StrEnum):
    """What a photo in this place is for."""

    MOSAIC = "mosaic"
    TILES = "tiles"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the place of a file in the inbox means.

    Attributes
    ----------
    library : str
        In printable form.
    folder : str
        The library's folder relative to the inbox; empty for the default library.
    photo_role : Role
    """

    library: str
    folder: str
    photo_role: Role


def is_ignored(name: str) -> bool:
    """Whether a file or folder of this name belongs to a sync tool, a browser or a system, not to us."""
    lowered = name.casefold()
    return lowered.startswith((".", "~")) or lowered in _IGNORED_NAMES or lowered.endswith(_IGNORED_SUFFIXES)


def is_appearance_file(path: str) -> bool:
    """Whether the file at this path in the inbox is a library's ``mosaic.toml``."""
    folder, _, name = path.rpartition("/")
    return name == APPEARANCE_FILE and folder != TILES_FOLDER and "/" not in folder


def is_conflict_copy(name: str) -> bool:
    """Whether a sync tool made this file because two sides had changed it."""
    return _CONFLICT.search(name) is not None


def place_of(path: str) -> Place:
    """The meaning of a path relative to the inbox."""
    return _place_in(path.rpartition("/")[0])


@functools.lru_cache(maxsize=_FOLDERS_REMEMBERED)
def _place_in(folder: str) -> Place:
    first, *deeper = PurePosixPath(folder).parts or ("",)
    if first in {"", TILES_FOLDER}:
        return Place(library=DEFAULT_LIBRARY, folder="", photo_role=Role.TILES if first else Role.MOSAIC)
    return Place(
        library=printable(first),
        folder=first,
        photo_role=Role.TILES if deeper[:1] == [TILES_FOLDER] else Role.MOSAIC,
    )
