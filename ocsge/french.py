"""Write numbers and sentences as French readers expect: narrow no-break spaces, decimal comma."""

from __future__ import annotations

import math
import re

from ocsge.tables import M2_PER_HECTARE

_NARROW = "\u202f"
NO_VALUE = "–"
"""What stands for a figure that is not known."""
_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:T.*)?")
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


def area(area_m2: float) -> str:
    """Return an area as it is said: square metres below a hectare, then hectares.

    Examples
    --------
    >>> area(412.0), area(9_999.6), area(12_345.0)
    ('412\u202fm²', '1,0\u202fha', '1,2\u202fha')
    """
    return square_metres(area_m2) if round(area_m2) < M2_PER_HECTARE else hectares(area_m2 / M2_PER_HECTARE)


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


def agreed(value: float, singular: str, plural: str) -> str:
    """Return the words that agree with a quantity: the plural begins at 2 in French.

    Examples
    --------
    >>> agreed(1.99, "a changé", "ont changé"), agreed(2, "a changé", "ont changé")
    ('a changé', 'ont changé')
    """
    return plural if abs(value) >= 2 else singular


def years(pair: tuple[int, int]) -> str:
    """Return a pair of millésimes.

    Examples
    --------
    >>> years((2019, 2022))
    '2019–2022'
    """
    return f"{pair[0]}–{pair[1]}"


def day(text: str) -> str:
    """Return a date, or the date of a time, as day, month and year; any other text stays as it is.

    Examples
    --------
    >>> day("2023-11-28"), day("2026-03-01T08:30:00+00:00"), day("2022"), day(NO_VALUE)
    ('28/11/2023', '01/03/2026', '2022', '–')
    """
    found = _DAY.fullmatch(text)
    return "/".join(reversed(found.groups())) if found else text


def typographic(text: str) -> str:
    """Return a French text with narrow no-break spaces before ``; : ? ! %`` and inside « ».

    Examples
    --------
    >>> typographic("Le flux : « net »") == "Le flux\u202f: «\u202fnet\u202f»"
    True
    """
    return _BEFORE.sub(rf"{_NARROW}\1", text).replace("« ", f"«{_NARROW}")
