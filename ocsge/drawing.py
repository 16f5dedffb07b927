"""Draw labelled pixels of a domain as polygons of its territory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import shapely

from ocsge.regions.polygons import trace_polygons
from ocsge.regions.runs import Runs, joined

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ocsge.domain import Domain
    from ocsge.rules import Rules

HALO_PX = 4
"""Pixels looked at around the territory: a corner depends on the four pixels around it."""


def draw(
    runs: Runs, label: NDArray[np.int32], *, wanted: NDArray[np.bool_], domain: Domain, rules: Rules
) -> NDArray[np.object_]:
    """Return the polygons of the labels wanted, null for the others, CRS of the domain's grid.

    Only the bounds of the territory and a halo are looked at: an arc lies on the border of its label, and what is in
    the way of its simplification lies between its points.

    Parameters
    ----------
    runs
        Runs of the whole domain; their values are not looked at.
    label
        (runs,) label of each run, −1 outside.
    wanted
        (labels,) those to draw; all lie in the territory.
    domain
        Grid, window and territory.
    rules
        Give the tolerance of simplification.
    """
    bounds = tuple(shapely.bounds(domain.territory).tolist())
    window = domain.grid.window_of(bounds).grown(HALO_PX, within=domain.window)
    labels = Runs(row_ptr=runs.row_ptr, start=runs.start, value=label.view("uint32"), width=runs.width)
    near = joined([(domain.window, labels)], window=window)
    return trace_polygons(
        near.row_ptr,
        near.start,
        near.value.view("int32"),
        wanted=wanted,
        grid=domain.grid,
        window=window,
        tolerance_px=rules.simplification["tolerance_m"] * domain.grid.pixels_per_m,
    )
