"""Overlays, dates and faults of the rule tables."""

import datetime as dt
import re
import shutil
from pathlib import Path

import pytest

from ocsge.errors import RulesError
from ocsge.resources import shipped_directory
from ocsge.rules import Rules, check_rules, diff_rules, load_rules

TODAY = dt.date(2025, 6, 1)

INVALID = Path(__file__).parent / "rules_invalid"


@pytest.fixture
def rules() -> Rules:
    return load_rules(TODAY)


def overlay(tmp_path: Path, table: str, text: str) -> Path:
    folder = tmp_path / "overlay"
    folder.mkdir(exist_ok=True)
    (folder / f"{table}.csv").write_text(text, encoding="utf-8")
    return folder


def test_an_overlay_replaces_the_rows_of_its_keys_and_keeps_the_others(tmp_path: Path) -> None:
    folder = overlay(
        tmp_path,
        "zone_construite",
        "name,value,unit,low,high,source,confidence\nerosion_m,0,m,0,25,délibération du 3 mars 2025,medium\n",
    )
    base, changed = load_rules(TODAY), load_rules(TODAY, overlay=folder)
    assert changed.zone_construite == {**base.zone_construite, "erosion_m": 0}
    value = next(value for value in changed.named_values if value.name == "erosion_m")
    assert value.row == "overlay/zone_construite.csv:2"
    assert value.source == "délibération du 3 mars 2025"
    assert changed.fingerprint != base.fingerprint


def test_an_overlay_replaces_in_place_so_the_engine_indices_do_not_move(tmp_path: Path) -> None:
    folder = overlay(
        tmp_path,
        "couverture",
        "code,label_fr,parent,is_leaf,colour,role,source,confidence\n"
        "CS1.1.1.2,Voirie,CS1.1.1,1,#000000,sealed,test,high\n",
    )
    assert load_rules(TODAY, overlay=folder).couverture_codes == load_rules(TODAY).couverture_codes


def test_a_cover_keeps_the_traits_of_the_codes_above_the_row_an_overlay_replaces(tmp_path: Path) -> None:
    folder = overlay(
        tmp_path,
        "couverture",
        "code,label_fr,parent,is_leaf,colour,role,traits,source,confidence\n"
        "CS1.1.1.2,Voirie,CS1.1.1,1,#000000,sealed,,test,high\n"
        "CS1.2.1,Sable,CS1.2,1,#CCCCCC,bare,anthropised,test,high\n",
    )
    entries = {entry.code: entry for entry in load_rules(TODAY, overlay=folder).couvertures}
    assert entries["CS1.1.1.2"].traits == entries["CS1.2.1"].traits == {"anthropised"}
    assert not entries["CS1.2.2"].traits


def test_an_overlay_adds_a_layer_of_its_own(tmp_path: Path) -> None:
    folder = overlay(
        tmp_path,
        "layer_usages",
        "order,layer,filter,geometry_op,us,mode,condition,reason,source,confidence\n"
        "5,local:jardins_familiaux,etat = 'ouvert',polygon,US5,fill,always,allotments,ville,high\n",
    )
    first = load_rules(TODAY, overlay=folder).layer_usages[0]
    assert (first.order, first.layer, first.us) == (5, "local:jardins_familiaux", "US5")


def test_an_overlay_retires_a_row_after_a_day(tmp_path: Path) -> None:
    folder = overlay(
        tmp_path,
        "layer_usages",
        "order,layer,filter,geometry_op,us,mode,condition,reason,source,confidence,applies_to\n"
        "46,,,,,,,,canal closed to navigation,,2024-12-31\n",
    )
    before = {row.order for row in load_rules(dt.date(2024, 12, 31), overlay=folder).layer_usages}
    after = {row.order for row in load_rules(dt.date(2025, 1, 1), overlay=folder).layer_usages}
    assert before - after == {46}
    assert not after - before


def test_a_newer_row_takes_over_from_the_day_it_applies(tmp_path: Path) -> None:
    folder = overlay(
        tmp_path,
        "interpretation_threshold",
        "name,value,unit,source,confidence,applies_from,applies_to\n"
        "surface_m2,2500,m²,décret,high,2023-11-28,2029-12-31\n"
        "surface_m2,2000,m²,décret à venir,high,2030-01-01,\n",
    )
    assert load_rules(dt.date(2029, 12, 31), overlay=folder).interpretation_threshold["surface_m2"] == 2500
    assert load_rules(dt.date(2030, 1, 1), overlay=folder).interpretation_threshold["surface_m2"] == 2000


def test_a_named_value_is_varied_without_a_file(rules: Rules) -> None:
    varied = load_rules(TODAY, changes={"usage_spread.reach_m": 40})
    reaches = {row.reach_m for row in varied.layer_usages if row.geometry_op == "footprint" and row.reach_m}
    assert reaches == {40}
    assert {row.reach_m for row in rules.layer_usages if row.geometry_op == "footprint" and row.reach_m} == {25}


@pytest.mark.parametrize("name", ["zone_construite.erosion", "matrix.CS2.2.1", "erosion_m", ""])
def test_varying_a_value_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(RulesError, match="no such value"):
        load_rules(TODAY, changes={name: 1})


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_varying_a_value_out_of_reason_is_refused(value: float) -> None:
    with pytest.raises(RulesError, match="finite number from 0"):
        load_rules(TODAY, changes={"zone_construite.erosion_m": value})


def test_differences_name_table_key_column_and_both_values(tmp_path: Path) -> None:
    base = load_rules(TODAY)
    changed = load_rules(TODAY, changes={"zone_construite.erosion_m": 0})
    assert diff_rules(base, base) == []
    (found,) = diff_rules(base, changed)
    assert (found.table, found.key, found.column) == ("zone_construite", ("erosion_m",), "value")
    assert (found.before, found.after) == ("15.0", "0.0")
    folder = overlay(
        tmp_path,
        "cosia_context",
        "cosia_class,usage_prefixes,code_cs,source,confidence\nPelouse,US4.1.2,CS1.1.2.1,test,high\n",
    )
    (added,) = diff_rules(base, load_rules(TODAY, overlay=folder))
    assert (added.key, added.column, added.before) == (("Pelouse", "CS1.1.2.1"), "", None)


# --- faults

FAULTS = {
    "axis_without_width": ("overlay/layer_usages.csv:2: column width", "write largeur or voies"),
    "bounds_missing": ("overlay/zone_construite.csv:2: column low", "needs low and high"),
    "category_contradicts_state": ("overlay/matrix.csv:2: column artificialise", "contradicts category 4"),
    "category_unknown": ("overlay/matrix.csv:2: column decree_category", "'11'"),
    "cell_missing": ("overlay/matrix.csv:2", "has 7 cells, the header has 9"),
    "class_number_taken": ("overlay/cosia_classes.csv:2: column cosia_vector_numero", "already Bâtiment"),
    "class_unknown": ("overlay/layer_usages.csv:2: column cosia_classes", "'Cultures' is not a class"),
    "code_misspelt": ("overlay/matrix.csv:2: column code_cs", "is not a nomenclature code"),
    "colour_wrong": ("overlay/couverture.csv:2: column colour", "six hexadecimal digits"),
    "column_missing": ("overlay/zone_construite.csv:1: column unit is missing", "add it"),
    "column_twice": ("overlay/zone_construite.csv:1: column unit stands twice", "keep one"),
    "column_unknown": ("overlay/zone_construite.csv:1: column 'valid_to' is unknown", "the columns are"),
    "confidence_unknown": ("overlay/matrix.csv:2: column confidence", "'high', 'medium' or 'low'"),
    "context_of_unknown_usage": ("overlay/cosia_context.csv:2: column usage_prefixes", "'US7'"),
    "cover_rule_with_unknown_minimum": ("overlay/layer_covers.csv:2: column minimum_area", "'200'"),
    "cover_unknown": ("overlay/matrix.csv:2: column code_cs", "is not a leaf of couverture.csv"),
    "date_french": ("overlay/matrix.csv:2: column applies_from", "write year-month-day"),
    "dates_reversed": ("overlay/matrix.csv:2: column applies_to", "swap"),
    "default_without_alternatives": ("overlay/layer_usages.csv:2: column default_usages", "is empty"),
    "empty_file": ("overlay/options.csv", "is empty; write the header"),
    "fallback_without_minimum": ("overlay/cosia_classes.csv:2: column fallback_minimum", "both or none"),
    "filter_unparsable": ("overlay/layer_usages.csv:2: column filter", "has 'Civil' where"),
    "flag_not_0_or_1": ("overlay/matrix.csv:2: column artificialise", "neither 1 (yes) nor 0 (no)"),
    "flag_with_usage": ("overlay/layer_usages.csv:2: column us", "empty the cell"),
    "item_empty": ("overlay/cosia_context.csv:2: column usage_prefixes", "has an empty item"),
    "layer_syntax": ("overlay/layer_usages.csv:2: column layer", "producer:layer"),
    "leaf_with_children": ("overlay/couverture.csv:2: column is_leaf", "write 0"),
    "mode_unknown": ("overlay/layer_usages.csv:2: column mode", "'paint' is not one of 'carve'"),
    "no_default_for_everything": ("layer_usages.csv", "no row of mode default covers everything"),
    "nodata_with_a_cover": ("overlay/cosia_classes.csv:2: column code_cs", "Autre is nodata"),
    "not_utf8": ("overlay/options.csv:2", "is not UTF-8; save the file"),
    "one_bound_missing": ("overlay/zone_construite.csv:2: column high", "both"),
    "option_not_a_choice": ("overlay/options.csv:2: column value", "none, keep_artif"),
    "order_not_whole": ("overlay/layer_usages.csv:2: column order", "is not a whole number"),
    "order_twice": ("overlay/layer_usages.csv:3: column order", "70 is already on line 2"),
    "pair_missing": ("matrix.csv", "1 of 280 pairs are missing, CS2.2.1 × US6.3 first"),
    "pair_twice": ("overlay/matrix.csv:3: column code_cs, code_us", "is already on line 2"),
    "parent_missing": ("overlay/couverture.csv:2: column parent", "CS3 is not a code"),
    "parent_wrong": ("overlay/couverture.csv:2: column parent", "hangs from CS2.2"),
    "periods_overlap": ("overlay/matrix.csv:3: column applies_from", "overlaps that of line 2"),
    "quote_open": ("overlay/options.csv:2", "is not CSV"),
    "raster_mode_unknown": ("overlay/layer_covers.csv:2: column with_raster", "'override'"),
    "reach_unknown": ("overlay/layer_usages.csv:2: column reach", "not a name of usage_spread.csv"),
    "retires_nothing": ("overlay/zone_construite.csv:2", "retires dilatation_m, which no row defines"),
    "role_missing": ("overlay/couverture.csv:2: column role", "is empty; the leaf CS2.2.1"),
    "role_twice": ("overlay/couverture.csv:2: column role", "already belongs to CS2.1.2"),
    "role_unknown": ("overlay/couverture.csv:2: column role", "'grass' is not one of"),
    "separated_by_semicolons": ("overlay/matrix.csv:1", "must be by a comma"),
    "share_above_one": ("overlay/composition.csv:2: column value", "0 to 1"),
    "source_empty": ("overlay/matrix.csv:2: column source", "is empty"),
    "spread_without_reach": ("overlay/layer_usages.csv:2: column reach", "is empty"),
    "table_unknown": ("overlay/matrice.csv", "is not a rule table"),
    "trait_missing": ("couverture.csv: no code has the trait tree", "give it to one code"),
    "trait_unknown": ("overlay/couverture.csv:2: column traits", "'grass' is not one of"),
    "tree_and_herbaceous": ("overlay/couverture.csv:2: column traits", "CS2.1.1 is herbaceous and tree"),
    "tree_without_vegetation": ("overlay/couverture.csv:2: column traits", "CS1.2.1 is tree but not vegetated"),
    "unit_wrong": ("overlay/zone_construite.csv:2: column unit", "is in m, not 'km'"),
    "usage_not_a_leaf": ("overlay/matrix.csv:2: column code_us", "'US4.1' is not a leaf"),
    "value_decimal_comma": ("overlay/zone_construite.csv:2: column value", "2.5 for instance"),
    "value_infinite": ("overlay/zone_construite.csv:2: column value", "not a finite number"),
    "value_missing": ("zone_construite.csv", "the value erosion_m is missing"),
    "value_name_unknown": (
        "overlay/zone_construite.csv:2: column name",
        "'erosion' is not one of dilation_m",
    ),
    "value_negative": ("overlay/zone_construite.csv:2: column value", "-5 is negative"),
    "value_not_a_number": ("overlay/zone_construite.csv:2: column value", "'fifteen' is not a number"),
    "value_outside_its_bounds": ("overlay/zone_construite.csv:2: column value", "low 0"),
    "weight_not_whole": ("overlay/semantic_weights.csv:2: column weight", "is not a whole number"),
    "weights_with_a_gap": ("semantic_weights.csv", "[0, 1, 2, 5]"),
}


def test_every_wrong_overlay_has_its_expected_message() -> None:
    assert sorted(FAULTS) == sorted(path.name for path in INVALID.iterdir())


@pytest.mark.parametrize("case", sorted(FAULTS))
def test_a_wrong_row_is_refused_in_one_line_with_file_line_column_and_remedy(case: str) -> None:
    where, what = FAULTS[case]
    with pytest.raises(RulesError) as raised:
        load_rules(TODAY, overlay=INVALID / case)
    message = str(raised.value)
    assert message.startswith(where)
    assert what in message
    assert "\n" not in message
    assert check_rules(overlay=INVALID / case, at=TODAY)[0] in message


def test_every_fault_is_listed_at_once(tmp_path: Path) -> None:
    folder = overlay(
        tmp_path,
        "zone_construite",
        "name,value,unit,source,confidence\nerosion_m,-1,m,,sure\ndilation_m,x,m,test,high\n",
    )
    faults = check_rules(overlay=folder, at=TODAY)
    columns = [re.findall(r"csv:(\d+): column (\w+)", fault)[0] for fault in faults]
    assert sorted(columns) == [("2", "confidence"), ("2", "source"), ("2", "value"), ("3", "value")]
    with pytest.raises(RulesError, match=r"\(and 3 more: ocsge rules check\)"):
        load_rules(TODAY, overlay=folder)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    shutil.copytree(shipped_directory("rules"), folder)
    (folder / "matrix.csv").unlink()
    with pytest.raises(RulesError, match=r"matrix\.csv: the file is missing"):
        load_rules(TODAY, directory=folder)


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="holds no rule table"):
        load_rules(TODAY, overlay=tmp_path)
    with pytest.raises(RulesError, match="holds no rule table"):
        load_rules(TODAY, directory=tmp_path / "absent")


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    folder = overlay(tmp_path, "zone_construite", "")
    text = "name,value,unit,source,confidence\r\nerosion_m,10,m,test,medium\r\n\r\n"
    (folder / "zone_construite.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load_rules(TODAY, overlay=folder).zone_construite["erosion_m"] == 10


def test_a_quoted_cell_over_two_lines_does_not_shift_the_line_of_later_faults(tmp_path: Path) -> None:
    folder = overlay(
        tmp_path,
        "zone_construite",
        'name,value,unit,source,confidence,note\nerosion_m,10,m,test,medium,"two\nlines"\ndilation_m,x,m,test,high,\n',
    )
    assert check_rules(overlay=folder, at=TODAY)[0].startswith("overlay/zone_construite.csv:4: column value")
