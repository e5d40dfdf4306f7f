"""Walking the inbox: what is there now."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mosaicd.intake.names import is_ignored
from mosaicd.media.files import Signature, signature_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file below the inbox; no `signature` if it is not a regular one. Its path is relative to the inbox."""

    path: str
    signature: Signature | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A folder that could not be looked into, or a file that could not be looked at; `event` says which."""

    path: str
    error: str
    event: str = "folder_unreadable"


def is_folder(inbox: Path, path: str) -> bool:
    """Whether a folder stands at `path` below the inbox, with no link on the way."""
    real = os.path.realpath(inbox / path)
    return real == os.path.join(os.path.realpath(inbox), path) and os.path.isdir(real)  # noqa: PTH112, PTH118


def walk(inbox: Path, subtree: str = "") -> Iterator[Found | Unreadable]:
    """Every file in a subtree of the inbox that its name does not rule out.

    Links to folders are not followed.
    """
    pending = [subtree]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(inbox / folder) as entries:
                for entry in entries:
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    if is_ignored(entry.name):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(path)
                    else:
                        yield from _looked_at(entry, path)
        except FileNotFoundError:
            if not folder:
                yield Unreadable(path=folder, error="there is no such folder")
        except NotADirectoryError:
            continue
        except OSError as error:
            yield Unreadable(path=folder, error=_why(error))


def _looked_at(entry: os.DirEntry[str], path: str) -> Iterator[Found | Unreadable]:
    """A file, unless it has just gone."""
    try:
        yield Found(path=path, signature=signature_of(entry.stat(follow_symlinks=False)))
    except FileNotFoundError:
        return
    except OSError as error:
        yield Unreadable(path=path, error=_why(error), event="file_unreadable")


def _why(error: OSError) -> str:
    return error.strerror or str(error)
