"""The frontier's figures as a plot and as tables."""

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from rich.markup import escape
from rich.table import Table

from mosaicd.matching.engine import Assignment
from mosaicd.pipelines.appearance import Engine
from mosaicd.studies.charts import save
from mosaicd.studies.frontier import DEFAULT, UNCORRECTED, Figures, Point, beaten_by

_TOUCHES = 0.005
"""From this share of touching cells on, a marker is hollow."""
_COLORS = {
    Assignment.DIFFUSION: "tab:red",
    Assignment.GREEDY: "tab:orange",
    Assignment.OPTIMAL: "tab:purple",
    Engine.CODEBOX: "black",
    Engine.MEAN_COLOR_SSIM: "tab:gray",
}
_PEER_COLOR = "tab:blue"
_PANELS: tuple[tuple[str, str, Callable[[Figures], float], Callable[[Figures], float]], ...] = (
    (
        "distinct tiles (more is better)",
        "colour error, 1 px (less is better)",
        lambda each: each.distinct_tiles,
        lambda each: each.color_error_1px,
    ),
    (
        "distinct tiles (more is better)",
        "SSIM, 5 px (more is better)",
        lambda each: each.distinct_tiles,
        lambda each: each.ssim_5px,
    ),
    (
        "uses of the most used tile (fewer is better)",
        "colour error, 5 px (less is better)",
        lambda each: each.most_used_tile_count,
        lambda each: each.color_error_5px,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """What came of it.

    Attributes
    ----------
    photo : str
    tiles, cells : int
    ours, peers : sequence of Point
        Of ours the first is the library's own appearance.
    """

    photo: str
    tiles: int
    cells: int
    ours: Sequence[Point]
    peers: Sequence[Point]


def write_frontier(found: Frontier, folder: Path) -> list[Path]:
    """Write the figures as JSON and CSV, and the plot; their paths."""
    rows = [
        {"maker": maker, "series": point.series, "setting": point.setting, **asdict(point.figures)}
        for maker, points in (("mosaicd", found.ours), ("peer", found.peers))
        for point in points
    ]
    facts = {"photo": found.photo, "tiles": found.tiles, "cells": found.cells}
    as_json, as_csv, as_png = (folder / f"frontier.{suffix}" for suffix in ("json", "csv", "png"))
    content = {
        **facts,
        "points": rows,
        "peers_beaten_by": _verdicts(found.peers, found.ours),
        "ours_beaten_by": _verdicts(found.ours, found.peers),
    }
    as_json.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    with as_csv.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    save(frontier_chart(found), as_png)
    return [as_json, as_csv, as_png]


def our_table(found: Frontier) -> Table:
    """Our points, and which peers are as good or better on all figures."""
    table = Table(title=escape(f"mosaicd: {found.photo}, {found.cells:,} cells, {found.tiles:,} tiles"))
    _add_columns(table, "setting")
    if found.peers:
        table.add_column("bettered\non all by")
    for point in found.ours:
        better = [", ".join(escape(peer.name) for peer in beaten_by(point, found.peers)) or "none"]
        table.add_row(point.name, *_words(point.figures), *(better if found.peers else []))
    return table


def peer_table(found: Frontier) -> Table:
    """Other makers' points, which of ours is better on all figures, and how ours as set compares."""
    table = Table(title="other makers, and which of the above is as good or better on all six figures")
    _add_columns(table, "maker")
    table.add_column("bettered on all by", overflow="fold")
    table.add_column("as set,\nbetter on")
    for peer in found.peers:
        better = beaten_by(peer, found.ours)
        others = f" (and {len(better) - 1} more)" if len(better) > 1 else ""
        by = better[0].name + others if better else "none"
        ahead = found.ours[0].figures.better_count(peer.figures)
        table.add_row(escape(peer.name), *_words(peer.figures), by, f"{ahead} of 6")
    return table


def _verdicts(points: Sequence[Point], others: Sequence[Point]) -> dict[str, list[str]]:
    return {point.name: [other.name for other in beaten_by(point, others)] for point in points}


def frontier_chart(found: Frontier) -> Figure:
    """Closeness over repetition, a panel for each pair of figures."""
    figure = Figure(figsize=(14, 6), layout="constrained")
    figure.suptitle(
        f"Closeness against repetition: {found.photo}, {found.cells:,} cells, {found.tiles:,} tiles"
        " (hollow: the same tile touches itself)"
    )
    panels = figure.subplots(1, len(_PANELS))
    for axes, (across, up, x_of, y_of) in zip(panels, _PANELS, strict=True):
        for point in found.ours:
            _plot(axes, point, x_of(point.figures), y_of(point.figures))
        for number, peer in enumerate(found.peers, start=1):
            x, y = x_of(peer.figures), y_of(peer.figures)
            axes.plot(x, y, "X", color=_PEER_COLOR, markerfacecolor=_fill(peer, _PEER_COLOR), markersize=8)
            axes.annotate(str(number), (x, y), xytext=(5, 4), textcoords="offset points", color=_PEER_COLOR)
        axes.set(xscale="log", xlabel=across, ylabel=up)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.3, which="both")
    figure.legend(handles=_legend(found), loc="outside lower center", ncols=4, fontsize="small")
    return figure


def _plot(axes: Axes, point: Point, x: float, y: float) -> None:
    color, marker = _color(point), _marker(point)
    size = 17 if point.setting == DEFAULT else 6
    edge = "black" if point.setting == DEFAULT else color
    order = 3 if point.setting == DEFAULT else 2
    axes.plot(x, y, marker, color=edge, markerfacecolor=_fill(point, color), markersize=size, zorder=order)


def _color(point: Point) -> str:
    return next(color for name, color in _COLORS.items() if point.series.startswith(name))


def _marker(point: Point) -> str:
    if point.setting == DEFAULT:
        return "*"
    if point.series in set(Engine):
        return "s"
    return "v" if point.series.endswith(f" {UNCORRECTED:g}") else "o"


def _fill(point: Point, color: str) -> str:
    return "none" if point.figures.touching_share >= _TOUCHES else color


def _legend(found: Frontier) -> list[Line2D]:
    """A line for each series, then the numbers of the other makers."""
    first_of = {point.series: point for point in reversed(found.ours) if point.setting != DEFAULT}
    ours = [
        Line2D([], [], linestyle="", marker=_marker(point), color=_color(point), label=series)
        for series, point in reversed(first_of.items())
    ]
    star = Line2D([], [], linestyle="", marker="*", markersize=14, color=_color(found.ours[0]), label=DEFAULT)
    peers = [
        Line2D([], [], linestyle="", marker="X", color=_PEER_COLOR, label=f"{number}: {peer.name}")
        for number, peer in enumerate(found.peers, start=1)
    ]
    return [star, *ours, *peers]


def _add_columns(table: Table, first: str) -> None:
    table.add_column(first)
    for heading in ("error\n1 px", "error\n5 px", "SSIM\n5 px", "distinct", "most\nused", "touch-\ning"):
        table.add_column(heading, justify="right", no_wrap=True)


def _words(figures: Figures) -> tuple[str, ...]:
    return (
        f"{figures.color_error_1px:.2f}",
        f"{figures.color_error_5px:.2f}",
        f"{figures.ssim_5px:.3f}",
        f"{figures.distinct_tiles:,}",
        f"{figures.most_used_tile_count:,}",
        f"{figures.touching_share:.1%}",
    )
