from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio.features
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from label_rasters import Labels, connected, drawing, framed, label_rasters, random_classes, runs_of

from ocsge.errors import OcsgeError
from ocsge.grid import Grid, Window
from ocsge.regions.polygons import trace_polygons

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNIT = Grid(epsg=2154, pixels_per_m=1)
FINE = Grid(epsg=2154, pixels_per_m=5)
TOLERANCES = st.sampled_from([0.0, 0.7, 1.5, 3.0, 10.0])


def trace(
    labels: Labels,
    tolerance_px: float = 0.0,
    *,
    wanted: NDArray[np.bool_] | None = None,
    grid: Grid = UNIT,
    row: int = 0,
    col: int = 0,
) -> NDArray[np.object_]:
    """Draw a label raster; with ``UNIT`` at row 0 and column 0, x is the column and y minus the row."""
    height, width = labels.shape
    return trace_polygons(
        *runs_of(labels),
        wanted=np.ones(int(labels.max()) + 1, dtype=bool) if wanted is None else wanted,
        grid=grid,
        window=Window(row=row, col=col, height=height, width=width),
        tolerance_px=tolerance_px,
    )


def holes(polygons: NDArray[np.object_]) -> list[int]:
    return shapely.get_num_interior_rings(polygons).tolist()


def pixels(labels: Labels) -> NDArray[np.int64]:
    return np.bincount(labels[labels >= 0], minlength=int(labels.max()) + 1)


def interlocked(polygons: NDArray[np.object_]) -> None:
    """Assert that polygons are valid, do not overlap and share every vertex along their borders."""
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)
    together = shapely.area(shapely.union_all(polygons))
    assert shapely.area(polygons).sum() == pytest.approx(together, abs=1e-7)


def test_a_square_is_drawn_counter_clockwise_from_its_north_west_corner() -> None:
    (square,) = trace(drawing("....", ".AA.", ".AA."))
    assert list(square.exterior.coords) == [(1, -1), (1, -3), (3, -3), (3, -1), (1, -1)]


def test_coordinates_are_whole_pixels_divided_by_pixels_per_metre() -> None:
    (pixel,) = trace(drawing("A"), grid=FINE, row=-33_000_001, col=3_500_003)
    assert pixel.bounds == (3_500_003 / 5, 33_000_000 / 5, 3_500_004 / 5, 33_000_001 / 5)


def test_a_hole_is_drawn_clockwise_from_its_north_west_corner() -> None:
    (donut,) = trace(drawing("AAA", "A.A", "AAA"))
    assert [list(ring.coords) for ring in donut.interiors] == [[(1, -1), (2, -1), (2, -2), (1, -2), (1, -1)]]
    assert donut.area == 8


def test_nested_pieces_have_one_hole_each_and_the_innermost_none() -> None:
    polygons = trace(drawing("AAAAA", "ABBBA", "ABCBA", "ABBBA", "AAAAA"))
    assert holes(polygons) == [1, 1, 0]
    assert shapely.area(polygons).tolist() == [16, 8, 1]


def test_several_holes_come_in_the_order_of_their_first_corner() -> None:
    (sieve,) = trace(drawing("AAAAAAA", "AAAAA.A", "A.AAAAA", "AAA.AAA", "AAAAAAA"))
    assert [ring.coords[0] for ring in sieve.interiors] == [(5, -1), (1, -2), (3, -3)]


def test_a_ring_closed_at_a_checkerboard_corner_is_an_outer_ring_and_a_hole() -> None:
    ring, inside = trace(drawing("AAA", "ABA", "AA."))
    assert holes(np.array([ring, inside])) == [1, 0]
    (knot,) = trace(drawing("AAA.", "A.A.", "AA..", "...."))
    assert list(knot.exterior.coords) == [
        (0, 0),
        (0, -3),
        (2, -3),
        (2, -2),
        (3, -2),
        (3, 0),
        (0, 0),
    ]
    assert [list(hole.coords) for hole in knot.interiors] == [[(1, -1), (2, -1), (2, -2), (1, -2), (1, -1)]]


def test_pieces_that_meet_at_a_checkerboard_corner_stay_apart() -> None:
    interlocked(trace(drawing("AB", "CD")))
    first, second = trace(drawing("A.", ".B"))
    assert first.touches(second)
    assert (first.area, second.area) == (1, 1)


def test_holes_that_touch_at_a_corner_are_two_holes() -> None:
    (piece,) = trace(drawing("AAAA", "A.AA", "AA.A", "AAAA"))
    assert holes(np.array([piece])) == [2]
    assert piece.is_valid


def test_a_spiral_is_one_ring() -> None:
    labels = drawing("AAAAAA", ".....A", "AAAA.A", "A..A.A", "A.AA.A", "A....A", "AAAAAA")
    (spiral,) = trace(labels)
    assert holes(np.array([spiral])) == [0]
    assert spiral.area == np.count_nonzero(labels == 0)
    for tolerance in (0.7, 1.5, 3.0, 10.0):
        interlocked(trace(labels, tolerance))


@pytest.mark.parametrize(
    "rows", [("AAA.", "..AA", ".AA."), ("..A.", "AAAA", "A.AA", "A.A."), ("AAAA.", "A..AA", "A.AA.", "A.A..")]
)
def test_a_border_that_folds_back_is_not_drawn_across_itself(rows: tuple[str, ...]) -> None:
    for tolerance in (0.7, 1.5, 3.0, 10.0):
        interlocked(trace(drawing(*rows), tolerance))


def test_strips_one_pixel_wide_stay_valid_at_any_tolerance() -> None:
    labels = np.repeat(np.arange(8, dtype=np.int32)[:, None], 30, axis=1)
    for tolerance in (0.7, 1.5, 3.0, 10.0):
        interlocked(trace(framed(labels, 1), tolerance))
    diagonal = connected((np.add.outer(np.arange(20), np.arange(20)) // 2) % 3)
    for tolerance in (0.7, 1.5, 3.0, 10.0):
        interlocked(trace(diagonal, tolerance))


def test_two_pieces_that_share_two_arcs_with_the_same_ends_keep_an_area() -> None:
    labels = drawing("BBBBBBB", "BBAAABB", "CCAAACC", "CCCCCCC")
    polygons = trace(labels, 10.0)
    interlocked(polygons)
    assert polygons[0].equals(shapely.Polygon([(2, -2), (2, -3), (5, -2), (2, -1)]))


def test_pieces_that_are_not_wanted_or_have_no_pixel_are_none() -> None:
    polygons = trace(drawing("AB"), wanted=np.array([False, True, True]))
    assert [polygon is None for polygon in polygons] == [True, False, True]


def test_nothing_wanted_gives_nothing() -> None:
    assert trace(drawing("AB"), 1.0, wanted=np.zeros(2, dtype=bool)).tolist() == [None, None]


def test_a_piece_in_two_parts_is_refused() -> None:
    with pytest.raises(OcsgeError, match="piece 0 is in several parts"):
        trace(drawing("A.A"))


@settings(deadline=None, max_examples=250)
@given(label_rasters(), TOLERANCES)
def test_polygons_are_valid_and_interlock(labels: Labels, tolerance_px: float) -> None:
    if labels.max() >= 0:
        interlocked(trace(labels, tolerance_px))


@settings(deadline=None, max_examples=100)
@given(label_rasters())
def test_without_tolerance_an_area_is_its_pixel_count(labels: Labels) -> None:
    if labels.max() >= 0:
        assert shapely.area(trace(labels)).tolist() == pixels(labels).tolist()


@settings(deadline=None, max_examples=100)
@given(label_rasters(), TOLERANCES)
def test_inside_a_straight_frame_the_total_area_is_conserved(labels: Labels, tolerance_px: float) -> None:
    outside = labels < 0
    labels = np.where(outside, labels.max() + 1, labels)  # ground outside would not be drawn
    whole = framed(connected(labels), 12)
    polygons = trace(whole, tolerance_px)
    interlocked(polygons)
    assert shapely.area(polygons).sum() == pytest.approx(whole.size, abs=1e-7)
    box = shapely.box(0, -whole.shape[0], whole.shape[1], 0)
    assert shapely.union_all(polygons).equals(box)


@settings(deadline=None, max_examples=100)
@given(label_rasters(), TOLERANCES)
def test_simplification_keeps_every_hole(labels: Labels, tolerance_px: float) -> None:
    if labels.max() >= 0:
        assert holes(trace(labels, tolerance_px)) == holes(trace(labels))


@settings(deadline=None, max_examples=100)
@given(label_rasters(), TOLERANCES)
def test_no_pixel_corner_is_farther_than_the_tolerance_from_the_line_drawn(labels: Labels, tolerance_px: float) -> None:
    if labels.max() >= 0:
        exact, drawn = trace(labels), trace(labels, tolerance_px)
        for before, after in zip(exact, drawn, strict=True):
            corners = shapely.points(shapely.get_coordinates(before))
            assert shapely.distance(corners, after.boundary).max() <= tolerance_px + 1e-9


@settings(deadline=None, max_examples=100)
@given(label_rasters(), TOLERANCES, st.integers(0, 2**32 - 1))
def test_a_piece_is_the_same_whichever_others_are_wanted(labels: Labels, tolerance_px: float, seed: int) -> None:
    wanted = np.random.default_rng(seed).random(int(labels.max()) + 1) < 0.3
    every, some = trace(labels, tolerance_px), trace(labels, tolerance_px, wanted=wanted)
    assert [polygon is not None for polygon in some] == wanted.tolist()
    assert shapely.to_wkb(some[wanted]).tolist() == shapely.to_wkb(every[wanted]).tolist()


@settings(deadline=None, max_examples=50)
@given(label_rasters(), TOLERANCES, st.integers(-(10**8), 10**8), st.integers(-(10**8), 10**8))
def test_geometry_does_not_depend_on_where_the_window_is(
    labels: Labels, tolerance_px: float, row: int, col: int
) -> None:
    here, there = trace(labels, tolerance_px), trace(labels, tolerance_px, row=row, col=col)
    moved = shapely.transform(here, lambda xy: xy + np.array([col, -row]))
    assert shapely.to_wkb(moved).tolist() == shapely.to_wkb(there).tolist()


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.6, 1.0, 2.0]),
    TOLERANCES,
    st.integers(0, 19),
    st.integers(0, 19),
)
def test_a_piece_well_inside_two_windows_is_drawn_the_same_in_both(
    seed: int, smooth: float, tolerance_px: float, row: int, col: int
) -> None:
    labels = connected(random_classes(seed, 50, 50, 5, smooth))
    part = labels[row : row + 30, col : col + 30]
    cut = connected(part.astype(np.int64))
    margin = int(tolerance_px) + 2
    core = np.zeros(labels.shape, dtype=bool)
    core[row + margin : row + 30 - margin, col + margin : col + 30 - margin] = True
    inside = np.setdiff1d(labels[core], labels[~core])
    whole, window = (
        trace(labels, tolerance_px, grid=FINE),
        trace(cut, tolerance_px, grid=FINE, row=row, col=col),
    )
    for piece in inside:
        (alone,) = np.unique(cut[part == piece])
        assert whole[piece].wkb == window[alone].wkb


@settings(deadline=None, max_examples=100)
@given(label_rasters())
def test_without_tolerance_polygons_are_those_of_rasterio(labels: Labels) -> None:
    if labels.max() < 0:
        return
    found = rasterio.features.shapes(labels, mask=labels >= 0, connectivity=4, transform=Affine.scale(1, -1))
    oracle = {int(value): shapely.geometry.shape(geometry) for geometry, value in found}
    polygons = trace(labels)
    assert sorted(oracle) == list(range(len(polygons)))
    for piece, polygon in enumerate(polygons):
        assert polygon.equals(oracle[piece])


@pytest.mark.parametrize("tolerance_px", [0.0, 2.5])
def test_a_thousand_pieces_over_large_patches_interlock(tolerance_px: float) -> None:
    labels = connected(random_classes(11, 600, 600, 5, 4.0))
    polygons = trace(labels, tolerance_px, grid=FINE)
    interlocked(polygons)
    if tolerance_px == 0:
        assert np.allclose(shapely.area(polygons), pixels(labels) / 25)
