"""Stock of each commune: hand-checked sums, conservation in whole pixels, nulls, flags and rounding."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from decree_oracle import ASPHALT, BROADLEAF, GRASS, HOMES, HOUSE, edges, table_of
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from ocsge.artificialise import artificialise
from ocsge.errors import CrsError, DataError
from ocsge.indicators import stock, stock_long
from ocsge.rules import Rules, load_rules
from ocsge.tables import STOCK, STOCK_LONG, require


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_rules()


@pytest.fixture(scope="module")
def village(rules) -> pd.DataFrame:
    """Two communes and what lies outside.

    12174: fields 60 000 m² (3 000 of them filled, 4 000 by default), town 20 000, park 10 000, a yard of 1 000 alone
    (lost), a grove of 2 000 in the town (gained), an isolated house of 100. 12176: fields 50 000. Outside: 9 999.
    """
    default = next(row.order for row in rules.layer_usages if row.mode == "default" and row.us == "US235")
    town = {"code_cs": ASPHALT, "code_us": HOMES}
    table = table_of(
        {"area_m2": 60_000.0, "filled_m2": 3000.0, "default_cover_m2": 4000.0},
        {**town, "area_m2": 20_000.0},
        {
            "code_us": "US235",
            "area_m2": 10_000.0,
            "park_m2": 10_000.0,
            "usage_rule": default,
            "usage_default_m2": 9_310.0,
        },
        {**town, "area_m2": 1_000.0},
        {"code_cs": BROADLEAF, "code_us": "US6.3", "area_m2": 2_000.0},
        {"code_cs": HOUSE, "code_us": HOMES, "area_m2": 100.0},
        {"commune_code": "12176", "area_m2": 50_000.0, "tree_share": 0.25},
        {**town, "commune_code": "", "area_m2": 9_999.0, "in_territory": False},
    )
    return artificialise(table, edges((0, 1), (1, 2), (0, 3), (1, 4), (0, 5), (0, 6), (1, 7)), rules)


@pytest.fixture(scope="module")
def communes() -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {
            "commune_code": ["12174", "12176", "12202"],
            "nom": ["Olemps", "Onet-le-Château", "Rodez"],
            "siren_epci": ["241200187"] * 3,
            "departement_code": ["12"] * 3,
            "region_code": ["76"] * 3,
            "population": ["3300", None, "24000"],
        },
        geometry=[box(0, 0, 1000, 100), box(0, 0, 500, 100), box(0, 0, 10, 10)],
        crs=2154,
    )


def one(table: pd.DataFrame, code: str) -> pd.Series:
    return table.set_index("commune_code").loc[code]


def test_stock_of_a_commune_is_the_sum_of_its_artificialised_polygons(village, rules):
    row = one(stock(village, rules, millesime=2022), "12174")
    assert row["surface_ha"] == 9.31
    assert row["stock_ha"] == 3.21, "town 2 + park 1 + grove 0.2 + house 0.01"
    assert row["part_pct"] == pytest.approx(100 * 3.21 / 9.31)
    assert row["matrix_ha"] == 3.11, "town 2 + park 1 + yard 0.1 + house 0.01"
    assert row["threshold_gain_ha"] == 0.2
    assert row["threshold_loss_ha"] == 0.1
    assert row["stock_impermeable_ha"] == 2.11, "town, yard and house, whatever the thresholds"
    assert row["exempt_parks_ha"] == 1.0
    assert row["exempt_pv_ha"] == 0.0
    assert row["artif_min_ha"] == 2.21, "without the park"
    assert row["artif_max_ha"] == 3.21
    assert row["usage_default_pct"] == 10.0
    assert row["exempt_either_ha"] == 1.0
    assert row["stock_after_exemptions_ha"] == row["stock_ha"], "nothing is chosen"
    assert row["filled_ha"] == 0.3
    assert row["default_cover_ha"] == 0.4
    assert row["millesime"] == 2022
    assert row["source"] == "derived"
    assert row["model"] == ""
    assert pd.isna(row["cog_year"])
    assert row["rules_version"] == rules.fingerprint[:12]


def test_commune_without_artificialised_land_has_zero_not_null(village, rules):
    row = one(stock(village, rules, millesime=2022), "12176")
    assert row["stock_ha"] == 0.0
    assert row["part_pct"] == 0.0
    assert row["fragile_ha"] == 5.0


def test_commune_of_the_territory_without_polygons_has_nulls_and_a_flag(village, rules, communes):
    table = stock(village, rules, millesime=2022, communes=communes)
    assert table["commune_code"].tolist() == ["12174", "12176", "12202"]
    row = one(table, "12202")
    measures = [name for name in STOCK.columns if name.endswith(("_ha", "_pct")) and name != "outline_ha"]
    assert row[measures].isna().all()
    assert row["flags"] == "no_data"
    assert row["nom"] == "Rodez"
    assert row["outline_ha"] == 0.01


def test_what_lies_outside_the_territory_does_not_count(village, rules):
    table = stock(village, rules, millesime=2022)
    assert table["commune_code"].tolist() == ["12174", "12176"]
    assert "" not in set(stock_long(village, millesime=2022)["commune_code"])


def test_outlines_names_and_population_come_from_the_communes(village, rules, communes):
    table = stock(village, rules, millesime=2022, communes=communes)
    row = one(table, "12174")
    assert row["outline_ha"] == 10.0
    assert (row["nom"], row["epci_siren"], row["departement_code"], row["region_code"]) == (
        "Olemps",
        "241200187",
        "12",
        "76",
    )
    assert table["population"].tolist() == [3300, pd.NA, 24000]
    assert row["coverage_pct"] == pytest.approx(90.1), "9.31 − 0.30 of 10 ha"


def test_edition_of_the_communes_and_model_of_the_raster_stand_on_each_row(village, rules, communes):
    dated = communes.assign(cog_year=pd.array([2023, None, 2024], dtype="Int64"))
    table = stock(village, rules, millesime=2022, model="flair-inc-12", communes=dated)
    assert table["cog_year"].tolist() == [2023, pd.NA, 2024]
    assert table["model"].tolist() == ["flair-inc-12"] * 3


def test_coverage_without_outlines_is_that_of_the_polygons_and_never_exceeds_100(village, rules, communes):
    assert one(stock(village, rules, millesime=2022), "12174")["coverage_pct"] == pytest.approx(100 * 9.01 / 9.31)
    smaller = communes.set_geometry([box(0, 0, 1, 1)] * 3, crs=2154)
    assert one(stock(village, rules, millesime=2022, communes=smaller), "12174")["coverage_pct"] == 100.0


def test_flags_tell_incomplete_coverage_and_what_the_caller_knows(village, rules):
    table = stock(village, rules, millesime=2022, flags=("preview", "default_cover"))
    assert one(table, "12174")["flags"] == "coverage<99.5+preview+default_cover"
    assert one(table, "12176")["flags"] == "preview+default_cover"
    assert one(stock(village, rules, millesime=2022), "12176")["flags"] == ""


def test_polygons_of_a_commune_missing_from_the_communes_are_not_lost(village, rules, communes):
    table = stock(village, rules, millesime=2022, communes=communes.iloc[[0]])
    assert table["commune_code"].tolist() == ["12174", "12176"]
    assert pd.isna(one(table, "12176")["nom"])
    assert one(table, "12176")["surface_ha"] == 5.0


def test_communes_may_come_without_outlines(village, rules, communes):
    names = pd.DataFrame(communes.drop(columns=["geometry", "population"]))
    row = one(stock(village, rules, millesime=2022, communes=names), "12174")
    assert row["nom"] == "Olemps"
    assert pd.isna(row["outline_ha"])
    assert pd.isna(row["population"])


def test_outlines_in_degrees_are_refused(village, rules, communes):
    with pytest.raises(CrsError, match="in degrees"):
        stock(village, rules, millesime=2022, communes=communes.to_crs(4326))


def test_commune_on_two_rows_is_refused(village, rules, communes):
    with pytest.raises(DataError, match="commune 12174 stands on several rows"):
        stock(village, rules, millesime=2022, communes=communes.iloc[[0, 0]])


def test_tables_follow_their_schemas(village, rules, communes):
    for table in (
        stock(village, rules, millesime=2022),
        stock(village, rules, millesime=2022, communes=communes),
        stock(village.iloc[:0], rules, millesime=2022),
        stock(village.iloc[:0], rules, millesime=2022, communes=communes),
    ):
        require(table, STOCK, where="test")
        assert list(table.columns) == list(STOCK.columns)
    for table in (stock_long(village, millesime=2022), stock_long(village.iloc[:0], millesime=2022)):
        require(table, STOCK_LONG, where="test")
        assert list(table.columns) == list(STOCK_LONG.columns)


def test_long_form_splits_the_surface_once_along_each_dimension(village, rules):
    long = stock_long(village, millesime=2022)
    wide = stock(village, rules, millesime=2022).set_index("commune_code")
    sums = long.groupby(["commune_code", "dimension"])[["area_ha", "artif_area_ha"]].sum()
    assert set(long["dimension"]) == {"couverture", "usage", "decree_category", "usage_rule", "reason_kind"}
    for (code, _), row in sums.iterrows():
        assert row["area_ha"] == pytest.approx(wide.loc[code, "surface_ha"], abs=1e-12)
        assert row["artif_area_ha"] == pytest.approx(wide.loc[code, "stock_ha"], abs=1e-12)


def test_long_form_tells_what_each_threshold_case_moved(village):
    long = stock_long(village, millesime=2022)
    kinds = long[(long["commune_code"] == "12174") & (long["dimension"] == "reason_kind")].set_index("code")
    assert kinds["area_ha"].to_dict() == {
        "matrix": 9.0,
        "threshold_case_1": 0.2,
        "threshold_case_2": 0.1,
        "threshold_case_3": 0.01,
    }
    covers = long[(long["commune_code"] == "12174") & (long["dimension"] == "couverture")].set_index("code")
    assert covers["artif_area_ha"].to_dict() == {HOUSE: 0.01, ASPHALT: 2.0, BROADLEAF: 0.2, GRASS: 1.0}


def test_sums_do_not_depend_on_the_order_of_the_rows(village, rules):
    shuffled = village.sample(frac=1, random_state=4)
    pd.testing.assert_frame_equal(stock(shuffled, rules, millesime=2022), stock(village, rules, millesime=2022))
    pd.testing.assert_frame_equal(stock_long(shuffled, millesime=2022), stock_long(village, millesime=2022))


def test_sums_are_exact_in_pixels_whatever_the_number_of_polygons(rules):
    """Areas of 0.04 m² have no exact binary form: their float sum drifts, that of the pixels does not."""
    random = np.random.default_rng(11)
    table = table_of({}).loc[np.zeros(20_000, dtype=int)].reset_index(drop=True)
    table["area_px"] = random.integers(1, 10**7, len(table))
    table["area_m2"] = table["area_px"] / 25
    table["code_us"] = pd.array(np.where(random.random(len(table)) < 0.5, HOMES, "US1.1"), dtype="str")
    result = artificialise(table, edges(), rules)
    row = stock(result, rules, millesime=2022).iloc[0]
    assert row["surface_ha"] == int(table["area_px"].sum()) / 250_000
    assert row["stock_ha"] == int(table.loc[result["artif"], "area_px"].sum()) / 250_000
    pixels = {
        name: round(row[name] * 250_000) for name in ("stock_ha", "matrix_ha", "threshold_gain_ha", "threshold_loss_ha")
    }
    assert pixels["matrix_ha"] + pixels["threshold_gain_ha"] - pixels["threshold_loss_ha"] == pixels["stock_ha"]


def choosing(rules: Rules, *, parks: bool, photovoltaic: bool) -> Rules:
    words = {True: "yes", False: "no"}
    chosen = {"exempt_parks": words[parks], "exempt_photovoltaic": words[photovoltaic]}
    return replace(rules, options=MappingProxyType({**rules.options, **chosen}))


@pytest.fixture(scope="module")
def exemptible() -> pd.DataFrame:
    """Town 20 000 m², a park of 10 000 with 4 000 of plant inside, and a plant of 5 000 on a field of 8 000."""
    both = {"park_m2": 10_000.0, "photovoltaic_m2": 4000.0, "park_and_photovoltaic_m2": 4000.0}
    return table_of(
        {"code_cs": ASPHALT, "code_us": HOMES, "area_m2": 20_000.0, "park_m2": 100.0, "photovoltaic_m2": 100.0},
        {"code_us": "US3", "area_m2": 10_000.0, **both},
        {"code_us": "US2", "area_m2": 8000.0, "photovoltaic_m2": 5000.0},
    )


@pytest.mark.parametrize(
    ("parks", "photovoltaic", "after", "flags"),
    [
        (False, False, 3.8, ""),
        (True, False, 2.8, "exempted_parks"),
        (False, True, 2.9, "exempted_photovoltaic"),
        (True, True, 2.3, "exempted_parks+exempted_photovoltaic"),
    ],
)
def test_stock_with_and_without_exemptions_stands_on_one_row(rules, exemptible, parks, photovoltaic, after, flags):
    chosen = choosing(rules, parks=parks, photovoltaic=photovoltaic)
    row = stock(artificialise(exemptible, edges((0, 1)), chosen), chosen, millesime=2022).iloc[0]
    assert row["stock_ha"] == 3.8, "the decree without exemptions"
    assert (row["exempt_parks_ha"], row["exempt_pv_ha"], row["exempt_either_ha"]) == (1.0, 0.9, 1.5)
    assert row["stock_after_exemptions_ha"] == pytest.approx(after, abs=1e-12)
    assert row["flags"] == flags


def exemptible_row(draw: st.DrawFn) -> dict[str, object]:
    """Return a polygon whose park and plant overlap by any number of pixels that is possible."""
    area = draw(st.integers(1, 200_000))
    park, plant = draw(st.integers(0, area)), draw(st.integers(0, area))
    both = draw(st.integers(max(0, park + plant - area), min(park, plant)))
    columns = ("area_m2", "park_m2", "photovoltaic_m2", "park_and_photovoltaic_m2")
    return {
        "code_cs": draw(st.sampled_from([GRASS, BROADLEAF, ASPHALT])),
        "code_us": draw(st.sampled_from([HOMES, "US1.1", "US2"])),
        **dict(zip(columns, (pixels / 25 for pixels in (area, park, plant, both)), strict=True)),
    }


@settings(deadline=None)
@given(st.data())
def test_exempt_ground_is_conserved_to_the_pixel_whatever_is_chosen(rules, data):
    rows = [exemptible_row(data.draw) for _ in range(data.draw(st.integers(1, 8)))]
    joined = data.draw(st.lists(st.booleans(), min_size=len(rows) - 1, max_size=len(rows) - 1))
    adjacency = edges(*((i, i + 1) for i, yes in enumerate(joined) if yes))
    after, pixels = {}, {}
    for parks in (False, True):
        for photovoltaic in (False, True):
            chosen = choosing(rules, parks=parks, photovoltaic=photovoltaic)
            polygons = artificialise(table_of(*rows), adjacency, chosen)
            row = stock(polygons, chosen, millesime=2022).iloc[0]
            found = {
                name: round(row[f"{name}_ha"] * 250_000)
                for name in ("stock", "exempt_parks", "exempt_pv", "exempt_either", "stock_after_exemptions")
            }
            after[parks, photovoltaic] = found.pop("stock_after_exemptions")
            assert pixels.setdefault("all", found) == found, "the choice moves one column alone"
            assert (polygons["exempt_either_m2"] <= polygons["area_m2"] * polygons["artif"]).all()
    found = pixels["all"]
    assert after[False, False] == found["stock"]
    assert after[True, False] == found["stock"] - found["exempt_parks"]
    assert after[False, True] == found["stock"] - found["exempt_pv"]
    assert after[True, True] == found["stock"] - found["exempt_either"]
    assert max(found["exempt_parks"], found["exempt_pv"]) <= found["exempt_either"]
    assert found["exempt_either"] <= min(found["exempt_parks"] + found["exempt_pv"], found["stock"])
