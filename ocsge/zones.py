"""Read the zones of a file: any polygons, named, valid, in the CRS in which they are measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import shapely

from ocsge.errors import LayerError, ParameterError
from ocsge.geometry_repair import repair
from ocsge.vector_placement import names_of, read_placed, spatial_layers

if TYPE_CHECKING:
    from pathlib import Path

    from ocsge.geometry_repair import Invalid
    from ocsge.vector_files import VectorLayer


@dataclass(frozen=True, slots=True)
class Zones:
    """Polygons to measure in, with what reading them took."""

    frame: gpd.GeoDataFrame
    """Columns ``zone`` (text, one row a zone) and ``geometry`` (2D, valid, CRS asked for)."""

    warnings: tuple[str, ...]
    """What was dropped or mended, one line each."""


def read_zones(
    path: Path,
    *,
    epsg: int,
    layer: str | None = None,
    name_field: str | None = None,
    invalid: Invalid = "repair",
    assume_crs: int | None = None,
) -> Zones:
    """Return the zones of a vector file, in the order of the file.

    Parameters
    ----------
    path, layer
        File and layer; a null layer is the file's only one.
    epsg
        CRS of the result; zones in another one are reprojected.
    name_field
        Field that names the zones: features of one name are joined into one zone. Without it each feature is a zone,
        named by its identifier in the file.
    invalid
        ``repair`` corrects and counts invalid geometries; ``stop`` refuses them.
    assume_crs
        CRS of a file that declares none.

    Raises
    ------
    ParameterError
        When the file has several layers and none is named, or lacks the layer or the field.
    LayerError
        When there is no polygon, or a zone has no name.
    CrsError
        When the CRS is missing, or the coordinates cannot belong to it.
    GeometryError
        When a geometry is invalid and ``invalid`` is ``stop``.
    """
    found = _layer(path, layer)
    where = f"{path} layer {found.name}"
    if name_field is not None and name_field not in found.fields:
        raise ParameterError(f"{where}: has no field {name_field!r}; fields found: {', '.join(found.fields) or 'none'}")
    columns = [] if name_field is None else [name_field]
    read = read_placed(
        path,
        found,
        layer=found.name,
        columns=columns,
        bounds=None,
        epsg=epsg,
        invalid=invalid,
        encoding=None,
        assume_crs=assume_crs,
        where=where,
    )
    kept = read.frame
    if kept.empty:
        raise LayerError(f"{where}: holds no polygon; give a layer of polygons")
    drawn = np.asarray(kept.geometry.values)
    names = kept.index.astype(str).to_numpy(object) if name_field is None else _names(kept, name_field, where)
    fixed = repair(drawn, kind="polygon", invalid=invalid, where=where, names=np.asarray(kept.index, dtype=object))
    polygons = ~(shapely.is_missing(fixed.geometries) | shapely.is_empty(fixed.geometries))
    frame = gpd.GeoDataFrame({"zone": names[polygons]}, geometry=fixed.geometries[polygons], crs=epsg)
    if name_field is not None:
        frame = frame.dissolve(by="zone", as_index=False, sort=False)[["zone", "geometry"]]
    warnings = []
    if lost := len(read.raw.frame) - int(polygons.sum()):
        warnings.append(f"{where}: {lost} features without polygon are left out")
    if fixed.repaired:
        warnings.append(f"{where}: {fixed.repaired} invalid zones repaired, {fixed.area_change_m2:.1f} m² moved")
    return Zones(frame.assign(zone=frame["zone"].astype("str")), tuple(warnings))


def _layer(path: Path, layer: str | None) -> VectorLayer:
    every = spatial_layers(path)
    chosen = every if layer is None else tuple(found for found in every if found.name == layer)
    if layer is not None and not chosen:
        raise ParameterError(f"{path}: has no layer {layer!r} with geometry; layers found: {names_of(every)}")
    if len(chosen) != 1:
        raise ParameterError(f"{path}: say which layer holds the zones; layers found: {names_of(every)}")
    return chosen[0]


def _names(frame: gpd.GeoDataFrame, field: str, where: str) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    values = frame[field]
    if values.isna().any():
        raise LayerError(f"{where} feature {frame.index[values.isna()][0]}: its {field} is null; name every zone")
    return np.asarray(values.astype("str").to_numpy(), dtype=object)
