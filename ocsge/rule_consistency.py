"""Faults between rows and between tables: unknown codes, missing pairs, names that nothing defines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from ocsge.nomenclature import inherited_traits
from ocsge.rule_tables import NUMBERINGS, OPTIONS, VALUE_UNITS, Role, Trait

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ocsge.rule_files import RuleRow


_REFERENCES = (
    ("minimum_area", "minimum_area_m2"),
    ("minimum_width", "minimum_width_m"),
    ("reach", "usage_spread"),
)
"""Columns of layer rows that name a value, and the table that defines it."""


def consistency_problems(tables: Mapping[str, Sequence[RuleRow]]) -> list[str]:
    """Return one line for each fault between the effective rows of complete tables.

    Parameters
    ----------
    tables
        For each table, the rows that apply, each valid by itself.
    """
    problems = [*_nomenclature(tables["couverture"]), *_nomenclature(tables["usage"])]
    problems += [*_roles(tables["couverture"]), *_traits(tables["couverture"]), *_merges(tables["usage"])]
    for check in (_matrix, _cosia, _context, _covers, _usages, _values, _weights, _options):
        problems += check(tables)
    return problems


def _facts(rows: Iterable[RuleRow]) -> Iterator[tuple[str, Any]]:
    """Yield (row, facts) of every row; facts are of the model of the table."""
    for row in rows:
        yield row.row, row.facts


def _leaves(rows: Iterable[RuleRow]) -> list[str]:
    return [facts.code for _, facts in _facts(rows) if facts.is_leaf]


def _codes(rows: Iterable[RuleRow]) -> set[str]:
    return {row.key[0] for row in rows}


def _nomenclature(rows: Sequence[RuleRow]) -> Iterator[str]:
    codes = _codes(rows)
    parents = {facts.parent for _, facts in _facts(rows)}
    for row, facts in _facts(rows):
        upper = facts.code.rpartition(".")[0] or None
        if facts.parent is not None and facts.parent not in codes:
            yield f"{row}: column parent: {facts.parent} is not a code of the table; add its row"
        elif facts.parent != upper:
            yield f"{row}: column parent: {facts.code} hangs from {upper or 'nothing'}, not {facts.parent}"
        if facts.is_leaf == (facts.code in parents):
            what = "has codes below it, so it is no leaf" if facts.is_leaf else "has no code below it"
            yield f"{row}: column is_leaf: {facts.code} {what}; write {int(not facts.is_leaf)}"


def _roles(rows: Sequence[RuleRow]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for row, facts in _facts(rows):
        if facts.is_leaf and facts.role is None:
            known = ", ".join(get_args(Role))
            yield f"{row}: column role: is empty; the leaf {facts.code} needs one of {known}"
        elif not facts.is_leaf and facts.role is not None:
            yield f"{row}: column role: {facts.code} is no leaf; leave the cell empty"
        elif facts.role in seen:
            owner = seen[facts.role]
            yield f"{row}: column role: {facts.role} already belongs to {owner}; give each to one leaf"
        elif facts.role:
            seen[facts.role] = facts.code
    for role in get_args(Role):
        if role not in seen:
            yield f"couverture.csv: no leaf has the role {role}; give it to one leaf in column role"


def _traits(rows: Sequence[RuleRow]) -> Iterator[str]:
    own = {facts.code: facts.traits for _, facts in _facts(rows)}
    for row, facts in _facts(rows):
        found = inherited_traits(facts.code, own)
        kinds = sorted(found & {"tree", "herbaceous"})
        if len(kinds) > 1:
            yield f"{row}: column traits: {facts.code} is {' and '.join(kinds)}, here or above it; keep one"
        elif kinds and "vegetated" not in found:
            yield f"{row}: column traits: {facts.code} is {kinds[0]} but not vegetated; add it here or above it"
    given = {trait for traits in own.values() for trait in traits}
    for trait in get_args(Trait):
        if trait not in given:
            yield f"couverture.csv: no code has the trait {trait}; give it to one code in column traits"


def _merges(rows: Sequence[RuleRow]) -> Iterator[str]:
    leaves = _leaves(rows)
    for row, facts in _facts(rows):
        yield from _unknown(row, "merges", facts.merges, leaves, "a leaf of usage.csv")


def _unknown(row: str, column: str, values: Iterable[str | None], known: Iterable[str], what: str) -> Iterator[str]:
    """Yield a fault for each value that is given and not known."""
    for value in values:
        if value is not None and value not in known:
            yield f"{row}: column {column}: {value!r} is not {what}; correct it or add its row"


def _matrix(tables: Mapping[str, Sequence[RuleRow]]) -> Iterator[str]:
    covers, usages = _leaves(tables["couverture"]), _leaves(tables["usage"])
    states = {}
    for _, facts in _facts(tables["decree_categories"]):
        states[str(facts.category)] = facts.artificialise
    found = set()
    for row, facts in _facts(tables["matrix"]):
        found.add((facts.code_cs, facts.code_us))
        yield from _unknown(row, "code_cs", [facts.code_cs], covers, "a leaf of couverture.csv")
        yield from _unknown(row, "code_us", [facts.code_us], usages, "a leaf of usage.csv")
        for category in facts.decree_category.split("-"):
            if category not in states:
                yield (
                    f"{row}: column decree_category: {category!r} is not in decree_categories.csv; write one "
                    "number, or two joined by - when either holds"
                )
            elif states[category] != facts.artificialise:
                yield (
                    f"{row}: column artificialise: {int(facts.artificialise)} contradicts category "
                    f"{category}, which is {int(states[category])}; correct one of them"
                )
    missing = [(cover, usage) for cover in covers for usage in usages if (cover, usage) not in found]
    if missing:
        named = ", ".join(f"{cover} × {usage}" for cover, usage in missing[:3])
        yield (
            f"matrix.csv: {len(missing)} of {len(covers) * len(usages)} pairs are missing, {named} first; "
            "add a row for each: a missing pair is never taken as not artificialised"
        )


def _cosia(tables: Mapping[str, Sequence[RuleRow]]) -> Iterator[str]:
    covers = _leaves(tables["couverture"])
    areas = _codes(tables["minimum_area_m2"])
    used: dict[tuple[str, int], Any] = {}
    for row, facts in _facts(tables["cosia_classes"]):
        codes = (("code_cs", facts.code_cs), ("fallback_code_cs", facts.fallback_code_cs))
        for column, code in codes:
            yield from _unknown(row, column, [code], covers, "a leaf of couverture.csv")
        minimum = facts.fallback_minimum
        yield from _unknown(row, "fallback_minimum", [minimum], areas, "a name of minimum_area_m2.csv")
        if (facts.handling == "cover") != (facts.code_cs is not None):
            what = "needs a cover" if facts.handling == "cover" else f"is {facts.handling}, so it has none"
            yield f"{row}: column code_cs: {facts.cosia_class} {what}; fill or empty the cell"
        if (facts.fallback_code_cs is None) != (facts.fallback_minimum is None):
            yield f"{row}: column fallback_minimum: goes with fallback_code_cs; give both or none"
        elif facts.fallback_code_cs and facts.handling != "absorb":
            yield f"{row}: column fallback_code_cs: only a class with handling absorb has one; empty the cell"
        for system in NUMBERINGS:
            number = getattr(facts, system)
            if number is None:
                continue
            other = used.setdefault((system, number), facts)
            if (other.handling, other.code_cs) != (facts.handling, facts.code_cs):
                yield (
                    f"{row}: column {system}: {number} is already {other.cosia_class}; "
                    "only classes of one cover may share a number"
                )


def _context(tables: Mapping[str, Sequence[RuleRow]]) -> Iterator[str]:
    for row, facts in _facts(tables["cosia_context"]):
        classes = _codes(tables["cosia_classes"])
        yield from _unknown(row, "cosia_class", [facts.cosia_class], classes, "a class of cosia_classes.csv")
        usages = _codes(tables["usage"])
        yield from _unknown(row, "usage_prefixes", facts.usage_prefixes, usages, "a code of usage.csv")
        covers = _leaves(tables["couverture"])
        yield from _unknown(row, "code_cs", [facts.code_cs], covers, "a leaf of couverture.csv")


def _named(tables: Mapping[str, Sequence[RuleRow]], row: str, facts: Any) -> Iterator[str]:
    """Yield the minimum areas, widths and reaches a layer row names that no table defines."""
    for column, table in _REFERENCES:
        name = getattr(facts, column, None)
        yield from _unknown(row, column, [name], _codes(tables[table]), f"a name of {table}.csv")
    if (facts.geometry_op == "axis") != (facts.width is not None):
        what = "is empty; an axis needs one" if facts.width is None else "is for geometry_op axis only"
        yield f"{row}: column width: {what}; write largeur or voies for an axis, nothing otherwise"


def _covers(tables: Mapping[str, Sequence[RuleRow]]) -> Iterator[str]:
    covers = _leaves(tables["couverture"])
    for row, facts in _facts(tables["layer_covers"]):
        yield from _unknown(row, "code_cs", [facts.code_cs], covers, "a leaf of couverture.csv")
        yield from _named(tables, row, facts)


def _usages(tables: Mapping[str, Sequence[RuleRow]]) -> Iterator[str]:
    usages, covers = _leaves(tables["usage"]), _codes(tables["couverture"])
    classes = _codes(tables["cosia_classes"])
    everything = False
    for row, facts in _facts(tables["layer_usages"]):
        yield from _unknown(row, "us", [facts.us], usages, "a leaf of usage.csv")
        yield from _unknown(row, "covers", facts.covers, covers, "a code of couverture.csv")
        listed = facts.cosia_classes
        yield from _unknown(row, "cosia_classes", listed, classes, "a class of cosia_classes.csv")
        yield from _unknown(row, "default_usages", facts.default_usages, usages, "a leaf of usage.csv")
        yield from _named(tables, row, facts)
        yield from _mode(row, facts)
        everything |= facts.mode == "default" and facts.condition == "always" and not facts.covers
    if not everything:
        yield (
            "layer_usages.csv: no row of mode default covers everything; "
            "end the table with condition always and no covers"
        )


def _mode(row: str, facts: Any) -> Iterator[str]:
    """Yield the cells of a usage row that its mode or its geometry needs or forbids."""
    mode, because = facts.mode, f"mode {facts.mode}"
    reaches = mode == "spread" or facts.condition == "near_road"
    needed = [
        (
            "us",
            facts.us is not None,
            mode != "flag",
            because if mode != "flag" else "a mode that sets a usage",
        ),
        ("flag", facts.flag is not None, mode == "flag" or facts.flag is not None, because),
        ("reach", facts.reach is not None, reaches, "mode spread or condition near_road"),
        ("cosia_classes", bool(facts.cosia_classes), facts.geometry_op == "class", "geometry_op class"),
        ("default_usages", bool(facts.default_usages), mode == "default", "mode default"),
    ]
    for column, given, wanted, cause in needed:
        if given != wanted:
            what = f"is empty; {cause} needs it" if wanted else f"is for {cause} only; empty the cell"
            yield f"{row}: column {column}: {what}"
    if (facts.layer == "any") != (facts.mode == "default") or (facts.mode == "default") != (facts.geometry_op == "any"):
        yield f"{row}: column layer: any goes with mode default and geometry_op any; correct the three cells"


def _values(tables: Mapping[str, Sequence[RuleRow]]) -> Iterator[str]:
    for table, units in VALUE_UNITS.items():
        for row, facts in _facts(tables[table]):
            yield from _unknown(row, "name", [facts.name], units, f"one of {', '.join(units)}")
            unit = units.get(facts.name, facts.unit)
            if facts.unit != unit:
                yield f"{row}: column unit: {facts.name} is in {unit}, not {facts.unit!r}; convert the value"
            elif unit == "share" and facts.value > 1:
                yield f"{row}: column value: {facts.value:g} is more than the whole; write a share, 0 to 1"
        for name in units:
            if name not in _codes(tables[table]):
                yield f"{table}.csv: the value {name} is missing; add its row, in {units[name]}"


def _weights(tables: Mapping[str, Sequence[RuleRow]]) -> Iterator[str]:
    for dimension in ("couverture", "usage"):
        steps = sorted(int(row.key[1]) for row in tables["semantic_weights"] if row.key[0] == dimension)
        if steps != list(range(len(steps))) or not steps:
            yield (
                f"semantic_weights.csv: steps_up of {dimension} are {steps}; write one row for 0, 1, 2… without a gap"
            )


def _options(tables: Mapping[str, Sequence[RuleRow]]) -> Iterator[str]:
    for row, facts in _facts(tables["options"]):
        yield from _unknown(row, "name", [facts.name], OPTIONS, f"one of {', '.join(OPTIONS)}")
        yield from _unknown(row, "value", [facts.value], facts.choices, f"one of {', '.join(facts.choices)}")
        if facts.name == "default_cover":
            yield from _unknown(row, "choices", facts.choices, get_args(Role), "a role of couverture.csv")
    for name in OPTIONS:
        if name not in _codes(tables["options"]):
            yield f"options.csv: the choice {name} is missing; add its row"
