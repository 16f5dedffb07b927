"""Draw the three cases of the decree's interpretation thresholds, with the areas of the rules."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ocsge.french import square_metres
from ocsge.styles import ARTIF_STATES

if TYPE_CHECKING:
    from ocsge.rules import Rules

_INK, _BUILT = "#1e1e1e", "#7a1f1f"
_ARTIF, _NOT_ARTIF = ARTIF_STATES[0].colour, ARTIF_STATES[3].colour
_PANEL, _SIDE, _GAP = 260, 90, 34
"""Width of a case, side of its square, and room for the arrow between before and after; units of the drawing."""


def threshold_cases(rules: Rules) -> tuple[tuple[str, str], ...]:
    """Return the three cases in French: what it is, and what it becomes."""
    surface = square_metres(rules.interpretation_threshold["surface_m2"])
    built = square_metres(rules.interpretation_threshold["built_m2"])
    return (
        (f"Enclave non artificialisée de moins de {surface}", "elle devient artificialisée"),
        (f"Surface artificialisée isolée de moins de {surface}", "elle n'est plus comptée"),
        (f"Bâti isolé d'au moins {built}", "il reste artificialisé"),
    )


def threshold_sentence(rules: Rules) -> str:
    """Return the three cases as one sentence: what a reader who does not see the drawing needs."""
    return " ; ".join(f"{what.lower()} : {becomes}" for what, becomes in threshold_cases(rules)) + "."


def threshold_svg(rules: Rules) -> str:
    """Return the drawing of the three cases, before and after, as an SVG document."""
    colours = (
        (_ARTIF, _NOT_ARTIF, _ARTIF),
        (_NOT_ARTIF, _ARTIF, _NOT_ARTIF),
        (_NOT_ARTIF, _BUILT, _BUILT),
    )
    panels = [
        _panel(place * _PANEL, number=place + 1, ground=ground, enclave=enclave, after=after, texts=texts)
        for place, ((ground, enclave, after), texts) in enumerate(zip(colours, threshold_cases(rules), strict=True))
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {3 * _PANEL} 172" role="img" '
        f'font-family="Arial, sans-serif" font-size="12" fill="{_INK}">'
        f"<title>{escape(threshold_sentence(rules))}</title>{''.join(panels)}</svg>"
    )


def _panel(left: int, *, number: int, ground: str, enclave: str, after: str, texts: tuple[str, str]) -> str:
    middle, second = left + _SIDE, left + _SIDE + _GAP
    arrow = f'<path d="M{middle + 8} 46h16m-6 -6l6 6l-6 6" fill="none" stroke="{_INK}" stroke-width="2"/>'
    what, becomes = texts
    first, rest = _two_lines(f"{number}. {what}")
    lines = [
        f'<text x="{left}" y="{110 + 17 * row}"{weight}>{escape(text)}</text>'
        for row, (text, weight) in enumerate(((first, ""), (rest, ""), (f"→ {becomes}", ' font-weight="bold"')))
    ]
    return _square(left, ground, enclave) + arrow + _square(second, ground, after) + "".join(lines)


def _square(left: int, ground: str, enclave: str) -> str:
    inner = left + _SIDE // 3
    return (
        f'<rect x="{left + 1}" y="1" width="{_SIDE - 2}" height="{_SIDE - 2}" fill="{ground}" stroke="{_INK}"/>'
        f'<rect x="{inner}" y="{_SIDE // 3}" width="{_SIDE // 3}" height="{_SIDE // 3}" fill="{enclave}" '
        f'stroke="{_INK}" stroke-dasharray="3 2"/>'
    )


def _two_lines(text: str) -> tuple[str, str]:
    """Return a text cut at the space nearest before its middle plus a few letters."""
    most = 34
    if len(text) <= most:
        return text, ""
    cut = text.rindex(" ", 0, most)
    return text[:cut], text[cut + 1 :]
