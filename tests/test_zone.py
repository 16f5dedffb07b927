"""Zone construite: Euclidean dilation and erosion on 1 m cells, small parts and holes removed."""

from __future__ import annotations

import numpy as np
import pytest
from engine_oracle import zone_cells
from engine_scenes import dense
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from ocsge.grid import Window
from ocsge.regions.runs import runs_of_strips
from ocsge.regions.shapes import Channel
from ocsge.regions.zone import ZoneConstruite, built_cells, metre_window, zone_construite, zone_intervals

PLAIN = ZoneConstruite(dilation_m=25, erosion_m=15, minimum_area_m2=0, minimum_hole_m2=0)
fixed = settings(max_examples=60, derandomize=True, deadline=None)


def zone(built: np.ndarray, rules: ZoneConstruite) -> np.ndarray:
    return dense(zone_construite(built, rules)) == 1


def one_cell(size: int = 121) -> np.ndarray:
    built = np.zeros((size, size), dtype=bool)
    built[size // 2, size // 2] = True
    return built


@fixed
@given(st.integers(0, 10_000), st.floats(0.0005, 0.05), st.sampled_from([0, 1, 2.5, 7, 12.3]), st.floats(0, 9))
def test_zone_is_the_one_of_euclidean_distance_maps(seed, density, dilation, erosion):
    built = np.random.default_rng(seed).random((60, 75)) < density
    rules = ZoneConstruite(dilation_m=dilation, erosion_m=erosion, minimum_area_m2=30, minimum_hole_m2=20)
    assert np.array_equal(zone(built, rules), zone_cells(built, rules))


@pytest.mark.parametrize("radius", [1, 5, 25, 25.5, 30])
def test_dilation_is_exactly_the_distance_map_of_scipy(radius):
    built = np.random.default_rng(8).random((150, 130)) < 0.001
    rules = ZoneConstruite(dilation_m=radius, erosion_m=0, minimum_area_m2=0, minimum_hole_m2=0)
    assert np.array_equal(zone(built, rules), distance_transform_edt(~built) <= radius)


def test_lone_building_gets_a_disc_of_dilation_less_erosion():
    found = zone(one_cell(), PLAIN)
    row, col = np.indices(found.shape) - 60
    distance = np.hypot(row, col)
    assert found[distance <= 9].all()
    assert not found[distance > 11].any()


def test_buildings_less_than_twice_the_dilation_apart_share_a_zone():
    built = np.zeros((101, 161), dtype=bool)
    built[50, [60, 100]] = True
    assert zone(built, PLAIN)[50, 60:101].all()
    built[50, 100], built[50, 120] = False, True
    assert not zone(built, PLAIN)[50, 90]


def test_part_below_its_minimum_is_removed_and_one_at_it_is_kept():
    area = int(zone(one_cell(), PLAIN).sum())
    for minimum, expected in ((area, area), (area + 1, 0)):
        rules = ZoneConstruite(dilation_m=25, erosion_m=15, minimum_area_m2=minimum, minimum_hole_m2=0)
        assert zone(one_cell(), rules).sum() == expected


def test_hole_below_its_minimum_is_filled_and_one_at_it_is_kept():
    built = np.ones((60, 60), dtype=bool)
    built[20:30, 20:30] = False
    for minimum, expected in ((100, 3500), (101, 3600)):
        rules = ZoneConstruite(dilation_m=0, erosion_m=0, minimum_area_m2=0, minimum_hole_m2=minimum)
        assert zone(built, rules).sum() == expected


def test_no_building_no_zone():
    assert not zone(np.zeros((30, 30), dtype=bool), PLAIN).any()


def test_cell_is_built_when_its_centre_pixel_is():
    pixels = np.zeros((10, 15), np.uint8)
    pixels[2, 7] = 1
    pixels[5:10, 0:2] = 1
    runs = runs_of_strips([pixels], width=15)
    cells = built_cells(runs, window=Window(row=-50, col=35, height=10, width=15), pixels_per_m=5)
    assert cells.tolist() == [[False, True, False], [False, False, False]]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_zone_comes_back_to_the_pixels_of_any_window(n):
    cells = np.random.default_rng(3).random((30, 40)) < 0.4
    zone_window = Window(row=-12, col=7, height=30, width=40)
    runs = runs_of_strips([cells.astype(np.uint8)], width=40)
    fine = np.kron(cells, np.ones((n, n), dtype=bool))
    window = Window(row=-12 * n - 3, col=7 * n + 4, height=33 * n + 6, width=20 * n - 1)
    intervals = zone_intervals(runs, zone_window=zone_window, window=window, pixels_per_m=n)
    found = np.zeros((window.height, window.width), dtype=bool)
    for r in range(window.height):
        for i in range(intervals.row_ptr[r], intervals.row_ptr[r + 1]):
            found[r, intervals.start[i] : intervals.stop[i]] = True
    expected = np.zeros_like(found)
    expected[3 : 3 + len(fine)] = fine[: window.height - 3, 4 : 4 + window.width]
    assert np.array_equal(found, expected)
    assert set(intervals.channel.tolist()) == {Channel.ZONE}


def test_metre_window_covers_the_window_on_whole_metres():
    window = Window(row=-13, col=9, height=10, width=3)
    assert metre_window(window, 5) == Window(row=-3, col=1, height=3, width=2)
    assert metre_window(window, 1) == window
