"""Draw a class raster as polygons that share their vertices, by squares of 2 km merged into the dalle.

A square is drawn with a few pixels of its neighbours around it, so that a vertex stands wherever a border of either
side meets the seam: the pieces of a class on both sides of it are then joined exactly, and the result has neither gap
nor overlap.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from rasterio.windows import Window as RasterWindow

from ocsge.export import write_gpkg, write_parquet
from ocsge.grid import Grid, Window
from ocsge.products.cosia import NO_DATA
from ocsge.publish import json_bytes, publish
from ocsge.regions.labels import label_runs
from ocsge.regions.polygons import trace_polygons
from ocsge.regions.runs import runs_of_strips
from ocsge.store import code_version
from ocsge.styles import class_polygons_style

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ocsge.segment.class_rasters import NumberedClass

SQUARE_KM = 2
"""Longest side of the squares that are drawn at once: memory is that of one of them, and of the polygons."""

_HALO_PX = 4
"""Pixels of the neighbours looked at: a corner depends on the four pixels around it."""

_M_PER_KM = 1000
_NEIGHBOUR = 256
"""Step that sets the classes of each neighbouring square apart from those of the square and of one another."""


@dataclass(frozen=True, slots=True)
class VectorClass:
    """A class as the polygons name it."""

    number: int
    """Number in the raster."""
    numero: int | None
    """Number in IGN's CoSIA polygons; None for a class that they lack."""
    name: str
    colour: str


@dataclass(slots=True)
class _Pieces:
    """Polygons of the squares so far, each of one class, and which of them are one."""

    shapes: list[NDArray[np.object_]] = field(default_factory=list)
    classes: list[NDArray[np.int64]] = field(default_factory=list)
    parent: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def root(self, piece: int) -> int:
        while self.parent[piece] != piece:
            self.parent[piece] = self.parent[self.parent[piece]]
            piece = int(self.parent[piece])
        return piece

    def join(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> None:
        """Make one of the pieces on both sides of a seam, pixel by pixel; −1 is no piece."""
        for x, y in np.unique(np.stack([a, b])[:, (a >= 0) & (b >= 0)], axis=1).T.tolist():
            first, second = sorted((self.root(x), self.root(y)))
            self.parent[second] = first


@dataclass(frozen=True, slots=True)
class _Edges:
    """Pieces and classes along the southern and eastern edges of a square."""

    south: tuple[NDArray[np.int64], NDArray[np.int64]]
    east: tuple[NDArray[np.int64], NDArray[np.int64]]


def vector_classes(classes: Sequence[NumberedClass], numeros: dict[str, int]) -> tuple[VectorClass, ...]:
    """Return how the polygons name the classes of a raster; ``numeros`` are those of IGN's polygons by name."""
    return tuple(VectorClass(c.number, numeros.get(c.name), c.name, c.colour) for c in classes)


def draw_classes(raster: Path, *, classes: Sequence[VectorClass], tolerance_m: float) -> gpd.GeoDataFrame:
    """Return the polygons of a class raster: ``numero`` (int, or null), ``classe`` (text), ``area_m2``.

    Parameters
    ----------
    raster
        Class raster of a dalle, on a grid of whole pixels a metre.
    classes
        Name of each number; pixels of another number are not drawn.
    tolerance_m
        Farthest that simplification may leave a pixel corner from the line drawn, metres; 0 draws the pixel borders.
    """
    pieces = _Pieces()
    with rasterio.open(raster) as dataset:
        grid = Grid.at_resolution(epsg=dataset.crs.to_epsg(), resolution_m=dataset.transform.a)
        xmin, _, _, ymax = dataset.bounds
        n = grid.pixels_per_m
        whole = Window(row=round(-ymax * n), col=round(xmin * n), height=dataset.height, width=dataset.width)
        above: dict[int, _Edges] = {}
        left: tuple[int, _Edges] | None = None
        for square in whole.split(SQUARE_KM * _M_PER_KM * n, step_px=1):
            edges, north, west = _draw_square(dataset, square, whole, grid, pieces, tolerance_px=tolerance_m * n)
            if square.col in above:
                _join_seam(pieces, above[square.col].south, north)
            if left is not None and left[0] == square.row:
                _join_seam(pieces, left[1].east, west)
            above[square.col], left = edges, (square.row, edges)
    return _merged(pieces, classes, epsg=grid.epsg)


Line = tuple["NDArray[np.int64]", "NDArray[np.int64]"]


def _join_seam(pieces: _Pieces, one: Line, other: Line) -> None:
    same = (one[1] == other[1]) & (one[1] != NO_DATA)
    pieces.join(np.where(same, one[0], -1), np.where(same, other[0], -1))


def _draw_square(
    dataset: rasterio.io.DatasetReader,
    square: Window,
    whole: Window,
    grid: Grid,
    pieces: _Pieces,
    *,
    tolerance_px: float,
) -> tuple[_Edges, Line, Line]:
    """Draw the pieces of a square; return its southern and eastern edges, then its northern and its western one."""
    near = square.grown(_HALO_PX, within=whole)
    where = RasterWindow(near.col - whole.col, near.row - whole.row, near.width, near.height)
    values = dataset.read(1, window=where).astype(np.uint16)
    down, right = square.row - near.row, square.col - near.col
    side = np.zeros(values.shape, dtype=np.uint16)
    side[:down] += 3
    side[down + square.height :] += 6
    side[:, :right] += 1
    side[:, right + square.width :] += 2
    inside = values[down : down + square.height, right : right + square.width].astype(np.int64)
    values = np.where(values == NO_DATA, values, values + side * np.uint16(_NEIGHBOUR))
    runs = runs_of_strips([values], width=near.width)
    label, count = label_runs(runs.row_ptr, runs.start, runs.value, runs.width, NO_DATA)
    value = np.full(count, NO_DATA, dtype=np.int64)
    value[label[label >= 0]] = runs.value[label >= 0]
    wanted = value < NO_DATA
    shapes = trace_polygons(
        runs.row_ptr, runs.start, label, wanted=wanted, grid=grid, window=near, tolerance_px=tolerance_px
    )
    number = np.full(count + 1, -1, dtype=np.int64)  # label −1 reads the last entry
    first = len(pieces.parent)
    number[:-1][wanted] = first + np.arange(np.count_nonzero(wanted))
    pieces.shapes.append(shapes[wanted])
    pieces.classes.append(value[wanted])
    pieces.parent = np.append(pieces.parent, first + np.arange(np.count_nonzero(wanted)))

    def row_of(row: int) -> Line:
        a, b = runs.row_ptr[down + row], runs.row_ptr[down + row + 1]
        labels = np.repeat(label[a:b], np.diff(np.append(runs.start[a:b], near.width)))
        return number[labels[right : right + square.width]], inside[row]

    def column_of(col: int) -> Line:
        bounds = zip(runs.row_ptr[down : down + square.height], runs.row_ptr[down + 1 :], strict=False)
        at = [a + np.searchsorted(runs.start[a:b], right + col, side="right") - 1 for a, b in bounds]
        return number[label[at]], inside[:, col]

    edges = _Edges(south=row_of(square.height - 1), east=column_of(square.width - 1))
    return edges, row_of(0), column_of(0)


def _merged(pieces: _Pieces, classes: Sequence[VectorClass], *, epsg: int) -> gpd.GeoDataFrame:
    shapes = np.concatenate([*pieces.shapes, np.empty(0, dtype=object)])
    number = np.concatenate([*pieces.classes, np.empty(0, dtype=np.int64)])
    root = np.array([pieces.root(piece) for piece in range(len(shapes))], dtype=np.int64)
    order = np.argsort(root, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(root[order]) != 0)) if len(order) else order
    groups = np.split(order, starts[1:]) if len(order) else []
    drawn = [shapes[group[0]] if len(group) == 1 else shapely.coverage_union_all(shapes[group]) for group in groups]
    named = {c.number: c for c in classes}
    kept = [
        (c, shape)
        for group, shape in zip(groups, drawn, strict=True)
        if (c := named.get(int(number[group[0]]))) is not None
    ]
    frame = gpd.GeoDataFrame(
        {
            "numero": pd.Series([c.numero for c, _ in kept], dtype="Int32"),
            "classe": pd.Series([c.name for c, _ in kept], dtype="str"),
        },
        geometry=[shape for _, shape in kept],
        crs=f"EPSG:{epsg}",
    )
    return frame.assign(area_m2=frame.geometry.area)


def write_polygons(frame: gpd.GeoDataFrame, place: Path, *, classes: Sequence[VectorClass]) -> tuple[Path, Path]:
    """Write the polygons of a dalle as GeoPackage and GeoParquet; return both files.

    Parameters
    ----------
    frame
        Polygons of :func:`draw_classes`.
    place
        Path without suffix.
    classes
        Give the style of the GeoPackage.
    """
    gpkg, parquet = place.with_name(f"{place.name}.gpkg"), place.with_name(f"{place.name}.parquet")
    style = class_polygons_style([(c.name, c.name, c.colour) for c in classes])
    write_gpkg(
        frame, gpkg, layer=f"cosia_{place.name}", styles=[style], fields=lambda given: given.rename_geometry("the_geom")
    )
    write_parquet(frame, parquet)
    return gpkg, parquet


def vectorise(
    raster: Path, place: Path, *, classes: Sequence[VectorClass], tolerance_m: float, sha256: str
) -> tuple[Path, Path]:
    """Write the polygons of a class raster, unless they were made of the same raster already; return both files.

    Parameters
    ----------
    raster
        Class raster of a dalle.
    place
        Path of the files without suffix; a record of what they were made of stands beside them.
    classes, tolerance_m
        As in :func:`draw_classes`.
    sha256
        Digest of the raster.
    """
    record = place.with_name(f"{place.name}.json")
    files = (place.with_name(f"{place.name}.gpkg"), place.with_name(f"{place.name}.parquet"))
    made_of = json_bytes(
        {
            "raster_sha256": sha256,
            "tolerance_m": tolerance_m,
            "classes": [asdict(c) for c in classes],
            "code": code_version(),
        }
    )
    if record.is_file() and record.read_bytes() == made_of and all(file.is_file() for file in files):
        return files
    record.unlink(missing_ok=True)
    frame = draw_classes(raster, classes=classes, tolerance_m=tolerance_m)
    written = write_polygons(frame, place, classes=classes)
    publish(record, lambda temporary: temporary.write_bytes(made_of))
    return written
