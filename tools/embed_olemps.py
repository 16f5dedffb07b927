"""Make ``data_catalog/embedded/olemps.gpkg`` from the two BD TOPO samples of Olemps.

    python tools/embed_olemps.py FOLDER

``FOLDER`` holds ``v3/`` (BD TOPO 3 of 2022, cut at the outline of the commune, its roads without attributes)
and ``v2/`` (BD TOPO 2.2 of the commune and its surroundings), as shapefiles. Version 2 is read into the
columns of version 3 by the catalogue itself. The result is the same byte for byte on every run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio
import shapely

from ocsge.catalog import Source, load_catalog, recognise
from ocsge.layers import read_layer

EPSG = 2154
SURROUNDINGS_M = 1100.0
"""Width of the ring of version 2 around the commune: the context the decree needs, and a margin."""

GRID_M = 0.01
"""Coordinates are rounded to the centimetre."""

SLIVER_M2 = 1.0
"""Smaller pieces left outside the outline by the cut are differences between editions, not objects."""

EDITION_3 = "BD TOPO 3 (2022)"
EDITION_2 = "BD TOPO 2.2"
TIMESTAMP = "2025-01-01T00:00:00.000Z"
WITHOUT_TABLE = "TRONCON_DE_ROUTE"
"""Layer of version 3 whose attribute table is missing from the sample: roads come from version 2."""

GEOMETRY_TYPES = {"polygon": "MultiPolygon", "line": "MultiLineString"}


def sources_of(folder: Path, *, without: str | None = None) -> list[Source]:
    """Return the recognised sources of a folder of shapefiles, leaving out those no product names."""
    catalog = load_catalog()
    names = [layer for product in catalog.products for layer in product.layers]
    files = [
        path
        for path in sorted(folder.glob("*.shp"))
        if path.stem != without and any(layer.is_named(path.stem) for layer in names)
    ]
    return [source for path in files for source in recognise(path)]


def number_of(cleabs: pd.Series) -> pd.Series:
    """Return the figures of IGN's identifiers: they stay when the prefix changes with the version."""
    return cleabs.str.extract(r"(\d{16})$", expand=False)


def whole_objects(inside: gpd.GeoDataFrame, around: gpd.GeoDataFrame, commune: shapely.Polygon) -> gpd.GeoDataFrame:
    """Return the objects of version 3 inside the commune and those of version 2 outside it, without overlap.

    Version 3 is cut at the outline. An object that version 2 holds too is made whole again with its part
    outside, and keeps the attributes of version 3; other parts outside stay objects of version 2.
    """
    outside = around[~shapely.covered_by(around.geometry.array, commune)].copy()
    outside["geometry"] = shapely.difference(outside.geometry.array, commune, grid_size=GRID_M)
    outside = outside[outside.area >= SLIVER_M2].explode(ignore_index=True)
    outside = outside[outside.area >= SLIVER_M2]
    rest = outside.dissolve(by="cleabs", as_index=False, sort=True)
    inside = inside.copy()
    inside["geometry"] = shapely.set_precision(inside.geometry.array, GRID_M)
    ours = pd.Series(inside.index, index=number_of(inside["cleabs"]))
    theirs = number_of(rest["cleabs"])
    straddling = theirs.isin(ours.index)
    for position in rest.index[straddling]:
        row = ours[theirs[position]]
        inside.loc[row, "geometry"] = shapely.union(inside.geometry[row], rest.geometry[position], grid_size=GRID_M)
    return gpd.GeoDataFrame(pd.concat([inside, rest[~straddling]], ignore_index=True), crs=EPSG)


def embedded_layer(layer: str, v3: list[Source], v2: list[Source], commune: shapely.Polygon) -> gpd.GeoDataFrame:
    """Return one layer of the embedded file, in the canonical columns."""
    ring = commune.buffer(SURROUNDINGS_M)
    inside = read_layer(v3, layer, bounds=None, epsg=EPSG, millesime=None).frame.assign(edition=EDITION_3)
    around = read_layer(v2, layer, bounds=None, epsg=EPSG, millesime=None).frame.assign(edition=EDITION_2)
    around = around[shapely.intersects(around.geometry.array, ring)]
    if load_catalog().geometry(layer) == "line":
        return around
    return whole_objects(inside, around, commune)


def tidy(frame: gpd.GeoDataFrame, layer: str) -> gpd.GeoDataFrame:
    """Return the layer as written: rounded coordinates, whole numbers as such, rows in a fixed order."""
    catalog = load_catalog()
    frame = frame[frame.geometry.notna()].copy()
    mode = "pointwise" if catalog.geometry(layer) == "line" else "valid_output"  # a line stays as it was drawn
    frame["geometry"] = shapely.set_precision(frame.geometry.array, GRID_M, mode=mode)
    frame["geometry"] = shapely.normalize(frame.geometry.array)
    for name, column in catalog.columns(layer).items():
        if column.type == "integer":
            frame[name] = frame[name].astype("Int64")
    key = "insee_com" if "insee_com" in frame else "cleabs"
    order = pd.Series(shapely.to_wkb(frame.geometry.array), index=frame.index).rename("_wkb")
    rows = frame.join(order).sort_values([key, "_wkb"], ignore_index=True)
    return rows.drop(columns="_wkb")


def write(frames: dict[str, gpd.GeoDataFrame], path: Path) -> None:
    """Write the layers into one GeoPackage whose bytes depend on the data alone."""
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": TIMESTAMP})
    path.unlink(missing_ok=True)
    catalog = load_catalog()
    for layer, frame in frames.items():
        pyogrio.write_dataframe(
            frame,
            path,
            layer=layer.split(":")[1],
            driver="GPKG",
            append=path.exists(),
            geometry_type=GEOMETRY_TYPES[catalog.geometry(layer)],
            promote_to_multi=True,
            layer_options={"SPATIAL_INDEX": "NO"},  # a third of a megabyte saved; scanning is as quick
        )


def list_shipped(index: Path, path: Path, *, communes: list[str], credit: str | None = None) -> None:
    """Write a shipped file, its communes and its digest into the index, in the place of what was said of it.

    A ``credit`` is that of a file which is no delivery of its product.
    """
    rows = json.loads(index.read_text(encoding="utf-8"))["files"] if index.is_file() else []
    name = path.relative_to(index.parent).as_posix()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    rows = [row for row in rows if row["file"] != name]
    rows.append({"file": name, "communes": communes, "sha256": digest} | ({"credit": credit} if credit else {}))
    rows.sort(key=lambda row: row["file"])
    index.write_text(json.dumps({"files": rows}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Read the folder given, write the GeoPackage and its index."""
    parser = argparse.ArgumentParser(description="Make data_catalog/embedded/olemps.gpkg")
    parser.add_argument("folder", type=Path, help="folder with v3/ and v2/")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).parents[1] / "data_catalog" / "embedded",
        help="folder to write into",
    )
    arguments = parser.parse_args()
    v3 = sources_of(arguments.folder / "v3", without=WITHOUT_TABLE)
    v2 = sources_of(arguments.folder / "v2")
    communes = read_layer(v3, "admin_express:commune", bounds=None, epsg=EPSG, millesime=None).frame
    commune = shapely.set_precision(communes.geometry.iloc[0], GRID_M)
    layers = sorted({source.layer for source in [*v3, *v2]} - {"admin_express:commune"})
    frames = {"admin_express:commune": tidy(communes.assign(edition=EDITION_3), "admin_express:commune")}
    frames |= {layer: tidy(embedded_layer(layer, v3, v2, commune), layer) for layer in layers}
    path = arguments.out / "olemps.gpkg"
    write(frames, path)
    list_shipped(arguments.out / "index.json", path, communes=sorted(communes["insee_com"]))


if __name__ == "__main__":
    main()
