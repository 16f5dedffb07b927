"""Communes side by side: ranks, sizes, sums by EPCI, official gaps, and the map that colours them."""

from __future__ import annotations

import gzip
import json
import math
from typing import TYPE_CHECKING

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from several_communes import SIREN, STOCKS, enaf_csv, flow, portal_csv, several, stock
from territory_tables_by_hand import flow_row, flows, stock_row, stocks

from app.ui import choropleth, enaf
from app.ui.choropleth import MEASURES, bands, fill, measured, outlines_bounds
from app.ui.comparison import epci_sums, ranked, side_by_side, similar, with_official
from ocsge.csv_tables import read_text_table
from ocsge.map_files import communes_geojson
from ocsge.portal import official_figures
from ocsge.rules import Rules, load_rules
from ocsge.territories import membership
from ocsge.zan import enaf_consumption, trajectory

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return side_by_side(stock(), flow())


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_rules()


def test_a_commune_has_its_last_stock_and_last_flow(table: pd.DataFrame) -> None:
    first = table.set_index("commune_code").loc["12001"]
    assert (first["stock_ha"], first["net_ha"], first["net_ha_an"], first["pair"]) == (13.0, 3.0, 1.0, "2019–2022")
    assert first["net_pour_mille"] == 1.0  # 1 ha a year, 1 000 ha of territory


def test_the_rate_of_a_commune_is_that_of_its_map_file() -> None:
    known = stock().assign(outline_ha=2000.0)  # half of the outline is outside the data
    square = gpd.GeoDataFrame({"commune_code": ["12002"]}, geometry=[shapely.box(0, 0, 100, 100)], crs=2154)
    collection = json.loads(gzip.decompress(communes_geojson([square], known, flow())))
    (written,) = collection["features"]
    rate = side_by_side(known, flow()).set_index("commune_code").loc["12002", "net_pour_mille"]
    assert rate == written["properties"]["pour_mille"] == 2.0  # 6 ha in 3 years, 1 000 ha measured


def test_a_commune_is_counted_in_the_class_that_it_is_drawn_in() -> None:
    figures = measured(MEASURES[1], [-0.00001, 1.00004, 1.00006, 2.0])
    assert figures == [0.0, 1.0, 1.0001, 2.0]
    classes = bands(figures)
    assert all(band.colour != (0, 114, 178) for band in classes)
    assert classes[-1].below == math.inf


def test_a_commune_of_one_millesime_has_no_flow(table: pd.DataFrame) -> None:
    alone = table.set_index("commune_code").loc["12006"]
    assert alone[["net_ha", "net_ha_an", "net_pour_mille"]].isna().all()
    assert alone["pair"] == ""


def test_without_any_flow_the_stocks_still_compare() -> None:
    found = side_by_side(stock(), pd.DataFrame())
    assert len(found) == 7
    assert found["net_ha"].isna().all()


def test_equal_figures_share_a_rank_and_unknown_ones_have_none() -> None:
    order = ranked(pd.DataFrame({"commune_code": list("abcd"), "net_ha": [1.0, 2.0, None, 2.0]}), "net_ha")
    assert order["commune_code"].tolist() == ["b", "d", "a", "c"]
    assert order["rang"].tolist()[:3] == [1, 1, 3]
    assert order["rang"].isna().tolist() == [False, False, False, True]


def test_similar_communes_are_the_closest_by_ratio_of_population(table: pd.DataFrame) -> None:
    by, rows = similar(table, "12002", count=2)  # 200 inhabitants: 300 is ×1.5, 100 and 400 are ×2
    assert by == "population"
    assert rows["commune_code"].tolist() == ["12003", "12002", "12001"]


def test_without_population_the_extent_decides(table: pd.DataFrame) -> None:
    by, rows = similar(table.assign(population=pd.NA), "12002", count=3)
    assert by == "extent_ha"
    assert len(rows) == 4


def test_an_epci_is_the_sum_of_its_communes_of_the_same_millesimes() -> None:
    sums = epci_sums(stock(), flow(), None)
    assert sums["territory_code"].unique().tolist() == [SIREN]
    assert sums.loc[sums["millesimes"] == "2022", "stock_ha"].tolist() == [
        sum(last for _, last in STOCKS.values()) + 80
    ]
    net = sums[sums["millesimes"] == "2019–2022"].iloc[0]
    assert net["net_ha"] == sum(last - first for first, last in STOCKS.values())
    assert net["net_ha_an"] == pytest.approx(net["net_ha"] / 3)


def test_different_pairs_are_summed_once_a_year_and_flagged() -> None:
    pairs = [("12001", (2019, 2022)), ("12002", (2018, 2022))]
    rows = flows(*(flow_row(code, pair, (10.0, 22.0), epci_siren=SIREN) for code, pair in pairs))
    ends = stocks(*(stock_row(code, 2022, 22.0, epci_siren=SIREN) for code, _ in pairs))
    mixed = epci_sums(ends, rows, None).set_index("millesimes").loc["2018–2022+2019–2022"]
    assert mixed["net_ha_an"] == 12 / 3 + 12 / 4
    assert pd.isna(mixed["net_ha"])
    assert "mixed_millesimes" in mixed["flags"]


def test_an_imported_membership_says_what_an_epci_lacks() -> None:
    cells = pd.DataFrame({"commune_code": ["12001", "12099"], "cog_year": ["2024"] * 2, "epci_siren": [SIREN] * 2})
    sums = epci_sums(stock(), flow(), membership(cells.astype("str")))
    last = sums[sums["millesimes"] == "2022"].iloc[0]
    assert (last["communes"], last["communes_with_data"]) == (7, 6)


def test_communes_without_epci_have_no_sum() -> None:
    assert epci_sums(stocks(stock_row("12001", 2022, 1.0)), pd.DataFrame(), None).empty


def test_an_official_figure_stands_beside_the_derived_one_with_its_gap(tmp_path: Path) -> None:
    official = official_figures(read_text_table(portal_csv(tmp_path / "p.csv")))
    stocks_beside, flows_beside = with_official(stock(), flow(), official, "12001")
    last = stocks_beside.set_index("millesime").loc[2022]
    assert (last["derived_ha"], last["official_ha"], last["gap_ha"]) == (13.0, 12.0, 1.0)
    assert flows_beside.iloc[0][["derived_ha", "official_ha"]].tolist() == [3.0, 3.0]
    assert all(found.empty for found in with_official(stock(), flow(), official, "12002"))


def test_without_flow_the_official_stock_still_compares(tmp_path: Path) -> None:
    official = official_figures(read_text_table(portal_csv(tmp_path / "p.csv")))
    stocks_beside, flows_beside = with_official(stock(), pd.DataFrame(), official, "12001")
    assert len(stocks_beside) == 2
    assert flows_beside.empty


def test_every_known_figure_falls_in_one_class_and_a_decrease_has_its_own() -> None:
    classes = bands([-1.5, 0.0, 1.0, 2.0, 3.0, 4.0, float("nan")])
    assert classes[0].below == 0.0
    assert classes[0].colour == (0, 114, 178)
    assert classes[-1].below == float("inf")
    assert len({band.colour for band in classes}) == len(classes)


@pytest.mark.parametrize("figures", [[], [float("nan")], [2.0], [2.0, 2.0, 2.0], [-1.0], list(range(100))])
def test_any_figures_have_classes(figures: list[float]) -> None:
    classes = bands(figures)
    assert len(classes) <= 6
    assert bool(classes) == any(not math.isnan(figure) for figure in figures)


def test_an_unknown_figure_is_grey() -> None:
    expression = fill(MEASURES[0], bands([1.0, 2.0, 3.0, 4.0]))
    assert expression.startswith("properties.part == null ? [200, 200, 200] : properties.part < ")
    assert fill(MEASURES[0], []).count("200, 200, 200") == 2


def test_the_map_holds_one_limit_and_names_no_other_host() -> None:
    classes, address = bands([1.0, 2.0]), "/cartes/x/communes.geojson"
    limit = {"type": "Polygon", "coordinates": [[[2, 44], [2, 45], [3, 45], [2, 44]]]}
    deck = choropleth.choropleth(address, MEASURES[0], classes, outline=limit, bounds=(2, 44, 3, 45), borders=True)
    text = deck.to_json()
    assert len(text) < 4_000
    assert "http" not in text
    communes, own = json.loads(text)["layers"]
    assert (communes["id"], communes["data"], communes["stroked"]) == ("communes", address, True)
    assert own["data"]["geometry"] == limit
    assert not own["pickable"]


def test_the_borders_of_very_many_communes_are_not_drawn_and_an_unknown_limit_neither() -> None:
    deck = choropleth.choropleth("/c", MEASURES[0], [], outline=None, bounds=(2, 44, 3, 45), borders=False)
    (communes,) = json.loads(deck.to_json())["layers"]
    assert not communes["stroked"]


def test_the_bounds_are_those_of_the_outlines(tmp_path: Path) -> None:
    assert outlines_bounds(several(tmp_path) / "communes.geojson.gz") == pytest.approx((2.0, 44.0, 2.7, 44.1))


def test_the_legend_names_each_class_and_the_unknown() -> None:
    html = choropleth.legend_html(bands([-1.0, 1.0, 2.0, 3.0]))
    assert "diminution" in html
    assert "inconnu" in html


def test_years_of_enaf_are_told_from_their_period(tmp_path: Path, rules: Rules) -> None:
    table = enaf.yearly(enaf_consumption(read_text_table(enaf_csv(tmp_path / "e.csv"))), "12001", rules)
    assert table.groupby("periode")["consumed_ha"].sum().to_dict() == {
        "Période de référence": 20.0,
        "Période en cours": 1.5,
    }


def test_the_measures_of_enaf_are_those_of_the_trajectory(tmp_path: Path, rules: Rules) -> None:
    consumed = enaf_consumption(read_text_table(enaf_csv(tmp_path / "e.csv")))
    row = trajectory(consumed, rules).iloc[0]
    assert enaf.measures(row)["area_ha"].dropna().tolist() == [20.0, 10.0, 1.5, 8.5, 0.5, 5.0]
    assert enaf.paces(row, rules)["pace_ha_an"].tolist() == [2.0, 1.0]


def test_an_unknown_reference_has_no_pace(tmp_path: Path, rules: Rules) -> None:
    cells = read_text_table(enaf_csv(tmp_path / "e.csv")).drop(columns="naf15art16")
    row = trajectory(enaf_consumption(cells), rules).iloc[0]
    assert enaf.paces(row, rules).empty
