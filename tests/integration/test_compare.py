"""Compare as a command: what it makes, what it leaves alone, and what it says where something is wrong."""

import csv
import hashlib
import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mosaicd import cli
from mosaicd.matching.engine import uncorrected
from mosaicd.pipelines.appearance import Appearance
from mosaicd.settings_reading import load_settings
from mosaicd.store.database import Database
from mosaicd.store.libraries import find_library, library_named
from mosaicd.store.models import Mosaic
from mosaicd.store.mosaics import StoredPlacement, record_mosaic, stem_key
from mosaicd.studies import compare as comparing
from mosaicd.studies import variants
from mosaicd.studies.variants import VARIANTS, Commission, DiedError, Made, make, make_apart
from tests.libraries import PHOTOS, fill_library
from tests.stores import new_database

TILES, CELLS, EDGE = 150, 12, 10
PHOTO = PHOTOS / "coffee.png"


@pytest.fixture
def database_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MOSAICD_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("MOSAICD_DATABASE", str(tmp_path / "state" / "store.sqlite3"))
    path = load_settings({}).database_path
    database = new_database(path)
    fill_library(database, name="default", tiles=TILES)
    with database.write() as session:
        library_named(session, "empty", now=0)
    database.close()
    return path


@pytest.fixture
def _without_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting a process for each mosaic is what takes the time."""
    monkeypatch.setattr(comparing, "make_apart", make)


def compare(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    sizes = ("--set", f"cells_on_long_side={CELLS}", "--set", f"tile_edge_pixels={EDGE}")
    monkeypatch.setattr(sys, "argv", ["mosaicd", "compare", *sizes, "--library", "default", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


def charge_tiles(path: Path, tiles: range) -> None:
    """Record a mosaic that was just made of these tiles."""
    database = Database(path)
    with database.write() as session:
        library = find_library(session, "default")
        assert library is not None
        mosaic = Mosaic(
            job_id=None,
            library_id=library.id,
            photo_sha256=bytes(32),
            photo_name="cat.jpg",
            stem="cat",
            stem_key=stem_key("cat"),
            settings={},
            tiles_in_library=TILES,
            rows=1,
            columns=len(tiles),
            created_at=time.time(),
            figures={},
        )
        shape = (1, len(tiles))
        shown = StoredPlacement(
            tiles=np.array(tiles, np.int64).reshape(shape),
            mirrored=np.zeros(shape, bool),
            corrections=uncorrected(shape),
        )
        record_mosaic(session, mosaic, shown)
    database.close()


def rows(path: Path) -> Iterator[Any]:
    connection = sqlite3.connect(path)
    yield from connection.iterdump()
    connection.close()


def found_in(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "coffee.compare.json").read_text())
    return found


def test_every_variant_is_made_shown_and_measured(
    tmp_path: Path,
    database_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content, told = hashlib.sha256(database_path.read_bytes()).digest(), list(rows(database_path))
    folder = tmp_path / "out"
    assert compare(monkeypatch, str(PHOTO), "--out", str(folder)) == 0
    assert hashlib.sha256(database_path.read_bytes()).digest() == content
    assert list(rows(database_path)) == told

    found = found_in(folder)
    assert (found["tiles_in_library"], found["rows"], found["columns"]) == (TILES, 8, CELLS)
    assert [each["name"] for each in found["variants"]] == list(VARIANTS)
    assert [each["name"] for each in found["variants"] if each["is_as_set"]] == ["perceptual-diffusion"]
    for each in found["variants"]:
        assert set(each["seconds"]) == {"loading", "matching", "rendering", "writing"}
        assert each["peak_megabytes"] > 10
        assert 0 < each["color_error_1px"] <= each["color_error_5px"]
        with Image.open(folder / each["image"]) as mosaic:
            assert mosaic.size == (CELLS * EDGE, 8 * EDGE)
        assert (each["mean_shift"] == 0) == (
            not each["name"].startswith("perceptual-") or "un" in each["name"]
        )
    with (folder / "coffee.compare.csv").open(newline="") as file:
        assert [row["variant"] for row in csv.DictReader(file)] == list(VARIANTS)
    names = {f"coffee.compare{suffix}" for suffix in (".png", ".csv", ".json")}
    assert {path.name for path in folder.iterdir()} == names | {each["image"] for each in found["variants"]}
    printed = capsys.readouterr().out
    for path in folder.iterdir():
        assert str(path) in printed
    for name in VARIANTS:
        assert name in printed


@pytest.mark.usefixtures("database_path", "_without_processes")
def test_engines_and_places_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "out"
    wanted = ("--engines", "codebox, perceptual-greedy", "--at", "0,100", "--set", "engine=codebox")
    assert compare(monkeypatch, str(PHOTO), "--out", str(folder), *wanted) == 0
    found = found_in(folder)
    assert {each["name"]: each["is_as_set"] for each in found["variants"]} == {
        "perceptual-greedy": False,
        "codebox": True,
    }
    assert [place["name"] for place in found["places"]] == ["as asked", "detail", "edge", "flat"]


@pytest.mark.usefixtures("_without_processes")
def test_own_settings_are_the_base_and_alike_variants_are_made_once(
    tmp_path: Path,
    database_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inbox = tmp_path / "root" / "inbox"
    inbox.mkdir(parents=True)
    (inbox / "mosaic.toml").write_text('color_correction = 0\noutput_format = "png"\n')
    folder = tmp_path / "out"
    assert compare(monkeypatch, str(PHOTO), "--out", str(folder)) == 0
    found = found_in(folder)
    assert [each["name"] for each in found["variants"]] == [
        name for name in VARIANTS if name != "perceptual-uncorrected"
    ]
    assert all(each["image"].endswith(".png") for each in found["variants"])
    assert all(each["settings"]["color_correction"] == 0 for each in found["variants"])


@pytest.mark.usefixtures("database_path", "_without_processes")
def test_unusable_appearance_is_passed_over_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inbox = tmp_path / "root" / "inbox"
    inbox.mkdir(parents=True)
    (inbox / "mosaic.toml").write_text("mirror = 7\n")
    wanted = ("--engines", "codebox")
    assert compare(monkeypatch, str(PHOTO), "--out", str(tmp_path / "out"), *wanted) == 0
    assert "mosaic.toml is passed over: mirror should be a valid boolean" in capsys.readouterr().err


@pytest.mark.usefixtures("_without_processes")
def test_earlier_mosaics_count_only_where_that_is_asked_for(
    tmp_path: Path, database_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = ("--engines", "perceptual-greedy", "--set", "penalty_step=1")

    def distance(*history: str) -> float:
        folder = tmp_path / "out"
        assert compare(monkeypatch, str(PHOTO), "--out", str(folder), *wanted, *history) == 0
        found = found_in(folder)
        assert found["counts_history"] is bool(history)
        return float(found["variants"][0]["color_error_5px"])

    before = distance("--with-history")
    charge_tiles(database_path, range(1, TILES, 2))
    assert distance() == before
    assert distance("--with-history") > before


@pytest.mark.usefixtures("database_path")
def test_variant_whose_process_dies_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def make_or_die(commission: Commission) -> Made:
        if commission.image.name == "coffee.codebox.jpg":
            message = "its process died"
            raise DiedError(message)
        return make(commission)

    monkeypatch.setattr(comparing, "make_apart", make_or_die)
    folder = tmp_path / "out"
    wanted = ("--engines", "codebox,mean-color-ssim")
    assert compare(monkeypatch, str(PHOTO), "--out", str(folder), *wanted) == 0
    assert "codebox is left out: its process died" in capsys.readouterr().err
    assert [each["name"] for each in found_in(folder)["variants"]] == ["mean-color-ssim"]
    assert compare(monkeypatch, str(PHOTO), "--out", str(folder), "--engines", "codebox") == cli.EXIT_FAILED
    assert "no mosaic could be made" in capsys.readouterr().err


@pytest.mark.usefixtures("database_path", "_without_processes")
def test_odd_file_names_are_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / os.fsdecode(b"[red] cat\xff.png")
    photo.write_bytes(PHOTO.read_bytes())
    folder = tmp_path / "out"
    assert compare(monkeypatch, str(photo), "--out", str(folder), "--engines", "codebox") == 0
    assert (folder / f"{photo.stem}.compare.png").exists()
    assert "[red] cat\\xff.png, 8 x 12 cells" in capsys.readouterr().out


def die(_commission: Commission) -> Made:
    os.kill(os.getpid(), signal.SIGKILL)
    pytest.fail("nobody survives that")


def test_death_of_a_process_is_told_apart(
    tmp_path: Path, database_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variants, "make", die)
    commission = Commission(
        database=database_path,
        library_id=1,
        photo=PHOTO,
        photo_pixels_limit=10**8,
        mosaic_pixels_limit=10**8,
        appearance=Appearance(),
        penalty_half_life_days=None,
        now=0,
        image=tmp_path / "mosaic.jpg",
    )
    with pytest.raises(DiedError, match="its process died"):
        make_apart(commission)


@pytest.mark.usefixtures("_without_processes")
def test_tiles_described_in_an_earlier_way_are_left_to_the_daemon(
    tmp_path: Path,
    database_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with sqlite3.connect(database_path) as connection:
        connection.execute("UPDATE descriptor SET scheme = 0 WHERE tile_id = 1")
    connection.close()
    assert compare(monkeypatch, str(PHOTO), "--out", str(tmp_path / "out")) == cli.EXIT_FAILED
    assert "described by an earlier mosaicd: let the daemon make a mosaic first" in capsys.readouterr().err


@pytest.mark.usefixtures("database_path", "_without_processes")
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            (str(PHOTO), "--engines", "photoshop"),
            cli.EXIT_SETTINGS,
            f"{', '.join(VARIANTS)}; not 'photoshop'",
        ),
        ((str(PHOTO), "--at", "20"), cli.EXIT_SETTINGS, "--at wants DOWN,ACROSS"),
        ((str(PHOTO), "--at", "20,101"), cli.EXIT_SETTINGS, "--at wants DOWN,ACROSS"),
        (("no such photo.jpg",), cli.EXIT_FAILED, "the photo cannot be read: No such file or directory"),
        (("9" * 5000,), cli.EXIT_FAILED, "the photo cannot be read: File name too long"),
        ((__file__,), cli.EXIT_FAILED, "this is not a photo"),
        ((str(PHOTO), "--library", "family"), cli.EXIT_FAILED, "there is no library 'family'"),
        ((str(PHOTO), "--library", "empty"), cli.EXIT_FAILED, "the library has no tiles yet"),
        ((str(PHOTO), "--set", "mosaic_pixels_limit=9"), cli.EXIT_FAILED, "more than the limit of 9"),
    ],
)
def test_wrong_wish_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    assert compare(monkeypatch, "--out", str(tmp_path / "out"), *arguments) == code
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("database_path", "_without_processes")
def test_folder_that_cannot_be_written_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert compare(monkeypatch, str(PHOTO), "--out", str(tmp_path / "file" / "out")) == cli.EXIT_FAILED
    assert "the comparison cannot be written to" in capsys.readouterr().err
    inside = tmp_path / "root" / "inbox" / "out"
    assert compare(monkeypatch, str(PHOTO), "--out", str(inside)) == cli.EXIT_SETTINGS
    assert "--out lies in the inbox" in capsys.readouterr().err
    assert not inside.exists()
