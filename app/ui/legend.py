"""Draw the legend of a map: an HTML list in French, that a screen reader reads as one."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from app.ui.palettes import OUTLINE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.ui.palettes import Shade

_LIST = "list-style:none;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;font-size:.875rem"
_ITEM = "display:flex;align-items:center;gap:.4rem;margin:0;padding:0"
_SWATCH = "flex:none;display:inline-block;width:1rem;height:1rem"


def legend(title: str, shades: Sequence[Shade], areas: Mapping[str, str] | None = None) -> str:
    """Return the legend of some classes, with the area of each where it is known.

    Classes of one colour share its square, as they do on the map: two official colours are the same.

    Parameters
    ----------
    title
        What the classes are, for those who cannot see where the list stands.
    shades
        Classes, in order.
    areas
        Area of a class, written in French, by code.

    Examples
    --------
    >>> from app.ui.palettes import Shade
    >>> "Devenu artificialisé" in legend("Flux", [Shade("gain", "Devenu artificialisé", "#D55E00")])
    True
    """
    known = areas or {}
    by_colour: dict[str, list[str]] = {}
    for shade in shades:
        by_colour.setdefault(shade.colour, []).append(_named(shade, known.get(shade.code)))
    items = "".join(_item(colour, names) for colour, names in by_colour.items())
    return f'<ul role="list" aria-label="{escape(title)}" style="{_LIST}">{items}</ul>'


def _item(colour: str, names: Sequence[str]) -> str:
    swatch = f'<span aria-hidden="true" style="{_SWATCH};background:{colour};border:1px solid {OUTLINE}"></span>'
    return f'<li style="{_ITEM}">{swatch}<span>{"<br>".join(names)}</span></li>'


def _named(shade: Shade, area: str | None) -> str:
    amount = "" if area is None else f" <strong>{escape(area)}</strong>"
    return f"{escape(_short(shade.label))}{amount}"


def _short(label: str) -> str:
    """Return a label without the examples that the nomenclature gives in brackets: the table has them."""
    return label.partition(" (")[0]
