"""The pixel lattice: global rows and columns, windows, tiles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocsge.errors import ParameterError
from ocsge.grid import Grid, Window, pixels_reaching

COSIA = Grid(epsg=2154, pixels_per_m=5)
WINDOWS = st.builds(
    Window,
    row=st.integers(-5000, 5000),
    col=st.integers(-5000, 5000),
    height=st.integers(1, 3000),
    width=st.integers(1, 3000),
)


@pytest.mark.parametrize(("resolution_m", "pixels_per_m"), [(0.2, 5), (0.25, 4), (0.5, 2), (1.0, 1), (0.1, 10)])
def test_a_pixel_is_a_whole_fraction_of_a_metre(resolution_m: float, pixels_per_m: int) -> None:
    grid = Grid.at_resolution(epsg=2154, resolution_m=resolution_m)
    assert grid.pixels_per_m == pixels_per_m
    assert grid.resolution_m == pytest.approx(resolution_m)
    assert grid.pixel_area_m2 == pytest.approx(resolution_m**2)


@pytest.mark.parametrize("resolution_m", [0.3, 0.0, -0.2, 2.0, 0.7])
def test_a_resolution_that_does_not_divide_the_metre_is_refused(resolution_m: float) -> None:
    with pytest.raises(ParameterError, match=r"whole number of pixels \(0.2, 0.25, 0.5 or 1\)"):
        Grid.at_resolution(epsg=2154, resolution_m=resolution_m)


def test_the_minimum_areas_in_pixels_of_cosia() -> None:
    assert [COSIA.pixels(area) for area in (50, 200, 500, 2500)] == [1250, 5000, 12500, 62500]


def test_a_number_of_pixels_reaches_the_area() -> None:
    assert COSIA.pixels(0.05) == 2
    assert COSIA.pixels(0.04) == 1
    assert COSIA.pixels(0.0) == 0


def test_the_area_of_pixels_is_one_division() -> None:
    assert COSIA.area_m2(np.array([0, 1, 25, 62500])).tolist() == [0.0, 0.04, 1.0, 2500.0]


def test_rows_grow_southwards_and_columns_eastwards() -> None:
    window = COSIA.window_of((664000, 6360000, 664001, 6360002))
    assert window == Window(row=-6360002 * 5, col=664000 * 5, height=10, width=5)
    assert (window.bottom, window.right) == (-6360000 * 5, 664001 * 5)


def test_a_window_covers_bounds_that_are_not_on_the_lattice() -> None:
    assert COSIA.window_of((0.05, 0.05, 0.25, 0.15)) == Window(row=-1, col=0, height=1, width=2)


def test_bounds_a_hair_past_an_edge_do_not_take_another_pixel() -> None:
    assert COSIA.window_of((0.2, 0.2, 0.4 + 1e-9, 0.4 + 1e-9)) == Window(row=-2, col=1, height=1, width=1)


@given(WINDOWS)
def test_a_window_is_the_window_of_its_bounds(window: Window) -> None:
    assert COSIA.window_of(COSIA.bounds_of(window)) == window


def test_two_extents_share_their_pixels() -> None:
    small, large = COSIA.window_of((10, 10, 11, 11)), COSIA.window_of((3, 2, 20, 21))
    assert (small.row - large.row, small.col - large.col) == (50, 35)


@pytest.mark.parametrize(("height", "width"), [(0, 1), (1, 0), (-1, 5)])
def test_an_empty_window_is_refused(height: int, width: int) -> None:
    with pytest.raises(ParameterError, match="empty window"):
        Window(row=0, col=0, height=height, width=width)


def test_a_halo_stops_at_the_edge_of_the_run() -> None:
    whole = Window(row=0, col=0, height=100, width=100)
    core = Window(row=0, col=40, height=20, width=20)
    assert core.grown(10, within=whole) == Window(row=0, col=30, height=30, width=40)
    assert core.grown(1000, within=whole) == whole


def test_tiles_are_anchored_to_multiples_of_their_side() -> None:
    tiles = Window(row=-5, col=8, height=10, width=4).tiles(10)
    assert tiles == [
        Window(row=-5, col=8, height=5, width=2),
        Window(row=-5, col=10, height=5, width=2),
        Window(row=0, col=8, height=5, width=2),
        Window(row=0, col=10, height=5, width=2),
    ]


@given(WINDOWS, st.integers(700, 2000))
def test_tiles_cover_a_window_once(window: Window, side_px: int) -> None:
    tiles = window.tiles(side_px)
    assert sum(tile.height * tile.width for tile in tiles) == window.height * window.width
    assert min(tile.row for tile in tiles) == window.row
    assert max(tile.right for tile in tiles) == window.right
    assert len({(tile.row, tile.col) for tile in tiles}) == len(tiles)
    assert all(tile.row // side_px == (tile.bottom - 1) // side_px for tile in tiles)


def test_a_split_covers_the_window_once_with_sides_about_equal_and_seams_on_whole_metres() -> None:
    window = Window(row=-100, col=35, height=60, width=130)
    parts = window.split(50, step_px=5)
    assert [(part.row, part.col, part.height, part.width) for part in parts[:3]] == [
        (-100, 35, 30, 45),
        (-100, 80, 30, 40),
        (-100, 120, 30, 45),
    ]
    assert sum(part.height * part.width for part in parts) == 60 * 130
    assert all((part.row - window.row) % 5 == 0 and (part.col - window.col) % 5 == 0 for part in parts)


@pytest.mark.parametrize(
    ("height", "width", "parts", "sides"),
    [
        (10, 30, 3, [(10, 10)] * 3),
        (30, 10, 3, [(10, 10)] * 3),
        (20, 20, 4, [(10, 10)] * 4),
        (20, 20, 2, [(10, 20)] * 2),
        (20, 20, 1, [(20, 20)]),
    ],
)
def test_a_window_is_divided_along_its_shortest_seams(
    height: int, width: int, parts: int, sides: list[tuple[int, int]]
) -> None:
    shares = Window(row=-7, col=3, height=height, width=width).divided(parts, step_px=5)
    assert [(share.height, share.width) for share in shares] == sides
    assert (shares[0].row, shares[0].col) == (-7, 3)
    assert (shares[-1].bottom, shares[-1].right) == (height - 7, width + 3)


@pytest.mark.parametrize(("area_m2", "pixels"), [(50.0, 1250), (50.01, 1251), (0.04, 1), (0.12, 3), (0.0, 0)])
def test_an_area_is_reached_by_a_whole_number_of_pixels(area_m2: float, pixels: int) -> None:
    assert pixels_reaching(area_m2, per_m2=25) == pixels
    assert Grid(epsg=2154, pixels_per_m=5).pixels(area_m2) == pixels
