"""Follow the ZAN trajectory of communes: consumption of ENAF against what the tranche allows, in hectares.

Until the net regime begins the objective is counted in consumed natural, farm and forest land (ENAF), from tax files;
it is imported, never derived from covers. Net artificialisation, measured on OCS GE, stands in columns of its own: the
two are other measures of other things, and no rate of one applies to the other.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ocsge.commune_sums import kind_of
from ocsge.csv_tables import commune_codes, numbers, renamed
from ocsge.errors import DataError, ParameterError
from ocsge.tables import CM2_PER_HECTARE, CM2_PER_M2, Column, Schema, require, typed
from ocsge.territory import check_commune_code

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from ocsge.rules import Rules

WHERE = "zan"

_YEAR_COLUMN = re.compile(r"naf(\d\d)art(\d\d)", re.IGNORECASE)
_NAMES = {"commune_code": ("idcom", "codgeo", "insee", "insee_com", "code_insee"), "nom": ("idcomtxt", "libgeo")}
_HECTARES = Column("float64", "ha", nullable=True)
_YEAR = Column("int64", "year", nullable=True)

ENAF = Schema(
    "ENAF",
    MappingProxyType(
        {
            "commune_code": Column("text"),
            "nom": Column("text", nullable=True),
            "year": Column("int64", "year"),
            "consumed_m2": Column("float64", "m²", nullable=True),
        }
    ),
)
"""One row a commune and calendar year: ENAF consumed from its 1 January to its 31 December; null is unknown."""

TRAJECTORY = Schema(
    "TRAJECTORY",
    MappingProxyType(
        {
            "commune_code": Column("text"),
            "nom": Column("text", nullable=True),
            "enaf_reference_ha": _HECTARES,
            "reduction_pct": Column("float64", "%"),
            "guarantee_ha": _HECTARES,
            "enaf_allowed_ha": _HECTARES,
            "enaf_first_year": _YEAR,
            "enaf_last_year": _YEAR,
            "enaf_consumed_ha": _HECTARES,
            "enaf_remaining_ha": _HECTARES,
            "enaf_pace_ha_an": Column("float64", "ha a year", nullable=True),
            "enaf_projection_ha": _HECTARES,
            "compliance": Column("text", nullable=True),
            "net_millesime_1": _YEAR,
            "net_millesime_2": _YEAR,
            "net_artificialisation_ha": _HECTARES,
            "net_artificialisation_ha_an": Column("float64", "ha a year", nullable=True),
            "net_source": Column("text", nullable=True),
            "net_regime_first_year": Column("int64", "year"),
            "flags": Column("text"),
        }
    ),
)
"""One row a commune. ``compliance``: ``within`` when the projection fits in what is allowed, ``pace_over`` when only
the consumption does, ``over`` when neither does, null when unknown. Columns ``net_…`` are measured on OCS GE and take
no part in it."""


def enaf_consumption(cells: pd.DataFrame, *, where: str = "ENAF consumption") -> pd.DataFrame:
    """Return the yearly consumption of ENAF from a table of text cells in m², such as Cerema's by commune.

    Parameters
    ----------
    cells
        ``idcom`` (or ``commune_code``, ``codgeo``), ``idcomtxt`` (or ``nom``), and columns ``nafXXartYY``: m²
        consumed between 1 January 20XX and 1 January 20YY. Spans of one year are read; longer ones, and columns
        by destination (``art09hab10``), are left out. Rows of arrondissements are added into their commune.
    where
        Name of the file, for messages.

    Returns
    -------
    pandas.DataFrame
        Table ``ENAF``, by commune and year.

    Raises
    ------
    DataError
        When there is no yearly column, a code or number cannot be read, or a commune stands twice.
    """
    table = renamed(cells, _NAMES, where=where)
    if "commune_code" not in table.columns:
        raise DataError(f"{where}: no column 'idcom' nor 'commune_code'; give a table by commune")
    years = {
        str(column): 2000 + int(match[1])
        for column in cells.columns
        if (match := _YEAR_COLUMN.fullmatch(str(column))) and int(match[2]) == int(match[1]) + 1
    }
    if not years:
        raise DataError(f"{where}: no yearly column such as naf11art12 (m²); give Cerema's table by commune")
    codes = commune_codes(table["commune_code"], where=where)
    twice = table["commune_code"][table["commune_code"].duplicated()]
    if len(twice):
        raise DataError(f"{where}: commune {twice.iloc[0]} stands on several lines; keep one")
    names = table["nom"].astype("str") if "nom" in table.columns else pd.Series(None, index=table.index, dtype="str")
    names = names.where(~codes.duplicated(keep=False))
    wide = pd.DataFrame({year: _areas(cells[column], where) for column, year in years.items()})
    long = wide.assign(commune_code=codes, nom=names).melt(
        ["commune_code", "nom"], var_name="year", value_name="consumed_m2"
    )
    result = _one_row_a_year(long.astype({"year": "int64"}))
    require(result, ENAF, where=where)
    return result


def _areas(cells: pd.Series, where: str) -> pd.Series:
    values = numbers(cells, where=where)
    if (values < 0).any():
        line = values.index[(values < 0).to_numpy()][0]
        raise DataError(f"{where} line {line}, column '{cells.name}': {cells[line]} m² is negative; correct it")
    return values


def _one_row_a_year(long: pd.DataFrame) -> pd.DataFrame:
    """Return one row a commune and year; the arrondissements of a commune are added, unknown when one is."""
    by = long.groupby(["commune_code", "year"])
    consumed = by["consumed_m2"].agg(lambda areas: areas.sum(skipna=False))
    result = consumed.reset_index().assign(nom=by["nom"].first().astype("str").to_numpy())
    return result[list(ENAF.columns)]


def trajectory(
    enaf: pd.DataFrame,
    rules: Rules,
    *,
    reduction_pct: float | None = None,
    guaranteed: Collection[str] | None = None,
    flow: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Compare the consumption of ENAF of communes with what the tranche allows, in hectares.

    Gives no legal opinion: the objective of a commune is that of its planning documents.

    Parameters
    ----------
    enaf
        Table ``ENAF``.
    rules
        Years of the reference and the tranche, rate, guarantee and span of the projection (``rules/zan.csv``).
    reduction_pct
        Rate of reduction of the territory's documents, %; the one of the rules when null.
    guaranteed
        Codes of the communes that the communal guarantee covers; null when unknown: it then applies to none,
        and the flag ``guarantee_unknown`` says so.
    flow
        ``FLOW`` of one source: its last pair of millésimes gives the ``net_…`` columns.

    Returns
    -------
    pandas.DataFrame
        Table ``TRAJECTORY``, by commune. Allowed = max(reference × (1 − rate), guarantee); consumed = the years
        of the tranche that the file holds; pace = its yearly mean; projection = pace × the years of the rules.
        A year that is missing makes null what needs it: flags ``reference_incomplete``, ``no_tranche_year``,
        ``tranche_incomplete``.

    Raises
    ------
    ParameterError
        When the rate is no percentage.
    DataError
        When a table is not what it must be, or the flow is of several sources.
    """
    require(enaf, ENAF, where=WHERE)
    law = rules.zan
    rate = law["reduction_pct"] if reduction_pct is None else reduction_pct
    if not 0 <= rate <= 100:
        raise ParameterError(f"rate of reduction {rate:g}: give a percentage, 0 to 100")
    yearly = enaf.pivot_table(index="commune_code", columns="year", values="consumed_m2", aggfunc="sum", sort=True)
    known = enaf.pivot_table(index="commune_code", columns="year", values="consumed_m2", aggfunc="count")
    yearly = yearly.where(known > 0)
    result = pd.DataFrame(index=pd.Index(sorted(enaf["commune_code"].unique()), name="commune_code", dtype="str"))
    yearly = yearly.reindex(result.index)
    reference = range(int(law["reference_first_year"]), int(law["reference_last_year"]) + 1)
    result["nom"] = enaf.groupby("commune_code")["nom"].first().astype("str")
    result["enaf_reference_ha"] = _sum_ha(yearly, reference)
    result["reduction_pct"] = float(rate)
    result["guarantee_ha"] = _guarantee(result.index, guaranteed, law["communal_guarantee"])
    allowed = result["enaf_reference_ha"] * (100 - rate) / 100
    result["enaf_allowed_ha"] = np.maximum(allowed, result["guarantee_ha"].fillna(0))
    observed = _observed(yearly, int(law["tranche_first_year"]), int(law["tranche_last_year"]))
    result["enaf_first_year"] = observed[0] if observed else None
    result["enaf_last_year"] = observed[-1] if observed else None
    result["enaf_consumed_ha"] = _sum_ha(yearly, observed) if observed else np.nan
    result["enaf_remaining_ha"] = result["enaf_allowed_ha"] - result["enaf_consumed_ha"]
    result["enaf_pace_ha_an"] = result["enaf_consumed_ha"] / max(len(observed), 1)
    result["enaf_projection_ha"] = result["enaf_consumed_ha"] * law["projection"] / max(len(observed), 1)
    result["compliance"] = _compliance(result)
    result["net_regime_first_year"] = int(law["net_regime_first_year"])
    result["flags"] = _flags(result, tranche=bool(observed), guarantee=guaranteed is not None)
    result = result.join(_net(flow)) if flow is not None else result
    return typed(result.reset_index().reindex(columns=list(TRAJECTORY.columns)), TRAJECTORY, where=WHERE)


def _sum_ha(yearly: pd.DataFrame, years: Iterable[int]) -> pd.Series:
    """Return the sum of whole cm² over years, in hectares; null when a year is unknown."""
    cm2 = (yearly.reindex(columns=list(years)) * CM2_PER_M2).round()
    total: pd.Series = cm2.sum(axis=1, skipna=False) / CM2_PER_HECTARE
    return total


def _observed(yearly: pd.DataFrame, first: int, last: int) -> list[int]:
    """Return the years of the tranche that the file holds, from its first one on without a gap."""
    years: list[int] = []
    for year in range(first, last + 1):
        if year not in yearly.columns or yearly[year].isna().all():
            break
        years.append(year)
    return years


def _guarantee(codes: pd.Index, guaranteed: Collection[str] | None, area_ha: float) -> pd.Series:
    covered = {check_commune_code(code) for code in guaranteed or ()}
    if strangers := sorted(covered - set(codes)):
        raise DataError(f"{WHERE}: guaranteed commune {strangers[0]} is not in the table of ENAF; correct its code")
    return pd.Series([area_ha if code in covered else np.nan for code in codes], index=codes, dtype="float64")


def _compliance(result: pd.DataFrame) -> pd.Series:
    allowed, consumed = result["enaf_allowed_ha"], result["enaf_consumed_ha"]
    states = np.select(
        [consumed > allowed, result["enaf_projection_ha"] > allowed], ["over", "pace_over"], default="within"
    )
    return pd.Series(states, index=result.index, dtype="str").where(allowed.notna() & consumed.notna())


def _flags(result: pd.DataFrame, *, tranche: bool, guarantee: bool) -> list[str]:
    of_all = ([] if tranche else ["no_tranche_year"]) + ([] if guarantee else ["guarantee_unknown"])
    reference, consumed = result["enaf_reference_ha"].isna(), result["enaf_consumed_ha"].isna()
    flags = []
    for no_reference, no_consumption in zip(reference, consumed, strict=True):
        own = ["reference_incomplete"] if no_reference else []
        own += ["tranche_incomplete"] if tranche and no_consumption else []
        flags.append("+".join((*own, *of_all)))
    return flags


def _net(flow: pd.DataFrame) -> pd.DataFrame:
    """Return the net artificialisation of the last pair of each commune, by commune."""
    kind = kind_of(flow, where=WHERE)
    if "net_ha" not in flow.columns:
        raise DataError(f"{WHERE}: a table {kind.schema.name} was given; net artificialisation is in FLOW")
    if len(flow["source"].unique()) > 1:
        raise DataError(f"{WHERE}: the flow is of several sources; keep derived or official rows, never both")
    names = {
        "millesime_1": "net_millesime_1",
        "millesime_2": "net_millesime_2",
        "net_ha": "net_artificialisation_ha",
        "net_ha_an": "net_artificialisation_ha_an",
        "source": "net_source",
    }
    last = flow.sort_values(["millesime_2", "millesime_1"]).drop_duplicates("commune_code", keep="last")
    return last.set_index("commune_code")[list(names)].rename(columns=names)
