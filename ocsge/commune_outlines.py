"""Read the outlines of communes: one row a commune, whatever file they come from, ADMIN EXPRESS before BD TOPO."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict, Unpack

import geopandas as gpd
import pandas as pd

from ocsge.errors import LayerError
from ocsge.layers import ReadReport, read_layer
from ocsge.territory import check_commune_code, codes_in_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ocsge.catalog import Source
    from ocsge.geometry_repair import Invalid
    from ocsge.layers import Bounds

_COMMUNE_LAYER = "admin_express:commune"
_CODE = "insee_com"
_COMMUNE_COLUMNS = {
    _CODE: "commune_code",
    "nom": "nom",
    "population": "population",
    "siren_epci": "siren_epci",
    "insee_dep": "departement_code",
    "insee_reg": "region_code",
}


@dataclass(frozen=True, slots=True)
class CommunesRead:
    """Outlines of communes, with the report of each file."""

    frame: gpd.GeoDataFrame
    """One row a commune, by code: ``commune_code``, ``nom``, ``population`` (float, null when unknown),
    ``siren_epci``, ``departement_code``, ``region_code``, ``cog_year`` (year of the edition, null when unknown),
    ``geometry`` (CRS of the run)."""

    reports: tuple[ReadReport, ...]
    """One report a file."""


def read_communes(
    sources: Sequence[Source],
    *,
    epsg: int,
    bounds: Bounds | None = None,
    codes: Sequence[str] | None = None,
    invalid: Invalid = "repair",
    assume_crs: int | str | None = None,
) -> CommunesRead:
    """Return the communes of the sources, one row a commune sorted by code, in the CRS of the run.

    Arrondissements of Paris, Lyon and Marseille are joined into their commune. With codes, only their features are
    read, from a national file too; only when they are not found so, written otherwise perhaps, is every one.

    Parameters
    ----------
    sources
        Sources of any layer; those of ``admin_express:commune`` are read.
    epsg
        Projected CRS of the run.
    bounds
        xmin, ymin, xmax, ymax in ``epsg``: communes that meet it; null takes every one.
    codes
        INSEE codes to keep; null keeps every one.
    invalid, assume_crs
        As ``read_layer``.

    Raises
    ------
    LayerError
        When a code asked for is in no source.
    CrsError, GeometryError
        As ``read_layer``.
    ParameterError
        When a code is not an INSEE code.
    """
    how: _How = {"epsg": epsg, "bounds": bounds, "invalid": invalid, "assume_crs": assume_crs}
    if codes is None:
        return _read_every(sources, None, **how)
    wanted = {check_commune_code(code) for code in codes}
    written = [name for code in sorted(wanted) for name in codes_in_files(code)]
    for only in (written, None):
        read = _read_every(sources, only, **how)
        if not (missing := sorted(wanted - set(read.frame["commune_code"]))):
            found = read.frame[read.frame["commune_code"].isin(wanted)].reset_index(drop=True)
            return CommunesRead(frame=found, reports=read.reports)
    raise LayerError(
        f"commune {', '.join(missing)}: in no source of admin_express:commune; "
        "register an ADMIN EXPRESS that holds it with `ocsge catalog add`"
    )


class _How(TypedDict):
    """How each file is read."""

    epsg: int
    bounds: Bounds | None
    invalid: Invalid
    assume_crs: int | str | None


def _read_every(sources: Sequence[Source], only: Sequence[str] | None, **how: Unpack[_How]) -> CommunesRead:
    """Return the communes of every file, those of the codes ``only`` as the files write them."""
    known: set[str] = set()
    frames, reports = [], []
    for source in sorted((s for s in sources if s.layer == _COMMUNE_LAYER), key=_authority, reverse=True):
        read = read_layer(
            [source],
            _COMMUNE_LAYER,
            millesime=None,
            only=None if only is None else (_CODE, only),
            **how,
        )
        reports.append(read.report)
        part = read.frame.rename(columns=_COMMUNE_COLUMNS).assign(cog_year=_cog_years(read.frame, source))
        part = part[[*_COMMUNE_COLUMNS.values(), "cog_year", "geometry"]]
        part["commune_code"] = [check_commune_code(code) for code in part["commune_code"]]
        part = part[~part["commune_code"].isin(known)]
        known |= set(part["commune_code"])
        frames.append(_joined_communes(part) if part["commune_code"].duplicated().any() else part)
    if not frames:
        frames = [_no_communes(how["epsg"])]
    frame = gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), crs=how["epsg"])
    frame = frame.sort_values("commune_code", ignore_index=True)[[*_COMMUNE_COLUMNS.values(), "cog_year", "geometry"]]
    return CommunesRead(frame=frame, reports=tuple(reports))


def _authority(source: Source) -> tuple[bool, str, str]:
    """Return how far the outlines of a file come before those of another: ADMIN EXPRESS first, then the latest edition.

    BD TOPO delivers communes too, of another generalisation: the same commune must not count twice.
    """
    return (_is_admin_express(source.path), source.edition or "", source.path.name)


def _is_admin_express(path: Path) -> bool:
    """Return whether the name of a file, or else the nearest folder that names a product, says ADMIN EXPRESS."""
    for name in (path.name, *(folder.name for folder in path.parents)):
        letters = re.sub(r"[^a-z]", "", name.casefold())
        if "adminexpress" in letters or "bdtopo" in letters:
            return "adminexpress" in letters
    return "admin" in path.name.casefold()


def _no_communes(epsg: int) -> gpd.GeoDataFrame:
    columns = {name: pd.Series([], dtype="str") for name in _COMMUNE_COLUMNS.values()}
    columns["cog_year"] = pd.Series([], dtype="Int64")
    return gpd.GeoDataFrame(columns, geometry=gpd.GeoSeries([], crs=epsg), crs=epsg)


def _joined_communes(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return one row a commune code: outlines joined, populations added, other columns of the first row."""
    first = {name: "first" for name in _COMMUNE_COLUMNS.values() if name not in {"commune_code", "population"}}
    add_up = {"population": lambda values: values.sum(min_count=len(values))}
    return frame.dissolve(by="commune_code", aggfunc={**first, **add_up, "cog_year": "first"}, as_index=False)


def _cog_years(frame: gpd.GeoDataFrame, source: Source) -> pd.Series:
    """Return the year of the list of communes: that of the edition an object states, else of its file's name."""
    stated = frame["edition"].astype("str") if "edition" in frame else pd.Series("", index=frame.index, dtype="str")
    years = stated.str.extract(r"\b((?:19|20)\d{2})\b", expand=False).fillna((source.edition or "")[:4])
    return pd.to_numeric(years, errors="coerce").astype("Int64")
