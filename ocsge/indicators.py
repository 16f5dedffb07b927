"""Measure the stock of artificialised land of each commune, in hectares.

Sums are those of whole pixels, made by DuckDB and divided once: they do not depend on the order of the rows,
and the parts of a commune sum exactly to it. Hectares are not rounded here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from ocsge.errors import CrsError, DataError
from ocsge.pixel_sums import STOCK_CONDITIONS, query_rows, sums_where
from ocsge.tables import (
    ARTIFICIALISED,
    COMMUNES,
    CORRECTION_MARKER,
    M2_PER_HECTARE,
    REASON_MARKERS,
    STOCK,
    STOCK_INTERVALS,
    STOCK_LONG,
    pixels_per_m2,
    require,
    typed,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ocsge.rules import Rules

WHERE = "indicators"
COMPLETE_PCT = 99.5
"""Coverage, %, below which a commune is flagged incomplete."""
FINGERPRINT_CHARACTERS = 12

_COMMUNE_COLUMNS = {
    "commune_code": "commune_code",
    "nom": "nom",
    "siren_epci": "epci_siren",
    "departement_code": "departement_code",
    "region_code": "region_code",
    "cog_year": "cog_year",
    "population": "population",
}

_YES_NO_COLUMNS = ("artif", "matrix_artif", "impermeable", "artif_min", "artif_max")
_AREA_COLUMNS = (
    "usage_default",
    "filled",
    "default_cover",
    "exempt_park",
    "exempt_photovoltaic",
    "exempt_either",
    "exempted",
)
_TEXT_COLUMNS = {
    "commune_code": "commune_code",
    "fragile": "fragile",
    "couverture": "code_cs",
    "usage": "code_us",
    "decree_category": "decree_category",
    "usage_rule": "usage_rule",
}

_STOCK_SQL = f"""
SELECT
    commune_code,
    sum(area_px)::BIGINT AS surface,
    {sums_where(STOCK_CONDITIONS)},
    sum(exempt_park_px)::BIGINT AS exempt_parks,
    sum(exempt_photovoltaic_px)::BIGINT AS exempt_pv,
    sum(exempt_either_px)::BIGINT AS exempt_either,
    coalesce(sum(area_px) FILTER ({STOCK_CONDITIONS["stock"]}), 0)::BIGINT
        - sum(exempted_px)::BIGINT AS stock_after_exemptions,
    sum(usage_default_px)::BIGINT AS usage_default,
    sum(filled_px)::BIGINT AS filled,
    sum(default_cover_px)::BIGINT AS default_cover
FROM polygons
GROUP BY commune_code
ORDER BY commune_code
"""  # noqa: S608  (made of constants)

_LONG_SQL = """
WITH cells AS (
    SELECT
        commune_code, couverture, usage, decree_category, usage_rule, reason_kind,
        sum(area_px) AS area, coalesce(sum(area_px) FILTER (artif), 0) AS artif_area
    FROM polygons
    GROUP BY ALL
), parts AS (
    UNPIVOT cells
    ON couverture, usage, decree_category, usage_rule, reason_kind
    INTO NAME dimension VALUE code
)
SELECT commune_code, dimension, code, sum(area)::BIGINT AS area, sum(artif_area)::BIGINT AS artif_area
FROM parts
GROUP BY ALL
ORDER BY commune_code, dimension, code
"""


def stock(
    polygons: pd.DataFrame,
    rules: Rules,
    *,
    millesime: int,
    source: str = "derived",
    model: str = "",
    communes: pd.DataFrame | None = None,
    intervals: pd.DataFrame | None = None,
    flags: Sequence[str] = (),
) -> pd.DataFrame:
    """Measure the stock of artificialised land of each commune, in hectares.

    Parameters
    ----------
    polygons : pandas.DataFrame
        Table ``ARTIFICIALISED``; only the rows of the territory count.
    rules : Rules
        For the version written on each row, and the exemptions chosen, which the flags name.
    millesime : int
        Year of the state described.
    source : str
        ``derived`` here or ``official`` product.
    model : str
        Name of the model behind the class raster; empty when unknown or without raster.
    communes : pandas.DataFrame, optional
        Table ``COMMUNES``, the communes of the territory: names, codes, population, and outlines in a
        projected CRS, metres. Without it the rows are the communes that have polygons, and what it would tell
        is null.
    intervals : pandas.DataFrame, optional
        Table ``STOCK_INTERVALS``: the stock adjusted for the errors of the class raster; without it the two columns
        are null.
    flags : sequence of str
        What is true of the whole run, ``preview`` or ``default_cover`` for instance.

    Returns
    -------
    pandas.DataFrame
        Table ``STOCK``, one row a commune, by code. ``surface_ha`` is the sum of the polygons, ``part_pct``
        the share of it that is artificialised; ``matrix_ha + threshold_gain_ha − threshold_loss_ha =
        stock_ha``; ``stock_impermeable_ha`` counts impermeable covers, whatever the usage and the thresholds;
        the exempt areas are part of ``stock_ha``, not taken from it: ``stock_ha`` less ``exempt_parks_ha``,
        ``exempt_pv_ha`` or ``exempt_either_ha`` is the stock under one exemption, the other or both, and
        ``stock_after_exemptions_ha`` is the one of the collectivity's choice. A commune without artificialised
        land has 0, a commune without polygons has nulls and the flag ``no_data``. ``flags`` are joined by ``+``.

    Raises
    ------
    DataError
        When a table does not hold what it must, or names a commune twice.
    CrsError
        When the outlines are in degrees.
    """
    require(polygons, ARTIFICIALISED, where=f"{WHERE}.stock")
    per_ha = pixels_per_m2(polygons, where=f"{WHERE}.stock") * M2_PER_HECTARE
    sums = _query(_STOCK_SQL, polygons).set_index("commune_code")
    named = _communes(communes, sums.index)
    pixels = sums.reindex(named.index).astype("Int64")
    hectares = pixels.astype("float64") / per_ha
    table = named.join(hectares.drop(columns="usage_default").add_suffix("_ha"))
    table["part_pct"] = _percent(pixels["stock"], pixels["surface"])
    table["usage_default_pct"] = _percent(pixels["usage_default"], pixels["surface"])
    covered = hectares["surface"] - hectares["filled"]
    extent = table["outline_ha"].fillna(hectares["surface"])
    # pixels that straddle the outline can sum to slightly more than it
    table["coverage_pct"] = (100 * covered / extent).clip(upper=100)
    if intervals is not None:
        require(intervals, STOCK_INTERVALS, where=f"{WHERE}.stock")
    of_class_errors = pd.DataFrame(columns=["commune_code"]) if intervals is None else intervals
    for name in ("stock_adjusted_ha", "ci95_ha"):
        adjusted = of_class_errors.set_index("commune_code").get(name, pd.Series(dtype="float64"))
        table[name] = adjusted.reindex(table.index).astype("float64")
    table["millesime"] = millesime
    table["source"] = source
    table["model"] = model
    table["rules_version"] = rules.fingerprint[:FINGERPRINT_CHARACTERS]
    told = polygons["reason"].str.contains(CORRECTION_MARKER, regex=False) & polygons["in_territory"]
    corrected = table.index.isin(polygons["commune_code"][told])
    table["flags"] = _flags(table["coverage_pct"], corrected, (*flags, *_chosen_exemptions(rules)))
    return typed(table.reset_index(), STOCK, where=WHERE)


def stock_long(
    polygons: pd.DataFrame,
    *,
    millesime: int,
) -> pd.DataFrame:
    """Measure the area and artificialised area of each commune by code of each dimension, in hectares.

    Parameters
    ----------
    polygons : pandas.DataFrame
        Table ``ARTIFICIALISED``; only the rows of the territory count.
    millesime : int
        Year of the state described.

    Returns
    -------
    pandas.DataFrame
        Table ``STOCK_LONG``, one row a commune, dimension and code. Dimensions: ``couverture``, ``usage``,
        ``decree_category``, ``usage_rule`` (order of the rule that gave the usage) and ``reason_kind``
        (``matrix``, or a threshold case); each sums to the surface of the commune.

    Raises
    ------
    DataError
        When the table does not hold what it must.
    """
    require(polygons, ARTIFICIALISED, where=f"{WHERE}.stock_long")
    per_ha = pixels_per_m2(polygons, where=f"{WHERE}.stock_long") * M2_PER_HECTARE
    table = _query(_LONG_SQL, polygons)
    table["area_ha"] = table["area"].astype("float64") / per_ha
    table["artif_area_ha"] = table["artif_area"].astype("float64") / per_ha
    table["millesime"] = millesime
    return typed(table, STOCK_LONG, where=WHERE)


def _query(sql: str, polygons: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a query over the polygons of the territory, areas in pixels."""
    inside = polygons[polygons["in_territory"].to_numpy(np.bool_)]
    per_m2 = pixels_per_m2(polygons, where=WHERE)
    columns = {name: inside[name].to_numpy() for name in (*_YES_NO_COLUMNS, "area_px")}
    columns |= {new: pa.array(inside[old].astype("str")) for new, old in _TEXT_COLUMNS.items()}
    for name in _AREA_COLUMNS:
        columns[f"{name}_px"] = np.rint(inside[f"{name}_m2"].to_numpy() * per_m2).astype(np.int64)
    columns["reason_kind"] = pa.array(_reason_kinds(inside["reason"]))
    return query_rows(sql, polygons=pa.table(columns))


def _reason_kinds(reasons: pd.Series) -> pd.Series:
    codes, texts = pd.factorize(reasons)
    ours = [str(text).partition(CORRECTION_MARKER)[0] for text in texts]  # what follows is a planner's words
    kinds = np.array(
        [next((kind for kind, marker in REASON_MARKERS.items() if marker in text), "matrix") for text in ours],
        dtype=object,
    )
    return pd.Series(kinds[codes] if len(codes) else [], dtype="str")


def _communes(communes: pd.DataFrame | None, with_polygons: pd.Index) -> pd.DataFrame:
    """Return what is known of each commune of the territory or with polygons, indexed by code."""
    if communes is None:
        named = pd.DataFrame(index=with_polygons)
    else:
        require(communes, COMMUNES, where=f"{WHERE}.stock")
        named = pd.DataFrame({new: communes[old] for old, new in _COMMUNE_COLUMNS.items() if old in communes.columns})
        twice = named["commune_code"][named["commune_code"].duplicated()]
        if len(twice):
            raise DataError(
                f"{WHERE}.stock: commune {twice.iloc[0]} stands on several rows of the table of communes; "
                "keep one row a commune"
            )
        named["outline_ha"] = _outline_ha(communes)
        named = named.set_index("commune_code")
        named = named.reindex(named.index.union(with_polygons))
    for column in (*_COMMUNE_COLUMNS.values(), "outline_ha"):
        if column != "commune_code" and column not in named.columns:
            named[column] = np.nan
    return named.rename_axis("commune_code").sort_index()


def _outline_ha(communes: pd.DataFrame) -> NDArray[np.float64]:
    if "geometry" not in communes.columns:
        return np.full(len(communes), np.nan)
    outlines = communes["geometry"]
    crs = getattr(outlines, "crs", None)
    if crs is not None and crs.is_geographic:
        raise CrsError(
            f"{WHERE}.stock: the outlines of the communes are in degrees ({crs.to_string()}); give them "
            "in the CRS of the run"
        )
    area_m2: NDArray[np.float64] = outlines.area.to_numpy(np.float64)
    return np.where(outlines.isna(), np.nan, area_m2) / M2_PER_HECTARE


def _percent(part: pd.Series, whole: pd.Series) -> pd.Series:
    return 100 * part.astype("float64") / whole.astype("float64")


def _chosen_exemptions(rules: Rules) -> tuple[str, ...]:
    return tuple(f"exempted_{name}" for name in ("parks", "photovoltaic") if rules.options[f"exempt_{name}"] == "yes")


def _flags(coverage_pct: pd.Series, corrected: NDArray[np.bool_], of_the_run: Sequence[str]) -> list[str]:
    def own(coverage: float, by_hand: bool) -> tuple[str, ...]:
        if np.isnan(coverage):
            return ("no_data",)
        partial = (f"coverage<{COMPLETE_PCT:g}",) if coverage < COMPLETE_PCT else ()
        return (*partial, "local_corrections") if by_hand else partial

    coverage = coverage_pct.astype("float64")
    return ["+".join((*own(*of_one), *of_the_run)) for of_one in zip(coverage, corrected, strict=True)]
