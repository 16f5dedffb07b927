"""The usual ways to cross a cover raster with land-use layers, measured on one scene.

``python -m benchmarks.peers SCENE_FOLDER [RESULT.json]`` runs each in a process of its own and prints a
table. All start from the same files, with the same simplified legend (`COVERS`, `usage_layers`), and none
applies the thresholds of OCS GE in full: that they cannot is what the comparison shows. Their outputs
count the polygons that are invalid and those under the minimum area.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import rasterio
import shapely
from rasterio import features

from benchmarks.measure import Measurement, measured
from benchmarks.scene import Scene, open_scene

if TYPE_CHECKING:
    from numpy.typing import NDArray

COVERS = np.array([0, 1, 3, 2, 2, 4, 5, 6, 8, 7, 10, 11, 12, 12, 12, 1], dtype=np.uint8)
"""CoSIA class → cover 1..12: built, sealed, mineral, bare, water, snow, broadleaf, conifer, shrub, vine,
herbaceous."""
BUILT, PER_COVER = 1, 32
MINIMUM_BUILT_M2, MINIMUM_M2 = 200.0, 500.0
"""Areas under which a polygon counts as too small: the lowest minimum that applies to each, so the count
is lenient."""
SIEVE_M2 = 500.0
ROAD_WIDTH_M = {"1": 14.0, "2": 10.0, "3": 7.0, "4": 5.5, "5": 4.5}
BUILDING_USAGES = {"Agricole": 1, "Industriel": 2, "Commercial et services": 3, "Résidentiel": 5, "Annexe": 5}


@dataclass(frozen=True, slots=True)
class PeerResult:
    """What a peer made of the scene."""

    polygons: int
    """Polygons written."""

    invalid: int
    """Polygons that are not valid."""

    too_small: int
    """Polygons under the minimum area: 200 m² for built cover, 500 m² for the others."""

    area_km2: float
    """Sum of the areas, km²: not the area of the scene where polygons overlap or leave gaps."""


def usage_layers(scene: Scene) -> gpd.GeoDataFrame:
    """Return the land-use polygons of a scene, columns ``usage`` (1..20) and geometry, the last winning."""
    read = {name: pyogrio.read_dataframe(scene.vectors, layer=name) for name, _ in pyogrio.list_layers(scene.vectors)}
    read["rpg"] = pyogrio.read_dataframe(scene.rpg, layer="parcelles_graphiques")
    roads, rail = read["troncon_de_route"], read["troncon_de_voie_ferree"]
    roads = roads[roads["nature"] == "Route à 1 chaussée"]
    width = roads["largeur_de_chaussee"].fillna(roads["importance"].map(ROAD_WIDTH_M)).clip(lower=5.0)
    zones = read["zone_d_activite_ou_d_interet"]
    zones = zones[~zones["fictif"].astype(bool)]
    buildings = read["batiment"]
    woods = read["zone_de_vegetation"]
    parts = [
        (woods.geometry[woods["nature"].str.startswith("Forêt")], 6),
        (read["rpg"].geometry, 1),
        (read["terrain_de_sport"].geometry, 3),
        (read["cimetiere"].geometry, 3),
        (zones.geometry, np.where(zones["nature"].eq("Zone industrielle"), 2, 3)),
        (buildings.geometry, buildings["usage_1"].map(BUILDING_USAGES).fillna(7).to_numpy()),
        (roads.geometry.buffer(width / 2, cap_style="flat"), 4),
        (rail.geometry.buffer(5.0, cap_style="flat"), 8),
    ]
    frames = [gpd.GeoDataFrame({"usage": np.broadcast_to(u, len(g)), "geometry": g.to_numpy()}) for g, u in parts]
    layers = pd.concat(frames, ignore_index=True)
    layers["usage"] = layers["usage"].astype("int64")
    layers["geometry"] = shapely.intersection(layers.geometry.to_numpy(), shapely.box(*scene.bounds))
    layers = layers[shapely.area(layers.geometry.to_numpy()) > 0].reset_index(drop=True)
    return gpd.GeoDataFrame(layers, geometry="geometry", crs=scene.epsg)


def _read_covers(scene: Scene) -> tuple[NDArray[np.uint8], rasterio.Affine]:
    with rasterio.open(scene.rasters[0]) as source:
        return COVERS[source.read(1)], source.transform


def _polygonise(keys: NDArray[Any], transform: rasterio.Affine) -> gpd.GeoDataFrame:
    rows = [(shapely.geometry.shape(g), int(v)) for g, v in features.shapes(keys, transform=transform, connectivity=4)]
    geometry, key = zip(*rows, strict=True)
    return gpd.GeoDataFrame({"key": key}, geometry=list(geometry))


def _result(geometry: NDArray[np.object_], cover: NDArray[np.int64]) -> PeerResult:
    area = shapely.area(geometry)
    small = area < np.where(cover == BUILT, MINIMUM_BUILT_M2, MINIMUM_M2)
    invalid = int((~shapely.is_valid(geometry)).sum())
    return PeerResult(len(geometry), invalid, int(small.sum()), float(area.sum() / 1e6))


def gdal_sieve(folder: Path) -> PeerResult:
    """Burn the layers, sieve the crossed raster at one threshold, polygonise, simplify the coverage."""
    scene = open_scene(folder)
    covers, transform = _read_covers(scene)
    layers = usage_layers(scene)
    usages = features.rasterize(
        zip(layers.geometry, layers["usage"], strict=True),
        out_shape=covers.shape,
        transform=transform,
        dtype="uint8",
    )
    keys = covers.astype(np.int16) * PER_COVER + usages
    pixels = round(SIEVE_M2 / abs(transform.a * transform.e))
    table = _polygonise(features.sieve(keys, pixels, connectivity=4), transform)
    geometry = shapely.coverage_simplify(table.geometry.to_numpy(), 0.5)
    return _result(geometry, table["key"].to_numpy() // PER_COVER)


def _flattened(layers: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return the usages without overlap, one row a usage, the later rows of the layers winning."""
    taken, rows = shapely.Polygon(), []
    for start in reversed(_stretches(layers["usage"].to_numpy())):
        merged = shapely.union_all(layers.geometry.to_numpy()[slice(*start)])
        rows.append((int(layers["usage"].iloc[start[0]]), shapely.difference(merged, taken)))
        taken = shapely.union(taken, merged)
    usage, geometry = zip(*rows, strict=True)
    return gpd.GeoDataFrame({"usage": usage}, geometry=list(geometry), crs=layers.crs).explode(ignore_index=True)


def _stretches(values: NDArray[np.int64]) -> list[tuple[int, int]]:
    cuts = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    return list(itertools.pairwise(cuts))


def _eliminated(table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return a coverage after one pass of merging each small polygon with the neighbour of the longest
    common border."""
    geometry, cover = table.geometry.to_numpy(), (table["key"] // PER_COVER).to_numpy()
    small = np.flatnonzero(shapely.area(geometry) < np.where(cover == BUILT, MINIMUM_BUILT_M2, MINIMUM_M2))
    left, right = shapely.STRtree(geometry).query(geometry[small], predicate="intersects")
    left = small[left]
    left, right = left[left != right], right[left != right]
    shared = shapely.length(shapely.intersection(shapely.boundary(geometry[left]), shapely.boundary(geometry[right])))
    pairs = pd.DataFrame({"left": left, "right": right, "shared": shared})
    best = pairs[pairs["shared"] > 0].sort_values(["left", "shared", "right"]).groupby("left")["right"].last()
    target = np.arange(len(table))
    target[best.index.to_numpy()] = best.to_numpy()
    merged = gpd.GeoDataFrame({"key": table["key"].to_numpy()[target], "target": target}, geometry=geometry)
    return merged.dissolve(by="target").explode(ignore_index=True)


def geopandas_overlay(folder: Path) -> PeerResult:
    """Polygonise the covers, overlay the usages, dissolve by pair, merge the small polygons once."""
    scene = open_scene(folder)
    covers, transform = _read_covers(scene)
    ground = _polygonise(covers, transform).set_crs(scene.epsg)
    crossed = gpd.overlay(ground, _flattened(usage_layers(scene)), how="union", keep_geom_type=True)
    crossed["key"] = crossed["key"].fillna(0).astype("int64") * PER_COVER + crossed["usage"].fillna(0).astype("int64")
    parts = crossed[["key", "geometry"]].dissolve(by="key").explode().reset_index()
    final = _eliminated(parts)
    return _result(final.geometry.to_numpy(), (final["key"] // PER_COVER).to_numpy())


def _spatial_connection() -> duckdb.DuckDBPyConnection:
    """Return a connection with the spatial extension that the environment holds: nothing is downloaded."""
    found = sorted(Path(str(resources.files("duckdb_extension_spatial"))).rglob("spatial.duckdb_extension"))
    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"LOAD '{found[-1]}'")
    return connection


def duckdb_spatial(folder: Path) -> PeerResult:
    """Polygonise the covers, intersect with the usages and union by pair in DuckDB; no minimum areas at
    all."""
    scene = open_scene(folder)
    covers, transform = _read_covers(scene)
    ground, usages = _polygonise(covers, transform), _flattened(usage_layers(scene))
    connection = _spatial_connection()
    for name, frame, column in (("ground", ground, "key"), ("usages", usages, "usage")):
        table = pd.DataFrame({"k": frame[column], "wkb": shapely.to_wkb(frame.geometry.to_numpy())})
        connection.register("incoming", table)
        connection.execute(f"CREATE TABLE {name} AS SELECT k, ST_GeomFromWKB(wkb) AS g FROM incoming")  # noqa: S608
    rows = connection.execute(
        f"""
        WITH crossed AS (
            SELECT a.k * {PER_COVER} + b.k AS k, ST_Intersection(a.g, b.g) AS g
            FROM ground a JOIN usages b ON ST_Intersects(a.g, b.g)
        ), taken AS (SELECT ST_Union_Agg(g) AS g FROM usages),
        rest AS (SELECT a.k * {PER_COVER} AS k, ST_Difference(a.g, t.g) AS g FROM ground a, taken t),
        merged AS (SELECT k, ST_Union_Agg(g) AS g FROM (FROM crossed UNION ALL FROM rest) GROUP BY k),
        parts AS (SELECT k, UNNEST(ST_Dump(g)).geom AS g FROM merged)
        SELECT k, ST_AsWKB(g) FROM parts WHERE ST_Area(g) > 0 ORDER BY k
        """  # noqa: S608  (numbers of this file, no text from outside)
    ).fetchnumpy()
    keys, wkb = rows.values()
    geometry = shapely.from_wkb(np.array([bytes(w) for w in wkb], dtype=object))
    return _result(geometry, np.asarray(keys) // PER_COVER)


def decode_floor(folder: Path) -> float:
    """Return the seconds to decode every pixel of the raster with rasterio, by strips of 512 rows: nothing
    can be faster."""
    start = time.perf_counter()
    for path in open_scene(folder).rasters:
        with rasterio.open(path) as source:
            for top in range(0, source.height, 512):
                source.read(1, window=((top, min(top + 512, source.height)), (0, source.width)))
    return time.perf_counter() - start


PEERS = {
    "GDAL sieve + polygonise": gdal_sieve,
    "DuckDB spatial": duckdb_spatial,
    "geopandas overlay": geopandas_overlay,
}
"""Peers by name, quickest first."""


def measure_peers(folder: Path) -> dict[str, Measurement]:
    """Return what each peer cost on the scene of a folder, one after the other."""
    return {name: measured(peer, folder) for name, peer in PEERS.items()}


def main(argv: list[str]) -> None:
    """Print the table of the peers, and write it as JSON when a second path is given."""
    folder = Path(argv[0])
    area = open_scene(folder).area_km2
    floor = measured(decode_floor, folder).result / area
    print(f"decoding {floor:.3f} s/km²")
    columns = ("peer", "s/km²", "processor s/km²", "peak MB", "polygons", "invalid", "too small", "km²")
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
    found = measure_peers(folder)
    for name, m in found.items():
        r = m.result
        cost = f"{m.wall_s / area:.1f} | {m.cpu_s / area:.1f} | {m.peak_rss_mb:.0f}"
        print(f"| {name} | {cost} | {r.polygons} | {r.invalid} | {r.too_small} | {r.area_km2:.4f} |")
    if len(argv) > 1:
        report = {
            "area_km2": area,
            "decode_s_per_km2": floor,
            "peers": {k: asdict(m) for k, m in found.items()},
        }
        Path(argv[1]).write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
