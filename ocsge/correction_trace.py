"""Where local corrections show: in the reason of the polygons they decided, and in the results they may change."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from ocsge.store import Workspace
from ocsge.tables import CORRECTION_MARKER
from ocsge.version_layout import PART, described_by, partition_files, result_roots

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_NAMED_SHARE = 0.01
"""Share of a polygon below which one correction is but a border drawn along it, and is not named."""


def with_corrections_named(
    polygons: gpd.GeoDataFrame, corrections: gpd.GeoDataFrame
) -> tuple[gpd.GeoDataFrame, list[dict[str, object]]]:
    """Return the polygons with the corrections that decided them in ``reason``, and what to keep of each correction.

    A correction decided the cover (or the usage) of a polygon when the corrections that give this very code cover at
    least half of the polygon, and this one at least a hundredth of it. A correction too small for the minimum areas
    decides no polygon: its ground went to a neighbour, like any other.

    Parameters
    ----------
    polygons
        Table ``ARTIFICIALISED`` with geometries, CRS of the run.
    corrections
        Those applied, in the order in which they were painted: the later covers the earlier.

    Returns
    -------
    polygons : GeoDataFrame
        The same rows; ``reason`` ends with "; local correction ID (AUTHOR, DATE): REASON" for each that decided.
    applied : list of dict
        One JSON object a correction: its id, codes, author, date and reason, ``area_m2`` of its ground, and the number
        of ``polygons`` that name it.
    """
    deciding = _deciding(polygons, corrections)
    count = np.zeros(len(corrections), dtype=np.int64)
    if deciding:
        reasons = polygons["reason"].to_numpy(dtype=object, copy=True)
        for row, places in sorted(deciding.items()):
            for place in sorted(places):
                told = corrections.iloc[place]
                reasons[row] += f"{CORRECTION_MARKER}{told['id']} ({told['author']}, {told['date']}): {told['reason']}"
                count[place] += 1
        polygons = polygons.assign(reason=pd.Series(reasons, index=polygons.index, dtype="str"))
    applied = [
        {
            **{name: row[name] for name in ("id", "code_cs", "code_us", "author", "date", "reason")},
            "area_m2": round(float(shapely.area(row["geometry"])), 2),
            "polygons": int(number),
        }
        for row, number in zip(corrections.to_dict("records"), count, strict=True)
    ]
    return polygons, applied


def _deciding(polygons: gpd.GeoDataFrame, corrections: gpd.GeoDataFrame) -> dict[int, set[int]]:
    """Return the places of the corrections that decided the cover or the usage of each polygon, by its row."""
    deciding: dict[int, set[int]] = {}
    drawn = np.asarray(polygons.geometry.values)
    for column in ("code_cs", "code_us"):
        places = np.flatnonzero(corrections[column].notna())
        if not len(places):
            continue
        ground = _uncovered(np.asarray(corrections.geometry.values)[places])
        part, row = polygons.sindex.query(ground, predicate="intersects")
        same = polygons[column].to_numpy(object)[row] == corrections[column].to_numpy(object)[places][part]
        part, row = part[same], row[same]
        share = shapely.area(shapely.intersection(drawn[row], ground[part])) / shapely.area(drawn[row])
        total = np.bincount(row, weights=share, minlength=len(polygons))
        for k in np.flatnonzero((2 * total[row] >= 1) & (share >= _NAMED_SHARE)):
            deciding.setdefault(int(row[k]), set()).add(int(places[part[k]]))
    return deciding


def _uncovered(ground: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return what is left of each ground under the later ones."""
    left = ground.copy()
    under, over = shapely.STRtree(ground).query(ground, predicate="intersects")
    for place in np.unique(under[over > under]):
        left[place] = shapely.difference(
            ground[place], shapely.union_all(ground[over[(under == place) & (over > under)]])
        )
    return left


def results_concerned(
    workspace: Path, corrections: gpd.GeoDataFrame, *, reach_m: float
) -> tuple[tuple[str, int, str | None], ...]:
    """Return the results of the current version that corrections may change: commune, millésime, perimeter or null.

    Parameters
    ----------
    workspace
        Folder of the results.
    corrections
        Some of the corrections, as ``corrections.read_corrections`` returns them.
    reach_m
        How far around its territory a run looks, metres.
    """
    version = Workspace(workspace).current()
    first, last = corrections["millesime_from"].fillna(-math.inf), corrections["millesime_to"].fillna(math.inf)
    found = []
    roots = [] if version is None else list(result_roots(version))
    for part in [path for root in roots for path in partition_files(root, "polygons", PART)]:
        described = described_by(part)
        millesime = int(described.years)
        ours = corrections[(first <= millesime) & (last >= millesime)].geometry
        if ours.empty:
            continue
        ground = gpd.read_parquet(part, columns=["geometry"]).geometry
        near = [shapely.dwithin(ground.values, geometry, reach_m).any() for geometry in ours.to_crs(ground.crs)]
        if any(near):
            found.append((described.commune_code, millesime, described.perimetre))
    return tuple(sorted(found, key=lambda result: (result[2] or "", *result[:2])))
