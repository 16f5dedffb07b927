"""Bring the values of a delivered field to the type and spellings of its canonical column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ocsge.yes_no_words import NO_WORDS, YES_WORDS

if TYPE_CHECKING:
    from ocsge.catalog_schema import Column

_DTYPES = {
    "text": "str",
    "code": "str",
    "number": "float64",
    "integer": "float64",
    "boolean": "boolean",
    "date": "datetime64[us]",
}


def empty_column(column: Column, *, index: pd.Index | None = None) -> pd.Series:
    """Return a column of nulls of the canonical type, one a row of ``index`` (none when null)."""
    index = pd.RangeIndex(0) if index is None else index
    return pd.Series([None] * len(index), index=index, dtype=_DTYPES[column.type])


def canonical_column(values: pd.Series | None, column: Column, *, index: pd.Index) -> tuple[pd.Series, int]:
    """Return the canonical values of a field, and the number of values that became null as unreadable.

    Parameters
    ----------
    values
        Values of the field; null when the delivery lacks it.
    column
        Type, spellings and unknown values of the column.
    index
        Index of the result.

    Returns
    -------
    tuple
        Series of the canonical type (text ``str``, numbers ``float64``, ``boolean`` with nulls, dates without
        time zone), and the count of unreadable values.
    """
    if column.constant is not None:
        values = pd.Series(column.constant, index=index, dtype="str")
    if values is None:
        return empty_column(column, index=index), 0
    spelt = _spelt(values, column)
    known = spelt.notna()
    if column.type in {"number", "integer"}:
        result: pd.Series = pd.to_numeric(spelt, errors="coerce").astype("float64")
        if column.zero_is_null:
            known &= result != 0
            result = result.where(known)
    elif column.type == "boolean":
        lowered = spelt.astype("str").str.lower()
        result = lowered.isin(YES_WORDS).astype("boolean").where(lowered.isin(YES_WORDS | NO_WORDS))
    elif column.type == "date":
        result = _dates(spelt)
    else:
        result = spelt.astype("str")
    return result, int((known & result.isna()).sum())


def _spelt(values: pd.Series, column: Column) -> pd.Series:
    """Return values trimmed, with the spellings of the catalogue; numbers and dates pass as they are."""
    if not (pd.api.types.is_object_dtype(values) or pd.api.types.is_string_dtype(values)):
        if column.type not in {"text", "code"} and not column.spellings:
            return values
        whole = pd.api.types.is_float_dtype(values) and bool((values.dropna() % 1 == 0).all())
        values = (values.astype("Int64") if whole else values).astype("string").astype("str")
    text = values.astype("str").str.strip()
    if column.type == "code":
        text = text.str.replace(r"\s+", "", regex=True).str.upper()
    text = text.where(text.notna() & (text != "") & ~text.isin(column.null_values))
    if column.spellings:
        mapped = text.map(dict(column.spellings)).astype("str")
        rest = column.otherwise if column.otherwise is not None else text
        text = mapped.where(text.isin(list(column.spellings)), rest).where(text.notna())
    return text


def _dates(values: pd.Series) -> pd.Series:
    dates = pd.to_datetime(values, errors="coerce", format="ISO8601", utc=True)
    return dates.dt.tz_localize(None).astype("datetime64[us]")
