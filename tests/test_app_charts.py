"""Charts and the small tables under them: official colours, French figures, the same numbers in all of them."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from app.ui import charts, codes, composition, downloads
from app.ui.transitions import largest_changes, transitions
from ocsge.rules import Rules, load_rules

NARROW = "\u202f"
YEARS = (2019, 2022)


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_rules()


def spec(chart: Any) -> dict[str, Any]:
    found: dict[str, Any] = chart.to_dict()
    return found


def long(*rows: tuple[str, str, float, float], millesime: int = 2022) -> pd.DataFrame:
    columns = ["dimension", "code", "area_ha", "artif_area_ha"]
    return pd.DataFrame(rows, columns=columns).assign(millesime=millesime, commune_code="12001")


def matrix(*rows: tuple[str, str, float], dimension: str = "couverture") -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["code_1", "code_2", "area_ha"])
    return table.assign(dimension=dimension, millesime_1=2019, millesime_2=2022, gain_ha=0.0, loss_ha=0.0)


def change(changed_id: str, area_m2: float, kind: str = "gain", **more: str) -> dict[str, object]:
    built, grass = "CS1.1.1.1", "CS2.2.1"
    row = {"id": changed_id, "area_m2": area_m2, "change": kind, "code_cs_1": grass, "code_cs_2": built}
    return {**row, "code_us_1": "US6.3", "code_us_2": "US5", **more}


def test_every_code_of_the_rules_has_a_label_and_its_official_colour(rules: Rules) -> None:
    for dimension, entries in (("couverture", rules.couvertures), ("usage", rules.usages)):
        for entry in entries:
            found = codes.code_of(rules, dimension, entry.code)
            assert found.colour == entry.colour
            assert found.short.startswith(f"{entry.code} ")
            assert len(found.short) < 60


def test_categories_that_a_pair_does_not_tell_apart_have_both_labels(rules: Rules) -> None:
    both = codes.code_of(rules, "decree_category", "9-10").label
    assert rules.decree_categories["9"] in both
    assert rules.decree_categories["10"] in both


def test_a_code_that_the_rules_do_not_know_is_its_own_label(rules: Rules) -> None:
    assert codes.code_of(rules, "usage", "US9").label == "US9"
    assert codes.code_of(rules, "decree_category", "").label == "Sans catégorie"


def test_the_composition_is_sorted_and_its_shares_sum_to_one_hundred(rules: Rules) -> None:
    rows = long(("usage", "US5", 4.0, 1.0), ("usage", "US3", 3.0, 3.0), ("couverture", "CS2.2.1", 7.0, 4.0))
    table = composition.composition(rows, 2022, "usage", rules)
    assert table["code"].tolist() == ["US3", "US5"]
    assert table["part_pct"].tolist() == [75.0, 25.0]


def test_a_stock_of_nothing_has_no_share(rules: Rules) -> None:
    table = composition.composition(long(("usage", "US6.3", 4.0, 0.0)), 2022, "usage", rules)
    assert table["part_pct"].isna().all()


def test_another_millesime_has_no_composition(rules: Rules) -> None:
    assert composition.composition(long(("usage", "US5", 4.0, 1.0)), 2019, "usage", rules).empty
    assert composition.composition(pd.DataFrame(), 2022, "usage", rules).empty


def test_sealed_land_has_a_flow_only_with_a_pair() -> None:
    stock = pd.Series({"millesime": 2022, "stock_impermeable_ha": 3.0})
    flow = pd.Series({"gain_impermeable_ha": 1.0, "loss_impermeable_ha": 0.5})
    assert composition.sealed(stock, None, None)["area_ha"].tolist() == [3.0]
    assert composition.sealed(stock, flow, YEARS)["area_ha"].tolist() == [3.0, 1.0, 0.5]


def test_exemptions_stand_beside_the_stock_without_them() -> None:
    figures = {"stock_ha": 10.0, "exempt_parks_ha": 2.0, "exempt_pv_ha": 3.0, "exempt_either_ha": 4.0}
    table = composition.exemptions(pd.Series({**figures, "stock_after_exemptions_ha": 8.0}))
    assert table["area_ha"].tolist() == [10.0, 2.0, 3.0, 6.0, 8.0]


def test_bars_carry_the_colours_and_the_figures_of_the_table(rules: Rules) -> None:
    rows = long(("couverture", "CS1.1.1.1", 2.5, 2.5), ("couverture", "CS2.2.1", 9.0, 1234.5))
    table = composition.composition(rows, 2022, "couverture", rules)
    drawn = spec(charts.bars(table))
    (data,) = drawn["datasets"].values()
    assert [row["colour"] for row in data] == list(table["colour"])
    assert [row["texte"] for row in data] == [f"1{NARROW}234,50", "2,50"]
    assert drawn["layer"][0]["encoding"]["y"]["sort"] == list(table["label"])


def test_the_matrix_greys_what_did_not_change_and_colours_by_the_largest_change(rules: Rules) -> None:
    rows = matrix(("CS2.2.1", "CS2.2.1", 900.0), ("CS2.2.1", "CS1.1.1.1", 1.5), ("CS1.1.1.1", "CS2.2.1", 0.001))
    table = transitions(rows, YEARS, "couverture", rules)
    drawn = spec(charts.matrix(table, years=YEARS))
    (data,) = drawn["datasets"].values()
    assert {row["texte"]: row["stable"] for row in data} == {"900": True, "1,50": False, f"<{NARROW}0,01": False}
    colour = drawn["layer"][1]["encoding"]["color"]["scale"]
    assert (colour["scheme"], colour["domain"]) == ("cividis", [0, 1.5])


def test_a_matrix_without_change_can_be_drawn(rules: Rules) -> None:
    table = transitions(matrix(("CS2.2.1", "CS2.2.1", 900.0)), YEARS, "couverture", rules)
    assert spec(charts.matrix(table, years=YEARS))["layer"]


def test_category_nine_stands_before_ten(rules: Rules) -> None:
    rows = matrix(("10", "9", 1.0), ("2", "10", 1.0), dimension="decree_category")
    table = transitions(rows, YEARS, "decree_category", rules)
    order = spec(charts.matrix(table, years=YEARS))["layer"][0]["encoding"]["y"]["sort"]
    assert [label.split()[0] for label in order] == ["2", "9", "10"]


def test_transitions_put_the_largest_change_first_and_what_stayed_last(rules: Rules) -> None:
    rows = matrix(("CS2.2.1", "CS2.2.1", 900.0), ("CS2.2.1", "CS1.1.1.1", 0.5), ("CS1.1.1.1", "CS2.2.1", 2.0))
    assert transitions(rows, YEARS, "couverture", rules)["area_ha"].tolist() == [2.0, 0.5, 900.0]
    assert transitions(rows, (2016, 2019), "couverture", rules).empty
    assert transitions(pd.DataFrame(), YEARS, "couverture", rules).empty


def test_the_largest_changes_are_in_words(rules: Rules) -> None:
    rows = pd.DataFrame([change("a", 10.0), change("b", 30.0, "loss", code_us_2="US6.3"), change("c", 20.0)])
    table = largest_changes(rows, rules)
    assert table["id"].tolist() == ["b", "c", "a"]
    assert table["nature"].tolist() == ["Désartificialisé", "Devenu artificialisé", "Devenu artificialisé"]
    assert table["couverture"].tolist() == ["CS2.2.1 Formations herbacées → CS1.1.1.1 Zones bâties"] * 3
    assert table["usage"].tolist() == ["US6.3 Sans usage (inchangé)", *["US6.3 Sans usage → US5 Résidentiel"] * 2]


def test_years_without_figure_keep_their_place_on_the_axis() -> None:
    years = pd.DataFrame({"year": [2011, 2021], "consumed_ha": [2.0, 0.5], "periode": ["a", "b"]})
    means = pd.DataFrame({"label": ["x"], "first_year": [2021], "last_year": [2030], "pace_ha_an": [1.0]})
    drawn = spec(charts.yearly_consumption(years, means=means))
    assert drawn["layer"][0]["encoding"]["x"]["scale"]["domain"] == [str(year) for year in range(2011, 2031)]


def test_no_chart_asks_for_anything_outside() -> None:
    table = pd.DataFrame({"label": ["a"], "colour": ["#000000"], "artif_area_ha": [1.0]})
    drawn = spec(charts.bars(table))
    assert drawn.pop("$schema").startswith("https://vega.github.io/schema/")  # a name, which nothing fetches
    assert "http" not in json.dumps(drawn)


def test_a_csv_opens_in_a_french_spreadsheet_and_runs_no_formula() -> None:
    table = pd.DataFrame({"nom": ["=1+1"], "stock_ha": [1.5], "ok": [True]})
    assert downloads.csv_bytes(table).decode("utf-8") == "\ufeffnom;stock_ha;ok\r\n'=1+1;1,5000;VRAI\r\n"


def test_a_shown_table_has_french_headings_and_numbers() -> None:
    table = pd.DataFrame(
        {"nom": ["Olemps", "Rodez"], "stock_ha": [1194.8, None], "part_pct": [15.23, 0.0], "x": [1, 2]}
    )
    shown = downloads.written(table, {"nom": "Commune", "stock_ha": "Stock (ha)", "part_pct": "Part (%)"})
    html = shown.to_html()
    assert list(shown.data.columns) == ["Commune", "Stock (ha)", "Part (%)"]
    for text in (f"1{NARROW}194,80", "–", "15,2", "0,0"):
        assert f">{text}<" in html
