"""A study's figures as plots."""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from PIL import Image

from mosaicd.imaging import PixelArray
from mosaicd.studies.measures import CIELAB, FIXED_KEY, MEAN_SRGB, MEANS, SQUARED_RGB
from mosaicd.studies.penalty_steps import ARTICLE, PenaltyOutcome
from mosaicd.studies.search import FORK_MEASURE, MEASURES, Way
from mosaicd.studies.suspects import (
    FORK,
    TRUTHS,
    Outcome,
    Recall,
    mean_figure,
    mean_recall,
    mended_ways,
)
from mosaicd.studies.tables import HEADINGS, Study

_SHOWN_KEYS = (MEAN_SRGB, "PCA 3, RGB", "PCA 8, RGB", "PCA 16, RGB", f"PCA 12, {CIELAB}", FIXED_KEY)
_BARRED = ("color_error_1px", "color_error_5px", "ssim_5px", "freckled_share")
_SHARES = {"freckled_share"}
_PENALTY_PANELS: dict[str, Callable[[PenaltyOutcome], float]] = {
    "distinct tiles": lambda each: each.quality.distinct_tiles,
    "SSIM, 5 px": lambda each: each.quality.ssim_5px,
    "colour error, 5 px": lambda each: each.quality.color_error_5px,
    "freckled": lambda each: each.quality.freckled_share,
    "mean SSIM, 5 x 5": lambda each: each.mean_similarity,
}
_COLORS = 64
_OTHER_COLORS = ("tab:blue", "tab:orange", "tab:green", "tab:purple", "tab:brown")
_HIGHLIGHT, _PLAIN = "tab:red", "tab:blue"


def draw(study: Study, folder: Path) -> list[Path]:
    """Draw every plot that the study has figures for; their paths."""
    figures: dict[str, Figure] = {}
    if study.recalls:
        figures["suspect-1-key"] = key_chart(study.recalls)
        figures["suspect-2-mean"] = mean_chart(study.recalls, study.outcomes)
        figures["suspect-3-candidates"] = candidates_chart(study.outcomes)
        figures["suspect-4-measure"] = measure_chart(study.outcomes)
        figures["mending"] = mending_chart(study.outcomes, tile_count=study.tiles)
        figures["freckles"] = freckle_chart(study.pictures)
    if study.penalties:
        figures["penalties"] = penalty_chart(study.penalties)
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{name}.png")
        save(figure, paths[-1])
    return paths


def key_chart(recalls: Sequence[Recall]) -> Figure:
    """Recall over the number of nearest, a line for each key, a panel for each measure of what is best."""
    figure = Figure(figsize=(12, 4.4), layout="constrained")
    figure.suptitle("1. The key: is the best tile of all among the k nearest by it?")
    panels = figure.subplots(1, len(TRUTHS), sharey=True)
    for axes, truth in zip(panels, TRUTHS, strict=True):
        _recall_lines(axes, recalls, _SHOWN_KEYS, truth)
    panels[0].set_ylabel("share of the cells")
    panels[0].legend(fontsize="small")
    return figure


def mean_chart(recalls: Sequence[Recall], outcomes: Sequence[Outcome]) -> Figure:
    """The same for the means, and what each of them does to the fork's mosaics."""
    figure = Figure(figsize=(12, 4.4), layout="constrained")
    figure.suptitle("2. The mean: how it is computed")
    panels = figure.subplots(1, 4, width_ratios=(3, 3, 2, 2))
    for axes, truth in zip(panels, (SQUARED_RGB, CIELAB), strict=False):
        _recall_lines(axes, recalls, tuple(MEANS), truth)
    panels[0].set_ylabel("share of the cells")
    panels[0].legend(fontsize="small")
    ways = {
        each.way.key or "": each.way
        for each in outcomes
        if each.way.measure == FORK_MEASURE
        and each.way.key in MEANS
        and each.way.count == _fork_count(outcomes)
    }
    _bars(panels[2:], outcomes, ways, ("color_error_5px", "freckled_share"), highlight=MEAN_SRGB)
    return figure


def candidates_chart(outcomes: Sequence[Outcome]) -> Figure:
    """Figures of the mosaics over the number of candidates, a line for each key and measure."""
    figure = Figure(figsize=(12, 7), layout="constrained")
    figure.suptitle("3. The number of candidates, k: the best by a measure of the k nearest by a key")
    panels = figure.subplots(2, 2).ravel()
    colors = dict(zip(TRUTHS, ("tab:blue", "tab:green", _HIGHLIGHT), strict=True))
    for axes, name in zip(panels, _BARRED, strict=True):
        for key, line in ((MEAN_SRGB, "o-"), (FIXED_KEY, "s--")):
            for measure, color in colors.items():
                ways = [
                    way
                    for way in dict.fromkeys(each.way for each in outcomes)
                    if (way.key, way.measure) == (key, measure)
                ]
                axes.plot(
                    [way.count for way in ways],
                    [mean_figure(outcomes, way, name) for way in ways],
                    line,
                    color=color,
                    label=f"{key}; {measure}",
                )
        axes.set(xscale="log", xlabel="k", title=_title(name))
        _show_scale(axes, name)
        axes.grid(alpha=0.3)
    panels[0].legend(fontsize="small")
    return figure


def measure_chart(outcomes: Sequence[Outcome]) -> Figure:
    """Figures of the mosaics where every cell gets the best tile of all, by each measure."""
    figure = Figure(figsize=(12, 4.8), layout="constrained")
    figure.suptitle("4. The measure: every cell gets the tile that is best of all by it")
    panels = figure.subplots(1, len(_BARRED))
    ways = {measure: Way(measure=measure) for measure in MEASURES}
    _bars(panels, outcomes, ways, _BARRED, highlight=FORK_MEASURE)
    return figure


def mending_chart(outcomes: Sequence[Outcome], *, tile_count: int) -> Figure:
    """The fork's way with one, two and three things mended, and the original's."""
    figure = Figure(figsize=(12, 4.8), layout="constrained")
    figure.suptitle(
        f"Mending the fork's way: key to {FIXED_KEY}, candidates to 1,000, measure to {SQUARED_RGB}"
    )
    panels = figure.subplots(1, len(_BARRED))
    ways = {_mended_in_words(mended): way for mended, way in mended_ways(SQUARED_RGB, tile_count).items()}
    ways["the original"] = Way(measure=SQUARED_RGB)
    _bars(panels, outcomes, ways, _BARRED, highlight="the fork")
    return figure


def freckle_chart(pictures: Mapping[str, PixelArray]) -> Figure:
    """Excerpts of mosaics side by side."""
    figure = Figure(figsize=(12, 2.3), layout="constrained")
    for axes, (label, picture) in zip(figure.subplots(1, len(pictures)), pictures.items(), strict=True):
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(label, fontsize="medium")
        axes.axis("off")
    return figure


def penalty_chart(outcomes: Sequence[PenaltyOutcome]) -> Figure:
    """Repetition and closeness over the penalty step, the other engines as levels beside."""
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    figure.suptitle(f"A growing penalty: {ARTICLE} on the {outcomes[0].photo}")
    article = [each for each in outcomes if each.engine == ARTICLE]
    others = [each for each in outcomes if each.engine != ARTICLE]
    steps = [each.penalty_step for each in article]
    panels = figure.subplots(1, 5)
    for axes, (title, figure_of) in zip(panels, _PENALTY_PANELS.items(), strict=True):
        axes.plot(steps, [figure_of(each) for each in article], "o-", color=_HIGHLIGHT, label=ARTICLE)
        for each, line in zip(others, (":", "--"), strict=True):
            if axes is not panels[-1]:  # engines measure similarity each in its own way
                axes.axhline(figure_of(each), color="black", linestyle=line, label=_level_in_words(each))
        axes.set(title=title, xlabel="penalty step")
        if title == HEADINGS["freckled_share"]:
            _show_scale(axes, "freckled_share")
        axes.grid(alpha=0.3)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a PNG of few colours, which is a third of the size."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    picture = Image.open(buffer).convert("RGB")
    picture.quantize(_COLORS, dither=Image.Dither.NONE).save(path, optimize=True)


def _mended_in_words(mended: frozenset[str]) -> str:
    match len(mended):
        case 0:
            return "the fork"
        case 3:
            return "all three"
        case _:
            return " + ".join(sorted(mended))


def _level_in_words(outcome: PenaltyOutcome) -> str:
    return outcome.engine + (" (the default)" if outcome.penalty_step else " (no penalty)")


def _fork_count(outcomes: Sequence[Outcome]) -> int | None:
    """How many candidates the fork has here: fewer than it asks for where the library is small."""
    counts = [each.way.count or 0 for each in outcomes if each.way.key == MEAN_SRGB]
    return min(FORK.count or 0, max(counts))


def _recall_lines(axes: Axes, recalls: Sequence[Recall], keys: Sequence[str], truth: str) -> None:
    counts = sorted({each.count for each in recalls})
    axes.set_prop_cycle(color=_OTHER_COLORS)
    for key in keys:
        color, width = (_HIGHLIGHT, 2.5) if key == MEAN_SRGB else (None, 1.5)
        shares = [mean_recall(recalls, key, truth, count) for count in counts]
        axes.plot(counts, shares, "o-", markersize=3, label=key, color=color, linewidth=width)
    axes.set(xscale="log", xlabel="k", title=f"best by {truth}", ylim=(0, 1.02))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(alpha=0.3)


def _bars(
    panels: Sequence[Axes],
    outcomes: Sequence[Outcome],
    ways: Mapping[str, Way],
    names: Sequence[str],
    *,
    highlight: str,
) -> None:
    """A panel for each figure, a bar for each way, the names of the ways at the first panel alone."""
    for axes, name in zip(panels, names, strict=True):
        values = [mean_figure(outcomes, way, name) for way in ways.values()]
        colors = [_HIGHLIGHT if label == highlight else _PLAIN for label in ways]
        bars = axes.barh(list(ways), values, color=colors)
        axes.bar_label(bars, fmt="{:.0%}" if name in _SHARES else "{:.3g}", padding=2, fontsize="small")
        axes.invert_yaxis()
        axes.margins(x=0.2)
        axes.set(title=_title(name))
        axes.xaxis.set_visible(False)
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        if axes is not panels[0]:
            axes.set_yticklabels([])


def _show_scale(axes: Axes, name: str) -> None:
    if name in _SHARES:
        axes.yaxis.set_major_formatter(PercentFormatter(1))


def _title(name: str) -> str:
    better = "more is better" if name == "ssim_5px" else "less is better"
    return f"{HEADINGS[name]}\n({better})"
