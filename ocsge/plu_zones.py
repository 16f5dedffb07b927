"""Measure artificialised land by zone of a local plan (PLU, CNIG standard), in hectares.

Areas are those of the drawn geometry of polygons and zones, cut exactly where they cross. They are neither counts of
pixels nor scaled to them: the zones of a commune sum to its drawn area, which simplification moves by a few metres
squared from the sum of its pixels.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import shapely

from ocsge.catalog import recognise
from ocsge.errors import CrsError, DataError
from ocsge.layers import LayerRead, read_layer
from ocsge.tables import M2_PER_HECTARE, Column, Schema, typed
from ocsge.territory import territory_epsg

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import geopandas as gpd
    from numpy.typing import NDArray

LAYER = "plu:zone_urba"
WHERE = "PLU zones"
ROUNDING_M2 = 1e-6
"""Area of a polygon outside every zone that floating point explains, m²."""
TOUCH_SHARE = 1e-6
"""Share of the commune below which zones that overlap only share a border."""

_HECTARES = Column("float64", "ha", nullable=True)
PLU_ZONES = Schema(
    "PLU_ZONES",
    MappingProxyType(
        {
            "commune_code": Column("text"),
            "millesime": Column("int64", "year"),
            "in_plu": Column("bool"),
            "typezone": Column("text", nullable=True),
            "zone_ha": _HECTARES,
            "artif_ha": _HECTARES,
            "impermeable_ha": _HECTARES,
            "part_pct": Column("float64", "%", nullable=True),
            "flags": Column("text"),
        }
    ),
)
"""One row a type of zone (``U``, ``AUc``, ``AUs``, ``A``, ``N``; null where the document does not say), and one for the
ground outside every zone (``in_plu`` false). ``overlap`` flags ground that lies in zones of several types: it counts in
each."""

_MEASURES = {"zone_ha": None, "artif_ha": "artif", "impermeable_ha": "impermeable"}


def read_plu_zones(path: Path, *, commune_code: str, assume_crs: int | None = None) -> LayerRead:
    """Return the zones of a ``ZONE_URBA`` file, in the projected CRS of a commune, and the report of the reading.

    Older letters are read as the current ones (Ah as A, Nh and Nd as N); "99" is a zone of unknown type.

    Raises
    ------
    CatalogError, LayerError, CrsError
        When the file is no ``ZONE_URBA``, lacks its fields, or declares no CRS.
    """
    sources = [source for source in recognise(path, layer=LAYER) if source.layer == LAYER]
    epsg = territory_epsg(commune_code)
    return read_layer(sources, LAYER, bounds=None, epsg=epsg, millesime=None, assume_crs=assume_crs)


def sum_plu_zones(polygons: gpd.GeoDataFrame, zones: gpd.GeoDataFrame) -> pd.DataFrame:
    """Measure the area and the artificialised area of each type of zone of a commune, in drawn hectares.

    The polygons of the commune cut the zones: what lies outside the commune does not count.

    Parameters
    ----------
    polygons : geopandas.GeoDataFrame
        Polygons of one commune and millésime: ``commune_code``, ``millesime``, ``artif``, ``impermeable`` and
        geometry in a projected CRS; a partition.
    zones : geopandas.GeoDataFrame
        ``typezone`` (null = unknown) and geometry, in the same CRS, as :func:`read_plu_zones` returns them.

    Returns
    -------
    pandas.DataFrame
        Table ``PLU_ZONES``: known types by name, the unknown one, the ground outside every zone. ``part_pct`` is
        the artificialised share of the zone.

    Raises
    ------
    DataError
        When the polygons are of several communes or millésimes, or there are none.
    CrsError
        When the two are in different CRS, or in degrees.
    """
    code, millesime = _one_commune(polygons)
    _check_crs(polygons, zones)
    shapes = np.asarray(polygons.geometry.array)
    whole = shapely.area(shapes)
    inside = np.zeros(len(shapes))
    summed = np.zeros(len(shapes))
    rows: list[dict[str, object]] = []
    for typezone, ground in _by_type(zones):
        areas = _areas_within(shapes, ground)
        summed += areas
        if areas.any():
            rows.append({**_row(polygons, areas), "in_plu": True, "typezone": typezone})
    if len(zones):
        inside = _areas_within(shapes, shapely.union_all(np.asarray(zones.geometry.array)))
    outside = np.where(whole - inside > ROUNDING_M2, whole - inside, 0.0)
    rows.append({**_row(polygons, outside), "in_plu": False, "typezone": None})
    overlap = bool(summed.sum() - inside.sum() > TOUCH_SHARE * whole.sum())
    table = pd.DataFrame(rows).assign(commune_code=code, millesime=millesime, flags="overlap" if overlap else "")
    table["part_pct"] = 100 * table["artif_ha"] / table["zone_ha"].where(table["zone_ha"] > 0)
    return typed(table, PLU_ZONES, where=WHERE)


def _one_commune(polygons: gpd.GeoDataFrame) -> tuple[str, int]:
    keys = polygons[["commune_code", "millesime"]].drop_duplicates()
    if len(keys) != 1:
        raise DataError(f"{WHERE}: polygons of {len(keys)} communes and millésimes; give those of one")
    return str(keys["commune_code"].iloc[0]), int(keys["millesime"].iloc[0])


def _check_crs(polygons: gpd.GeoDataFrame, zones: gpd.GeoDataFrame) -> None:
    crs = polygons.crs
    if crs is None or not crs.is_projected:
        raise CrsError(f"{WHERE}: the polygons are in no projected CRS; areas cannot be measured")
    if zones.crs is None or not crs.equals(zones.crs, ignore_axis_order=True):
        raise CrsError(f"{WHERE}: polygons are in {crs.to_string()}, zones in {zones.crs}; reproject the zones")


def _by_type(zones: gpd.GeoDataFrame) -> Iterator[tuple[str | None, shapely.Geometry]]:
    """Return the ground of each type, drawn once where zones of the type overlap; the unknown type last."""
    known = zones["typezone"].dropna()
    for typezone in sorted(known.unique()):
        yield str(typezone), shapely.union_all(np.asarray(zones.geometry[zones["typezone"] == typezone].array))
    unknown = zones["typezone"].isna()
    if unknown.any():
        yield None, shapely.union_all(np.asarray(zones.geometry[unknown].array))


def _areas_within(shapes: NDArray[np.object_], ground: shapely.Geometry) -> NDArray[np.float64]:
    """Return the area of each shape that lies in the ground, m²."""
    areas = np.zeros(len(shapes))
    parts = shapely.get_parts(ground)
    of_shape, of_part = shapely.STRtree(parts).query(shapes, predicate="intersects")
    shared = shapely.area(shapely.intersection(shapes[of_shape], parts[of_part]))
    np.add.at(areas, of_shape, shared)
    return areas


def _row(polygons: gpd.GeoDataFrame, areas: NDArray[np.float64]) -> dict[str, float]:
    return {
        name: float(areas.sum() if state is None else areas[polygons[state].to_numpy(np.bool_)].sum()) / M2_PER_HECTARE
        for name, state in _MEASURES.items()
    }
