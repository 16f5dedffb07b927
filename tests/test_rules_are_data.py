"""Rules are data: the package holds no code, no list of roles, no area, width, distance or share of ``rules/``.

The sources are read as syntax, not as text: docstrings and comments may name a value, code may not. A small whole
number counts things everywhere, so it is taken for a rule value only where it meets a name that bears a unit.
"""

from __future__ import annotations

import ast
import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

from ocsge.rule_tables import Role
from ocsge.rules import load_rules

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parent.parent / "ocsge"
MODULES = sorted(PACKAGE.rglob("*.py"))
RULES = load_rules(dt.date(2025, 6, 1))

QUANTITIES = {value.value for value in RULES.named_values if value.unit in {"m", "m²", "share"}}
"""Areas, widths, distances and shares; a weight is a rank without unit."""

SMALL = 10
"""Whole numbers up to this one count, index and shift; they are looked at beside a unit only."""

UNIT = re.compile(r"(?:^|_)(?:m|m2|ha|share|width|area|reach|distance)$|^largeur", re.IGNORECASE)
"""The name of a quantity: ``minimum_area_m2``, ``drawn_width``, ``tree_share``, ``largeur_de_chaussee``."""

QUOTED = re.compile(r"(\d[\d\s]*(?:[.,]\d+)?)\s?(m²|m2|m|metres?|%)(?!\w)")
"""A quantity within a text: ``2 500 m²``, ``25 %``."""

ROLES = set(get_args(Role))
BITS = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift)


@dataclass(frozen=True)
class Coincidence:
    """Numbers of the package that equal a rule value and are none."""

    file: str
    where: str
    """Name of the constant they define, else the function they stand in."""
    values: frozenset[float]
    why: str


def allow(file: str, where: str, *values: float, why: str) -> Coincidence:
    return Coincidence(file, where, frozenset(values), why)


COINCIDENCES = (
    allow("cli/models.py", "_WIDEST", 500, why="characters that a table of names may take on a terminal"),
    allow("cli/training.py", "_WEAK_MEAN_IOU", 0.5, why="mean IoU below which a model is called weak"),
    allow("cli/printing.py", "surface", 0.1, why="hectares below which an area is told in m²"),
    allow("cli/derive.py", "derive", 0.2, why="pixel of CoSIA, m"),
    allow("cli/derive.py", "derive", 500, why="smallest side of a window, m: how the work is cut, not what it finds"),
    allow("cli/rules.py", "sensitivity", 0.2, why="pixel of CoSIA, m"),
    allow("cli/training.py", "_RECIPE", 50, why="times that patches are seen in a training"),
    allow("cli/training.py", "_RECIPE", 0.2, why="largest change of light of a patch in a training, share"),
    allow("provenance.py", "NATIVE_RESOLUTION_M", 0.2, why="pixel of CoSIA and BD ORTHO, m"),
    allow("window_stages.py", "BUILT_HALO_M", 200, why="context that is read and discarded, m: results are the same"),
    allow("window_stages.py", "MERGE_HALO_M", 1000, why="first context, m: it grows until results are the same"),
    allow("windowed_run.py", "_WINDOW_SIDE_M", 5000, why="side of a window, m: how the work is cut"),
    allow("regions/burn.py", "_first_centre", 0.5, why="centre of a pixel"),
    allow("regions/burn.py", "_burn_shapes", 0.5, why="centre of a pixel"),
    allow("regions/evidence.py", "ABSORB", 15, why="index of a cover, the last of four bits"),
    allow("editions.py", "SAME_SHARE", 0.5, why="share of features that two editions have in common"),
    allow("products/cosia.py", "BLACK_BORDER_M", 500, why="length of a straight edge without data, m"),
    allow("map_files.py", "COMMUNES_TOLERANCE_M", 0.5, why="how far an outline moves on a map at first, m"),
    allow("figures.py", "PER_HECTARES", 1000, why="hectares that a rate is given for"),
    allow("maps.py", "_LEGEND_IN", 0.5, why="inches of paper"),
    allow("maps.py", "_MAP_HEIGHTS_IN", 4.5, why="inches of paper"),
    allow("maps.py", "_legend_height", 0.2, why="inches of paper"),
    allow("maps.py", "_fill", 0.25, why="width of a drawn line, points"),
    allow("maps.py", "_write_legend", 0.5, why="width of a drawn line, points"),
    allow("maps.py", "_draw_scale_and_north", 0.1, 0.2, why="inches of paper"),
    allow("maps.py", "_draw_scale_and_north", 1000, why="metres in a kilometre"),
    allow("segment/model_card.py", "ModelCard", 0.2, why="pixel of BD ORTHO, m"),
    allow("segment/networks/resnet.py", "__init__", 7, why="side of a convolution, pixels"),
    allow("segment/networks/deeplabv3.py", "__init__", 0.5, why="share of features left out in training"),
    allow("segment/networks/fpn.py", "__init__", 0.2, why="share of features left out in training"),
    allow("segment/augmentation.py", "Augmentation", 0.1, 0.2, why="largest change of light of a patch, share"),
    allow("segment/augmentation.py", "_window", 0.5, why="centre of a pixel"),
    allow("segment/augmentation.py", "_change_values", 0.5, why="middle of the range of values"),
    allow("segment/datasets.py", "NATIVE_RESOLUTION_M", 0.2, why="pixel of BD ORTHO, m"),
    allow("segment/recipe.py", "_WARM_UP", 0.3, why="share of a training in which the learning rate rises"),
    allow("segment/recipe.py", "Recipe", 50, why="times that patches are seen in a training"),
    allow("segment/recipe.py", "balanced_weights", 0.5, why="exponent: a square root"),
    allow("segment/tiling.py", "_M_PER_KM", 1000, why="metres in a kilometre"),
    allow("segment/vectorise.py", "_M_PER_KM", 1000, why="metres in a kilometre"),
    allow("segment/altitudes.py", "_MM", 1000, why="millimetres in a metre"),
    allow("segment/height_coverage.py", "_MM", 1000, why="millimetres in a metre"),
    allow("segment/elevation.py", "STEPS_PER_M", 5, why="steps of 20 cm in a metre, of FLAIR's encoding"),
)
"""Every number outside small ones that equals a value of the rules by chance, and what it is instead."""


@dataclass(frozen=True)
class Literal:
    """A number or a quoted quantity, and the names it stands under."""

    line: int
    where: str
    value: float
    beside_unit: bool


def folded(node: ast.AST) -> float | None:
    """Return the value of a number, or of a computation on numbers alone (``50 * 50``); None for anything else."""
    if isinstance(node, ast.Constant) and type(node.value) in {int, float}:
        return float(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = folded(node.operand)
        return None if inner is None else -inner
    if isinstance(node, ast.BinOp) and folded(node.left) is not None and folded(node.right) is not None:
        return float(eval(compile(ast.Expression(node), "literal", "eval")))  # noqa: S307 (numbers of our own sources)
    return None


def called(node: ast.AST) -> str:
    """Return the name of a variable, an attribute or a key of a table; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return str(node.slice.value)
    return ""


def is_bits(node: ast.AST) -> bool:
    """Return whether a number is a mask or a shift, cast or not: bits are never metres."""
    cast = isinstance(node, ast.Call) and called(node.func).startswith(("int", "uint"))
    inner = node.args[0] if isinstance(node, ast.Call) and cast and node.args else node
    inner = inner.operand if isinstance(inner, ast.UnaryOp) else inner
    return folded(inner) is not None


def literals(tree: ast.AST, where: str = "", *, beside_unit: bool = False) -> Iterator[Literal]:
    """Yield the numbers of a syntax tree outside docstrings, bit masks, shifts and positions in a sequence."""
    value = folded(tree)
    if value is not None:
        yield Literal(getattr(tree, "lineno", 0), where, value, beside_unit)
        return
    if isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        for number, unit in QUOTED.findall(tree.value):
            plain = float(re.sub(r"\s", "", number).replace(",", "."))
            yield Literal(tree.lineno, where, plain / 100 if unit == "%" else plain, beside_unit=True)
        return
    for child in parts(tree):
        yield from literals(child, named(tree, where), beside_unit=meets_unit(tree, child, inside=beside_unit))


def parts(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the children of a node that can hold a quantity."""
    for child in ast.iter_child_nodes(tree):
        docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        position = isinstance(tree, ast.Subscript) and child is tree.slice
        bits = isinstance(tree, ast.BinOp) and isinstance(tree.op, BITS) and is_bits(child)
        if not (docstring or position or bits):
            yield child


def named(tree: ast.AST, where: str) -> str:
    """Return the name that the children of a node stand under."""
    if isinstance(tree, ast.FunctionDef | ast.ClassDef):
        return tree.name
    if isinstance(tree, ast.Assign | ast.AnnAssign) and not where:
        targets = tree.targets if isinstance(tree, ast.Assign) else [tree.target]
        names = [called(node) for target in targets for node in ast.walk(target)]
        return next(filter(None, names), "")
    return where


def meets_unit(tree: ast.AST, child: ast.AST, *, inside: bool) -> bool:
    """Return whether a child is assigned to, passed as, compared or computed with a name that bears a unit."""
    if isinstance(tree, ast.keyword):
        return bool(UNIT.search(tree.arg or ""))
    if isinstance(tree, ast.arguments):
        every = [*tree.posonlyargs, *tree.args, *tree.kwonlyargs]
        defaults = [*[None] * (len(every) - len(tree.kwonlyargs) - len(tree.defaults)), *tree.defaults]
        pairs = zip(every, [*defaults, *tree.kw_defaults], strict=True)
        return any(default is child and UNIT.search(argument.arg) for argument, default in pairs)
    if isinstance(tree, ast.Assign | ast.AnnAssign | ast.Compare | ast.BinOp | ast.IfExp | ast.Dict | ast.Call):
        others = [node for node in ast.iter_child_nodes(tree) if node is not child]
        others += [node.value for node in others if isinstance(node, ast.Attribute)]
        keys = [str(key.value) for key in getattr(tree, "keys", []) if isinstance(key, ast.Constant)]
        return inside or any(UNIT.search(name) for name in [*map(called, others), *keys])
    return inside and isinstance(tree, ast.UnaryOp | ast.Tuple | ast.List | ast.Set)


def rule_values(source: str) -> list[Literal]:
    """Return the literals of a source that equal a quantity of the rules; 0 and 1 mean nothing and one whole."""
    found = []
    for literal in literals(ast.parse(source)):
        small = literal.value == int(literal.value) and abs(literal.value) <= SMALL
        if literal.value in QUANTITIES - {0, 1} and (literal.beside_unit or not small):
            found.append(literal)
    return found


def role_lists(source: str) -> list[tuple[int, list[str]]]:
    """Return the (line, roles) of every place that decides by two roles or more."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.BoolOp):
            inner = [part for value in node.values if isinstance(value, ast.Compare) for part in value.comparators]
        elif isinstance(node, ast.MatchOr):
            inner = [pattern.value for pattern in node.patterns if isinstance(pattern, ast.MatchValue)]
        else:
            inner = list(ast.iter_child_nodes(node))
        roles = {str(part.value) for part in inner if isinstance(part, ast.Constant)} & ROLES
        if len(roles) > 1:
            found.append((getattr(node, "lineno", 0), sorted(roles)))
    return found


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_no_nomenclature_code_stands_in_the_package(path: Path) -> None:
    found = re.findall(r"\b(?:CS|US)\d[\d.]*", path.read_text(encoding="utf-8"))
    assert not found, f"{path.name}: {found}; codes come from rules/"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_no_area_width_distance_or_share_of_the_rules_stands_in_the_package(path: Path) -> None:
    allowed = {(c.where, value) for c in COINCIDENCES if c.file == relative(path) for value in c.values}
    found = [
        f"{relative(path)}:{literal.line}: {literal.value:g} in {literal.where or 'the module'}"
        for literal in rule_values(path.read_text(encoding="utf-8"))
        if (literal.where, literal.value) not in allowed
    ]
    assert not found, "read it from rules/, or say in COINCIDENCES why it is no rule value"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_no_list_of_roles_decides_in_the_package(path: Path) -> None:
    found = [] if path.name == "rule_tables.py" else role_lists(path.read_text(encoding="utf-8"))
    assert not found, f"{path.name}: {found}; give the covers a trait in rules/couverture.csv"


def test_every_coincidence_still_stands_where_it_is_allowed() -> None:
    found = {
        (relative(path), literal.where, literal.value)
        for path in MODULES
        for literal in rule_values(path.read_text(encoding="utf-8"))
    }
    assert {(c.file, c.where, value) for c in COINCIDENCES for value in c.values} - found == set()


@pytest.mark.parametrize(
    "source",
    [
        "MINIMUM = 2500",
        "def keep(area): return area >= 2_500.0",
        "threshold = 50 * 50",
        "def keep(width_m): return width_m >= 5",
        "def keep(rules): return rules['drawn_width_m'] < 5",
        "build(minimum_area_m2=200)",
        "def build(*, gap=0, growth_limit_m=10): pass",
        "width = frame['largeur_de_chaussee'].fillna(5)",
        "drawn = max(width_m, 5)",
        "AREAS = {'tree_share': 0.25}",
        "WIDTHS_M = 3; NETWORK_M = (14, 10)",
        "query = 'select * where surface >= 2500 m²'",
        "raise ValueError(f'{name} is below 2 500 m²')",
        "print('less than 25 % of trees')",
    ],
)
def test_a_rule_value_is_seen_however_it_is_written(source: str) -> None:
    assert rule_values(source)


@pytest.mark.parametrize(
    "source",
    [
        "def keep(area, rules):\n    'At least 2500 m².'\n    return area >= rules.minimum_area_m2['elsewhere']",
        "for corner in range(5): pass",
        "cover = key & 15",
        "block = 1 << 20",
        "text = reason[:200]",
        "pixels = area_m2 * 1",
        "version = '2500'",
    ],
)
def test_a_number_that_is_no_quantity_is_left_alone(source: str) -> None:
    assert rule_values(source) == []


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("TREES = {'broadleaf', 'conifer'}", 1),
        ("wet = role in ('water', 'snow')", 1),
        ("wet = role == 'water' or role == 'snow'", 1),
        ("match role:\n    case 'water' | 'snow':\n        pass", 1),
        ("weights = {'built': 1, 'sealed': 2}", 1),
        ("flags = flags_of(rules, 'water', 'snow')", 1),
        ("built = rules.couverture_by_role['built']; water = rules.couverture_by_role['water']", 0),
        ("build(built=index['built'], water=index['water'])", 0),
        ("is_built = entry.role == 'built'", 0),
    ],
)
def test_a_list_of_roles_is_told_from_the_look_up_of_one(source: str, count: int) -> None:
    assert len(role_lists(source)) == count
