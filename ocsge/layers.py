"""Read layers of any delivery into canonical columns, one CRS, valid geometries, and say what it took."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from ocsge.catalog import Catalog, Source, check_run_epsg, entry_of, load_catalog
from ocsge.columns import canonical_column, empty_column
from ocsge.errors import LayerError
from ocsge.geometry_repair import Invalid, repair
from ocsge.vector_files import probe_vector_layer
from ocsge.vector_placement import read_placed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ocsge.catalog_schema import Column, Layer

Bounds = tuple[float, float, float, float]

TOLD_M2 = 1.0
"""Areas that repairs moved are told from here on: less is the rounding of coordinates."""
_RECORDED = "date_creation"
_DATES = (_RECORDED, "date_d_apparition")


@dataclass(frozen=True, slots=True)
class ReadReport:
    """What reading a layer met and did, for the report of the run."""

    layer: str
    """Canonical layer."""

    sources: tuple[Source, ...] = ()
    """Files read; none when the layer was not supplied."""

    read: int = 0
    """Features read."""

    kept: int = 0
    """Features returned."""

    null_or_empty: int | None = 0
    """Features without geometry, dropped; null when unknown, in a layer too large to be read whole for that."""

    unreadable: int = 0
    """Features whose geometry cannot be parsed, dropped."""

    other_kind: int = 0
    """Features without any part of the layer's kind of geometry, dropped."""

    duplicates: int = 0
    """Exact copies of another feature, dropped."""

    after_millesime: int = 0
    """Features created after the end of the millésime, dropped."""

    repaired: int = 0
    """Invalid geometries repaired, open rings included."""

    repaired_area_m2: float = 0.0
    """Sum of the absolute changes of area by the repairs, m²."""

    unreadable_values: int = 0
    """Numbers, dates or yes/no that could not be read and became null."""

    reprojected: int = 0
    """Features reprojected into the CRS of the run."""

    first_recorded: int | None = None
    """Year the oldest feature was entered in its base; null when no feature says."""

    last_dated: int | None = None
    """Latest year a feature appeared or was entered, those after the millésime included; null when no feature says."""

    def as_dict(self) -> dict[str, object]:
        """Return the report as JSON values."""
        row = asdict(self)
        row["sources"] = [{**asdict(source), "path": str(source.path)} for source in self.sources]
        return row

    def warnings(self) -> tuple[str, ...]:
        """Return one line when reading lost or moved something: which layer and file, how many, what was done.

        Copies and objects of a later millésime are no loss, nor are repairs that move less than :data:`TOLD_M2`.
        """
        losses = {
            "features without geometry left out": self.null_or_empty,
            "features of unreadable geometry left out": self.unreadable,
            "features of another kind of geometry left out": self.other_kind,
            "unreadable values taken as unknown": self.unreadable_values,
        }
        told = [f"{count} {what}" for what, count in losses.items() if count]
        if self.repaired_area_m2 >= TOLD_M2:
            told.append(f"{self.repaired} invalid geometries repaired, {self.repaired_area_m2:.1f} m² moved")
        files = ", ".join(dict.fromkeys(source.path.name for source in self.sources))
        return (f"{self.layer} ({files}): {'; '.join(told)}",) if told else ()


@dataclass(frozen=True, slots=True)
class LayerRead:
    """A layer as the stages take it, with the report of its reading."""

    frame: gpd.GeoDataFrame
    """Canonical columns and ``geometry`` (2D, valid, EPSG of the run); a null is unknown."""

    report: ReadReport


def _canonical(raw: pd.DataFrame, entry: Layer, names: dict[str, str]) -> tuple[pd.DataFrame, int]:
    """Return the canonical columns of raw fields, and the number of values that could not be read."""
    columns, unreadable = {}, 0
    for name, column in entry.columns.items():
        values = raw[names[name]] if name in names else None
        columns[name], failed = canonical_column(values, column, index=raw.index)
        unreadable += failed
    return pd.DataFrame(columns, index=raw.index), unreadable


def _read_source(
    source: Source,
    entry: Layer,
    *,
    bounds: Bounds | None,
    epsg: int,
    invalid: Invalid,
    encoding: str | None,
    assume_crs: int | str | None,
    only: tuple[str, Sequence[str]] | None,
) -> tuple[gpd.GeoDataFrame, ReadReport]:
    """Return the features of a source in the columns of the catalogue, and what reading them met and did."""
    where = f"{source.path} layer {source.layer_name or source.path.stem}"
    found = probe_vector_layer(source.path, source.layer_name)
    if missing := entry.missing_from(found.fields):
        raise LayerError(
            f"{where}: {source.product} {entry.id} needs {', '.join(missing)}; "
            f"fields found: {', '.join(found.fields) or 'none'}"
        )
    names = entry.fields_of(found.fields)
    read = read_placed(
        source.path,
        found,
        layer=source.layer_name,
        columns=sorted(set(names.values())),
        bounds=bounds,
        epsg=epsg,
        invalid=invalid,
        encoding=encoding,
        assume_crs=assume_crs,
        where=where,
        only=None if only is None or only[0] not in names else (names[only[0]], only[1]),
    )
    kept = read.frame
    columns, unreadable_values = _canonical(kept.drop(columns=kept.geometry.name), entry, names)
    identifiers = columns["cleabs"].fillna("").to_numpy() if "cleabs" in columns else np.full(len(kept), "")
    labels = np.array([name or fid for name, fid in zip(identifiers, kept.index, strict=True)], dtype=object)
    fixed = repair(np.asarray(kept.geometry.values), kind=entry.geometry, invalid=invalid, where=where, names=labels)
    result = gpd.GeoDataFrame(columns, geometry=fixed.geometries, crs=epsg)
    lost = shapely.is_missing(fixed.geometries) | shapely.is_empty(fixed.geometries)
    report = ReadReport(
        layer=entry.id,
        sources=(source,),
        read=len(read.raw.frame) + (read.unplaced or 0),
        null_or_empty=None
        if read.unplaced is None
        else read.unplaced + read.null - read.raw.unreadable + int(lost.sum()) - fixed.other_kind,
        unreadable=read.raw.unreadable,
        other_kind=fixed.other_kind,
        repaired=fixed.repaired + read.raw.closed,
        repaired_area_m2=fixed.area_change_m2,
        unreadable_values=unreadable_values,
        reprojected=read.reprojected,
    )
    return result[~lost], report


def _without_duplicates(frame: gpd.GeoDataFrame, *, on_geometry: bool) -> tuple[gpd.GeoDataFrame, int]:
    """Return the frame without exact copies: equal geometry and, unless ``on_geometry``, equal columns."""
    if len(frame) < 2:
        return frame, 0
    shapes = pd.Series(shapely.to_wkb(shapely.normalize(frame.geometry.values)), index=frame.index, dtype=object)
    repeated = shapes.duplicated(keep=False)
    if not repeated.any():
        return frame, 0
    rows = pd.DataFrame(index=frame.index[repeated])
    if not on_geometry:
        rows = pd.DataFrame(frame.drop(columns=["geometry"])[repeated])
    copies = rows.assign(_shape=shapes[repeated]).duplicated()
    return frame.drop(index=copies.index[copies]), int(copies.sum())


def _existing_at(frame: gpd.GeoDataFrame, millesime: int) -> pd.Series:
    """Return which objects exist at the end of a year: their earliest date is not later, or is unknown."""
    dates = [frame[name] for name in _DATES if name in frame]
    if not dates:
        return pd.Series(True, index=frame.index)
    first: pd.Series = pd.concat(dates, axis=1).min(axis=1)
    return ~first.gt(pd.Timestamp(year=millesime, month=12, day=31, hour=23, minute=59, second=59))


def _year(frame: gpd.GeoDataFrame, names: Sequence[str], which: Literal["min", "max"]) -> int | None:
    """Return the first or last year of some dates; None without any."""
    found = [date for name in names if name in frame and not pd.isna(date := getattr(frame[name], which)())]
    return int((min if which == "min" else max)(found).year) if found else None


def _sum_reports(layer: str, reports: Sequence[ReadReport]) -> ReadReport:
    totals = {
        field.name: sum(getattr(report, field.name) for report in reports)
        for field in fields(ReadReport)
        if field.name not in {"layer", "sources", "first_recorded", "last_dated", "null_or_empty"}
    }
    without = [report.null_or_empty for report in reports]
    totals["null_or_empty"] = None if None in without else sum(filter(None, without))
    return ReadReport(layer=layer, sources=tuple(s for report in reports for s in report.sources), **totals)


def _empty_frame(columns: Mapping[str, Column], *, epsg: int) -> gpd.GeoDataFrame:
    """Return a layer without any feature."""
    nulls = {name: empty_column(column) for name, column in columns.items()}
    return gpd.GeoDataFrame(nulls, geometry=gpd.GeoSeries([], crs=epsg), crs=epsg)


def read_layer(
    sources: Sequence[Source],
    layer: str,
    *,
    bounds: Bounds | None,
    epsg: int,
    millesime: int | None,
    invalid: Invalid = "repair",
    encoding: str | None = None,
    assume_crs: int | str | None = None,
    only: tuple[str, Sequence[str]] | None = None,
    catalog: Catalog | None = None,
) -> LayerRead:
    """Return the features of a canonical layer that meet ``bounds``, and the report of their reading, in m².

    Does not clip features to the bounds, nor select them by their values.

    Parameters
    ----------
    sources
        Sources of any layer; those of ``layer`` are read and put end to end, in the order given.
    layer
        Canonical layer, for instance ``bd_topo:batiment``.
    bounds
        xmin, ymin, xmax, ymax in ``epsg``; null reads everything.
    epsg
        Projected CRS of the run. Sources in another known CRS are reprojected before anything is measured.
    millesime
        Year whose end the objects must exist at; null keeps every object. An object exists from the earlier
        of ``date_creation`` and ``date_d_apparition``; without any date it always does.
    invalid
        ``repair`` corrects and counts; ``stop`` refuses.
    encoding
        Encoding of shapefiles without ``.cpg``; null tries UTF-8 strictly, then cp1252.
    assume_crs
        CRS of files that declare none; ignored for the others.
    only
        Canonical column and the values to read, as the files write them; null reads every feature.
    catalog
        Catalogue; the shipped one when null.

    Raises
    ------
    CrsError
        When the run's CRS cannot carry areas, a file declares no CRS, or its coordinates are outside it.
    LayerError
        When a file is missing, cut, of the wrong kind of geometry, or lacks a field.
    GeometryError
        When ``invalid`` is ``stop`` and a geometry is invalid, naming file, layer and feature.
    """
    check_run_epsg(epsg)
    catalog = catalog or load_catalog()
    entries = [(source, entry_of(source, catalog=catalog)) for source in sources if source.layer == layer]
    columns = catalog.columns(layer)
    if not entries:
        return LayerRead(frame=_empty_frame(columns, epsg=epsg), report=ReadReport(layer=layer))
    frames, reports = [], []
    for source, entry in entries:
        frame, report = _read_source(
            source,
            entry,
            bounds=bounds,
            epsg=epsg,
            invalid=invalid,
            encoding=encoding,
            assume_crs=assume_crs,
            only=only,
        )
        frames.append(frame)
        reports.append(report)
    filled = [frame for frame in frames if len(frame)]
    if len(filled) > 1:
        whole = gpd.GeoDataFrame(pd.concat(filled, ignore_index=True), crs=epsg)
    else:
        whole = filled[0].reset_index(drop=True) if filled else _empty_frame(columns, epsg=epsg)
    for name, column in columns.items():
        if name not in whole:
            whole[name] = empty_column(column, index=whole.index)
    on_geometry = any(entry.duplicates == "geometry" for _, entry in entries)
    unique, duplicates = _without_duplicates(whole[[*columns, "geometry"]], on_geometry=on_geometry)
    existing = _existing_at(unique, millesime) if millesime is not None else pd.Series(True, index=unique.index)
    frame = unique[existing].reset_index(drop=True)
    report = replace(
        _sum_reports(layer, reports),
        kept=len(frame),
        duplicates=duplicates,
        after_millesime=int((~existing).sum()),
        first_recorded=_year(unique, [_RECORDED], "min"),
        last_dated=_year(unique, _DATES, "max"),
    )
    return LayerRead(frame=frame, report=report)
