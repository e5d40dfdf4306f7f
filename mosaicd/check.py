"""What ``mosaicd check`` finds out about the configuration and the machine."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mosaicd.errors import MosaicdError
from mosaicd.settings import Settings
from mosaicd.store.database import Database

_INOTIFY = Path("/proc/sys/fs/inotify")
_FEW_WATCHES = 8192
_FEW_INSTANCES = 64
_LITTLE_ROOM = 1 << 30
_DECODERS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "theora", "mjpeg", "prores")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found out."""

    text: str
    is_problem: bool = False

    @property
    def mark(self) -> str:
        """What stands before it."""
        return "PROBLEM" if self.is_problem else "ok"


def findings(settings: Settings) -> Iterator[Finding]:
    """Look at everything that the daemon needs."""
    yield from _folders(settings)
    yield from _database(settings)
    yield from _inotify(settings.folders.inbox)
    yield from _decoders()


def _folders(settings: Settings) -> Iterator[Finding]:
    folders = settings.folders
    for name in ("inbox", "outbox", "archive", "rejected", "staging"):
        path: Path = getattr(folders, name)
        nearest = _nearest(path)
        if not os.path.lexists(path):
            if os.access(nearest, os.W_OK | os.X_OK):
                yield Finding(text=f"{name}: {path} will be made when the daemon starts")
            else:
                yield Finding(
                    text=f"{name}: {path} cannot be made: {nearest} is not writable", is_problem=True
                )
        elif not path.is_dir():
            yield Finding(text=f"{name}: {path} is not a folder", is_problem=True)
        elif not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            yield Finding(text=f"{name}: {path} is not readable and writable", is_problem=True)
        else:
            yield Finding(text=f"{name}: {path} is readable and writable")
    device = _nearest(folders.staging).stat().st_dev
    for name, path in (("outbox", folders.outbox), ("rejected", folders.rejected)):
        if _nearest(path).stat().st_dev != device:
            yield Finding(
                text=f"staging: {folders.staging} lies on another file system than {name}: set staging",
                is_problem=True,
            )
    database = settings.database_path.parent
    for name, path in (("outbox", folders.outbox), ("archive", folders.archive), ("database", database)):
        free = shutil.disk_usage(_nearest(path)).free
        yield Finding(text=f"{name}: {free / 1e9:.1f} GB free", is_problem=free < _LITTLE_ROOM)


def _database(settings: Settings) -> Iterator[Finding]:
    path = settings.database_path
    if not os.path.lexists(path):
        nearest = _nearest(path.parent)
        is_problem = not os.access(nearest, os.W_OK | os.X_OK)
        trouble = f" cannot be made: {nearest} is not writable" if is_problem else " will be made"
        yield Finding(text=f"database: {path}{trouble}", is_problem=is_problem)
        return
    database = Database(path)
    try:
        database.require_current()
        yield Finding(text=f"database: {path} is usable, {path.stat().st_size / 1e6:.1f} MB")
    except MosaicdError as error:
        yield Finding(text=f"database: {error}", is_problem=True)
    finally:
        database.close()


def _inotify(inbox: Path) -> Iterator[Finding]:
    folders = 1 + sum(len(names) for _, names, _ in os.walk(inbox))
    for name, few, needed in (
        ("max_user_watches", _FEW_WATCHES, folders),
        ("max_user_instances", _FEW_INSTANCES, 1),
    ):
        try:
            limit = int((_INOTIFY / name).read_text())
        except (OSError, ValueError):
            yield Finding(text=f"inotify: fs.inotify.{name} cannot be read here")
            continue
        if limit < max(few, 2 * needed):
            yield Finding(
                text=f"inotify: fs.inotify.{name} is only {limit}: raise it with sysctl", is_problem=True
            )
        else:
            yield Finding(text=f"inotify: fs.inotify.{name} is {limit}; the inbox needs {needed}")


def _decoders() -> Iterator[Finding]:
    import av.codec
    import pillow_heif
    from PIL import features

    missing = [name for name in _DECODERS if name not in av.codec.codecs_available]
    if missing:
        yield Finding(text=f"video decoders: none for {', '.join(missing)}", is_problem=True)
    else:
        yield Finding(text=f"video decoders: {', '.join(_DECODERS)}")
    formats = [name for name in ("jpg", "zlib", "webp", "avif") if features.check(name)]
    yield Finding(text=f"photo decoders: {', '.join(formats)}, heif {pillow_heif.libheif_version()}")


def _nearest(path: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    while not os.path.exists(path):  # noqa: PTH110 - never raises
        path = path.parent
    return path
