"""The rules as one immutable value: read, checked and frozen at a date, with a fingerprint.

``rules/`` holds the law and the specification as tables, one fact a row. :func:`load_rules` selects the
rows that apply at a date, replaces those of an overlay directory, refuses anything inconsistent, and resolves
names into numbers. The date is that of the rule, not of the imagery: the decree in force holds for any
millésime.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ocsge.errors import RulesError
from ocsge.nomenclature import NomenclatureEntry, inherited_traits
from ocsge.resources import shipped_directory
from ocsge.rule_consistency import consistency_problems
from ocsge.rule_files import Files, RuleRow, effective_rows
from ocsge.rule_filter import Filter
from ocsge.rule_model import CosiaClass, CosiaContext, LayerCover, LayerUsage, MatrixCell, NamedValue, Rules
from ocsge.rule_tables import NUMBERINGS, TABLES, VALUE_UNITS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "CosiaClass",
    "CosiaContext",
    "Filter",
    "LayerCover",
    "LayerUsage",
    "MatrixCell",
    "NamedValue",
    "NomenclatureEntry",
    "RuleDifference",
    "RuleRow",
    "Rules",
    "check_rules",
    "diff_rules",
    "load_rules",
]

Changes = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class RuleDifference:
    """One cell that two sets of rules give differently."""

    table: str
    """Table."""

    key: tuple[str, ...]
    """Values of the key columns."""

    column: str
    """Column; empty when the row is in one of the two only."""

    before: str | None
    """Value in the first set; None when the row is not there."""

    after: str | None
    """Value in the second set."""


def load_rules(
    at: dt.date | None = None,
    *,
    overlay: Path | None = None,
    directory: Path | None = None,
    changes: Mapping[str, float] | None = None,
) -> Rules:
    """Return the rules that apply on a date, checked and frozen.

    Equal content gives the same object: the files are read at each call, parsed once.

    Parameters
    ----------
    at
        Date of the rules, not of the imagery; today by default.
    overlay
        Directory of tables whose rows replace those of the same key, add keys, or retire them.
    directory
        Rule tables; those of the distribution by default.
    changes
        Named values to take instead, by ``table.name``: ``{"zone_construite.erosion_m": 0}``.

    Raises
    ------
    RulesError
        At the first fault, with file, line, column and remedy, and the number of other faults.
    """
    return _load(
        at or dt.datetime.now(tz=dt.UTC).date(),
        at is not None,
        _files(directory or shipped_directory("rules")),
        _files(overlay) if overlay else None,
        tuple(sorted((changes or {}).items())),
    )


def check_rules(directory: Path | None = None, *, overlay: Path | None = None, at: dt.date | None = None) -> list[str]:
    """Return every fault of the rule tables, one line each; empty when they can be used.

    Parameters
    ----------
    directory, overlay, at
        As in :func:`load_rules`.
    """
    base = _files(directory or shipped_directory("rules"))
    day = at or dt.datetime.now(tz=dt.UTC).date()
    return _checked(base, _files(overlay) if overlay else None, day)[1]


def diff_rules(a: Rules, b: Rules) -> list[RuleDifference]:
    """Return the cells that differ between two sets of rules, by table and key."""
    differences = []
    for table in TABLES:
        before = {row.key: row.facts.model_dump(mode="json") for row in a.tables[table]}
        after = {row.key: row.facts.model_dump(mode="json") for row in b.tables[table]}
        for key in sorted(before.keys() | after.keys()):
            old, new = before.get(key), after.get(key)
            if old is None or new is None:
                pair = (None, "new row") if old is None else ("row", None)
                differences.append(RuleDifference(table, key, "", *pair))
                continue
            differences.extend(
                RuleDifference(table, key, column, _shown(old[column]), _shown(new[column]))
                for column in old
                if old[column] != new[column]
            )
    return differences


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ";".join(str(item) for item in value)
    return "" if value is None else str(value)


def _files(directory: Path) -> Files:
    """Return the CSV files of a directory."""
    try:
        paths = sorted(Path(directory).glob("*.csv"))
        files = tuple((path.name, path.read_bytes()) for path in paths)
    except OSError as error:
        raise RulesError(
            f"{directory}: cannot be read ({error.strerror}); check the path and its permissions"
        ) from None
    if not files:
        raise RulesError(f"{directory}: holds no rule table (*.csv); give a directory of rule tables")
    return files


def _checked(base: Files, overlay: Files | None, at: dt.date) -> tuple[dict[str, tuple[RuleRow, ...]], list[str]]:
    problems: list[str] = []
    rows = effective_rows(base, overlay, at=at, problems=problems)
    if not problems:
        problems = consistency_problems(rows)
    return rows, problems


@functools.lru_cache(maxsize=32)
def _load(at: dt.date, at_chosen: bool, base: Files, overlay: Files | None, changes: Changes) -> Rules:
    rows, problems = _checked(base, overlay, at)
    if problems:
        others = f" (and {len(problems) - 1} more: ocsge rules check)" if len(problems) > 1 else ""
        raise RulesError(problems[0] + others)
    return _frozen(_changed(rows, changes), at=at, at_chosen=at_chosen)


def _changed(rows: dict[str, tuple[RuleRow, ...]], changes: Changes) -> dict[str, tuple[RuleRow, ...]]:
    """Return the rows with some named values replaced."""
    for name, value in changes:
        table, _, key = name.partition(".")
        if not (math.isfinite(value) and value >= 0):
            raise RulesError(f"value {name}: {value} is not a finite number from 0 up; give another")
        if table not in VALUE_UNITS or (key,) not in {row.key for row in rows[table]}:
            raise RulesError(f"value {name}: the rules have no such value; ocsge rules show lists the tables")
        rows[table] = tuple(
            RuleRow(table, row.key, row.row, row.facts.model_copy(update={"value": float(value)}))
            if row.key == (key,)
            else row
            for row in rows[table]
        )
    return rows


def _fingerprint(rows: Mapping[str, Sequence[RuleRow]]) -> str:
    """Return the SHA-256 of the effective rows; the order of rows counts in the nomenclatures only."""
    content = {}
    for table in TABLES:
        lines = [row.facts.model_dump_json() for row in rows[table]]
        content[table] = lines if table in {"couverture", "usage"} else sorted(lines)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _frozen(rows: dict[str, tuple[RuleRow, ...]], *, at: dt.date, at_chosen: bool) -> Rules:
    """Return the rules of checked rows."""
    couvertures, usages = _entries(rows["couverture"]), _entries(rows["usage"])
    by_role = {entry.role: entry.code for entry in couvertures if entry.role}
    values = _values(rows)
    named = {
        table: MappingProxyType({value.name: value.value for value in values if value.table == table})
        for table in VALUE_UNITS
    }
    options = {row.key[0]: _any(row).value for row in rows["options"]}
    layer_usages = _layer_usages(rows["layer_usages"], named)
    return Rules(
        fingerprint=_fingerprint(rows),
        at=at,
        at_chosen=at_chosen,
        couvertures=couvertures,
        usages=usages,
        couverture_codes=tuple(entry.code for entry in couvertures if entry.is_leaf),
        usage_codes=tuple(entry.code for entry in usages if entry.is_leaf),
        couverture_by_role=MappingProxyType(by_role),
        decree_categories=MappingProxyType({row.key[0]: _any(row).label_fr for row in rows["decree_categories"]}),
        matrix=MappingProxyType({(row.key[0], row.key[1]): _cell(row) for row in rows["matrix"]}),
        cosia_classes=_cosia_classes(rows["cosia_classes"], layer_usages, named["minimum_area_m2"]),
        cosia_context=tuple(
            CosiaContext(_any(row).cosia_class, _any(row).usage_prefixes, _any(row).code_cs, row.row)
            for row in rows["cosia_context"]
        ),
        layer_covers=_layer_covers(rows["layer_covers"], named),
        layer_usages=layer_usages,
        couverture_weight=_weights(rows["semantic_weights"], "couverture"),
        usage_weight=_weights(rows["semantic_weights"], "usage"),
        options=MappingProxyType(options),
        default_cover_code=by_role[options["default_cover"]],
        named_values=values,
        tables=MappingProxyType(dict(rows)),
        **named,
    )


def _any(row: RuleRow) -> Any:
    """Return the facts of a row, of the model of its table."""
    return row.facts


def _entries(rows: Sequence[RuleRow]) -> tuple[NomenclatureEntry, ...]:
    own_traits = {row.key[0]: getattr(row.facts, "traits", ()) for row in rows}
    return tuple(
        NomenclatureEntry(
            code=facts.code,
            label_fr=facts.label_fr,
            parent=facts.parent,
            is_leaf=facts.is_leaf,
            colour=facts.colour,
            role=getattr(facts, "role", None),
            traits=inherited_traits(facts.code, own_traits),
            merges=getattr(facts, "merges", ()),
            row=row.row,
        )
        for row in rows
        for facts in [_any(row)]
    )


def _cell(row: RuleRow) -> MatrixCell:
    facts = _any(row)
    return MatrixCell(
        artificialise=facts.artificialise,
        impermeable=facts.impermeable,
        decree_category=facts.decree_category,
        source=facts.source,
        row=row.row,
    )


def _values(rows: Mapping[str, Sequence[RuleRow]]) -> tuple[NamedValue, ...]:
    return tuple(
        NamedValue(
            table=table,
            name=facts.name,
            value=facts.value,
            unit=facts.unit,
            low=facts.low,
            high=facts.high,
            confidence=facts.confidence,
            source=facts.source,
            row=row.row,
        )
        for table in VALUE_UNITS
        for row in rows[table]
        for facts in [_any(row)]
    )


def _cosia_classes(
    rows: Sequence[RuleRow], usages: Sequence[LayerUsage], areas: Mapping[str, float]
) -> tuple[CosiaClass, ...]:
    rule_of = {name: usage.order for usage in reversed(usages) for name in usage.cosia_classes}
    classes = []
    for row in rows:
        facts = _any(row)
        numbers = {system: getattr(facts, system) for system in NUMBERINGS}
        mask = facts.flair_inc_mask
        numbers["flair_inc_argmax"] = None if mask is None else mask - 1
        classes.append(
            CosiaClass(
                name=facts.cosia_class,
                numbers=MappingProxyType(numbers),
                colour=facts.colour,
                code_cs=facts.code_cs,
                handling=facts.handling,
                fallback_code_cs=facts.fallback_code_cs,
                fallback_minimum_m2=_number(areas, facts.fallback_minimum),
                usage_rule=rule_of.get(facts.cosia_class),
                row=row.row,
            )
        )
    return tuple(classes)


def _number(values: Mapping[str, float], name: str | None) -> float | None:
    return None if name is None else values[name]


def _layer_covers(rows: Sequence[RuleRow], named: Mapping[str, Mapping[str, float]]) -> tuple[LayerCover, ...]:
    rules = [
        LayerCover(
            order=facts.order,
            layer=facts.layer,
            filter=Filter.parse(facts.filter, row=row.row),
            geometry_op=facts.geometry_op,
            width=facts.width,
            code_cs=facts.code_cs,
            with_raster=facts.with_raster,
            ossature=facts.ossature,
            minimum_width_m=_number(named["minimum_width_m"], facts.minimum_width),
            minimum_area_m2=_number(named["minimum_area_m2"], facts.minimum_area),
            confidence=facts.confidence,
            row=row.row,
        )
        for row in rows
        for facts in [_any(row)]
    ]
    return tuple(sorted(rules, key=lambda rule: rule.order))


def _layer_usages(rows: Sequence[RuleRow], named: Mapping[str, Mapping[str, float]]) -> tuple[LayerUsage, ...]:
    rules = [
        LayerUsage(
            order=facts.order,
            layer=facts.layer,
            filter=Filter.parse(facts.filter, row=row.row),
            geometry_op=facts.geometry_op,
            width=facts.width,
            us=facts.us or "",
            mode=facts.mode,
            minimum_area_m2=_number(named["minimum_area_m2"], facts.minimum_area),
            minimum_width_m=_number(named["minimum_width_m"], facts.minimum_width),
            reach_m=_number(named["usage_spread"], facts.reach),
            condition=facts.condition,
            covers=facts.covers,
            cosia_classes=facts.cosia_classes,
            flag=facts.flag,
            default_usages=facts.default_usages,
            reason=facts.reason,
            confidence=facts.confidence,
            source=facts.source,
            row=row.row,
        )
        for row in rows
        for facts in [_any(row)]
    ]
    return tuple(sorted(rules, key=lambda rule: rule.order))


def _weights(rows: Sequence[RuleRow], dimension: str) -> Mapping[int, int]:
    weights = {_any(row).steps_up: _any(row).weight for row in rows if row.key[0] == dimension}
    return MappingProxyType(dict(sorted(weights.items())))
