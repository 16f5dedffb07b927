"""Write tables as CSV in the profile of who reads them, with a frictionless Table Schema beside each.

The same table gives the same bytes, whenever it is written.
"""

from __future__ import annotations

import csv
import io
import math
from datetime import date
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from ocsge.errors import OcsgeError
from ocsge.figures import as_filed, decimals_of
from ocsge.publish import json_bytes, publish
from ocsge.table_schema import table_schema

if TYPE_CHECKING:
    from pathlib import Path

    from ocsge.tables import Schema

Profile = Literal["machine", "excel-fr"]

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def write_csv(frame: pd.DataFrame, path: Path, *, profile: Profile = "machine", schema: Schema | None = None) -> None:
    """Write a table as CSV, without its geometry.

    Numbers have the decimals of :func:`ocsge.figures.decimals_of`; null is an empty cell. A text that a spreadsheet
    would run as a formula gets an apostrophe in front.

    Parameters
    ----------
    frame
        One row per line.
    profile
        ``machine``: comma, decimal point, UTF-8, line feeds. ``excel-fr``: semicolon, decimal comma, UTF-8
        with byte order mark, CRLF, VRAI and FAUX.
    schema
        Describes the columns; with it, ``NAME.schema.json`` is written beside ``NAME.csv``.

    Raises
    ------
    CatalogError
        When a column is not one of the schema.
    OcsgeError
        When a number is infinite.
    OutputError
        When a file cannot be written.
    """
    french = profile == "excel-fr"
    names = [str(column) for column in without_geometry(frame).columns]
    described = None if schema is None else json_bytes(table_schema(schema, names, french=french))
    content = csv_text(frame, profile=profile).encode("utf-8-sig" if french else "utf-8")
    publish(path, lambda temporary: temporary.write_bytes(content))
    if described is not None:
        publish(path.with_suffix(".schema.json"), lambda temporary: temporary.write_bytes(described))


def csv_text(frame: pd.DataFrame, *, profile: Profile = "machine") -> str:
    """Return a table as the text of a CSV file, as :func:`write_csv` writes it.

    Raises
    ------
    OcsgeError
        When a number is infinite.
    """
    table = without_geometry(frame)
    french = profile == "excel-fr"
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";" if french else ",", lineterminator="\r\n" if french else "\n")
    writer.writerow([_harmless(str(column)) for column in table.columns])
    cells = [[_cell(value, str(name), french=french) for value in table[name]] for name in table.columns]
    writer.writerows(zip(*cells, strict=True))
    return text.getvalue()


def without_geometry(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table without its column of geometries."""
    spatial = [name for name, kind in frame.dtypes.items() if str(kind) == "geometry"]
    return pd.DataFrame(frame.drop(columns=spatial))


def is_null(value: object) -> bool:
    """Return whether a cell is unknown: None, NaN, NaT or NA."""
    return value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def _cell(value: object, column: str, *, french: bool) -> str:
    """Return the text of one cell."""
    if is_null(value):
        return ""
    if isinstance(value, (bool, np.bool_)):
        return ("FAUX", "VRAI")[bool(value)] if french else ("false", "true")[bool(value)]
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return _number(float(value), column).replace(".", "," if french else ".")
    return _harmless(value.isoformat() if isinstance(value, date) else str(value))


def _number(value: float, column: str) -> str:
    if math.isinf(value):
        raise OcsgeError(f"column {column}: an infinite number cannot be exported")
    decimals = decimals_of(column)
    if decimals is None:
        return repr(value).removesuffix(".0")
    return f"{as_filed(value, column):.{decimals}f}"


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
