"""The filter language of the rule tables."""

import contextlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocsge.errors import LayerError, RulesError
from ocsge.rule_filter import Filter


def kept(text: str, **columns: list[object]) -> list[bool]:
    return Filter.parse(text).mask(pd.DataFrame(columns), layer="bd_topo:essai").tolist()


def test_an_empty_filter_takes_every_feature() -> None:
    assert kept("", nature=["Bois", None]) == [True, True]
    assert kept("  ", nature=["Bois", None]) == [True, True]


def test_text_is_compared_trimmed_with_its_case_and_accents() -> None:
    natures = ["Forêt ouverte", " Forêt ouverte ", "forêt ouverte", "Foret ouverte"]
    assert kept("nature = 'Forêt ouverte'", nature=natures) == [True, True, False, False]


def test_a_list_takes_any_of_its_values() -> None:
    assert kept("nature in ('Bois', 'Haie')", nature=["Haie", "Verger", None]) == [True, False, False]


def test_a_quote_inside_text_is_doubled() -> None:
    assert kept("nature = 'Château d''eau'", nature=["Château d'eau", "Château"]) == [True, False]


def test_like_takes_any_text_in_place_of_a_percent_sign() -> None:
    natures = ["Gare routière", "Aérogare", "Gare", "100% gare"]
    assert kept("nature like 'Gare%'", nature=natures) == [True, False, True, False]
    assert kept("nature like '%gare'", nature=natures) == [False, True, False, True]
    assert kept("nature like '%.%'", nature=["a.b", "ab"]) == [True, False]


def test_numbers_are_compared_as_numbers_even_when_the_file_holds_text() -> None:
    assert kept("largeur >= 5", largeur=[4.9, 5.0, 12.0]) == [False, True, True]
    assert kept("largeur >= 5", largeur=["4.9", "5", "12"]) == [False, True, True]
    assert kept("largeur < -1", largeur=[-2, -1, 0]) == [True, False, False]
    assert kept("largeur = 5", largeur=["5.0", "05", "6"]) == [True, True, False]


def test_a_number_written_as_text_matches_a_numeric_column() -> None:
    assert kept("code_group in ('20', '21')", code_group=[20, 21, 22]) == [True, True, False]
    assert kept("code_group = '20'", code_group=[20.0, np.nan, 21.0]) == [True, False, False]


def test_a_comparison_with_an_unknown_value_is_false_and_its_negation_keeps_it() -> None:
    values = ["a", None, "", "  ", np.nan, "b"]
    assert kept("x = 'a'", x=values) == [True, False, False, False, False, False]
    assert kept("x != 'a'", x=values) == [False, True, True, True, True, True]
    assert kept("x not in ('a')", x=values) == [False, True, True, True, True, True]
    assert kept("not x like 'a%'", x=values) == [False, True, True, True, True, True]
    assert kept("x not like 'a%'", x=values) == [False, True, True, True, True, True]


def test_null_is_also_the_empty_text() -> None:
    assert kept("x is null", x=["a", None, "", np.nan]) == [False, True, True, True]
    assert kept("x is not null", x=["a", None, "", np.nan]) == [True, False, False, False]


def test_a_tunnel_is_left_out_and_a_ford_without_a_level_is_kept() -> None:
    levels = ["0", "-1", "Gué ou radier", None, "1"]
    assert kept("not position < 0", position=levels) == [True, False, True, True, True]


@pytest.mark.parametrize("word", ["Oui", "Vrai", "true", "T", "1", True, 1, np.True_])
def test_true_is_read_in_every_spelling_of_the_deliveries(word: object) -> None:
    assert kept("fictif is true", fictif=[word]) == [True]
    assert kept("fictif is false", fictif=[word]) == [False]
    assert kept("fictif = true", fictif=[word]) == [True]
    assert kept("fictif != true", fictif=[word]) == [False]


@pytest.mark.parametrize("word", ["Non", "Faux", "false", "F", "0", False, 0])
def test_false_is_read_in_every_spelling_of_the_deliveries(word: object) -> None:
    assert kept("fictif is not true", fictif=[word]) == [True]
    assert kept("fictif is false", fictif=[word]) == [True]


def test_an_unknown_boolean_is_neither_true_nor_false() -> None:
    assert kept("fictif is true or fictif is false", fictif=[None, "NR"]) == [False, False]
    assert kept("fictif is not true", fictif=[None, "NR"]) == [True, True]


def test_and_binds_closer_than_or_and_parentheses_decide() -> None:
    columns = {"a": ["1", "1", "0", "0"], "b": ["1", "0", "1", "0"], "c": ["0", "1", "1", "1"]}
    assert kept("a = '1' or b = '1' and c = '1'", **columns) == [True, True, True, False]
    assert kept("(a = '1' or b = '1') and c = '1'", **columns) == [False, True, True, False]
    assert kept("NOT (a = '1' OR b = '1')", **columns) == [False, False, False, True]
    assert kept("not not a = '1'", **columns) == [True, True, False, False]


def test_the_fields_of_a_filter_are_known_without_data() -> None:
    parsed = Filter.parse("nature in ('Parc') and (fictif is not true or not importance < 3)")
    assert parsed.fields == {"nature", "fictif", "importance"}
    assert Filter.parse("").fields == frozenset()


def test_an_empty_layer_gives_an_empty_mask() -> None:
    mask = Filter.parse("nature = 'Bois'").mask(pd.DataFrame({"nature": []}), layer="bd_topo:essai")
    assert mask.shape == (0,)
    assert mask.dtype == np.bool_


def test_the_mask_follows_the_rows_whatever_the_index() -> None:
    frame = pd.DataFrame({"nature": ["Bois", "Haie", "Bois"]}, index=[7, 3, 7])
    assert Filter.parse("nature = 'Bois'").mask(frame, layer="x").tolist() == [True, False, True]


def test_categories_and_nullable_columns_are_read_like_text() -> None:
    frame = pd.DataFrame(
        {
            "nature": pd.Series(["Bois", None, "Haie"], dtype="category"),
            "largeur": pd.Series([6, None, 4], dtype="Int64"),
            "fictif": pd.Series([True, None, False], dtype="boolean"),
        }
    )
    assert Filter.parse("nature = 'Bois'").mask(frame, layer="x").tolist() == [True, False, False]
    assert Filter.parse("largeur > 5 or largeur is null").mask(frame, layer="x").tolist() == [
        True,
        True,
        False,
    ]
    assert Filter.parse("fictif is not true").mask(frame, layer="x").tolist() == [False, True, True]


def test_a_missing_field_names_the_field_the_layer_the_rule_and_the_fields_found() -> None:
    parsed = Filter.parse("usage_1 = 'Agricole'", row="layer_usages.csv:34")
    frame = pd.DataFrame({"USAGE1": ["Agricole"], "nature": ["Silo"]})
    with pytest.raises(LayerError) as raised:
        parsed.mask(frame, layer="bd_topo:batiment")
    message = str(raised.value)
    for part in ("usage_1", "bd_topo:batiment", "layer_usages.csv:34", "USAGE1, nature", "alias"):
        assert part in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nature =", "has 'the end' where 'text' or a number belongs"),
        ("nature 'Bois'", "where a comparison belongs"),
        ("nature in 'Bois'", "where ( belongs"),
        ("nature in ()", "has ')' where 'text' or a number belongs"),
        ("nature in ('Bois'", "has 'the end' where ) belongs"),
        ("nature in ('Bois' 'Haie')", "where ) belongs"),
        ("(nature = 'Bois'", "has 'the end' where ) belongs"),
        ("nature = 'Bois' or", "has 'the end' where a field belongs"),
        ("nature = 'Bois' nature = 'Haie'", "goes on with 'nature' after it is complete"),
        ("nature = Bois", "has 'Bois' where 'text' or a number belongs"),
        ("nature = 'Bois", 'stops making sense at "\'Bois"'),
        ("nature ~ 'Bois'", "stops making sense at \"~ 'Bois'\""),
        ("nature = null", "write `is null`"),
        ("nature is 'Bois'", "where null or true or false belongs"),
        ("nature not 'Bois'", "where in or like belongs"),
        ("nature > 'Bois'", "orders text"),
        ("largeur > true", "where 'text' or a number belongs"),
        ("and = 1", "has 'and' where a field belongs"),
    ],
)
def test_a_wrong_filter_is_refused_where_it_stops_making_sense(text: str, said: str) -> None:
    with pytest.raises(RulesError) as raised:
        Filter.parse(text)
    message = str(raised.value)
    assert said in message
    assert repr(text) in message
    assert "write:" in message or "write `is null`" in message


VALUES = st.sampled_from(["a", "b", "12", "", None])


@given(rows=st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=12))
def test_not_of_or_is_and_of_nots(rows: list[tuple[object, object]]) -> None:
    frame = pd.DataFrame(rows, columns=["x", "y"], dtype=object)
    left = Filter.parse("not (x = 'a' or y in ('b', '12'))").mask(frame, layer="z")
    right = Filter.parse("x != 'a' and y not in ('b', '12')").mask(frame, layer="z")
    by_hand = [not (x == "a" or y in {"b", "12"}) for x, y in rows]
    assert left.tolist() == right.tolist() == by_hand


@given(st.text(max_size=40))
def test_any_text_is_a_filter_or_a_rules_error(text: str) -> None:
    with contextlib.suppress(RulesError):
        assert Filter.parse(text).text == text.strip()
