"""The cell grid: how a photo is divided into squares."""

from dataclasses import dataclass
from typing import Self

from mosaicd.imaging import PixelArray
from mosaicd.imaging.resampling import Box, resample


@dataclass(frozen=True, slots=True, kw_only=True)
class CellGrid:
    """Square cells that cover a photo, except for less than half a cell at two opposite edges.

    Attributes
    ----------
    rows, columns : int
        The number of cells.
    box : (left, top, right, bottom)
        The part of the photo that the grid covers, in photo pixels. Cells are exactly square there.
    """

    rows: int
    columns: int
    box: Box

    @classmethod
    def fit(cls, shape: tuple[int, ...], *, cells_on_long_side: int) -> Self:
        """Lay a grid over a photo of `shape` (height, width, ...), centred.

        The short side gets as many cells as come nearest to its length; where that is not a whole number, the
        photo is cropped evenly at two edges so that cells stay square and every cell lies inside the photo.

        Raises
        ------
        ValueError
            If the photo has no pixels or `cells_on_long_side` is less than one.
        """
        height, width = shape[:2]
        if height < 1 or width < 1 or cells_on_long_side < 1:
            message = f"no grid of {cells_on_long_side} cells fits a photo of {height} x {width} pixels"
            raise ValueError(message)
        cell = max(height, width) / cells_on_long_side
        rows = max(1, round(height / cell))
        columns = max(1, round(width / cell))
        cell = min(height / rows, width / columns)
        left = (width - columns * cell) / 2
        top = (height - rows * cell) / 2
        box = (
            max(0.0, left),
            max(0.0, top),
            min(width, left + columns * cell),
            min(height, top + rows * cell),
        )
        return cls(rows=rows, columns=columns, box=box)

    @property
    def cells(self) -> int:
        """The number of cells."""
        return self.rows * self.columns

    def sample(self, photo: PixelArray, *, pixels_a_cell: int) -> PixelArray:
        """Resample the covered part of `photo` to `pixels_a_cell` pixels on each cell's edge.

        Returns
        -------
        ndarray of uint8, shape (rows * pixels_a_cell, columns * pixels_a_cell, 3)
        """
        return resample(
            photo, rows=self.rows * pixels_a_cell, columns=self.columns * pixels_a_cell, box=self.box
        )

    def cut(self, image: PixelArray) -> PixelArray:
        """Cut an image of (rows * n, columns * n, 3) pixels into its cells, row by row.

        Returns
        -------
        ndarray of uint8, shape (rows * columns, n, n, 3)
        """
        edge = image.shape[0] // self.rows
        cells = image.reshape(self.rows, edge, self.columns, edge, 3).swapaxes(1, 2)
        return cells.reshape(self.cells, edge, edge, 3)
