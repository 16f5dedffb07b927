"""Measure the flow of artificialised land of each commune between two millésimes, in hectares.

Gain counts on the new code, loss on the old one. Sums are those of whole pixels, divided once.
"""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from ocsge.errors import DataError
from ocsge.pixel_sums import FLOW_CONDITIONS, query_rows, sums_where
from ocsge.tables import CHANGE_MATRIX, CHANGES, FLOW, M2_PER_HECTARE, STOCK, pixels_per_m2, require, typed

WHERE = "flow"

_COMMUNE = ("nom", "epci_siren", "departement_code", "region_code", "cog_year", "population", "source", "model")
_OF_EACH_STATE = {
    "stock_ha": "stock_{k}_ha",
    "part_pct": "part_{k}_pct",
    "stock_impermeable_ha": "stock_impermeable_{k}_ha",
}
_OF_THE_LAST_STATE = {
    "surface_ha": "surface_ha",
    "matrix_ha": "matrix_2_ha",
    "threshold_gain_ha": "threshold_gain_2_ha",
    "threshold_loss_ha": "threshold_loss_2_ha",
    "exempt_parks_ha": "exempt_parks_2_ha",
    "exempt_pv_ha": "exempt_pv_2_ha",
    "artif_min_ha": "artif_min_2_ha",
    "artif_max_ha": "artif_max_2_ha",
    "ci95_ha": "ci95_2_ha",
    "usage_default_pct": "usage_default_pct",
    "rules_version": "rules_version",
}
_STATES = ("artif_1", "artif_2", "impermeable_1", "impermeable_2")
_FLOW_SQL = f"""
SELECT commune_code, {sums_where(FLOW_CONDITIONS)}
FROM changes
GROUP BY commune_code
ORDER BY commune_code
"""  # noqa: S608  (made of constants)
_DIMENSIONS = {"couverture": "code_cs", "usage": "code_us", "decree_category": "decree_category"}


def flow(first: pd.DataFrame, second: pd.DataFrame, changes: pd.DataFrame) -> pd.DataFrame:
    """Measure the flow of each commune between two millésimes, in hectares and hectares a year.

    Parameters
    ----------
    first, second : pandas.DataFrame
        Tables ``STOCK`` of the same communes, each of one millésime.
    changes : pandas.DataFrame
        Table ``CHANGES`` of the same pair of millésimes.

    Returns
    -------
    pandas.DataFrame
        Table ``FLOW``, one row a commune, by code. ``gain_ha − loss_ha = net_ha = stock_2_ha − stock_1_ha``;
        ``net_min_ha`` and ``net_max_ha`` bound it over the readings of default usages, the same at both years. A
        commune whose land did not change has 0; one that either state says nothing of has nulls. ``flags`` are those
        of both states, each once; ``coverage_pct`` is the smaller one.

    Raises
    ------
    DataError
        When a table does not hold what it must, or the tables are not of the same communes and one growing pair.
    """
    for table, schema in ((first, STOCK), (second, STOCK), (changes, CHANGES)):
        require(table, schema, where=WHERE)
    pair = _pair(first, second, changes)
    one, two = (table.set_index("commune_code").sort_index() for table in (first, second))
    if not one.index.equals(two.index):
        raise DataError(f"{WHERE}: the two millésimes are not of the same communes; derive both together")
    sums = _sums_ha(changes).reindex(one.index)
    known = one["stock_ha"].notna() & two["stock_ha"].notna()
    table = two[list(_COMMUNE)].copy()
    table["millesime_1"], table["millesime_2"] = pair
    for k, state in ((1, one), (2, two)):
        for name, written in _OF_EACH_STATE.items():
            table[written.format(k=k)] = state[name]
    for name, written in _OF_THE_LAST_STATE.items():
        table[written] = two[name]
    for measure in ("gain", "loss", "net", "gain_impermeable", "loss_impermeable"):
        table[f"{measure}_ha"] = sums[measure].fillna(0.0).where(known)
    # the usages that a default rule gave are read the same way at both years: least, as they are, most artificialised
    readings = pd.concat(
        [table["net_ha"], *(two[name] - one[name] for name in ("artif_min_ha", "artif_max_ha"))], axis=1
    )
    table["net_min_ha"], table["net_max_ha"] = readings.min(axis=1), readings.max(axis=1)
    table["net_ha_an"] = table["net_ha"] / (pair[1] - pair[0])
    table["coverage_pct"] = pd.concat([one["coverage_pct"], two["coverage_pct"]], axis=1).min(axis=1, skipna=False)
    table["flags"] = [
        "+".join(dict.fromkeys(flag for flags in (a, b) for flag in flags.split("+") if flag))
        for a, b in zip(one["flags"], two["flags"], strict=True)
    ]
    return typed(table.reset_index(), FLOW, where=WHERE)


def change_matrix(changes: pd.DataFrame) -> pd.DataFrame:
    """Measure the transitions of each commune by dimension, in hectares.

    Parameters
    ----------
    changes : pandas.DataFrame
        Table ``CHANGES`` of one or several pairs of millésimes.

    Returns
    -------
    pandas.DataFrame
        Table ``CHANGE_MATRIX``: cover → cover, usage → usage, decree category → decree category, what did not change
        included; each dimension sums to the surface of the commune, its gains to the gain, its losses to the loss.
    """
    require(changes, CHANGES, where=WHERE)
    per_ha = pixels_per_m2(changes, where=WHERE) * M2_PER_HECTARE
    parts = []
    for dimension, column in _DIMENSIONS.items():
        pixels = pd.DataFrame(
            {
                "commune_code": changes["commune_code"],
                "millesime_1": changes["millesime_1"],
                "millesime_2": changes["millesime_2"],
                "dimension": dimension,
                "code_1": changes[f"{column}_1"],
                "code_2": changes[f"{column}_2"],
                "area_ha": changes["area_px"],
                "gain_ha": changes["area_px"].where(changes["change"] == "gain", 0),
                "loss_ha": changes["area_px"].where(changes["change"] == "loss", 0),
            }
        )
        by = ["commune_code", "millesime_1", "millesime_2", "dimension", "code_1", "code_2"]
        parts.append(pixels.groupby(by, as_index=False, observed=True).sum())
    table = pd.concat(parts, ignore_index=True)
    areas = ["area_ha", "gain_ha", "loss_ha"]
    table[areas] = table[areas].astype("float64") / per_ha
    return typed(table, CHANGE_MATRIX, where=WHERE)


def _pair(first: pd.DataFrame, second: pd.DataFrame, changes: pd.DataFrame) -> tuple[int, int]:
    years = [sorted(set(table["millesime"])) for table in (first, second)]
    pairs = set(zip(changes["millesime_1"], changes["millesime_2"], strict=True))
    if [len(found) for found in years] != [1, 1] or years[0][0] >= years[1][0] or pairs - {(years[0][0], years[1][0])}:
        raise DataError(
            f"{WHERE}: stocks of {years[0]} and {years[1]}, changes of {sorted(pairs)}; give one growing pair of "
            "millésimes"
        )
    return int(years[0][0]), int(years[1][0])


def _sums_ha(changes: pd.DataFrame) -> pd.DataFrame:
    """Return gain, loss and net gain of artificialised, and gain and loss of impermeable land by commune, hectares."""
    per_ha = pixels_per_m2(changes, where=WHERE) * M2_PER_HECTARE
    pieces = {name: changes[name].to_numpy() for name in ("area_px", *_STATES)}
    pieces["commune_code"] = pa.array(changes["commune_code"].astype("str"))
    pixels = query_rows(_FLOW_SQL, changes=pa.table(pieces)).set_index("commune_code")
    pixels["net"] = pixels["gain"] - pixels["loss"]
    hectares: pd.DataFrame = pixels.astype("float64") / per_ha
    return hectares
