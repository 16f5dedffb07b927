"""Read the CSV files of ``rules/`` and of an overlay, and keep the rows that apply at a date.

Nothing here stops at the first fault: faults are collected as one-line texts that name file, line and column
and say what to do, so that ``ocsge rules check`` shows them all at once.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ocsge.rule_tables import DOCUMENTATION, TABLES, VALUE_UNITS, Row

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic_core import ErrorDetails

Files = tuple[tuple[str, bytes], ...]
"""Files of a rules directory: (name, content), in name order."""


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One row of a rule table and where it stands."""

    table: str
    """Name of the table: ``matrix``."""

    key: tuple[str, ...]
    """Values of the key columns, as text."""

    row: str
    """File and line: ``matrix.csv:43``, or ``overlay/matrix.csv:2``."""

    facts: Row
    """The row, validated."""


@dataclass(frozen=True, slots=True)
class _Retirement:
    """An overlay row that ends the rows of its key."""

    key: tuple[str, ...]
    row: str
    applies_to: dt.date


def effective_rows(
    base: Files, overlay: Files | None, *, at: dt.date, problems: list[str]
) -> dict[str, tuple[RuleRow, ...]]:
    """Return the rows of every table that apply on a date, overlay included.

    Parameters
    ----------
    base
        Files of the rules directory; every table must be there.
    overlay
        Files that replace rows of the same key, add keys, or retire them; None without overlay.
    at
        The date.
    problems
        Receives one line for each fault found.

    Returns
    -------
    dict
        For each table, its rows in file order; rows the overlay adds come last. Faulty rows are left out.
    """
    tables = dict(base)
    extra = dict(overlay or ())
    known = {f"{table}.csv" for table in TABLES}
    strangers = [*sorted(set(tables) - known), *(f"overlay/{name}" for name in sorted(set(extra) - known))]
    problems += [f"{name}: is not a rule table; the tables are {', '.join(TABLES)}" for name in strangers]
    rows: dict[str, tuple[RuleRow, ...]] = {}
    for table, model in TABLES.items():
        name = f"{table}.csv"
        if name not in tables:
            problems.append(f"{name}: the file is missing; restore it from the distribution")
            continue
        kept, _ = _read(name, table, tables[name], model, problems, may_retire=False)
        if name in extra:
            over, retired = _read(f"overlay/{name}", table, extra[name], model, problems, may_retire=True)
            kept = _overlaid(kept, over, retired, problems)
        rows[table] = tuple(row for row in kept if _applies(row.facts, at))
        if kept and not rows[table]:
            first = min(kept, key=lambda row: str(row.facts.applies_from or ""))
            problems.append(
                f"{name}: no row applies on {at}; the first one applies from {first.facts.applies_from} "
                f"({first.facts.source}): ask for a later date"
            )
    return rows


def _applies(facts: Row, at: dt.date) -> bool:
    started = facts.applies_from is None or facts.applies_from <= at
    return started and (facts.applies_to is None or at <= facts.applies_to)


def _overlaid(
    base: Sequence[RuleRow], over: Sequence[RuleRow], retired: Iterable[_Retirement], problems: list[str]
) -> list[RuleRow]:
    """Return the base rows with those of the overlay in place of the rows of the same key."""
    replacing: dict[tuple[str, ...], list[RuleRow]] = {}
    for row in over:
        replacing.setdefault(row.key, []).append(row)
    replaced = set(replacing)
    rows: list[RuleRow] = []
    for row in base:
        if row.key not in replaced:
            rows.append(row)
        else:
            rows.extend(replacing.pop(row.key, []))
    for added in replacing.values():
        rows.extend(added)
    for end in retired:
        if not any(row.key == end.key for row in rows):
            problems.append(f"{end.row}: retires {' × '.join(end.key)}, which no row defines; remove the row")
        rows = [_ended(row, end) if row.key == end.key else row for row in rows]
    return rows


def _ended(row: RuleRow, end: _Retirement) -> RuleRow:
    last = row.facts.applies_to
    applies_to = end.applies_to if last is None else min(last, end.applies_to)
    facts = row.facts.model_copy(update={"applies_to": applies_to})
    return RuleRow(table=row.table, key=row.key, row=row.row, facts=facts)


def _read(
    name: str, table: str, content: bytes, model: type[Row], problems: list[str], *, may_retire: bool
) -> tuple[list[RuleRow], list[_Retirement]]:
    """Return the rows of one file and, from an overlay, the keys it retires."""
    lines = _cells(name, content, problems)
    if lines is None or not _header_is_right(name, lines[0][1], model, problems):
        return [], []
    header = lines[0][1]
    rows: list[RuleRow] = []
    retired: list[_Retirement] = []
    for number, cells in lines[1:]:
        where = f"{name}:{number}"
        if len(cells) != len(header):
            count = f"has {len(cells)} cells, the header has {len(header)}"
            problems.append(f"{where}: {count}; quote the cells that hold a comma")
            continue
        filled = {column: cell for column, cell in zip(header, cells, strict=True) if cell}
        if may_retire and _retires(filled, model):
            end = _retirement(where, filled, model, problems)
            retired.extend([end] if end else [])
            continue
        facts = _validated(where, filled, model, problems)
        if facts is not None:
            key = tuple(str(getattr(facts, column)) for column in model.KEY)
            rows.append(RuleRow(table=table, key=key, row=where, facts=facts))
            problems.extend(_row_problems(rows[-1]))
    problems.extend(_period_problems(rows))
    return rows, retired


def _cells(name: str, content: bytes, problems: list[str]) -> list[tuple[int, list[str]]] | None:
    """Return (line number, cells) of the lines that are not empty; None when the file is no CSV."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        problems.append(f"{name}:{line}: is not UTF-8; save the file with the UTF-8 encoding")
        return None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines, start = [], 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                lines.append((start, [cell.strip() for cell in cells]))
            start = reader.line_num + 1
    except csv.Error as error:
        problems.append(f"{name}:{start}: is not CSV ({error}); close every quote, double those inside a cell")
        return None
    if not lines:
        problems.append(f"{name}: is empty; write the header and the rows, or remove the file")
        return None
    return lines


def _header_is_right(name: str, header: Sequence[str], model: type[Row], problems: list[str]) -> bool:
    known = model.model_fields
    before = len(problems)
    if len(header) == 1 and ";" in header[0]:
        problems.append(f"{name}:1: columns are separated by ;, they must be by a comma; export as CSV again")
        return False
    problems += [
        f"{name}:1: column {column} is missing; add it to the header and to every row"
        for column in known
        if column not in header and known[column].is_required()
    ]
    for position, column in enumerate(header):
        if column not in known:
            problems.append(f"{name}:1: column {column!r} is unknown; the columns are {', '.join(known)}")
        elif column in header[:position]:
            problems.append(f"{name}:1: column {column} stands twice; keep one")
    return len(problems) == before


def _retires(filled: Mapping[str, str], model: type[Row]) -> bool:
    facts = set(filled) - set(model.KEY) - set(DOCUMENTATION)
    return "applies_to" in filled and not facts


def _retirement(where: str, filled: Mapping[str, str], model: type[Row], problems: list[str]) -> _Retirement | None:
    template = {"source": "-", "confidence": "high", "applies_to": filled["applies_to"]}
    checked = _validated(where, template, Row, problems)
    if "source" not in filled:
        problems.append(f"{where}: column source: is empty; say who retires the row")
    if checked is None or checked.applies_to is None:
        return None
    key = tuple(filled.get(column, "") for column in model.KEY)
    return _Retirement(key=key, row=where, applies_to=checked.applies_to)


def _validated(where: str, filled: Mapping[str, str], model: type[Row], problems: list[str]) -> Row | None:
    try:
        return model.model_validate(filled)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            column = str(fault["loc"][0]) if fault["loc"] else "?"
            problems.append(f"{where}: column {column}: {_explained(fault)}")
        return None


def _explained(fault: ErrorDetails) -> str:
    """Return one line for a fault that pydantic found."""
    context: dict[str, Any] = fault.get("ctx", {})
    if fault["type"] == "missing":
        return "is empty; every row needs a value here"
    if fault["type"] == "literal_error":
        return f"{fault['input']!r} is not one of {context['expected']}"
    return str(context.get("error", fault["msg"]))


def _row_problems(row: RuleRow) -> list[str]:
    """Return the faults between the cells of one row that hold for every table."""
    facts = row.facts
    problems = []
    if facts.applies_from and facts.applies_to and facts.applies_to < facts.applies_from:
        problems.append(
            f"{row.row}: column applies_to: {facts.applies_to} comes before {facts.applies_from}, "
            "its applies_from; swap or correct them"
        )
    if row.table in VALUE_UNITS:
        value, low, high = (getattr(facts, column) for column in ("value", "low", "high"))
        if (low is None) != (high is None):
            problems.append(f"{row.row}: column {'low' if low is None else 'high'}: is empty; give both or none")
        elif low is not None and not low <= value <= high:
            problems.append(f"{row.row}: column value: {value:g} is not between low {low:g} and high {high:g}")
        elif low is None and facts.confidence == "low":
            problems.append(f"{row.row}: column low: is empty; a low-confidence value needs low and high bounds")
    return problems


def _period_problems(rows: Sequence[RuleRow]) -> list[str]:
    """Return the pairs of rows of one file that give the same key at the same date."""
    problems = []
    seen: dict[tuple[str, ...], list[RuleRow]] = {}
    for row in rows:
        for other in seen.get(row.key, []):
            name = " × ".join(row.key)
            line = other.row.rpartition(":")[2]
            if _period(row) == _period(other):
                key = ", ".join(type(row.facts).KEY)
                problems.append(f"{row.row}: column {key}: {name} is already on line {line}; keep one of them")
            elif _overlap(row.facts, other.facts):
                problems.append(
                    f"{row.row}: column applies_from: the period of {name} overlaps that of line {line}; "
                    "end the older row the day before the newer one starts"
                )
        seen.setdefault(row.key, []).append(row)
    return problems


def _period(row: RuleRow) -> tuple[dt.date | None, dt.date | None]:
    return row.facts.applies_from, row.facts.applies_to


def _overlap(a: Row, b: Row) -> bool:
    a_first = a.applies_to is None or b.applies_from is None or b.applies_from <= a.applies_to
    b_first = b.applies_to is None or a.applies_from is None or a.applies_from <= b.applies_to
    return a_first and b_first
