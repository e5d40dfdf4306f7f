"""The benchmark of splicing: whole films to tiles in a database, against ffmpeg that only samples and scales."""

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from mosaicd.errors import MosaicdError
from mosaicd.media.files import signature
from mosaicd.media.video import Frames
from mosaicd.pipelines.orders import NearDuplicates, PoorFrames, SpliceOrder
from mosaicd.pipelines.splice import SplicePipeline
from mosaicd.store.database import Database
from mosaicd.store.libraries import library_named
from mosaicd.studies.bench_films import FILM_RECIPE, RECIPES, make_film
from mosaicd.studies.bench_report import write_figures
from mosaicd.studies.machine import this_machine

OURS, ALL_FRAMES, FFMPEG = "mosaicd", "mosaicd, all frames", "ffmpeg"
LEAST_OF_FFMPEG, LEAST_OF_ALL_FRAMES = 0.85, 3.0
"""How many times as fast mosaicd is to be as ffmpeg by all frames, and by dense keyframes as by all frames."""

_MASTER_EDGE_PIXELS = 128
_FFMPEG_SHORT_SIDE_PIXELS = 200
_NO_LIMIT = 1_000_000_000

Side = Callable[[Path], int | None]
"""Goes through a film once; how many tiles and skipped crops that gave, if any are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one side's rounds with one film gave.

    Attributes
    ----------
    film, side : str
    seconds : float
        Median of the rounds.
    ratio : float
        How many times as fast as this side mosaicd was, median of the rounds' ratios.
    lowest_ratio, highest_ratio : float
    crops : int or None
        Tiles and what was skipped.
    """

    film: str
    side: str
    seconds: float
    ratio: float
    lowest_ratio: float
    highest_ratio: float
    crops: int | None


def run(
    *,
    film: Path | None,
    seconds: int,
    interval_seconds: float,
    rounds: int,
    json_file: Path | None,
    say: Callable[[str], None],
) -> None:
    """Run the benchmark and print its table.

    Parameters
    ----------
    film : Path or None
        A film; by default films are made up.
    seconds : int
        Length of each made up film.
    interval_seconds : float
        Between sampling moments.
    rounds : int
    json_file : Path or None
        Where to write the figures as well.
    say : callable
        Is told what is being done.

    Raises
    ------
    MosaicdError
        If a film cannot be spliced, or the file cannot be written.
    """
    machine = this_machine()
    if shutil.which("ffmpeg") is None:
        say("ffmpeg is not on PATH: nothing is measured against it")
    with tempfile.TemporaryDirectory(prefix="mosaicd-bench-") as folder:
        work = Path(folder)
        outcomes: list[Outcome] = []
        for name, each in _films(film, work, seconds=seconds, say=say):
            say(f"splicing {name}")
            outcomes += compete(name, each, work, interval_seconds=interval_seconds, rounds=rounds)
    recipe = FILM_RECIPE if film is None else "given"
    if json_file is not None:
        content = {
            "film_recipe": recipe,
            "interval_seconds": interval_seconds,
            "rounds": rounds,
            "least_of_ffmpeg": LEAST_OF_FFMPEG,
            "least_of_all_frames": LEAST_OF_ALL_FRAMES,
            "outcomes": [asdict(each) for each in outcomes],
        }
        write_figures(json_file, machine, content)
    console = Console()
    console.print(_table(outcomes))
    console.print(
        f"{machine}. {rounds} rounds, in which the sides take turns: median seconds, and how many times as fast as "
        f"a side mosaicd was (lowest to highest). mosaicd splices whole films, masters, descriptors and database "
        f"included; ffmpeg does -vf fps=1/{interval_seconds:g},scale=-2:{_FFMPEG_SHORT_SIDE_PIXELS} -f null, the "
        f"limit for who decodes all frames. Wanted are {LEAST_OF_FFMPEG:g} of ffmpeg's speed by all frames, and "
        f"{LEAST_OF_ALL_FRAMES:g} times that of all frames by dense keyframes. crops: tiles and what was skipped. "
        f"Films: {recipe}."
    )


def compete(name: str, film: Path, work: Path, *, interval_seconds: float, rounds: int) -> list[Outcome]:
    """Let all sides take turns with a film.

    Parameters
    ----------
    name : str
    film, work : Path
        The film, and a folder for databases.
    interval_seconds : float
    rounds : int
    """
    sides: dict[str, Side] = {
        OURS: _splicing(work, Frames.KEYFRAMES_IF_DENSE, interval_seconds),
        ALL_FRAMES: _splicing(work, Frames.ALL, interval_seconds),
    }
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is not None:
        sides[FFMPEG] = _sampling(ffmpeg, interval_seconds)
    spent: dict[str, list[float]] = {side: [] for side in sides}
    crops: dict[str, int | None] = {}
    for _ in range(rounds):
        for side, go in sides.items():
            start = time.perf_counter()
            crops[side] = go(film)
            spent[side].append(time.perf_counter() - start)
    outcomes = []
    for side, seconds in spent.items():
        ratios = [theirs / ours for theirs, ours in zip(seconds, spent[OURS], strict=True)]
        outcomes.append(
            Outcome(
                film=name,
                side=side,
                seconds=median(seconds),
                ratio=median(ratios),
                lowest_ratio=min(ratios),
                highest_ratio=max(ratios),
                crops=crops[side],
            )
        )
    return outcomes


def _films(
    film: Path | None, work: Path, *, seconds: int, say: Callable[[str], None]
) -> Iterator[tuple[str, Path]]:
    if film is not None:
        yield film.name, film
        return
    for number, recipe in enumerate(RECIPES):
        say(f"encoding {seconds} s of {recipe.name}")
        yield recipe.name, make_film(work / f"{number}.mp4", recipe, seconds=seconds)


def _splicing(work: Path, frames: Frames, interval_seconds: float) -> Side:
    """Splicing into a store of its own, as the daemon's worker does it."""

    def go(film: Path) -> int:
        looks = signature(film)
        if looks is None:
            message = f"{film} is no file that can be read"
            raise MosaicdError(message)
        with tempfile.TemporaryDirectory(dir=work) as folder:
            path = Path(folder) / "store.sqlite3"
            with contextlib.closing(Database(path)) as database:
                database.migrate()
                with database.write() as session:
                    library_id = library_named(session, "default", now=0).id
            order = SpliceOrder(
                library_id=library_id,
                file=film,
                name=film.name,
                signature=looks,
                sample_interval_seconds=interval_seconds,
                master_edge_pixels=_MASTER_EDGE_PIXELS,
                photo_pixels_limit=_NO_LIMIT,
                video_gigabytes_limit=_NO_LIMIT,
                video_hours_limit=_NO_LIMIT,
                poor_frames=PoorFrames.SKIP,
                near_duplicates=NearDuplicates.FILM,
                now=0,
            )
            facts = SplicePipeline(path, frames=frames).run(order, lambda _progress: None).facts
        skipped = sum(count for name, count in facts.items() if name.startswith("skipped_"))
        return int(facts["tiles"] + skipped)

    return go


def _sampling(ffmpeg: str, interval_seconds: float) -> Side:
    """What anybody does at least who decodes all frames, with as many threads as ffmpeg sees fit."""
    filters = f"fps=1/{interval_seconds:g},scale=-2:{_FFMPEG_SHORT_SIDE_PIXELS}"

    def go(film: Path) -> None:
        command = [ffmpeg, "-nostdin", "-v", "error", "-i", str(film), "-vf", filters, "-f", "null", "-"]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except subprocess.CalledProcessError as error:
            message = f"ffmpeg failed at {film}: {error.stderr.decode(errors='replace').strip()}"
            raise MosaicdError(message) from error

    return go


def _table(outcomes: Sequence[Outcome]) -> Table:
    table = Table()
    for heading in ("film", "side"):
        table.add_column(heading)
    for heading in ("seconds", "mosaicd is faster by", "crops"):
        table.add_column(heading, justify="right")
    for each in outcomes:
        ratio = f"{each.ratio:.2f} ({each.lowest_ratio:.2f}-{each.highest_ratio:.2f})"
        table.add_row(
            each.film,
            each.side,
            f"{each.seconds:.2f}",
            "" if each.side == OURS else ratio,
            "" if each.crops is None else str(each.crops),
        )
    return table
