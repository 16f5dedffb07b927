"""Compare where heights are given with where imagery is answered: heights of other ground are a mistake, not a lack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsge.errors import RasterError
from ocsge.segment.tiling import common_window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsge.grid import Window
    from ocsge.segment.imagery import Imagery

NAMED = 3
"""Tiles named in a message; the others are counted."""


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
    answered = [
        (tile.path.name, part)
        for tile in imagery.mosaics[0].tiles
        for window in windows
        if (part := common_window(tile.window, window)) is not None
    ]
    lacking: dict[str, list[str]] = {}
    for heights in imagery.altitudes:
        unmet = [name for name, part in answered if not heights.meets(imagery.grid.bounds_of(part))]
        if unmet and len(unmet) == len(answered):
            bounds = [imagery.grid.bounds_of(part) for _, part in answered]
            xmin, ymin = (min(one[side] for one in bounds) for side in (0, 1))
            xmax, ymax = (max(one[side] for one in bounds) for side in (2, 3))
            raise RasterError(
                f"{heights.tiles[0].path}: --{heights.kind} ({len(heights.tiles)} file(s)) meets none of the imagery, "
                f"which lies within ({xmin:.0f}, {ymin:.0f}, {xmax:.0f}, {ymax:.0f}) of EPSG:{imagery.grid.epsg}; give "
                "the heights of its ground"
            )
        if unmet:
            lacking[heights.kind] = list(dict.fromkeys(unmet))
    return "; ".join(
        f"--{kind} meets nothing of {len(names)} tile(s) of imagery ({_listed(names)}): the network is given the mean "
        "there, and knows no height; give the heights of that ground"
        for kind, names in lacking.items()
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
