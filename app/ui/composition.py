"""Small tables of the synthesis: what the stock is made of, what is sealed, what could be exempted; ha."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from app.ui.codes import code_of

if TYPE_CHECKING:
    from ocsge.rules import Rules


def composition(long: pd.DataFrame, millesime: int, dimension: str, rules: Rules) -> pd.DataFrame:
    """Return the areas of a dimension at a millésime, the most artificialised first.

    Parameters
    ----------
    long
        Table ``STOCK_LONG`` of a commune.
    millesime, dimension
        What to keep.
    rules
        Give labels and colours.

    Returns
    -------
    pandas.DataFrame
        ``code``, ``libelle`` (whole), ``label`` (short), ``colour``, ``area_ha``, ``artif_area_ha``, ``part_pct``
        (share of the artificialised land, null when there is none).
    """
    rows = long[(long["millesime"] == millesime) & (long["dimension"] == dimension)] if len(long) else long
    if rows.empty:
        return pd.DataFrame(columns=["code", "libelle", "label", "colour", "area_ha", "artif_area_ha", "part_pct"])
    known = [code_of(rules, dimension, str(code)) for code in rows["code"]]
    total = float(rows["artif_area_ha"].sum())
    table = pd.DataFrame(
        {
            "code": [entry.code for entry in known],
            "libelle": [entry.label for entry in known],
            "label": [entry.short for entry in known],
            "colour": [entry.colour for entry in known],
            "area_ha": rows["area_ha"].to_numpy(),
            "artif_area_ha": rows["artif_area_ha"].to_numpy(),
            "part_pct": (100 * rows["artif_area_ha"] / (total or float("nan"))).to_numpy(),
        }
    )
    return table.sort_values(["artif_area_ha", "area_ha", "code"], ascending=[False, False, True], ignore_index=True)


def sealed(stock: pd.Series, flow: pd.Series | None, pair: tuple[int, int] | None) -> pd.DataFrame:
    """Return the sealed land of a commune, and what was sealed and unsealed over the pair when there is one."""
    rows = [(f"Imperméable en {stock['millesime']}", stock["stock_impermeable_ha"])]
    if flow is not None and pair is not None:
        rows += [
            (f"Imperméabilisé entre {pair[0]} et {pair[1]}", flow["gain_impermeable_ha"]),
            (f"Désimperméabilisé entre {pair[0]} et {pair[1]}", flow["loss_impermeable_ha"]),
        ]
    return _measures(rows)


def exemptions(stock: pd.Series) -> pd.DataFrame:
    """Return the stock with and without what a collectivity may exempt."""
    return _measures(
        [
            ("Stock sans exemption", stock["stock_ha"]),
            ("Exemptable au titre des parcs et jardins publics", stock["exempt_parks_ha"]),
            ("Exemptable au titre du photovoltaïque au sol", stock["exempt_pv_ha"]),
            ("Stock si tout ce qui peut l'être était exempté", stock["stock_ha"] - stock["exempt_either_ha"]),
            ("Stock après les exemptions choisies", stock["stock_after_exemptions_ha"]),
        ]
    )


def _measures(rows: list[tuple[str, object]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["libelle", "area_ha"])
    return table.astype({"area_ha": "float64"})
