"""A mosaic's report in words that need no explanation."""

from collections.abc import Iterator
from typing import Any

_HARDLY_SEEN = 2.3
_CLEARLY_SEEN = 10.0


def report_in_words(report: dict[str, Any]) -> Iterator[str]:
    """Sentences that say how a mosaic came out.

    Parameters
    ----------
    report : dict
        As it is published beside the mosaic.
    """
    rows, columns = report["rows"], report["columns"]
    yield (
        f"{columns} x {rows} = {rows * columns:,} tiles, {report['distinct_tiles']:,} of them different, "
        f"from a library of {report['tiles_in_library']:,}. "
        f"The tile used most appears {_times(report['most_used_tile_count'])}."
    )
    yield _likeness(report["color_error_1px"], report["ssim_5px"])
    touching = report["touching_share"]
    yield "No tile touches its like." if touching == 0 else f"{touching:.0%} of the tiles touch their like."
    correction = report["settings"]["color_correction"]
    if correction > 0:
        yield (
            "Tiles were toned towards the photo: their colour moved by "
            f"{report['mean_shift']:.1f} on average, their contrast to {report['mean_gain']:.0%}."
        )
    relaxed = sum(report["relaxed_cells"].values())
    if relaxed:
        yield f"In {relaxed:,} places the library had no tile that kept to every rule."


def _likeness(color_error: float, likeness: float) -> str:
    if color_error <= _HARDLY_SEEN:
        verdict = "so little that hardly anybody would notice"
    elif color_error <= _CLEARLY_SEEN:
        verdict = "a little"
    else:
        verdict = "clearly: the library lacks colours of this photo"
    return (
        f"Seen from afar, its colours differ from the photo's by {color_error:.1f} (CIEDE2000), {verdict}. "
        f"Its structure is {likeness:.0%} like the photo's (SSIM)."
    )


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")
