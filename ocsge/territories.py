"""Sum stock and flow over the territories that communes form, and carry the figures of former communes along.

Tables in, tables out. Only communes of the same millésimes are summed; paces of different pairs are, once a year, in
a row of their own. Derived and official figures never meet in one sum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ocsge.commune_sums import FLOW_KIND, kind_of, sum_communes, sum_last_pairs
from ocsge.csv_tables import renamed, typed_table
from ocsge.errors import DataError, ParameterError
from ocsge.tables import COMMUNES, M2_PER_HECTARE, Schema, require, typed
from ocsge.territory_tables import LEVELS, MEMBERSHIP, TERRITORY_FLOW, TERRITORY_STOCK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ocsge.commune_sums import Kind

WHERE = "territories"
_SPELLINGS = {
    **dict.fromkeys(MEMBERSHIP.columns, ()),
    "commune_code": ("insee_com", "code_insee", "codgeo", "com"),
    "epci_siren": ("siren_epci", "epci", "codes_siren_des_epci"),
    "departement_code": ("insee_dep", "dep", "code_insee_du_departement"),
    "region_code": ("insee_reg", "reg", "code_insee_de_la_region"),
    "canton_code": ("insee_can", "can", "code_insee_du_canton"),
    "arrondissement_code": ("insee_arr", "arr", "code_insee_de_l_arrondissement"),
}


def membership(cells: pd.DataFrame, *, where: str = "membership") -> pd.DataFrame:
    """Return the membership of communes from a table of text cells, one row a commune.

    Parameters
    ----------
    cells
        Columns of ``MEMBERSHIP``: ``commune_code``, ``cog_year``, and any of the levels; usual names (``CODGEO``,
        ``INSEE_COM``, ``EPCI``, ``DEP``, ``REG``, ``ARR``, ``CAN``) are accepted. Rows of the arrondissements of
        Paris, Lyon and Marseille yield to that of their commune.
    where
        Name of the file, for messages.

    Raises
    ------
    DataError
        When a column cannot be read, a commune stands twice, or the rows are of several COG.
    """
    named = renamed(cells, _SPELLINGS, where=where)
    table = typed_table(named, MEMBERSHIP, where=where)
    arrondissement = table["commune_code"].to_numpy() != named["commune_code"].str.upper().to_numpy()
    return _one_row_a_commune(_without_arrondissements(table, arrondissement), where=where)


def _without_arrondissements(table: pd.DataFrame, arrondissement: NDArray[np.bool_]) -> pd.DataFrame:
    """Return the rows of communes; a commune that only its arrondissements describe has the first's, no extent."""
    described = table[~arrondissement]
    rest = table[arrondissement].drop_duplicates("commune_code")
    rest = rest[~rest["commune_code"].isin(described["commune_code"])]
    if "surface_ha" in rest.columns:
        rest = rest.assign(surface_ha=np.nan)
    return pd.concat([described, rest]) if len(rest) else described


def membership_of_communes(communes: pd.DataFrame) -> pd.DataFrame:
    """Return the membership that ADMIN EXPRESS gives of communes: EPCI, département, région.

    Parameters
    ----------
    communes
        Table ``COMMUNES``; outlines in a projected CRS give the extents.
    """
    require(communes, COMMUNES, where=WHERE)
    table = renamed(pd.DataFrame(communes), _SPELLINGS, where=WHERE).reset_index(drop=True)
    if "cog_year" not in table.columns:
        table["cog_year"] = pd.array([None] * len(table), dtype="Int64")
    if "geometry" in communes.columns and not communes["geometry"].isna().all():
        table["surface_ha"] = communes["geometry"].area.to_numpy(np.float64) / M2_PER_HECTARE
    require(table, MEMBERSHIP, where=WHERE)
    return _one_row_a_commune(table, where=WHERE)


def complete_membership(supplied: pd.DataFrame, communes: pd.DataFrame) -> pd.DataFrame:
    """Return a supplied membership, its nulls filled and its missing communes added from another.

    Raises
    ------
    DataError
        When the two are of different COG.
    """
    both = supplied.set_index("commune_code").combine_first(communes.set_index("commune_code"))
    return _one_row_a_commune(both.reset_index(), where=WHERE)


def _one_row_a_commune(table: pd.DataFrame, *, where: str) -> pd.DataFrame:
    twice = table["commune_code"][table["commune_code"].duplicated()]
    if len(twice):
        raise DataError(f"{where}: commune {twice.iloc[0]} stands on several rows; keep one row a commune")
    years = sorted(table["cog_year"].dropna().unique())
    if len(years) > 1:
        raise DataError(f"{where}: rows are of COG {years[0]} and {years[-1]}; give a table of one COG")
    return table.sort_values("commune_code", ignore_index=True)


def sum_territories(table: pd.DataFrame, membership: pd.DataFrame, *, level: str) -> pd.DataFrame:
    """Sum a table of communes over the territories of a level, in hectares, with coverage and flags.

    Does not sum stocks of different millésimes: they are rows of their own, each with what it covers.

    Parameters
    ----------
    table
        ``STOCK`` or ``FLOW``, with the codes of the COG of the membership (``commune_movements`` brings them
        there).
    membership
        Table ``MEMBERSHIP``. Every commune of it counts in the coverage, those without data too; communes that
        belong to no territory of the level are left out.
    level
        ``epci``, ``scot``, ``canton``, ``arrondissement``, ``departement``, ``region`` or ``commune``.

    Returns
    -------
    pandas.DataFrame
        ``TERRITORY_STOCK`` or ``TERRITORY_FLOW``, by territory, source and millésimes. A commune without data
        adds nothing and lowers ``coverage_pct``; below 99.5 % ``coverage_status`` is ``incomplete``. Where
        the last pairs of the communes differ, a last row has no millésimes, yearly paces alone, and the flag
        ``mixed_millesimes``. ``mixed_models``, ``mixed_rules`` and ``mixed_cog`` say what else differs.

    Raises
    ------
    ParameterError
        When the level is unknown.
    DataError
        When a table is not what it must be, or a commune of it is not in the membership.
    """
    members = _members(membership, level)
    kind = kind_of(table, where=WHERE)
    strangers = sorted(set(table["commune_code"]) - set(membership["commune_code"]))
    if strangers:
        raise DataError(
            f"{WHERE}: commune {strangers[0]} is not in the membership ({len(strangers)} in all); add it, or follow "
            "the movements of communes first"
        )
    sums = sum_communes(table, members, kind)
    sums["millesimes"] = ["–".join(map(str, years)) for years in zip(*(sums[y] for y in kind.years), strict=True)]
    if kind is FLOW_KIND:
        span = (sums["millesime_2"] - sums["millesime_1"]).astype("float64")
        for name in ("gain", "loss", "net"):
            sums[f"{name}_ha_an"] = sums[f"{name}_ha"] / span
        mixed = sum_last_pairs(table, members)
        sums = pd.concat([part for part in (sums, mixed) if len(part)]) if len(sums) else sums
    return _described(sums, table, membership, members, level=level, kind=kind)


def _members(membership: pd.DataFrame, level: str) -> pd.DataFrame:
    require(membership, MEMBERSHIP, where=WHERE)
    if level not in LEVELS:
        raise ParameterError(f"level {level!r}: is not known; give one of {', '.join(LEVELS)}")
    column = LEVELS[level]
    if column not in membership.columns or membership[column].isna().all():
        raise DataError(f"{WHERE}: the membership has no column '{column}'; add it to sum by {level}")
    members = pd.DataFrame({"group": membership[column], "commune_code": membership["commune_code"]})
    extent = membership["surface_ha"] if "surface_ha" in membership.columns else np.nan
    return members.assign(extent_ha=extent)[members["group"].notna()]


def _described(
    sums: pd.DataFrame,
    table: pd.DataFrame,
    membership: pd.DataFrame,
    members: pd.DataFrame,
    *,
    level: str,
    kind: Kind,
) -> pd.DataFrame:
    """Return the sums with names and flags of territories, in the columns and types of the schema."""
    schema: Schema = TERRITORY_FLOW if kind is FLOW_KIND else TERRITORY_STOCK
    name = "nom" if level == "commune" else f"{level}_nom"
    names = membership.set_index(LEVELS[level])[name] if name in membership.columns else pd.Series(dtype="str")
    names = names[names.index.notna()].groupby(level=0).first()
    years = membership.set_index("commune_code")["cog_year"]
    differs = (table["cog_year"].notna() & (table["cog_year"] != table["commune_code"].map(years))).fillna(value=False)
    moved = set(members["group"][members["commune_code"].isin(table["commune_code"][differs.astype(bool)])])
    own = ["mixed_cog" if group in moved else "" for group in sums["group"]]
    result = sums.rename(columns={"group": "territory_code"}).assign(
        level=level,
        territory_nom=sums["group"].map(names).astype("str"),
        cog_year=years.dropna().iloc[0] if years.notna().any() else None,
        flags=["+".join(filter(None, pair)) for pair in zip(own, sums["flags"], strict=True)],
    )
    result = result.sort_values(["territory_code", "source", *kind.years], na_position="last")
    return typed(result.reindex(columns=list(schema.columns)), schema, where=WHERE).reset_index(drop=True)
