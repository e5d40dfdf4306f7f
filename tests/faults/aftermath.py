"""What must be true when all is done, whatever was killed on the way."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tests.daemon_process import DaemonProcess

IMAGE, PAGE, REPORT, REASON = ".mosaic.jpg", ".mosaic.html", ".mosaic.json", ".reason.txt"
_STATE = {"", ".lock", "-wal", "-shm"}


def require_sound(daemon: DaemonProcess) -> None:
    """The database is whole; to be asked after every kill."""
    assert daemon.query("PRAGMA integrity_check") == [("ok",)]
    assert daemon.query("PRAGMA foreign_key_check") == []


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What is wrong, by kind; empty lists if nothing is."""

    lost: list[str]
    """Originals that stand nowhere, or whose job has not ended."""
    twice: list[str]
    """Originals that stand in several places, mosaics published more than once."""
    mischarged: list[int]
    """Mosaics that have not been charged exactly once for each cell."""
    doubled_tiles: int
    torn: list[str]
    """Images in the outbox that do not decode, or have another size than their report says."""
    left: list[str]
    """Files that belong to nothing: temporary ones, reports without images, reasons without originals."""
    rejected: list[str]

    def flaws(self) -> list[str]:
        """Everything but rejections, in words."""
        return [
            *(f"{path} is lost, or not done" for path in self.lost),
            *(f"{path} is there or done more than once" for path in self.twice),
            *(f"mosaic {mosaic} is not charged once for each cell" for mosaic in self.mischarged),
            *([f"{self.doubled_tiles} tiles are there more than once"] if self.doubled_tiles else []),
            *(f"{path} is torn" for path in self.torn),
            *(f"{path} is left over, or missing" for path in self.left),
        ]

    def require_flawless(self) -> None:
        """Fail if anything but rejections has been found."""
        assert self.flaws() == []


def aftermath(daemon: DaemonProcess, originals: list[str], photos: list[str], *, edge: int) -> Aftermath:
    """Look at everything.

    Parameters
    ----------
    originals : list of str
        Everything that was dropped, relative to the inbox.
    photos : list of str
        Those of them of which mosaics were to be made.
    edge : int
        `tile_edge_pixels` of the mosaics.
    """
    places = {
        path: [place for place in (daemon.inbox, daemon.archive, daemon.rejected) if (place / path).exists()]
        for path in originals
    }
    rejected = [path for path, found in places.items() if found == [daemon.rejected]]
    open_jobs = daemon.query("SELECT CAST(path AS TEXT) FROM job WHERE ended_at IS NULL")
    mosaics = daemon.query("SELECT CAST(photo_name AS TEXT), published_at IS NOT NULL FROM mosaic")
    published = Counter(name for name, is_published in mosaics if is_published)
    made = [photo for photo in photos if photo not in rejected]
    stems = {str(Path(photo).with_suffix("")) for photo in made}
    return Aftermath(
        lost=[path for path, found in places.items() if not found]
        + [path for (path,) in open_jobs]
        + [photo for photo in made if not published[photo]],
        twice=[path for path, found in places.items() if len(found) > 1]
        + [photo for photo, count in published.items() if count > 1],
        mischarged=_mischarged(daemon),
        doubled_tiles=_doubled_tiles(daemon),
        torn=[str(path) for path in _images(daemon) if not _is_whole(path, edge=edge)],
        left=sorted(str(path) for path in _left(daemon, set(originals), stems)),
        rejected=rejected,
    )


def _mischarged(daemon: DaemonProcess) -> list[int]:
    rows = daemon.query(
        "SELECT mosaic.id FROM mosaic LEFT JOIN tile_use ON mosaic_id = mosaic.id"
        " GROUP BY mosaic.id HAVING COALESCE(SUM(count), 0) != rows * columns"
    )
    return [mosaic for (mosaic,) in rows]


def _doubled_tiles(daemon: DaemonProcess) -> int:
    """Tiles beyond the first of one source, time and crop; sources of one content in one library count all."""
    ((doubled,),) = daemon.query(
        "SELECT COUNT(*) - COUNT(DISTINCT hex(sha256) || ' ' || tile.library_id || ' ' || presentation_us"
        " || ' ' || crop) FROM tile JOIN source ON source.id = source_id"
    )
    ((miscounted,),) = daemon.query(
        "SELECT COUNT(*) FROM source"
        " WHERE tiles_made != (SELECT COUNT(*) FROM tile WHERE source_id = source.id)"
    )
    return int(doubled) + int(miscounted)


def _images(daemon: DaemonProcess) -> list[Path]:
    return [path for path in daemon.outbox.rglob("*") if path.name.endswith(IMAGE)]


def _is_whole(image: Path, *, edge: int) -> bool:
    try:
        report = json.loads((image.parent / image.name.replace(IMAGE, REPORT)).read_bytes())
        with Image.open(image) as opened:
            opened.load()
            return opened.size == (report["columns"] * edge, report["rows"] * edge)
    except (OSError, ValueError):
        return False


def _left(daemon: DaemonProcess, originals: set[str], stems: set[str]) -> set[Path]:
    outbox = {daemon.outbox / f"{stem}{ending}" for stem in stems for ending in (IMAGE, PAGE, REPORT)}
    expected = {
        *outbox,
        *(path.with_name("index.html") for path in outbox),
        *(place / path for place in (daemon.inbox, daemon.archive) for path in originals),
        *(daemon.rejected / path for path in originals),
        *(daemon.rejected / f"{path}{REASON}" for path in originals if (daemon.rejected / path).exists()),
        *(daemon.database.with_name(f"{daemon.database.name}{ending}") for ending in _STATE),
    }
    folders = [daemon.root, daemon.archive, daemon.database.parent]
    found = {path for folder in folders for path in folder.rglob("*") if not path.is_dir()}
    missing = {path for path in outbox if not path.exists()}
    return (found - expected) | missing
