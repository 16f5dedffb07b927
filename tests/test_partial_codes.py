"""Codes above the leaves take the state their leaves share; nothing is guessed."""

from __future__ import annotations

import pandas as pd
import pytest
from ign_scene import states_in_words

from ocsge.errors import CodeError
from ocsge.partial_codes import UNCLASSIFIED, PairStates, pair_states
from ocsge.rules import load_rules

RULES = load_rules()


def states(*pairs: tuple[str | None, str | None], keep: bool = True) -> PairStates:
    cover, usage = (pd.Series(list(codes), dtype="str") for codes in zip(*pairs, strict=True))
    return pair_states(cover, usage, RULES, unclassified="keep" if keep else "error", where="occupation.gpkg")


@pytest.mark.parametrize("cover", RULES.couverture_codes)
def test_a_leaf_pair_has_the_state_of_the_matrix(cover: str) -> None:
    found = states(*((cover, usage) for usage in RULES.usage_codes))
    cells = [RULES.matrix[cover, usage] for usage in RULES.usage_codes]
    assert found.artif.tolist() == [cell.artificialise for cell in cells]
    assert found.impermeable.tolist() == [cell.impermeable for cell in cells]
    assert found.decree_category.tolist() == [cell.decree_category for cell in cells]
    assert list(zip(found.leaf_cs, found.leaf_us, strict=True)) == [(cover, usage) for usage in RULES.usage_codes]
    assert (found.partial, found.unclassified) == ({}, {})


@pytest.mark.parametrize(
    ("cover", "usage", "state"),
    [
        ("CS2.1.1", "US5", "non artif"),  # trees, of any kind
        ("CS2.1", "US1", "non artif"),
        ("CS1.1.1", "US4.1", "artif"),  # sealed, built or not
        ("CS2.2.1", "US4", "artif"),  # herbaceous of any infrastructure
        ("CS2.2", "US5", "artif"),
        ("CS2", "US5", UNCLASSIFIED),  # trees of a garden are not, its lawn is
        ("CS1.1.2", "US1", UNCLASSIFIED),  # mineral materials of an extraction are not
        ("CS2.2.1", "US6", UNCLASSIFIED),  # in transition is, without usage is not
        ("INDETERMINE", "US5", UNCLASSIFIED),
        ("CS1.1.1.1", "INDETERMINE", UNCLASSIFIED),  # a word tells nothing, whatever stands beside it
        (None, "US5", UNCLASSIFIED),
        ("CS2.2.1", None, UNCLASSIFIED),
        ("CS2.1.1.9", "US5", UNCLASSIFIED),
    ],
)
def test_a_pair_above_the_leaves_has_the_state_they_share(cover: str | None, usage: str | None, state: str) -> None:
    found = states((cover, usage))
    assert states_in_words(found).tolist() == [state]
    counted = found.unclassified if state == UNCLASSIFIED else found.partial
    assert list(counted.values()) == [1]


@pytest.mark.parametrize("usage", ["US235", "US2", "US3", "US5"])
def test_the_usages_of_both_vintages_are_leaves(usage: str) -> None:
    found = states(("CS2.2.1", usage))
    assert (states_in_words(found)[0], found.partial) == ("artif", {})


def test_a_partial_cover_stands_for_a_leaf_that_nothing_protects() -> None:
    found = states(("CS1.1.1", "US5"), ("CS2.1.1", "US4"))
    assert found.leaf_cs.tolist() == ["CS1.1.1.2", "CS2.1.1.1"]
    assert found.leaf_us.tolist() == ["US5", "US4.1.1"]
    assert found.impermeable.tolist() == [True, False]
    assert found.decree_category.tolist() == ["1/2", "9-10"]


def test_a_pair_is_impermeable_only_where_every_leaf_is() -> None:
    assert states(("CS1.1", "US5")).impermeable.tolist() == [False]


def test_pairs_that_cannot_be_told_are_refused_with_their_number_of_rows() -> None:
    with pytest.raises(
        CodeError, match=r"occupation\.gpkg: 3 of 4 rows .*: null × null \(2\), CS2 × US5 \(1\); correct them"
    ):
        states((None, None), ("CS2", "US5"), ("CS2.2.1", "US5"), (None, None), keep=False)


def test_no_rows_have_no_states() -> None:
    empty = pd.Series([], dtype="str")
    assert states_in_words(pair_states(empty, empty, RULES, where="empty")).tolist() == []
