"""What names say: which files are not for us, which library a path belongs to. Pure."""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from mosaicd.media.files import printable

DEFAULT_LIBRARY = "default"
TILES_FOLDER = "tiles"
APPEARANCE_FILE = "mosaic.toml"

_IGNORED_NAMES = frozenset({"thumbs.db", "desktop.ini", "@eadir", "__macosx"})
_IGNORED_SUFFIXES = (".tmp", ".part", ".partial", ".filepart", ".crdownload", ".!sync", ".bts", "~")
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
    parts = PurePosixPath(path).parts
    return parts[-1] == APPEARANCE_FILE and (
        len(parts) == 1 or (len(parts) == 2 and parts[0] != TILES_FOLDER)
    )


def is_conflict_copy(name: str) -> bool:
    """Whether a sync tool made this file because two sides had changed it."""
    return _CONFLICT.search(name) is not None


def place_of(path: str) -> Place:
    """The meaning of a path relative to the inbox."""
    folders = PurePosixPath(path).parts[:-1]
    if not folders or folders[0] == TILES_FOLDER:
        return Place(library=DEFAULT_LIBRARY, folder="", photo_role=Role.TILES if folders else Role.MOSAIC)
    is_for_tiles = len(folders) > 1 and folders[1] == TILES_FOLDER
    return Place(
        library=printable(folders[0]),
        folder=folders[0],
        photo_role=Role.TILES if is_for_tiles else Role.MOSAIC,
    )
