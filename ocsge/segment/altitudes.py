"""Read altitudes or heights from rasters of any resolution, at the centres of the pixels of the imagery.

Interpolation is bilinear between the centres of the raster's pixels, in whole millimetres: a pixel has the same height
whatever window it is read in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from rasterio.errors import RasterioIOError
from rasterio.windows import Window as RasterWindow

from ocsge.errors import CrsError, RasterError
from ocsge.grid import Window
from ocsge.segment.elevation import decode_height
from ocsge.segment.image_tiles import epsg_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from rasterio.io import DatasetReader

    from ocsge.grid import Grid

_MM = 1000


@dataclass(frozen=True, slots=True)
class AltitudeTile:
    """One raster of altitudes or heights, placed on the lattice of its mosaic."""

    path: Path
    window: Window
    """Its pixels, in rows and columns of the lattice."""
    encoded: bool
    """Whether it holds steps of 20 cm (8 bits) rather than metres."""


@dataclass(frozen=True, slots=True)
class Altitudes:
    """A mosaic of rasters of one resolution; heights where the pixels of the imagery are."""

    kind: str
    """Option that gave it: ``elevation``, ``mns``, ``mnt``."""
    tiles: tuple[AltitudeTile, ...]
    pixel_mm: int
    """Pixel side, millimetres."""
    x_mm: int
    """Position of the lattice: x of its columns modulo the pixel, millimetres."""
    y_mm: int
    """The same of its rows, southwards from y = 0."""

    def read(self, window: Window, *, grid: Grid, dataset_of: Callable[[Path], DatasetReader]) -> NDArray[np.float64]:
        """Return (h, w) metres at the pixel centres of a window; NaN where unknown.

        Parameters
        ----------
        window, grid
            Pixels of the imagery.
        dataset_of
            Gives the open file of a path.
        """
        row, down = self._position(window.row, window.height, grid, self.y_mm)
        col, right = self._position(window.col, window.width, grid, self.x_mm)
        near = Window(
            row=int(row[0]), col=int(col[0]), height=int(row[-1] - row[0]) + 2, width=int(col[-1] - col[0]) + 2
        )
        values = self._mosaic(near, dataset_of)
        row, col = row - row[0], col - col[0]
        if not down.any() and not right.any():
            return values[np.ix_(row, col)]  # pixel centres that fall on one another
        total = np.zeros((window.height, window.width))
        weight = np.zeros_like(total)
        # whole numbers as weights: sums are exact, so flat ground stays flat to the last bit
        whole = 2 * self.pixel_mm
        for r, v in ((row, whole - down), (row + 1, down)):
            for c, h in ((col, whole - right), (col + 1, right)):
                part, w = values[np.ix_(r, c)], np.outer(v, h)
                known = ~np.isnan(part)
                np.add(total, part * w, out=total, where=known)
                np.add(weight, w, out=weight, where=known)
        with np.errstate(invalid="ignore", divide="ignore"):
            found: NDArray[np.float64] = total / weight
        return found

    def _position(
        self, first: int, count: int, grid: Grid, origin_mm: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the pixel before each centre, along one axis, and how far beyond its own centre, half millimetres."""
        # twice the millimetres: the centre of a pixel of 1 mm is half a millimetre
        centre = (2 * np.arange(first, first + count, dtype=np.int64) + 1) * (_MM // grid.pixels_per_m)
        offset = centre - 2 * origin_mm - self.pixel_mm
        before, rest = np.divmod(offset, 2 * self.pixel_mm)
        return before, rest

    def _mosaic(self, near: Window, dataset_of: Callable[[Path], DatasetReader]) -> NDArray[np.float64]:
        values = np.full((near.height, near.width), np.nan)
        for tile in self.tiles:
            w = tile.window
            row, col = max(near.row, w.row), max(near.col, w.col)
            bottom, right = min(near.bottom, w.bottom), min(near.right, w.right)
            if bottom <= row or right <= col:
                continue
            part = RasterWindow(col - w.col, row - w.row, right - col, bottom - row)
            try:
                read = dataset_of(tile.path).read(1, window=part, masked=True)
            except RasterioIOError as error:
                raise RasterError(f"{tile.path}: cannot be read ({error}); the file is truncated or corrupt") from error
            metres = decode_height(read.data) if tile.encoded else read.data
            view = values[row - near.row : bottom - near.row, col - near.col : right - near.col]
            np.copyto(view, metres, where=np.isnan(view) & ~np.ma.getmaskarray(read))
        return values

    def bounds_mm(self) -> NDArray[np.float64]:
        """Return (files, 4) west, south, east and north of each file, whole millimetres; none is read."""
        placed = [(tile.window.col, tile.window.bottom, tile.window.right, tile.window.row) for tile in self.tiles]
        col, bottom, right, row = np.array(placed, dtype=np.float64).reshape(-1, 4).T * self.pixel_mm
        return np.column_stack((self.x_mm + col, -self.y_mm - bottom, self.x_mm + right, -self.y_mm - row))

    def paths(self, window: Window, *, grid: Grid) -> list[Path]:
        """Return the files that are looked at for a window of the imagery."""
        row, _ = self._position(window.row, window.height, grid, self.y_mm)
        col, _ = self._position(window.col, window.width, grid, self.x_mm)
        return [
            t.path
            for t in self.tiles
            if t.window.row <= row[-1] + 1
            and t.window.bottom > row[0]
            and t.window.col <= col[-1] + 1
            and t.window.right > col[0]
        ]


def place_altitudes(paths: Sequence[Path], *, kind: str, grid: Grid, assume_crs: int | None = None) -> Altitudes:
    """Return the mosaic of rasters of altitudes or heights.

    Parameters
    ----------
    paths
        Files of one band, in the CRS of the imagery: metres (float or 16 bits), or, for heights, FLAIR's steps of 20 cm
        (8 bits).
    kind
        ``elevation`` (height above ground), ``mns`` or ``mnt``.
    grid
        Grid of the imagery.
    assume_crs
        EPSG code of files whose CRS bears none.

    Raises
    ------
    RasterError
        Unreadable file, several bands, unusable type, files of several resolutions or off one lattice.
    CrsError
        Missing or other CRS.
    """
    placed, lattice = [], None
    for path in sorted(paths, key=lambda p: (p.name, p)):
        try:
            with rasterio.open(path) as dataset:
                tile, where = _placed(dataset, path, kind=kind, grid=grid, assume_crs=assume_crs)
        except RasterioIOError as error:
            raise RasterError(
                f"{path}: cannot be opened as a raster ({error}); check that the file is whole"
            ) from error
        if lattice is not None and where != lattice:
            raise RasterError(
                f"{path}: its pixels do not continue those of {placed[0].path.name}; give {kind} files of one "
                "resolution and one lattice (gdalwarp -tap)"
            )
        lattice = where
        placed.append(tile)
    if lattice is None:
        raise RasterError(f"no file for --{kind}")
    pixel, x, y = lattice
    return Altitudes(kind=kind, tiles=tuple(placed), pixel_mm=pixel, x_mm=x, y_mm=y)


def _placed(
    dataset: DatasetReader, path: Path, *, kind: str, grid: Grid, assume_crs: int | None
) -> tuple[AltitudeTile, tuple[int, int, int]]:
    epsg = epsg_of(dataset, path, assume_crs=assume_crs)
    if epsg != grid.epsg:
        raise CrsError(f"{path}: EPSG:{epsg} is not the imagery's EPSG:{grid.epsg}; reproject it (gdalwarp)")
    dtype, encoded = dataset.dtypes[0], dataset.dtypes[0] == "uint8" and kind == "elevation"
    if dataset.count != 1 or not (encoded or dtype in {"float32", "float64", "int16", "uint16", "int32"}):
        raise RasterError(
            f"{path}: {dataset.count} band(s) of {dtype}; --{kind} takes one band of metres"
            + (", or of FLAIR's steps of 20 cm in 8 bits" if kind == "elevation" else "")
        )
    transform = dataset.transform
    pixel = round(transform.a * _MM)
    if (
        transform.b
        or transform.d
        or pixel < 1
        or abs(transform.a * _MM - pixel) > 1e-3
        or abs(transform.e * _MM + pixel) > 1e-3
    ):
        raise RasterError(
            f"{path}: pixels of {transform.a:g} × {-transform.e:g} m; square pixels of whole millimetres are read: "
            "resample it (gdalwarp -tr 1 1 -tap -r bilinear)"
        )
    x, y = round(transform.c * _MM), round(-transform.f * _MM)
    window = Window(row=y // pixel, col=x // pixel, height=dataset.height, width=dataset.width)
    return AltitudeTile(path=path, window=window, encoded=encoded), (pixel, x % pixel, y % pixel)
