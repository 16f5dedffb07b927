"""Compare where heights are given with where imagery is answered: heights of other ground are a mistake, not a lack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from ocsge.errors import RasterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ocsge.grid import Grid, Window
    from ocsge.segment.imagery import Imagery

NAMED = 3
"""Tiles named in a message; the others are counted."""

_MM = 1000


def check_heights(imagery: Imagery, windows: Sequence[Window]) -> str:
    """Return a warning where tiles of imagery to answer meet no height, or nothing; extents alone are compared.

    Parameters
    ----------
    imagery
        Imagery and its heights.
    windows
        Pixels to answer.

    Raises
    ------
    RasterError
        Heights of a kind that meet nothing of the imagery to answer: all of it would be given their mean.
    """
    tiles = imagery.mosaics[0].tiles
    tile, _, answered = _in_common(
        _bounds_mm([one.window for one in tiles], imagery.grid), _bounds_mm(windows, imagery.grid)
    )
    lacking: dict[str, list[str]] = {}
    for heights in imagery.altitudes:
        lacks = np.ones(len(answered), dtype=np.bool_)
        lacks[_in_common(answered, heights.bounds_mm())[0]] = False
        if lacks.any() and lacks.all():
            xmin, ymin = answered[:, :2].min(axis=0) / _MM
            xmax, ymax = answered[:, 2:].max(axis=0) / _MM
            raise RasterError(
                f"{heights.tiles[0].path}: --{heights.kind} ({len(heights.tiles)} file(s)) meets none of the imagery, "
                f"which lies within ({xmin:.0f}, {ymin:.0f}, {xmax:.0f}, {ymax:.0f}) of EPSG:{imagery.grid.epsg}; give "
                "the heights of its ground"
            )
        if lacks.any():
            lacking[heights.kind] = list(dict.fromkeys(tiles[place].path.name for place in tile[lacks]))
    return "; ".join(
        f"--{kind} meets nothing of {len(names)} tile(s) of imagery ({_listed(names)}): the network is given the mean "
        "there, and knows no height; give the heights of that ground"
        for kind, names in lacking.items()
    )


def _bounds_mm(windows: Sequence[Window], grid: Grid) -> NDArray[np.float64]:
    """Return (windows, 4) west, south, east and north of windows, millimetres: whole ones, so that edges are exact."""
    edges = [(window.col, -window.bottom, window.right, -window.row) for window in windows]
    return np.array(edges, dtype=np.float64).reshape(-1, 4) * _MM / grid.pixels_per_m


def _in_common(
    one: NDArray[np.float64], other: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Return the pairs of boxes of two lists that share an area, by the first's order, and the box of each area."""
    boxes, others = (shapely.box(e[:, 0], e[:, 1], e[:, 2], e[:, 3]) for e in (one, other))
    first, second = shapely.STRtree(others).query(boxes)
    south_west = np.maximum(one[first, :2], other[second, :2])
    north_east = np.minimum(one[first, 2:], other[second, 2:])
    kept = (south_west < north_east).all(axis=1)  # an edge is no area
    return first[kept], second[kept], np.hstack((south_west, north_east))[kept]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
