"""What must be so before the daemon begins: its folders are there, and nobody else works on its database."""

import fcntl
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from mosaicd.errors import CorruptStateError, MosaicdError, SettingsError
from mosaicd.intake.welcome import leave_welcome
from mosaicd.media.files import make_folder
from mosaicd.settings import Settings

_LOCK_TRIES, _LOCK_PAUSE_SECONDS = 20, 0.05


class AlreadyRunningError(MosaicdError):
    """Another daemon works on the same database: this one ends at once."""


def prepare_folders(settings: Settings) -> None:
    """Make the folders that are not there yet.

    Raises
    ------
    SettingsError
        If one cannot be made, or the staging folder lies on another file system than the outbox.
    """
    folders = settings.folders
    paths = [folders.inbox, folders.outbox, folders.archive, folders.rejected, folders.staging]
    is_new = not folders.inbox.exists()
    for path in [*paths, settings.database_path.parent]:
        try:
            make_folder(path)
        except OSError as error:
            message = f"the folder {path} cannot be made: {error.strerror}"
            raise SettingsError(message) from error
    if is_new:
        leave_welcome(folders.inbox)
    for path in (folders.outbox, folders.rejected):
        if path.stat().st_dev != folders.staging.stat().st_dev:
            message = (
                f"staging ({folders.staging}) lies on another file system than {path}, so that files cannot "
                "appear there whole; set staging to a folder on the same one"
            )
            raise SettingsError(message)


def lock(database: Path, *, pause: Callable[[float], None] = time.sleep) -> IO[str]:
    """Hold the lock that only one daemon has; it ends with the process, however that ends.

    Whoever asks for the status holds it for an instant: hence the second try, and more for a second.
    """
    try:
        file = database.with_name(f"{database.name}.lock").open("w")
    except OSError as error:
        message = f"the folder of the database, {database.parent}, cannot be written: {error.strerror}"
        raise CorruptStateError(message) from error
    for tries_left in reversed(range(_LOCK_TRIES)):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if not tries_left:
                file.close()
                message = f"another mosaicd already works on {database}"
                raise AlreadyRunningError(message) from error
            pause(_LOCK_PAUSE_SECONDS)
        except OSError as error:
            file.close()
            message = (
                f"files in the folder of the database, {database.parent}, cannot be locked: {error.strerror}"
            )
            raise SettingsError(message) from error
        else:
            break
    return file
