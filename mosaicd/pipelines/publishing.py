"""Publishing a mosaic: into an outbox that is there and takes it, or another time."""

from typing import Any

from mosaicd.errors import Need, ObstructedError
from mosaicd.imaging import PixelArray
from mosaicd.media.files import printable
from mosaicd.media.mounts import mounted_now
from mosaicd.media.outbox import publish
from mosaicd.media.room import is_full, require_room
from mosaicd.pipelines.appearance import Appearance
from mosaicd.pipelines.orders import MosaicOrder


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
    order: MosaicOrder, stem: str, appearance: Appearance, image: PixelArray, report: dict[str, Any]
) -> None:
    """Let a mosaic and its report appear in the outbox; ObstructedError if they cannot be written just now."""
    require_outbox(order)
    try:
        publish(
            image,
            report,
            outbox=order.outbox,
            staging=order.staging,
            stem=stem,
            output_format=appearance.output_format,
            output_quality=appearance.output_quality,
        )
    except OSError as error:
        raise _obstructed(order, error) from error


def _obstructed(order: MosaicOrder, why: OSError | str) -> ObstructedError:
    folder = printable(str((order.outbox / order.name).parent))
    words = why if isinstance(why, str) else why.strerror or str(why)
    message = f"the mosaic cannot be written to the outbox ({folder}): {words}"
    return ObstructedError(message, need=Need.OUTBOX, is_full=isinstance(why, OSError) and is_full(why))
