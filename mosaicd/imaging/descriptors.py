"""The descriptor: what is compared when a tile is sought for a cell.

A square is averaged to 5 x 5 sub-cells, taken to CIELAB, and each channel goes through an orthonormal cosine
transform. Because the transform is orthonormal, distances are those of the sub-cells themselves; because a few
low frequencies hold most of the energy, the leading columns serve as the index's key, and the distance between
two keys never exceeds the distance between their descriptors.

Five sub-cells a side, since fewer lose structure and more gain next to nothing: the mosaics' SSIM, on the mean of
three photos, is .48 with 3 a side, .51 with 4, .53 with 5, .53 with 6 and .54 with 8 (2,000 tiles), or .56, .60,
.63, .63 and .64 (20,000 tiles); 8 a side take twice as long and 2.6 times the room, and show a tenth fewer tiles.
"""

import cv2
import numpy as np

from mosaicd.imaging import FloatArray, PixelArray
from mosaicd.imaging.color import srgb_to_lab

DESCRIPTOR_SCHEME = 1
"""Stored beside each tile's sub-cells; raised whenever those mean something else, so that they are made anew."""

SUBCELLS = 5
COLUMNS = 3 * SUBCELLS * SUBCELLS
KEY_COLUMNS = 12
_LIGHTNESS_KEYS, _COLOR_KEYS = 6, 3


def _frequencies() -> list[tuple[int, int, int]]:
    """(channel, vertical, horizontal) of each column: the key's columns first, then the rest, low to high."""
    by_frequency = sorted(
        ((row, column) for row in range(SUBCELLS) for column in range(SUBCELLS)),
        key=lambda pair: (pair[0] ** 2 + pair[1] ** 2, pair),
    )
    ranked = [
        (rank >= (_LIGHTNESS_KEYS if channel == 0 else _COLOR_KEYS), rank, channel, vertical, horizontal)
        for channel in range(3)
        for rank, (vertical, horizontal) in enumerate(by_frequency)
    ]
    return [(channel, vertical, horizontal) for _, _, channel, vertical, horizontal in sorted(ranked)]


_CHANNEL, _VERTICAL, _HORIZONTAL = (np.array(axis) for axis in zip(*_frequencies(), strict=True))

MIRROR_SIGNS: FloatArray = np.where(_HORIZONTAL % 2 == 1, -1, 1).astype(np.float32)
"""A descriptor times these signs is the descriptor of the mirrored (left to right) square."""

COLOR_COLUMNS: tuple[int, ...] = tuple(np.flatnonzero(_CHANNEL > 0).tolist())
"""The columns that tell a* and b*."""

MEAN_COLUMNS: tuple[int, ...] = tuple(np.flatnonzero((_VERTICAL == 0) & (_HORIZONTAL == 0)).tolist())
"""The three columns that hold a square's mean L*, a* and b*, in this order, in units of CIELAB."""


def subcells(squares: PixelArray) -> PixelArray:
    """Average square images to sub-cells.

    Parameters
    ----------
    squares : ndarray of uint8, shape (N, edge, edge, 3)

    Returns
    -------
    ndarray of uint8, shape (N, 5, 5, 3)
    """
    size = (SUBCELLS, SUBCELLS)
    out = np.empty((len(squares), *size, 3), np.uint8)
    for index, square in enumerate(squares):
        out[index] = cv2.resize(square, size, interpolation=cv2.INTER_AREA)
    return out


def describe(samples: PixelArray) -> FloatArray:
    """Describe squares, tiles and cells alike, by their sub-cells.

    Parameters
    ----------
    samples : ndarray of uint8, shape (N, 5, 5, 3)
        sRGB sub-cells.

    Returns
    -------
    ndarray of float32, shape (N, 75)
        The Euclidean distance between two rows is the root mean square, over the sub-cells, of their CIE76
        colour difference [1]_. The first 12 columns are the key.

    Raises
    ------
    ValueError
        If `samples` has another shape.

    References
    ----------
    .. [1] CIE 15:2018, "Colorimetry".
    """
    if samples.ndim != 4 or samples.shape[1:] != (SUBCELLS, SUBCELLS, 3):
        message = f"sub-cells of shape (N, {SUBCELLS}, {SUBCELLS}, 3) wanted, not {samples.shape}"
        raise ValueError(message)
    from scipy.fft import dctn  # the daemon itself does without, and starts sooner

    coefficients = dctn(srgb_to_lab(samples), axes=(1, 2), norm="ortho") / SUBCELLS
    ordered: FloatArray = np.ascontiguousarray(coefficients[:, _VERTICAL, _HORIZONTAL, _CHANNEL])
    return ordered


def detail(descriptors: FloatArray) -> FloatArray:
    """How much each square varies within itself.

    Returns
    -------
    ndarray of float32, shape (N,)
        Root mean square, over the sub-cells, of their colour difference to the square's mean colour.
    """
    varying = np.delete(descriptors, MEAN_COLUMNS, axis=1)
    lengths: FloatArray = np.sqrt(np.einsum("ij,ij->i", varying, varying))
    return lengths
