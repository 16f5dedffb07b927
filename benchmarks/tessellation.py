"""Partition an outline into generated polygons: a perturbed grid whose neighbours share every point of their border.

Cells whose centre lies in the outline are kept whole, so the partition follows the outline to half a cell. Each border
between two cells wobbles once, for both; the number of its points sets how heavy a polygon is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NODE_MOVES = 0.3
"""How far a corner moves, in cells; below 0.5, so that no cell turns over."""
_BORDER_MOVES = 0.06
"""How far a point between two corners moves, in cells."""


@dataclass(frozen=True, slots=True)
class Tessellation:
    """The cells of a partition."""

    geometry: NDArray[np.object_]
    """Polygons, metres."""

    row: NDArray[np.int64]
    """Row of each cell in the grid."""

    column: NDArray[np.int64]
    """Column of each cell in the grid."""

    @property
    def area_m2(self) -> NDArray[np.int64]:
        """Return the area of each cell, whole m²."""
        return np.rint(shapely.area(self.geometry)).astype(np.int64)


def tessellate(outline: shapely.Geometry, count: int, *, points: int, seed: int) -> Tessellation:
    """Partition an outline into at least ``count`` polygons of ``4 × (points + 1)`` corners.

    Parameters
    ----------
    outline
        Polygon, metres.
    count
        Fewest polygons.
    points
        Points of a border between its two ends.
    seed
        The same seed gives the same polygons.
    """
    xmin, ymin, xmax, ymax = outline.bounds
    side = float(np.sqrt(outline.area / (count * 1.02)))
    columns, rows = (int(np.ceil((high - low) / side)) for low, high in ((xmin, xmax), (ymin, ymax)))
    random = np.random.default_rng(seed)
    y, x = np.meshgrid(np.arange(rows + 1), np.arange(columns + 1), indexing="ij")
    nodes = np.stack([x, y], axis=-1) + random.uniform(-_NODE_MOVES, _NODE_MOVES, (rows + 1, columns + 1, 2))
    along = _border(nodes[:, :-1], nodes[:, 1:], points, random)
    across = _border(nodes[:-1], nodes[1:], points, random)
    rings = np.concatenate(
        [along[:-1], across[:, 1:], _backwards(along[1:], nodes[1:, 1:]), _backwards(across[:, :-1], nodes[1:, :-1])],
        axis=2,
    ).reshape(rows * columns, -1, 2)
    rings = np.concatenate([rings, rings[:, :1]], axis=1) * side + (xmin, ymin)
    cells = shapely.polygons(rings)
    shapely.prepare(outline)
    kept = shapely.contains(outline, shapely.centroid(cells))
    row, column = np.divmod(np.flatnonzero(kept), columns)
    return Tessellation(geometry=cells[kept], row=row, column=column)


def _border(
    start: NDArray[np.float64], end: NDArray[np.float64], points: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """Return the points of borders from their start on, their end left out."""
    share = (np.arange(points + 1) / (points + 1))[:, None]
    moves = random.uniform(-_BORDER_MOVES, _BORDER_MOVES, (*start.shape[:2], points + 1, 2)) / (1 + points / 4)
    moves[:, :, 0] = 0
    return start[:, :, None] * (1 - share) + end[:, :, None] * share + moves


def _backwards(border: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the same borders from their end on, their start left out."""
    return np.concatenate([end[:, :, None], border[:, :, :0:-1]], axis=2)
