"""Figures of former communes follow to the new ones: merges add, splits need shares."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from territory_tables_by_hand import flow_row, flows, stock_row, stocks

from ocsge.commune_movements import follow_movements, movements
from ocsge.errors import DataError


def moves(*rows: tuple[int, str, str, str | None]) -> pd.DataFrame:
    """Return movements: COG year, former commune, new commune, share."""
    cells = [(str(year), before, after, share) for year, before, after, share in rows]
    columns = ["cog_year", "commune_before", "commune_after", "share"]
    return movements(pd.DataFrame(cells, columns=columns, dtype="str"))


MERGE = moves((2016, "12090", "12090", None), (2016, "12021", "12090", None))
"""Balsac (12021) joined Druelle (12090), simplified."""


def test_the_stock_of_merged_communes_follows_to_the_new_one() -> None:
    table = stocks(
        stock_row("12090", 2013, 10.0, cog_year=2013, nom="Druelle", departement_code="12"),
        stock_row("12021", 2013, 5.0, cog_year=2013, nom="Balsac"),
        stock_row("12174", 2013, 1.0, cog_year=2013),
    )
    found = follow_movements(table, MERGE, cog_year=2024).set_index("commune_code")
    assert found["stock_ha"].to_dict() == {"12090": 15.0, "12174": 1.0}
    merged = found.loc["12090"]
    assert (merged["surface_ha"], merged["outline_ha"], merged["part_pct"]) == (200.0, 200.0, 7.5)
    assert (merged["departement_code"], merged["cog_year"], merged["flags"]) == ("12", 2024, "merged")
    assert list(found.reset_index().columns) == list(table.columns)
    assert found.reset_index().dtypes.to_dict() == table.dtypes.to_dict()


def test_the_new_name_is_that_of_the_movements() -> None:
    table = stocks(stock_row("12021", 2013, 5.0, cog_year=2013, nom="Balsac"))
    named = MERGE.assign(nom_after="Druelle Balsac")
    assert follow_movements(table, named, cog_year=2024)["nom"].tolist() == ["Druelle Balsac"]


def test_a_row_of_the_new_cog_is_left_as_it_is() -> None:
    table = stocks(stock_row("12090", 2022, 15.0, cog_year=2022, flags="preview"))
    found = follow_movements(table, MERGE, cog_year=2024).iloc[0]
    assert (found["stock_ha"], found["flags"], found["cog_year"]) == (15.0, "preview", 2024)


def test_old_and_new_rows_of_other_millesimes_stand_side_by_side() -> None:
    table = stocks(
        stock_row("12090", 2013, 10.0, cog_year=2013),
        stock_row("12021", 2013, 5.0, cog_year=2013),
        stock_row("12090", 2022, 16.0, cog_year=2022),
    )
    found = follow_movements(table, MERGE, cog_year=2024)
    assert found[["millesime", "stock_ha"]].to_numpy().tolist() == [[2013, 15.0], [2022, 16.0]]


def test_a_movement_after_the_wanted_cog_is_not_followed() -> None:
    table = stocks(stock_row("12021", 2013, 5.0, cog_year=2013))
    assert follow_movements(table, MERGE, cog_year=2015)["commune_code"].tolist() == ["12021"]


def test_a_former_commune_without_data_leaves_the_new_one_incomplete() -> None:
    table = stocks(stock_row("12090", 2013, 10.0, cog_year=2013), stock_row("12021", 2013, None, cog_year=2013))
    found = follow_movements(table, MERGE, cog_year=2024).iloc[0]
    assert (found["stock_ha"], found["coverage_pct"], found["flags"]) == (10.0, 50.0, "incomplete+merged")


def test_former_communes_that_all_lack_data_give_null() -> None:
    table = stocks(stock_row("12090", 2013, None, cog_year=2013), stock_row("12021", 2013, None, cog_year=2013))
    found = follow_movements(table, MERGE, cog_year=2024).iloc[0]
    assert np.isnan(found["stock_ha"])
    assert np.isnan(found["coverage_pct"])
    assert found["flags"] == "no_data+merged"


def test_the_absorbing_commune_need_not_be_listed() -> None:
    table = stocks(stock_row("12090", 2013, 10.0, cog_year=2013), stock_row("12021", 2013, 5.0, cog_year=2013))
    found = follow_movements(table, moves((2016, "12021", "12090", None)), cog_year=2024)
    assert found["stock_ha"].tolist() == [15.0]


def test_the_flow_of_merged_communes_is_added_pair_by_pair() -> None:
    table = flows(
        flow_row("12090", (2013, 2016), (10.0, 13.0), cog_year=2013),
        flow_row("12021", (2013, 2016), (5.0, 4.0), cog_year=2013),
        flow_row("12021", (2010, 2013), (5.0, 5.0), cog_year=2013),
    )
    found = follow_movements(table, MERGE, cog_year=2024)
    last = found[found["millesime_2"] == 2016].iloc[0]
    assert (last["gain_ha"], last["loss_ha"], last["net_ha"]) == (3.0, 1.0, 2.0)
    assert last["net_ha_an"] == pytest.approx(2 / 3)
    earlier = found[found["millesime_2"] == 2013].iloc[0]
    assert (earlier["net_ha"], earlier["flags"]) == (0.0, "incomplete+merged")  # 12090 has no row of that pair


def test_a_split_without_shares_is_null_and_flagged() -> None:
    split = moves((2024, "85000", "85000", None), (2024, "85000", "85001", None))
    found = follow_movements(stocks(stock_row("85000", 2019, 8.0, cog_year=2022)), split, cog_year=2024)
    assert found["commune_code"].tolist() == ["85000", "85001"]
    assert found["stock_ha"].isna().all()
    assert set(found["flags"]) == {"no_data+split"}


def test_a_split_with_shares_divides_the_hectares_and_loses_none() -> None:
    split = moves((2024, "85000", "85000", "0,75"), (2024, "85000", "85001", "0,25"))
    table = stocks(stock_row("85000", 2019, 8.0, cog_year=2022, population=1000))
    found = follow_movements(table, split, cog_year=2024)
    assert found["stock_ha"].tolist() == [6.0, 2.0]
    assert found["surface_ha"].tolist() == [75.0, 25.0]
    assert found["population"].isna().all()
    assert set(found["flags"]) == {"split_by_share"}


def test_movements_of_several_years_follow_each_other() -> None:
    chain = moves((2016, "12001", "12002", None), (2019, "12002", "12003", None))
    found = follow_movements(stocks(stock_row("12001", 2013, 5.0, cog_year=2013)), chain, cog_year=2024)
    assert found[["commune_code", "stock_ha"]].to_numpy().tolist() == [["12003", 5.0]]


def test_a_row_without_cog_year_is_older_than_the_merges_of_its_commune() -> None:
    found = follow_movements(stocks(stock_row("12021", 2013, 5.0)), MERGE, cog_year=2024)
    assert found["commune_code"].tolist() == ["12090"]


def test_a_split_commune_without_cog_year_is_refused() -> None:
    split = moves((2024, "85000", "85000", "0.5"), (2024, "85000", "85001", "0.5"))
    with pytest.raises(DataError, match="commune 85000 was split and its row has no cog_year"):
        follow_movements(stocks(stock_row("85000", 2019, 8.0)), split, cog_year=2024)


def test_movements_are_not_followed_backwards() -> None:
    with pytest.raises(DataError, match="commune 12090 is of COG 2024, after 2020"):
        follow_movements(stocks(stock_row("12090", 2022, 1.0, cog_year=2024)), MERGE, cog_year=2020)


def test_shares_that_do_not_make_a_whole_are_refused() -> None:
    with pytest.raises(DataError, match=r"shares of commune 85000 at COG 2024 sum to 0\.9, not 1"):
        moves((2024, "85000", "85000", "0.5"), (2024, "85000", "85001", "0.4"))


def test_a_movement_twice_is_refused() -> None:
    with pytest.raises(DataError, match="a movement stands twice"):
        moves((2024, "85000", "85001", None), (2024, "85000", "85001", None))
