"""Minimum areas on graphs small enough to merge by hand. Every picture is a row of letters, one letter one pixel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from engine_scenes import MINIMUM, dense, weights

from ocsge.regions.evidence import ABSORB, COVERS, OSSATURE_SHIFT, OUTSIDE, USAGE_SHIFT, USAGES, ZONE_SHIFT
from ocsge.regions.graph import region_graph
from ocsge.regions.minimum_areas import MinimumAreas, absorb, clusters_are_whole
from ocsge.regions.runs import Runs

BUILT, SEALED, MINERAL, BARE, WATER = 1, 2, 3, 5, 6
BROADLEAF, CONIFER, HERBACEOUS = 7, 8, 12
US1, US2, US3 = 1, 2, 3


def value(cover: int, usage: int = US1, *, ossature: bool = False, zone: bool = False) -> int:
    return cover | usage << USAGE_SHIFT | ossature << OSSATURE_SHIFT | zone << ZONE_SHIFT


LEGEND = {
    ".": OUTSIDE,
    "h": value(HERBACEOUS),
    "g": value(HERBACEOUS, US2),
    "H": value(HERBACEOUS, US3),
    "f": value(BROADLEAF),
    "c": value(CONIFER),
    "b": value(BARE),
    "s": value(SEALED),
    "m": value(MINERAL),
    "M": value(MINERAL, US2),
    "z": value(MINERAL, zone=True),
    "B": value(BUILT),
    "A": value(BUILT, US2),
    "R": value(SEALED, US3, ossature=True),
    "W": value(WATER, US3, ossature=True),
    "?": value(0, 0),
    "u": value(0, US2),
    "p": value(ABSORB, 0),
    "q": value(ABSORB, US2),
}
NAMES = {key & 0x3FF: name for name, key in LEGEND.items() if name != "z"}

# the covers of one group weigh as siblings: 1–2 built and sealed, 6–8 water and trees, the rest 1
RULES = MinimumAreas(
    built_px=6,
    built_evidence_px=3,
    zone_px=3,
    elsewhere_px=5,
    absorb_px=4,
    absorb_cover=SEALED,
    built_cover=BUILT,
    cover_weight=weights(COVERS, 64, 16, 3),
    usage_weight=weights(USAGES, 8, 3, 4),
    into_built=0,
    into_ossature=0,
)


def runs_of(picture: str) -> Runs:
    array = np.array([[LEGEND[letter] for letter in row] for row in picture.split()])
    row_ptr, start, values = [0], [], []
    for row in array:
        changes = [0, *(np.flatnonzero(np.diff(row)) + 1)]
        start += changes
        values += [row[c] for c in changes]
        row_ptr.append(len(start))
    return Runs(
        row_ptr=np.array(row_ptr, np.int64),
        start=np.array(start, np.int32),
        value=np.array(values, np.uint32),
        width=array.shape[1],
    )


def merged(picture: str, rules: MinimumAreas = RULES) -> str:
    """Return the picture after merging; zones are drawn like the rest."""
    runs = runs_of(picture)
    graph = region_graph(runs)
    result = absorb(graph, rules)
    inside = graph.label >= 0
    key = np.full(len(runs.start), OUTSIDE, np.int64)
    key[inside] = result.key[result.root[graph.label[inside]]]
    array = dense(Runs(row_ptr=runs.row_ptr, start=runs.start, value=key, width=runs.width))
    return " ".join("".join(NAMES[int(k)] for k in row) for row in array)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("hhhhhhfff", "hhhhhhhhh"),
        ("hhhhhhfffff", "hhhhhhfffff"),
        ("hhhhfffff", "fffffffff"),
        ("hhhhffff", "ffffffff"),
        ("hhhhhhmmmgggggg", "hhhhhhhhhgggggg"),
        ("hhhhhhMMMgggggg", "hhhhhhggggggggg"),
    ],
    ids=[
        "below the minimum it is absorbed",
        "at the minimum it is kept",
        "the smallest goes first",
        "of equal areas the first in row order goes first",
        "same usage decides between equal covers",
        "same usage decides the other way",
    ],
)
def test_region_below_its_minimum_is_absorbed(before, after):
    assert merged(before) == after


def test_semantic_weight_beats_a_longer_border():
    # conifers touch grass on 5 sides (weight 1 + 8) and broadleaf on 3 (weight 16 + 8): 72 against 45
    assert merged("hhhhhhh hhcfffh hhcfffh hhcfffh hhhhhhh") == "hhhhhhh hhffffh hhffffh hhffffh hhhhhhh"


def test_much_longer_border_beats_semantic_weight():
    # one conifer pixel in a notch: 3 sides of grass (27) beat 1 of broadleaf (24)
    assert merged("hhhhhhhh hhhcffff hhhhffff") == "hhhhhhhh hhhhffff hhhhffff"


def test_borders_of_one_key_are_added_up_over_its_regions():
    # grass on both sides of the speck, 1 + 1 sides, against 1 side of conifers; each alone would tie, and 8 is below 12
    assert merged("hhhhhbhhhhh ccccccccccc") == "hhhhhhhhhhh ccccccccccc"


def test_tie_goes_to_the_lowest_key():
    # bare ground, 1 side of sealed and 1 of grass, both foreign covers of the same usage: 2 is below 12
    assert merged("hhhhhhbbssssss") == "hhhhhhssssssss"
    assert merged("ssssssbbhhhhhh") == "sssssssshhhhhh"


def test_absorbed_region_joins_every_neighbour_of_its_new_key():
    runs = runs_of("hhhhhbbhhhhh")
    graph = region_graph(runs)
    result = absorb(graph, RULES)
    assert result.root.tolist() == [0, 0, 0]


def test_result_of_a_merge_is_examined_again():
    # ff (2) goes into ccc: 5 conifers, enough; with elsewhere = 6 they go on into the grass
    assert merged("ffccchhhhhhh") == "ccccchhhhhhh"
    assert merged("ffccchhhhhhh", replace(RULES, elsewhere_px=6)) == "hhhhhhhhhhhh"


def test_region_that_touches_the_zone_construite_has_the_smaller_minimum():
    assert merged("hhhhhhmmmhhhhhh") == "hhhhhhhhhhhhhhh"
    assert merged("hhhhhhzzzhhhhhh") == "hhhhhhmmmhhhhhh"
    assert merged("hhhhhhmzmhhhhhh") == "hhhhhhmmmhhhhhh"
    assert merged("hhhhhhzzhhhhhh") == "hhhhhhhhhhhhhh"


def test_ossature_is_never_absorbed():
    assert merged("hhhhhhRhhhhhh") == "hhhhhhRhhhhhh"
    assert merged("R") == "R"


def test_ossature_absorbs_as_a_last_resort_only():
    # three of the four sides are road, one is foreign grass: grass still gets it
    assert merged("RRRRRR RmhhhR RRRhhR RRRRRR", replace(RULES, elsewhere_px=2)) == "RRRRRR RhhhhR RRRhhR RRRRRR"
    assert merged("RRRR RmmR RRRR") == "RRRR RRRR RRRR"


def test_built_ground_absorbs_as_a_last_resort_only():
    assert merged("BBBBBBB BBsBBBB BBhhhhh") == "BBBBBBB BBhBBBB BBhhhhh"
    assert merged("BBBBBB BBssBB BBBBBB") == "BBBBBB BBBBBB BBBBBB"


def test_weights_of_last_resorts_come_from_the_rules():
    rules = replace(RULES, into_built=100, into_ossature=100)
    assert merged("BBBBBBB BBsBBBB BBhhhhh", rules) == "BBBBBBB BBBBBBB BBhhhhh"
    assert merged("RRRR RmmR RRhh hhhh", rules) == "RRRR RRRR RRhh hhhh"


def test_hemmed_in_house_is_kept_from_the_evidence_minimum_on():
    assert merged("hhhhhBBBhhhhh") == "hhhhhBBBhhhhh"
    assert merged("hhhhhBBhhhhhh") == "hhhhhhhhhhhhh"


def test_built_piece_below_its_minimum_joins_the_built_ground_it_touches():
    # with its neighbour of another usage, rather than the grass of its own usage around it
    assert merged("hhhhhhhhhhhh hAAABBBBBBhh hhhhhhhhhhhh") == "hhhhhhhhhhhh hBBBBBBBBBhh hhhhhhhhhhhh"


def test_kept_house_that_comes_to_touch_built_ground_is_examined_again():
    # the strip between road and houses has built neighbours only: it goes to the longer border, A, which then
    # touches B; B is below the built minimum and joins A
    picture = "RRRRRRRRRR RAAAAmBBBR RAAAARRRRR RRRRRRRRRR"
    assert merged(picture) == "RRRRRRRRRR RAAAARBBBR RAAAARRRRR RRRRRRRRRR"
    assert merged(picture, replace(RULES, into_built=1)) == "RRRRRRRRRR RAAAAAAAAR RAAAARRRRR RRRRRRRRRR"


def test_domain_too_small_for_any_minimum_is_left_as_it_is():
    assert merged("hh.fff.b") == "hh.fff.b"
    assert merged("hhff.ccccc") == "ffff.ccccc"


def test_unknown_cover_takes_the_longest_border():
    assert merged("hhhhh???hhhhh fffffffffffff") == "hhhhhfffhhhhh fffffffffffff"
    assert merged("hhhhh? fffff?") == "hhhhhf ffffff"


def test_unknown_cover_keeps_its_own_usage():
    runs = merged("hhhhhhhh huuuuuuh hhhhhhhh")
    assert runs == "hhhhhhhh hggggggh hhhhhhhh"


def test_unknown_cover_among_unknown_waits_for_its_neighbour():
    assert merged("hhhhhh??uuuuu") == "hhhhhhhhggggg"
    assert merged("?????uuuuu") == "?????uuuuu"


def test_unknown_beside_the_ossature_takes_its_cover_but_is_not_ossature():
    # 6 sides of road; sealed ground of the road's usage is what it becomes, a region of its own
    before = runs_of("RRRRRRRR ????????")
    graph = region_graph(before)
    result = absorb(graph, RULES)
    assert result.key[result.root].tolist() == [LEGEND["R"], value(SEALED, US3)]


def test_pool_is_absorbed_by_the_key_around_it():
    assert merged("hhhhhhhh hhpphhhh hhphhhhh hhhhhhhh") == "hhhhhhhh hhhhhhhh hhhhhhhh hhhhhhhh"


def test_large_pool_takes_the_fallback_cover_and_the_usage_around_it():
    assert merged("hhhhhhhh hhppphhh hhppphhh hhhhhhhh") == "hhhhhhhh hhssshhh hhssshhh hhhhhhhh"


def test_large_greenhouse_keeps_its_own_usage():
    runs = runs_of("hhhhhhhh hhqqqhhh hhqqqhhh hhhhhhhh")
    graph = region_graph(runs)
    result = absorb(graph, RULES)
    assert result.key[result.root].tolist() == [LEGEND["h"], value(SEALED, US2)]


def test_large_pool_beside_ground_of_its_new_key_is_one_region_with_it():
    # the sealed strip alone is too small; together with the pool, which is sealed ground of the same usage, it stays
    graph = region_graph(runs_of("hhhhhhhhh hssppppph hhhpppphh hhhhhhhhh"))
    result = absorb(graph, RULES)
    assert result.root.tolist() == [0, 1, 1]
    assert merged("hhhhhhhhh hssppppph hhhpppphh hhhhhhhhh") == "hhhhhhhhh hsssssssh hhhsssshh hhhhhhhhh"


def whole_clusters(picture: str, *, cut: str, kept: str, rules: MinimumAreas = RULES) -> bool:
    runs = runs_of(picture)
    graph = region_graph(runs)
    where = [picture[int(start)] for start in runs.start]  # one row: a run is a region
    return clusters_are_whole(
        graph,
        rules,
        cut=np.array([name in cut for name in where]),
        kept=np.array([name in kept for name in where]),
    )


def test_cluster_cut_by_the_window_must_not_reach_what_is_kept():
    # three undersized neighbours are one cluster; stable grass on both sides separates
    assert not whole_clusters("ffccmmhhhhh", cut="f", kept="m")
    assert whole_clusters("ffccmmhhhhh", cut="f", kept="h")
    assert whole_clusters("ffccchhhhhhmm", cut="f", kept="m")


def test_stable_region_may_be_cut_and_kept():
    assert whole_clusters("hhhhhhff", cut="h", kept="h")
    assert not whole_clusters("hhhhhhff", cut="f", kept="hf")


def test_unknown_cover_is_unstable_whatever_its_area():
    assert not whole_clusters("hhhhh????????", cut="?", kept="?")


def test_minimum_areas_of_the_scenes_are_ordered():
    assert MINIMUM.built_evidence_px < MINIMUM.built_px
    assert MINIMUM.zone_px < MINIMUM.elsewhere_px
