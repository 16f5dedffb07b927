"""Decimals and rates of figures: the same in files, maps and pages."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from ocsge.figures import as_filed, decimals_of, net_per_thousand_ha


@pytest.mark.parametrize(
    ("column", "decimals"), [("stock_ha", 4), ("net_ha_an", 4), ("net_pour_mille", 4), ("part_pct", 2), ("nom", None)]
)
def test_hectares_have_four_decimals_and_shares_two(column: str, decimals: int | None) -> None:
    assert decimals_of(column) == decimals


def test_a_figure_that_is_not_known_stays_so_and_a_tiny_loss_is_nothing() -> None:
    assert math.isnan(as_filed(float("nan"), "net_ha"))
    assert str(as_filed(-0.00001, "net_ha")) == "0.0"
    assert as_filed(1.23456789, "population") == 1.23456789


def test_one_hectare_a_year_of_500_measured_is_two_of_a_thousand_whatever_the_outline() -> None:
    flow = pd.DataFrame({"net_ha_an": [1.0, 1.0, None], "surface_ha": [500.0, 0.0, 500.0], "outline_ha": 1000.0})
    rate = net_per_thousand_ha(flow)
    assert rate.iloc[0] == 2.0
    assert rate.iloc[1:].isna().all()
