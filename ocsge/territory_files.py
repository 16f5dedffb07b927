"""Answer questions about territories from files: read, make one call, return the table."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas as gpd

from ocsge import commune_movements, territories
from ocsge.catalog import registered_sources
from ocsge.commune_outlines import read_communes
from ocsge.csv_tables import read_text_table, typed_table
from ocsge.errors import DataError, ParameterError
from ocsge.plu_zones import read_plu_zones, sum_plu_zones
from ocsge.portal import beside, official_figures
from ocsge.provenance import losses_of
from ocsge.tables import FLOW, STOCK
from ocsge.territory import check_commune_code, territory_epsg
from ocsge.version_layout import published_polygons

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd


@dataclass(frozen=True, slots=True)
class Comparison:
    """Official figures beside derived ones, and what of the official ones does not hold together."""

    beside: pd.DataFrame
    """As :func:`ocsge.portal.beside`; the official figures alone when nothing was derived."""

    broken: pd.DataFrame
    """Identities that do not hold, as :class:`ocsge.portal.OfficialFigures` reports them."""


def read_commune_table(path: Path) -> pd.DataFrame:
    """Return the ``STOCK`` or ``FLOW`` of a CSV file; a table with ``millesime_2`` is a flow.

    Raises
    ------
    DataError
        When the file is neither.
    """
    cells = read_text_table(path)
    return typed_table(cells, FLOW if "millesime_2" in cells.columns else STOCK, where=str(path))


def territory_sums(
    table: Path,
    *,
    level: str,
    membership: Path | None = None,
    workspace: Path | None = None,
    movements: Path | None = None,
    cog_year: int | None = None,
    tell: Callable[[str], object] = warnings.warn,
) -> pd.DataFrame:
    """Return the sums over territories of a table of communes, in hectares.

    Parameters
    ----------
    table
        CSV of ``STOCK`` or ``FLOW``.
    level
        As :func:`ocsge.territories.sum_territories`.
    membership
        CSV of ``MEMBERSHIP``; its nulls are filled from the workspace when both are given.
    workspace
        Folder whose registered ADMIN EXPRESS gives EPCI, département, région and extents.
    movements
        CSV of ``MOVEMENTS``, followed up to the COG of the membership.
    cog_year
        COG of the membership, when it does not say.
    tell
        Receives what reading the outlines lost, one line each.

    Raises
    ------
    ParameterError
        When there is neither membership nor workspace; or movements and no COG, a COG and no movements, or another COG
        than that of the membership.
    DataError
        When a file cannot be used.
    """
    if cog_year is not None and movements is None:
        raise ParameterError("--cog-year says up to which COG --movements are followed; give both or neither")
    rows = read_commune_table(table)
    members = _membership(rows, membership, workspace, tell)
    if movements is not None:
        known = members["cog_year"].dropna()
        if cog_year is None and known.empty:
            raise ParameterError("--movements: the membership says of no COG; give it with --cog-year")
        if cog_year is not None and len(known) and cog_year != int(known.iloc[0]):
            raise ParameterError(
                f"--cog-year {cog_year}: the membership is of COG {int(known.iloc[0])}; leave it out, or give the "
                f"membership of {cog_year}"
            )
        moves = commune_movements.movements(read_text_table(movements), where=str(movements))
        year = int(known.iloc[0]) if cog_year is None else cog_year
        rows = commune_movements.follow_movements(rows, moves, cog_year=year)
    return territories.sum_territories(rows, members, level=level)


def _membership(
    rows: pd.DataFrame, path: Path | None, workspace: Path | None, tell: Callable[[str], object]
) -> pd.DataFrame:
    supplied = None if path is None else territories.membership(read_text_table(path), where=str(path))
    if workspace is None:
        if supplied is None:
            raise ParameterError("no membership: give --membership FILE, or --workspace with an ADMIN EXPRESS")
        return supplied
    if rows.empty:
        raise DataError("the table holds no commune; nothing can be summed")
    epsg = territory_epsg(str(rows["commune_code"].iloc[0]))
    read = read_communes(registered_sources(workspace), epsg=epsg)
    for text in losses_of(read.reports):
        tell(text)
    communes = read.frame
    communes["cog_year"] = communes["cog_year"].astype("Int64")
    found = territories.membership_of_communes(communes)
    return found if supplied is None else territories.complete_membership(supplied, found)


def plu_zone_areas(
    zones: Path,
    *,
    commune: str,
    workspace: Path,
    millesime: int | None = None,
    assume_crs: int | None = None,
    tell: Callable[[str], object] = warnings.warn,
) -> pd.DataFrame:
    """Return the artificialised area by type of PLU zone of a commune of a workspace, in drawn hectares.

    Parameters
    ----------
    zones
        ``ZONE_URBA`` file, CNIG standard.
    commune
        INSEE code.
    workspace
        Folder that holds the derived polygons.
    millesime
        Year; None takes the last one derived.
    assume_crs
        EPSG code of a file that declares no CRS.
    tell
        Receives what reading the zones lost, one line each.

    Raises
    ------
    DataError
        When the commune has no result, or the file cannot be used.
    """
    code = check_commune_code(commune)
    path = published_polygons(workspace, code, millesime)
    plan = read_plu_zones(zones, commune_code=code, assume_crs=assume_crs)
    for text in plan.report.warnings():
        tell(text)
    return sum_plu_zones(gpd.read_parquet(path), plan.frame)


def compare_with_portal(export: Path, table: Path | None = None) -> Comparison:
    """Return the official figures of a national export beside the derived ones of a table, in hectares.

    Parameters
    ----------
    export
        CSV of the national export, by commune.
    table
        CSV of ``STOCK`` or ``FLOW``; null gives the official stocks alone.

    Raises
    ------
    DataError
        When a file cannot be used.
    """
    official = official_figures(read_text_table(export), where=str(export))
    shown = official.stock if table is None else beside(read_commune_table(table), official)
    return Comparison(beside=shown, broken=official.broken)
