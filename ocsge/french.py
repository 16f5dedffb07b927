"""Write numbers and sentences as French readers expect: narrow no-break spaces, decimal comma."""

from __future__ import annotations

import math
import re

_NARROW = "\u202f"
NO_VALUE = "–"
"""What stands for a figure that is not known."""
_BEFORE = re.compile(r" ([;:?!»%])")


def number(value: object, decimals: int = 0) -> str:
    """Return a number in French, or a dash when it is not known.

    Examples
    --------
    >>> number(1279.2861, 1)
    '1\u202f279,3'
    >>> number(None)
    '–'
    """
    if value is None or (figure := float(str(value).replace("<NA>", "nan"))) != figure or math.isinf(figure):
        return NO_VALUE
    rounded = f"{abs(figure):,.{decimals}f}".replace(",", _NARROW).replace(".", ",")
    negative = figure < 0 and any(digit in rounded for digit in "123456789")
    return f"−{rounded}" if negative else rounded


def hectares(value: object, decimals: int = 1) -> str:
    """Return an area in hectares with its unit.

    Examples
    --------
    >>> hectares(194.8075)
    '194,8\u202fha'
    """
    return with_unit(number(value, decimals), "ha")


def percent(value: object, decimals: int = 1) -> str:
    """Return a share with its sign.

    Examples
    --------
    >>> percent(15.23)
    '15,2\u202f%'
    """
    return with_unit(number(value, decimals), "%")


def square_metres(value: object) -> str:
    """Return an area in square metres with its unit."""
    return with_unit(number(value), "m²")


def signed(value: object, decimals: int = 1) -> str:
    """Return a difference with its sign, ``+`` included; 0 has none.

    Examples
    --------
    >>> signed(4.6, 2), signed(-0.04, 2), signed(0)
    ('+4,60', '−0,04', '0,0')
    """
    text = number(value, decimals)
    return f"+{text}" if text != NO_VALUE and text[0] != "−" and any(d in text for d in "123456789") else text


def with_unit(text: str, unit: str) -> str:
    """Return a written number with its unit; nothing is known without a number."""
    return text if text == NO_VALUE else f"{text}{_NARROW}{unit}"


def years(pair: tuple[int, int]) -> str:
    """Return a pair of millésimes.

    Examples
    --------
    >>> years((2019, 2022))
    '2019–2022'
    """
    return f"{pair[0]}–{pair[1]}"


def typographic(text: str) -> str:
    """Return a French text with narrow no-break spaces before ``; : ? ! %`` and inside « ».

    Examples
    --------
    >>> typographic("Le flux : « net »") == "Le flux\u202f: «\u202fnet\u202f»"
    True
    """
    return _BEFORE.sub(rf"{_NARROW}\1", text).replace("« ", f"«{_NARROW}")
