"""A study's figures as plots."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

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
    if study.penalties:
        figures["penalties"] = penalty_chart(study.penalties)
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=80)
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
    ways = {
        " + ".join(sorted(mended)) or "the fork": way
        for mended, way in mended_ways(SQUARED_RGB, tile_count).items()
    }
    ways["the original"] = Way(measure=SQUARED_RGB)
    _bars(panels, outcomes, ways, _BARRED, highlight="the fork")
    return figure


def penalty_chart(outcomes: Sequence[PenaltyOutcome]) -> Figure:
    """Repetition and closeness over the penalty step, the other engines as levels beside."""
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    figure.suptitle(f"A growing penalty: {ARTICLE} on the {outcomes[0].photo}")
    article = [each for each in outcomes if each.engine == ARTICLE]
    steps = [each.penalty_step for each in article]
    panels = figure.subplots(1, 4)
    for axes, name in zip(panels[:3], ("distinct_tiles", "ssim_5px", "color_error_5px"), strict=True):
        axes.plot(steps, [getattr(each.quality, name) for each in article], "o-", label=ARTICLE)
        for each, line in zip(
            [each for each in outcomes if each.engine != ARTICLE], (":", "--"), strict=True
        ):
            axes.axhline(
                getattr(each.quality, name), color="black", linestyle=line, label=_level_in_words(each)
            )
        axes.set(title=HEADINGS.get(name, "distinct tiles"))
    panels[3].plot(steps, [each.mean_similarity for each in article], "o-")
    panels[3].set(title="mean SSIM of chosen tiles\n(the article's own figure)")
    for axes in panels:
        axes.set(xlabel="penalty step")
        axes.grid(alpha=0.3)
    panels[0].legend(fontsize="small")
    return figure


def _level_in_words(outcome: PenaltyOutcome) -> str:
    return outcome.engine + (" (the default)" if outcome.penalty_step else " (no penalty)")


def _fork_count(outcomes: Sequence[Outcome]) -> int | None:
    """How many candidates the fork has here: fewer than it asks for where the library is small."""
    counts = [each.way.count or 0 for each in outcomes if each.way.key == MEAN_SRGB]
    return min(FORK.count or 0, max(counts))


def _recall_lines(axes: Axes, recalls: Sequence[Recall], keys: Sequence[str], truth: str) -> None:
    counts = sorted({each.count for each in recalls})
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
