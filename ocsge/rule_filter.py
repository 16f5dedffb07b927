"""The small language in which a rule row says which features of a layer it takes.

::

    nature in ('Aérodrome', 'Altiport') and fictif is not true
    largeur_de_chaussee >= 5 or largeur_de_chaussee is null
    nature like 'Gare%' and not position_par_rapport_au_sol < 0

A comparison with an unknown value (null or empty text) is false; ``not``, ``!=``, ``not in``, ``not like``
and ``is not`` are its exact negation, so they keep the unknown ones. Text is compared trimmed, with its case
and accents.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ocsge.errors import LayerError, RulesError
from ocsge.yes_no_words import NO_WORDS, YES_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Mask = NDArray[np.bool_]
Operand = str | float | bool | None | tuple[str | float, ...]
Comparison = Literal["=", "<", "<=", ">", ">=", "in", "like", "is"]

_SYMBOL = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^']|'')*')
      | (?P<number>-?\d+(?:\.\d+)?)
      | (?P<word>[^\W\d]\w*)
      | (?P<operator><=|>=|!=|<>|=|<|>)
      | (?P<mark>[(),])
    )""",
    re.VERBOSE,
)
_KEYWORDS = frozenset({"and", "or", "not", "in", "like", "is", "null", "true", "false"})
_WORDS = {"word": "a field", "text": "'text'", "number": "a number", "operator": "a comparison"}
_GRAMMAR = "write: field = 'text', field >= 5, field in ('a', 'b'), field like 'a%', field is [not] null|true"


@dataclass(frozen=True, slots=True)
class _Test:
    """One comparison of one field."""

    field: str
    comparison: Comparison
    operand: Operand

    def mask(self, column: Callable[[str], pd.Series]) -> Mask:
        codes, values = pd.factorize(column(self.field), use_na_sentinel=True)
        holds = np.array([self._holds(value) for value in values] + [self._holds(None)], dtype=np.bool_)
        return np.asarray(holds[codes], dtype=np.bool_)

    def _holds(self, value: object) -> bool:
        text = _text(value)
        operand = self.operand
        if self.comparison == "is" or isinstance(operand, bool):
            if operand is None:
                return text is None
            return text is not None and text.lower() in (YES_WORDS if operand else NO_WORDS)
        if text is None:
            return False
        if isinstance(operand, tuple):
            return any(_equal(text, candidate) for candidate in operand)
        if self.comparison == "like":
            return re.fullmatch(_like_pattern(str(operand)), text, re.DOTALL) is not None
        if self.comparison == "=":
            return operand is not None and _equal(text, operand)
        number = _number(text)
        return number is not None and isinstance(operand, float) and _ordered(number, self.comparison, operand)


@dataclass(frozen=True, slots=True)
class _Not:
    part: _Node

    def mask(self, column: Callable[[str], pd.Series]) -> Mask:
        return ~self.part.mask(column)


@dataclass(frozen=True, slots=True)
class _Join:
    """All of the parts (``and``) or any of them (``or``)."""

    word: Literal["and", "or"]
    parts: tuple[_Node, ...]

    def mask(self, column: Callable[[str], pd.Series]) -> Mask:
        masks = np.stack([part.mask(column) for part in self.parts])
        joined = masks.all(axis=0) if self.word == "and" else masks.any(axis=0)
        return np.asarray(joined, dtype=np.bool_)


_Node = _Test | _Not | _Join


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed filter of one rule row.

    Examples
    --------
    >>> import pandas as pd
    >>> kept = Filter.parse("nature in ('Bois', 'Haie')").mask(
    ...     pd.DataFrame({"nature": ["Haie", "Verger"]}), layer="bd_topo:zone_de_vegetation"
    ... )
    >>> kept.tolist()
    [True, False]
    """

    text: str
    """The filter as it stands in the rule table; empty takes every feature."""

    row: str
    """The rule row it belongs to, such as ``layer_usages.csv:12``; named in errors."""

    fields: frozenset[str]
    """Fields the layer must have."""

    _root: _Node | None

    @classmethod
    def parse(cls, text: str, *, row: str = "") -> Filter:
        """Return the filter that ``text`` describes.

        Parameters
        ----------
        text
            The expression; empty means every feature.
        row
            The rule row, named in errors.

        Raises
        ------
        RulesError
            When the text is not a filter; the message shows where it stops making sense.
        """
        text = text.strip()
        if not text:
            return cls(text="", row=row, fields=frozenset(), _root=None)
        parser = _Parser(text)
        root = parser.parse()
        return cls(text=text, row=row, fields=frozenset(_fields(root)), _root=root)

    def mask(self, frame: pd.DataFrame, *, layer: str) -> Mask:
        """Return which rows of ``frame`` the filter takes.

        Parameters
        ----------
        frame
            Features of the layer; null and empty text are unknown values.
        layer
            Identifier of the layer, named in errors.

        Returns
        -------
        NDArray[bool]
            One value a row of ``frame``, in its order.

        Raises
        ------
        LayerError
            When the layer lacks a field of the filter.
        """
        missing = sorted(self.fields - set(frame.columns))
        if missing:
            found = ", ".join(str(column) for column in frame.columns) or "none"
            raise LayerError(
                f"layer {layer}: field {', '.join(missing)} is missing, rule {self.row or self.text!r} needs "
                f"it; fields found: {found}; add the alias to data_catalog/ or change the rule"
            )
        if self._root is None:
            return np.ones(len(frame), dtype=np.bool_)

        def column(field: str) -> pd.Series:
            return frame[field]

        return self._root.mask(column)


def _text(value: object) -> str | None:
    """Return the trimmed text of a value; null and empty are None; 3.0 is ``3``."""
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip() or None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _equal(text: str, operand: str | float) -> bool:
    return text == operand if isinstance(operand, str) else _number(text) == operand


def _ordered(number: float, comparison: Comparison, operand: float) -> bool:
    if comparison in {"<", "<="}:
        return number < operand or (comparison == "<=" and number == operand)
    return number > operand or (comparison == ">=" and number == operand)


def _like_pattern(operand: str) -> str:
    """Return the regular expression of a ``like`` pattern: ``%`` any text, everything else itself."""
    return ".*".join(re.escape(piece) for piece in operand.split("%"))


def _fields(node: _Node) -> Iterator[str]:
    if isinstance(node, _Test):
        yield node.field
    else:
        for part in node.parts if isinstance(node, _Join) else (node.part,):
            yield from _fields(part)


class _Parser:
    """A recursive descent over the symbols of one filter; holds the position."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.symbols = list(self._symbols(text))
        self.at = 0

    def _symbols(self, text: str) -> Iterator[tuple[str, str]]:
        position = 0
        while text[position:].strip():
            found = _SYMBOL.match(text, position)
            if found is None:
                raise self._error(f"stops making sense at {text[position:].strip()[:20]!r}")
            kind = str(found.lastgroup)
            symbol = found.group(kind)
            if kind == "word" and symbol.lower() in _KEYWORDS:
                kind, symbol = "keyword", symbol.lower()
            yield kind, symbol
            position = found.end()

    def _error(self, what: str) -> RulesError:
        return RulesError(f"filter {self.text!r} {what}; {_GRAMMAR}")

    def _peek(self) -> tuple[str, str]:
        return self.symbols[self.at] if self.at < len(self.symbols) else ("end", "the end")

    def _take(self, *expected: str) -> str:
        kind, symbol = self._peek()
        if kind not in expected and symbol not in expected:
            wanted = " or ".join(_WORDS.get(word, word) for word in expected)
            raise self._error(f"has {symbol!r} where {wanted} belongs")
        self.at += 1
        return symbol

    def _took(self, keyword: str) -> bool:
        if self._peek() == ("keyword", keyword) or self._peek() == ("mark", keyword):
            self.at += 1
            return True
        return False

    def parse(self) -> _Node:
        node = self._join("or")
        if self._peek()[0] != "end":
            raise self._error(f"goes on with {self._peek()[1]!r} after it is complete")
        return node

    def _join(self, word: Literal["and", "or"]) -> _Node:
        def part() -> _Node:
            return self._join("and") if word == "or" else self._factor()

        parts = [part()]
        while self._took(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else _Join(word, tuple(parts))

    def _factor(self) -> _Node:
        if self._took("not"):
            return _Not(self._factor())
        if self._took("("):
            node = self._join("or")
            self._take(")")
            return node
        return self._test(self._take("word"))

    def _test(self, field: str) -> _Node:
        if self._took("is"):
            negated = self._took("not")
            word = self._take("null", "true", "false")
            return _negate_if(negated, _Test(field, "is", None if word == "null" else word == "true"))
        negated = self._took("not")
        if negated or self._peek()[0] == "keyword":
            word = self._take("in", "like")
            return _negate_if(negated, self._in(field) if word == "in" else self._like(field))
        return self._compare(field, self._take("operator"))

    def _in(self, field: str) -> _Test:
        self._take("(")
        values = [self._literal()]
        while self._took(","):
            values.append(self._literal())
        self._take(")")
        return _Test(field, "in", tuple(values))

    def _like(self, field: str) -> _Test:
        return _Test(field, "like", _unquote(self._take("text")))

    def _compare(self, field: str, operator: str) -> _Node:
        kind, symbol = self._peek()
        if symbol == "null":
            raise self._error("compares with null; write `is null` or `is not null`")
        if kind == "keyword" and symbol in {"true", "false"} and operator in {"=", "!=", "<>"}:
            self.at += 1
            return _negate_if(operator != "=", _Test(field, "is", symbol == "true"))
        operand = self._literal()
        if operator in {"=", "!=", "<>"}:
            return _negate_if(operator != "=", _Test(field, "=", operand))
        if isinstance(operand, str):
            raise self._error(f"orders text ({operator} {operand!r}); {operator} compares numbers only")
        comparisons: dict[str, Comparison] = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}
        return _Test(field, comparisons[operator], operand)

    def _literal(self) -> str | float:
        kind, _ = self._peek()
        symbol = self._take("text", "number")
        return _unquote(symbol) if kind == "text" else float(symbol)


def _negate_if(negated: bool, node: _Node) -> _Node:
    return _Not(node) if negated else node


def _unquote(symbol: str) -> str:
    return symbol[1:-1].replace("''", "'").strip()
