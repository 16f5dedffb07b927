"""Lay the stock and the flow of communes out as the national export of the artificialisation portal does.

One row a commune, m² and percent, any number of millésimes: ``millesimes_1, pourcent_artif_1, surface_artif_1``, …,
``flux_surface_1_2, flux_percent_1_2``, …. Ranks are those of the commune: the first millésime of one commune is not
always that of another.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pandas as pd

from ocsge.errors import DataError
from ocsge.tables import FLOW, M2_PER_HECTARE, STOCK, Column, Schema, require

if TYPE_CHECKING:
    from collections.abc import Sequence

WHERE = "portal_profile"
_M2_DECIMALS = 4
_SAME_M2 = 1.0
"""Gap below which two areas of a commune are one: what the portal calls no flow."""


def portal_table(stock: pd.DataFrame, flow: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return one row a commune with the columns and units of the national export, sorted by code.

    A flow is given where ``flow`` holds that pair of consecutive millésimes; elsewhere it is null, even when both
    stocks are known: states derived apart do not make a flow. Ground in no known commune is left out.

    Parameters
    ----------
    stock
        Table ``STOCK``, one row a commune and millésime.
    flow
        Table ``FLOW``; None when there is none.

    Raises
    ------
    DataError
        When a commune has two rows of one millésime, or a flow is not the difference of the stocks by 1 m² or more.
    """
    states = _states(stock)
    years = range(1, int(states["rank"].max()) + 1) if len(states) else range(1, 1)
    by_rank = [states[states["rank"] == rank].set_index("commune_code") for rank in years]
    table = states.groupby("commune_code")[["nom", "departement_code", "region_code", "epci_siren"]].last()
    columns = {"nom": table["nom"]}
    for rank, state in zip(years, by_rank, strict=True):
        columns[f"millesimes_{rank}"] = state["millesime"].astype("str")
        columns[f"pourcent_artif_{rank}"] = state["part_pct"]
        columns[f"surface_artif_{rank}"] = state["stock_m2"]
    for rank, (first, second) in enumerate(pairwise(by_rank), start=1):
        surface, percent = _flux(first, second, flow)
        columns[f"flux_surface_{rank}_{rank + 1}"] = surface
        columns[f"flux_percent_{rank}_{rank + 1}"] = percent
    columns |= {
        "departement_code": table["departement_code"],
        "region_code": table["region_code"],
        "epci_code": table["epci_siren"],
        "scot_code": pd.Series(None, index=table.index, dtype="str"),
        "commune_surface": _m2(states.groupby("commune_code")["surface_ha"].last()),
    }
    return pd.DataFrame(columns, index=table.index).rename_axis("commune_code").reset_index()


def portal_schema(columns: Sequence[str]) -> Schema:
    """Return the schema of a portal table that has these columns, whatever its number of millésimes."""
    return Schema("PORTAL", {name: _column(name) for name in columns})


def _column(name: str) -> Column:
    if name.startswith(("pourcent_artif", "flux_percent")):
        return Column("float64", "%", nullable=True)
    if name.startswith(("surface_artif", "flux_surface", "commune_surface")):
        return Column("float64", "m²", nullable=True)
    return Column("text", nullable=name != "commune_code")


def _states(stock: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of communes with the rank of their millésime and their stock in m²."""
    require(stock, STOCK, where=WHERE)
    states = stock[stock["commune_code"] != ""].sort_values(["commune_code", "millesime"], ignore_index=True)
    twice = states[states.duplicated(["commune_code", "millesime"])]
    if len(twice):
        code, year = twice[["commune_code", "millesime"]].iloc[0]
        raise DataError(f"{WHERE}: commune {code} has two rows of stock at {year}; keep one source")
    rank = states.groupby("commune_code").cumcount() + 1
    return states.assign(rank=rank, stock_m2=_m2(states["stock_ha"]))


def _flux(first: pd.DataFrame, second: pd.DataFrame, flow: pd.DataFrame | None) -> tuple[pd.Series, pd.Series]:
    """Return the net flow in m² and the difference of the shares, by commune; null without a row of flow."""
    if flow is None:
        nothing = pd.Series(dtype="float64")
        return nothing, nothing
    require(flow, FLOW, where=WHERE)
    pairs = pd.DataFrame({"millesime_1": first["millesime"], "millesime_2": second["millesime"]}).dropna()
    known = pairs.astype("int64").reset_index().merge(flow, on=["commune_code", "millesime_1", "millesime_2"])
    net = _m2(known.set_index("commune_code")["net_ha"])
    difference = (second["stock_m2"] - first["stock_m2"]).reindex(net.index)
    apart = net[(net - difference).abs() >= _SAME_M2]
    if len(apart):
        code = apart.index[0]
        raise DataError(
            f"{WHERE}: commune {code}: the net flow, {apart.iloc[0]:.1f} m², is not the difference of its stocks, "
            f"{difference[code]:.1f} m²; derive its millésimes together"
        )
    return net, (second["part_pct"] - first["part_pct"]).reindex(net.index)


def _m2(hectares: pd.Series) -> pd.Series:
    return (hectares.astype("float64") * M2_PER_HECTARE).round(_M2_DECIMALS)
