"""Set a result beside a reference, and publish where they agree and where they do not.

Two questions, two comparisons. *Do we apply the decree as IGN does?* The thresholds are computed on the polygons of
IGN's artificialisation layer and its ``artif`` and ``crit_seuil`` are compared with ours, object by object. *Do two
results describe the same ground alike?* Their polygons are overlaid and compared piece by piece.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely

from ocsge.domain import domain_of, run_epsg
from ocsge.errors import CrsError, DataError, LayerError, ParameterError
from ocsge.grid import Grid
from ocsge.inputs import find_sources
from ocsge.official import decide
from ocsge.products.ocs_ge import read_ocs_ge
from ocsge.provenance import credit_of, losses_of
from ocsge.publish import publish
from ocsge.rules import Rules, load_rules
from ocsge.table_files import write_csv
from ocsge.tables import CM2_PER_M2

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ocsge.geometry_repair import Invalid
    from ocsge.layers import ReadReport
    from ocsge.partial_codes import Unclassified

MEASURES = ("artif", "crit_seuil")
"""What is compared: the state, and whether a threshold changed it."""
LAYER = "disagreements"
_UNKNOWN = "unknown"
_NAMES = {True: "yes", False: "no", None: _UNKNOWN}
_GRID_M = 1.0
_SHOWN = (
    "id",
    "code_cs",
    "code_us",
    "artif_reference",
    "artif_ours",
    "crit_seuil_reference",
    "crit_seuil_ours",
    "edge",
    "reason",
    "area_m2",
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Where a result and a reference agree."""

    confusion: pd.DataFrame
    """One row a measure (``artif``, ``crit_seuil``), value of the reference and value of ours (``yes``, ``no``,
    ``unknown``): ``objects`` (number) and ``area_m2``. Every object counts once in each measure."""

    disagreements: gpd.GeoDataFrame
    """One row an object that differs in either measure, the largest first: ``id`` and codes of the reference, both
    values of each measure (null when unknown), ``edge`` (whether the edge of the data may explain it), our
    ``reason``, ``area_m2``, ``geometry``."""

    unclassified_m2: float = 0.0
    """Area of the objects of the reference left out because their codes tell no state."""

    credit: str = ""
    """Credit line of the reference and of the outlines; empty when no catalogue entry gives one."""

    warnings: tuple[str, ...] = ()
    """What reading them lost, one line each."""

    def agreement_pct(self, measure: str, *, by: str = "area_m2") -> float:
        """Return the share of the area (or of the ``objects``) on which a measure is the same, %; null of nothing."""
        table = self._of(measure)
        equal = table[(table["reference"] == table["ours"]) & (table["reference"] != _UNKNOWN)]
        total = float(table[by].sum())
        return 100 * float(equal[by].sum()) / total if total else float("nan")

    def _of(self, measure: str) -> pd.DataFrame:
        return self.confusion[self.confusion["measure"] == measure]


def compare_with_reference(
    reference: Path,
    *,
    communes: Sequence[str] = (),
    workspace: Path | None = None,
    millesime: int | None = None,
    rules: Rules | None = None,
    unclassified: Unclassified = "error",
    invalid: Invalid = "repair",
    assume_crs: int | None = None,
) -> Comparison:
    """Compute the thresholds on the polygons of IGN's artificialisation layer and compare object by object.

    Parameters
    ----------
    reference
        File, folder or archive of the product ``artificialisation``, or a GeoPackage of ours, which has its fields.
    communes
        INSEE codes to compare, with the context that the thresholds need; empty compares the whole layer.
    workspace
        Folder of the registered data, for the outlines of the communes.
    millesime
        Year to take when the place holds several.
    rules
        Rules; the shipped ones of today when null.
    unclassified, invalid, assume_crs
        As :func:`ocsge.official.derive_official`.

    Returns
    -------
    Comparison
        The objects that meet the communes; those of the context decide but do not count.
    """
    rules = rules or load_rules()
    wanted = None if millesime is None else [millesime]
    if not communes:
        read = read_ocs_ge(reference, "artificialisation", millesimes=wanted, invalid=invalid, assume_crs=assume_crs)
        found = compare_objects(read.frame, rules, where=str(reference), unclassified=unclassified)
        return _sourced(found, [read.report])
    if workspace is None:
        raise ParameterError("the outlines of the communes are needed to compare them alone: give their workspace")
    epsg = run_epsg(communes, None)
    domain = domain_of(
        communes=communes,
        perimetre=None,
        sources=find_sources(workspace, communes=communes),
        grid=Grid.at_resolution(epsg=epsg, resolution_m=_GRID_M),
        context_m=rules.interpretation_threshold["context_m"],
        invalid=invalid,
        assume_crs=assume_crs,
    )
    read = read_ocs_ge(
        reference,
        "artificialisation",
        millesimes=wanted,
        epsg=epsg,
        bounds=domain.bounds,
        invalid=invalid,
        assume_crs=assume_crs,
    )
    near = read.frame[read.frame.intersects(domain.context)].reset_index(drop=True)
    if near.empty:
        raise LayerError(f"{reference}: holds nothing of {', '.join(communes)}; is it the right département?")
    found = compare_objects(
        near,
        rules,
        where=str(reference),
        unclassified=unclassified,
        territory=domain.territory,
        context=domain.context,
    )
    return _sourced(found, [read.report, *domain.reports])


def compare_objects(
    layer: gpd.GeoDataFrame,
    rules: Rules,
    *,
    where: str,
    unclassified: Unclassified = "error",
    territory: shapely.Geometry | None = None,
    context: shapely.Geometry | None = None,
) -> Comparison:
    """Compute the thresholds on the objects of a layer and compare with the ``artif`` and ``crit_seuil`` it holds.

    Parameters
    ----------
    layer
        Canonical columns of the product ``artificialisation``, CRS of the run.
    rules, where, unclassified, context
        As :func:`ocsge.official.decide`.
    territory
        Ground whose objects count; null counts them all.
    """
    decided = decide(layer, rules, where=where, unclassified=unclassified, context=context)
    parts = layer.explode(ignore_index=True)
    theirs = parts.iloc[decided.objects["part"].to_numpy()].reset_index(drop=True)
    table = decided.objects.assign(
        edge=decided.objects["fragile"].str.contains("edge"),
        **{f"{measure}_reference": theirs[measure] for measure in MEASURES},
        **{f"{measure}_ours": decided.objects[measure] for measure in MEASURES},
    )
    if territory is not None:
        table = table[_shares_ground(np.asarray(table.geometry.values), territory)]
    return _comparison(table, unclassified_m2=decided.unclassified_m2)


def compare_results(reference: gpd.GeoDataFrame, ours: gpd.GeoDataFrame) -> Comparison:
    """Overlay two results and compare them piece by piece: area is what counts, a piece is no object.

    Parameters
    ----------
    reference, ours
        Polygons with ``artif`` and ``crit_seuil`` (yes/no, null when unknown), each a partition, in one projected CRS.
        ``id``, ``code_cs``, ``code_us`` of the reference and ``reason`` of ours are kept when there.

    Raises
    ------
    CrsError
        When the two are not in one CRS.
    DataError
        When they have no ground in common.
    """
    if reference.crs is None or reference.crs != ours.crs:
        raise CrsError("two results in different CRS cannot be compared; read both into one")
    theirs, mine = np.asarray(reference.geometry.values), np.asarray(ours.geometry.values)
    one, other = shapely.STRtree(mine).query(theirs, predicate="intersects")
    pieces = shapely.intersection(theirs[one], mine[other])
    area_cm2 = np.rint(shapely.area(pieces) * CM2_PER_M2).astype(np.int64)
    kept = area_cm2 > 0
    if not kept.any():
        raise DataError("the two results have no ground in common; are they of the same place?")
    one, other = one[kept], other[kept]
    first, second = reference.iloc[one].reset_index(drop=True), ours.iloc[other].reset_index(drop=True)
    columns: dict[str, pd.Series | NDArray[np.float64] | bool] = {
        name: first[name] for name in ("id", "code_cs", "code_us") if name in first
    }
    for measure in MEASURES:
        columns |= {f"{measure}_reference": first[measure], f"{measure}_ours": second[measure]}
    columns |= {"edge": False, "area_m2": area_cm2[kept] / CM2_PER_M2}
    if "reason" in second:
        columns["reason"] = second["reason"]
    return _comparison(gpd.GeoDataFrame(columns, geometry=pieces[kept], crs=reference.crs))


def compare_files(
    reference: Path,
    result: Path,
    *,
    millesime: int | None = None,
    invalid: Invalid = "repair",
    assume_crs: int | None = None,
) -> Comparison:
    """Overlay two layers of the product ``artificialisation``, in the CRS of the first: see :func:`compare_results`.

    Parameters
    ----------
    reference, result
        File, folder or archive; or a GeoPackage of ours, which has the same fields.
    millesime, invalid, assume_crs
        As :func:`compare_with_reference`.
    """
    years = None if millesime is None else [millesime]
    theirs = read_ocs_ge(reference, "artificialisation", millesimes=years, invalid=invalid, assume_crs=assume_crs)
    epsg = theirs.frame.crs.to_epsg()
    ours = read_ocs_ge(result, "artificialisation", millesimes=years, epsg=epsg, invalid=invalid, assume_crs=assume_crs)
    found = compare_results(theirs.frame, ours.frame)
    return _sourced(found, [theirs.report, ours.report])


def _sourced(found: Comparison, reports: Sequence[ReadReport]) -> Comparison:
    """Return a comparison with the credit of what was read for it, and what reading lost."""
    sources = [source for report in reports for source in report.sources]
    return replace(found, credit=credit_of(sources, None), warnings=losses_of(reports))


def write_comparison(found: Comparison, folder: Path) -> tuple[Path, ...]:
    """Write ``confusion.csv``, ``disagreements.csv`` and, unless empty, ``disagreements.gpkg``; return their paths.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    confusion, listed, drawn = (folder / name for name in ("confusion.csv", f"{LAYER}.csv", f"{LAYER}.gpkg"))
    write_csv(found.confusion, confusion)
    write_csv(found.disagreements, listed)
    if found.disagreements.empty:
        drawn.unlink(missing_ok=True)
        return confusion, listed
    credit = {"credit": found.credit} if found.credit else None
    publish(
        drawn,
        lambda path: pyogrio.write_dataframe(
            found.disagreements, path, layer=LAYER, driver="GPKG", layer_metadata=credit
        ),
    )
    return confusion, listed, drawn


def _comparison(table: gpd.GeoDataFrame, *, unclassified_m2: float = 0.0) -> Comparison:
    table = table.reset_index(drop=True)
    rows = []
    differs = np.zeros(len(table), dtype=np.bool_)
    for measure in MEASURES:
        theirs, ours = (_words(table[f"{measure}_{whose}"]) for whose in ("reference", "ours"))
        differs |= (theirs != ours).to_numpy(np.bool_)
        cm2 = np.rint(table["area_m2"] * CM2_PER_M2).astype("int64")
        cells = pd.DataFrame({"reference": theirs, "ours": ours, "cm2": cm2})
        summed = cells.groupby(["reference", "ours"])["cm2"].agg(["size", "sum"]).reset_index()
        rows.append(
            pd.DataFrame(
                {
                    "measure": measure,
                    "reference": summed["reference"],
                    "ours": summed["ours"],
                    "objects": summed["size"].astype("int64"),
                    "area_m2": summed["sum"] / CM2_PER_M2,
                }
            )
        )
    shown = [name for name in _SHOWN if name in table]
    found = table.loc[differs, [*shown, "geometry"]].sort_values("area_m2", ascending=False, kind="stable")
    return Comparison(
        confusion=pd.concat(rows, ignore_index=True),
        disagreements=gpd.GeoDataFrame(found.reset_index(drop=True), geometry="geometry", crs=table.crs),
        unclassified_m2=unclassified_m2,
    )


def _words(values: pd.Series) -> pd.Series:
    """Return ``yes``, ``no`` or ``unknown`` for each value."""
    words = [_NAMES[None if pd.isna(value) else bool(value)] for value in values]
    return pd.Series(words, index=values.index, dtype="str")


def _shares_ground(shapes: NDArray[np.object_], territory: shapely.Geometry) -> NDArray[np.bool_]:
    """Return which shapes have an area in the territory: touching its outline is not enough."""
    met = shapely.intersects(shapes, territory)
    met[met] = shapely.area(shapely.intersection(shapes[met], territory)) * CM2_PER_M2 >= 1
    return met
