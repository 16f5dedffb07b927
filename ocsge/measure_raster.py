"""Measure cover areas in any polygons straight from a class raster, m², with ± when a confusion matrix is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import rasterio
import shapely
from rasterio.errors import RasterioIOError

from ocsge.catalog import check_run_epsg
from ocsge.class_areas import ClassCounts, Method, count_classes
from ocsge.class_numbers import numbered_classes
from ocsge.demonstration_models import demonstration_warnings
from ocsge.errors import CrsError, RasterError
from ocsge.grid import Grid
from ocsge.inputs import numbering_and_model
from ocsge.products.class_probability import probability_levels
from ocsge.products.confusion import Confusion, confusion_beside, read_confusion
from ocsge.products.cosia import RasterTile, meets, overlap_warning, place_tiles, raster_files
from ocsge.rules import load_rules
from ocsge.run import usable_cores
from ocsge.tables import Column, Schema, typed
from ocsge.uncertainty import NO_MATRIX, ByLevel, Estimate, class_estimates
from ocsge.zones import read_zones

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from ocsge.geometry_repair import Invalid
    from ocsge.rules import Rules

NO_DATA_CLASS = "no data"
"""``cosia_class`` of the row that says how much of a zone is unknown."""

SAMPLING_ALONE = "sampling error alone; supposes that the model errs here as where its matrix was sampled"
"""``interval_holds`` of an area with an interval: its rates are those of other ground, and may not hold on this one."""

MEASURED = Schema(
    "MEASURED",
    {
        "zone": Column("text"),
        "class_number": Column("int64", nullable=True),
        "cosia_class": Column("text"),
        "area_m2": Column("float64", "m²"),
        "share_pct": Column("float64", "%", nullable=True),
        "adjusted_m2": Column("float64", "m²", nullable=True),
        "ci95_m2": Column("float64", "m²", nullable=True),
        "interval_holds": Column("text"),
        "no_interval": Column("text"),
    },
)
"""One row a zone and class that it holds, and one for its ground without data; the areas of a zone sum to it."""


@dataclass(frozen=True, slots=True)
class MeasuredRaster:
    """Areas of classes in zones, and what they come from."""

    table: pd.DataFrame
    """Table :data:`MEASURED`, zones in the order of the file, classes by number, then no data."""

    numbering: str
    """Numbering system of ``class_number``."""

    model: str
    """Name of the model that made the raster, several joined by ``+``; empty when unknown."""

    confusion: Path | None
    """The confusion matrix used."""

    samples: str
    """Who sampled the matrix, where and when; empty without one."""

    by_probability: bool
    """Whether its samples were told by the probability of the classes, which stands beside the raster."""

    warnings: tuple[str, ...]
    """What to know of the zones and of the raster, one line each."""


def measure_raster(
    raster: Path,
    zones: Path,
    *,
    numbering: str | None = None,
    confusion: Path | None = None,
    layer: str | None = None,
    name_field: str | None = None,
    resolution_m: float | None = None,
    resample: bool = False,
    invalid: Invalid = "repair",
    assume_crs: int | None = None,
    rules: Rules | None = None,
    method: Method = "auto",
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> MeasuredRaster:
    """Measure the area of each class of a raster in each zone of a file, in m².

    A pixel is in a zone when its centre is. Classes are what the raster says: no layer, no minimum area and no decree.

    Parameters
    ----------
    raster
        Raster file or folder of dalles, in a projected CRS, metres.
    zones
        Vector file of polygons; another CRS is reprojected into the raster's.
    numbering
        Numbering system of the class numbers; None takes the raster's ``OCSGE_NUMBERING`` tag.
    confusion
        Confusion matrix of the raster's model; None takes the one beside the raster, if any.
    layer, name_field
        Layer of the zones when there are several; field that names them, one name a zone.
    resolution_m
        Pixel, metres; None takes that of the first dalle.
    resample
        Accept dalles that do not lie on the grid of that pixel (nearest pixel).
    invalid, assume_crs
        What to do with invalid zones; CRS of zones that declare none.
    rules
        Give the classes; those shipped when null.
    method, threads, progress
        As :func:`ocsge.class_areas.count_classes` takes them.

    Raises
    ------
    DataError
        Zones, raster or confusion matrix that cannot be used.
    ParameterError
        When the numbering system is not stated: neighbouring systems swap classes, so it is never guessed.
    """
    rules = load_rules() if rules is None else rules
    paths = raster_files(raster)
    grid = _grid(paths[0], resolution_m)
    tiles = place_tiles(paths, grid=grid, resample=resample)
    numbering, model = numbering_and_model(tiles, numbering, rules=rules)
    confusion = confusion if confusion is not None else confusion_beside(raster)
    matrix = None
    if confusion is not None:
        matrix = read_confusion(confusion, rules=rules, numbering=numbering, model=model)
    read = read_zones(zones, epsg=grid.epsg, layer=layer, name_field=name_field, invalid=invalid, assume_crs=assume_crs)
    ground = np.asarray(read.frame.geometry.values)
    _check_meets(tiles, ground, grid=grid, raster=raster, zones=zones)
    window = grid.window_of(tuple(shapely.total_bounds(ground).tolist()))
    levels, alone = probability_levels(tiles, matrix, grid=grid, window=window)
    counts = count_classes(
        ground,
        tiles=tiles,
        grid=grid,
        rules=rules,
        numbering=numbering,
        levels=levels,
        method=method,
        threads=usable_cores() if threads is None else threads,
        on_done=progress,
    )
    names = _class_names(rules, numbering)
    table = _table(list(read.frame["zone"]), counts, grid=grid, names=names, matrix=matrix)
    warnings = [
        *read.warnings,
        *overlap_warning(tiles, grid=grid, window=window),
        *filter(None, [alone]),
        *demonstration_warnings(model),
    ]
    if empty := int((counts.pixels.sum(axis=1) + counts.no_data == 0).sum()):
        warnings.append(f"{zones}: {empty} zones hold no pixel centre; they are narrower than a pixel")
    return MeasuredRaster(
        table=table,
        numbering=numbering,
        model=model,
        confusion=confusion,
        samples="" if matrix is None else matrix.source,
        by_probability=levels is not None,
        warnings=tuple(warnings),
    )


def _grid(path: Path, resolution_m: float | None) -> Grid:
    """Return the lattice of a raster: its CRS, and its own pixel unless another is asked for."""
    try:
        with rasterio.open(path) as dataset:
            crs, side = dataset.crs, float(dataset.transform.a)
    except RasterioIOError as error:
        raise RasterError(f"{path}: cannot be opened as a raster ({error}); check that the file is whole") from error
    if crs is None:
        raise CrsError(f"{path}: the raster declares no CRS; write it into the file (gdal_edit.py -a_srs EPSG:2154)")
    epsg = crs.to_epsg()
    if epsg is None:
        raise CrsError(
            f"{path}: CRS {crs.to_string()[:60]} has no EPSG code; reproject the raster into the official one"
        )
    check_run_epsg(int(epsg))
    return Grid.at_resolution(epsg=int(epsg), resolution_m=side if resolution_m is None else resolution_m)


def _check_meets(
    tiles: Sequence[RasterTile],
    ground: np.ndarray[tuple[int], np.dtype[np.object_]],
    *,
    grid: Grid,
    raster: Path,
    zones: Path,
) -> None:
    if not meets(tiles, ground, grid=grid):
        xmin, ymin, xmax, ymax = shapely.total_bounds(ground).tolist()
        raise RasterError(
            f"{raster}: meets none of the zones of {zones}, which lie within ({xmin:.0f}, {ymin:.0f}, {xmax:.0f}, "
            f"{ymax:.0f}) of EPSG:{grid.epsg}; give the dalles of the zones"
        )


def _class_names(rules: Rules, numbering: str) -> dict[int, str]:
    """Return the name of each class number; a number that stands for several classes has all their names."""
    names: dict[int, str] = {}
    for cosia_class, number in numbered_classes(rules, numbering):
        names[number] = f"{names[number]} / {cosia_class.name}" if number in names else cosia_class.name
    return names


def _table(
    zones: list[str], counts: ClassCounts, *, grid: Grid, names: dict[int, str], matrix: Confusion | None
) -> pd.DataFrame:
    unknown = grid.area_m2(counts.no_data).tolist()
    areas = grid.area_m2(counts.pixels).tolist()
    by_level = [None] * len(zones) if counts.levels is None else grid.area_m2(counts.levels).tolist()
    rows = [
        row
        for zone, known, levels, no_data in zip(zones, areas, by_level, unknown, strict=True)
        for row in _rows(
            zone,
            dict(zip(counts.numbers, known, strict=True)),
            None if levels is None else dict(zip(counts.numbers, levels, strict=True)),
            no_data,
            names=names,
            matrix=matrix,
        )
    ]
    return typed(pd.DataFrame(rows, columns=list(MEASURED.columns)), MEASURED, where="measure_raster")


def _rows(
    zone: str,
    areas: dict[int, float],
    by_level: ByLevel | None,
    no_data: float,
    *,
    names: dict[int, str],
    matrix: Confusion | None,
) -> Iterator[tuple[object, ...]]:
    """Yield the rows of a zone: the classes it holds or may hold, then its ground without data."""
    total = sum(areas.values()) + no_data
    estimates = {} if matrix is None else class_estimates(areas, matrix, by_level=by_level)
    for number in sorted({*areas, *estimates}):
        area, estimate = areas.get(number, 0.0), estimates.get(number, Estimate(reason=NO_MATRIX))
        if area or estimate.adjusted:
            share = 100 * area / total
            holds = "" if estimate.ci95 is None else SAMPLING_ALONE
            yield zone, number, names[number], area, share, estimate.adjusted, estimate.ci95, holds, estimate.reason
    if no_data > 0 or total == 0:
        yield zone, None, NO_DATA_CLASS, no_data, 100 * no_data / total if total else None, None, None, "", ""
