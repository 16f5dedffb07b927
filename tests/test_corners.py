from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from label_rasters import Labels, drawing, label_rasters, runs_of

from ocsge.regions.adjacency import merged_adjacency, piece_adjacency
from ocsge.regions.corners import Arcs, CornerGraph, arc_corners, corner_graph, list_arcs


def graph_of(labels: Labels) -> CornerGraph:
    return corner_graph(*runs_of(labels), width=labels.shape[1])


def positions(graph: CornerGraph) -> list[tuple[int, int]]:
    return list(zip(graph.row.tolist(), graph.col.tolist(), strict=True))


def paths(labels: Labels) -> tuple[Arcs, list[list[tuple[int, int]]]]:
    graph = graph_of(labels)
    arcs = list_arcs(graph)
    ptr, corner = arc_corners(graph, arcs, np.arange(len(arcs.start)))
    at = positions(graph)
    return arcs, [[at[c] for c in corner[a:b]] for a, b in pairwise(ptr)]


def adjacency(labels: Labels) -> list[list[int]]:
    return piece_adjacency(*runs_of(labels), labels.shape[1], int(labels.max()) + 1).tolist()


def brute_corners(labels: Labels) -> dict[tuple[int, int], tuple[bool, bool, bool, bool]]:
    """Return the borders to the right, down, left, up at each corner that is not inside a straight border."""
    padded = np.pad(labels, 1, constant_values=-1)
    found = {}
    for r in range(labels.shape[0] + 1):
        for c in range(labels.shape[1] + 1):
            nw, ne, sw, se = padded[r, c], padded[r, c + 1], padded[r + 1, c], padded[r + 1, c + 1]
            borders = (ne != se, se != sw, sw != nw, nw != ne)
            if borders not in {(False,) * 4, (True, False, True, False), (False, True, False, True)}:
                found[r, c] = tuple(bool(b) for b in borders)
    return found


def test_a_square_has_its_four_corners_linked_in_a_loop() -> None:
    graph = graph_of(drawing("....", ".AA.", ".AA."))
    assert positions(graph) == [(1, 1), (1, 3), (3, 1), (3, 3)]
    assert graph.link.tolist() == [[1, 2, -1, -1], [-1, 3, 0, -1], [3, -1, -1, 0], [-1, -1, 2, 1]]
    assert graph.row_ptr.tolist() == [0, 0, 2, 2, 4]
    assert not graph.node.any()


def test_the_quadrants_of_a_corner_are_north_east_then_clockwise() -> None:
    graph = graph_of(drawing("AB", "CD"))
    middle = positions(graph).index((1, 1))
    assert graph.quadrant[middle].tolist() == [1, 3, 2, 0]
    assert graph.node[middle]


def test_a_straight_border_across_several_rows_has_no_corner_inside() -> None:
    graph = graph_of(drawing("AAB", "AAB", "AAB"))
    assert positions(graph) == [(0, 0), (0, 2), (0, 3), (3, 0), (3, 2), (3, 3)]


def test_runs_of_equal_piece_side_by_side_leave_no_corner() -> None:
    row_ptr, start, piece = np.array([0, 2, 3]), np.array([0, 1, 0], np.int32), np.zeros(3, np.int32)
    assert positions(corner_graph(row_ptr, start, piece, width=2)) == [(0, 0), (0, 2), (2, 0), (2, 2)]


def test_ground_outside_alone_has_no_corner_and_no_arc() -> None:
    graph = graph_of(drawing("..", ".."))
    assert positions(graph) == []
    assert list_arcs(graph).start.tolist() == []


@settings(deadline=None, max_examples=150)
@given(label_rasters(largest=15))
def test_corners_are_those_a_pixel_by_pixel_search_finds(labels: Labels) -> None:
    graph, expected = graph_of(labels), brute_corners(labels)
    assert positions(graph) == sorted(expected)
    assert [tuple(row) for row in (graph.link >= 0).tolist()] == [expected[at] for at in sorted(expected)]
    assert graph.node.tolist() == [sum(expected[at]) > 2 for at in sorted(expected)]


@settings(deadline=None, max_examples=100)
@given(label_rasters(largest=20))
def test_links_go_both_ways_along_a_row_or_a_column(labels: Labels) -> None:
    graph = graph_of(labels)
    for corner, direction in np.argwhere(graph.link >= 0):
        other = graph.link[corner, direction]
        assert graph.link[other, (direction + 2) % 4] == corner
        step = [(0, 1), (1, 0), (0, -1), (-1, 0)][direction]
        moved = np.array([graph.row[other] - graph.row[corner], graph.col[other] - graph.col[corner]])
        assert np.array_equal(np.sign(moved), step)


def test_two_halves_have_three_arcs_between_the_two_nodes() -> None:
    arcs, path = paths(drawing("AB"))
    assert path == [
        [(0, 1), (0, 2), (1, 2), (1, 1)],
        [(0, 1), (1, 1)],
        [(0, 1), (0, 0), (1, 0), (1, 1)],
    ]
    assert arcs.left.tolist() == [-1, 1, 0]
    assert arcs.right.tolist() == [1, 0, -1]


def test_a_closed_border_starts_at_its_first_corner_towards_the_right() -> None:
    arcs, path = paths(drawing("...", ".A.", "..."))
    assert path == [[(1, 1), (1, 2), (2, 2), (2, 1), (1, 1)]]
    assert (arcs.left.tolist(), arcs.right.tolist()) == ([-1], [0])


def test_an_arc_that_returns_to_its_node_starts_in_its_lower_direction() -> None:
    arcs, path = paths(drawing("A.", ".B"))
    assert path == [
        [(1, 1), (1, 2), (2, 2), (2, 1), (1, 1)],
        [(1, 1), (1, 0), (0, 0), (0, 1), (1, 1)],
    ]
    assert arcs.leave.tolist() == [0, 2]
    assert arcs.back.tolist() == [1, 3]
    assert list(zip(arcs.left.tolist(), arcs.right.tolist(), strict=True)) == [(-1, 1), (-1, 0)]


@settings(deadline=None, max_examples=150)
@given(label_rasters(largest=25))
def test_arcs_hold_every_pixel_side_between_two_labels_once(labels: Labels) -> None:
    arcs, path = paths(labels)
    padded = np.pad(labels, 1, constant_values=-1)
    expected = Counter[tuple[int, int]]()
    for a, b in ((padded[1:], padded[:-1]), (padded[:, 1:], padded[:, :-1])):
        differ = a != b
        low, high = np.minimum(a, b)[differ], np.maximum(a, b)[differ]
        expected.update(zip(low.tolist(), high.tolist(), strict=True))
    measured = Counter[tuple[int, int]]()
    for left, right, corners in zip(arcs.left.tolist(), arcs.right.tolist(), path, strict=True):
        sides = np.abs(np.diff(np.array(corners), axis=0)).sum()
        measured[min(left, right), max(left, right)] += int(sides)
    assert measured == expected
    assert [len(corners) for corners in path] == arcs.size.tolist()
    assert all(corners[0] <= corners[-1] for corners in path)


def test_pieces_side_by_side_share_their_pixel_sides() -> None:
    assert adjacency(drawing("AAB", "AAB", "CCB")) == [[0, 1, 2], [0, 2, 2], [1, 2, 1]]


def test_pieces_that_touch_at_a_point_are_not_adjacent() -> None:
    assert adjacency(drawing("A.", ".B")) == []
    assert adjacency(drawing("AB", "CD")) == [[0, 1, 1], [0, 2, 1], [1, 3, 1], [2, 3, 1]]


def test_a_piece_in_a_hole_shares_its_whole_border() -> None:
    assert adjacency(drawing("AAAA", "ABBA", "AAAA")) == [[0, 1, 6]]


def test_no_piece_has_no_adjacency() -> None:
    assert piece_adjacency(*runs_of(drawing("..")), 2, 0).shape == (0, 3)


@settings(deadline=None, max_examples=150)
@given(label_rasters(largest=40))
def test_adjacency_counts_the_pixel_sides_of_each_pair(labels: Labels) -> None:
    pairs = Counter[tuple[int, int]]()
    for a, b in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        both = (a != b) & (a >= 0) & (b >= 0)
        low, high = np.minimum(a, b)[both], np.maximum(a, b)[both]
        pairs.update(zip(low.tolist(), high.tolist(), strict=True))
    assert adjacency(labels) == [[*pair, pairs[pair]] for pair in sorted(pairs)]


def test_pieces_that_merge_add_up_their_borders() -> None:
    # A and C become one: its border with B is both of theirs, and their own is gone
    before = piece_adjacency(*runs_of(drawing("ABB", "CCB")), 3, 3)
    assert before.tolist() == [[0, 1, 1], [0, 2, 1], [1, 2, 2]]
    assert merged_adjacency(before, np.array([0, 1, 0], dtype=np.int32)).tolist() == [[0, 1, 3]]


@settings(max_examples=60, derandomize=True, deadline=None)
@given(label_rasters())
def test_merged_borders_are_those_of_the_merged_raster(labels: Labels) -> None:
    became = (np.arange(int(labels.max()) + 1) % 3).astype(np.int32)
    merged = np.where(labels >= 0, became[labels], -1)
    count = int(merged.max()) + 1
    found = merged_adjacency(
        piece_adjacency(*runs_of(labels), labels.shape[1], int(labels.max()) + 1), became[: int(labels.max()) + 1]
    )
    assert found.tolist() == piece_adjacency(*runs_of(merged), labels.shape[1], count).tolist()
