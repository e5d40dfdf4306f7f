"""Publishing a mosaic: into an outbox that is there and takes it, or another time."""

import contextlib
import errno
from typing import Any

from mosaicd.crash_points import CrashPoint, passed
from mosaicd.errors import MosaicdError, Need, ObstructedError, RejectedInputError
from mosaicd.imaging import PixelArray
from mosaicd.media.mounts import mounted_now
from mosaicd.media.outbox import publish
from mosaicd.media.room import is_full, require_room
from mosaicd.pipelines.appearance import Appearance
from mosaicd.pipelines.gallery import thumbnail_of, update_gallery
from mosaicd.pipelines.orders import MosaicOrder
from mosaicd.plain_text import printable
from mosaicd.store.database import Database
from mosaicd.store.models import Mosaic


def require_outbox(order: MosaicOrder) -> None:
    """Raise ObstructedError if the outbox has gone, or takes no file at all just now."""
    why = order.outbox_mounts.complaint(mounted_now())
    if why is not None:
        raise _obstructed(order, why)
    try:
        require_room((order.outbox / order.name).parent)
    except OSError as error:
        raise _obstructed(order, error) from error


def publish_mosaic(
    order: MosaicOrder,
    stem: str,
    appearance: Appearance,
    image: PixelArray,
    report: dict[str, Any],
    page: bytes | None,
) -> None:
    """Let a mosaic and its companions appear in the outbox.

    Raises
    ------
    ObstructedError
        If they cannot be written just now.
    RejectedInputError
        If they could never be: the photo's path is too long.
    """
    require_outbox(order)
    try:
        publish(
            image,
            report,
            page,
            outbox=order.outbox,
            staging=order.staging,
            stem=stem,
            output_format=appearance.output_format,
            output_quality=appearance.output_quality,
        )
    except OSError as error:
        raise _obstructed(order, error) from error


def show_in_gallery(database: Database, order: MosaicOrder, mosaic: Mosaic, image: PixelArray) -> None:
    """Show a mosaic in the gallery; where that cannot be written, the mosaic stands in the outbox all the same."""
    if order.gallery_folder is None:
        return
    with contextlib.suppress(OSError):
        update_gallery(
            database,
            mosaic,
            thumbnail_of(image),
            folder=order.gallery_folder,
            library=order.library,
            outbox=order.outbox,
            staging=order.staging,
        )
    passed(CrashPoint.GALLERY_WRITTEN)


def _obstructed(order: MosaicOrder, why: OSError | str) -> MosaicdError:
    if isinstance(why, OSError) and why.errno == errno.ENAMETOOLONG:
        return RejectedInputError(
            "its folders have such long names that its mosaic would have too long a path"
        )
    folder = printable(str((order.outbox / order.name).parent))
    words = why if isinstance(why, str) else why.strerror or str(why)
    message = f"the mosaic cannot be written to the outbox ({folder}): {words}"
    return ObstructedError(message, need=Need.OUTBOX, is_full=isinstance(why, OSError) and is_full(why))
