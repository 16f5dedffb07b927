"""Write figures for the pages: the formats of the package."""

from __future__ import annotations

from ocsge.french import (
    NO_VALUE,
    agreed,
    area,
    day,
    hectares,
    number,
    percent,
    signed,
    square_metres,
    typographic,
    with_unit,
    years,
)

__all__ = [
    "NO_VALUE",
    "agreed",
    "area",
    "day",
    "hectares",
    "number",
    "percent",
    "signed",
    "square_metres",
    "typographic",
    "with_unit",
    "years",
]
