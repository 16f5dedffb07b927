"""Composition: what a piece is made of decides its final cover. Pieces are written by hand."""

from __future__ import annotations

import numpy as np
import pytest
from engine_oracle import composed_key
from engine_scenes import COMPOSITION
from hypothesis import given, settings
from hypothesis import strategies as st

from ocsge.regions.composition import composed_keys, tree_share
from ocsge.regions.evidence import COVERS, cover_of, usage_of
from ocsge.regions.pieces import Pieces
from ocsge.regions.runs import Runs

BUILT, SEALED, MINERAL, COMPOSITE, BARE = 1, 2, 3, 4, 5
BROADLEAF, CONIFER, MIXED, SHRUB, HERBACEOUS, OTHER = 7, 8, 9, 10, 12, 13
USAGE = 5 << 4
OSSATURE = 1 << 9


def piece(cover: int, *, ossature: bool = False, **_: int) -> int:
    return cover | USAGE | (OSSATURE if ossature else 0)


def pieces_of(keys: list[int], counts: list[dict[int, int]]) -> Pieces:
    n = len(keys)
    cover_px = np.zeros((n, COVERS), dtype=np.int64)
    for k, count in enumerate(counts):
        for cover, pixels in count.items():
            cover_px[k, cover] = pixels
    return Pieces(
        runs=Runs(
            row_ptr=np.array([0, n], np.int64),
            start=np.arange(n, dtype=np.int32),
            value=np.array(keys, np.uint32),
            width=n,
        ),
        label=np.arange(n, dtype=np.int32),
        value=np.array(keys, np.uint32),
        cover_px=cover_px,
        rule_px=np.zeros((n, 64), np.int64),
        flag_px=np.zeros((n, 4), np.int64),
        in_zone=np.zeros(n, dtype=bool),
    )


def composed(cover: int, counts: dict[int, int], *, ossature: bool = False) -> int:
    """Return the cover after the rules; usage and ossature must not move."""
    key = piece(cover, ossature=ossature)
    new = int(composed_keys(pieces_of([key], [counts]), COMPOSITION)[0])
    assert new & ~15 == key & ~15
    return new & 15


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({HERBACEOUS: 751, BROADLEAF: 249}, HERBACEOUS),
        ({HERBACEOUS: 750, BROADLEAF: 250}, BROADLEAF),
        ({HERBACEOUS: 700, BROADLEAF: 100, CONIFER: 200}, MIXED),
        ({HERBACEOUS: 700, CONIFER: 300}, CONIFER),
        ({HERBACEOUS: 700, MIXED: 300}, MIXED),
        ({HERBACEOUS: 100, BROADLEAF: 100, SEALED: 5000}, BROADLEAF),
        ({HERBACEOUS: 740, SHRUB: 260}, HERBACEOUS),
        ({SEALED: 100}, HERBACEOUS),
    ],
    ids=[
        "less than a quarter of trees stays herbaceous",
        "a quarter of trees makes a stand",
        "neither group at three quarters makes it mixed",
        "conifers alone make it coniferous",
        "mixed stands count as trees of neither group",
        "only vegetation counts, not the sealed ground it swallowed",
        "shrubs are no trees",
        "no vegetation at all changes nothing",
    ],
)
def test_herbaceous_ground_under_enough_trees_becomes_a_stand(counts, expected):
    assert composed(HERBACEOUS, counts) == expected


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({BROADLEAF: 750, CONIFER: 250}, BROADLEAF),
        ({BROADLEAF: 749, CONIFER: 251}, MIXED),
        ({BROADLEAF: 250, CONIFER: 750}, CONIFER),
        ({BROADLEAF: 500, MIXED: 500}, MIXED),
    ],
)
def test_stand_is_pure_from_three_quarters_of_its_trees_on(counts, expected):
    for cover in (BROADLEAF, CONIFER, MIXED):
        assert composed(cover, counts) == expected


def test_stand_with_too_few_trees_becomes_the_other_vegetation_it_holds_most_of():
    assert composed(BROADLEAF, {BROADLEAF: 200, SHRUB: 500, HERBACEOUS: 400}) == SHRUB
    assert composed(MIXED, {MIXED: 100, SHRUB: 400, HERBACEOUS: 500}) == HERBACEOUS
    assert composed(BROADLEAF, {BROADLEAF: 100, SHRUB: 450, HERBACEOUS: 450}) == SHRUB


def test_stand_without_any_vegetation_is_left():
    assert composed(CONIFER, {MINERAL: 300}) == CONIFER


@pytest.mark.parametrize("cover", [SEALED, MINERAL])
def test_sealed_and_mineral_ground_is_composite_when_both_reach_a_quarter(cover):
    assert composed(cover, {SEALED: 75, MINERAL: 25}) == COMPOSITE
    assert composed(cover, {SEALED: 25, MINERAL: 75}) == COMPOSITE
    assert composed(cover, {SEALED: 76, MINERAL: 24}) == cover
    assert composed(cover, {SEALED: 50, MINERAL: 50, HERBACEOUS: 9000}) == COMPOSITE


def test_shrubs_bare_ground_and_built_ground_keep_their_cover():
    mixture = {SEALED: 50, MINERAL: 50, BROADLEAF: 50, HERBACEOUS: 50}
    for cover in (SHRUB, BARE, BUILT, COMPOSITE):
        assert composed(cover, mixture) == cover


def test_ossature_keeps_its_cover():
    assert composed(SEALED, {SEALED: 50, MINERAL: 50}, ossature=True) == SEALED
    assert composed(HERBACEOUS, {BROADLEAF: 100}, ossature=True) == HERBACEOUS


def test_other_herbaceous_ground_may_become_a_stand_too():
    assert composed(OTHER, {OTHER: 50, BROADLEAF: 50}) == BROADLEAF


def test_tree_share_is_of_the_vegetation_and_unknown_without_any():
    share = tree_share(
        pieces_of(
            [piece(HERBACEOUS), piece(SEALED), piece(MIXED)],
            [
                {HERBACEOUS: 60, SHRUB: 20, BROADLEAF: 20, SEALED: 900},
                {SEALED: 10},
                {BROADLEAF: 1, CONIFER: 2, MIXED: 3},
            ],
        ),
        COMPOSITION,
    )
    assert share[0] == pytest.approx(0.2)
    assert np.isnan(share[1])
    assert share[2] == 1


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=16, max_size=16), st.integers(1, 13), st.booleans())
def test_any_composition_is_the_oracles(counts, cover, ossature):
    key = piece(cover, ossature=ossature)
    found = composed_keys(pieces_of([key], [dict(enumerate(counts))]), COMPOSITION)
    assert found.tolist() == [composed_key(key, counts, COMPOSITION)]
    assert found.dtype == np.int32


def test_a_key_gives_back_its_cover_and_usage_alone_or_in_an_array() -> None:
    key = 3 | 7 << 4 | 1 << 9
    assert (cover_of(key), usage_of(key)) == (3, 7)
    assert cover_of(np.array([key, 15])).tolist() == [3, 15]
    assert usage_of(np.array([key, 31 << 4])).tolist() == [7, 31]
