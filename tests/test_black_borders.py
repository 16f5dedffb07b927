"""Black that reaches the edge of a file is told from black inside, in any window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from ortho_scenes import write_image
from scipy import ndimage

from ocsge.grid import Grid, Window
from ocsge.segment.black_borders import black_border
from ocsge.segment.image_tiles import ImageTile, place_image_tiles

if TYPE_CHECKING:
    from pathlib import Path


def tile_of(path: Path, black: np.ndarray) -> ImageTile:
    image = np.where(black, 0, 9).astype(np.uint8)
    write_image(path, np.stack([image] * 3))
    grid, (tile,) = place_image_tiles([path], product="rvb", resolution_m=0.2)
    assert grid == Grid(epsg=2154, pixels_per_m=5)
    return tile


def flooded(black: np.ndarray) -> np.ndarray:
    """Return what an image library finds: the black regions with a pixel on the edge."""
    label, _ = ndimage.label(black)
    edge = np.concatenate([label[0], label[-1], label[:, 0], label[:, -1]])
    return np.isin(label, edge[edge > 0])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(black=arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))), row=st.integers(0, 5))
def test_the_border_is_what_is_flooded_from_the_edge(tmp_path: Path, black: np.ndarray, row: int) -> None:
    border = black_border(tile_of(tmp_path / "a.tif", black))
    expected = flooded(black)
    height, width = black.shape
    if border is None:
        assert not expected.any()
        return
    whole = Window(row=0, col=0, height=height, width=width)
    assert (border.holes(whole) == expected).all()
    part = Window(row=min(row, height - 1), col=width // 2, height=height - min(row, height - 1), width=1)
    assert (border.holes(part) == expected[part.row :, part.col : part.col + 1]).all()


def test_an_image_without_black_on_its_edge_has_no_border(tmp_path: Path) -> None:
    black = np.zeros((700, 40), dtype=bool)
    black[20:600, 5:30] = True
    assert black_border(tile_of(tmp_path / "a.tif", black)) is None


def test_a_border_runs_on_over_the_strips_it_is_read_in(tmp_path: Path) -> None:
    black = np.zeros((1200, 30), dtype=bool)
    black[:, :3] = True
    black[1100, 3:20] = True  # a strip that only hangs on to the border
    black[300, 10:20] = True  # a roof
    border = black_border(tile_of(tmp_path / "a.tif", black))
    assert border is not None
    holes = border.holes(Window(row=0, col=0, height=1200, width=30))
    assert holes.sum() == 1200 * 3 + 17
    assert not holes[300, 10:20].any()


def test_one_band_alone_is_not_black(tmp_path: Path) -> None:
    image = np.zeros((3, 20, 20), np.uint8)
    image[2] = 1
    write_image(tmp_path / "a.tif", image)
    _, (tile,) = place_image_tiles([tmp_path / "a.tif"], product="rvb", resolution_m=0.2)
    assert black_border(tile) is None
