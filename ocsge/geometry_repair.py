"""Repair geometries, and count what was repaired and by how much it moved areas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import shapely

from ocsge.errors import GeometryError, LayerError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ocsge.catalog_schema import GeometryKind

Invalid = Literal["repair", "stop"]

_DIMENSION = {"point": 0, "line": 1, "polygon": 2}
_POLYGONS, _COLLECTION = (3, 6), 7


@dataclass(frozen=True, slots=True)
class Repaired:
    """Geometries after repair, with the counts."""

    geometries: NDArray[np.object_]
    """2D, valid, of the kind asked for; null where nothing of that kind is left."""

    repaired: int
    """Number of geometries that were invalid."""

    area_change_m2: float
    """Sum of the absolute changes of area of the repaired geometries, m²."""

    other_kind: int
    """Number of geometries without any part of the kind asked for, now null."""


def _parts_of_kind(geometry: shapely.Geometry, dimension: int) -> shapely.Geometry | None:
    parts = [
        part for part in shapely.get_parts(geometry) if shapely.get_dimensions(part) == dimension and not part.is_empty
    ]
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else shapely.union_all(parts)


def polygonal(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return the polygons of geometries, without the lines and points that an intersection may leave."""
    result = geometries.copy()
    for n in np.flatnonzero(~np.isin(shapely.get_type_id(geometries), _POLYGONS)):
        result[n] = _parts_of_kind(geometries[n], _DIMENSION["polygon"]) or shapely.MultiPolygon()
    return result


def repair(
    geometries: NDArray[np.object_],
    *,
    kind: GeometryKind,
    invalid: Invalid,
    where: str,
    names: NDArray[np.object_],
) -> Repaired:
    """Return valid geometries of one kind, and what it took, in m².

    Invalid polygons go through ``make_valid`` by structure: a bow-tie keeps both wings, where ``buffer(0)``
    loses one.

    Parameters
    ----------
    geometries
        Geometries, neither null nor empty, in a projected CRS, metres.
    kind
        Kind of the layer; parts of another dimension are dropped.
    invalid
        ``stop`` refuses the first invalid geometry.
    where
        File and layer, for messages.
    names
        One identifier a geometry, for messages.

    Raises
    ------
    GeometryError
        When ``invalid`` is ``stop`` and a geometry is invalid.
    LayerError
        When the layer has geometries, and none of the kind asked for.
    """
    flat = shapely.force_2d(geometries)
    wrong = ~shapely.is_valid(flat)
    if invalid == "stop" and wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise GeometryError(
            f"{where} feature {names[first]}: {shapely.is_valid_reason(flat[first])} "
            f"({int(wrong.sum())} invalid in all); correct it or allow repairs"
        )
    result = flat.copy()
    if wrong.any():
        result[wrong] = shapely.make_valid(flat[wrong], method="structure", keep_collapsed=False)
    change = float(np.abs(shapely.area(result[wrong]) - shapely.area(flat[wrong])).sum())
    result, other_kind = _of_kind(result, kind=kind, where=where)
    return Repaired(geometries=result, repaired=int(wrong.sum()), area_change_m2=change, other_kind=other_kind)


def _of_kind(geometries: NDArray[np.object_], *, kind: GeometryKind, where: str) -> tuple[NDArray[np.object_], int]:
    if kind == "none" or not len(geometries):
        return geometries, 0
    dimension = _DIMENSION[kind]
    types, dimensions = shapely.get_type_id(geometries), shapely.get_dimensions(geometries)
    result = geometries.copy()
    for position in np.flatnonzero((types == _COLLECTION) | (dimensions != dimension)):
        result[position] = _parts_of_kind(geometries[position], dimension)
    lost = shapely.is_missing(result) & ~shapely.is_empty(geometries)
    if lost.all():
        found = shapely.get_parts(geometries[:1])[0].geom_type
        raise LayerError(f"{where}: holds {found} geometries where {kind}s are expected; is it the right layer?")
    return result, int(lost.sum())
