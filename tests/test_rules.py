"""The rule tables: matrix, nomenclatures and values."""

import datetime as dt
import itertools
import pickle
import re
import shutil
from collections import Counter
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from ocsge.errors import RulesError
from ocsge.nomenclature import leaves_under
from ocsge.resources import shipped_directory
from ocsge.rule_tables import TABLES, VALUE_UNITS
from ocsge.rules import Rules, check_rules, load_rules

TODAY = dt.date(2025, 6, 1)

COVERS = [
    "CS1.1.1.1",
    "CS1.1.1.2",
    "CS1.1.2.1",
    "CS1.1.2.2",
    "CS1.2.1",
    "CS1.2.2",
    "CS1.2.3",
    "CS2.1.1.1",
    "CS2.1.1.2",
    "CS2.1.1.3",
    "CS2.1.2",
    "CS2.1.3",
    "CS2.2.1",
    "CS2.2.2",
]
USAGES = [
    "US1.1",
    "US1.2",
    "US1.3",
    "US1.4",
    "US1.5",
    "US2",
    "US235",
    "US3",
    "US4.1.1",
    "US4.1.2",
    "US4.1.3",
    "US4.1.4",
    "US4.1.5",
    "US4.2",
    "US4.3",
    "US5",
    "US6.1",
    "US6.2",
    "US6.3",
    "US6.6",
]


@pytest.fixture
def rules() -> Rules:
    return load_rules(TODAY)


# --- the matrix


def sentence_state(cover: str, usage: str) -> bool:
    """Return the state by the sentence of the decree's official reading, not by the table.

    Anthropised ground always, except mineral ground under extraction; grass and other vegetation that is not
    woody under secondary, tertiary, residential, mixed, transport, logistics, public utility, transition and
    abandoned usages.
    """
    if cover.startswith("CS1.1."):
        return (cover, usage) != ("CS1.1.2.1", "US1.3")
    if cover.startswith("CS2.2."):
        transport = usage.startswith("US4.")
        return transport or usage in {"US2", "US3", "US5", "US235", "US6.1", "US6.2"}
    return False


def test_all_280_pairs_have_the_state_of_the_decree(rules: Rules) -> None:
    expected = {pair: sentence_state(*pair) for pair in itertools.product(COVERS, USAGES)}
    assert {pair: cell.artificialise for pair, cell in rules.matrix.items()} == expected


def test_105_of_280_pairs_are_artificialised(rules: Rules) -> None:
    assert len(rules.matrix) == 280
    assert sum(cell.artificialise for cell in rules.matrix.values()) == 105
    by_cover = Counter(cover for (cover, _), cell in rules.matrix.items() if cell.artificialise)
    assert by_cover == {
        "CS1.1.1.1": 20,
        "CS1.1.1.2": 20,
        "CS1.1.2.1": 19,
        "CS1.1.2.2": 20,
        "CS2.2.1": 13,
        "CS2.2.2": 13,
    }


def test_only_built_and_sealed_ground_is_impermeable_whatever_the_usage(rules: Rules) -> None:
    sealed = {pair for pair, cell in rules.matrix.items() if cell.impermeable}
    assert sealed == set(itertools.product(["CS1.1.1.1", "CS1.1.1.2"], USAGES))


def sentence_category(cover: str, usage: str) -> str:
    """Return the category of the annex to R.101-1 by its wording."""
    if sentence_state(cover, usage):
        if usage in {"US6.1", "US6.2"}:
            return "5"
        return {"CS1.1.1.1": "1", "CS1.1.1.2": "2", "CS1.1.2.1": "3", "CS1.1.2.2": "3"}.get(cover, "4")
    if cover.startswith("CS1."):
        return "6"
    return {"US1.1": "7", "US1.4": "7", "US1.2": "8"}.get(usage, "9-10")


def test_every_pair_has_its_category_of_the_annex(rules: Rules) -> None:
    expected = {pair: sentence_category(*pair) for pair in itertools.product(COVERS, USAGES)}
    assert {pair: cell.decree_category for pair, cell in rules.matrix.items()} == expected


def test_the_annex_has_ten_categories_of_which_five_are_artificialised(rules: Rules) -> None:
    assert list(rules.decree_categories) == [str(number) for number in range(1, 11)]
    states = {row.key[0]: row.facts.model_dump()["artificialise"] for row in rules.tables["decree_categories"]}
    assert [int(number) for number, state in states.items() if state] == [1, 2, 3, 4, 5]


def test_a_cell_names_its_row_and_its_text(rules: Rules) -> None:
    cell = rules.matrix["CS1.1.2.1", "US1.3"]
    assert cell.row.startswith("matrix.csv:")
    line = int(cell.row.split(":")[1])
    text = (shipped_directory("rules") / "matrix.csv").read_text(encoding="utf-8").splitlines()[line - 1]
    assert text.startswith("CS1.1.2.1,US1.3,0,0,6,")
    assert "2023-1096" in cell.source


def test_usage_decides_the_state_on_three_covers_only(rules: Rules) -> None:
    states: dict[str, set[bool]] = {}
    for (cover, _), cell in rules.matrix.items():
        states.setdefault(cover, set()).add(cell.artificialise)
    assert {cover for cover, found in states.items() if len(found) == 2} == {
        "CS2.2.1",
        "CS2.2.2",
        "CS1.1.2.1",
    }


# --- nomenclatures


def test_the_nomenclature_has_14_covers_and_20_usages_in_table_order(rules: Rules) -> None:
    assert list(rules.couverture_codes) == COVERS
    assert sorted(rules.usage_codes) == sorted(USAGES)
    assert len(rules.couvertures) == 23
    assert [entry.code for entry in rules.usages if not entry.is_leaf] == ["US1", "US4", "US4.1", "US6"]


def test_each_leaf_cover_has_one_role(rules: Rules) -> None:
    assert rules.couverture_by_role["built"] == "CS1.1.1.1"
    assert rules.couverture_by_role["herbaceous"] == "CS2.2.1"
    assert rules.couverture_by_role["water"] == "CS1.2.2"
    assert sorted(rules.couverture_by_role.values()) == sorted(COVERS)
    entries = {entry.code: entry for entry in rules.couvertures}
    assert [code for code in COVERS if entries[code].tree] == ["CS2.1.1.1", "CS2.1.1.2", "CS2.1.1.3"]
    assert [code for code in COVERS if entries[code].vegetated] == COVERS[7:]
    assert [code for code in COVERS if entries[code].anthropised] == COVERS[:4]
    assert [code for code in COVERS if entries[code].herbaceous] == ["CS2.2.1", "CS2.2.2"]
    assert [code for code in COVERS if entries[code].built] == ["CS1.1.1.1"]
    assert [code for code in COVERS if entries[code].sealed] == ["CS1.1.1.2"]
    assert [code for code in COVERS if entries[code].mineral] == ["CS1.1.2.1"]


def test_a_code_stands_for_the_leaves_below_it_and_not_for_those_that_begin_alike(rules: Rules) -> None:
    covers = leaves_under(rules.couvertures, ["CS1.1.1", "CS2.2"])
    assert covers == ("CS1.1.1.1", "CS1.1.1.2", "CS2.2.1", "CS2.2.2")
    assert rules.usage_leaves(["US2"]) == ("US2",)
    assert rules.usage_leaves(["US4.1", "US5"])[-1] == "US5"
    assert len(rules.usage_leaves(["US4.1"])) == 5


def test_merging_prefers_the_same_cover_then_siblings_then_a_shared_grandparent(rules: Rules) -> None:
    weights = rules.couverture_weights()
    index = {code: i for i, code in enumerate(rules.couverture_codes, start=1)}

    def weight(a: str, b: str) -> int:
        return int(weights[index[a], index[b]])

    assert weights.shape == (15, 15)
    assert weights.dtype == np.int32
    assert (np.diag(weights)[1:] == 64).all()
    assert weight("CS1.1.1.1", "CS1.1.1.2") == 16
    assert weight("CS2.2.1", "CS2.2.2") == 16
    assert weight("CS1.1.1.1", "CS1.1.2.1") == 4
    assert weight("CS2.1.1.1", "CS2.1.2") == 4
    assert weight("CS1.1.1.1", "CS2.2.1") == 1
    assert (weights == weights.T).all()
    assert (weights[0] == 0).all()


def test_merging_prefers_the_same_usage_then_a_sibling_or_one_that_merges_it(rules: Rules) -> None:
    weights = rules.usage_weights()
    index = {code: i for i, code in enumerate(rules.usage_codes, start=1)}
    assert weights.shape == (21, 21)
    assert weights[index["US5"], index["US5"]] == 8
    assert weights[index["US235"], index["US5"]] == weights[index["US5"], index["US235"]] == 3
    assert weights[index["US4.1.1"], index["US4.1.2"]] == 3
    assert weights[index["US2"], index["US5"]] == 1
    assert (weights[:, 0] == 0).all()


# --- named values


@pytest.mark.parametrize(
    ("table", "name", "value"),
    [
        ("minimum_area_m2", "built", 200),
        ("minimum_area_m2", "built_evidence", 50),
        ("minimum_area_m2", "zone_construite", 500),
        ("minimum_area_m2", "elsewhere", 2500),
        ("minimum_width_m", "network", 5),
        ("minimum_width_m", "cover", 10),
        ("minimum_width_m", "forestry", 20),
        ("interpretation_threshold", "surface_m2", 2500),
        ("interpretation_threshold", "built_m2", 50),
        ("interpretation_threshold", "context_m", 1000),
        ("composition", "tree_share", 0.25),
        ("composition", "stand_purity", 0.75),
        ("zone_construite", "dilation_m", 25),
        ("zone_construite", "erosion_m", 15),
        ("network_width_m", "importance_1", 14),
        ("network_width_m", "importance_5", 4.5),
        ("usage_spread", "reach_m", 25),
        ("usage_spread", "road_extension_m", 3),
        ("exemption", "parks_minimum_m2", 2500),
        ("zan", "reference_first_year", 2011),
        ("zan", "reference_last_year", 2020),
        ("zan", "tranche_first_year", 2021),
        ("zan", "tranche_last_year", 2030),
        ("zan", "reduction_pct", 50),
        ("zan", "communal_guarantee", 1),
        ("zan", "projection", 10),
        ("zan", "net_regime_first_year", 2031),
    ],
)
def test_the_named_value_is_the_one_of_the_specification(rules: Rules, table: str, name: str, value: float) -> None:
    assert getattr(rules, table)[name] == value


def test_every_value_of_low_confidence_has_a_range_to_vary_over(rules: Rules) -> None:
    low = [value for value in rules.named_values if value.confidence == "low"]
    assert len(low) >= 10
    for value in low:
        assert value.low is not None
        assert value.high is not None
        assert value.low < value.high
    erosion = next(value for value in low if value.name == "erosion_m")
    assert (erosion.low, erosion.value, erosion.high, erosion.unit) == (0, 15, 25, "m")


def test_the_stages_find_every_value_they_ask_for(rules: Rules) -> None:
    for table, units in VALUE_UNITS.items():
        assert set(getattr(rules, table)) == set(units)


def test_ground_that_nothing_describes_is_herbaceous_and_the_built_option_is_off(rules: Rules) -> None:
    assert rules.default_cover_code == "CS2.2.1"
    assert rules.options["adjacent_built"] == "none"
    assert rules.options["exempt_parks"] == rules.options["exempt_photovoltaic"] == "no"


# --- loading


def test_the_shipped_rules_have_no_fault() -> None:
    assert check_rules(at=TODAY) == []


def test_every_row_of_every_table_is_sourced(rules: Rules) -> None:
    for rows in rules.tables.values():
        assert rows
        for row in rows:
            assert row.facts.source
            assert row.facts.confidence in {"high", "medium", "low"}


def test_every_table_stands_in_the_readme() -> None:
    readme = (shipped_directory("rules") / "README.md").read_text(encoding="utf-8")
    for table in TABLES:
        assert f"`{table}.csv`" in readme


def test_equal_rules_are_loaded_once() -> None:
    assert load_rules(dt.date(2024, 1, 2)) is load_rules(dt.date(2024, 1, 2))


def test_nothing_of_the_rules_can_be_changed(rules: Rules) -> None:
    with pytest.raises(AttributeError):
        rules.fingerprint = ""  # type: ignore[misc]
    assert isinstance(rules.matrix, MappingProxyType)
    assert isinstance(rules.zone_construite, MappingProxyType)
    assert isinstance(rules.cosia_classes[0].numbers, MappingProxyType)


def test_rules_travel_to_another_process(rules: Rules) -> None:
    copy = pickle.loads(pickle.dumps(rules))  # noqa: S301 (our own bytes)
    assert copy == rules
    assert isinstance(copy.matrix, MappingProxyType)


def test_the_decree_evaluates_any_imagery_but_no_date_before_it() -> None:
    assert load_rules(dt.date(2023, 11, 28)).matrix
    with pytest.raises(RulesError) as raised:
        load_rules(dt.date(2023, 11, 27))
    message = str(raised.value)
    assert "no row applies on 2023-11-27" in message
    assert "2023-11-28" in message
    assert "2023-1096" in message


def test_the_date_of_the_rules_is_today_by_default() -> None:
    assert load_rules().at == dt.datetime.now(tz=dt.UTC).date()


def test_the_fingerprint_depends_on_rows_not_on_the_date_or_their_order(tmp_path: Path) -> None:
    base = load_rules(TODAY)
    assert load_rules(dt.date(2024, 5, 1)).fingerprint == base.fingerprint
    assert re.fullmatch(r"[0-9a-f]{64}", base.fingerprint)
    folder = tmp_path / "rules"
    shutil.copytree(shipped_directory("rules"), folder)
    path = folder / "matrix.csv"
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([header, *reversed(lines)]) + "\n", encoding="utf-8")
    assert load_rules(TODAY, directory=folder).fingerprint == base.fingerprint
    assert load_rules(TODAY, changes={"zone_construite.erosion_m": 0}).fingerprint != base.fingerprint
