"""One mosaic of ours from a folder of tile files, as other makers are asked for it.

Run with ``python -m tests.benchmarks.one_mosaic PHOTO TILES OUTPUT [NAME=VALUE ...]``, the last being settings
of an appearance.
"""

import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np
from PIL import Image

from mosaicd.imaging import PixelArray
from mosaicd.imaging.descriptors import SUBCELLS, subcells
from mosaicd.imaging.grid import CellGrid
from mosaicd.imaging.rendering import render
from mosaicd.matching.codebox import CodeboxEngine
from mosaicd.matching.engine import Rules
from mosaicd.matching.perceptual import PerceptualEngine
from mosaicd.pipelines.appearance import Appearance, Engine

CELLS_ON_LONG_SIDE, TILE_EDGE_PIXELS = 81, 50

Image.MAX_IMAGE_PIXELS = None  # mosaics are larger than Pillow takes for safe


def make(photo: Path, tiles: Path, output: Path, settings: Mapping[str, str]) -> None:
    """Make a mosaic of a photo from all files in a folder, square and of one size."""
    appearance = Appearance.model_validate(settings)
    squares = np.stack([read_pixels(file) for file in sorted(tiles.iterdir())])
    pixels = read_pixels(photo)
    grid = grid_of(pixels)
    engine = (
        CodeboxEngine()
        if appearance.engine is Engine.CODEBOX
        else PerceptualEngine(color_correction=appearance.color_correction)
    )
    engine.add(np.arange(len(squares)), subcells(squares))
    chosen = engine.choose(
        grid.cut(grid.sample(pixels, pixels_a_cell=SUBCELLS)),
        shape=(grid.rows, grid.columns),
        past_appearances=np.zeros(len(squares), np.float32),
        rules=Rules(**{field.name: getattr(appearance, field.name) for field in fields(Rules)}),
    )
    mosaic = render(
        ((tile, squares[tile]) for tile in np.unique(chosen.tiles).tolist()),
        tiles=chosen.tiles,
        mirrored=chosen.mirrored,
        corrections=chosen.corrections,
        tile_edge_pixels=TILE_EDGE_PIXELS,
    )
    Image.fromarray(mosaic).save(output, quality=appearance.output_quality)


def grid_of(photo: PixelArray) -> CellGrid:
    """The grid that all makers lay over a photo."""
    return CellGrid.fit(photo.shape, cells_on_long_side=CELLS_ON_LONG_SIDE)


def read_pixels(file: Path) -> PixelArray:
    """A picture's pixels, sRGB."""
    return np.asarray(Image.open(file).convert("RGB"))


def main() -> None:
    """Make what the command line asks for."""
    photo, tiles, output = (Path(word) for word in sys.argv[1:4])
    make(photo, tiles, output, dict(word.split("=", 1) for word in sys.argv[4:]))


if __name__ == "__main__":
    main()
