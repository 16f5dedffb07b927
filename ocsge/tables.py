"""Tables that pass from one stage to the next: their columns, types and units, checked once at each door.

A schema says what a stage may rely on. Other columns may stand beside those of the schema; they pass through
unread.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from ocsge.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["text", "bool", "int64", "float64", "geometry"]

M2_PER_HECTARE = 10_000
CM2_PER_M2 = 10_000
"""Areas of polygons that come from no raster, which have no pixel, are counted in whole cm²."""
CM2_PER_HECTARE = CM2_PER_M2 * M2_PER_HECTARE

EXACTNESS_PX = 1e-3
"""Gap, in pixels, between an area in m² and its count of pixels above which the two columns disagree."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Examples
    --------
    >>> Column("float64", unit="m²").nullable
    False
    """

    dtype: Kind
    """Type of the values."""

    unit: str = ""
    """Unit of the values; empty for codes, texts and yes/no."""

    nullable: bool = False
    """Whether a value may be null, that is unknown."""

    optional: bool = False
    """Whether the whole column may be missing."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of one table, by name, in the order in which they are written."""

    name: str
    """Name of the table in messages."""

    columns: Mapping[str, Column]
    """Column by name."""


def _schema(name: str, columns: Mapping[str, Column]) -> Schema:
    return Schema(name, MappingProxyType(dict(columns)))


_CODE = Column("text")
_TEXT = Column("text", nullable=True)
_YES_NO = Column("bool")
_AREA = Column("float64", "m²")
_HECTARES = Column("float64", "ha", nullable=True)
_PERCENT = Column("float64", "%", nullable=True)

POLYGONS = _schema(
    "POLYGONS",
    {
        "commune_code": _CODE,
        "code_cs": _CODE,
        "code_us": _CODE,
        "ossature": _YES_NO,
        "area_px": Column("int64", "pixels"),
        "object_px": Column("int64", "pixels", optional=True),
        "area_m2": _AREA,
        "usage_rule": Column("int64"),
        "usage_default_m2": _AREA,
        "filled_m2": _AREA,
        "default_cover_m2": _AREA,
        # touches the zone construite: a pixel inside is enough
        "zone_construite": _YES_NO,
        "commune_cut": _YES_NO,
        "at_edge": _YES_NO,
        "tree_share": Column("float64", "share of the vegetated ground, 0–1", nullable=True),
        "park_m2": _AREA,
        "photovoltaic_m2": _AREA,
        "park_and_photovoltaic_m2": _AREA,
        "in_territory": _YES_NO,
        "geometry": Column("geometry", "m, CRS of the run", nullable=True, optional=True),
    },
)
"""One row a polygon piece, as the regions stage leaves it; ``commune_code`` is "" outside known communes."""

ARTIFICIALISED = _schema(
    "ARTIFICIALISED",
    {
        **POLYGONS.columns,
        "artif": _YES_NO,
        "matrix_artif": _YES_NO,
        "crit_seuil": _YES_NO,
        "reason": _CODE,
        "decree_category": _CODE,
        "impermeable": _YES_NO,
        "fragile": _CODE,
        "exemption": _CODE,
        "exempt_park_m2": _AREA,
        "exempt_photovoltaic_m2": _AREA,
        "exempt_either_m2": _AREA,
        "exempted_m2": _AREA,
        "artif_min": _YES_NO,
        "artif_max": _YES_NO,
    },
)
"""POLYGONS with the state of each polygon under the decree and why."""

COMMUNES = _schema(
    "COMMUNES",
    {
        "commune_code": _CODE,
        "nom": Column("text", nullable=True, optional=True),
        "siren_epci": Column("text", nullable=True, optional=True),
        "departement_code": Column("text", nullable=True, optional=True),
        "region_code": Column("text", nullable=True, optional=True),
        "cog_year": Column("int64", "year", nullable=True, optional=True),
        "geometry": Column("geometry", "m, projected CRS", nullable=True, optional=True),
    },
)
"""One row a commune of the territory, as ``commune_outlines.read_communes`` returns them."""

STOCK = _schema(
    "STOCK",
    {
        "commune_code": _CODE,
        "nom": _TEXT,
        "epci_siren": _TEXT,
        "departement_code": _TEXT,
        "region_code": _TEXT,
        "cog_year": Column("int64", "year", nullable=True),
        "population": Column("int64", "inhabitants", nullable=True),
        "millesime": Column("int64", "year"),
        "source": _CODE,
        "model": _CODE,
        "surface_ha": _HECTARES,
        "outline_ha": _HECTARES,
        "stock_ha": _HECTARES,
        "part_pct": _PERCENT,
        "stock_impermeable_ha": _HECTARES,
        "matrix_ha": _HECTARES,
        "threshold_gain_ha": _HECTARES,
        "threshold_loss_ha": _HECTARES,
        "exempt_parks_ha": _HECTARES,
        "exempt_pv_ha": _HECTARES,
        "exempt_either_ha": _HECTARES,
        "stock_after_exemptions_ha": _HECTARES,
        "artif_min_ha": _HECTARES,
        "artif_max_ha": _HECTARES,
        "stock_adjusted_ha": _HECTARES,
        "ci95_ha": _HECTARES,
        "usage_default_pct": _PERCENT,
        "filled_ha": _HECTARES,
        "default_cover_ha": _HECTARES,
        "coverage_pct": _PERCENT,
        "fragile_ha": _HECTARES,
        "rules_version": _CODE,
        "flags": _CODE,
    },
)
"""One row a commune and millésime; the measures are null where the commune has no polygon."""

STOCK_INTERVALS = _schema(
    "STOCK_INTERVALS",
    {
        "commune_code": _CODE,
        "stock_adjusted_ha": _HECTARES,
        "ci95_ha": _HECTARES,
        "no_interval": _CODE,
    },
)
"""One row a commune; without interval both areas are null and ``no_interval`` says why."""

STOCK_LONG = _schema(
    "STOCK_LONG",
    {
        "commune_code": _CODE,
        "millesime": Column("int64", "year"),
        "dimension": _CODE,
        "code": _CODE,
        "area_ha": Column("float64", "ha"),
        "artif_area_ha": Column("float64", "ha"),
    },
)
"""One row a commune, millésime, dimension and code; the areas of a dimension sum to the surface."""

CHANGES = _schema(
    "CHANGES",
    {
        "commune_code": _CODE,
        "millesime_1": Column("int64", "year"),
        "millesime_2": Column("int64", "year"),
        "code_cs_1": _CODE,
        "code_us_1": _CODE,
        "code_cs_2": _CODE,
        "code_us_2": _CODE,
        "artif_1": _YES_NO,
        "artif_2": _YES_NO,
        "impermeable_1": _YES_NO,
        "impermeable_2": _YES_NO,
        "decree_category_1": _CODE,
        "decree_category_2": _CODE,
        "change": _CODE,
        "reason_1": _CODE,
        "reason_2": _CODE,
        "area_px": Column("int64", "pixels"),
        "area_m2": _AREA,
        "geometry": Column("geometry", "m, CRS of the run", nullable=True, optional=True),
    },
)
"""One row a piece of the coverage that carries both millésimes; ``change`` is ``gain``, ``loss`` or ``none`` of
artificialised land. The rows of a commune partition it."""

FLOW = _schema(
    "FLOW",
    {
        "commune_code": _CODE,
        "nom": _TEXT,
        "epci_siren": _TEXT,
        "departement_code": _TEXT,
        "region_code": _TEXT,
        "cog_year": Column("int64", "year", nullable=True),
        "surface_ha": _HECTARES,
        "population": Column("int64", "inhabitants", nullable=True),
        "millesime_1": Column("int64", "year"),
        "millesime_2": Column("int64", "year"),
        "source": _CODE,
        "model": _CODE,
        "rules_version": _CODE,
        "stock_1_ha": _HECTARES,
        "stock_2_ha": _HECTARES,
        "part_1_pct": _PERCENT,
        "part_2_pct": _PERCENT,
        "gain_ha": _HECTARES,
        "loss_ha": _HECTARES,
        "net_ha": _HECTARES,
        "net_min_ha": _HECTARES,
        "net_max_ha": _HECTARES,
        "net_ha_an": Column("float64", "ha a year", nullable=True),
        "stock_impermeable_1_ha": _HECTARES,
        "stock_impermeable_2_ha": _HECTARES,
        "gain_impermeable_ha": _HECTARES,
        "loss_impermeable_ha": _HECTARES,
        "matrix_2_ha": _HECTARES,
        "threshold_gain_2_ha": _HECTARES,
        "threshold_loss_2_ha": _HECTARES,
        "exempt_parks_2_ha": _HECTARES,
        "exempt_pv_2_ha": _HECTARES,
        "artif_min_2_ha": _HECTARES,
        "artif_max_2_ha": _HECTARES,
        "ci95_2_ha": _HECTARES,
        "usage_default_pct": _PERCENT,
        "coverage_pct": _PERCENT,
        "flags": _CODE,
    },
)
"""One row a commune and pair of consecutive millésimes; a measure without data is null, without change 0."""

CHANGE_MATRIX = _schema(
    "CHANGE_MATRIX",
    {
        "commune_code": _CODE,
        "millesime_1": Column("int64", "year"),
        "millesime_2": Column("int64", "year"),
        "dimension": _CODE,
        "code_1": _CODE,
        "code_2": _CODE,
        "area_ha": Column("float64", "ha"),
        "gain_ha": Column("float64", "ha"),
        "loss_ha": Column("float64", "ha"),
    },
)
"""One row a commune, pair of millésimes, dimension (``couverture``, ``usage``, ``decree_category``), pair of codes."""

REASON_MARKERS: Mapping[str, str] = MappingProxyType(
    {
        "threshold_case_1": "(threshold case 1)",
        "threshold_case_2": "(threshold case 2)",
        "threshold_case_3": "(threshold case 3)",
        "adjacent_built": "(adjacent_built = keep_artif)",
    }
)
"""Kind of reason → the words that mark it in the column ``reason``; without any, it comes from the matrix."""

CORRECTION_MARKER = "; local correction "
"""Words before a local correction in the column ``reason``; what follows them is its author's, not ours."""
CORRECTED_USAGE_RULE = 0
"""Value of ``usage_rule`` where local corrections give the usage: rules are numbered from 1."""


def require(frame: pd.DataFrame, schema: Schema, *, where: str) -> None:
    """Check that a table holds the columns, types and non-null values of its schema.

    Parameters
    ----------
    frame : pandas.DataFrame
        The table to check; not changed.
    schema : Schema
        What it must hold.
    where : str
        Stage at whose door the table stands, for the message.

    Raises
    ------
    DataError
        On the first column that is missing, of another type, or null where it may not be.
    """
    for name, column in schema.columns.items():
        if name not in frame.columns:
            if column.optional:
                continue
            found = ", ".join(map(str, frame.columns))
            raise DataError(f"{where}: table {schema.name} has no column '{name}' ({column.dtype}); it holds: {found}")
        values = frame[name]
        if not _is_kind(values, column):
            raise DataError(
                f"{where}: table {schema.name}, column '{name}' is {values.dtype}, expected {column.dtype}; "
                "convert it before this stage"
            )
        if not column.nullable and bool(values.isna().any()):
            row = int(np.flatnonzero(values.isna().to_numpy())[0])
            raise DataError(
                f"{where}: table {schema.name}, column '{name}' is null at row {row} "
                f"({int(values.isna().sum())} rows in all); this column may not be unknown"
            )


def dtypes(schema: Schema) -> dict[str, str]:
    """Return the pandas type of each column of a schema without geometry, by name; whole numbers keep their nulls."""
    kinds = {"text": "str", "int64": "int64", "float64": "float64", "bool": "bool"}
    return {
        name: "Int64" if column.dtype == "int64" and column.nullable else kinds[column.dtype]
        for name, column in schema.columns.items()
        if column.dtype != "geometry"
    }


def typed(table: pd.DataFrame, schema: Schema, *, where: str) -> pd.DataFrame:
    """Return the columns of a schema in its order and types; numbers may come as text.

    Raises
    ------
    DataError
        When a column is missing or null where it may not be.
    """
    wanted = dtypes(schema)
    if missing := [name for name in wanted if name not in table.columns]:
        raise DataError(
            f"{where}: table {schema.name} has no column '{missing[0]}'; it holds: {', '.join(map(str, table.columns))}"
        )
    numbers = {name: pd.to_numeric(table[name]) for name, kind in wanted.items() if kind == "Int64"}
    result = table.assign(**numbers)[list(wanted)].astype(wanted)
    require(result, schema, where=where)
    return result


def _is_kind(values: pd.Series, column: Column) -> bool:
    dtype = values.dtype
    if column.dtype == "bool":
        return pd.api.types.is_bool_dtype(dtype)
    if column.dtype == "int64":
        return str(dtype).lower() == "int64"
    if column.dtype == "float64":
        return str(dtype).lower() == "float64"
    if column.dtype == "geometry":
        return str(dtype) == "geometry" or bool(values.isna().all())
    categories = dtype.categories if isinstance(dtype, pd.CategoricalDtype) else values
    return pd.api.types.is_string_dtype(categories) or bool(values.isna().all())


def pixels_per_m2(polygons: pd.DataFrame, *, where: str) -> int:
    """Return the number of pixels in one m², as the columns ``area_px`` and ``area_m2`` imply it.

    Areas are compared and summed as whole pixels, so that an area equal to a threshold is never lost to
    rounding. For polygons that do not come from a raster, give areas in cm² as ``area_px``.

    Parameters
    ----------
    polygons : pandas.DataFrame
        Columns ``area_px`` (int64, pixels, at least 1) and ``area_m2`` (float64, m²).
    where : str
        Stage at whose door the table stands, for the message.

    Raises
    ------
    DataError
        When a polygon has no area, or the two columns do not hold one ratio that is a whole number.

    Examples
    --------
    >>> pixels_per_m2(pd.DataFrame({"area_px": [50], "area_m2": [2.0]}), where="example")
    25
    """
    area_px = polygons["area_px"].to_numpy(np.int64)
    area_m2 = polygons["area_m2"].to_numpy(np.float64)
    if len(area_px) == 0:
        return 1
    empty = np.flatnonzero((area_px < 1) | ~(area_m2 > 0))
    if len(empty):
        raise DataError(
            f"{where}: table {POLYGONS.name}, column 'area_px' or 'area_m2' is not positive at row "
            f"{empty[0]}; drop polygons without area"
        )
    ratio = max(1, round(float(area_px.sum()) / float(area_m2.sum())))
    gap = np.abs(area_m2 * ratio - area_px)
    wrong = np.flatnonzero(gap > EXACTNESS_PX)
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"{where}: table {POLYGONS.name}, row {row}: area_m2 = {area_m2[row]} is not area_px = "
            f"{area_px[row]} divided by {ratio} pixels per m²; compute both columns on one grid"
        )
    return ratio
