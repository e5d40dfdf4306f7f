"""The benchmarks of matching as commands: their figures, their files, and what they say to wrong wishes."""

import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mosaicd import cli
from mosaicd.errors import MosaicdError
from mosaicd.settings_reading import load_settings
from mosaicd.studies import contests, machine, scale_bench
from mosaicd.studies.bench_daemon import BenchDaemon
from mosaicd.studies.bench_material import made_up_tiles, portrait_cells
from tests.libraries import fill_library
from tests.stores import new_database

TILES, CELLS = 300, 50


class FlatIndex:
    """What FAISS's IndexFlatL2 does, plainly."""

    def __init__(self, columns: int) -> None:
        self.tiles = np.empty((0, columns), np.float32)

    def add(self, tiles: np.ndarray) -> None:
        self.tiles = np.concatenate([self.tiles, tiles])

    def search(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        squares = np.square(self.tiles - queries[:, None]).sum(axis=2)
        order = squares.argsort(axis=1)[:, :count]
        return np.take_along_axis(squares, order, axis=1), order


@pytest.fixture
def threads_of_faiss(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """FAISS is installed; with how many threads it was told to work."""
    told: list[int] = []
    faiss = types.SimpleNamespace(IndexFlatL2=FlatIndex, omp_set_num_threads=told.append)
    monkeypatch.setitem(sys.modules, "faiss", faiss)
    return told


@pytest.fixture
def without_faiss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)


def bench(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    return measured(monkeypatch, "matching", "--rounds", "2", *arguments)


def measured(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    return commanded(monkeypatch, *arguments, "--cells", str(CELLS))


def commanded(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["mosaicd", "bench", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


def wish_of(words: str) -> list[str]:
    return words.split()


def outcomes(file: Path) -> dict[tuple[str, int, str], dict[str, Any]]:
    content = json.loads(file.read_text())
    return {(each["engine"], each["tiles"], each["side"]): each for each in content["outcomes"]}


def test_every_engine_is_measured_against_every_side(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    threads_of_faiss: list[int],
) -> None:
    file = tmp_path / "figures.json"
    assert bench(monkeypatch, "--tiles", f"30,{TILES}", "--json", str(file)) == 0
    found = outcomes(file)
    assert set(found) == {
        (engine, tiles, side)
        for engine in ("perceptual", "codebox", "mean-color-ssim")
        for tiles in (30, TILES)
        for side in (contests.OURS, contests.NUMPY, contests.PLAIN, contests.FAISS)
    }
    assert set(threads_of_faiss) == {2}
    for (engine, _, side), each in found.items():
        assert each["seconds"] > 0
        assert each["lowest_ratio"] <= each["ratio"] <= each["highest_ratio"]
        only_a_part = engine == "mean-color-ssim" and side in {contests.NUMPY, contests.FAISS}
        assert each["best_share"] == (None if only_a_part else 1)
        assert each["certified_share"] == (1 if (engine, side) == ("perceptual", contests.OURS) else None)
        assert (each["timed_cells"] < CELLS) == (side == contests.PLAIN)
    printed = capsys.readouterr()
    assert f"codebox: {TILES} tiles, {CELLS} cells" in printed.out
    assert "cores" in printed.out
    assert f"perceptual engine, {TILES} tiles" in printed.err


@pytest.mark.usefixtures("without_faiss")
def test_without_faiss_the_other_sides_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "figures.json"
    assert bench(monkeypatch, "--tiles", "40", "--engines", "codebox", "--json", str(file)) == 0
    sides = [side for _, _, side in outcomes(file)]
    assert sides == [contests.OURS, contests.NUMPY, contests.PLAIN]


@pytest.mark.usefixtures("without_faiss")
def test_a_library_gives_as_many_tiles_as_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSAICD_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("MOSAICD_DATABASE", str(tmp_path / "state" / "store.sqlite3"))
    database = new_database(load_settings({}).database_path)
    fill_library(database, name="family", tiles=60)
    fill_library(database, name="empty", tiles=0)
    database.close()
    file = tmp_path / "figures.json"
    wish = ("--tiles", "20,100,500", "--engines", "codebox", "--json", str(file))
    assert bench(monkeypatch, *wish, "--library", "family") == 0
    assert {tiles for _, tiles, _ in outcomes(file)} == {20, 60}
    assert bench(monkeypatch, *wish, "--library", "empty") == cli.EXIT_FAILED


@pytest.mark.parametrize(
    ("wish", "code", "said"),
    [
        (("--tiles", "20,many"), cli.EXIT_SETTINGS, "--tiles"),
        (("--tiles", "0"), cli.EXIT_SETTINGS, "--tiles"),
        (("--engines", "psychic"), cli.EXIT_SETTINGS, "perceptual, codebox, mean-color-ssim"),
        (
            ("--tiles", "5", "--engines", "codebox", "--json", "/no/such/folder/x.json"),
            cli.EXIT_FAILED,
            "cannot be written",
        ),
    ],
)
def test_wishes_that_cannot_be_met_are_named(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    wish: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    assert bench(monkeypatch, *wish) == code
    assert said in capsys.readouterr().err


def test_where_memory_cannot_be_told_time_still_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_PROCESS", tmp_path / "nowhere")
    result, cost = machine.measure(lambda: 5)
    assert result == 5
    assert cost.peak_megabytes is None
    assert cost.seconds >= 0


def test_memory_is_that_beyond_what_was_in_use() -> None:
    kept, cost = machine.measure(lambda: np.ones(100_000_000, np.uint8))
    assert kept.all()
    assert cost.peak_megabytes is None or 95 < cost.peak_megabytes < 150


def test_made_up_tiles_are_the_same_each_time_and_varied() -> None:
    tiles = made_up_tiles(500)
    np.testing.assert_array_equal(tiles, made_up_tiles(500))
    assert len(np.unique(tiles.reshape(500, -1), axis=0)) > 490
    assert made_up_tiles(5).shape == (5, 5, 5, 3)


@pytest.mark.parametrize("count", [1, 7, 100])
def test_a_photo_gives_any_number_of_cells(count: int) -> None:
    assert portrait_cells(count).shape == (count, 5, 5, 3)


def test_an_index_that_has_grown_is_measured_against_one_built_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"
    wish = [*wish_of("--tiles 900 --add 50 --times 7"), "--json", str(file)]
    assert measured(monkeypatch, "index", *wish) == 0
    found = json.loads(file.read_text())
    assert (found["tiles"], found["added"], found["additions"]) == (900, 50, 7)
    assert found["share"] == pytest.approx(found["addition_seconds"] / found["build_seconds"])
    assert found["worst_addition_seconds"] >= found["addition_seconds"] > 0
    assert found["queries"] > 0
    assert "900 + 7 x 50" in " ".join(capsys.readouterr().out.split())


def test_libraries_of_several_sizes_are_measured_against_faiss(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    threads_of_faiss: list[int],
) -> None:
    monkeypatch.setattr(scale_bench, "_ADDITIONS", 2)
    file = tmp_path / "figures.json"
    assert measured(monkeypatch, "scale", "--rounds", "2", "--tiles", "3000,300", "--json", str(file)) == 0
    found = json.loads(file.read_text())
    assert [size["tiles"] for size in found["sizes"]] == [300, 3000]
    for size in found["sizes"]:
        assert size["ratio"] > 0
        assert size["growth"]["added"] == 1000
    smaller, larger = (size["peak_megabytes"] for size in found["sizes"])
    if smaller is not None:  # not every system tells
        assert found["bytes_a_tile"] == pytest.approx((larger - smaller) * 1e6 / 2700)
    assert set(threads_of_faiss) == {2}
    assert "exponent" in capsys.readouterr().out


@pytest.mark.usefixtures("without_faiss")
def test_without_faiss_sizes_are_measured_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale_bench, "_ADDITIONS", 1)
    file = tmp_path / "figures.json"
    assert measured(monkeypatch, "scale", "--rounds", "1", "--tiles", "60", "--json", str(file)) == 0
    (size,) = json.loads(file.read_text())["sizes"]
    assert size["seconds"] > 0
    assert size["faiss_seconds"] is size["ratio"] is None


def test_whole_mosaics_are_measured_by_a_daemon_of_their_own(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    threads_of_faiss: list[int],
) -> None:
    file = tmp_path / "figures.json"
    wish = [*wish_of("--tiles 300 --across 8 --rounds 2"), "--json", str(file)]
    assert commanded(monkeypatch, "mosaic", *wish) == 0
    found = json.loads(file.read_text())
    assert 0 < found["ready_seconds"] < found["candidates_seconds"]
    assert found["seconds"] > 0
    assert found["ratio"] > 0
    assert found["megabytes"] > 50
    assert {"loading tiles", "matching", "rendering"} <= set(found["stages"])
    assert set(threads_of_faiss) == {2}
    assert "of 300 tiles made up" in capsys.readouterr().err


def test_a_daemon_that_ends_ends_the_benchmark(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("no database")
    with (
        pytest.raises(MosaicdError, match="did not come to daemon_ready"),
        BenchDaemon(tmp_path / "root", broken, tmp_path / "log") as daemon,
    ):
        daemon.wait_for("daemon_ready")
