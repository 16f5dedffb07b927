"""Say where things lie, in degrees: a commune, and the one polygon that a page explains."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from pyproj import CRS, Transformer

from ocsge.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

Bounds = tuple[float, float, float, float]
"""West, south, east, north, degrees."""

_DEGREES = 4326
_MOST_POINTS, _OUTLINE_POINTS = 500, 250
_DECIMALS = 6
_OUTLINE_TOLERANCES = tuple(2.0**power * 1e-5 for power in range(12))
"""Degrees, from about a metre on."""


@dataclass(frozen=True, slots=True)
class Place:
    """A polygon on the map."""

    bounds: Bounds
    """Its extent, exact."""

    outline: dict[str, Any]
    """GeoJSON geometry for a highlight: some hundreds of points, without holes where that is not enough."""


def bounds_of(path: Path) -> Bounds:
    """Return the extent of a GeoParquet file, degrees, from what it says of itself: no row is read.

    Raises
    ------
    DataError
        When the file cannot be read: removed meanwhile with its version, or cut.
    """
    about = _about(path)
    west, south, east, north = about["bbox"]
    return _extent(_in_degrees(shapely.box(west, south, east, north), about["crs"]))


def place_of(path: Path, polygon_id: str) -> Place | None:
    """Return where a polygon of a GeoParquet file lies; None when the file has none of that id.

    Raises
    ------
    DataError
        As :func:`bounds_of`.
    """
    about = _about(path)
    try:
        rows = pq.read_table(path, columns=["geometry"], filters=[("id", "==", polygon_id)])
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error
    if rows.num_rows == 0:
        return None
    shape = shapely.from_wkb(rows["geometry"][0].as_py())
    outline = _in_degrees(_simple(shape), about["crs"])
    rounded = shapely.transform(outline, lambda points: points.round(_DECIMALS))
    return Place(bounds=_extent(_in_degrees(shape, about["crs"])), outline=json.loads(shapely.to_geojson(rounded)))


def commune_outline(path: Path, commune: str) -> dict[str, Any] | None:
    """Return the limit of a commune from the map file of all of them, in some hundreds of points, as GeoJSON.

    None when the file does not hold the commune.

    Raises
    ------
    DataError
        When the file cannot be read: removed meanwhile with its version, or cut.
    """
    try:
        with gzip.open(path) as stream:
            features = json.load(stream)["features"]
    except (OSError, EOFError, zlib.error, ValueError, KeyError) as error:
        raise _unreadable(path, error) from error
    found = next((one["geometry"] for one in features if one["properties"]["code"] == commune), None)
    if found is None:
        return None
    shape = shapely.from_geojson(json.dumps(found))
    for tolerance in _OUTLINE_TOLERANCES:
        drawn = shapely.simplify(shape, tolerance)
        if shapely.get_num_coordinates(drawn) <= _OUTLINE_POINTS:
            break
    outline: dict[str, Any] = json.loads(shapely.to_geojson(drawn))
    return outline


def _about(path: Path) -> dict[str, Any]:
    try:
        described: dict[str, Any] = json.loads(pq.read_schema(path).metadata[b"geo"])["columns"]["geometry"]
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error
    return described


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: cannot be read ({type(error).__name__}); read the current version again")


def _simple(shape: shapely.Geometry) -> shapely.Geometry:
    """Return the shape in some hundreds of points: simplified, then without its holes, the first limits to go."""
    whole = shapely.get_exterior_ring(shape)  # None of what is no polygon
    for drawn in (shape, shape if whole is None else shapely.polygons(whole)):
        for tolerance_m in (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0):
            simple = shapely.simplify(drawn, tolerance_m)
            if shapely.get_num_coordinates(simple) <= _MOST_POINTS:
                return simple
    return shapely.convex_hull(shape)


def _in_degrees(shape: shapely.Geometry, crs: dict[str, Any]) -> shapely.Geometry:
    to_degrees = Transformer.from_crs(CRS.from_json_dict(crs), _DEGREES, always_xy=True)

    def moved(points: NDArray[Any]) -> NDArray[Any]:
        return np.column_stack(to_degrees.transform(points[:, 0], points[:, 1]))

    return shapely.transform(shape, moved)


def _extent(shape: shapely.Geometry) -> Bounds:
    west, south, east, north = (float(side) for side in shapely.bounds(shape))
    return west, south, east, north
