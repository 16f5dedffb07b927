"""A pixel of the imagery has one height, whatever window and however many files it is read from."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ortho_scenes import write_image

from ocsge.errors import CrsError, RasterError
from ocsge.grid import Grid, Window
from ocsge.segment.altitudes import Altitudes, place_altitudes

if TYPE_CHECKING:
    from pathlib import Path

GRID = Grid.at_resolution(epsg=2154, resolution_m=0.2)
ROW, COL = -31_400_000, 3_850_000


def read(altitudes: Altitudes, window: Window) -> np.ndarray:
    with ExitStack() as stack:
        return altitudes.read(window, grid=GRID, dataset_of=lambda path: stack.enter_context(rasterio.open(path)))


def window(row: int, col: int, height: int, width: int) -> Window:
    return Window(row=ROW + row, col=COL + col, height=height, width=width)


def test_a_slope_stays_a_slope_between_the_centres_of_its_pixels(tmp_path: Path) -> None:
    # pixels of 1 m whose value is the x of their centre: 0.5, 1.5, …
    values = np.tile(np.arange(20) + 0.5, (20, 1)).astype(np.float32)[None]
    altitudes = place_altitudes([write_image(tmp_path / "a.tif", values, resolution_m=1)], kind="mnt", grid=GRID)
    found = read(altitudes, window(10, 10, 3, 60))
    assert np.allclose(found, (np.arange(10, 70) + 0.5) * 0.2)


def test_beyond_the_outermost_centres_the_value_is_that_of_the_last_pixel_then_unknown(tmp_path: Path) -> None:
    values = np.full((1, 4, 4), 7.0, np.float32)
    altitudes = place_altitudes([write_image(tmp_path / "a.tif", values, resolution_m=1)], kind="mnt", grid=GRID)
    found = read(altitudes, window(-5, 0, 10, 1))[:, 0]
    assert (found[5:] == 7).all()
    assert np.isnan(found[:2]).all()


def test_unknown_pixels_do_not_leak_into_their_neighbours(tmp_path: Path) -> None:
    values = np.full((1, 10, 10), 12.0, np.float32)
    values[0, 4:6, 4:6] = -9999
    path = write_image(tmp_path / "a.tif", values, resolution_m=1, nodata=-9999)
    found = read(place_altitudes([path], kind="mns", grid=GRID), window(0, 0, 50, 50))
    assert np.isnan(found[23:27, 23:27]).all()
    assert set(found[~np.isnan(found)]) == {12.0}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.tuples(*[st.integers(0, 40)] * 2, *[st.integers(1, 12)] * 2), st.sampled_from([0.0, 0.25, 0.35]))
def test_the_height_of_a_pixel_does_not_depend_on_the_window(
    tmp_path: Path, part: tuple[int, int, int, int], shift_m: float
) -> None:
    values = np.random.default_rng(0).normal(100, 20, (1, 30, 30)).astype(np.float32)
    path = write_image(tmp_path / "a.tif", values, xmin=770000 + shift_m, resolution_m=0.5)
    altitudes = place_altitudes([path], kind="mns", grid=GRID)
    whole = read(altitudes, window(0, 0, 60, 60))
    row, col, height, width = part
    expected = whole[row : row + height, col : col + width]
    assert np.array_equal(read(altitudes, window(*part)), expected, equal_nan=True)


def test_several_files_are_one_surface(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(100, 20, (1, 20, 20)).astype(np.float32)
    whole = place_altitudes([write_image(tmp_path / "whole.tif", values, resolution_m=1)], kind="mns", grid=GRID)
    west = write_image(tmp_path / "west.tif", values[..., :9], resolution_m=1)
    east = write_image(tmp_path / "east.tif", values[..., 9:], xmin=770009, resolution_m=1)
    parts = place_altitudes([west, east], kind="mns", grid=GRID)
    assert np.array_equal(read(whole, window(0, 0, 90, 90)), read(parts, window(0, 0, 90, 90)), equal_nan=True)
    assert parts.paths(window(0, 0, 5, 5), grid=GRID) == [west]
    assert parts.paths(window(0, 44, 5, 5), grid=GRID) == [east, west]


def test_flairs_steps_are_read_as_metres(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.tif", np.full((1, 20, 20), 15, np.uint8))
    assert set(read(place_altitudes([path], kind="elevation", grid=GRID), window(2, 2, 5, 5)).ravel()) == {3.0}


@pytest.mark.parametrize(
    ("values", "profile", "error", "said"),
    [
        (np.zeros((2, 4, 4), np.float32), {}, RasterError, r"2 band\(s\) of float32"),
        (np.zeros((1, 4, 4), np.uint8), {}, RasterError, r"1 band\(s\) of uint8; --mns takes one band of metres"),
        (np.zeros((1, 4, 4), np.float32), {"epsg": 2975}, CrsError, "not the imagery's EPSG:2154"),
        (np.zeros((1, 4, 4), np.float32), {"resolution_m": 1 / 3}, RasterError, "whole millimetres"),
    ],
)
def test_a_raster_that_is_no_altitude_is_refused(
    tmp_path: Path, values: np.ndarray, profile: dict[str, object], error: type[Exception], said: str
) -> None:
    path = write_image(tmp_path / "a.tif", values, **{"resolution_m": 1, **profile})
    with pytest.raises(error, match=said):
        place_altitudes([path], kind="mns", grid=GRID)


def test_files_that_do_not_continue_one_another_are_refused(tmp_path: Path) -> None:
    values = np.zeros((1, 4, 4), np.float32)
    paths = [
        write_image(tmp_path / "a.tif", values, resolution_m=1),
        write_image(tmp_path / "b.tif", values, xmin=770010.5, resolution_m=1),
    ]
    with pytest.raises(RasterError, match=r"do not continue those of a\.tif"):
        place_altitudes(paths, kind="mns", grid=GRID)
    with pytest.raises(RasterError, match="no file for --mns"):
        place_altitudes([], kind="mns", grid=GRID)
