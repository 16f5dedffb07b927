"""Describe the CSV files as frictionless Table Schemas: types, units, descriptions in English and French.

Types and units are those of :mod:`ocsge.tables`, the descriptions those of ``data_catalog/columns.csv``.
"""

from __future__ import annotations

import csv
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from ocsge.errors import CatalogError
from ocsge.resources import shipped_directory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsge.tables import Schema

KEYS = {
    "STOCK": ("commune_code", "millesime"),
    "STOCK_LONG": ("commune_code", "millesime", "dimension", "code"),
    "FLOW": ("commune_code", "millesime_1", "millesime_2"),
    "CHANGE_MATRIX": ("commune_code", "millesime_1", "millesime_2", "dimension", "code_1", "code_2"),
    "PORTAL": ("commune_code",),
}
"""Columns that tell the rows of a table apart, and in whose order they are written."""

_DESCRIPTIONS = "columns.csv"
_TYPES = {"text": "string", "int64": "integer", "float64": "number", "bool": "boolean"}
_RANK = re.compile(r"_\d+")


@lru_cache(maxsize=1)
def _described() -> dict[tuple[str, str], tuple[str, str]]:
    path = shipped_directory("data_catalog") / _DESCRIPTIONS
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {(row["table"], row["column"]): (row["description_en"], row["description_fr"]) for row in rows}


def describe_column(table: str, column: str) -> tuple[str, str]:
    """Return what a column of a table holds, in English and in French.

    Raises
    ------
    CatalogError
        When ``data_catalog/columns.csv`` does not describe it.

    Examples
    --------
    >>> describe_column("FLOW", "net_ha")[0]
    'Net artificialisation: gain less loss'
    """
    described = _described()
    for key in ((table, column), (table, _RANK.sub("_N", column)), ("", column)):
        if key in described:
            return described[key]
    raise CatalogError(f"data_catalog/{_DESCRIPTIONS}: column {column} of {table} is not described; add its row")


def table_schema(schema: Schema, columns: Sequence[str], *, french: bool = False) -> dict[str, object]:
    """Return the frictionless Table Schema of a CSV file.

    Parameters
    ----------
    schema
        The table; its geometry is left out, as in the file.
    columns
        Columns of the file, in its order; those of the schema only.
    french
        Numbers with a decimal comma, VRAI and FAUX.

    Raises
    ------
    CatalogError
        When a column is not one of the schema, or is not described.
    """
    unknown = [name for name in columns if name not in schema.columns]
    if unknown:
        raise CatalogError(f"table {schema.name}: columns {', '.join(unknown)} are not of its schema; leave them out")
    key = [name for name in KEYS.get(schema.name, ()) if name in columns]
    fields = [_field(schema, name, french=french) for name in columns]
    described: dict[str, object] = {"fields": fields, "missingValues": [""]}
    return {**described, "primaryKey": key} if key else described


def _field(schema: Schema, name: str, *, french: bool) -> dict[str, object]:
    column = schema.columns[name]
    english, in_french = describe_column(schema.name, name)
    field: dict[str, object] = {
        "name": name,
        "type": _TYPES[column.dtype],
        "description": english,
        "description_fr": in_french,
    }
    if column.unit:
        field["unit"] = column.unit
    # an empty text is a value (no flag, no model) and reads as a missing one: text is never required
    if not column.nullable and column.dtype != "text":
        field["constraints"] = {"required": True}
    if column.dtype == "float64" and french:
        field["decimalChar"] = ","
    if column.dtype == "bool":
        field["trueValues"], field["falseValues"] = (["VRAI"], ["FAUX"]) if french else (["true"], ["false"])
    return field
