"""Read tables that people supply as CSV: comma, semicolon or tab, decimal point or comma, UTF-8 or cp1252.

Cells are read as text, so that "01004" stays itself; numbers are made from the columns that hold them.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ocsge.errors import DataError, ParameterError
from ocsge.tables import require
from ocsge.territory import check_commune_code
from ocsge.yes_no_words import NO_WORDS, YES_WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ocsge.tables import Schema

_SPACES = str.maketrans("", "", " \u00a0\u202f\u2009")


def read_text_table(path: Path) -> pd.DataFrame:
    """Read a CSV file as text cells, one row a line; the index is the number of the line in the file.

    Parameters
    ----------
    path
        File with a header; the separator is the commonest of comma, semicolon and tab in it. Lines without any
        value are passed over.

    Returns
    -------
    pandas.DataFrame
        Text columns, trimmed; an empty cell is null. An apostrophe that protects a formula is taken off.

    Raises
    ------
    DataError
        When the file is missing or empty, a column stands twice, or a line has another number of cells.
    """
    text = _decoded(path)
    header_line = text.splitlines()[0] if text.strip() else ""
    separator = max(",;\t", key=header_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    header = [name.strip() for name in next(reader, [])]
    if not any(header):
        raise DataError(f"{path}: holds no header; give a CSV file whose first line names the columns")
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise DataError(f"{path}: column '{twice[0]}' stands twice; keep one")
    lines, cells = [], []
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            raise DataError(
                f"{path} line {reader.line_num}: {len(row)} cells for {len(header)} columns; "
                "put texts that hold the separator between double quotes"
            )
        lines.append(reader.line_num)
        cells.append([_text(cell) for cell in row])
    return pd.DataFrame(cells, columns=header, index=pd.Index(lines, name="line", dtype="int64"), dtype="str")


def _decoded(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    if b"\0" in content:
        raise DataError(f"{path}: is no text file; save the table as CSV, UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _text(cell: str) -> str | None:
    text = cell.strip()
    protected = len(text) > 1 and text[0] == "'" and text[1] in "=+-@"
    return (text[1:] if protected else text) or None


def renamed(frame: pd.DataFrame, spellings: Mapping[str, Sequence[str]], *, where: str) -> pd.DataFrame:
    """Return the columns of a table under their canonical names, compared without case; the others are left out.

    Parameters
    ----------
    frame
        Table of text cells.
    spellings
        Other spellings by canonical name, which is one too.
    where
        What the table is, for the message.

    Raises
    ------
    DataError
        When two columns are spellings of one name.
    """
    found: dict[str, str] = {}
    for name, others in spellings.items():
        accepted = {name.lower(), *(other.lower() for other in others)}
        columns = [column for column in frame.columns if str(column).lower() in accepted]
        if len(columns) > 1:
            raise DataError(f"{where}: columns '{columns[0]}' and '{columns[1]}' are both {name}; keep one")
        if columns:
            found[columns[0]] = name
    return frame[list(found)].rename(columns=found)


def numbers(cells: pd.Series, *, where: str) -> pd.Series:
    """Return the numbers of text cells, float64; an empty cell is null.

    Spaces between groups of digits and a decimal comma are accepted.

    Raises
    ------
    DataError
        When a cell holds anything else, naming its line.
    """
    if pd.api.types.is_numeric_dtype(cells):
        return cells.astype("float64")
    plain = cells.astype("str").str.translate(_SPACES).str.replace(",", ".", regex=False)
    values: pd.Series = pd.to_numeric(plain, errors="coerce").astype("float64")
    wrong = cells.notna() & ~np.isfinite(values)
    if wrong.any():
        line = wrong.index[wrong.to_numpy()][0]
        raise DataError(f"{where} line {line}, column '{cells.name}': {cells[line]!r} is not a number; write digits")
    return values


def whole_numbers(cells: pd.Series, *, where: str) -> pd.Series:
    """Return the whole numbers of text cells, Int64; an empty cell is null.

    Raises
    ------
    DataError
        When a cell is no whole number, naming its line.
    """
    values = numbers(cells, where=where)
    wrong = values.notna() & (values % 1 != 0)
    if wrong.any():
        line = wrong.index[wrong.to_numpy()][0]
        raise DataError(f"{where} line {line}, column '{cells.name}': {cells[line]!r} is not a whole number")
    return values.astype("Int64")


def commune_codes(cells: pd.Series, *, where: str) -> pd.Series:
    """Return the INSEE codes of text cells; arrondissements give their commune.

    Raises
    ------
    DataError
        When a cell is no INSEE code, naming its line; a lost leading zero is said.
    """
    codes = []
    for line, cell in cells.items():
        try:
            codes.append(check_commune_code("" if pd.isna(cell) else str(cell)))
        except ParameterError:
            lost = pd.notna(cell) and str(cell).isdigit() and len(str(cell)) == 4
            remedy = "its leading zero is lost, keep the column as text" if lost else "write five characters"
            raise DataError(
                f"{where} line {line}, column '{cells.name}': {cell!r} is no INSEE code; {remedy}"
            ) from None
    return pd.Series(codes, index=cells.index, name=cells.name, dtype="str")


def typed_table(frame: pd.DataFrame, schema: Schema, *, where: str) -> pd.DataFrame:
    """Return a table of text cells with the types of a schema, and without other columns.

    An absent column that may be null is null; a text that may not be null and is empty is "".

    Raises
    ------
    DataError
        When a column is missing, or a cell cannot be read as its type.
    """
    columns: dict[str, pd.Series] = {}
    for name, column in schema.columns.items():
        if column.dtype == "geometry" or (column.optional and name not in frame.columns):
            continue
        if name not in frame.columns:
            if not column.nullable:
                raise DataError(f"{where}: no column '{name}'; it holds: {', '.join(map(str, frame.columns))}")
            cells = pd.Series([None] * len(frame), index=frame.index, dtype="str", name=name)
        else:
            cells = frame[name]
        if name == "commune_code":
            columns[name] = commune_codes(cells, where=where)
        elif column.dtype == "int64":
            whole = whole_numbers(cells, where=where)
            columns[name] = whole if column.nullable or whole.isna().any() else whole.astype("int64")
        elif column.dtype == "float64":
            columns[name] = numbers(cells, where=where)
        elif column.dtype == "bool":
            columns[name] = _yes_no(cells, where=where)
        else:
            texts = cells.astype("str")
            columns[name] = texts if column.nullable else texts.fillna("")
    table = pd.DataFrame(columns, index=frame.index).reset_index(drop=True)
    require(table, schema, where=where)
    return table


def _yes_no(cells: pd.Series, *, where: str) -> pd.Series:
    lowered = cells.astype("str").str.lower()
    wrong = ~lowered.isin(YES_WORDS | NO_WORDS)
    if wrong.any():
        line = wrong.index[wrong.to_numpy()][0]
        raise DataError(f"{where} line {line}, column '{cells.name}': {cells[line]!r} is neither true nor false")
    return lowered.isin(YES_WORDS)
