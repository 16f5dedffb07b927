"""The patch grid and the dalles are those of the plane: no extent moves them, and every pixel is decided once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocsge.errors import ParameterError
from ocsge.grid import Grid, Window
from ocsge.segment.tiling import PatchGrid, common_window, dalles_of

SIDES = st.integers(min_value=1, max_value=200)
PLACES = st.integers(min_value=-10_000, max_value=10_000)
WINDOWS = st.builds(Window, row=PLACES, col=PLACES, height=SIDES, width=SIDES)
GRIDS = st.builds(
    lambda halo, core: PatchGrid(patch_px=core + 2 * halo, halo_px=halo),
    st.integers(min_value=0, max_value=40),
    st.integers(min_value=7, max_value=90),
)


def counted(cores: list[Window], window: Window) -> np.ndarray:
    """Return how many cores hold each pixel of a window."""
    count = np.zeros((window.height, window.width), dtype=int)
    for core in cores:
        shared = common_window(core, window)
        if shared is not None:
            row, col = shared.row - window.row, shared.col - window.col
            count[row : row + shared.height, col : col + shared.width] += 1
    return count


@settings(deadline=None, max_examples=50)
@given(grid=GRIDS, window=WINDOWS)
def test_the_cores_cover_any_window_once(grid: PatchGrid, window: Window) -> None:
    patches = list(grid.patches(window))
    assert (counted([patch.core for patch in patches], window) == 1).all()
    assert all(common_window(patch.core, window) is not None for patch in patches)


@settings(deadline=None, max_examples=50)
@given(grid=GRIDS, a=WINDOWS, b=WINDOWS)
def test_the_patch_of_a_pixel_does_not_depend_on_the_extent(grid: PatchGrid, a: Window, b: Window) -> None:
    shared = common_window(a, b)
    if shared is None:
        return
    both = set(grid.patches(shared))
    assert both <= set(grid.patches(a))
    assert both <= set(grid.patches(b))


@settings(deadline=None, max_examples=50)
@given(grid=GRIDS, window=WINDOWS, longest=st.integers(min_value=1, max_value=600))
def test_squares_that_are_read_together_hold_each_patch_once_and_all_of_its_halo(
    grid: PatchGrid, window: Window, longest: int
) -> None:
    units = list(grid.units(window, longest_px=longest))
    patches = [patch for unit in units for patch in unit.patches]
    assert sorted(patches, key=repr) == sorted(grid.patches(window), key=repr)
    for unit in units:
        assert all(common_window(patch.read, unit.read) == patch.read for patch in unit.patches)
        assert max(unit.read.height, unit.read.width) <= max(longest, grid.patch_px)


def test_a_patch_of_512_with_a_halo_of_128_keeps_a_quarter_of_its_pixels() -> None:
    grid = PatchGrid(patch_px=512, halo_px=128)
    assert grid.core_px == 256
    (patch,) = grid.patches(Window(row=256, col=-256, height=256, width=256))
    assert patch.core == Window(row=256, col=-256, height=256, width=256)
    assert patch.read == Window(row=128, col=-384, height=512, width=512)


def test_a_halo_that_leaves_no_core_is_refused() -> None:
    with pytest.raises(ParameterError, match="no core"):
        PatchGrid(patch_px=256, halo_px=128)


def test_sides_off_the_stride_of_the_network_are_refused_with_sides_that_would_do() -> None:
    PatchGrid(patch_px=128, halo_px=32).check_stride(32)
    with pytest.raises(ParameterError, match="--patch 128 --halo 32"):
        PatchGrid(patch_px=100, halo_px=20).check_stride(32)


@given(a=WINDOWS, b=WINDOWS)
def test_what_two_windows_share_is_the_same_from_both_sides(a: Window, b: Window) -> None:
    shared = common_window(a, b)
    assert shared == common_window(b, a)
    rows = set(range(a.row, a.bottom)) & set(range(b.row, b.bottom))
    cols = set(range(a.col, a.right)) & set(range(b.col, b.right))
    assert (0 if shared is None else shared.height * shared.width) == len(rows) * len(cols)


def test_a_dalle_bears_the_kilometres_of_its_north_western_corner() -> None:
    grid = Grid.at_resolution(epsg=2154, resolution_m=0.2)
    montpellier = grid.window_of((770549.8, 6277549.8, 770600.2, 6277600.2))
    (dalle,) = dalles_of(montpellier, grid=grid)
    assert dalle.name == "0770_6280"
    assert grid.bounds_of(dalle.window) == (770000.0, 6270000.0, 780000.0, 6280000.0)


def test_dalles_cover_a_window_over_four_of_them_once_from_north_to_south() -> None:
    grid = Grid.at_resolution(epsg=2154, resolution_m=1.0)
    window = grid.window_of((769_000.0, 6_279_000.0, 771_000.0, 6_281_000.0))
    dalles = dalles_of(window, grid=grid)
    assert [dalle.name for dalle in dalles] == ["0760_6290", "0770_6290", "0760_6280", "0770_6280"]
    assert (counted([dalle.window for dalle in dalles], window) == 1).all()
