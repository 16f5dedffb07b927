"""Vector tiles of a commune of very many polygons: what a browser cannot hold at once, it asks for piece by piece.

They are cut from the map file of the commune, so a tile and the file show the same shapes and properties. A file is
read once, by the first tile asked of it, into a database in memory; that of the file shown least recently is dropped.
"""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from ocsge.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb
    from numpy.typing import NDArray

    from app.results import Results

TILES_FROM = 50_000
"""Polygons from which a commune is shown by tiles: beyond, GeoJSON takes hundreds of megabytes in a browser."""
MAX_ZOOM = 17
"""Deepest tiles; a map that is closer in stretches them. A unit of theirs is then 0.07 m on the ground."""
LAYER = "carte"
"""Name of the only layer of a tile."""
_EXTENT = 4096
_BUFFER = 64
_UNITS_A_PIXEL = 8
_CIRCUMFERENCE_M = 40_075_016.685578488
_KEPT = 4
"""Map files whose shapes stay in memory: two years and what changed between them, and a neighbour."""
_MEMORY = "1GB"
"""What the shapes of one map file may take; beyond, DuckDB writes to the temporary folder of the system."""
_CHOOSING = Lock()
_FEATURE, _GEOMETRY = '{"type":"Feature","properties":', ',"geometry":'
"""What stands before the properties and the geometry in the line of a feature of a map file."""

_LOAD_SQL = """
CREATE TABLE map AS
SELECT * EXCLUDE (wkb), ST_GeomFromWKB(wkb) AS shape FROM shapes
"""
_TILE_SQL = """
WITH cut AS (
    SELECT map.* EXCLUDE (shape, xmin, ymin, xmax, ymax),
        ST_AsMVTGeom(ST_SimplifyPreserveTopology(shape, $tolerance), {frame}, {extent}, {buffer}, true) AS shape
    FROM map
    WHERE xmax >= $xmin AND xmin <= $xmax AND ymax >= $ymin AND ymin <= $ymax
)
SELECT ST_AsMVT(cut, '{layer}', {extent}, 'shape') FROM cut WHERE shape IS NOT NULL
"""


def tiles_url(results: Results, commune: str, when: str) -> str:
    """Return the template of the addresses of the tiles of a commune at ``2022`` or over ``2019-2022``."""
    return f"/tuiles/{results.id}/{commune}/{when}/{{z}}/{{x}}/{{y}}.mvt"


def needs_tiles(results: Results, commune: str, when: str) -> bool:
    """Return whether the map of a commune has too many polygons for a browser to hold them at once."""
    return results.shape_count(commune, when) > TILES_FROM


def tile(path: Path, z: int, x: int, y: int) -> bytes:
    """Return the tile of a map file at a place of the Web Mercator pyramid, empty where the file shows nothing.

    Shapes lose what is smaller than half a pixel of the screen, each by itself: neighbours may part by as much.

    Raises
    ------
    DataError
        When the map file cannot be read: removed meanwhile with its version, or cut.
    """
    import duckdb  # noqa: PLC0415  (needed for tiles only)

    with _CHOOSING:
        shelf = _shelf(path)
    try:
        with shelf.loading:  # the tiles of a first view come together: one of them loads, the others of the file wait
            if shelf.shapes is None:
                shelf.shapes = _loaded(path)
            connection = shelf.shapes
    except (OSError, EOFError, zlib.error, ValueError, duckdb.Error) as error:
        raise DataError(f"{path}: cannot be read ({type(error).__name__}); read the current version again") from error
    side_m = _CIRCUMFERENCE_M / 2**z
    unit_m = side_m / _EXTENT
    xmin, ymax = x * side_m - _CIRCUMFERENCE_M / 2, _CIRCUMFERENCE_M / 2 - y * side_m
    xmax, ymin = xmin + side_m, ymax - side_m
    margin = _BUFFER * unit_m
    given = {
        "xmin": xmin - margin,
        "ymin": ymin - margin,
        "xmax": xmax + margin,
        "ymax": ymax + margin,
        "tolerance": unit_m * _UNITS_A_PIXEL / 2,
    }
    frame = f"ST_Extent(ST_MakeEnvelope({xmin!r}, {ymin!r}, {xmax!r}, {ymax!r}))"  # must stand in the text
    asked = _TILE_SQL.format(frame=frame, extent=_EXTENT, buffer=_BUFFER, layer=LAYER)
    try:
        with connection.cursor() as cursor:
            row = cursor.execute(asked, given).fetchone()
    except duckdb.Error as error:
        raise DataError(f"{path}: no tile could be cut of it ({str(error).splitlines()[0]})") from error
    return bytes(row[0]) if row and row[0] is not None else b""


@dataclass(slots=True)
class _Shelf:
    """Place of the shapes of one map file."""

    loading: Lock = field(default_factory=Lock)
    """Held by who reads the file."""
    shapes: duckdb.DuckDBPyConnection | None = None
    """None until the file is read."""


@lru_cache(maxsize=_KEPT)
def _shelf(path: Path) -> _Shelf:  # noqa: ARG001  (what the cache tells places by)
    return _Shelf()


def _loaded(path: Path) -> duckdb.DuckDBPyConnection:
    """Return a database that holds the shapes of a map file in Web Mercator, with their bounds."""
    import pyarrow as pa  # noqa: PLC0415  (needed for tiles only)
    import shapely  # noqa: PLC0415

    from ocsge.pixel_sums import confine, open_duckdb  # noqa: PLC0415
    from ocsge.sql import load_spatial  # noqa: PLC0415

    text = gzip.decompress(path.read_bytes()).decode()
    if not text:  # no bytes at all are gzip too, of a text that no map file has
        raise EOFError(path.name)
    lines = text.split("\n")
    parts = [line.removesuffix(",").rpartition(_GEOMETRY) for line in lines if line.startswith(_FEATURE)]
    properties = [json.loads(before.removeprefix(_FEATURE)) for before, _, _ in parts]
    degrees = shapely.from_geojson(np.array([after.removesuffix("}") for _, _, after in parts], dtype=object))
    shapes = shapely.transform(degrees, _web_mercator)
    columns = {name: pa.array([row[name] for row in properties]) for name in (properties or [{"id": ""}])[0]}
    columns["wkb"] = pa.array(shapely.to_wkb(shapes).tolist(), pa.binary())
    for place, name in enumerate(("xmin", "ymin", "xmax", "ymax")):
        columns[name] = pa.array(shapely.bounds(shapes).reshape(-1, 4)[:, place])
    connection = open_duckdb()
    connection.execute(f"SET memory_limit = '{_MEMORY}'")
    load_spatial(connection)
    connection.register("shapes", pa.table(columns))
    connection.execute(_LOAD_SQL)
    connection.unregister("shapes")
    confine(connection)
    return connection


def _web_mercator(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return longitudes and latitudes as metres of the Web Mercator projection (EPSG:3857)."""
    radius_m = _CIRCUMFERENCE_M / (2 * np.pi)
    longitude, latitude = np.radians(degrees).T
    return np.column_stack([radius_m * longitude, radius_m * np.arcsinh(np.tan(latitude))])
