"""Tables of the consumption of ENAF of a commune: years, periods and the paces it is compared with; ha."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ocsge.tables import M2_PER_HECTARE

if TYPE_CHECKING:
    from ocsge.rules import Rules

_REFERENCE, _TRANCHE, _OTHER = "Période de référence", "Période en cours", "Autre année"


def yearly(enaf: pd.DataFrame, code: str, rules: Rules) -> pd.DataFrame:
    """Return what a commune consumed each year, ``year``, ``periode`` and ``consumed_ha``; null is unknown.

    Parameters
    ----------
    enaf
        Table ``ENAF``.
    code
        INSEE code.
    rules
        Years of the reference and of the tranche.
    """
    rows = enaf[enaf["commune_code"] == code].sort_values("year", ignore_index=True)
    law = rules.zan
    periods = [
        (_REFERENCE, law["reference_first_year"], law["reference_last_year"]),
        (_TRANCHE, law["tranche_first_year"], law["tranche_last_year"]),
    ]
    named = [next((name for name, first, last in periods if first <= year <= last), _OTHER) for year in rows["year"]]
    return pd.DataFrame({"year": rows["year"], "periode": named, "consumed_ha": rows["consumed_m2"] / M2_PER_HECTARE})


def paces(row: pd.Series, rules: Rules) -> pd.DataFrame:
    """Return the yearly paces that a trajectory compares, ``label``, ``first_year``, ``last_year``, ``pace_ha_an``.

    Parameters
    ----------
    row
        Row of ``TRAJECTORY``.
    rules
        Years of the reference and of the tranche.
    """
    law = rules.zan
    reference = (int(law["reference_first_year"]), int(law["reference_last_year"]))
    tranche = (int(law["tranche_first_year"]), int(law["tranche_last_year"]))
    rows = [
        ("Rythme de référence", *reference, row["enaf_reference_ha"] / _span(reference)),
        ("Rythme permis", *tranche, row["enaf_allowed_ha"] / _span(tranche)),
    ]
    table = pd.DataFrame(rows, columns=["label", "first_year", "last_year", "pace_ha_an"])
    return table.dropna(subset=["pace_ha_an"]).reset_index(drop=True)


def _span(years: tuple[int, int]) -> int:
    return years[1] - years[0] + 1


def measures(row: pd.Series) -> pd.DataFrame:
    """Return the figures of a trajectory of ENAF in words, ``libelle`` and ``area_ha``; null is unknown."""
    first, last = row["enaf_first_year"], row["enaf_last_year"]
    years = "" if pd.isna(first) else f" ({first}–{last})"
    rows = [
        ("Consommation de la période de référence", row["enaf_reference_ha"]),
        ("Garantie communale", row["guarantee_ha"]),
        ("Consommation permise sur la période en cours", row["enaf_allowed_ha"]),
        (f"Déjà consommé{years}", row["enaf_consumed_ha"]),
        ("Reste", row["enaf_remaining_ha"]),
        ("Rythme par an", row["enaf_pace_ha_an"]),
        ("Projection à la fin de la période, au même rythme", row["enaf_projection_ha"]),
    ]
    return pd.DataFrame(rows, columns=["libelle", "area_ha"]).astype({"area_ha": "float64"})
