from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from label_rasters import Labels, connected, drawing, label_rasters, random_classes, runs_of

from ocsge.regions.corners import arc_corners, corner_graph, list_arcs
from ocsge.regions.simplify import simplify_arcs

TOLERANCES = st.sampled_from([0.7, 1.5, 3.0, 10.0])
Path = list[tuple[int, int]]


def simplified(labels: Labels, tolerance_px: float) -> list[tuple[tuple[int, int], Path, Path]]:
    """Return (left, right), original and simplified corners (row, column) of every arc."""
    graph = corner_graph(*runs_of(labels), width=labels.shape[1])
    arcs = list_arcs(graph)
    chosen = np.arange(len(arcs.start))
    ptr, corner = arc_corners(graph, arcs, chosen)
    keep = simplify_arcs(graph, arcs, chosen, ptr, corner, tolerance_px=tolerance_px)
    at = list(zip(graph.row[corner].tolist(), graph.col[corner].tolist(), strict=True))
    found = []
    for a, (first, stop) in enumerate(pairwise(ptr.tolist())):
        kept = [at[p] for p in range(first, stop) if keep[p]]
        found.append(((int(arcs.left[a]), int(arcs.right[a])), at[first:stop], kept))
    return found


def border(labels: Labels, pair: tuple[int, int], tolerance_px: float) -> Path:
    """Return the simplified corners of the only arc between two labels."""
    (path,) = [kept for sides, _, kept in simplified(labels, tolerance_px) if sorted(sides) == sorted(pair)]
    return path


BUMP = drawing("AAAAAA", "AABBAA", "BBBBBB", "BBBBBB")
BAY = drawing("AAAAAAA", "AABBBAA", "AABBBAA", "AABBBAA", *["BBBBBBB"] * 4)
BAY_WITH_ISLAND = drawing("AAAAAAA", "AABBBAA", "AABCBAA", "AABBBAA", *["BBBBBBB"] * 4)


def test_a_bump_within_the_tolerance_is_straightened() -> None:
    assert border(BUMP, (0, 1), 1.0) == [(2, 0), (2, 6)]


def test_a_bump_beyond_the_tolerance_keeps_its_farthest_corners() -> None:
    assert border(BUMP, (0, 1), 0.9) == [(2, 0), (1, 2), (2, 6)]
    assert border(BUMP, (0, 1), 0.4) == [(2, 0), (2, 2), (1, 2), (1, 4), (2, 4), (2, 6)]


def test_a_zero_tolerance_keeps_every_corner() -> None:
    assert all(original == kept for _, original, kept in simplified(BAY_WITH_ISLAND, 0))


def test_a_bay_is_closed_when_nothing_is_inside() -> None:
    assert border(BAY, (0, 1), 3.0) == [(4, 0), (4, 7)]


def test_a_bay_is_not_closed_over_an_island() -> None:
    path = border(BAY_WITH_ISLAND, (0, 1), 3.0)
    island = shapely.box(3, 2, 4, 3)
    assert len(path) > 2
    water = shapely.Polygon([(c, r) for r, c in path])
    assert water.is_valid
    assert shapely.contains_properly(water, island)


def test_a_chord_may_not_pass_through_the_corner_of_an_island() -> None:
    # the chord from (4, 1) to (8, 5) passes exactly through (6, 3), the south-west corner of C
    top, middle, bottom = ["DBBBBBBBB"] * 4, ["ABBBBBBBB"] * 4, ["AAAAAEEEE"] * 4
    assert border(drawing(*top, *middle, *bottom), (0, 1), 3.0) == [(4, 1), (8, 5)]
    middle[1] = "ABBCBBBBB"
    assert border(drawing(*top, *middle, *bottom), (0, 1), 3.0) == [(4, 1), (8, 1), (8, 5)]
    middle[1] = "ABBBCBBBB"
    assert border(drawing(*top, *middle, *bottom), (0, 1), 3.0) == [(4, 1), (8, 5)]


def test_a_strip_on_a_straight_border_keeps_a_corner() -> None:
    strip = drawing("BBBBBBB", "BBAAABB", "CCCCCCC")
    assert border(strip, (0, 2), 10.0) == [(2, 2), (2, 5)]
    assert border(strip, (0, 1), 10.0) == [(2, 2), (1, 2), (2, 5)]


def test_two_arcs_with_the_same_ends_both_keep_a_corner() -> None:
    lens = drawing("BBBBBBB", "BBAAABB", "CCAAACC", "CCCCCCC")
    assert border(lens, (0, 1), 10.0) == [(2, 2), (1, 2), (2, 5)]
    assert border(lens, (0, 2), 10.0) == [(2, 2), (3, 2), (2, 5)]


def test_a_far_arc_with_the_same_ends_does_not_keep_a_near_one_bent() -> None:
    # the border of B and C with the outside goes far around; only A's own two borders could meet
    labels = drawing("BBBBBBBBB", "BBBBBBBBB", "BBBAABBBB", "CCCAACCCC", "CCCAACCCC", "CCCAACCCC", "CCCAACCCC")
    assert border(labels, (0, 1), 1.0) == [(3, 3), (3, 5)]


def test_an_isolated_pixel_keeps_a_triangle() -> None:
    ((_, _, kept),) = simplified(drawing("...", ".A.", "..."), 10.0)
    assert kept == [(1, 1), (1, 2), (2, 2), (1, 1)]


def test_a_closed_arc_at_a_node_keeps_a_triangle() -> None:
    for _, _, kept in simplified(drawing("A.", ".B"), 10.0):
        assert len(kept) == 4
        assert shapely.Polygon(kept).area == pytest.approx(0.5)


@settings(deadline=None, max_examples=150)
@given(label_rasters(), TOLERANCES)
def test_dropped_corners_are_within_the_tolerance_of_their_chord(labels: Labels, tolerance_px: float) -> None:
    for _, original, kept in simplified(labels, tolerance_px):
        assert (original[0], original[-1]) == (kept[0], kept[-1])
        at = 0
        for corner in original[1:]:
            chord = shapely.LineString([kept[at], kept[at + 1]])
            assert chord.distance(shapely.Point(corner)) <= tolerance_px + 1e-9
            at += corner == kept[at + 1]


@settings(deadline=None, max_examples=150)
@given(label_rasters(), TOLERANCES)
def test_arcs_meet_at_their_ends_only(labels: Labels, tolerance_px: float) -> None:
    arcs = [kept for _, _, kept in simplified(labels, tolerance_px)]
    lines = shapely.linestrings(
        [p for arc in arcs for p in arc], indices=np.repeat(range(len(arcs)), [len(a) for a in arcs])
    )
    assert shapely.is_simple(lines).all()
    tree = shapely.STRtree(lines)
    for i, j in tree.query(lines, predicate="intersects").T:
        if i < j:
            shared = {arcs[i][0], arcs[i][-1]} & {arcs[j][0], arcs[j][-1]}
            meeting = shapely.intersection(lines[i], lines[j])
            points = {(int(r), int(c)) for r, c in shapely.get_coordinates(meeting)}
            assert points == shared
            assert shapely.length(meeting) == 0


@settings(deadline=None, max_examples=100)
@given(label_rasters(smallest=3, largest=30), TOLERANCES)
def test_no_corner_is_swept_over(labels: Labels, tolerance_px: float) -> None:
    graph = corner_graph(*runs_of(labels), width=labels.shape[1])
    corners = set(zip(graph.row.tolist(), graph.col.tolist(), strict=True))
    for _, original, kept in simplified(labels, tolerance_px):
        at = 0
        for first, last in pairwise(kept):
            end = original.index(last, at + 1)
            stretch = original[at : end + 1]
            assert stretch[0] == first
            at = end
            if len(stretch) > 2:
                # lines overlaid on themselves cut the plane into the faces between stretch and chord
                faces = shapely.get_parts(
                    shapely.polygonize([shapely.union_all(shapely.LineString([*stretch, first]))])
                )
                foreign = shapely.points(sorted(corners - set(stretch)) or np.empty((0, 2)))
                enclosed = shapely.union_all(faces)
                assert not shapely.intersects(enclosed, foreign).any()


def test_simplification_is_the_same_with_more_rows_above() -> None:
    labels = connected(random_classes(3, 30, 30, 4, 1.0))
    lower = {(tuple(o), tuple(k)) for _, o, k in simplified(labels, 1.5)}
    below = np.pad(labels, ((7, 0), (0, 0)), constant_values=-1)
    moved = {(tuple((r - 7, c) for r, c in o), tuple((r - 7, c) for r, c in k)) for _, o, k in simplified(below, 1.5)}
    assert lower == moved
