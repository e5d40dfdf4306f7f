"""The study as a command: its files, its figures, and what it says where something is missing."""

import csv
import json
import sys
from pathlib import Path

import pytest
from PIL import Image

from mosaicd import cli
from mosaicd.settings_reading import load_settings
from mosaicd.studies.search import MEASURES
from tests.libraries import PHOTOS, fill_library
from tests.stores import new_database

TILES, CELLS = 150, 10
SUSPECT_FILES = {
    "suspect-1-key.png",
    "suspect-2-mean.png",
    "suspect-3-candidates.png",
    "suspect-4-measure.png",
    "mending.png",
    "freckles.png",
    "recall.csv",
    "mosaics.csv",
    "guilt.csv",
}
PENALTY_FILES = {"penalties.png", "penalties.csv"}
FRONTIER_FILES = {"frontier.png", "frontier.csv", "frontier.json"}


@pytest.fixture
def _library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MOSAICD_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("MOSAICD_DATABASE", str(tmp_path / "state" / "store.sqlite3"))
    database = new_database(load_settings({}).database_path)
    fill_library(database, name="default", tiles=TILES)
    database.close()


def study(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    settings = ("--set", f"cells_on_long_side={CELLS}", "--library", "default")
    monkeypatch.setattr(sys, "argv", ["mosaicd", "study", *settings, *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.mark.usefixtures("_library")
def test_study_writes_plots_and_figures_of_three_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    assert study(monkeypatch, "--out", str(folder)) == 0
    assert {path.name for path in folder.iterdir()} == {"study.json"} | SUSPECT_FILES | PENALTY_FILES
    printed = capsys.readouterr().out
    for path in folder.iterdir():
        assert str(path) in printed
        if path.suffix == ".png":
            with Image.open(path) as plot:
                plot.verify()
    found = json.loads((folder / "study.json").read_text())
    assert found["tiles"] == TILES
    assert found["cells"] == {"portrait": 100, "cat": 70, "mug": 70}
    assert {row["photo"] for row in found["mosaics"]} == {"portrait", "cat", "mug"}
    exhaustive = {row["measure"] for row in found["mosaics"] if row["key"] is None}
    assert exhaustive == set(MEASURES)
    for row in found["recall"]:
        assert row["share"] == 1 or row["count"] < TILES
    steps = [row["penalty_step"] for row in found["penalties"] if row["engine"] == "mean-color-ssim"]
    assert steps == [0, 0.03, 0.05, 0.15]
    assert {row["engine"] for row in found["penalties"]} == {"mean-color-ssim", "codebox", "perceptual"}
    with (folder / "mosaics.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(found["mosaics"])
    for name, rows in (("mosaics", found["mosaics"]), ("penalties", found["penalties"])):
        assert all(not isinstance(value, (dict, list)) for row in rows for value in row.values()), name


@pytest.mark.usefixtures("_library")
def test_study_of_one_part_one_photo_and_some_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "out"
    photo = str(PHOTOS / "rocket.jpg")
    assert study(monkeypatch, photo, "--out", str(folder), "--part", "suspects", "--tiles", "60") == 0
    assert {path.name for path in folder.iterdir()} == {"study.json"} | SUSPECT_FILES
    found = json.loads((folder / "study.json").read_text())
    assert found["tiles"] == 60
    assert list(found["cells"]) == ["rocket"]
    assert found["penalties"] == []


@pytest.mark.usefixtures("_library")
def test_frontier_is_set_beside_peers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    peer = {
        "photo": "rocket",
        "maker": "metapixel",
        "closeness": {"color_error_1px": 90.0, "color_error_5px": 90.0, "ssim_5px": -1.0},
        "repetition": {"distinct_tiles": 1, "most_used_tile_count": 100, "touching_share": 1.0},
    }
    peers = tmp_path / "figures.json"
    peers.write_text(json.dumps([peer]))
    folder = tmp_path / "out"
    wanted = ("--part", "frontier", "--tiles", "60", "--peers", str(peers))
    assert study(monkeypatch, str(PHOTOS / "rocket.jpg"), "--out", str(folder), *wanted) == 0
    assert {path.name for path in folder.iterdir()} == {"study.json"} | FRONTIER_FILES
    found = json.loads((folder / "frontier.json").read_text())
    assert (found["photo"], found["tiles"]) == ("rocket", 60)
    assert found["points"][-1]["series"] == "metapixel"
    ours = [point for point in found["points"] if point["maker"] == "mosaicd"]
    assert len(found["peers_beaten_by"]["metapixel"]) == len(ours)
    for point in ours:
        assert point["touching_share"] == 0 or point["series"] in {"codebox", "mean-color-ssim"}
    assert "metapixel" in capsys.readouterr().out


@pytest.mark.usefixtures("_library")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--part", "suspect"), "--part should be suspects or penalties or frontier, not 'suspect'"),
        (("no such photo.jpg",), "the photo cannot be read: No such file or directory"),
        (("--library", "family"), "there is no library 'family'"),
    ],
)
def test_wrong_wish_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    assert study(monkeypatch, "--out", str(tmp_path / "out"), *arguments) in {
        cli.EXIT_FAILED,
        cli.EXIT_SETTINGS,
    }
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("_library")
def test_missing_plotting_library_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert study(monkeypatch, "--out", str(tmp_path / "out")) == cli.EXIT_FAILED
    assert "a study needs matplotlib: pip install 'mosaicd[study]'" in capsys.readouterr().err


@pytest.mark.usefixtures("_library")
def test_folder_that_cannot_be_made_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert study(monkeypatch, "--out", str(tmp_path / "file" / "out")) == cli.EXIT_FAILED
    assert "the study cannot be written to" in capsys.readouterr().err


@pytest.mark.usefixtures("_library")
def test_folder_in_the_inbox_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study(monkeypatch, "--out", str(tmp_path / "root" / "inbox" / "study")) == cli.EXIT_SETTINGS
    assert "--out lies in the inbox" in capsys.readouterr().err
