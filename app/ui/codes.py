"""Labels and colours of covers, usages and decree categories, from the rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ocsge.rules import Rules

DIMENSIONS = {"couverture": "Couverture", "usage": "Usage", "decree_category": "Catégorie du décret"}
"""Dimensions of the tables that people read, with their title."""

ONE_COLOUR = "#000091"
"""Colour of what has no official one."""

_SHORT = 42


@dataclass(frozen=True, slots=True)
class Code:
    """What a code of a dimension is called."""

    code: str
    """As in the tables."""

    label: str
    """Official label, whole."""

    colour: str
    """Official colour, ``#RRGGBB``."""

    @property
    def short(self) -> str:
        """Code and the beginning of its label, for the axis of a chart."""
        label = self.label.split(" (")[0]
        cut = label if len(label) <= _SHORT else f"{label[: _SHORT - 1].rstrip(' ,;')}…"
        return f"{self.code} {cut}".strip()


def code_of(rules: Rules, dimension: str, code: str) -> Code:
    """Return the label and colour of a code; a code that the rules do not know is its own label.

    A category such as ``9-10``, which the pair does not tell apart, has both labels.
    """
    if dimension == "decree_category":
        labels = [rules.decree_categories[part] for part in code.split("-") if part in rules.decree_categories]
        return Code(code, " ; ou : ".join(labels) or code or "Sans catégorie", ONE_COLOUR)
    entries = rules.couvertures if dimension == "couverture" else rules.usages
    found = next((entry for entry in entries if entry.code == code), None)
    return Code(code, code, ONE_COLOUR) if found is None else Code(code, found.label_fr.replace(";", ","), found.colour)
