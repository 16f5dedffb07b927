"""Values of deliveries become canonical values."""

from __future__ import annotations

import pandas as pd
import pytest

from ocsge.catalog_schema import Column
from ocsge.columns import canonical_column, empty_column


def canonical(values: list[object] | pd.Series, **about: object) -> list[object]:
    series = values if isinstance(values, pd.Series) else pd.Series(values, dtype=object)
    result, unreadable = canonical_column(series, Column(**about), index=series.index)  # type: ignore[arg-type]
    assert unreadable == 0
    return [None if pd.isna(value) else value for value in result]


@pytest.mark.parametrize("spelling", ["Oui", "oui", "OUI ", "Vrai", "true", "T", "1", 1, 1.0, True])
def test_every_spelling_of_yes_is_true(spelling: object) -> None:
    assert canonical([spelling], type="boolean") == [True]


@pytest.mark.parametrize("spelling", ["Non", "faux", "FALSE", "F", "0", 0, 0.0, False])
def test_every_spelling_of_no_is_false(spelling: object) -> None:
    assert canonical([spelling], type="boolean") == [False]


@pytest.mark.parametrize("typed", [pd.Series([1, 0]), pd.Series([1.0, 0.0]), pd.Series([True, False])])
def test_yes_and_no_may_come_as_numbers(typed: pd.Series) -> None:
    assert canonical(typed, type="boolean") == [True, False]


def test_a_null_is_neither_yes_nor_no() -> None:
    assert canonical([None, "", "Oui"], type="boolean") == [None, None, True]


def test_a_word_that_is_neither_yes_nor_no_becomes_null_and_is_counted() -> None:
    result, unreadable = canonical_column(
        pd.Series(["Oui", "peut-être"]), Column(type="boolean"), index=pd.RangeIndex(2)
    )
    assert result.isna().tolist() == [False, True]
    assert unreadable == 1


def test_text_loses_the_spaces_around_it_and_empty_text_is_null() -> None:
    assert canonical(["  Haie ", "", "   ", None], type="text") == ["Haie", None, None, None]


def test_a_code_is_in_capitals_without_spaces() -> None:
    assert canonical([" cs1.1. 1.1", "us5"], type="code") == ["CS1.1.1.1", "US5"]


def test_a_code_read_as_a_number_keeps_no_decimals() -> None:
    assert canonical(pd.Series([1.0, 28.0, None]), type="code") == ["1", "28", None]


def test_numbers_are_read_from_text() -> None:
    assert canonical(["-1", "0", " 2 ", None], type="integer") == [-1.0, 0.0, 2.0, None]


def test_a_number_that_cannot_be_read_becomes_null_and_is_counted() -> None:
    result, unreadable = canonical_column(pd.Series(["3.5", "large"]), Column(type="number"), index=pd.RangeIndex(2))
    assert result.tolist()[0] == 3.5
    assert result.isna().tolist() == [False, True]
    assert unreadable == 1


def test_an_unknown_width_written_zero_is_null_and_not_an_unreadable_value() -> None:
    assert canonical(pd.Series([0.0, 3.5]), type="number", zero_is_null=True) == [None, 3.5]


def test_a_true_zero_stays_zero() -> None:
    assert canonical(pd.Series([0.0, 3.5]), type="number") == [0.0, 3.5]


def test_spellings_that_mean_unknown_are_null() -> None:
    assert canonical(["NC", "NR", "D67"], null_values=("NC", "NR")) == [None, None, "D67"]


def test_spellings_are_replaced_and_others_stay() -> None:
    assert canonical(["Autoroute", "Chemin"], spellings={"Autoroute": "Type autoroutier"}) == [
        "Type autoroutier",
        "Chemin",
    ]


def test_a_spelling_may_mean_null() -> None:
    assert canonical(["99", "Ah", "U"], spellings={"99": None, "Ah": "A"}) == [None, "A", "U"]


def test_values_without_a_spelling_take_the_value_of_everything_else_and_nulls_stay_null() -> None:
    given = {"spellings": {"Serre": "Agricole"}, "otherwise": "Indifférencié"}
    assert canonical(["Serre", "Château", None], **given) == ["Agricole", "Indifférencié", None]


def test_a_ford_is_at_ground_level() -> None:
    assert canonical(["Gué ou radier", "1"], type="integer", spellings={"Gué ou radier": "0"}) == [0.0, 1.0]


def test_a_constant_needs_no_field() -> None:
    result, _ = canonical_column(None, Column(type="boolean", constant="Non"), index=pd.RangeIndex(2))
    assert result.tolist() == [False, False]


def test_a_missing_field_is_null_everywhere() -> None:
    result, unreadable = canonical_column(None, Column(type="number", optional=True), index=pd.RangeIndex(3))
    assert result.isna().all()
    assert unreadable == 0


@pytest.mark.parametrize(
    "value", ["2011-04-13 13:09:40", "2011-04-13", "2011-04-13T13:09:40Z", pd.Timestamp("2011-04-13 02:00")]
)
def test_dates_are_read_in_the_forms_deliveries_use(value: object) -> None:
    (date,) = canonical([value], type="date")
    assert pd.Timestamp(date).strftime("%Y-%m-%d") == "2011-04-13"  # type: ignore[arg-type]


def test_a_date_with_a_time_zone_is_brought_to_universal_time() -> None:
    (date,) = canonical(pd.Series(pd.to_datetime(["2019-01-01T00:30:00+01:00"])), type="date")
    assert str(date) == "2018-12-31 23:30:00"


def test_dates_of_different_forms_stand_in_one_column() -> None:
    assert [str(d) for d in canonical(["2020-01-01", "2021-02-03 04:05:06"], type="date")] == [
        "2020-01-01 00:00:00",
        "2021-02-03 04:05:06",
    ]


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("text", "str"),
        ("code", "str"),
        ("number", "float64"),
        ("integer", "float64"),
        ("boolean", "boolean"),
        ("date", "datetime64[us]"),
    ],
)
def test_a_column_of_nulls_has_the_type_of_a_full_one(kind: str, dtype: str) -> None:
    column = Column(type=kind)  # type: ignore[arg-type]
    assert str(empty_column(column).dtype) == dtype
    filled, _ = canonical_column(pd.Series([], dtype=object), column, index=pd.RangeIndex(0))
    assert str(filled.dtype) == dtype
