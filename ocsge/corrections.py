"""The local corrections of a workspace: ground whose cover or usage a planner knows better than the data.

They are the layer ``corrections`` of ``corrections.gpkg``, one polygon a correction; QGIS, ``ocsge corrections`` or a
program write it, the next derivation applies the *accepted* ones as evidence of highest priority. Nothing is ever
deleted: a correction that no longer holds is withdrawn, and the next derivation gives back what was there without it.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from filelock import FileLock, Timeout
from pyproj import CRS

from ocsge.correction_faults import STATUSES, faults, faults_of_ground
from ocsge.errors import CrsError, LayerError, OutputError, ParameterError, WorkspaceBusyError
from ocsge.publish import output_error, publish
from ocsge.territory import check_run_epsg
from ocsge.vector_files import list_vector_layers, read_features
from ocsge.vector_placement import only_layer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ocsge.correction_faults import Status
    from ocsge.rules import Rules

FILE, LAYER = "corrections.gpkg", "corrections"
_TEXTS = ("id", "code_cs", "code_us", "author", "date", "reason", "status")
_YEARS = ("millesime_from", "millesime_to")
COLUMNS = ("id", "code_cs", "code_us", "millesime_from", "millesime_to", "author", "date", "reason", "status")
"""Columns of the layer beside its geometry: texts, ``date`` as YYYY-MM-DD; the two years may be null."""
_LOCK_S = 10
"""Writing takes a fraction of a second: a lock held longer is another program's."""


def corrections_path(workspace: Path) -> Path:
    """Return where the corrections of a workspace are kept; the file need not exist."""
    return workspace / FILE


def read_corrections(workspace: Path) -> gpd.GeoDataFrame:
    """Return every correction of a workspace, whatever its status, as it stands in the layer.

    Does not check the rows: see :mod:`ocsge.correction_faults`.

    Returns
    -------
    geopandas.GeoDataFrame
        :data:`COLUMNS` and ``geometry``, CRS of the layer, one row a correction in file order; empty texts are null.
        Without file, no row and no CRS.

    Raises
    ------
    LayerError
        When the file is cut, or has no such layer or lacks a column.
    GeometryError
        When a geometry cannot be read.
    CrsError
        When the layer declares no CRS, or one in which areas cannot be measured.
    """
    path = corrections_path(workspace)
    if not path.is_file():
        return gpd.GeoDataFrame({name: [] for name in COLUMNS}, geometry=[])
    layer = next((found for found in list_vector_layers(path) if found.name == LAYER), None)
    if layer is None:
        raise LayerError(f"{path}: no layer {LAYER!r}; name it so, or move the file away")
    missing = [name for name in COLUMNS if name not in layer.fields]
    if missing:
        raise LayerError(f"{path} layer {LAYER}: no column {', '.join(missing)}; add it, text or whole number")
    if layer.crs is None:
        raise CrsError(f"{path} layer {LAYER}: declares no CRS; give it the one of the territory, such as EPSG:2154")
    raw = read_features(path, LAYER, columns=list(COLUMNS), bbox=None, encoding=None, stop_on_invalid=True).frame
    epsg = CRS.from_user_input(raw.crs).to_epsg()
    if epsg is None:
        raise CrsError(f"{path} layer {LAYER}: its CRS has no EPSG code; save it in the territory's, such as EPSG:2154")
    check_run_epsg(epsg)
    frame = raw.reset_index(drop=True)
    for name in _TEXTS:
        frame[name] = pd.Series([_text(value) for value in frame[name]], index=frame.index, dtype=object)
    for name in _YEARS:
        if not pd.api.types.is_numeric_dtype(frame[name]) and frame[name].notna().any():
            raise LayerError(f"{path} layer {LAYER}: column {name} holds texts; make it a whole number")
        frame[name] = frame[name].astype("float64")
    return frame[[*COLUMNS, "geometry"]].set_crs(epsg, allow_override=True)


def accepted_corrections(workspace: Path, rules: Rules, *, epsg: int, millesime: int) -> gpd.GeoDataFrame:
    """Return the corrections that a derivation applies, in the order in which they are painted.

    The later of two corrections that overlap wins: by date, then by place in the layer.

    Parameters
    ----------
    workspace
        Folder that holds the layer; without it there are no corrections.
    rules
        Give the leaves of the nomenclature.
    epsg
        CRS of the run; a layer in another one is reprojected.
    millesime
        Year of the state: corrections that hold from later, or until earlier, are left out.

    Raises
    ------
    LayerError
        When an accepted correction has a fault, or the status of one is unknown: it would be silently left out.
    CrsError
        When the ground of one cannot be expressed in the CRS of the run.
    """
    every = read_corrections(workspace)
    where = f"{corrections_path(workspace)} layer {LAYER}"
    wanted = every[(every["status"] == "accepted") | ~every["status"].isin(STATUSES)]
    wrong = faults(wanted, rules, where=where)
    if wrong:
        more = f" ({len(wrong) - 1} more: `ocsge corrections check`)" if len(wrong) > 1 else ""
        raise LayerError(f"{wrong[0]}{more}")
    first, last = wanted["millesime_from"].fillna(-math.inf), wanted["millesime_to"].fillna(math.inf)
    ours = wanted[(first <= millesime) & (last >= millesime)].sort_values("date", kind="stable", ignore_index=True)
    if ours.empty:
        return ours.set_crs(epsg, allow_override=True)
    placed = ours.to_crs(epsg) if ours.crs.to_epsg() != epsg else ours
    lost = ~np.isfinite(shapely.bounds(placed.geometry.values)).all(axis=1)
    if lost.any():
        raise CrsError(
            f"{where} correction {', '.join(ours['id'][lost])}: its ground cannot be expressed in EPSG:{epsg}; is the "
            "CRS of the layer right? Draw it again, or withdraw it"
        )
    return placed


def corrections_within(corrections: gpd.GeoDataFrame, ground: shapely.Geometry) -> gpd.GeoDataFrame:
    """Return the corrections that meet the ground a run derives; the others cannot change its result."""
    return corrections[shapely.intersects(corrections.geometry.values, ground)].reset_index(drop=True)


def add_correction(
    workspace: Path,
    geometry: shapely.Geometry,
    rules: Rules,
    *,
    epsg: int,
    author: str,
    reason: str,
    code_cs: str | None = None,
    code_us: str | None = None,
    millesime_from: int | None = None,
    millesime_to: int | None = None,
    on: date | None = None,
    status: Status = "proposed",
) -> str:
    """Append a correction to the layer of a workspace, made when absent, and return its id.

    Readers see the layer without it or with it, never half of it; of two writers, one waits.

    Parameters
    ----------
    workspace
        Folder of the layer.
    geometry
        Polygon or MultiPolygon, CRS ``epsg``.
    rules
        Give the leaves of the nomenclature.
    epsg
        Projected CRS of the territory, which is that of the layer.
    author, reason
        Who says so, and from what.
    code_cs, code_us
        Cover and usage of the ground, leaves of the nomenclature; null leaves it to the data, one of them is given.
    millesime_from, millesime_to
        First and last year it holds for; null for every year.
    on
        Day of the correction; null is today.
    status
        ``proposed`` waits for a decision.

    Raises
    ------
    ParameterError
        When the correction has a fault.
    CrsError
        When the layer is in another CRS.
    WorkspaceBusyError
        When another program writes the layer.
    """
    check_run_epsg(epsg)
    with _writing(workspace):
        every = read_corrections(workspace)
        if every.crs is not None and every.crs.to_epsg() != epsg:
            raise CrsError(
                f"{corrections_path(workspace)} layer {LAYER}: in {every.crs.to_string()}, the correction in "
                f"EPSG:{epsg}; give the ground in the CRS of the layer"
            )
        row = {
            "id": _next_id(every["id"]),
            "code_cs": _text(code_cs),
            "code_us": _text(code_us),
            "millesime_from": np.nan if millesime_from is None else millesime_from,
            "millesime_to": np.nan if millesime_to is None else millesime_to,
            "author": _text(author),
            "date": (on or datetime.now(UTC).date()).isoformat(),
            "reason": _text(reason),
            "status": status,
        }
        added = gpd.GeoDataFrame([row], geometry=[shapely.force_2d(geometry)], crs=epsg)
        wrong = faults(added, rules, where="new")
        if wrong:
            raise ParameterError(wrong[0].replace(f"new correction {row['id']}", "this correction", 1))
        _write(added if every.empty else pd.concat([every, added], ignore_index=True), workspace)
    return str(row["id"])


def read_ground(path: Path) -> tuple[shapely.Geometry, int]:
    """Return the ground that the polygons of a file cover together, and the EPSG code of its CRS.

    Raises
    ------
    LayerError
        When the file holds several layers, or a feature is no valid polygon.
    CrsError
        When it declares no CRS, or one without EPSG code.
    """
    layer = only_layer(path, what="the ground of a correction")
    where = f"{path} layer {layer.name}"
    frame = read_features(path, layer.name, columns=[], bbox=None, encoding=None, stop_on_invalid=True).frame
    epsg = None if frame.crs is None else frame.crs.to_epsg()
    if epsg is None:
        raise CrsError(f"{where}: declares no CRS of the EPSG list; save it in the territory's, such as EPSG:2154")
    for number, geometry in enumerate(frame.geometry, start=1):
        for text in faults_of_ground(geometry):
            raise LayerError(f"{where} feature {number}: {text}")
    if frame.empty:
        raise LayerError(f"{where}: holds no polygon; draw the ground of the correction")
    return shapely.union_all(frame.geometry.values), int(epsg)


def set_status(workspace: Path, ids: Sequence[str], status: Status, rules: Rules) -> gpd.GeoDataFrame:
    """Give corrections a status, all or none, and return them.

    Raises
    ------
    ParameterError
        When an id is unknown.
    LayerError
        When a correction that is to be accepted has a fault.
    """
    with _writing(workspace):
        every = read_corrections(workspace)
        path = corrections_path(workspace)
        unknown = sorted(set(ids) - set(every["id"]))
        if unknown:
            raise ParameterError(f"{path}: no correction {', '.join(unknown)}; see `ocsge corrections list`")
        chosen = every["id"].isin(ids)
        every.loc[chosen, "status"] = status
        wrong = faults(every[chosen], rules, where=f"{path} layer {LAYER}") if status == "accepted" else ()
        if wrong:
            raise LayerError(wrong[0])
        _write(every, workspace)
    return every[chosen].reset_index(drop=True)


def _text(value: Any) -> str | None:
    """Return a text without spaces around it and on one line; a day as YYYY-MM-DD; null when there is nothing."""
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return None
    text = value.date().isoformat() if isinstance(value, datetime) else str(value)
    return " ".join(text.split()) or None


def _next_id(ids: pd.Series) -> str:
    numbers = [int(name[1:]) for name in ids.dropna() if name[:1] == "c" and name[1:].isdigit()]
    return f"c{max(numbers, default=0) + 1:04d}"


@contextmanager
def _writing(workspace: Path) -> Iterator[None]:
    """Hold the layer for writing; it is not the lock of the workspace, for a derivation may last."""
    path = corrections_path(workspace)
    busy = f"{path}: another program is writing it; close its editing there (QGIS: save, remove the layer), then again"
    try:
        workspace.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_suffix(".lock"), timeout=_LOCK_S)
        lock.acquire()
    except Timeout as error:
        raise WorkspaceBusyError(busy) from error
    except OSError as error:
        raise output_error(error, path) from error
    try:
        journal = path.with_name(f"{FILE}-wal")
        if journal.is_file() and journal.stat().st_size:
            raise WorkspaceBusyError(busy)  # a journal laid over another file would spoil it
        yield
    finally:
        lock.release()


def _write(corrections: gpd.GeoDataFrame, workspace: Path) -> None:
    years = {name: corrections[name].astype("Int64") for name in _YEARS}
    texts = {name: corrections[name].astype("object").where(corrections[name].notna(), None) for name in _TEXTS}
    frame = corrections.assign(**years, **texts)[[*COLUMNS, "geometry"]]
    path = corrections_path(workspace)

    def write(temporary: Path) -> None:
        """Write the layer with the geometry type that any correction fits."""
        try:
            pyogrio.write_dataframe(
                frame, temporary, layer=LAYER, driver="GPKG", geometry_type="MultiPolygon", promote_to_multi=True
            )
        except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, pyogrio.errors.FeatureError) as error:
            raise OutputError(f"{path}: GDAL cannot write it ({error}); check the disk and its free space") from error

    def verify(temporary: Path) -> None:
        """Refuse a file that lacks corrections."""
        if pyogrio.read_info(temporary, layer=LAYER, force_feature_count=True)["features"] != len(frame):
            raise OutputError("corrections are missing")

    publish(path, write, verify=verify)
