"""Figures of communes as files and pages give them: decimals, and the rate for 1 000 ha of territory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

PER_HECTARES = 1_000
"""Hectares of territory that a rate of artificialisation is given for."""
_DECIMALS = ((("_ha", "_ha_an", "_pour_mille"), 4), (("_pct",), 2))


def decimals_of(column: str) -> int | None:
    """Return how many decimals the figures of a column have in files; None is all the digits they need.

    Examples
    --------
    >>> decimals_of("stock_ha"), decimals_of("part_pct"), decimals_of("code_cs")
    (4, 2, None)
    """
    return next((decimals for endings, decimals in _DECIMALS if column.endswith(endings)), None)


def as_filed(value: float, column: str) -> float:
    """Return the figure that files hold, of as many decimals as its column; what is not known stays so.

    Examples
    --------
    >>> as_filed(1.23456, "stock_ha"), as_filed(-0.00001, "net_ha"), as_filed(15.2278, "part_pct")
    (1.2346, 0.0, 15.23)
    """
    decimals = decimals_of(column)
    if decimals is None or not math.isfinite(value):
        return value
    # Adding zero turns the −0.0 of a rounded small loss into 0.0.
    return round(float(value), decimals) + 0.0


def net_per_thousand_ha(flow: pd.DataFrame) -> pd.Series:
    """Return the net artificialisation a year for 1 000 ha of territory, hectares; unknown without ground.

    The territory is the ground that was measured, not the outline of the commune: what is outside the data can neither
    gain nor lose.

    Parameters
    ----------
    flow
        Columns ``net_ha_an`` and ``surface_ha`` of ``FLOW``.
    """
    surface = flow["surface_ha"].astype("float64")
    rate = PER_HECTARES * flow["net_ha_an"].astype("float64") / surface.where(surface > 0)
    return rate.rename("net_pour_mille")
