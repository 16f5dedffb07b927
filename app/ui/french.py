"""Write figures for the pages: the formats of the package, and those of Streamlit."""

from __future__ import annotations

from ocsge.french import (
    NO_VALUE,
    area,
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
    "area",
    "hectares",
    "metric_delta",
    "number",
    "percent",
    "signed",
    "square_metres",
    "typographic",
    "with_unit",
    "years",
]


def metric_delta(value: object, unit: str, decimals: int = 1) -> str:
    """Return a difference for ``st.metric``, which knows a decrease by its ASCII minus only."""
    return with_unit(signed(value, decimals), unit).replace("−", "-")
