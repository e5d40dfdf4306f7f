"""A comparison's figures as tables: on the terminal, as CSV and as JSON."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from mosaicd.pipelines.appearance import Appearance
from mosaicd.studies.places import Place
from mosaicd.studies.variants import Made

_DECIMALS = 4
_HEADINGS = {
    "color_error_1px": "error\n1 px",
    "color_error_5px": "error\n5 px",
    "ssim_5px": "SSIM\n5 px",
    "distinct_tiles": "distinct\ntiles",
    "most_used_tile_count": "most\nused",
    "touching_share": "touch-\ning",
    "relaxed_cells": "relaxed\ncells",
    "mean_shift": "mean\nshift",
    "certified_share": "certi-\nfied",
    "loading_seconds": "s\nloading",
    "matching_seconds": "s\nmatching",
    "rendering_seconds": "s\npainting",
    "peak_megabytes": "peak\nMB",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One variant of a comparison, made.

    Attributes
    ----------
    name : str
    is_as_set : bool
        Whether the library's own mosaics are made in this way.
    appearance : Appearance
    image : Path
    made : Made
    """

    name: str
    is_as_set: bool
    appearance: Appearance
    image: Path
    made: Made

    @property
    def label(self) -> str:
        """Its name, and whether it is what is set."""
        return self.name + (" (as set)" if self.is_as_set else "")

    @property
    def caption(self) -> str:
        """Its most telling figures in a line."""
        figures = self.made.figures
        return (
            f"error {figures['color_error_1px']:.1f} / {figures['color_error_5px']:.1f},"
            f" SSIM {figures['ssim_5px']:.2f}, {figures['distinct_tiles']:,} tiles,"
            f" {figures['touching_share']:.0%} touch"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What came of comparing variants.

    Attributes
    ----------
    photo, library : str
    rows, columns : int
    counts_history : bool
        Whether earlier mosaics counted.
    places : sequence of Place
        What the sheet shows from near.
    entries : sequence of Entry
    """

    photo: str
    library: str
    rows: int
    columns: int
    counts_history: bool
    places: Sequence[Place]
    entries: Sequence[Entry]


def write_files(comparison: Comparison, path: Path) -> list[Path]:
    """Write the figures as JSON and as CSV, at `path` with their suffixes; the files' paths."""
    as_json, as_csv = (path.with_name(path.name + suffix) for suffix in (".json", ".csv"))
    facts: dict[str, Any] = {
        "photo": comparison.photo,
        "library": comparison.library,
        "tiles_in_library": comparison.entries[0].made.tiles_in_library,
        "rows": comparison.rows,
        "columns": comparison.columns,
        "counts_history": comparison.counts_history,
        "places": [asdict(place) for place in comparison.places],
        "variants": [_in_full(entry) for entry in comparison.entries],
    }
    as_json.write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    rows = [_flat(entry) for entry in comparison.entries]
    names = dict.fromkeys(name for row in rows for name in row)
    with as_csv.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return [as_json, as_csv]


def table(comparison: Comparison) -> Table:
    """The figures, a row for each variant."""
    tiles = comparison.entries[0].made.tiles_in_library
    shape = (
        f"{comparison.rows} x {comparison.columns} cells from {tiles:,} tiles of library {comparison.library}"
    )
    shown = Table(title=escape(f"{comparison.photo}, {shape}"))
    shown.add_column("variant", no_wrap=True)
    for heading in _HEADINGS.values():
        shown.add_column(heading, justify="right")
    for entry in comparison.entries:
        row = _flat(entry)
        row["relaxed_cells"] = sum(entry.made.figures["relaxed_cells"].values())
        shown.add_row(entry.label, *(_shown(name, row.get(name)) for name in _HEADINGS))
    return shown


def _in_full(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "is_as_set": entry.is_as_set,
        "image": entry.image.name,
        **{name: _rounded(value) for name, value in entry.made.figures.items()},
        "seconds": entry.made.seconds,
        "peak_megabytes": entry.made.peak_megabytes,
        "settings": entry.appearance.model_dump(mode="json"),
    }


def _flat(entry: Entry) -> dict[str, Any]:
    """The figures without anything nested."""
    row: dict[str, Any] = {"variant": entry.name, "is_as_set": entry.is_as_set}
    for name, value in entry.made.figures.items():
        match value:
            case Mapping():
                row |= {f"{name}_{inner}": each for inner, each in value.items()}
            case _:
                row[name] = _rounded(value)
    row |= {f"{stage}_seconds": seconds for stage, seconds in entry.made.seconds.items()}
    return {**row, "peak_megabytes": entry.made.peak_megabytes}


def _rounded(value: Any) -> Any:  # noqa: ANN401
    return round(value, _DECIMALS) if isinstance(value, float) else value


def _shown(name: str, value: Any) -> str:  # noqa: ANN401
    match value:
        case None:
            return ""
        case float() if name.endswith("share"):
            return f"{value:.1%}"
        case float() if name == "peak_megabytes":
            return f"{value:,.0f}"
        case float() if name == "ssim_5px":
            return f"{value:.3f}"
        case float():
            return f"{value:.2f}"
        case _:
            return f"{value:,}"
