"""Read the area of interest of a segmentation, and know which pixels lie in it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely
from rasterio.features import rasterize
from rasterio.transform import Affine

from ocsge.errors import CrsError, LayerError
from ocsge.vector_files import list_vector_layers, read_features

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ocsge.grid import Grid, Window


@dataclass(frozen=True, slots=True)
class Area:
    """The ground to answer."""

    wkb: bytes
    """Its polygons, CRS of the imagery."""

    bounds: tuple[float, float, float, float]


class AreaPixels:
    """Says which pixels of a window lie in an area: those whose centre does."""

    def __init__(self, wkb: bytes, *, grid: Grid) -> None:
        self._shape = shapely.from_wkb(wkb)
        self._grid = grid
        shapely.prepare(self._shape)

    def meets(self, window: Window) -> bool:
        """Return whether the area and a window have something in common; nothing is drawn."""
        return bool(self._shape.intersects(shapely.box(*self._grid.bounds_of(window))))

    def inside(self, window: Window) -> NDArray[np.bool_]:
        """Return (h, w) whether each pixel's centre lies in the area."""
        box = shapely.box(*self._grid.bounds_of(window))
        if self._shape.contains(box):
            return np.ones((window.height, window.width), dtype=np.bool_)
        xmin, _, _, ymax = self._grid.bounds_of(window)
        side = self._grid.resolution_m
        drawn: NDArray[np.uint8] = rasterize(
            [self._shape],
            out_shape=(window.height, window.width),
            transform=Affine(side, 0, xmin, 0, -side, ymax),
            dtype="uint8",
        )
        return drawn.astype(np.bool_)


def read_area(path: Path, *, epsg: int) -> tuple[Area, str]:
    """Return the area of a vector file in the CRS of the imagery, and its digest.

    Raises
    ------
    LayerError
        When the file holds no polygon, or several layers.
    CrsError
        When it declares no CRS.
    """
    layers = list_vector_layers(path)
    if len(layers) != 1:
        raise LayerError(f"{path}: {len(layers)} layers; give an area of interest in a file of one")
    frame = read_features(path, layers[0].name, columns=[], bbox=None, encoding=None, stop_on_invalid=True).frame
    if frame.crs is None:
        raise CrsError(f"{path}: the area declares no CRS; write it into the file (ogr2ogr -a_srs)")
    shapes = shapely.make_valid(frame.to_crs(epsg).geometry.to_numpy())
    polygons = [part for part in shapely.get_parts(shapes, return_index=False) if part.geom_type.endswith("Polygon")]
    if not polygons:
        raise LayerError(f"{path}: no polygon; an area of interest is made of polygons")
    whole = shapely.normalize(shapely.union_all(polygons))
    wkb = shapely.to_wkb(whole)
    return Area(wkb=wkb, bounds=tuple(shapely.bounds(whole).tolist())), hashlib.sha256(wkb).hexdigest()
