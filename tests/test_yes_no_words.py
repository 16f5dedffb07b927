"""The words for yes and no, the same for a delivery, a table and a filter of the rules."""

from __future__ import annotations

import pandas as pd
import pytest

from ocsge.csv_tables import typed_table
from ocsge.rule_filter import Filter
from ocsge.tables import Column, Schema
from ocsge.yes_no_words import NO_WORDS, YES_WORDS

ANSWER = Schema("ANSWER", {"answer": Column("bool")})


def test_no_word_says_both_and_all_are_lower_case() -> None:
    assert not YES_WORDS & NO_WORDS
    assert all(word == word.lower() for word in YES_WORDS | NO_WORDS)


@pytest.mark.parametrize("word", sorted(YES_WORDS | NO_WORDS))
def test_a_word_means_the_same_in_a_table_and_in_a_filter(word: str) -> None:
    cells = pd.DataFrame({"answer": pd.Series([word.upper()], dtype="str")})
    table = typed_table(cells, ANSWER, where="t")
    assert table["answer"].tolist() == [word in YES_WORDS]
    assert Filter.parse("answer is true").mask(cells, layer="l").tolist() == [word in YES_WORDS]
