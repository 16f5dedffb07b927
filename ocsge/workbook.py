"""Write tables as one XLSX workbook: a sheet a table, a sheet that describes the columns, a sheet of sources.

Codes are cells of text, so that a spreadsheet keeps "01004"; numbers are numbers. No text is a formula or a link.
"""

from __future__ import annotations

import datetime as dt
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xlsxwriter

from ocsge.errors import OcsgeError, ParameterError
from ocsge.publish import publish
from ocsge.table_files import is_null, without_geometry
from ocsge.table_schema import describe_column

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ocsge.tables import Schema

MAXIMUM_ROWS = 1_048_576
"""Rows of a sheet, its header included: the limit of the format."""

_FIXED_DAY = dt.datetime(2000, 1, 1, tzinfo=dt.UTC).replace(tzinfo=None)
_FORMATS = {"_ha": "0.0000", "_ha_an": "0.0000", "_pct": "0.00"}
_WIDEST = 40


def write_xlsx(
    tables: Mapping[str, pd.DataFrame], path: Path, *, schemas: Mapping[str, Schema], sources: pd.DataFrame
) -> None:
    """Write tables as a workbook.

    Hectares are shown with 4 decimals and percentages with 2, cells hold every digit. Null is an empty cell.

    Parameters
    ----------
    tables
        Table by name of its sheet; geometries are left out.
    path
        The ``.xlsx`` file to make.
    schemas
        Schema by name of sheet; their columns are described in the sheet ``columns``.
    sources
        Rows of the sheet ``sources``: the data the tables were made from.

    Raises
    ------
    OcsgeError
        When a number is infinite.
    OutputError
        When the file cannot be written.
    ParameterError
        When a table has more rows than a sheet can hold.
    """
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True, "default_date_format": "yyyy-mm-dd"}) as book:
        book.set_properties({"created": _FIXED_DAY})
        for name, table in tables.items():
            _add_sheet(book, name, without_geometry(table))
        _add_sheet(book, "columns", _columns(tables, schemas))
        _add_sheet(book, "sources", sources)
    publish(path, lambda temporary: temporary.write_bytes(content.getvalue()))


def _columns(tables: Mapping[str, pd.DataFrame], schemas: Mapping[str, Schema]) -> pd.DataFrame:
    """Return one row a column of the tables that have a schema: unit and descriptions."""
    rows = [
        (name, column, schema.columns[column].unit, *describe_column(schema.name, column))
        for name, schema in schemas.items()
        if name in tables
        for column in map(str, without_geometry(tables[name]).columns)
        if column in schema.columns
    ]
    return pd.DataFrame(rows, columns=["table", "column", "unit", "description_en", "description_fr"])


def _add_sheet(book: Any, name: str, table: pd.DataFrame) -> None:
    if len(table) >= MAXIMUM_ROWS:
        raise ParameterError(
            f"table {name} has {len(table)} rows, a sheet holds {MAXIMUM_ROWS - 1}; choose communes, or write CSV"
        )
    sheet = book.add_worksheet(name)
    bold = book.add_format({"bold": True})
    for position, column in enumerate(map(str, table.columns)):
        sheet.write_string(0, position, column, bold)
        shown = next((text for end, text in _FORMATS.items() if column.endswith(end)), "General")
        number = book.add_format({"num_format": shown})
        widest = len(column)
        for row, value in enumerate(table[column], start=1):
            widest = max(widest, _write_cell(sheet, row, position, value, number, column))
        sheet.set_column(position, position, min(widest, _WIDEST) + 1)
    sheet.freeze_panes(1, 1)
    if len(table):
        sheet.autofilter(0, 0, len(table), len(table.columns) - 1)


def _write_cell(sheet: Any, row: int, position: int, value: object, number: object, column: str) -> int:
    """Write one cell by its type; return the characters of a text."""
    if is_null(value):
        return 0
    if isinstance(value, (bool, np.bool_)):
        sheet.write_boolean(row, position, bool(value))
    elif isinstance(value, (int, float, np.integer, np.floating)):
        if not np.isfinite(float(value)):
            raise OcsgeError(f"column {column}: an infinite number cannot be exported")
        sheet.write_number(row, position, float(value), number)
    elif isinstance(value, dt.date):
        moment = dt.datetime.combine(value, dt.time()) if not isinstance(value, dt.datetime) else value
        sheet.write_datetime(row, position, moment)
    else:
        sheet.write_string(row, position, str(value))
        return len(str(value))
    return 0
