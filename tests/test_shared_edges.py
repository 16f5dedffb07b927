"""Neighbours of a coverage and the length they share, whatever the vertices of either side."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from ign_scene import ign_scene
from shapely import affinity

from ocsge.shared_edges import shared_edges


def edges_of(*polygons: shapely.Geometry) -> tuple[list[list[int]], list[int]]:
    found = shared_edges(np.array(polygons, dtype=object))
    return found.adjacency.tolist(), found.free_cm.tolist()


LEFT, RIGHT = shapely.box(0, 0, 10, 10), shapely.box(10, 0, 20, 10)


def test_two_squares_share_a_side() -> None:
    assert edges_of(LEFT, RIGHT) == ([[0, 1, 1000]], [3000, 3000])


def test_a_touch_by_a_point_shares_nothing() -> None:
    assert edges_of(LEFT, shapely.box(10, 10, 20, 20)) == ([], [4000, 4000])


def test_a_vertex_that_one_side_lacks_changes_nothing() -> None:
    more = shapely.Polygon([(10, 0), (20, 0), (20, 10), (10, 10), (10, 7.3), (10, 2.1)])
    assert edges_of(LEFT, more) == ([[0, 1, 1000]], [3000, 3000])


def test_one_side_may_face_several_neighbours() -> None:
    low, high = shapely.box(10, 0, 20, 4), shapely.box(10, 4, 20, 12)
    assert edges_of(LEFT, low, high) == ([[0, 1, 400], [0, 2, 600], [1, 2, 1000]], [3000, 1400, 2000])


def test_a_hole_is_shared_with_what_fills_it() -> None:
    hole = shapely.box(3, 3, 5, 5)
    assert edges_of(LEFT.difference(hole), hole) == ([[0, 1, 800]], [4000, 0])


def test_a_gap_of_less_than_a_centimetre_is_none_and_a_wider_one_is() -> None:
    assert edges_of(LEFT, shapely.box(10.005, 0, 20, 10))[0] == [[0, 1, 1000]]
    assert edges_of(LEFT, shapely.box(10.05, 0, 20, 10))[0] == []


def test_lines_that_part_at_an_angle_share_nothing() -> None:
    assert edges_of(LEFT, shapely.Polygon([(10, 0), (20, 0), (20, 10), (12, 10)]))[0] == []


def test_the_parts_of_a_multipolygon_are_one_row() -> None:
    two = shapely.multipolygons([shapely.box(10, 0, 20, 4), shapely.box(10, 6, 20, 10)])
    assert edges_of(LEFT, two) == ([[0, 1, 800]], [3200, 4800])


def test_polygons_alone_and_no_polygon_have_no_neighbour() -> None:
    assert edges_of(LEFT) == ([], [4000])
    assert edges_of() == ([], [])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("angle", [0, 17.3])
def test_the_neighbours_are_those_of_the_lattice_at_any_angle(seed: int, angle: float) -> None:
    scene = ign_scene(seed)
    shapes = np.array([affinity.rotate(shape, angle, origin=(600_000, 6_300_000)) for shape in scene.frame.geometry])
    found = shared_edges(shapes)
    assert {(one, other) for one, other, _ in found.adjacency.tolist()} == scene.pairs
    boundary = shapely.length(shapely.boundary(scene.frame.geometry.to_numpy())) * 100
    shared = np.zeros(len(shapes))
    np.add.at(shared, found.adjacency[:, 0], found.adjacency[:, 2])
    np.add.at(shared, found.adjacency[:, 1], found.adjacency[:, 2])
    assert np.abs(boundary - shared - found.free_cm).max() <= len(shapes)
    assert found.free_cm.sum() == pytest.approx(scene.frame.union_all().length * 100, abs=len(shapes))
