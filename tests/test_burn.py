"""Burning: pixels whose centre is inside, shared edges shared out, windows cut from one whole."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from engine_scenes import dense, random_blob, tessellation
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.features import rasterize

from ocsge.grid import Grid, Window
from ocsge.regions.burn import Intervals, burn
from ocsge.regions.shapes import Channel, Shapes
from ocsge.regions.sweep import painted_runs

GRID = Grid(epsg=2154, pixels_per_m=5)
WINDOW = Window(row=-31_800_000, col=3_300_000, height=230, width=310)
X0, Y1 = WINDOW.col / 5, -WINDOW.row / 5
seeds = st.integers(0, 1_000_000)
fixed = settings(max_examples=40, derandomize=True, deadline=None)


def shapes_of(*geometries: shapely.Geometry, values: list[int] | None = None) -> Shapes:
    return Shapes.from_geometries(
        np.array(geometries, dtype=object),
        channel=Channel.COVER,
        values=np.array(values or range(1, len(geometries) + 1), dtype=np.uint16),
    )


def array(intervals: Intervals, window: Window) -> np.ndarray:
    """Return the values painted, 0 where nothing is."""
    out = np.zeros((window.height, window.width), np.int64)
    for r in range(window.height):
        for i in range(intervals.row_ptr[r], intervals.row_ptr[r + 1]):
            out[r, intervals.start[i] : intervals.stop[i]] = intervals.value[i]
    return out


def times_painted(intervals: Intervals, window: Window) -> np.ndarray:
    out = np.zeros((window.height, window.width), np.int64)
    for r in range(window.height):
        for i in range(intervals.row_ptr[r], intervals.row_ptr[r + 1]):
            out[r, intervals.start[i] : intervals.stop[i]] += 1
    return out


def burned(*geometries: shapely.Geometry, window: Window = WINDOW) -> np.ndarray:
    return array(burn(shapes_of(*geometries), grid=GRID, window=window), window)


def random_geometries(seed: int, count: int = 12) -> list[shapely.Geometry]:
    rng = np.random.default_rng(seed)
    box = shapely.box(*GRID.bounds_of(WINDOW))
    found = [random_blob(rng, box, 0.3, 40) for _ in range(count)]
    return [g for g in found if not g.is_empty and g.geom_type in ("Polygon", "MultiPolygon")]


@fixed
@given(seeds)
def test_burning_agrees_with_rasterio_on_pixel_centres(seed):
    geometries = random_geometries(seed)
    expected = rasterize(
        [(g, k + 1) for k, g in enumerate(geometries)],
        out_shape=(WINDOW.height, WINDOW.width),
        transform=Affine(0.2, 0, X0, 0, -0.2, Y1),
        all_touched=False,
        dtype="int32",
    )
    assert np.array_equal(burned(*geometries), expected)


@fixed
@given(seeds, st.integers(2, 30))
def test_shapes_that_share_edges_neither_overlap_nor_leave_gaps(seed, count):
    box = shapely.box(*GRID.bounds_of(WINDOW))
    cells = tessellation(np.random.default_rng(seed), box, count)
    assert np.all(times_painted(burn(shapes_of(*cells), grid=GRID, window=WINDOW), WINDOW) == 1)


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.05])
def test_triangles_with_edges_through_pixel_centres_share_the_pixels_out(shift):
    xmin, ymin, xmax, ymax = GRID.bounds_of(WINDOW)
    corners = [(xmin, ymin), (xmax, ymin), (xmax, ymax), (xmin, ymax)]
    centre = (xmin + 30 + shift, ymin + 20 + shift)
    triangles = [shapely.Polygon([corners[k], corners[k - 3], centre]) for k in range(4)]
    assert np.all(times_painted(burn(shapes_of(*triangles), grid=GRID, window=WINDOW), WINDOW) == 1)


def test_edge_on_pixel_centres_gives_the_pixel_to_one_side_only():
    left = shapely.box(X0, Y1 - 2, X0 + 1.1, Y1)
    right = shapely.box(X0 + 1.1, Y1 - 2, X0 + 2, Y1)
    painted = times_painted(burn(shapes_of(left, right), grid=GRID, window=WINDOW), WINDOW)
    assert np.all(painted[:10, :10] == 1)
    assert painted.sum() == 100


def test_square_of_two_metres_covers_a_hundred_pixels_of_twenty_centimetres():
    painted = burned(shapely.box(X0 + 1, Y1 - 4, X0 + 3, Y1 - 2))
    assert painted.sum() == 100
    assert np.all(painted[10:20, 5:15] == 1)


def test_hole_is_left_out_and_parts_are_all_painted():
    ring = shapely.box(X0, Y1 - 4, X0 + 4, Y1).difference(shapely.box(X0 + 1, Y1 - 3, X0 + 3, Y1 - 1))
    parts = shapely.MultiPolygon([ring, shapely.box(X0 + 1.4, Y1 - 2.4, X0 + 2.4, Y1 - 1.4)])
    painted = burned(parts)
    assert painted.sum() == 20 * 20 - 10 * 10 + 5 * 5
    assert painted[6, 6] == 0
    assert painted[9, 9] == 1


def test_later_shape_is_painted_over_an_earlier_one():
    below, above = shapely.box(X0, Y1 - 4, X0 + 4, Y1), shapely.box(X0 + 2, Y1 - 4, X0 + 6, Y1)
    assert burned(below, above)[0, 9:12].tolist() == [1, 2, 2]
    assert burned(above, below)[0, 19:22].tolist() == [2, 1, 1]


def test_shape_thinner_than_a_pixel_and_off_its_centre_paints_nothing():
    assert burned(shapely.box(X0 + 0.11, Y1 - 4, X0 + 0.19, Y1)).sum() == 0


@fixed
@given(seeds, st.integers(1, 80), st.integers(0, 100), st.integers(0, 200))
def test_window_burns_the_very_pixels_of_the_whole(seed, size, down, right):
    geometries = random_geometries(seed)
    part = Window(row=WINDOW.row + down, col=WINDOW.col + right, height=size, width=size + 3)
    whole = burned(*geometries)
    assert np.array_equal(burned(*geometries, window=part), whole[down : down + size, right : right + size + 3])


def test_shapes_far_from_the_window_are_not_burned():
    intervals = burn(shapes_of(shapely.box(X0 - 9, Y1, X0 - 8, Y1 + 1)), grid=GRID, window=WINDOW)
    assert len(intervals.start) == 0
    assert intervals.row_ptr.tolist() == [0] * (WINDOW.height + 1)


def test_no_shapes_give_no_intervals():
    none = Shapes.from_geometries(np.empty(0, object), channel=Channel.COVER, values=np.empty(0, np.uint16))
    assert len(burn(none, grid=GRID, window=WINDOW).start) == 0
    assert len(Shapes.concatenated([none, Shapes.none()]).channel) == 0


def test_concatenated_shapes_keep_order_channels_and_holes():
    holed = shapely.box(X0, Y1 - 4, X0 + 4, Y1).difference(shapely.box(X0 + 1, Y1 - 3, X0 + 3, Y1 - 1))
    plain = shapely.box(X0 + 10, Y1 - 4, X0 + 14, Y1)
    together = Shapes.concatenated([shapes_of(holed, values=[7]), Shapes.none(), shapes_of(plain, values=[9])])
    painted = array(burn(together, grid=GRID, window=WINDOW), WINDOW)
    assert np.count_nonzero(painted == 7) == 300
    assert np.count_nonzero(painted == 9) == 400
    assert together.shape_offsets.tolist() == [0, 2, 3]


def test_polygons_with_a_third_dimension_burn_flat():
    flat = shapely.box(X0, Y1 - 4, X0 + 4, Y1)
    assert np.array_equal(burned(shapely.force_3d(flat, 12.0)), burned(flat))


def test_shapes_come_back_as_saved_and_the_same_shapes_give_the_same_bytes(tmp_path):
    shapes = shapes_of(*random_geometries(3))
    shapes.save(tmp_path / "a.arrays")
    shapes.save(tmp_path / "b.arrays")
    again = Shapes.load(tmp_path / "a.arrays")
    for name in Shapes.__slots__:
        assert np.array_equal(getattr(again, name), getattr(shapes, name))
    assert (tmp_path / "a.arrays").read_bytes() == (tmp_path / "b.arrays").read_bytes()


@fixed
@given(seeds)
def test_runs_of_a_channel_hold_what_was_painted_last(seed):
    geometries = random_geometries(seed)
    shapes = Shapes.concatenated(
        [
            shapes_of(*geometries, values=list(range(len(geometries)))),
            Shapes.from_geometries(
                np.array(geometries[:3], dtype=object), channel=Channel.PARK, values=np.full(3, 9, np.uint16)
            ),
        ]
    )
    found = dense(
        painted_runs(burn(shapes, grid=GRID, window=WINDOW), channel=Channel.COVER, width=WINDOW.width, unpainted=255)
    )
    expected = burned(*geometries) - 1
    assert np.array_equal(found, np.where(expected < 0, 255, expected))
