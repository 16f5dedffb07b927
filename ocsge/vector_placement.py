"""Which layer of a vector file is meant, and in which CRS it lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pyproj import CRS
from pyproj.exceptions import ProjError

from ocsge.errors import CrsError, LayerError
from ocsge.vector_files import VectorLayer, list_vector_layers

if TYPE_CHECKING:
    from pathlib import Path

    import geopandas as gpd


def spatial_layers(path: Path) -> tuple[VectorLayer, ...]:
    """Return the layers of a file that have geometries."""
    return tuple(layer for layer in list_vector_layers(path) if layer.has_geometry)


def names_of(layers: tuple[VectorLayer, ...]) -> str:
    """Return the names of layers, for a message."""
    return ", ".join(layer.name for layer in layers) or "none"


def only_layer(path: Path, *, what: str) -> VectorLayer:
    """Return the one layer of a file that has geometries; ``what`` says what the file is to hold.

    Raises
    ------
    LayerError
        When there is none, or several.
    """
    layers = spatial_layers(path)
    if len(layers) != 1:
        raise LayerError(f"{path}: {what} is one layer of polygons; layers found: {names_of(layers)}")
    return layers[0]


def crs_of(found: VectorLayer, *, assume_crs: int | str | None, where: str, example: int = 2154) -> CRS:
    """Return the CRS of a layer: the one it declares, else the one to assume.

    Raises
    ------
    CrsError
        When there is neither, or it is not known.
    """
    if found.crs is None and assume_crs is None:
        raise CrsError(f"{where}: declares no CRS; give it with --assume-crs, for instance {example}")
    try:
        return CRS.from_user_input(found.crs if found.crs is not None else assume_crs)
    except ProjError as error:
        raise CrsError(f"{where}: CRS {found.crs or assume_crs!r} is not known; give --assume-crs") from error


def same_crs(crs: CRS, epsg: int) -> bool:
    """Return whether a CRS is that of an EPSG code, whatever the order of its axes."""
    return bool(crs.to_epsg() == epsg or crs.equals(CRS.from_epsg(epsg), ignore_axis_order=True))


def placed(frame: gpd.GeoDataFrame, *, crs: CRS, epsg: int, where: str) -> tuple[gpd.GeoDataFrame, int]:
    """Return features of a CRS in the one asked for, and how many were reprojected.

    Raises
    ------
    CrsError
        When their coordinates cannot be expressed in it.
    """
    if same_crs(crs, epsg):
        return frame.set_crs(epsg, allow_override=True), 0
    projected = frame.set_crs(crs, allow_override=True).to_crs(epsg)
    if len(projected) and not np.isfinite(projected.total_bounds).all() and not projected.geometry.isna().all():
        raise CrsError(f"{where}: coordinates cannot be expressed in EPSG:{epsg}; is its CRS right?")
    return projected, len(projected)
