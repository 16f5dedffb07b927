"""The decree on polygons: matrix, published threshold cases, exemptions, bounds, fragility and reasons."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
from decree_oracle import (
    ASPHALT,
    BROADLEAF,
    FARM,
    GRASS,
    HOMES,
    HOUSE,
    PIXELS_PER_M2,
    decide,
    edges,
    table_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from ocsge.artificialise import artificialise
from ocsge.errors import CodeError, DataError, ParameterError
from ocsge.rules import Rules, load_rules
from ocsge.tables import ARTIFICIALISED, POLYGONS

FIELD: dict[str, object] = {}
TOWN = {"code_cs": ASPHALT, "code_us": HOMES}


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_rules()


def with_option(rules: Rules, name: str, value: str) -> Rules:
    return replace(rules, options=MappingProxyType({**rules.options, name: value}))


def default_rule(rules: Rules, us: str) -> int:
    """Return the order of the default rule that gives a usage."""
    return next(row.order for row in rules.layer_usages if row.mode == "default" and row.us == us)


# --- matrix ----------------------------------------------------------------------------------------------


def test_all_280_pairs_take_their_state_and_105_of_them_are_artificialised(rules):
    pairs = [(cs, us) for cs in rules.couverture_codes for us in rules.usage_codes]
    result = artificialise(table_of(*({"code_cs": cs, "code_us": us} for cs, us in pairs)), edges(), rules)
    assert len(result) == 280
    assert int(result["artif"].sum()) == 105
    assert int(result["impermeable"].sum()) == 40
    cells = [rules.matrix[pair] for pair in pairs]
    assert result["matrix_artif"].tolist() == [cell.artificialise for cell in cells]
    assert result["impermeable"].tolist() == [cell.impermeable for cell in cells]
    assert result["decree_category"].tolist() == [cell.decree_category for cell in cells]
    assert not result["crit_seuil"].any()


def test_prairie_in_residential_use_is_artificialised_and_the_reason_names_the_row(rules):
    result = artificialise(table_of({"code_us": HOMES}), edges(), rules)
    assert result["artif"].item()
    row = rules.matrix[GRASS, HOMES].row
    labels = {entry.code: entry.label_fr for entry in (*rules.couvertures, *rules.usages)}
    assert result["reason"].item() == (
        f"artificialised: {labels[GRASS]} ({GRASS}) × {labels[HOMES]} ({HOMES}) ({row}, decree category 4)"
    )


def test_quarry_in_operation_is_not_artificialised(rules):
    result = artificialise(table_of({"code_cs": "CS1.1.2.1", "code_us": "US1.3"}), edges(), rules)
    assert not result["artif"].item()
    assert result["decree_category"].item() == "6"
    assert result["reason"].item().startswith("not artificialised: ")


# --- thresholds: the three published cases ---------------------------------------------------------------


def test_case_1_small_farmland_enclosed_in_town_becomes_artificialised(rules):
    result = artificialise(table_of(TOWN, {"area_m2": 1234.0}), edges((0, 1)), rules)
    assert result["artif"].tolist() == [True, True]
    assert result["matrix_artif"].tolist() == [True, False]
    assert result["crit_seuil"].tolist() == [False, True]
    assert result["reason"].iloc[1] == (
        "artificialised: enclosed group of 1 234 m² < 2 500 m² in artificialised land (threshold case 1)"
    )


def test_case_2_small_yard_enclosed_in_fields_becomes_not_artificialised(rules):
    result = artificialise(table_of(FIELD, {**TOWN, "area_m2": 2499.96}), edges((0, 1)), rules)
    assert result["artif"].tolist() == [False, False]
    assert result["crit_seuil"].tolist() == [False, True]
    assert result["reason"].iloc[1] == (
        "not artificialised: enclosed group of 2 499 m² < 2 500 m² in non-artificialised land (threshold case 2)"
    )
    assert result["decree_category"].iloc[1] == "2", "the category says what the surface is, thresholds or not"
    assert result["impermeable"].iloc[1]


@pytest.mark.parametrize(("area_m2", "kept"), [(50.0, True), (49.96, False)])
def test_case_3_building_of_50_m2_or_more_stays_artificialised_in_a_field(rules, area_m2, kept):
    house = {"code_cs": HOUSE, "code_us": FARM, "area_m2": area_m2}
    result = artificialise(table_of(FIELD, house), edges((0, 1)), rules)
    assert result["artif"].tolist() == [False, kept]
    if kept:
        assert result["reason"].iloc[1] == ("artificialised: built surface ≥ 50 m² kept (threshold case 3)")


@pytest.mark.parametrize("around", [FIELD, TOWN])
def test_group_of_exactly_2_500_m2_is_kept(rules, around):
    inside = TOWN if around is FIELD else FIELD
    table = table_of(around, {**inside, "area_m2": 2500.0})
    assert table["area_px"].iloc[1] == 62_500
    assert not artificialise(table, edges((0, 1)), rules)["crit_seuil"].any()
    table = table_of(around, {**inside, "area_m2": 2500.0 - 1 / PIXELS_PER_M2})
    assert artificialise(table, edges((0, 1)), rules)["crit_seuil"].tolist() == [False, True]


def test_lawn_of_an_isolated_house_is_lost_and_the_house_is_kept(rules):
    house, lawn = {"code_cs": HOUSE, "code_us": HOMES, "area_m2": 120.0}, {"code_us": HOMES, "area_m2": 900.0}
    result = artificialise(table_of(FIELD, house, lawn), edges((0, 2), (1, 2)), rules)
    assert result["artif"].tolist() == [False, True, False]
    assert "1 020 m²" in result["reason"].iloc[2]
    assert "(threshold case 3)" in result["reason"].iloc[1]


def test_courtyard_of_an_isolated_building_becomes_artificialised_once(rules):
    building = {"code_cs": HOUSE, "code_us": FARM, "area_m2": 800.0}
    result = artificialise(table_of(FIELD, building, {"area_m2": 100.0}), edges((0, 1), (1, 2)), rules)
    assert result["artif"].tolist() == [False, True, True]
    assert "100 m²" in result["reason"].iloc[2]


def test_two_yards_that_touch_by_a_point_are_not_one_group(rules):
    yard = {**TOWN, "area_m2": 1500.0}
    touching = np.array([(0, 1, 9), (0, 2, 9), (1, 2, 0)], dtype=np.int64)
    assert artificialise(table_of(FIELD, yard, yard), touching, rules)["artif"].sum() == 0
    touching[2, 2] = 1
    assert artificialise(table_of(FIELD, yard, yard), touching, rules)["artif"].sum() == 2


def test_clipping_first_makes_a_false_small_group_along_the_edge(rules):
    """The same village with its 2 000 m² of context, then cut at the border of the commune."""
    village, beyond = {**TOWN, "area_m2": 1500.0}, {**TOWN, "area_m2": 2000.0, "in_territory": False}
    whole = artificialise(table_of(FIELD, village, beyond), edges((0, 1), (0, 2), (1, 2)), rules)
    assert whole["artif"].tolist() == [False, True, True]
    cut = artificialise(table_of(FIELD, {**village, "at_edge": True}), edges((0, 1)), rules)
    assert cut["artif"].tolist() == [False, False]


def test_adjacent_built_keep_artif_keeps_what_touches_a_protected_building(rules):
    house, lawn = {"code_cs": HOUSE, "code_us": HOMES, "area_m2": 120.0}, {"code_us": HOMES, "area_m2": 900.0}
    track = {"code_cs": "CS1.1.2.1", "code_us": "US4.1.1", "area_m2": 300.0}
    table = table_of(FIELD, house, lawn, track)
    adjacency = edges((0, 2), (0, 3), (1, 2), (2, 3))
    assert artificialise(table, adjacency, rules)["artif"].tolist() == [False, True, False, False]
    kept = artificialise(table, adjacency, with_option(rules, "adjacent_built", "keep_artif"))
    assert kept["artif"].tolist() == [False, True, True, False]
    assert kept["reason"].iloc[2] == (
        "artificialised: beside a built surface ≥ 50 m², kept with it (adjacent_built = keep_artif)"
    )


def test_unknown_adjacent_built_option_is_refused(rules):
    with pytest.raises(ParameterError, match="adjacent_built"):
        artificialise(table_of(FIELD), edges(), with_option(rules, "adjacent_built", "sometimes"))


# --- exemptions ------------------------------------------------------------------------------------------


PARK = {"code_us": HOMES, "area_m2": 5000.0, "park_m2": 5000.0}
PLANT = {"code_us": "US2", "area_m2": 5000.0, "photovoltaic_m2": 5000.0}


@pytest.mark.parametrize(
    ("row", "park_m2", "photovoltaic_m2"),
    [
        (PARK, 5000.0, 0.0),
        ({**PARK, "park_m2": 2500.04}, 2500.04, 0.0),
        ({**PARK, "park_m2": 2500.0}, 0.0, 0.0),
        ({**PARK, "area_m2": 2400.0, "park_m2": 2400.0}, 0.0, 0.0),
        ({**PARK, "code_cs": ASPHALT}, 0.0, 0.0),
        ({**PARK, "code_us": FARM}, 0.0, 0.0),
        (PLANT, 0.0, 5000.0),
        ({**PLANT, "photovoltaic_m2": 100.04}, 0.0, 100.04),
        ({**PLANT, "code_cs": ASPHALT}, 0.0, 0.0),
        ({**PLANT, "code_cs": BROADLEAF}, 0.0, 0.0),
        ({**PLANT, "code_us": FARM}, 0.0, 0.0),
    ],
)
def test_exemption_takes_the_ground_of_the_park_or_plant_and_never_changes_the_state(
    rules, row, park_m2, photovoltaic_m2
):
    result = artificialise(table_of(row, TOWN), edges((0, 1)), rules)
    first = result.iloc[0]
    assert (first["exempt_park_m2"], first["exempt_photovoltaic_m2"]) == (park_m2, photovoltaic_m2)
    assert first["exempt_either_m2"] == park_m2 + photovoltaic_m2
    assert first["exempted_m2"] == 0.0, "off by default"
    name = "park" if park_m2 else "photovoltaic" if photovoltaic_m2 else ""
    assert first["exemption"] == name
    assert first["reason"].endswith(f"; exemption possible: {name}") == bool(name)
    plain = {**row, "park_m2": 0.0, "photovoltaic_m2": 0.0}
    assert result["artif"].tolist() == artificialise(table_of(plain, TOWN), edges((0, 1)), rules)["artif"].tolist()


def test_size_of_a_park_is_that_of_its_vegetated_polygons_that_touch_over_a_commune_border(rules):
    lawn = {"code_us": HOMES, "area_m2": 1500.0, "park_m2": 1500.0}
    grove = {"code_cs": BROADLEAF, "code_us": HOMES, "commune_code": "12176", "area_m2": 1100.0, "park_m2": 1100.0}
    path = {**TOWN, "area_m2": 900.0, "park_m2": 900.0}
    table = table_of(TOWN, lawn, grove, path)
    joined = artificialise(table, edges((0, 1), (1, 2), (1, 3), (2, 3)), rules)
    assert joined["artif"].all(), "the grove is absorbed by the town"
    assert joined["exempt_park_m2"].tolist() == [0.0, 1500.0, 1100.0, 0.0]
    apart = artificialise(table, edges((0, 1), (0, 2), (1, 3), (2, 3)), rules)
    assert apart["exempt_park_m2"].tolist() == [0.0] * 4, "the path joins nothing: it is not vegetated"


def test_neighbour_of_a_park_makes_it_no_larger(rules):
    garden = {"code_us": HOMES, "area_m2": 9000.0}
    park = {"code_us": HOMES, "area_m2": 2400.0, "park_m2": 2400.0}
    assert artificialise(table_of(park, garden), edges((0, 1)), rules)["exempt_either_m2"].sum() == 0.0


@pytest.mark.parametrize(
    ("parks", "photovoltaic", "exempted_m2", "ending"),
    [
        ("no", "no", 0.0, "; exemption possible: park; exemption possible: photovoltaic"),
        ("yes", "no", 4000.0, "; exempted by choice: park; exemption possible: photovoltaic"),
        ("no", "yes", 3000.0, "; exemption possible: park; exempted by choice: photovoltaic"),
        ("yes", "yes", 6000.0, "; exempted by choice: park; exempted by choice: photovoltaic"),
    ],
)
def test_ground_in_a_park_and_in_a_plant_is_taken_out_once(rules, parks, photovoltaic, exempted_m2, ending):
    chosen = with_option(with_option(rules, "exempt_parks", parks), "exempt_photovoltaic", photovoltaic)
    row = {"code_us": "US2", "park_m2": 4000.0, "photovoltaic_m2": 3000.0, "park_and_photovoltaic_m2": 1000.0}
    result = artificialise(table_of(row), edges(), chosen).iloc[0]
    measured = [result[f"exempt_{name}_m2"] for name in ("park", "photovoltaic", "either")]
    assert measured == [4000.0, 3000.0, 6000.0], "what each would take out does not depend on the choice"
    assert result["exempted_m2"] == exempted_m2
    assert result["exemption"] == "park+photovoltaic"
    assert result["reason"].endswith(ending)
    assert result["artif"]
    assert not result["crit_seuil"]


def test_forest_in_a_park_and_in_a_plant_has_the_park_exemption_only(rules):
    grove = {"code_cs": BROADLEAF, "area_m2": 2000.0, "park_m2": 2000.0, "photovoltaic_m2": 2000.0}
    table = table_of(TOWN, {**grove, "park_and_photovoltaic_m2": 2000.0}, PARK)
    result = artificialise(table, edges((0, 1), (1, 2)), rules).iloc[1]
    assert result["artif"], "absorbed by the town around it"
    assert (result["exempt_park_m2"], result["exempt_photovoltaic_m2"]) == (2000.0, 0.0)
    assert result["exempt_either_m2"] == 2000.0


# --- bounds from usage -----------------------------------------------------------------------------------


def test_grass_whose_residential_use_is_a_default_may_not_be_artificialised_at_all(rules):
    order = default_rule(rules, "US235")
    result = artificialise(table_of({"code_us": "US235", "usage_rule": order}), edges(), rules)
    assert result[["artif_min", "artif", "artif_max"]].iloc[0].tolist() == [False, True, True]


def test_asphalt_is_artificialised_whatever_its_default_usage(rules):
    order = default_rule(rules, "US235")
    result = artificialise(table_of({**TOWN, "code_us": "US235", "usage_rule": order}), edges(), rules)
    assert result[["artif_min", "artif", "artif_max"]].iloc[0].tolist() == [True, True, True]


def test_usage_seen_in_a_layer_leaves_no_doubt(rules):
    result = artificialise(table_of({"code_us": HOMES}, FIELD), edges(), rules)
    assert result["artif_min"].tolist() == result["artif"].tolist() == result["artif_max"].tolist()


def test_thresholds_carry_the_doubt_of_one_polygon_to_the_polygon_it_encloses(rules):
    """A small grove inside a default lawn: artificialised with it, natural when the lawn is."""
    lawn = {"code_us": "US235", "usage_rule": default_rule(rules, "US235")}
    grove = {"code_cs": BROADLEAF, "code_us": "US6.3", "area_m2": 400.0}
    result = artificialise(table_of(lawn, grove), edges((0, 1)), rules)
    assert result["artif"].tolist() == [True, True]
    assert result["artif_min"].tolist() == [False, False]


def test_least_state_never_exceeds_the_state_though_absorption_is_not_monotone(rules):
    """A default lawn of 100 m² in a yard of 1 000 in a field: both are lost together, as one group.

    Were the lawn natural it would first join the yard, and then, having changed once, stay artificialised
    when the yard is lost: less at the start, more at the end. The bound is widened so that it encloses the
    state.
    """
    lawn = {"code_us": "US235", "usage_rule": default_rule(rules, "US235"), "area_m2": 100.0}
    result = artificialise(table_of(FIELD, {**TOWN, "area_m2": 1000.0}, lawn), edges((0, 1), (1, 2)), rules)
    assert result["artif"].tolist() == [False, False, False]
    assert result["artif_min"].tolist() == [False, False, False]
    seen = artificialise(table_of(FIELD, {**TOWN, "area_m2": 1000.0}, {"area_m2": 100.0}), edges((0, 1), (1, 2)), rules)
    assert seen["artif"].tolist() == [False, False, True]


# --- fragility -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "fragile"),
    [(0.19, ""), (0.20, "tree_share"), (0.25, "tree_share"), (0.30, "tree_share"), (0.31, ""), (None, "")],
)
def test_grass_with_20_to_30_percent_of_trees_is_fragile(rules, share, fragile):
    assert artificialise(table_of({"tree_share": share}), edges(), rules)["fragile"].item() == fragile


def test_tree_share_does_not_make_asphalt_fragile(rules):
    result = artificialise(table_of({**TOWN, "tree_share": 0.25}), edges(), rules)
    assert result["fragile"].item() == ""


@pytest.mark.parametrize(
    ("area_m2", "fragile"),
    [(2249.0, ""), (2250.0, "threshold_area"), (2750.0, "threshold_area"), (2751.0, "")],
)
def test_group_within_a_tenth_of_the_threshold_is_fragile(rules, area_m2, fragile):
    result = artificialise(table_of(FIELD, {**TOWN, "area_m2": area_m2}), edges((0, 1)), rules)
    assert result["fragile"].tolist() == ["", fragile]


def test_both_fragilities_are_joined(rules):
    meadow = {"area_m2": 2600.0, "tree_share": 0.22}
    result = artificialise(table_of(TOWN, meadow), edges((0, 1)), rules)
    assert result["fragile"].iloc[1] == "tree_share+threshold_area"


# --- the table -------------------------------------------------------------------------------------------


def test_rows_and_columns_of_the_polygons_pass_through_unchanged(rules):
    table = table_of(FIELD, TOWN).assign(note=["a", "b"])
    before = table.copy(deep=True)
    result = artificialise(table, edges((0, 1)), rules)
    pd.testing.assert_frame_equal(table, before)
    pd.testing.assert_frame_equal(result[list(before.columns)], before)
    added = [name for name in ARTIFICIALISED.columns if name not in POLYGONS.columns]
    assert list(result.columns) == [*before.columns, *added]


def test_artificialising_again_gives_the_same(rules):
    table, adjacency = table_of(FIELD, {**TOWN, "area_m2": 400.0}, TOWN), edges((0, 1), (0, 2))
    once = artificialise(table, adjacency, rules)
    pd.testing.assert_frame_equal(artificialise(once, adjacency, rules), once)


def test_no_polygon_gives_an_empty_table_with_every_column(rules):
    result = artificialise(table_of(FIELD).iloc[:0], edges(), rules)
    assert len(result) == 0
    needed = {name for name, column in ARTIFICIALISED.columns.items() if not column.optional}
    assert needed - {"geometry"} <= set(result.columns)


@pytest.mark.parametrize(("column", "code"), [("code_cs", "CS2.1.1"), ("code_us", "INDETERMINE")])
def test_code_that_is_no_leaf_is_an_error_not_a_guess(rules, column, code):
    with pytest.raises(CodeError, match=f"{column} '{code}' at row 1"):
        artificialise(table_of(FIELD, {column: code}), edges(), rules)


def test_missing_column_is_named(rules):
    with pytest.raises(DataError, match="artificialise: table POLYGONS has no column 'at_edge'"):
        artificialise(table_of(FIELD).drop(columns="at_edge"), edges(), rules)


# --- properties ------------------------------------------------------------------------------------------

SIZES_M2 = (30.0, 49.96, 50.0, 900.0, 1250.0, 2499.96, 2500.0, 4000.0)
LAND = ((HOUSE, HOMES), (ASPHALT, HOMES), (GRASS, "US235"), (GRASS, FARM), (BROADLEAF, "US1.2"))


@st.composite
def landscapes(draw):
    """Draw up to 12 polygons on a random graph, some of them with a default usage."""
    count = draw(st.integers(1, 12))
    rows = [
        {
            "land": draw(st.sampled_from(LAND)),
            "area_m2": draw(st.sampled_from(SIZES_M2)),
            "default": draw(st.booleans()),
        }
        for _ in range(count)
    ]
    every = [(i, j) for i in range(count) for j in range(i + 1, count)]
    pairs = draw(st.lists(st.sampled_from(every), unique=True, max_size=22)) if every else []
    return rows, pairs


def landscape_table(rules, rows) -> pd.DataFrame:
    order = default_rule(rules, "US235")
    return table_of(
        *(
            {
                "code_cs": row["land"][0],
                "code_us": row["land"][1],
                "area_m2": row["area_m2"],
                "usage_rule": order if row["default"] and row["land"][1] == "US235" else 50,
            }
            for row in rows
        )
    )


@settings(max_examples=120, deadline=None)
@given(landscapes())
def test_random_landscapes_follow_the_oracle_and_stay_within_their_bounds(landscape):
    rules = load_rules()
    rows, pairs = landscape
    result = artificialise(landscape_table(rules, rows), edges(*pairs), rules)
    expected = decide(
        [rules.matrix[row["land"]].artificialise for row in rows],
        [round(row["area_m2"] * PIXELS_PER_M2) for row in rows],
        pairs,
        threshold=2500 * PIXELS_PER_M2,
        protected=[i for i, row in enumerate(rows) if row["land"][0] == HOUSE and row["area_m2"] >= 50.0],
    )
    assert dict(enumerate(result["artif"].tolist())) == expected.state
    assert (result["crit_seuil"] == (result["artif"] != result["matrix_artif"])).all()
    assert (result["artif_min"] <= result["artif"]).all()
    assert (result["artif"] <= result["artif_max"]).all()
    area = result["area_px"]
    assert area[result["artif_min"]].sum() <= area[result["artif"]].sum() <= area[result["artif_max"]].sum()


def test_hundred_thousand_polygons_keep_every_protected_building(rules):
    side = 316
    random = np.random.default_rng(3)
    cells = np.arange(side * side).reshape(side, side)
    pairs = np.concatenate(
        [
            np.column_stack([cells[:, :-1].ravel(), cells[:, 1:].ravel()]),
            np.column_stack([cells[:-1].ravel(), cells[1:].ravel()]),
        ]
    )
    table = table_of(FIELD).loc[np.zeros(side * side, dtype=int)].reset_index(drop=True)
    land = random.integers(0, len(LAND), side * side)
    table["code_cs"] = pd.array(np.array([cs for cs, _ in LAND], dtype=object)[land], dtype="str")
    table["code_us"] = pd.array(np.array([us for _, us in LAND], dtype=object)[land], dtype="str")
    table["area_px"] = random.integers(1000, 40_000, side * side)
    table["area_m2"] = table["area_px"] / PIXELS_PER_M2
    result = artificialise(table, np.column_stack([pairs, np.ones(len(pairs), dtype=np.int64)]), rules)
    protected = (result["code_cs"] == HOUSE) & (result["area_m2"] >= 50)
    assert result.loc[protected, "artif"].all()
    assert result["crit_seuil"].any()
    marked = result["reason"].str.contains("threshold case [12]")
    assert (marked == result["crit_seuil"]).all()


def test_a_small_group_cut_by_the_edge_of_the_data_is_fragile(rules):
    table = table_of(FIELD, {**TOWN, "area_m2": 1000.0}).assign(at_edge=[True, True])
    result = artificialise(table, edges((0, 1)), rules)
    assert result["fragile"].tolist() == ["", "edge"]
