"""The benchmark of splicing as a command: its sides, its figures, its file, and what it says to wrong wishes."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from mosaicd import cli
from mosaicd.studies import bench_films, splice_bench
from mosaicd.studies.splice_bench import ALL_FRAMES, FFMPEG, OURS
from tests import films

FFMPEG_SCRIPT = '#!/bin/sh\necho "$@" >> {told}\n'


@pytest.fixture
def folder_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def add_ffmpeg(folder: Path, script: str) -> None:
    (folder / "ffmpeg").write_text(script)
    (folder / "ffmpeg").chmod(0o755)


def bench(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["mosaicd", "bench", "splice", "--rounds", "2", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


def outcomes(file: Path) -> dict[tuple[str, str], dict[str, Any]]:
    return {(each["film"], each["side"]): each for each in json.loads(file.read_text())["outcomes"]}


def test_made_up_films_are_measured_by_all_sides(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    folder_on_path: Path,
) -> None:
    monkeypatch.setattr(bench_films, "_WIDTH", 192)
    monkeypatch.setattr(bench_films, "_HEIGHT", 108)
    told, file = tmp_path / "told", tmp_path / "figures.json"
    add_ffmpeg(folder_on_path, FFMPEG_SCRIPT.format(told=told))
    assert bench(monkeypatch, "--seconds", "7", "--json", str(file)) == 0
    found = outcomes(file)
    names = [recipe.name for recipe in bench_films.RECIPES]
    assert set(found) == {(film, side) for film in names for side in (OURS, ALL_FRAMES, FFMPEG)}
    for (_, side), each in found.items():
        assert each["seconds"] > 0
        assert each["lowest_ratio"] <= each["ratio"] <= each["highest_ratio"]
        assert each["crops"] == (None if side == FFMPEG else 14)
    assert told.read_text().count("-vf fps=1/1,scale=-2:200 -f null -") == 2 * len(names)
    printed = capsys.readouterr()
    assert "cores" in printed.out
    assert "encoding 7 s of HEVC, keyframes 1 s apart" in printed.err


def test_without_ffmpeg_a_given_film_is_measured_all_the_same(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    folder_on_path: Path,
) -> None:
    assert not list(folder_on_path.iterdir())
    file = tmp_path / "figures.json"
    film = films.encode(tmp_path / "beach.mp4", films.pan("rocket", 30))
    assert bench(monkeypatch, str(film), "--interval", "0.5", "--json", str(file)) == 0
    assert set(outcomes(file)) == {("beach.mp4", OURS), ("beach.mp4", ALL_FRAMES)}
    assert "ffmpeg is not on PATH" in capsys.readouterr().err


def test_what_cannot_be_measured_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    folder_on_path: Path,
) -> None:
    film = films.encode(tmp_path / "beach.mp4", films.pan("rocket", 10))
    assert bench(monkeypatch, str(tmp_path / "gone.mp4")) == cli.EXIT_FAILED
    assert "gone.mp4 is no file that can be read" in capsys.readouterr().err
    assert bench(monkeypatch, str(film), "--json", "/no/such/folder/x.json") == cli.EXIT_FAILED
    assert "cannot be written" in capsys.readouterr().err
    add_ffmpeg(folder_on_path, "#!/bin/sh\necho no codec >&2\nexit 1\n")
    assert bench(monkeypatch, str(film)) == cli.EXIT_FAILED
    assert "ffmpeg failed at" in capsys.readouterr().err


def test_films_are_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_films, "_WIDTH", 192)
    monkeypatch.setattr(bench_films, "_HEIGHT", 108)
    recipe = bench_films.RECIPES[0]
    made = [bench_films.make_film(tmp_path / f"{number}.mp4", recipe, seconds=1) for number in range(2)]
    sides = [splice_bench.compete(film.name, film, tmp_path, interval_seconds=1, rounds=1) for film in made]
    assert [each[0].crops for each in sides] == [2, 2]
    assert made[0].read_bytes() == made[1].read_bytes()
