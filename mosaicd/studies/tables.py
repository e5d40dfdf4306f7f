"""A study's figures as tables: on the terminal, as CSV and as JSON."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import JustifyMethod
from rich.table import Table

from mosaicd.imaging import PixelArray
from mosaicd.studies.penalty_steps import PenaltyOutcome
from mosaicd.studies.search import Way
from mosaicd.studies.suspects import FIGURES, TRUTHS, Guilt, Outcome, Recall, mean_figure, mean_recall

_SHOWN_COUNTS = (40, 1000)
_PENALTY_COLUMNS = {
    "engine": "engine",
    "penalty_step": "step",
    "mean_similarity": "alike",
    "color_error_5px": "error",
    "ssim_5px": "SSIM",
    "freckled_share": "freckled",
    "distinct_tiles": "distinct",
    "most_used_tile_count": "most used",
}
HEADINGS = {
    "color_error_1px": "colour error, 1 px",
    "color_error_5px": "colour error, 5 px",
    "ssim_5px": "SSIM, 5 px",
    "freckled_share": "freckled",
    "off_color_share": "off colour",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """All that a study found out.

    Attributes
    ----------
    library : str
    tiles : int
        How many it used.
    cells : dict
        Of each photo.
    flat_shares : dict
        Share of the cells that are flat, of each photo.
    recalls, outcomes, guilt, penalties : sequence
        Empty where that part was not asked for.
    pictures : dict
        Excerpts of mosaics of the first photo, by how they were made.
    """

    library: str
    tiles: int
    cells: dict[str, int]
    flat_shares: dict[str, float]
    recalls: Sequence[Recall] = ()
    outcomes: Sequence[Outcome] = ()
    guilt: Sequence[Guilt] = ()
    penalties: Sequence[PenaltyOutcome] = ()
    pictures: Mapping[str, PixelArray] = field(default_factory=dict)


def way_in_words(way: Way) -> str:
    """How a way chooses tiles."""
    whence = "all tiles" if way.key is None else f"{way.count:,} by {way.key}"
    return f"{whence}; {way.measure}"


def write_files(study: Study, folder: Path) -> list[Path]:
    """Write the figures as JSON, and each part's as CSV; the files' paths."""
    lists: dict[str, list[dict[str, Any]]] = {
        "recall": [asdict(each) for each in study.recalls],
        "mosaics": [
            {"photo": each.photo, **asdict(each.way), **asdict(each.quality)} for each in study.outcomes
        ],
        "guilt": [asdict(each) for each in study.guilt],
        "penalties": [_flat(each) for each in study.penalties],
    }
    facts = {name: getattr(study, name) for name in ("library", "tiles", "cells", "flat_shares")}
    written = [folder / "study.json"]
    content = _without_nan({**facts, **lists})
    written[0].write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    for name, rows in lists.items():
        if rows:
            written.append(folder / f"{name}.csv")
            with written[-1].open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
                writer.writerows(rows)
    return written


def recall_table(recalls: Sequence[Recall]) -> Table:
    """Recall by key, for each measure that says what is best, on the mean over the photos."""
    table = Table(
        title="Share of cells whose best tile of all, by the measure, is among the k nearest by the key"
    )
    table.add_column("key", no_wrap=True)
    counts = [count for count in _SHOWN_COUNTS if any(each.count == count for each in recalls)]
    for truth in TRUTHS:
        for count in counts:
            table.add_column(f"{truth}\nk = {count:,}", justify="right")
    for key in dict.fromkeys(each.key for each in recalls):
        shares = [mean_recall(recalls, key, truth, count) for truth in TRUTHS for count in counts]
        table.add_row(key, *(f"{share:.1%}" for share in shares))
    return table


def outcome_table(outcomes: Sequence[Outcome]) -> Table:
    """Figures of the mosaics by each way, on the mean over the photos."""
    table = Table(title="Mosaics by way of choosing tiles")
    table.add_column("from; the best by", no_wrap=True)
    for heading in HEADINGS.values():
        table.add_column(heading.replace(", ", "\n").replace("colour ", "colour\n"), justify="right")
    for way in dict.fromkeys(each.way for each in outcomes):
        values = {figure: mean_figure(outcomes, way, figure) for figure in FIGURES}
        table.add_row(way_in_words(way), *(_shown(figure, value) for figure, value in values.items()))
    return table


def guilt_table(guilt: Sequence[Guilt]) -> Table:
    """What mending each suspect does."""
    table = Table(title="What mending one thing changes: alone; last of all; shared out over all orders")
    for heading in ("measure", "figure", "suspect", "alone", "last", "shared"):
        justify: JustifyMethod = "left" if heading in {"figure", "suspect"} else "right"
        table.add_column(heading, justify=justify, no_wrap=True)
    for each in guilt:
        changes = (f"{change:+.3f}" for change in (each.alone, each.last, each.shared))
        table.add_row(each.measure, HEADINGS[each.figure], each.suspect, *changes)
    return table


def penalty_table(outcomes: Sequence[PenaltyOutcome]) -> Table:
    """Figures by penalty step."""
    table = Table(title="Penalty steps")
    for heading in _PENALTY_COLUMNS.values():
        table.add_column(heading, justify="right", no_wrap=heading == "engine")
    for each in outcomes:
        row = _flat(each)
        table.add_row(*(_shown(name, row[name]) for name in _PENALTY_COLUMNS))
    return table


def _flat(outcome: PenaltyOutcome) -> dict[str, Any]:
    row = asdict(outcome)
    figures = row.pop("quality")
    return {**row, **figures}


def _shown(name: str, value: Any) -> str:  # noqa: ANN401
    match value:
        case float() if name.endswith("share"):
            return f"{value:.1%}"
        case float() if name.startswith("color"):
            return f"{value:.2f}"
        case float():
            return f"{value:.3f}"
        case int():
            return f"{value:,}"
        case _:
            return str(value)


def _without_nan(value: Any) -> Any:  # noqa: ANN401
    """The same, with None where a figure does not exist, since JSON knows no nan."""
    match value:
        case dict():
            return {key: _without_nan(each) for key, each in value.items()}
        case list():
            return [_without_nan(each) for each in value]
        case float() if math.isnan(value):
            return None
        case _:
            return value
