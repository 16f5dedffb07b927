"""The ground that a layer's features cover: polygons as they are, axes by their widths.

Used by ``covers`` and ``usage``, so that a road's cover and its usage fall on the same pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import shapely

if TYPE_CHECKING:
    import geopandas as gpd
    from numpy.typing import NDArray

    from ocsge.rules import Rules

_ARC_SEGMENTS = 4
"""Segments of a quarter circle in a widened outline: within 2 cm of the arc at 1 m, 50 cm at 25 m."""


class FootprintRule(Protocol):
    """What a layer rule says of the ground its features cover."""

    @property
    def geometry_op(self) -> str:
        """``axis`` for lines with a width; anything else for polygons."""

    @property
    def width(self) -> str | None:
        """``largeur`` for roads, ``voies`` for rail."""

    @property
    def minimum_width_m(self) -> float | None:
        """Narrower ground is left out, metres."""

    @property
    def minimum_area_m2(self) -> float | None:
        """Smaller ground is left out, m²."""


def footprints(
    frame: gpd.GeoDataFrame, rule: FootprintRule, rules: Rules, *, reach_m: float = 0.0
) -> NDArray[np.object_]:
    """Return the polygons that the features of a layer rule cover, CRS of ``frame``.

    Parameters
    ----------
    frame
        Features the rule's filter kept; lines for ``axis`` rules, with ``largeur_de_chaussee`` (m, null when unknown)
        and ``importance`` for roads, ``nombre_de_voies`` for rail.
    rule
        A row of ``layer_covers`` or ``layer_usages``.
    rules
        Gives the widths of ``rules/network_width_m.csv``.
    reach_m
        Distance by which the ground is widened, metres.

    Returns
    -------
    ndarray of Polygon and MultiPolygon
        Nothing empty. Axes have flat ends, so a road does not run past its last vertex.

    Notes
    -----
    A network narrower than the minimum width is left out (OCS GE: 5 m); a polygon is opened by its minimum width,
    which removes its narrow parts and keeps the others, then parts below the minimum area go.
    """
    if len(frame) == 0:
        return np.empty(0, dtype=object)
    geometry = np.asarray(frame.geometry.values)
    if rule.geometry_op == "axis":
        ground = _axes(frame, geometry, rule, rules, reach_m)
    else:
        ground = _polygons(geometry, rule)
        if reach_m:
            ground = shapely.buffer(ground, reach_m, quad_segs=_ARC_SEGMENTS)
    kept: NDArray[np.object_] = ground[~(shapely.is_missing(ground) | shapely.is_empty(ground))]
    return kept


def _axes(
    frame: gpd.GeoDataFrame, geometry: NDArray[np.object_], rule: FootprintRule, rules: Rules, reach_m: float
) -> NDArray[np.object_]:
    width = axis_widths_m(frame, rule.width, rules)
    wide = width >= (rule.minimum_width_m or 0.0)
    drawn = np.maximum(width[wide], rules.network_width_m["minimum"])
    ground: NDArray[np.object_] = shapely.buffer(
        geometry[wide], drawn / 2 + reach_m, cap_style="flat", join_style="round", quad_segs=_ARC_SEGMENTS
    )
    return ground


def axis_widths_m(frame: gpd.GeoDataFrame, policy: str | None, rules: Rules) -> NDArray[np.float64]:
    """Return the width of each axis, metres.

    ``largeur``: the surveyed width, else the usual width of its importance. ``voies``: a width for each track, at
    least the rail minimum. Sources: ``rules/network_width_m.csv``.
    """
    widths = rules.network_width_m
    if policy == "voies":
        tracks = frame["nombre_de_voies"].to_numpy(dtype=np.float64, na_value=np.nan)
        width: NDArray[np.float64] = np.nan_to_num(tracks, nan=1.0) * widths["rail_per_track"]
        return np.maximum(width, widths["rail_minimum"])
    usual = {name.removeprefix("importance_"): value for name, value in widths.items() if "importance_" in name}
    surveyed = frame["largeur_de_chaussee"].to_numpy(dtype=np.float64, na_value=np.nan)
    by_importance = frame["importance"].astype("str").map(usual).to_numpy(dtype=np.float64, na_value=np.nan)
    known: NDArray[np.float64] = np.nan_to_num(np.where(surveyed > 0, surveyed, by_importance), nan=0.0)
    return known


def _polygons(geometry: NDArray[np.object_], rule: FootprintRule) -> NDArray[np.object_]:
    if rule.minimum_width_m:
        half = rule.minimum_width_m / 2
        eroded = shapely.buffer(geometry, -half, join_style="mitre")
        geometry = shapely.buffer(eroded, half, join_style="mitre")
    if rule.minimum_area_m2:
        if rule.minimum_width_m:
            geometry = shapely.get_parts(geometry)
        geometry = geometry[shapely.area(geometry) >= rule.minimum_area_m2]
    return geometry
