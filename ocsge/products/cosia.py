"""Read class rasters (CoSIA or a model's own) as runs of class numbers, strip by strip.

A raster may come as one file or as a mosaic of dalles, argmax (one uint8 band) or raw scores (one uint8 band a class).
Its pixels must lie on the run's grid; another resolution or an offset needs ``resample=True`` (nearest neighbour).
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import rasterio
import shapely
from numba import njit
from rasterio.enums import Resampling
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as RasterWindow

from ocsge.errors import CodeError, CrsError, RasterError
from ocsge.grid import Grid, Window
from ocsge.tables import M2_PER_HECTARE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from rasterio.io import DatasetReader

NO_DATA = 255
"""Class number of pixels no raster covers, whatever the numbering system."""
_SUFFIXES = {".tif", ".tiff", ".jp2", ".vrt"}
_BLOCK_CACHE_MB = 64
BLACK_BORDER_M = 500
"""Length of a line of class 0 along an edge from which it is taken for a black border, metres."""
_SCORE_BANDS = 10
"""A raster with at least this many uint8 bands holds one band of scores a class."""
NUMBERING_TAG, MODEL_TAG = "OCSGE_NUMBERING", "OCSGE_MODEL"
"""Tags by which a raster says its own numbering system, and the model that made it."""
VECTOR_NUMBERING = "cosia_vector_numero"
"""Numbering system of the polygons of CoSIA."""
SCORES_TAG = "OCSGE_SCORE_CLASSES"
"""Tag by which a raster of scores says the class number of each band; without it, bands are those of the numbering."""


@dataclass(frozen=True, slots=True)
class RasterTile:
    """One raster file placed on the grid."""

    path: Path
    """The file."""

    window: Window
    """The pixels it covers on the run's grid."""

    bands: int
    """1 for argmax, one a class for raw scores."""

    nodata: int | None
    """Its declared nodata value."""

    resampled: bool
    """Whether its pixels must be resampled onto the grid."""

    score_classes: tuple[int, ...] = ()
    """Class number of each band of scores, as the file says; empty when it does not."""


def raster_files(path: Path) -> list[Path]:
    """Return the raster files of a file or of a folder (recursively), by name.

    Raises
    ------
    RasterError
        When there is none.
    """
    if path.is_file():
        return [path]
    # a name that begins with a dot is a file that a run is writing, or one that a killed run left
    files = sorted(
        f
        for f in path.rglob("*")
        if f.suffix.lower() in _SUFFIXES and "__MACOSX" not in f.parts and not f.name.startswith(".")
    )
    if not files:
        raise RasterError(f"{path}: no raster found; expected GeoTIFF, COG or JPEG 2000 files")
    return files


def place_tiles(paths: Sequence[Path], *, grid: Grid, resample: bool = False) -> list[RasterTile]:
    """Return the tiles of a mosaic placed on the grid, by file name.

    Parameters
    ----------
    paths
        Raster files.
    grid
        The run's grid; every file must be in its CRS.
    resample
        Accept another resolution or an offset, and take the nearest pixel.

    Raises
    ------
    RasterError
        Unreadable file, wrong type, misaligned or other resolution without ``resample``.
    CrsError
        Missing or different CRS.
    """
    return [_place(path, grid=grid, resample=resample) for path in sorted(paths, key=lambda p: (p.name, p))]


def class_strips(
    tiles: Sequence[RasterTile],
    *,
    grid: Grid,
    window: Window,
    score_classes: Sequence[int],
    strip_rows: int = 512,
) -> Iterator[NDArray[np.uint8]]:
    """Yield the class numbers of a window from north to south, in strips of ``strip_rows`` rows.

    Parameters
    ----------
    tiles
        Tiles of the mosaic; where two overlap the first by name wins, so an area counts once.
    grid
        The run's grid.
    window
        Pixels wanted; those no tile covers are :data:`NO_DATA`.
    score_classes
        Class numbers of the bands of raw scores, in band order.
    strip_rows
        Rows of a strip; the result does not depend on it.

    Raises
    ------
    RasterError
        When a block cannot be read: a truncated or corrupt file; or a border is black and no nodata is declared.
    """
    numbers = np.asarray(score_classes, dtype=np.uint8)
    with ExitStack() as stack:
        # blocks are read once, in order: GDAL's default cache, a share of the machine's memory, would only fill up
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=_BLOCK_CACHE_MB))
        opened = [(tile, _open(tile, grid, stack)) for tile in tiles if _overlaps(tile.window, window)]
        # strips begin at multiples of the global row, so the blocks of a tile are decoded once
        borders = _Borders(grid, watched=0 in score_classes)
        row = window.row
        while row < window.bottom:
            stop = min(row - row % strip_rows + strip_rows, window.bottom)
            strip = Window(row=row, col=window.col, height=stop - row, width=window.width)
            yield _read_strip(opened, strip, numbers, borders)
            row = stop
        borders.check()


def check_class_numbers(
    values: NDArray[np.unsignedinteger], known: Sequence[int], *, numbering: str, path: Path
) -> None:
    """Check that every class number of a raster belongs to its numbering system.

    Raises
    ------
    CodeError
        When a number is unknown; the message lists them.
    """
    unknown = sorted(set(np.unique(values).tolist()) - set(known) - {NO_DATA})
    if unknown:
        raise CodeError(
            f"{path}: class numbers {unknown} do not exist in the numbering system {numbering!r} "
            f"({min(known)}–{max(known)}); state the right one with --numbering"
        )


def meets(tiles: Sequence[RasterTile], grounds: NDArray[np.object_], *, grid: Grid) -> bool:
    """Return whether a tile shares an area with one of the grounds; a tile that only touches them says nothing."""
    boxes = np.array([shapely.box(*grid.bounds_of(tile.window)) for tile in tiles], dtype=object)
    tile, ground = shapely.STRtree(grounds).query(boxes, predicate="intersects")
    return bool((shapely.area(shapely.intersection(boxes[tile], grounds[ground])) > 0).any())


def overlap_warning(tiles: Sequence[RasterTile], *, grid: Grid, window: Window) -> tuple[str, ...]:
    """Return one line when tiles overlap in a window, with the area that more than one covers; none otherwise."""
    area_m2, names = overlapped_m2(tiles, grid=grid, window=window)
    if not names:
        return ()
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    text = (
        f"class raster: {len(names)} dalles overlap on {area_m2 / M2_PER_HECTARE:.2f} ha ({shown}); the first by name "
        "wins, and the area counts once"
    )
    return (text,)


def overlapped_m2(tiles: Sequence[RasterTile], *, grid: Grid, window: Window) -> tuple[float, list[str]]:
    """Return the area of a window that more than one tile covers, m², and the names of those tiles, sorted.

    Nothing is read: a tile covers its whole extent, its nodata included.
    """
    ours = [tile for tile in tiles if _overlaps(tile.window, window)]
    boxes = np.array([shapely.box(*grid.bounds_of(tile.window)) for tile in ours], dtype=object)
    first, second = shapely.STRtree(boxes).query(boxes, predicate="intersects")
    first, second = first[first < second], second[first < second]
    doubled = shapely.intersection(
        shapely.intersection(boxes[first], boxes[second]), shapely.box(*grid.bounds_of(window))
    )
    kept = shapely.area(doubled) > 0
    names = {ours[position].path.name for position in (*first[kept], *second[kept])}
    return float(shapely.area(shapely.union_all(doubled[kept]))), sorted(names)


def _overlaps(a: Window, b: Window) -> bool:
    return a.row < b.bottom and a.bottom > b.row and a.col < b.right and a.right > b.col


def _place(path: Path, *, grid: Grid, resample: bool) -> RasterTile:
    try:
        with rasterio.open(path) as dataset:
            return _placed(dataset, path, grid=grid, resample=resample)
    except RasterioIOError as error:
        raise RasterError(f"{path}: cannot be opened as a raster ({error}); check that the file is whole") from error


def _placed(dataset: DatasetReader, path: Path, *, grid: Grid, resample: bool) -> RasterTile:
    if dataset.crs is None:
        raise CrsError(f"{path}: the raster declares no CRS; write EPSG:{grid.epsg} into it (gdal_edit -a_srs)")
    if dataset.crs.to_epsg() != grid.epsg:
        raise CrsError(f"{path}: CRS {dataset.crs.to_string()[:60]} is not the run's EPSG:{grid.epsg}; reproject it")
    stated = dataset.tags().get(SCORES_TAG, "")
    score_classes = tuple(int(number) for number in stated.split(",") if number.isdecimal())
    few = 1 < dataset.count < _SCORE_BANDS and len(score_classes) != dataset.count
    if set(dataset.dtypes) != {"uint8"} or few:
        raise RasterError(
            f"{path}: {dataset.count} band(s) of {'/'.join(sorted(set(dataset.dtypes)))}; expected one uint8 band of "
            "class numbers, or one uint8 band of scores a class"
        )
    transform, n = dataset.transform, grid.pixels_per_m
    col, row = transform.c * n, -transform.f * n
    aligned = (
        abs(transform.a * n - 1) < 1e-6
        and abs(transform.e * n + 1) < 1e-6
        and abs(col - round(col)) < 1e-3
        and abs(row - round(row)) < 1e-3
        and transform.b == transform.d == 0
    )
    if not aligned and not resample:
        raise RasterError(
            f"{path}: pixels of {transform.a:g} m from ({transform.c:.3f}, {transform.f:.3f}) do not lie on the grid "
            f"of {grid.resolution_m:g} m; pass --resample, or the raster's own resolution"
        )
    if aligned:
        window = Window(row=round(row), col=round(col), height=dataset.height, width=dataset.width)
    else:
        window = grid.window_of(tuple(dataset.bounds))
    nodata = None if dataset.nodata is None or not 0 <= dataset.nodata <= 255 else int(dataset.nodata)
    return RasterTile(
        path=path,
        window=window,
        bands=dataset.count,
        nodata=nodata,
        resampled=not aligned,
        score_classes=score_classes,
    )


def _open(tile: RasterTile, grid: Grid, stack: ExitStack) -> DatasetReader | WarpedVRT:
    dataset = stack.enter_context(rasterio.open(tile.path))
    if not tile.resampled:
        return dataset
    xmin, _, _, ymax = grid.bounds_of(tile.window)
    return stack.enter_context(
        WarpedVRT(
            dataset,
            transform=Affine(grid.resolution_m, 0.0, xmin, 0.0, -grid.resolution_m, ymax),
            width=tile.window.width,
            height=tile.window.height,
            resampling=Resampling.nearest,
            nodata=NO_DATA if tile.nodata is None else tile.nodata,
        )
    )


def _read_strip(
    opened: list[tuple[RasterTile, DatasetReader | WarpedVRT]],
    strip: Window,
    numbers: NDArray[np.uint8],
    borders: _Borders,
) -> NDArray[np.uint8]:
    out: NDArray[np.uint8] | None = None
    written: list[Window] = []
    for tile, dataset in opened:
        if not _overlaps(tile.window, strip):
            continue
        w = tile.window
        row, col = max(strip.row, w.row), max(strip.col, w.col)
        bottom, right = min(strip.bottom, w.bottom), min(strip.right, w.right)
        part = RasterWindow(col - w.col, row - w.row, right - col, bottom - row)
        try:
            bands = dataset.read(window=part)
        except (RasterioIOError, RasterioError) as error:
            raise RasterError(
                f"{tile.path}: rows {row - w.row}–{bottom - w.row} cannot be read ({error}); the file is truncated or "
                "corrupt, fetch it again"
            ) from error
        classes = _classes(bands, tile, numbers)
        borders.see(tile, classes)
        if out is None and classes.shape == (strip.height, strip.width):
            out = classes
            written.append(w)
            continue
        if out is None:
            out = np.full((strip.height, strip.width), NO_DATA, dtype=np.uint8)
        view = out[row - strip.row : bottom - strip.row, col - strip.col : right - strip.col]
        if any(_overlaps(w, other) for other in written):
            np.copyto(view, classes, where=view == NO_DATA)
        else:
            view[:] = classes
        written.append(w)
    return np.full((strip.height, strip.width), NO_DATA, dtype=np.uint8) if out is None else out


class _Borders:
    """Watches the outermost pixels read of each tile for a black border that declares no nodata.

    Where 0 is a class (Bâtiment in 0-based numberings), such a border would count as that class. No built ground runs
    for :data:`BLACK_BORDER_M` in a straight line, uninterrupted, along the very edge of what is read.
    """

    def __init__(self, grid: Grid, *, watched: bool) -> None:
        self._limit_px = BLACK_BORDER_M * grid.pixels_per_m
        self._watched = watched
        self._sides: dict[Path, list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]] = {}
        self._ends: dict[Path, list[NDArray[np.uint8]]] = {}

    def see(self, tile: RasterTile, classes: NDArray[np.uint8]) -> None:
        """Keep the western and eastern pixels of a strip of a tile, and its first and last row."""
        if self._watched and tile.bands == 1 and tile.nodata is None:
            self._sides.setdefault(tile.path, []).append((classes[:, 0].copy(), classes[:, -1].copy()))
            ends = self._ends.setdefault(tile.path, [classes[0].copy()])
            ends[1:] = [classes[-1].copy()]

    def check(self) -> None:
        """Refuse a tile whose border is black.

        Raises
        ------
        RasterError
            With the tile, and how to say what its zeros are.
        """
        for path, strips in self._sides.items():
            sides = [np.concatenate([strip[side] for strip in strips]) for side in (0, 1)]
            longest = max(_longest_run_of_zeros(line) for line in (*sides, *self._ends[path]))
            if longest >= self._limit_px:
                raise RasterError(
                    f"{path}: class 0 runs for {BLACK_BORDER_M} m or more along an edge and no nodata is declared: it "
                    "looks like a black border; cut it off with `gdalwarp -cutline FOOTPRINT -dstnodata 255`, or say "
                    "that its zeros are classes with `gdal_edit.py -a_nodata 255`"
                )


def _longest_run_of_zeros(line: NDArray[np.uint8]) -> int:
    stops = np.flatnonzero(np.concatenate(([1], line, [1])))
    return int(np.diff(stops).max()) - 1


def _classes(bands: NDArray[np.uint8], tile: RasterTile, numbers: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if tile.bands == 1 and not tile.score_classes:
        classes: NDArray[np.uint8] = bands[0]
        if tile.nodata is not None and tile.nodata != NO_DATA:
            _replace(classes.reshape(-1), np.uint8(tile.nodata), np.uint8(NO_DATA))
        return classes
    if tile.score_classes:
        numbers = np.array(tile.score_classes, dtype=np.uint8)
    if tile.bands != len(numbers):
        raise RasterError(
            f"{tile.path}: {tile.bands} bands of scores, but the numbering system has {len(numbers)} classes; "
            "state the right one with --numbering"
        )
    best: NDArray[np.uint8] = numbers[bands.argmax(axis=0)]
    best[bands.max(axis=0) == 0] = NO_DATA
    return best


@njit(cache=True, nogil=True)
def _replace(values, old, new):  # type: ignore[no-untyped-def]
    """Put ``new`` for ``old``, in place."""
    for i in range(len(values)):
        values[i] = new if values[i] == old else values[i]
