"""The frontier: which mosaic beats which, what is tried, and whose figures are read."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mosaicd.errors import MosaicdError
from mosaicd.matching.engine import Assignment
from mosaicd.pipelines.appearance import Appearance, Engine
from mosaicd.studies.frontier import DEFAULT, Figures, Point, beaten_by, read_peers, settings_to_try
from mosaicd.studies.frontier_report import Frontier, our_table, peer_table, write_frontier

MIDDLING = Figures(
    color_error_1px=5.0,
    color_error_5px=7.0,
    ssim_5px=0.5,
    distinct_tiles=500,
    most_used_tile_count=100,
    touching_share=0.1,
)
BETTER: dict[str, Any] = {
    "color_error_1px": 4.0,
    "color_error_5px": 6.0,
    "ssim_5px": 0.6,
    "distinct_tiles": 600,
    "most_used_tile_count": 90,
    "touching_share": 0.0,
}


def point(figures: Figures, *, series: str = "diffusion, color_correction 0.5", setting: str = "") -> Point:
    return Point(series=series, setting=setting, figures=figures)


def peers_file(folder: Path, *makers: str) -> Path:
    rows = [
        {
            "photo": "portrait",
            "maker": maker,
            "seconds": 1.0,
            "closeness": {"color_error_1px": 5.0, "color_error_5px": 7.0, "ssim_5px": 0.5},
            "repetition": {"distinct_tiles": 500, "most_used_tile_count": 100, "touching_share": 0.1},
        }
        for maker in makers
    ]
    file = folder / "figures.json"
    file.write_text(json.dumps(rows))
    return file


@pytest.mark.parametrize("name", BETTER)
def test_one_better_figure_beats_and_one_worse_does_not(name: str) -> None:
    better = replace(MIDDLING, **{name: BETTER[name]})
    assert better.beats(MIDDLING)
    assert better.better_count(MIDDLING) == 1
    assert not MIDDLING.beats(better)
    mixed = replace(MIDDLING, **{each: value for each, value in BETTER.items() if each != name})
    assert not mixed.beats(better)
    assert not better.beats(mixed)


def test_equal_figures_do_not_beat_each_other() -> None:
    assert not MIDDLING.beats(MIDDLING)


def test_those_that_beat_are_named_the_closest_first() -> None:
    close = point(replace(MIDDLING, color_error_1px=3.0), setting="close")
    near = point(replace(MIDDLING, color_error_1px=4.0), setting="near")
    far = point(replace(MIDDLING, color_error_1px=6.0), setting="far")
    assert beaten_by(point(MIDDLING), [far, near, close]) == [close, near]


def test_own_appearance_comes_first_and_no_way_twice() -> None:
    base = Appearance(maximum_uses=8)
    tried = list(settings_to_try(base, cells=6561, tiles=2000))
    assert tried[0] == ("diffusion, color_correction 0.5", DEFAULT, base)
    assert len({looks.model_dump_json() for _, _, looks in tried}) == len(tried)
    perceptual = [looks for _, _, looks in tried if looks.engine is Engine.PERCEPTUAL]
    assert {looks.assignment for looks in perceptual} == set(Assignment)
    assert {looks.color_correction for looks in perceptual} == {0.0, 0.5}
    assert {looks.maximum_uses for looks in perceptual} == {4, 8, 16, 32}
    assert {looks.penalty_step for looks in perceptual} >= {0, 0.03, 0.1, 0.3}
    assert {looks.minimum_distance_cells for looks in perceptual} == {0, 1, 2, 3, 5}
    others = [(looks.engine, looks.penalty_step) for _, _, looks in tried if looks not in perceptual]
    assert others == [
        (Engine.CODEBOX, base.penalty_step),
        *((Engine.MEAN_COLOR_SSIM, step) for step in (0, 0.03, 0.05, 0.15)),
    ]


def test_peers_are_read_without_ourselves(tmp_path: Path) -> None:
    file = peers_file(tmp_path, "mosaicd, default", "metapixel", "phomo")
    found = read_peers(file, "portrait")
    assert found == [point(MIDDLING, series=maker) for maker in ("metapixel", "phomo")]


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"photo": 1}', '[{"photo": "portrait", "maker": "phomo"}]']
)
def test_file_without_figures_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "figures.json"
    file.write_text(content)
    with pytest.raises(MosaicdError, match="holds no"):
        read_peers(file, "portrait")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MosaicdError, match="cannot be read: No such file"):
        read_peers(tmp_path / "none.json", "portrait")


def test_report_says_who_beats_whom(tmp_path: Path) -> None:
    mine = [
        point(MIDDLING, setting=DEFAULT),
        point(replace(MIDDLING, **BETTER), setting="penalty 0"),
        point(replace(MIDDLING, color_error_1px=3.9), setting="penalty 0.1"),
        point(MIDDLING, series=Engine.CODEBOX),
    ]
    theirs = [
        point(replace(MIDDLING, color_error_1px=4.5), series="close"),
        point(replace(MIDDLING, distinct_tiles=900), series="rare"),
    ]
    found = Frontier(photo="portrait", tiles=1000, cells=6561, ours=mine, peers=theirs)
    written = write_frontier(found, tmp_path)
    assert {path.name for path in written} == {"frontier.json", "frontier.csv", "frontier.png"}
    content = json.loads((tmp_path / "frontier.json").read_text())
    assert content["peers_beaten_by"] == {"close": [mine[2].name, mine[1].name], "rare": []}
    assert content["ours_beaten_by"][mine[0].name] == ["close", "rare"]
    assert content["ours_beaten_by"][mine[1].name] == []
    ours, others = (list(table.columns[-1].cells) for table in (our_table(found), peer_table(found)))
    assert ours == ["close, rare", "none", "none", "close, rare"]
    assert others == ["0 of 6", "0 of 6"]
