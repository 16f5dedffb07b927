"""Pieces: regions cut by commune, counted in pixels, joined over the seams of windows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from engine_scenes import derived, keys, labels, random_scene, same_bytes, without

from ocsge.grid import Window
from ocsge.regions.evidence import (
    COMMUNE_SHIFT,
    DEFAULT_SHIFT,
    OUTSIDE,
    PARK_SHIFT,
    RULE_SHIFT,
    USAGE_SHIFT,
    ZONE_SHIFT,
)
from ocsge.regions.graph import region_graph
from ocsge.regions.minimum_areas import Absorbed
from ocsge.regions.pieces import Pieces, at_edge, pieces_of_window, recoded, stitched
from ocsge.regions.runs import Runs
from ocsge.regions.shapes import Channel

GRASS, TREES, SEALED = 12, 7, 2


def value(
    cover: int, *, commune: int = 0, rule: int = 0, zone: int = 0, park: int = 0, plant: int = 0, default: int = 0
) -> int:
    return (
        cover | 3 << USAGE_SHIFT | zone << ZONE_SHIFT | rule << RULE_SHIFT | commune << COMMUNE_SHIFT
        | park << PARK_SHIFT | plant << (PARK_SHIFT + 1) | default << DEFAULT_SHIFT
    )  # fmt: skip


def runs_of(rows: list[list[int]]) -> Runs:
    array = np.array(rows, dtype=np.uint32)
    starts = [[0, *(np.flatnonzero(np.diff(row.astype(np.int64))) + 1)] for row in array]
    return Runs(
        row_ptr=np.cumsum([0, *map(len, starts)]).astype(np.int64),
        start=np.concatenate(starts).astype(np.int32),
        value=np.concatenate([row[start] for row, start in zip(array, starts, strict=True)]),
        width=array.shape[1],
    )


def pieces(rows: list[list[int]], *, core: Window | None = None) -> Pieces:
    """Return the pieces of evidence that nothing merges."""
    evidence = runs_of(rows)
    graph = region_graph(evidence)
    n = len(graph.key)
    as_it_is = Absorbed(root=np.arange(n, dtype=np.int32), key=graph.key)
    window = Window(row=0, col=0, height=len(rows), width=len(rows[0]))
    return pieces_of_window(evidence, graph, as_it_is, window=window, core=core or window)


def key(cover: int) -> int:
    return cover | 3 << USAGE_SHIFT


def test_commune_border_cuts_a_region_into_pieces_that_sum_to_it():
    found = pieces([[value(GRASS, commune=1)] * 3 + [value(GRASS, commune=2)] * 2])
    assert found.key.tolist() == [key(GRASS)] * 2
    assert found.commune.tolist() == [1, 2]
    assert found.area_px.tolist() == [3, 2]


def test_pieces_of_one_commune_that_do_not_touch_are_two():
    a, b = value(GRASS, commune=1), value(GRASS, commune=2)
    assert pieces([[a, b, a]]).area_px.tolist() == [1, 1, 1]


def test_touching_at_a_corner_does_not_connect():
    a, b = value(GRASS), value(TREES)
    assert pieces([[a, b], [b, a]]).area_px.tolist() == [1, 1, 1, 1]


def test_piece_holds_pixels_by_cover_rule_and_flag():
    found = pieces(
        [
            [value(GRASS, rule=4), value(GRASS, rule=4, park=1), value(GRASS, rule=63, plant=1, zone=1)],
            [value(GRASS, rule=4, park=1), value(GRASS, park=1, plant=1), value(GRASS, rule=4, default=1)],
        ]
    )
    assert found.area_px.tolist() == [6]
    assert found.rule_px[0, [0, 4, 63]].tolist() == [1, 4, 1]
    assert found.flag_px.tolist() == [[3, 2, 1, 1]], "park, plant, both, default cover"
    assert found.in_zone.tolist() == [True]
    assert found.cover_px[0, GRASS] == 6


def test_core_keeps_its_own_pixels_only():
    rows = [[value(GRASS)] * 6 for _ in range(5)]
    core = Window(row=1, col=2, height=3, width=2)
    found = pieces(rows, core=core)
    assert found.area_px.tolist() == [6]
    assert found.runs.width == 2
    assert found.runs.height == 3


def test_ground_outside_the_domain_belongs_to_no_piece():
    found = pieces([[OUTSIDE, value(GRASS), OUTSIDE, value(GRASS)]])
    assert labels(found).tolist() == [[-1, 0, -1, 1]]


def test_new_keys_join_neighbours_of_one_commune_only():
    rows = [[value(GRASS, commune=1), value(TREES, commune=1), value(TREES, commune=2), value(SEALED, commune=2)]]
    before = pieces(rows)
    after, became = recoded(before, np.array([key(TREES)] * 3 + [key(SEALED)], dtype=np.int32))
    assert became.tolist() == [0, 0, 1, 2]
    assert after.area_px.tolist() == [2, 1, 1]
    assert after.commune.tolist() == [1, 2, 2]
    assert after.cover_px[0, [GRASS, TREES]].tolist() == [1, 1]
    assert after.runs.start.tolist() == [0, 2, 3]


def test_same_keys_change_nothing():
    before = pieces([[value(GRASS), value(TREES)], [OUTSIDE, value(SEALED)]])
    after, became = recoded(before, before.key)
    assert same_bytes(after, before)
    assert became.tolist() == [0, 1, 2]


def test_piece_over_a_seam_becomes_one_and_pixels_add_up():
    whole = Window(row=0, col=0, height=2, width=4)
    left = pieces([[value(GRASS)] * 2, [value(TREES)] * 2])
    right = pieces([[value(GRASS)] * 2, [value(GRASS)] * 2])
    joined = stitched(
        [(Window(row=0, col=0, height=2, width=2), left), (Window(row=0, col=2, height=2, width=2), right)],
        window=whole,
    )
    assert labels(joined).tolist() == [[0, 0, 0, 0], [1, 1, 0, 0]]
    assert joined.area_px.tolist() == [6, 2]
    assert joined.runs.start.tolist() == [0, 0, 2]


def test_pieces_that_meet_in_another_window_become_one():
    top = pieces([[value(GRASS), value(TREES), value(GRASS)]])
    bottom = pieces([[value(GRASS)] * 3])
    both = stitched(
        [(Window(row=0, col=0, height=1, width=3), top), (Window(row=1, col=0, height=1, width=3), bottom)],
        window=Window(row=0, col=0, height=2, width=3),
    )
    assert both.area_px.tolist() == [5, 1]


@pytest.mark.parametrize("seed", [4, 5, 8])
def test_order_of_the_windows_does_not_matter(seed):
    scene = random_scene(seed, side=(60, 70))
    cores = scene.window.tiles(25)
    forward = derived(scene, cores=cores, halo_px=20).pieces
    assert same_bytes(derived(scene, cores=cores[::-1], halo_px=20).pieces, forward)


def test_pieces_come_back_as_saved_and_give_the_same_bytes(tmp_path):
    found = derived(random_scene(1)).pieces
    found.save(tmp_path / "a.arrays")
    found.save(tmp_path / "b.arrays")
    again = Pieces.load(tmp_path / "a.arrays")
    assert same_bytes(again, found)
    assert (tmp_path / "a.arrays").read_bytes() == (tmp_path / "b.arrays").read_bytes()


@pytest.mark.parametrize("seed", range(10))
def test_commune_border_changes_no_minimum_area(seed):
    scene = random_scene(seed)
    plain = replace(scene, shapes=without(scene.shapes, Channel.COMMUNE))
    assert np.array_equal(keys(derived(plain).pieces), keys(derived(scene).pieces))


def test_piece_is_at_the_edge_when_it_touches_the_limit_or_ground_left_out():
    g, t, s = value(GRASS), value(TREES), value(SEALED)
    found = pieces([[g, g, g, g, g], [g, t, g, s, g], [g, g, OUTSIDE, g, g], [g, t, g, t, g], [g, g, g, g, g]])
    assert at_edge(found).tolist() == [True, False, False, False, False]
    found = pieces([[g, g, g, g], [g, t, OUTSIDE, g], [g, s, g, g], [g, g, g, g]])
    assert at_edge(found).tolist() == [True, True, False]
