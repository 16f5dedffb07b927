"""Sums over territories: same millésimes only, coverage, flags, nulls; membership tables."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from territory_tables_by_hand import flow_row, flows, members, stock_row, stocks

from ocsge.errors import DataError, ParameterError
from ocsge.territories import (
    complete_membership,
    membership,
    membership_of_communes,
    sum_territories,
)

EPCI = "241200187"
THREE = members({"12001": EPCI, "12002": EPCI, "12003": EPCI})


def only(table: pd.DataFrame) -> pd.Series:
    assert len(table) == 1
    return table.iloc[0]


# --- stock


def test_the_stock_of_a_territory_is_the_sum_of_its_communes() -> None:
    table = stocks(*(stock_row(code, 2022, ha) for code, ha in (("12001", 10.0), ("12002", 20.5), ("12003", 0.0))))
    row = only(sum_territories(table, THREE, level="epci"))
    assert (row["level"], row["territory_code"], row["millesimes"]) == ("epci", EPCI, "2022")
    assert row["stock_ha"] == 30.5
    assert (row["surface_ha"], row["measured_ha"]) == (300.0, 300.0)
    assert row["part_pct"] == pytest.approx(30.5 / 3)
    assert (row["communes"], row["communes_with_data"]) == (3, 3)
    assert (row["coverage_pct"], row["coverage_status"], row["flags"]) == (100.0, "complete", "")


def test_sums_are_exact_to_the_pixel_whatever_the_order() -> None:
    # 0.1 + 0.2 + 0.3 is 0.6000000000000001 in floating point
    rows = [stock_row(code, 2022, ha) for code, ha in (("12001", 0.1), ("12002", 0.2), ("12003", 0.3))]
    assert only(sum_territories(stocks(*rows), THREE, level="epci"))["stock_ha"] == 0.6
    assert only(sum_territories(stocks(*rows[::-1]), THREE, level="epci"))["stock_ha"] == 0.6


def test_three_millesimes_give_three_rows() -> None:
    table = stocks(*(stock_row(c, y, y - 2015.0) for y in (2016, 2019, 2022) for c in ("12001", "12002", "12003")))
    found = sum_territories(table, THREE, level="departement")
    assert found["millesime"].tolist() == [2016, 2019, 2022]
    assert found["stock_ha"].tolist() == [3.0, 12.0, 21.0]


def test_stocks_of_different_millesimes_are_never_added() -> None:
    table = stocks(stock_row("12001", 2019, 10.0), stock_row("12002", 2022, 20.0), stock_row("12003", 2022, 5.0))
    found = sum_territories(table, THREE, level="epci").set_index("millesime")
    assert found["stock_ha"].to_dict() == {2019: 10.0, 2022: 25.0}
    assert found["coverage_pct"].round(2).to_dict() == {2019: 33.33, 2022: 66.67}
    assert set(found["coverage_status"]) == {"incomplete"}


def test_a_commune_without_data_is_not_zero_it_lowers_the_coverage() -> None:
    table = stocks(stock_row("12001", 2022, 10.0), stock_row("12002", 2022, None), stock_row("12003", 2022, 5.0))
    row = only(sum_territories(table, THREE, level="epci"))
    assert row["stock_ha"] == 15.0
    assert row["part_pct"] == pytest.approx(7.5)  # of the 200 ha that were measured
    assert (row["communes"], row["communes_with_data"]) == (3, 2)
    assert row["coverage_pct"] == pytest.approx(200 / 3)
    assert (row["coverage_status"], row["flags"]) == ("incomplete", "incomplete")


def test_a_commune_without_any_row_counts_as_one_without_data() -> None:
    row = only(sum_territories(stocks(stock_row("12001", 2022, 10.0)), THREE, level="epci"))
    assert (row["communes"], row["communes_with_data"], row["coverage_status"]) == (3, 1, "incomplete")


def test_a_territory_without_any_data_is_null_not_zero() -> None:
    table = stocks(*(stock_row(code, 2022, None) for code in THREE["commune_code"]))
    row = only(sum_territories(table, THREE, level="epci"))
    assert np.isnan(row["stock_ha"])
    assert (row["coverage_pct"], row["coverage_status"], row["flags"]) == (0.0, "no_data", "no_data")


def test_partial_coverage_of_a_commune_weighs_by_its_extent() -> None:
    small = stock_row("12001", 2022, 1.0, surface_ha=10.0, coverage_pct=90.0, flags="coverage<99.5")
    large = stock_row("12002", 2022, 1.0, surface_ha=990.0)
    both = members({"12001": EPCI, "12002": EPCI}, surface_ha=None)
    row = only(sum_territories(stocks(small, large), both, level="epci"))
    assert row["coverage_pct"] == pytest.approx(99.9)
    assert (row["coverage_status"], row["flags"]) == ("complete", "")


@pytest.mark.parametrize(("coverage", "status"), [(99.5, "complete"), (99.4, "incomplete")])
def test_coverage_below_ninety_nine_and_a_half_percent_is_incomplete(coverage: float, status: str) -> None:
    one = members({"12001": EPCI})
    row = only(sum_territories(stocks(stock_row("12001", 2022, 1.0, coverage_pct=coverage)), one, level="epci"))
    assert row["coverage_status"] == status


def test_a_missing_commune_of_unknown_extent_leaves_the_coverage_unknown_and_incomplete() -> None:
    two = members({"12001": EPCI, "12002": EPCI}, surface_ha=None)
    row = only(sum_territories(stocks(stock_row("12001", 2022, 1.0)), two, level="epci"))
    assert np.isnan(row["coverage_pct"])
    assert np.isnan(row["surface_ha"])
    assert row["coverage_status"] == "incomplete"


def test_unknown_coverage_of_known_communes_is_said() -> None:
    table = stocks(stock_row("12001", 2022, 1.0, coverage_pct=None))
    row = only(sum_territories(table, members({"12001": EPCI}), level="epci"))
    assert (row["coverage_status"], row["flags"]) == ("unknown", "coverage_unknown")


def test_a_figure_that_one_commune_lacks_is_null_and_the_others_stand() -> None:
    table = stocks(
        stock_row("12001", 2022, 10.0, artif_min_ha=9.0),
        stock_row("12002", 2022, 10.0, artif_min_ha=None),
        stock_row("12003", 2022, 1.0),
    )
    row = only(sum_territories(table, THREE, level="epci"))
    assert np.isnan(row["artif_min_ha"])
    assert row["stock_ha"] == 21.0


def test_official_and_derived_stocks_never_meet() -> None:
    table = stocks(stock_row("12001", 2022, 10.0), stock_row("12001", 2022, 11.0, source="official"))
    found = sum_territories(table, members({"12001": EPCI}), level="epci")
    assert dict(zip(found["source"], found["stock_ha"], strict=True)) == {"derived": 10.0, "official": 11.0}


def test_different_models_rules_and_flags_are_said() -> None:
    table = stocks(
        stock_row("12001", 2022, 1.0, model="a", rules_version="r1", flags="preview+default_cover"),
        stock_row("12002", 2022, 1.0, model="b", rules_version="r2", flags="default_cover"),
        stock_row("12003", 2022, 1.0, model="a", rules_version="r1"),
    )
    row = only(sum_territories(table, THREE, level="epci"))
    assert (row["model"], row["rules_version"]) == ("a+b", "r1+r2")
    assert row["flags"] == "mixed_models+mixed_rules+default_cover+preview"


def test_population_is_known_when_that_of_every_commune_is() -> None:
    rows = [stock_row(code, 2022, 1.0, population=1000) for code in ("12001", "12002", "12003")]
    assert only(sum_territories(stocks(*rows), THREE, level="epci"))["population"] == 3000
    rows[0]["population"] = None
    assert only(sum_territories(stocks(*rows), THREE, level="epci"))["population"] is pd.NA


def test_a_row_of_another_cog_is_flagged() -> None:
    table = stocks(stock_row("12001", 2022, 1.0, cog_year=2019))
    row = only(sum_territories(table, members({"12001": EPCI}), level="epci"))
    assert (row["flags"], row["cog_year"]) == ("mixed_cog", 2024)


# --- flow


def test_a_flow_is_summed_over_communes_of_the_same_pair() -> None:
    table = flows(
        flow_row("12001", (2019, 2022), (10.0, 13.0)),
        flow_row("12002", (2019, 2022), (20.0, 19.0)),
        flow_row("12003", (2019, 2022), (5.0, 5.0)),  # zero flow is a figure
    )
    row = only(sum_territories(table, THREE, level="epci"))
    assert (row["gain_ha"], row["loss_ha"], row["net_ha"]) == (3.0, 1.0, 2.0)
    assert row["net_ha"] == row["stock_2_ha"] - row["stock_1_ha"] == row["gain_ha"] - row["loss_ha"]
    assert row["net_ha_an"] == pytest.approx(2 / 3)
    assert (row["communes_with_data"], row["coverage_status"], row["flags"]) == (3, "complete", "")


def test_zero_flow_everywhere_is_zero_not_null() -> None:
    table = flows(*(flow_row(code, (2019, 2022), (5.0, 5.0)) for code in THREE["commune_code"]))
    row = only(sum_territories(table, THREE, level="epci"))
    assert (row["net_ha"], row["net_ha_an"], row["coverage_status"]) == (0.0, 0.0, "complete")


def test_communes_of_different_pairs_are_added_once_a_year_only_and_flagged() -> None:
    table = flows(
        flow_row("12001", (2018, 2021), (10.0, 13.0)),  # 1 ha a year
        flow_row("12002", (2019, 2021), (20.0, 19.0)),  # −0.5 ha a year
        flow_row("12003", (2018, 2021), (5.0, 5.0)),
    )
    found = sum_territories(table, THREE, level="departement")
    assert found["millesimes"].tolist() == ["2018–2021", "2019–2021", "2018–2021+2019–2021"]
    assert found["net_ha"].tolist()[:2] == [3.0, -1.0]
    assert found["coverage_pct"].round(1).tolist() == [66.7, 33.3, 100.0]
    mixed = found.iloc[2]
    assert mixed["flags"] == "mixed_millesimes"
    assert mixed["millesime_1"] is pd.NA
    assert (mixed["gain_ha_an"], mixed["loss_ha_an"], mixed["net_ha_an"]) == (1.0, 0.5, 0.5)
    assert mixed[["net_ha", "gain_ha", "stock_1_ha", "stock_2_ha", "part_1_pct"]].isna().all()


def test_three_millesimes_give_a_row_a_pair_and_no_mixed_row() -> None:
    pairs = ((2016, 2019), (2019, 2022))
    table = flows(*(flow_row(c, p, (10.0, 11.0)) for p in pairs for c in THREE["commune_code"]))
    found = sum_territories(table, THREE, level="epci")
    assert found["millesimes"].tolist() == ["2016–2019", "2019–2022"]
    assert found["net_ha"].tolist() == [3.0, 3.0]


def test_the_mixed_row_takes_the_last_pair_of_each_commune_once() -> None:
    table = flows(
        flow_row("12001", (2016, 2019), (10.0, 70.0)),
        flow_row("12001", (2019, 2022), (70.0, 73.0)),
        flow_row("12002", (2016, 2019), (10.0, 16.0)),
        flow_row("12003", (2019, 2022), None),
    )
    mixed = sum_territories(table, THREE, level="epci").iloc[-1]
    assert mixed["millesimes"] == "2016–2019+2019–2022"
    assert mixed["net_ha_an"] == 1.0 + 2.0
    assert (mixed["communes_with_data"], mixed["coverage_status"]) == (2, "incomplete")
    assert mixed["flags"] == "mixed_millesimes+incomplete"


def test_a_commune_with_one_millesime_has_a_stock_and_lowers_the_coverage_of_the_flow() -> None:
    stock = stocks(
        stock_row("12001", 2019, 10.0),
        stock_row("12001", 2022, 13.0),
        stock_row("12002", 2022, 5.0),
    )
    flow = flows(flow_row("12001", (2019, 2022), (10.0, 13.0)))
    two = members({"12001": EPCI, "12002": EPCI})
    stock_of = sum_territories(stock, two, level="epci").set_index("millesime")
    assert stock_of["coverage_status"].to_dict() == {2019: "incomplete", 2022: "complete"}
    row = only(sum_territories(flow, two, level="epci"))
    assert (row["net_ha"], row["coverage_pct"]) == (3.0, 50.0)


def test_a_flow_without_gross_figures_keeps_its_net() -> None:
    table = flows(flow_row("12001", (2018, 2021), (1.0, 2.0), gain_ha=None, loss_ha=None, source="official"))
    row = only(sum_territories(table, members({"12001": EPCI}), level="epci"))
    assert row["net_ha"] == 1.0
    assert np.isnan(row["gain_ha"])
    assert np.isnan(row["gain_ha_an"])


# --- levels and membership


def test_communes_are_grouped_by_territory_and_those_of_none_left_out() -> None:
    table = stocks(stock_row("12001", 2022, 1.0), stock_row("12002", 2022, 2.0), stock_row("12003", 2022, 4.0))
    found = sum_territories(table, members({"12001": "B", "12002": "A", "12003": None}), level="epci")
    assert found[["territory_code", "stock_ha"]].to_numpy().tolist() == [["A", 2.0], ["B", 1.0]]


def test_the_level_commune_gives_the_communes_themselves() -> None:
    found = sum_territories(stocks(stock_row("12001", 2022, 1.0)), THREE, level="commune")
    assert found["territory_code"].tolist() == ["12001"]


def test_an_empty_table_has_no_territory() -> None:
    assert sum_territories(stocks(), THREE, level="epci").empty
    assert sum_territories(flows(), THREE, level="epci").empty


def test_a_level_that_is_unknown_or_absent_is_said() -> None:
    table = stocks(stock_row("12001", 2022, 1.0))
    with pytest.raises(ParameterError, match="level 'pays': is not known; give one of commune, epci, scot"):
        sum_territories(table, THREE, level="pays")
    with pytest.raises(DataError, match="no column 'scot_code'; add it to sum by scot"):
        sum_territories(table, THREE, level="scot")


def test_a_commune_outside_the_membership_is_refused() -> None:
    with pytest.raises(DataError, match=r"commune 33001 is not in the membership \(1 in all\)"):
        sum_territories(stocks(stock_row("33001", 2022, 1.0)), THREE, level="epci")


def test_a_commune_twice_at_one_millesime_is_refused() -> None:
    with pytest.raises(DataError, match="commune 12001 has two rows of source 'derived' at 2022"):
        sum_territories(stocks(stock_row("12001", 2022, 1.0), stock_row("12001", 2022, 2.0)), THREE, level="epci")


def test_a_membership_table_is_read_under_usual_names_and_spellings() -> None:
    cells = pd.DataFrame(
        {
            "CODGEO": ["01004", "2a004"],
            "cog_year": ["2024", "2024"],
            "EPCI": ["240100883", None],
            "surface_ha": ["24,6", None],
        },
        index=pd.Index([2, 3], name="line"),
    )
    found = membership(cells)
    assert found["commune_code"].tolist() == ["01004", "2A004"]
    assert found["surface_ha"].tolist()[0] == 24.6
    assert found["epci_siren"].tolist()[0] == "240100883"
    assert found["epci_siren"].isna().tolist() == [False, True]


def test_arrondissements_yield_to_their_commune() -> None:
    cells = pd.DataFrame(
        {
            "commune_code": ["75101", "75102", "75056", "69381", "69382"],
            "departement_code": ["75", "75", "75", "69", "69"],
            "surface_ha": ["182", "99", "10540", "151", "341"],
        },
        dtype="str",
    )
    found = membership(cells).set_index("commune_code")
    assert found["departement_code"].to_dict() == {"69123": "69", "75056": "75"}
    assert found.loc["75056", "surface_ha"] == 10_540
    assert np.isnan(found.loc["69123", "surface_ha"])


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"nom": ["Olemps"]}, "no column 'commune_code'"),
        ({"commune_code": ["1004"]}, "line 2.*leading zero is lost"),
        ({"commune_code": ["12001", "12001"]}, "commune 12001 stands on several rows"),
        ({"commune_code": ["12001", "12002"], "cog_year": ["2019", "2024"]}, "COG 2019 and 2024"),
        ({"commune_code": ["12001"], "insee_com": ["12001"]}, "are both commune_code"),
    ],
)
def test_a_membership_that_cannot_be_used_is_refused_in_one_line(cells: dict[str, list[str]], message: str) -> None:
    frame = pd.DataFrame(cells, dtype="str")
    frame.index = pd.RangeIndex(2, 2 + len(frame), name="line")
    with pytest.raises(DataError, match=message) as error:
        membership(frame)
    assert "\n" not in str(error.value)


def test_admin_express_gives_epci_departement_region_and_extent() -> None:
    communes = gpd.GeoDataFrame(
        {
            "commune_code": ["12174"],
            "nom": ["Olemps"],
            "siren_epci": [EPCI],
            "departement_code": ["12"],
            "region_code": ["76"],
            "cog_year": pd.array([2022], dtype="Int64"),
        },
        geometry=[shapely.box(0, 0, 1000, 500)],
        crs=2154,
    )
    row = only(membership_of_communes(communes))
    assert (row["epci_siren"], row["departement_code"], row["region_code"]) == (EPCI, "12", "76")
    assert (row["surface_ha"], row["cog_year"]) == (50.0, 2022)


def test_a_supplied_membership_prevails_and_is_completed() -> None:
    supplied = members({"12001": "MINE", "12002": None})
    found = complete_membership(supplied, members({"12001": "IGN", "12002": "IGN", "12003": "IGN"}))
    assert found["epci_siren"].tolist() == ["MINE", "IGN", "IGN"]
    with pytest.raises(DataError, match="COG 2019 and 2024"):
        complete_membership(supplied, members({"12003": "IGN"}).assign(cog_year=pd.array([2019], dtype="Int64")))
