"""Small deliveries made by code, one fault each, for the tests of the readers."""

from __future__ import annotations

import sqlite3
import struct
from typing import TYPE_CHECKING

import geopandas as gpd
import pyogrio
import shapely

if TYPE_CHECKING:
    from pathlib import Path

HERE = (664000.0, 6360000.0)
"""A point of Olemps in EPSG:2154."""


def square(x: float = 0.0, y: float = 0.0, side: float = 10.0) -> shapely.Polygon:
    return shapely.box(HERE[0] + x, HERE[1] + y, HERE[0] + x + side, HERE[1] + y + side)


def bow_tie() -> shapely.Polygon:
    """Two triangles of 25 m² that meet at a point: 50 m², but a signed area of 0."""
    x, y = HERE
    return shapely.Polygon([(x, y), (x + 10, y + 10), (x + 10, y), (x, y + 10)])


def buildings(geometries: list[shapely.Geometry | None], **columns: object) -> gpd.GeoDataFrame:
    count = len(geometries)
    values = {
        "cleabs": [f"BATIMENT{number:016d}" for number in range(count)],
        "nature": ["Indifférenciée"] * count,
        "usage_1": ["Résidentiel"] * count,
        **columns,
    }
    return gpd.GeoDataFrame(values, geometry=geometries, crs=2154)


def vegetation(natures: list[str]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"NATURE": natures}, geometry=[square(20.0 * n) for n in range(len(natures))], crs=2154)


def communes(codes: list[str], **columns: object) -> gpd.GeoDataFrame:
    values = {"INSEE_COM": codes, "NOM": [f"Commune {code}" for code in codes], **columns}
    return gpd.GeoDataFrame(values, geometry=[square(100.0 * n, side=100.0) for n in range(len(codes))], crs=2154)


def write_gpkg(path: Path, **layers: gpd.GeoDataFrame) -> Path:
    for name, frame in layers.items():
        pyogrio.write_dataframe(frame, path, layer=name, driver="GPKG", append=path.exists())
    return path


def write_shapefile(path: Path, frame: gpd.GeoDataFrame, *, encoding: str = "UTF-8", cpg: bool = False) -> Path:
    pyogrio.write_dataframe(frame, path, encoding=encoding)
    if not cpg:
        path.with_suffix(".cpg").unlink(missing_ok=True)
    return path


def cut_in_half(path: Path) -> Path:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def add_raw_geometry(path: Path, layer: str, wkb: bytes | None, **columns: object) -> None:
    """Insert a row whose geometry no writer would let through."""
    names = ["geom", *columns]
    header = b"GP\x00\x01" + struct.pack("<i", 2154)
    values = [None if wkb is None else header + wkb, *columns.values()]
    with sqlite3.connect(path) as connection:
        triggers = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'rtree%'"
        ).fetchall()
        for (name,) in triggers:
            connection.execute(f'DROP TRIGGER "{name}"')  # the index triggers call functions that only GDAL has
        places = ", ".join("?" for _ in names)
        connection.execute(f'INSERT INTO "{layer}" ({", ".join(names)}) VALUES ({places})', values)  # noqa: S608
        connection.execute("DELETE FROM gpkg_extensions WHERE extension_name = 'gpkg_rtree_index'")
    connection.close()


def circle_wkb(x: float, y: float, radius: float) -> bytes:
    """A curve polygon: one circular string of five points."""
    points = [(x - radius, y), (x, y + radius), (x + radius, y), (x, y - radius), (x - radius, y)]
    ring = struct.pack("<BII", 1, 8, 5) + b"".join(struct.pack("<2d", *point) for point in points)
    return struct.pack("<BII", 1, 10, 1) + ring


def open_ring_wkb(x: float, y: float, side: float) -> bytes:
    """A polygon whose ring lacks its closing point."""
    points = [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
    return struct.pack("<BII", 1, 3, 1) + struct.pack("<I", 4) + b"".join(struct.pack("<2d", *p) for p in points)


def measured_wkb(x: float, y: float, side: float) -> bytes:
    """A polygon with an M value at each point."""
    points = [(x, y, 5.0), (x + side, y, 5.0), (x + side, y + side, 5.0), (x, y, 5.0)]
    return struct.pack("<BII", 1, 2003, 1) + struct.pack("<I", 4) + b"".join(struct.pack("<3d", *p) for p in points)
