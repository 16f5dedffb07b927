"""Which layer of a vector file is meant, and in which CRS it lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from ocsge.errors import CrsError, LayerError
from ocsge.vector_files import (
    RawFeatures,
    VectorLayer,
    check_plausible,
    count_without_geometry,
    list_vector_layers,
    read_features,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import geopandas as gpd

Bounds = tuple[float, float, float, float]


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


def crs_of(found: VectorLayer, *, assume_crs: int | str | None, where: str) -> CRS:
    """Return the CRS of a layer: the one it declares, else the one to assume.

    Raises
    ------
    CrsError
        When there is neither, or it is not known.
    """
    if found.crs is None and assume_crs is None:
        raise CrsError(f"{where}: declares no CRS; give it with --assume-crs, for instance 2154")
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


def _bounds_in(bounds: Bounds | None, *, epsg: int, crs: CRS) -> Bounds | None:
    if bounds is None or same_crs(crs, epsg):
        return bounds
    transformer = Transformer.from_crs(epsg, crs, always_xy=True)
    xmin, ymin, xmax, ymax = transformer.transform_bounds(*bounds, densify_pts=21)
    return (xmin, ymin, xmax, ymax)


@dataclass(frozen=True, slots=True)
class Placed:
    """The features of a file that have a geometry, in the CRS of the run, and what reading them took."""

    frame: gpd.GeoDataFrame
    raw: RawFeatures
    """As the file holds them."""
    null: int
    """Features read without geometry."""
    unplaced: int | None
    """Features without geometry that a box leaves unread; null when they were not counted."""
    reprojected: int


def read_placed(
    path: Path,
    found: VectorLayer,
    *,
    layer: str | None,
    columns: list[str],
    bounds: Bounds | None,
    epsg: int,
    invalid: str,
    encoding: str | None,
    assume_crs: int | str | None,
    where: str,
    only: tuple[str, Sequence[str]] | None = None,
) -> Placed:
    """Read the features of a layer, into the CRS asked for.

    Parameters
    ----------
    path, found
        The file, and the layer as it was found.
    layer
        Name to open it by; null where the file has one layer.
    columns
        Fields to read.
    bounds
        Box of the features wanted, CRS asked for; null reads all.
    epsg
        CRS of the result.
    invalid
        ``stop`` refuses geometries that cannot be read.
    encoding
        Of the texts; null is told by the file.
    assume_crs
        CRS of a layer that declares none.
    where
        What the layer is, for messages.
    only
        Field, and the values of the features to read; null reads all.

    Raises
    ------
    CrsError
        When the CRS is missing or unknown, or the coordinates cannot belong to it.
    """
    crs = crs_of(found, assume_crs=assume_crs, where=where)
    try:
        if found.bounds is not None and np.isfinite(found.bounds).all():
            # before the box of the run selects features: in a wrong CRS it would select none, without a word
            check_plausible(found.bounds, crs=crs, where=where)
        raw = read_features(
            path,
            layer,
            columns=columns,
            bbox=_bounds_in(bounds, epsg=epsg, crs=crs),
            encoding=encoding,
            stop_on_invalid=invalid == "stop",
            only=only,
        )
        shapes = raw.frame.geometry.array
        null = shapely.is_missing(shapes) | shapely.is_empty(shapes)
        kept = raw.frame[~null]
        if len(kept):
            check_plausible(tuple(kept.total_bounds), crs=crs, where=where)
        unplaced = 0 if bounds is None else count_without_geometry(path, layer, found)
        frame, reprojected = placed(kept, crs=crs, epsg=epsg, where=where)
    except ProjError as error:
        raise CrsError(f"{where}: its CRS cannot be used ({error}); correct it") from error
    return Placed(frame=frame, raw=raw, null=int(null.sum()), unplaced=unplaced, reprojected=reprojected)
