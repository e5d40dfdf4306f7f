"""Mosaics of the same photos from the same tiles, by other mosaic makers and by mosaicd: figures and pictures.

Run with ``python -m tests.benchmarks.peers --work FOLDER``. Tiles are varied squares of scikit-image's
photos, or the first squares in a NumPy file of shape (N, edge, edge, 3), uint8 (``--tiles FILE``). Each photo is
cut to the grid and scaled to 10 pixels a cell first, so that every maker's cells lie on the same pixels.

Makers are looked for in ``--programs`` and on the path; one that is missing is left out, and a line says so.
Install ``phomo``, ``mosaicraft`` and ``photomosaic-video`` from PyPI, in an environment of their own, and
``metapixel`` from Debian. codebox/mosaic and hanzhi713/image-collage-maker are no packages: make executables that
start them, ``codebox-mosaic`` (photo, tiles, output; ENLARGEMENT 5) and ``image-collage-maker`` (its options).

mosaicraft and photomosaic-video blend the photo itself into their tiles, which brings their mosaics closer to it
than their choice of tiles does.

README's figures and plots of closeness against repetition come of these three, the tiles being those in the file
SQUARES.npy, the makers those in the folder MAKERS; ROOT, WORK and ``frontier`` are made::

    python -m tests.benchmarks.square_library SQUARES.npy ROOT
    python -m tests.benchmarks.peers --tiles SQUARES.npy --programs MAKERS --work WORK
    mosaicd study WORK/astronaut.png --part frontier --library default --root ROOT --set cells_on_long_side=81 \\
        --peers WORK/figures.json --out frontier
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
import psutil
from numpy.typing import NDArray
from PIL import Image

from mosaicd.imaging import FloatArray, PixelArray
from mosaicd.imaging.figures import Closeness, Repetition, closeness, repetition
from mosaicd.imaging.grid import CellGrid
from mosaicd.imaging.resampling import resample
from tests.benchmarks.one_mosaic import TILE_EDGE_PIXELS, grid_of, read_pixels
from tests.benchmarks.side_by_side import sheets
from tests.libraries import photo, varied_squares

Image.MAX_IMAGE_PIXELS = None
_PHOTO_PIXELS_A_CELL = 10
_SAMPLE_SECONDS = 0.2
_COMPARED_PIXELS = 10

PHOTOS = {"astronaut": (8, 28), "chelsea": (14, 38), "coffee": (8, 30)}
"""scikit-image's photos, and the row and column where the detail of their sheets begins."""

_OURS = "{python} -m tests.benchmarks.one_mosaic {photo} {tiles} {output}"
_METAPIXEL = "metapixel --metapixel {photo} {output} -l {scratch} -w50 -h50 -s5"
_METAPIXEL_TABLE = "metapixel-prepare --width=50 --height=50 {tiles} {scratch}"
_COLLAGE = "image-collage-maker --path {tiles} --dest_img {photo} --out {output} --size 50"
_UNFAIR = _COLLAGE + " --max_width {columns} --unfair"
_MOSAICRAFT = "mosaicraft generate {photo} -t {tiles} -o {output} -n {cells} -s50"
_PHOMO = "phomo {photo} {tiles} -o {output} -s {width} {height} -S 50 50 -j2"
_VIDEO = "photomosaic-video {photo} -t {tiles} -o {output} --cells {cells} --height {height}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """A program with its settings: commands to run one after the other, the words in braces filled in."""

    name: str
    commands: Sequence[str]
    suffix: str = ".jpg"


MAKERS = (
    Maker(name="mosaicd, default", commands=[_OURS]),
    Maker(name="mosaicd, color_correction 0", commands=[_OURS + " color_correction=0"]),
    Maker(name="mosaicd, codebox", commands=[_OURS + " engine=codebox"]),
    Maker(name="codebox/mosaic", commands=["codebox-mosaic {photo} {tiles} {output}"]),
    Maker(name="metapixel, distance 0", commands=[_METAPIXEL_TABLE, _METAPIXEL + " -d0"], suffix=".png"),
    Maker(name="metapixel, distance 5", commands=[_METAPIXEL_TABLE, _METAPIXEL + " -d5"], suffix=".png"),
    Maker(name="image-collage-maker, unfair, freq 0", commands=[_UNFAIR]),
    Maker(name="image-collage-maker, unfair, freq 0.1", commands=[_UNFAIR + " --freq_mul 0.1"]),
    Maker(name="mosaicraft, fast", commands=[_MOSAICRAFT + " -pfast"]),
    Maker(name="phomo, greedy, n = 50", commands=[_PHOMO + " --greedy -n50"]),
    Maker(name="photomosaic-video", commands=[_VIDEO]),
    Maker(name="phomo, LAP, n = 4", commands=[_PHOMO + " -n4"]),
    Maker(name="image-collage-maker, fair", commands=[_COLLAGE + " --dup {copies}"]),
    Maker(name="mosaicraft, vivid", commands=[_MOSAICRAFT + " -pvivid"]),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One maker's figures for one photo.

    Attributes
    ----------
    seconds, processor_seconds : float
        From tile files to a written picture; on a busy machine the latter tell more.
    megabytes : float
        Peak of PSS, summed over its processes.
    """

    photo: str
    maker: str
    seconds: float
    processor_seconds: float
    megabytes: float
    closeness: Closeness
    repetition: Repetition


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Work:
    """What all makers are given: a folder with ``tiles`` and photos, the tiles as squares, where programs are."""

    folder: Path
    squares: PixelArray
    programs: str

    @classmethod
    def prepare(cls, folder: Path, squares: PixelArray, programs: str) -> Self:
        """Write the tiles and the photos to files."""
        (folder / "tiles").mkdir(parents=True)
        for number, square in enumerate(squares):
            Image.fromarray(square).save(folder / "tiles" / f"{number:06}.png")
        for name in PHOTOS:
            pixels = photo(f"{name}.png")
            sample = grid_of(pixels).sample(pixels, pixels_a_cell=_PHOTO_PIXELS_A_CELL)
            Image.fromarray(sample).save(folder / f"{name}.png")
        return cls(folder=folder, squares=squares, programs=programs)

    def picture(self, name: str, maker: Maker) -> Path:
        """Where a maker's mosaic of a photo goes."""
        return self.folder / f"{name}, {maker.name.replace('/', ' ')}{maker.suffix}"


def shown_tiles(mosaic: PixelArray, grid: CellGrid, squares: PixelArray) -> NDArray[np.int64]:
    """Recognise each cell's tile by its pattern, be it mirrored or toned; shape (rows, columns)."""
    edge = _COMPARED_PIXELS
    small = np.stack([resample(square, rows=edge, columns=edge) for square in squares])
    patterns = _patterns(np.concatenate([small, small[:, :, ::-1]]))
    cells = _patterns(grid.cut(resample(mosaic, rows=grid.rows * edge, columns=grid.columns * edge)))
    nearest: NDArray[np.int64] = (cells @ patterns.T).argmax(1) % len(squares)
    return nearest.reshape(grid.rows, grid.columns)


def _patterns(images: PixelArray) -> FloatArray:
    pixels = images.astype(np.float32)
    pixels -= pixels.mean((1, 2), keepdims=True)
    pixels /= np.maximum(np.sqrt((pixels**2).sum((1, 2, 3), keepdims=True)), 1)
    return pixels.reshape(len(pixels), -1)


def measured(maker: Maker, name: str, work: Work) -> Row:
    """Have a mosaic made and measure it; raises CalledProcessError if the maker fails."""
    pixels, output = read_pixels(work.folder / f"{name}.png"), work.picture(name, maker)
    grid = grid_of(pixels)
    with tempfile.TemporaryDirectory() as scratch:
        words = {
            "python": sys.executable,
            "photo": work.folder / f"{name}.png",
            "tiles": work.folder / "tiles",
            "output": output,
            "scratch": scratch,
            "columns": grid.columns,
            "cells": grid.cells,
            "copies": grid.cells / len(work.squares),
            "width": grid.columns * TILE_EDGE_PIXELS,
            "height": grid.rows * TILE_EDGE_PIXELS,
        }
        environment = {**os.environ, "PATH": work.programs, "XDG_CACHE_HOME": scratch}
        commands = [[word.format(**words) for word in command.split()] for command in maker.commands]
        start, processor_start = time.perf_counter(), _processor_seconds()
        peak = max([_peak_of(command, environment) for command in commands])
        seconds, processor_seconds = time.perf_counter() - start, _processor_seconds() - processor_start
    mosaic = read_pixels(output)
    return Row(
        photo=name,
        maker=maker.name,
        seconds=seconds,
        processor_seconds=processor_seconds,
        megabytes=peak / 1e6,
        closeness=closeness(mosaic, pixels, grid),
        repetition=repetition(shown_tiles(mosaic, grid, work.squares)),
    )


def _processor_seconds() -> float:
    """What the commands that have ended took."""
    times = os.times()
    return times.children_user + times.children_system


def _peak_of(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command to its end; the peak of the memory of all its processes, in bytes."""
    peak = 0
    with tempfile.TemporaryFile("w+") as said:
        process = psutil.Popen(command, stdout=said, stderr=said, env=environment)
        while process.poll() is None:
            peak = max(peak, _pss(process))
            try:
                process.wait(_SAMPLE_SECONDS)
            except psutil.TimeoutExpired:
                continue
        if process.returncode != 0:
            said.seek(0)
            raise subprocess.CalledProcessError(process.returncode, command, said.read()[-500:])
    return peak


def _pss(parent: psutil.Process) -> int:
    total = 0
    with contextlib.suppress(psutil.Error):
        for process in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += process.memory_full_info().pss
    return total


def table(rows: Sequence[Row]) -> str:
    """The figures in Markdown."""
    lines = [
        "| photo | maker | seconds | CPU | MB | dE 1 / 5 px | SSIM | distinct / max | touching |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        near, repeats = row.closeness, row.repetition
        lines.append(
            f"| {row.photo} | {row.maker} | {row.seconds:.1f} | {row.processor_seconds:.1f} | {row.megabytes:,.0f} "
            f"| {near.color_error_1px:.2f} / {near.color_error_5px:.2f} | {near.ssim_5px:.3f} "
            f"| {repeats.distinct_tiles} / {repeats.most_used_tile_count} | {repeats.touching_share:.1%} |"
        )
    return "\n".join(lines)


def better_on_all(row: Row, rows: Sequence[Row]) -> list[str]:
    """The makers whose mosaic of the same photo is at least as good as `row` on every figure of the picture."""

    def costs(one: Row) -> FloatArray:
        near, repeats = one.closeness, one.repetition
        closer = [near.color_error_1px, near.color_error_5px, -near.ssim_5px]
        rarer = [-repeats.distinct_tiles, repeats.most_used_tile_count, repeats.touching_share]
        return np.array(closer + rarer, np.float32)

    rivals = [one for one in rows if one.photo == row.photo and one is not row]
    return [one.maker for one in rivals if (costs(one) <= costs(row)).all()]


def measure(work: Work) -> None:
    """Have every maker make every mosaic; write down and print what comes of it."""
    rows: list[Row] = []
    for maker in MAKERS:
        needed = {command.split()[0].format(python=sys.executable) for command in maker.commands}
        if missing := {program for program in needed if not shutil.which(program, path=work.programs)}:
            print(f"{maker.name} is left out: {', '.join(sorted(missing))} is not installed")
            continue
        for name in PHOTOS:
            try:
                rows.append(measured(maker, name, work))
            except subprocess.CalledProcessError as error:
                print(f"{maker.name} fails on {name}: {error.output}")
                continue
            print(table(rows).splitlines()[-1], flush=True)
            (work.folder / "figures.json").write_text(json.dumps([asdict(row) for row in rows], indent=1))
    for name, place in PHOTOS.items():
        made = {maker.name: work.picture(name, maker) for maker in MAKERS}
        pictures = {"the photo": work.folder / f"{name}.png"} | {
            maker: file for maker, file in made.items() if file.exists()
        }
        for kind, sheet in sheets(pictures, place, cell_pixels=TILE_EDGE_PIXELS).items():
            sheet.save(work.folder / f"{name}-{kind}.png")
        of_photo = [row for row in rows if row.photo == name]
        print(
            f"\n{table(of_photo)}\n\nas good as {of_photo[0].maker}, or better, on all figures of the picture:"
        )
        print(", ".join(better_on_all(of_photo[0], rows)) or "none")


def main() -> None:
    """Prepare the work, and have it done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tiles", type=Path, help="squares, a .npy file; varied squares if not given")
    parser.add_argument("--count", type=int, default=2000, help="how many tiles")
    parser.add_argument("--programs", type=Path, default=Path(), help="a folder of makers")
    parser.add_argument("--work", type=Path, required=True, help="a new folder for what is made")
    given = parser.parse_args()
    if given.tiles is None:
        squares = np.stack(list(varied_squares(given.count, seed=1)))
    else:
        squares = np.array(np.load(given.tiles, mmap_mode="r")[: given.count])
    programs = os.pathsep.join([str(given.programs.resolve()), os.environ["PATH"]])
    measure(Work.prepare(given.work.resolve(), squares, programs))


if __name__ == "__main__":
    main()
