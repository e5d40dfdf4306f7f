"""Squares with the look of photographs: correlated, varied, any number of them."""

import numpy as np

from mosaicd.imaging import FloatArray, PixelArray
from mosaicd.imaging.descriptors import SUBCELLS, describe


def varied_subcells(count: int, *, seed: int) -> PixelArray:
    """Sub-cells, shape (count, 5, 5, 3): a colour, a gradient along each axis, and noise."""
    random = np.random.default_rng(seed)
    colors = random.integers(0, 256, (count, 1, 1, 3))
    across = random.normal(0, 25, (count, 1, SUBCELLS, 3)).cumsum(2)
    down = random.normal(0, 25, (count, SUBCELLS, 1, 3)).cumsum(1)
    noise = random.normal(0, 8, (count, SUBCELLS, SUBCELLS, 3))
    pixels: PixelArray = np.clip(colors + across + down + noise, 0, 255).astype(np.uint8)
    return pixels


def varied_descriptors(count: int, *, seed: int) -> FloatArray:
    """Descriptors of `varied_subcells`, shape (count, 75)."""
    return describe(varied_subcells(count, seed=seed))
