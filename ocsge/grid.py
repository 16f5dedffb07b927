"""The pixel grid: every raster, burn and window of a run lies on one lattice of the projected CRS.

Pixels are square, their side is a whole fraction of a metre and their edges fall on multiples of that side, so two
runs over different extents share the same pixels. A pixel is addressed by its global row and column::

    column = floor(x · pixels_per_m)        row = floor(−y · pixels_per_m)        (row grows southwards)
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ocsge.errors import ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def pixels_reaching(area_m2: float, *, per_m2: int) -> int:
    """Return the number of pixels whose total area reaches ``area_m2``, rounded up; ``per_m2`` pixels make a m².

    Examples
    --------
    >>> pixels_reaching(50.01, per_m2=25)
    1251
    """
    return math.ceil(area_m2 * per_m2 - 1e-9)


@dataclass(frozen=True, slots=True)
class Grid:
    """The pixel lattice of a projected CRS.

    Examples
    --------
    >>> Grid.at_resolution(epsg=2154, resolution_m=0.2).pixel_area_m2
    0.04
    """

    epsg: int
    """EPSG code of the projected CRS, metres."""

    pixels_per_m: int
    """Pixels along one metre: 5 for the 0.2 m of CoSIA."""

    @classmethod
    def at_resolution(cls, *, epsg: int, resolution_m: float) -> Grid:
        """Return the grid whose pixels have a side of ``resolution_m`` metres.

        Raises
        ------
        ParameterError
            When one metre is not a whole number of pixels.
        """
        pixels = round(1 / resolution_m) if resolution_m > 0 else 0
        if pixels < 1 or abs(pixels * resolution_m - 1) > 1e-9:
            raise ParameterError(
                f"resolution {resolution_m} m: one metre must be a whole number of pixels (0.2, 0.25, 0.5 or 1)"
            )
        return cls(epsg=epsg, pixels_per_m=pixels)

    @property
    def resolution_m(self) -> float:
        """Side of a pixel, metres."""
        return 1 / self.pixels_per_m

    @property
    def pixel_area_m2(self) -> float:
        """Area of a pixel, m²."""
        return 1 / self.pixels_per_m**2

    def pixels(self, area_m2: float) -> int:
        """Return the number of pixels whose total area reaches ``area_m2`` (rounded up)."""
        return pixels_reaching(area_m2, per_m2=self.pixels_per_m**2)

    def area_m2(self, pixels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return areas in m² of counts of pixels, exact to the last bit of a division."""
        return np.asarray(pixels, dtype=np.float64) / self.pixels_per_m**2

    def window_of(self, bounds: tuple[float, float, float, float]) -> Window:
        """Return the smallest window that covers ``bounds`` (xmin, ymin, xmax, ymax in metres)."""
        xmin, ymin, xmax, ymax = bounds
        n = self.pixels_per_m
        row, col = math.floor(-ymax * n + 1e-6), math.floor(xmin * n + 1e-6)
        bottom, right = math.ceil(-ymin * n - 1e-6), math.ceil(xmax * n - 1e-6)
        return Window(row=row, col=col, height=bottom - row, width=right - col)

    def bounds_of(self, window: Window) -> tuple[float, float, float, float]:
        """Return (xmin, ymin, xmax, ymax) of a window, metres."""
        n = self.pixels_per_m
        return (window.col / n, -window.bottom / n, window.right / n, -window.row / n)


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of the lattice, in global rows and columns.

    Raises
    ------
    ParameterError
        When the rectangle is empty.
    """

    row: int
    """First (northernmost) row."""

    col: int
    """First (westernmost) column."""

    height: int
    """Number of rows."""

    width: int
    """Number of columns."""

    def __post_init__(self) -> None:
        if self.height <= 0 or self.width <= 0:
            raise ParameterError(f"empty window: {self.height} rows × {self.width} columns")

    @property
    def bottom(self) -> int:
        """Row after the last one."""
        return self.row + self.height

    @property
    def right(self) -> int:
        """Column after the last one."""
        return self.col + self.width

    def grown(self, halo_px: int, *, within: Window) -> Window:
        """Return the window with ``halo_px`` pixels of context on each side, clipped to ``within``."""
        row, col = max(self.row - halo_px, within.row), max(self.col - halo_px, within.col)
        bottom, right = min(self.bottom + halo_px, within.bottom), min(self.right + halo_px, within.right)
        return Window(row=row, col=col, height=bottom - row, width=right - col)

    def tiles(self, side_px: int) -> list[Window]:
        """Return the windows of side ``side_px`` that cover this one, anchored to multiples of the side."""
        tiles = []
        for top in range(self.row - self.row % side_px, self.bottom, side_px):
            for left in range(self.col - self.col % side_px, self.right, side_px):
                row, col = max(top, self.row), max(left, self.col)
                bottom, right = min(top + side_px, self.bottom), min(left + side_px, self.right)
                tiles.append(Window(row=row, col=col, height=bottom - row, width=right - col))
        return tiles

    def split(self, longest_px: int, *, step_px: int) -> list[Window]:
        """Return windows of about equal sides, none longer than ``longest_px``, whose seams fall on ``step_px``.

        Examples
        --------
        >>> [w.width for w in Window(row=0, col=0, height=10, width=25).split(15, step_px=5)]
        [15, 10]
        """
        return self._cut(math.ceil(self.height / longest_px), math.ceil(self.width / longest_px), step_px)

    def divided(self, parts: int, *, step_px: int) -> list[Window]:
        """Return ``parts`` windows of about equal sides, whose seams fall on ``step_px`` and are as short as can be.

        Examples
        --------
        >>> [(w.height, w.width) for w in Window(row=0, col=0, height=10, width=25).divided(2, step_px=5)]
        [(10, 15), (10, 10)]
        """
        shapes = [(rows, parts // rows) for rows in range(parts, 0, -1) if parts % rows == 0]
        rows, cols = min(shapes, key=lambda shape: (shape[0] - 1) * self.width + (shape[1] - 1) * self.height)
        return self._cut(rows, cols, step_px)

    def _cut(self, row_parts: int, col_parts: int, step_px: int) -> list[Window]:
        def cuts(start: int, length: int, parts: int) -> list[int]:
            inner = [start + round(k * length / parts / step_px) * step_px for k in range(1, parts)]
            return [start, *inner, start + length]

        rows, cols = cuts(self.row, self.height, row_parts), cuts(self.col, self.width, col_parts)
        return [
            Window(row=top, col=left, height=bottom - top, width=right - left)
            for top, bottom in itertools.pairwise(rows)
            for left, right in itertools.pairwise(cols)
        ]
