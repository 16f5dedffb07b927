"""Import the national export of the portal (Mon Diagnostic Artificialisation) as official figures.

Official figures stand beside derived ones, with the gap; they are never mixed into one figure. The export is in m²
and percentages; hectares here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ocsge.commune_sums import FLOW_KIND, kind_of
from ocsge.csv_tables import commune_codes, numbers, renamed, whole_numbers
from ocsge.errors import DataError
from ocsge.tables import M2_PER_HECTARE

if TYPE_CHECKING:
    from collections.abc import Sequence

FLOAT_GAP = 1e-6
"""Gap of an identity that floating point explains, m² or points."""
ROUNDING_UNITS = 1.5
"""Units of the last decimal by which three rounded figures of an identity may disagree."""

_YEAR = re.compile(r"millesimes?_(\d+)", re.IGNORECASE)
SOURCE = "official"


@dataclass(frozen=True, slots=True)
class OfficialFigures:
    """Figures of the national export, by commune."""

    stock: pd.DataFrame
    """One row a commune and millésime: ``commune_code``, ``nom``, ``millesime``, ``source``, ``surface_ha``,
    ``stock_ha``, ``part_pct``; null where the export is empty."""

    flow: pd.DataFrame
    """One row a commune and pair of consecutive millésimes: ``commune_code``, ``nom``, ``millesime_1``,
    ``millesime_2``, ``source``, ``surface_ha``, ``net_ha``, ``net_ha_an``, ``net_pts`` (points of %)."""

    broken: pd.DataFrame
    """One row an identity that does not hold: ``commune_code``, ``identity``, ``column``, ``given``, ``expected``."""


def official_figures(cells: pd.DataFrame, *, where: str = "national export") -> OfficialFigures:
    """Return the official figures of an export, its identities checked.

    The identities: a percentage is 100 × its area over that of the commune; a flow of area, and of percentage
    points, is the second figure less the first. A row that breaks one is kept and reported.

    Parameters
    ----------
    cells
        Text cells, one row a commune: ``commune_code``, ``nom``, ``commune_surface``, and for each millésime n
        ``millesimes_n``, ``pourcent_artif_n``, ``surface_artif_n``, for each pair ``flux_surface_n_m``,
        ``flux_percent_n_m``; with or without units at the end (``_m2``, ``_pts``), ``millesime_n`` too.
    where
        Name of the file, for messages.

    Raises
    ------
    DataError
        When a column is missing or cannot be read, or a commune stands twice.
    """
    count = _count_millesimes(cells, where)
    table = renamed(cells, _spellings(count), where=where)
    if missing := [name for name in _spellings(count) if name not in table.columns]:
        raise DataError(f"{where}: no column '{missing[0]}'; it holds: {', '.join(map(str, cells.columns))}")
    codes = commune_codes(table["commune_code"], where=where)
    if codes.duplicated().any():
        raise DataError(f"{where}: commune {codes[codes.duplicated()].iloc[0]} stands on several lines; keep one")
    measured = {
        name: (whole_numbers if name.startswith("millesimes_") else numbers)(table[name], where=where)
        for name in table.columns
        if name not in {"commune_code", "nom"}
    }
    wide = pd.DataFrame({"commune_code": codes, "nom": table["nom"], **measured}).reset_index(drop=True)
    _check_years(wide, count, where)
    broken = _broken(wide, count, _last_units(table))
    return OfficialFigures(stock=_stock(wide, count), flow=_flow(wide, count), broken=broken)


def _count_millesimes(cells: pd.DataFrame, where: str) -> int:
    ranks = sorted({int(match[1]) for name in cells.columns if (match := _YEAR.fullmatch(str(name)))})
    if not ranks or ranks != list(range(1, len(ranks) + 1)):
        raise DataError(f"{where}: no columns millesimes_1, millesimes_2…; is it the national export, by commune?")
    return len(ranks)


def _spellings(count: int) -> dict[str, Sequence[str]]:
    """Return the columns of an export of ``count`` millésimes, and how else they are written."""
    names: dict[str, Sequence[str]] = {"commune_code": ("code_insee", "insee"), "nom": ("commune_nom", "name")}
    for rank in range(1, count + 1):
        names[f"millesimes_{rank}"] = (f"millesime_{rank}",)
        names[f"pourcent_artif_{rank}"] = (f"pourcent_artif_{rank}_pct",)
        names[f"surface_artif_{rank}"] = (f"surface_artif_{rank}_m2",)
    for first, second in pairwise(range(1, count + 1)):
        names[f"flux_surface_{first}_{second}"] = (f"flux_surface_{first}_{second}_m2",)
        names[f"flux_percent_{first}_{second}"] = (f"flux_percent_{first}_{second}_pts",)
    names["commune_surface"] = ("commune_surface_m2", "surface")
    return names


def _check_years(wide: pd.DataFrame, count: int, where: str) -> None:
    for first, second in pairwise(range(1, count + 1)):
        wrong = (wide[f"millesimes_{second}"] <= wide[f"millesimes_{first}"]).fillna(value=False)
        if wrong.any():
            code = wide.loc[wrong.astype(bool), "commune_code"].iloc[0]
            raise DataError(f"{where}: commune {code}: millésime {second} is not after millésime {first}; correct it")


def _identity(wide: pd.DataFrame) -> pd.DataFrame:
    surface = wide["commune_surface"] / M2_PER_HECTARE
    return wide[["commune_code", "nom"]].assign(source=SOURCE, surface_ha=surface)


def _stock(wide: pd.DataFrame, count: int) -> pd.DataFrame:
    parts = [
        _identity(wide).assign(
            millesime=wide[f"millesimes_{rank}"],
            stock_ha=wide[f"surface_artif_{rank}"] / M2_PER_HECTARE,
            part_pct=wide[f"pourcent_artif_{rank}"],
        )
        for rank in range(1, count + 1)
    ]
    table = pd.concat(parts).dropna(subset=["millesime"]).astype({"millesime": "int64"})
    columns = ["commune_code", "nom", "millesime", "source", "surface_ha", "stock_ha", "part_pct"]
    return table[columns].sort_values(["commune_code", "millesime"], ignore_index=True)


def _flow(wide: pd.DataFrame, count: int) -> pd.DataFrame:
    columns = ["commune_code", "nom", "millesime_1", "millesime_2", "source", "surface_ha", "net_ha", "net_pts"]
    years = {"millesime_1": "int64", "millesime_2": "int64"}
    parts = [
        _identity(wide).assign(
            millesime_1=wide[f"millesimes_{first}"],
            millesime_2=wide[f"millesimes_{second}"],
            net_ha=wide[f"flux_surface_{first}_{second}"] / M2_PER_HECTARE,
            net_pts=wide[f"flux_percent_{first}_{second}"],
        )
        for first, second in pairwise(range(1, count + 1))
    ]
    table = pd.concat(parts) if parts else _identity(wide)[:0].reindex(columns=columns)
    table = table.dropna(subset=list(years)).astype(years)[columns]
    table["net_ha_an"] = table["net_ha"] / (table["millesime_2"] - table["millesime_1"])
    return table.sort_values(["commune_code", "millesime_1"], ignore_index=True)


def _last_units(table: pd.DataFrame) -> dict[str, float]:
    """Return the unit of the last decimal that each column writes: 0.01 for figures of two decimals."""
    units = {}
    for name in table.columns:
        decimals = table[name].astype("str").str.extract(r"[.,](\d+)", expand=False).str.len().max()
        units[name] = 1.0 if pd.isna(decimals) else 10.0 ** -int(decimals)
    return units


def _broken(wide: pd.DataFrame, count: int, units: dict[str, float]) -> pd.DataFrame:
    checks: list[tuple[str, str, pd.Series, pd.Series | float]] = []
    for rank in range(1, count + 1):
        part, whole = f"surface_artif_{rank}", "commune_surface"
        share = 100 * wide[part] / wide[whole]
        # areas rounded to their last decimal move the percentage by so much, and its own rounding by half a unit
        moved = 100 * (units[part] + units[whole]) / wide[whole] + units[f"pourcent_artif_{rank}"]
        checks.append(("percent = 100 × area / commune", f"pourcent_artif_{rank}", share, moved))
    for first, second in pairwise(range(1, count + 1)):
        for flow, figure in (("flux_surface", "surface_artif"), ("flux_percent", "pourcent_artif")):
            column, before, after = f"{flow}_{first}_{second}", f"{figure}_{first}", f"{figure}_{second}"
            rounding = ROUNDING_UNITS * max(units[column], units[before], units[after])
            checks.append(("flow = second − first", column, wide[after] - wide[before], rounding))
    found = []
    for identity, column, expected, gap in checks:
        wrong = (wide[column] - expected).abs() > gap + FLOAT_GAP
        rows = pd.DataFrame({"commune_code": wide["commune_code"], "given": wide[column], "expected": expected})[wrong]
        found.append(rows.assign(identity=identity, column=column))
    columns = ["commune_code", "identity", "column", "given", "expected"]
    return pd.concat(found)[columns].sort_values(["commune_code", "column"], ignore_index=True)


def beside(derived: pd.DataFrame, official: OfficialFigures) -> pd.DataFrame:
    """Return derived and official figures side by side, in hectares, with the gap.

    Parameters
    ----------
    derived
        ``STOCK`` or ``FLOW``; rows of source ``derived``.
    official
        Figures of the export.

    Returns
    -------
    pandas.DataFrame
        One row a commune and millésime (or pair) that either knows: ``derived_ha``, ``official_ha``, ``gap_ha``
        = derived − official, ``gap_pct`` = gap over the official figure; a gap is null where one of the two is
        absent, ``gap_pct`` where the official figure is 0. For a flow the figure is the net.
    """
    kind = kind_of(derived, where="portal.beside")
    figure = kind.known
    published = official.flow if kind is FLOW_KIND else official.stock
    key = ["commune_code", *kind.years]
    ours = derived.loc[derived["source"] != SOURCE, [*key, "nom", figure]].rename(columns={figure: "derived_ha"})
    theirs = published[[*key, "nom", figure]].rename(columns={figure: "official_ha"})
    both = ours.merge(theirs, on=key, how="outer", suffixes=("", "_official"))
    both["nom"] = both["nom"].fillna(both.pop("nom_official"))
    both["gap_ha"] = both["derived_ha"] - both["official_ha"]
    both["gap_pct"] = 100 * both["gap_ha"] / both["official_ha"].replace(0, np.nan).abs()
    columns = ["commune_code", "nom", *kind.years, "derived_ha", "official_ha", "gap_ha", "gap_pct"]
    return both[columns].sort_values(key, ignore_index=True)
