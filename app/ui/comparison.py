"""Set communes side by side: figures of the last millésime of each, ranks, communes of similar size, EPCI."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from app.ui import french
from ocsge.figures import net_per_thousand_ha
from ocsge.portal import beside
from ocsge.territories import complete_membership, sum_territories

if TYPE_CHECKING:
    from ocsge.portal import OfficialFigures

_OF_STOCK = ["commune_code", "nom", "epci_siren", "population", "millesime", "outline_ha", "surface_ha", "stock_ha"]


def side_by_side(stock: pd.DataFrame, flow: pd.DataFrame) -> pd.DataFrame:
    """Return one row a commune: its last stock and its last flow, by code.

    Parameters
    ----------
    stock, flow
        Tables ``STOCK`` and ``FLOW``; ``flow`` may be empty.

    Returns
    -------
    pandas.DataFrame
        ``commune_code``, ``nom``, ``epci_siren``, ``population``, ``millesime``, ``extent_ha`` (outline, else
        surface), ``stock_ha``, ``part_pct``; of the last pair ``pair`` (text, empty without one), ``gain_ha``,
        ``loss_ha``, ``net_ha``, ``net_ha_an`` and ``net_pour_mille``
        (:func:`ocsge.figures.net_per_thousand_ha`).
    """
    last = _known(stock).sort_values("millesime").drop_duplicates("commune_code", keep="last")
    table = last[[*_OF_STOCK, "part_pct"]].assign(nom=last["nom"].fillna(last["commune_code"]))
    table["extent_ha"] = table.pop("outline_ha").fillna(table.pop("surface_ha"))
    figures = ["gain_ha", "loss_ha", "net_ha", "net_ha_an", "net_pour_mille"]
    if flow.empty:
        table = table.assign(pair="", **dict.fromkeys(figures, np.nan))
    else:
        latest = _known(flow).sort_values(["millesime_2", "millesime_1"]).drop_duplicates("commune_code", keep="last")
        years = zip(latest["millesime_1"], latest["millesime_2"], strict=True)
        pairs = [french.years((int(first), int(second))) for first, second in years]
        latest = latest.assign(pair=pairs, net_pour_mille=net_per_thousand_ha(latest))
        table = table.merge(latest[["commune_code", "pair", *figures]], on="commune_code", how="left")
        table["pair"] = table["pair"].fillna("")
    return table.sort_values("commune_code", ignore_index=True)


def _known(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["commune_code"] != ""]


def ranked(table: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return the communes from the largest figure to the smallest, with their rank; an unknown figure has none.

    Equal figures have equal ranks: 1, 2, 2, 4.
    """
    rank = table[measure].rank(method="min", ascending=False).astype("Int64")
    order = table.assign(rang=rank).sort_values(["rang", "commune_code"], na_position="last", ignore_index=True)
    return order[["rang", *(name for name in order.columns if name != "rang")]]


def similar(table: pd.DataFrame, code: str, *, count: int) -> tuple[str, pd.DataFrame]:
    """Return by what communes are similar to one, and the closest of them with it, by size.

    Parameters
    ----------
    table
        As :func:`side_by_side` returns it.
    code
        The commune.
    count
        How many others at most.

    Returns
    -------
    tuple
        ``population``, or ``extent_ha`` where that of the commune is unknown; and the rows. The closest are those
        whose size is the smallest ratio away.
    """
    own = table[table["commune_code"] == code].iloc[0]
    by = "population" if pd.notna(own["population"]) and own["population"] > 0 else "extent_ha"
    sizes = table[by].astype("float64")
    ratio = (np.log(sizes.where(sizes > 0)) - np.log(float(own[by]))).abs()
    others = table.assign(_ratio=ratio)[(table["commune_code"] != code) & ratio.notna()]
    closest = others.sort_values(["_ratio", "commune_code"]).head(count).drop(columns="_ratio")
    both = pd.concat([table[table["commune_code"] == code], closest])
    return by, both.sort_values([by, "commune_code"], ascending=[False, True], ignore_index=True)


def epci_sums(stock: pd.DataFrame, flow: pd.DataFrame, supplied: pd.DataFrame | None) -> pd.DataFrame:
    """Return stock and flow of each EPCI, as :func:`ocsge.territories.sum_territories` adds them; ha.

    Only communes of the same millésimes are added. Where the last pairs differ, a row holds yearly paces alone, with
    the flag ``mixed_millesimes``.

    Parameters
    ----------
    stock, flow
        Tables ``STOCK`` and ``FLOW`` of every commune; ``flow`` may be empty.
    supplied
        Table ``MEMBERSHIP`` that was imported, completed by what the results say; None takes the results alone: the
        sums then know of no commune that was not derived.

    Returns
    -------
    pandas.DataFrame
        Rows of the last millésime of each EPCI, then its flows: ``territory_code``, ``territory_nom``,
        ``millesimes``, ``communes``, ``communes_with_data``, ``stock_ha``, ``part_pct``, ``gain_ha``,
        ``loss_ha``, ``net_ha``, ``net_ha_an``, ``coverage_pct``, ``flags``; empty when no commune has an EPCI.

    Raises
    ------
    DataError
        When the imported membership is of another COG than the results.
    """
    columns = ["territory_code", "territory_nom", "millesimes", "communes", "communes_with_data", "stock_ha"]
    columns += ["part_pct", "gain_ha", "loss_ha", "net_ha", "net_ha_an", "coverage_pct", "flags"]
    members = _membership(_known(stock))
    members = members if supplied is None else complete_membership(supplied, members)
    if "epci_siren" not in members.columns or members["epci_siren"].isna().all():
        return pd.DataFrame(columns=columns)
    stocks = sum_territories(_known(stock), members, level="epci")
    parts = [stocks.sort_values("millesime").drop_duplicates("territory_code", keep="last")]
    if len(flow):
        parts.append(sum_territories(_known(flow), members, level="epci"))
    table = pd.concat([part.reindex(columns=columns) for part in parts], ignore_index=True)
    return table.sort_values(["territory_code"], kind="stable", ignore_index=True)


def _membership(stock: pd.DataFrame) -> pd.DataFrame:
    """Return the membership that the results themselves give, of the last millésime of each commune."""
    last = stock.sort_values("millesime").drop_duplicates("commune_code", keep="last")
    years = set(last["cog_year"].dropna())
    return pd.DataFrame(
        {
            "commune_code": last["commune_code"].astype("str"),
            "cog_year": pd.array([years.copy().pop() if len(years) == 1 else None] * len(last), dtype="Int64"),
            "surface_ha": last["outline_ha"].fillna(last["surface_ha"]).astype("float64"),
            "nom": last["nom"].astype("str"),
            "epci_siren": last["epci_siren"].astype("str"),
            "departement_code": last["departement_code"].astype("str"),
        }
    ).sort_values("commune_code", ignore_index=True)


def with_official(
    stock: pd.DataFrame, flow: pd.DataFrame, official: OfficialFigures, code: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the stocks and the net flows of a commune, derived and official side by side, with the gap; ha.

    Both are empty when the official figures do not hold the commune.
    """
    if code not in set(official.stock["commune_code"]):
        return pd.DataFrame(), pd.DataFrame()
    found = []
    for table in (stock, flow):
        rows = beside(table[table["commune_code"] == code], official) if len(table) else pd.DataFrame()
        found.append(rows[rows["commune_code"] == code].reset_index(drop=True) if len(rows) else rows)
    return found[0], found[1]
