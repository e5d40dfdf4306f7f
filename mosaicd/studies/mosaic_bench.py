"""The benchmark of whole mosaics: a daemon, from a settled photo to its mosaic, against FAISS's search alone."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from mosaicd.imaging.descriptors import describe
from mosaicd.matching.search import THREADS
from mosaicd.matching.toning import column_weights
from mosaicd.pipelines.appearance import Appearance
from mosaicd.store.database import Database
from mosaicd.store.models import Mosaic
from mosaicd.studies.bench_daemon import BenchDaemon, moment
from mosaicd.studies.bench_library import SQUARES_RECIPE, fill_library
from mosaicd.studies.bench_material import library_tiles, portrait_cells
from mosaicd.studies.bench_report import write_figures
from mosaicd.studies.contests import Side, faiss_side
from mosaicd.studies.index_bench import BEST
from mosaicd.studies.machine import measure, this_machine
from mosaicd.studies.material import photo_files

READY_SECONDS_LIMIT, FIRST_CANDIDATES_SECONDS_LIMIT, MEGABYTES_LIMIT = 3.0, 6.0, 900
"""Wanted with 190,000 tiles on two quiet cores: daemon up, first tiles chosen from its start on, memory of all."""

PEERS = (
    "Other makers with 190,000 tiles, as their authors tell: codebox/mosaic 14 minutes a photo on 8 processors, "
    "its fork with a KD-tree 90 seconds after 5 minutes of loading, ended for want of memory at 32 GB."
)
_MASTER_EDGE_PIXELS = 128
_BEFORE_CHOOSING = ("reading", "loading tiles", "matching")
_LIBRARY = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mosaicking:
    """What making mosaics took.

    Attributes
    ----------
    tiles : int
    ready_seconds : float
        From the daemon's start until it is up.
    candidates_seconds : float
        From its start until the first mosaic's tiles are chosen, without the time in which no photo had settled.
    first_seconds, seconds : float
        From a photo being settled until its mosaic is published: the first one, and the median of the others.
    stages : dict
        Median seconds of each stage of the others.
    megabytes : float
        Most memory of all processes together (PSS) during the first.
    faiss_seconds, ratio : float or None
        What FAISS takes for the nearest tiles alone, and the median of how much of that a mosaic takes.
    """

    tiles: int
    ready_seconds: float
    candidates_seconds: float
    first_seconds: float
    seconds: float
    stages: dict[str, float]
    megabytes: float
    faiss_seconds: float | None
    ratio: float | None


def run(*, tiles: int, across: int, rounds: int, json_file: Path | None, say: Callable[[str], None]) -> None:
    """Run the benchmark and print its tables.

    Parameters
    ----------
    tiles, across, rounds : int
        Tiles in the library, cells along each side, photos.
    json_file : Path or None
        Where to write the figures as well.
    say : callable
        Is told what is being done.

    Raises
    ------
    MosaicdError
        If the daemon fails, or the file cannot be written.
    """
    machine = this_machine()
    with tempfile.TemporaryDirectory(prefix="mosaicd-bench-") as folder:
        found = examine(Path(folder), tiles=tiles, across=across, rounds=rounds, say=say)
    if json_file is not None:
        content = {
            "tile_recipe": SQUARES_RECIPE,
            "cells": across**2,
            "rounds": rounds,
            "ready_seconds_limit": READY_SECONDS_LIMIT,
            "candidates_seconds_limit": FIRST_CANDIDATES_SECONDS_LIMIT,
            "megabytes_limit": MEGABYTES_LIMIT,
            **asdict(found),
        }
        write_figures(json_file, machine, content)
    console = Console()
    for table in _tables(found):
        console.print(table)
    console.print(
        f"{machine}. A daemon of its own, {tiles:,} tiles, a portrait, {across**2:,} cells; {rounds} photos "
        "after the first, the sides taking turns: medians. mosaic: from a photo being settled until its mosaic is "
        f"published; FAISS: the {BEST} nearest tiles of as many cells, nothing else, {THREADS} threads. Wanted "
        f"with 190,000 tiles: no longer than FAISS, {MEGABYTES_LIMIT} MB, up after {READY_SECONDS_LIMIT:g} s, "
        f"first tiles chosen after {FIRST_CANDIDATES_SECONDS_LIMIT:g} s. {PEERS} Tiles: {SQUARES_RECIPE}."
    )


def examine(folder: Path, *, tiles: int, across: int, rounds: int, say: Callable[[str], None]) -> Mosaicking:
    """Let a daemon in `folder` make one mosaic and then `rounds` more, taking turns with FAISS."""
    root, path = folder / "root", folder / "state" / "mosaicd.sqlite3"
    inbox = root / "inbox"
    for each in (inbox, path.parent):
        each.mkdir(parents=True)
    photo = photo_files([])["portrait"]
    with contextlib.closing(Database(path)) as database:
        database.migrate()
        library = fill_library(database, name=_LIBRARY, tiles=tiles, edge=_MASTER_EDGE_PIXELS, say=say)
        rivals = _rivals(database, library, across**2)
    start = time.time()
    with BenchDaemon(root, path, folder / "log", cells_on_long_side=across) as daemon:
        ready = daemon.wait_for("daemon_ready")
        shutil.copy(photo, inbox / f"1{photo.suffix}")
        peak = daemon.most_memory_until("mosaic_published")
        first = _seconds(daemon, 1)
        warm, theirs = [], []
        for number in range(2, rounds + 2):
            say(f"mosaic {number - 1} of {rounds}")
            shutil.copy(photo, inbox / f"{number}{photo.suffix}")
            warm.append(_seconds(daemon, number))
            theirs += [measure(rival.find)[1].seconds for rival in rivals]
    stages = _stages(path)
    chosen = sum(stages[0][name] for name in _BEFORE_CHOOSING)
    return Mosaicking(
        tiles=tiles,
        ready_seconds=moment(ready) - start,
        candidates_seconds=moment(ready) - start + chosen,
        first_seconds=first,
        seconds=median(warm),
        stages={name: round(median(each[name] for each in stages[1:]), 3) for name in stages[0]},
        megabytes=peak / 1e6,
        faiss_seconds=median(theirs) if theirs else None,
        ratio=median(one / other for one, other in zip(warm, theirs, strict=True)) if theirs else None,
    )


def _seconds(daemon: BenchDaemon, number: int) -> float:
    """From the `number`-th photo being settled until its mosaic is published."""
    published = daemon.wait_for("mosaic_published", count=number)
    return moment(published) - moment(daemon.wait_for("job_admitted", count=number))


def _rivals(database: Database, library: int, cells: int) -> list[Side]:
    weights = column_weights(Appearance().color_correction)
    tiles = describe(library_tiles(database, library)) * weights
    return list(
        faiss_side(tiles, describe(portrait_cells(cells)) * weights, count=min(BEST, len(tiles)), work="")
    )


def _stages(path: Path) -> Sequence[dict[str, float]]:
    """Seconds of each mosaic's stages, the first mosaic's first."""
    with contextlib.closing(Database(path)) as database, database.read() as session:
        figures = session.scalars(select(Mosaic.figures).order_by(Mosaic.id)).all()
    return [each["seconds"] for each in figures]


def _tables(found: Mosaicking) -> list[Table]:
    whole, stages = Table(), Table(title="stages of a mosaic")
    for heading in (
        "tiles",
        "up",
        "first tiles chosen",
        "first mosaic",
        "mosaic",
        "FAISS",
        "mosaic / FAISS",
        "MB",
    ):
        whole.add_column(heading, justify="right")
    whole.add_row(
        f"{found.tiles:,}",
        f"{found.ready_seconds:.2f} s",
        f"{found.candidates_seconds:.2f} s",
        f"{found.first_seconds:.2f} s",
        f"{found.seconds:.2f} s",
        "" if found.faiss_seconds is None else f"{found.faiss_seconds:.2f} s",
        "" if found.ratio is None else f"{found.ratio:.2f}",
        f"{found.megabytes:.0f}",
    )
    for name in found.stages:
        stages.add_column(name, justify="right")
    stages.add_row(*(f"{seconds:.2f} s" for seconds in found.stages.values()))
    return [whole, stages]
