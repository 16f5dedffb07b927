"""The flow of a commune between two millésimes, on pieces small enough to add up by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from ocsge.errors import DataError
from ocsge.flow import change_matrix, flow
from ocsge.tables import CHANGE_MATRIX, FLOW, STOCK, require

PX = 25
"""Pixels a m²."""
LAWN, ROAD, FIELD = ("CS2.2.1", "US5", True, "4"), ("CS1.1.1.2", "US4.1.1", True, "2"), ("CS2.2.1", "US1.1", False, "7")


def piece(before: tuple, after: tuple, area_m2: int, commune: str = "01004") -> dict[str, object]:
    """Return a piece of the coverage from its cover, usage, state and category at both years."""
    row: dict[str, object] = {"commune_code": commune, "millesime_1": 2019, "millesime_2": 2022}
    for k, (cover, usage, artif, category) in ((1, before), (2, after)):
        row |= {f"code_cs_{k}": cover, f"code_us_{k}": usage, f"artif_{k}": artif, f"decree_category_{k}": category}
        row |= {f"impermeable_{k}": cover.startswith("CS1.1.1"), f"reason_{k}": "matrix"}
    change = {(False, True): "gain", (True, False): "loss"}.get((before[2], after[2]), "none")
    return row | {"change": change, "area_px": area_m2 * PX, "area_m2": float(area_m2)}


def coverage(*pieces: dict[str, object]) -> pd.DataFrame:
    """Return pieces as table CHANGES."""
    return pd.DataFrame(pieces)


def stock_of(millesime: int, flags: str = "", **hectares: float | None) -> pd.DataFrame:
    """Return table STOCK at a millésime, from the stock of each commune (``c01004=1.5``)."""
    rows = []
    for name, stock in hectares.items():
        row = {column: 0 if unit.dtype in {"int64", "float64"} else "" for column, unit in STOCK.columns.items()}
        row |= {"commune_code": name[1:], "millesime": millesime, "stock_ha": stock, "surface_ha": 10.0}
        row |= {"coverage_pct": 100.0 if stock is not None else None, "flags": flags, "source": "derived"}
        row |= {"part_pct": None if stock is None else 10 * stock}
        rows.append(row)
    floats = {name: "float64" for name, column in STOCK.columns.items() if column.dtype == "float64"}
    return pd.DataFrame(rows).astype({**floats, "commune_code": "str", "cog_year": "Int64", "population": "Int64"})


def test_gain_less_loss_is_the_difference_of_the_stocks():
    pieces = coverage(piece(FIELD, LAWN, 30_000), piece(FIELD, ROAD, 10_000), piece(LAWN, FIELD, 5_000))
    found = flow(stock_of(2019, c01004=0.5), stock_of(2022, c01004=4.0), pieces)
    require(found, FLOW, where="test")
    (row,) = found.itertuples()
    assert (row.gain_ha, row.loss_ha, row.net_ha) == (4.0, 0.5, 3.5)
    assert row.net_ha == row.stock_2_ha - row.stock_1_ha
    assert row.net_ha_an == pytest.approx(3.5 / 3)
    assert (row.gain_impermeable_ha, row.loss_impermeable_ha) == (1.0, 0.0)
    assert (row.millesime_1, row.millesime_2, row.commune_code) == (2019, 2022, "01004")


def test_a_change_of_usage_that_stays_artificialised_is_no_flow():
    (row,) = flow(
        stock_of(2019, c01004=3.0), stock_of(2022, c01004=3.0), coverage(piece(LAWN, ROAD, 30_000))
    ).itertuples()
    assert (row.gain_ha, row.loss_ha, row.net_ha, row.gain_impermeable_ha) == (0.0, 0.0, 0.0, 3.0)


def test_a_commune_without_change_has_zero_and_one_without_data_null():
    pieces = coverage(piece(LAWN, LAWN, 10_000), piece(FIELD, LAWN, 10_000, "01006"))
    found = flow(
        stock_of(2019, c01004=1.0, c01005=None, c01006=0.0), stock_of(2022, c01004=1.0, c01005=None, c01006=1.0), pieces
    ).set_index("commune_code")
    assert found.loc["01004", ["gain_ha", "loss_ha", "net_ha"]].tolist() == [0.0, 0.0, 0.0]
    assert found.loc["01005", ["gain_ha", "loss_ha", "net_ha", "net_ha_an"]].isna().all()
    assert found.loc["01006", "net_ha"] == 1.0


def test_flags_of_both_states_stand_once():
    found = flow(
        stock_of(2019, "preview+default_cover", c01004=1.0),
        stock_of(2022, "default_cover+anchored", c01004=1.0),
        coverage(piece(LAWN, LAWN, 10_000)),
    )
    assert found["flags"].iloc[0] == "preview+default_cover+anchored"


def test_years_that_do_not_grow_or_agree_are_refused():
    pieces = coverage(piece(LAWN, LAWN, 10_000))
    with pytest.raises(DataError, match="give one growing pair of millésimes"):
        flow(stock_of(2022, c01004=1.0), stock_of(2019, c01004=1.0), pieces)
    with pytest.raises(DataError, match="give one growing pair of millésimes"):
        flow(stock_of(2016, c01004=1.0), stock_of(2019, c01004=1.0), pieces)
    with pytest.raises(DataError, match="not of the same communes"):
        flow(stock_of(2019, c01004=1.0), stock_of(2022, c01005=1.0), pieces)


def test_each_dimension_of_the_transitions_sums_to_the_surface_its_gains_to_the_gain():
    pieces = coverage(
        piece(FIELD, LAWN, 30_000), piece(FIELD, ROAD, 10_000), piece(LAWN, FIELD, 5_000), piece(ROAD, ROAD, 55_000)
    )
    found = change_matrix(pieces)
    require(found, CHANGE_MATRIX, where="test")
    sums = found.groupby("dimension")[["area_ha", "gain_ha", "loss_ha"]].sum()
    assert set(sums.index) == {"couverture", "usage", "decree_category"}
    assert (sums == [10.0, 4.0, 0.5]).all(axis=None)
    cover = found[found["dimension"] == "couverture"].set_index(["code_1", "code_2"])["area_ha"]
    assert cover["CS2.2.1", "CS2.2.1"] == 3.5
    assert cover["CS2.2.1", "CS1.1.1.2"] == 1.0


def test_the_bounds_of_the_net_flow_read_default_usages_alike_at_both_years():
    first, second = stock_of(2019, c01004=2.0), stock_of(2022, c01004=4.0)
    first["artif_min_ha"], first["artif_max_ha"] = 1.0, 5.0
    second["artif_min_ha"], second["artif_max_ha"] = 3.5, 5.5
    (row,) = flow(first, second, coverage(piece(FIELD, LAWN, 20_000))).itertuples()
    # least artificialised: 3.5 − 1.0; as derived: 4.0 − 2.0; most: 5.5 − 5.0
    assert (row.net_min_ha, row.net_ha, row.net_max_ha) == (0.5, 2.0, 2.5)
