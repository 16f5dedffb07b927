"""Colours of maps and charts, with their French labels: the nomenclature's where it has some, ours elsewhere.

Every list is in the order of its legend. What ours must satisfy (contrast, distance between classes) is tested.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocsge.styles import ARTIF_STATES, CHANGE_STATES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ocsge.rules import NomenclatureEntry, Rules

GAIN, LOSS, ALREADY, STABLE = (state.colour.upper() for state in CHANGE_STATES)
"""What became artificialised, what ceased to be, and behind them what is at both dates and at none: as in files."""
UNKNOWN = "#B8B8B8"
"""A code that no rule describes."""
OUTLINE = "#3A3A3A"
"""Limits of polygons: they separate pale official colours from white and from one another."""
SELECTED = "#000091"
"""Limit of the polygon that the page explains."""
CIVIDIS = ("#00204D", "#00336F", "#39486B", "#575D6D", "#707173", "#8A8779", "#A69D75", "#C4B56C", "#E4CF5B", "#FFEA46")
"""Steps of cividis, dark to light, for matrices: the order survives without colour vision and in grey."""

_STATE_CODES = {"artif": "a", "artif seuil": "as", "non artif seuil": "ns", "non artif": "n"}
_FLOW_CODES = {"gain": "gain", "loss": "perte"}


@dataclass(frozen=True, slots=True)
class Shade:
    """A class of a legend."""

    code: str
    """Value of the class in map files."""

    label: str
    """French label."""

    colour: str
    """Fill, ``#RRGGBB``."""


def states() -> tuple[Shade, ...]:
    """Return the four states of artificialisation, as in the other products."""
    return tuple(Shade(_STATE_CODES[state.value], state.label, state.colour.upper()) for state in ARTIF_STATES)


def flows() -> tuple[Shade, ...]:
    """Return gain and loss, as in the other products."""
    return tuple(
        Shade(_FLOW_CODES[s.value], s.label, s.colour.upper()) for s in CHANGE_STATES if s.value in _FLOW_CODES
    )


def backdrop() -> tuple[Shade, ...]:
    """Return what stands behind gain and loss: ground of one state at both dates."""
    return tuple(Shade("", s.label, s.colour.upper()) for s in CHANGE_STATES if s.value not in _FLOW_CODES)


def couvertures(rules: Rules) -> tuple[Shade, ...]:
    """Return the covers, in the official colours."""
    return _of(rules.couvertures)


def usages(rules: Rules) -> tuple[Shade, ...]:
    """Return the usages, in the official colours."""
    return _of(rules.usages)


def present(shades: Sequence[Shade], codes: Iterable[str]) -> tuple[Shade, ...]:
    """Return the classes whose code is among some, and one for each code that has no class."""
    found = set(codes)
    known = {shade.code for shade in shades}
    unknown = tuple(Shade(code, code, UNKNOWN) for code in sorted(found - known))
    return tuple(shade for shade in shades if shade.code in found) + unknown


def rgb(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue of ``#RRGGBB``, 0 to 255.

    Examples
    --------
    >>> rgb("#D55E00")
    (213, 94, 0)
    """
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _of(entries: Sequence[NomenclatureEntry]) -> tuple[Shade, ...]:
    return tuple(Shade(e.code, e.label_fr.replace(";", ","), e.colour or UNKNOWN) for e in entries if e.is_leaf)
