"""Ways to compare cells with tiles, every cell with every tile, and what a search for tiles may go by."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mosaicd.imaging import FloatArray, PixelArray
from mosaicd.imaging.color import srgb_to_lab
from mosaicd.imaging.descriptors import COLUMNS, KEY_COLUMNS, SUBCELLS, describe
from mosaicd.studies.cam16 import linear_light, srgb_to_cam16_ucs

Projection = Callable[[PixelArray], FloatArray]
"""From sub-cells, shape (N, 5, 5, 3), to features, shape (N, D), whose squared distances are compared."""

SQUARED_RGB = "squared RGB"
CIELAB = "CIELAB"

MEAN_SRGB = "mean sRGB"
MEANS: dict[str, Projection] = {
    MEAN_SRGB: lambda squares: _means(squares.astype(np.float32)),
    "mean linear light": lambda squares: _encoded(_means(linear_light(squares).astype(np.float32))),
    "mean CIELAB": lambda squares: _means(srgb_to_lab(squares)),
    "mean CAM16-UCS": lambda squares: _means(srgb_to_cam16_ucs(squares)),
}
"""Mean colours of squares. Light is averaged as light, then encoded as sRGB again, so that steps stay even."""

FIXED_KEY = f"DCT {KEY_COLUMNS}, CIELAB"
_COMPONENTS = (3, 8, 12, 16)
_TILE_BLOCK = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Ssim:
    """How structural similarity is measured: uniform windows, wholly inside, sample covariances, data range 255.

    Attributes
    ----------
    window : int
        Edge of the windows, in sub-cells; odd.
    first_constant, second_constant : float
        K1, which steadies the comparison of means, and K2, that of contrasts [1]_.

    References
    ----------
    .. [1] Z. Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004.
    """

    window: int
    first_constant: float = 0.01
    second_constant: float = 0.03


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moments:
    """One channel of one window of N squares.

    Attributes
    ----------
    pixels : ndarray of float32, shape (N, window * window)
        Less their mean, and scaled so that products of two squares' sum to their covariance.
    means, variances : ndarray of float32, shape (N,)
    """

    pixels: FloatArray
    means: FloatArray
    variances: FloatArray


def in_rgb(squares: PixelArray) -> FloatArray:
    """Sub-cells as they are, shape (N, 75); their squared distance is the original program's measure."""
    return squares.reshape(-1, COLUMNS).astype(np.float32)


def keys(tiles: PixelArray) -> dict[str, Projection]:
    """What a search may go by: mean colours, principal components of `tiles`, and the fixed cosine key.

    Parameters
    ----------
    tiles : ndarray of uint8, shape (N, 5, 5, 3)
    """
    found = dict(MEANS)
    for space, features in (("RGB", in_rgb), (CIELAB, describe)):
        axes = _principal_axes(features(tiles))
        for count in _COMPONENTS:
            found[f"PCA {count}, {space}"] = _projected(features, axes[:, :count])
    found[FIXED_KEY] = lambda squares: describe(squares)[:, :KEY_COLUMNS]
    return found


def squared_distances(cells: FloatArray, tiles: FloatArray) -> FloatArray:
    """Squared Euclidean distances of features, shapes (N, D) and (M, D) to (N, M).

    Features are centred first, so that single precision suffices.
    """
    center = tiles.mean(axis=0)
    here, there = cells - center, tiles - center
    left = np.column_stack([-2 * here, np.ones(len(here), np.float32), np.square(here).sum(axis=1)])
    right = np.vstack([there.T, np.square(there).sum(axis=1), np.ones(len(there), np.float32)])
    squared: FloatArray = np.maximum(left @ right, 0)
    return squared


def window_moments(squares: PixelArray, window: int) -> list[Moments]:
    """What SSIM needs to know of squares, shape (N, 5, 5, 3): an entry for each window and channel."""
    places = range(SUBCELLS - window + 1)
    return [
        _moments(squares[:, row : row + window, column : column + window, channel])
        for row in places
        for column in places
        for channel in range(3)
    ]


def structural_similarities(cells: Sequence[Moments], tiles: Sequence[Moments], ssim: Ssim) -> FloatArray:
    """Structural similarity of every cell with every tile: the mean over windows and channels.

    The figure that scikit-image's ``structural_similarity`` [1]_ gives for a pair with ``channel_axis=2``,
    ``data_range=255`` and ``win_size``, ``K1`` and ``K2`` as in `ssim`, but for rounding.

    Parameters
    ----------
    cells, tiles : sequence of Moments
        Of N cells and M tiles, by `window_moments` with the window of `ssim`.
    ssim : Ssim

    Returns
    -------
    ndarray of float32, shape (N, M)

    References
    ----------
    .. [1] https://scikit-image.org/docs/stable/api/skimage.metrics.html
    """
    shape = len(cells[0].means), len(tiles[0].means)
    total = np.zeros(shape, np.float32)
    steady_means = np.float32((ssim.first_constant * 255) ** 2)
    steady_contrasts = np.float32((ssim.second_constant * 255) ** 2)
    for start in range(0, shape[1], _TILE_BLOCK):  # so that what is worked on stays in the processor's cache
        block = slice(start, start + _TILE_BLOCK)
        for here, there in zip(cells, tiles, strict=True):
            parts = 2 * (here.pixels @ there.pixels[block].T)
            parts += steady_contrasts
            other = np.multiply.outer(2 * here.means, there.means[block])
            other += steady_means
            parts *= other
            np.add.outer(here.means**2 + steady_means, there.means[block] ** 2, out=other)
            parts /= other
            np.add.outer(here.variances + steady_contrasts, there.variances[block], out=other)
            parts /= other
            total[:, block] += parts
    total /= len(cells)
    return total


def mixed(dissimilarities: FloatArray, squared_lab: FloatArray, *, structure_share: float) -> FloatArray:
    """A difference made of both: `structure_share` of 1 - SSIM, the rest CIELAB distance in hundreds."""
    difference = structure_share * dissimilarities + (1 - structure_share) * np.sqrt(squared_lab) / 100
    return np.asarray(difference, np.float32)


def _moments(windows: PixelArray) -> Moments:
    pixels = windows.reshape(len(windows), -1).astype(np.float32)
    means = pixels.mean(axis=1)
    centered = (pixels - means[:, np.newaxis]) / np.float32(np.sqrt(pixels.shape[1] - 1))
    return Moments(pixels=centered, means=means, variances=np.square(centered).sum(axis=1))


def _principal_axes(features: FloatArray) -> FloatArray:
    """Orthonormal columns, shape (75, 75), the one of the most variance first."""
    _, vectors = np.linalg.eigh(np.cov(features, rowvar=False))
    axes: FloatArray = vectors[:, ::-1].astype(np.float32)
    return axes


def _projected(features: Projection, axes: FloatArray) -> Projection:
    return lambda squares: features(squares) @ axes


def _means(squares: FloatArray) -> FloatArray:
    means: FloatArray = squares.mean(axis=(1, 2))
    return means


def _encoded(light: FloatArray) -> FloatArray:
    encoded: FloatArray = 255 * np.where(
        light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055
    )
    return encoded.astype(np.float32)
