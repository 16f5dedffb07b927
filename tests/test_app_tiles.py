"""Tiles of a map file written by hand: four squares of two degrees, one in each quarter of the world."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import numpy as np
import pyogrio
import pytest

from app.tiles import LAYER, MAX_ZOOM, _web_mercator, tile
from ocsge.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    import geopandas as gpd

WORLD_M = 40_075_016.685578488
QUARTERS = {"nw": (-90, 45), "ne": (90, 45), "sw": (-90, -45), "se": (90, -45)}
"""Longitude and latitude of the centre of each square."""


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Return the map file of the four squares, a line each, as map files are written."""
    lines = []
    for name, (x, y) in QUARTERS.items():
        ring = [[x - 1, y - 1], [x + 1, y - 1], [x + 1, y + 1], [x - 1, y + 1], [x - 1, y - 1]]
        feature = {
            "type": "Feature",
            "properties": {"id": name, "s": f"carré {name}"},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }
        lines.append(json.dumps(feature, separators=(",", ":"), ensure_ascii=False))
    text = '{"type":"FeatureCollection","features":[\n' + ",\n".join(lines) + "\n]}\n"
    path = tmp_path / "polygons.geojson.gz"
    path.write_bytes(gzip.compress(text.encode()))
    return path


def read(content: bytes, folder: Path) -> gpd.GeoDataFrame:
    """Return the shapes of a tile, in its own units."""
    path = folder / "tile.mvt"
    path.write_bytes(content)
    return pyogrio.read_dataframe(path, layer=LAYER)


def test_the_tile_of_the_world_holds_every_square_with_its_texts(world: Path, tmp_path: Path) -> None:
    frame = read(tile(world, 0, 0, 0), tmp_path)
    assert dict(zip(frame["id"], frame["s"], strict=True)) == {name: f"carré {name}" for name in QUARTERS}


@pytest.mark.parametrize(("x", "y", "name"), [(0, 0, "nw"), (1, 0, "ne"), (0, 1, "sw"), (1, 1, "se")])
def test_a_quarter_of_the_world_holds_its_own_square(x: int, y: int, name: str, world: Path, tmp_path: Path) -> None:
    frame = read(tile(world, 1, x, y), tmp_path)
    assert frame["id"].tolist() == [name]


def test_a_square_lies_in_the_middle_of_its_quarter_from_west_to_east(world: Path, tmp_path: Path) -> None:
    """Two of the 180 degrees of a tile of 4 096 units: 45.5 units about the middle, 2 048."""
    west, _, east, _ = read(tile(world, 1, 0, 0), tmp_path).total_bounds
    assert (west + east) / 2 == pytest.approx(2048, abs=2)
    assert east - west == pytest.approx(4096 * 2 / 180, abs=2)


def test_a_square_is_whole_in_the_deepest_tile_that_lies_in_it(world: Path, tmp_path: Path) -> None:
    """The centre of the north-eastern square is at three quarters of the width of the world."""
    column = 3 * 2**MAX_ZOOM // 4
    row = int((1 - np.arcsinh(np.tan(np.radians(45))) / np.pi) / 2 * 2**MAX_ZOOM)
    frame = read(tile(world, MAX_ZOOM, column, row), tmp_path)
    assert frame["id"].tolist() == ["ne"]
    assert frame.geometry.iloc[0].area >= 4096**2


def test_where_the_file_shows_nothing_no_shape_is_sent(world: Path) -> None:
    assert len(tile(world, 3, 3, 3)) < 60


def test_the_projection_of_the_web_makes_the_world_a_square() -> None:
    points = _web_mercator(np.array([[0.0, 0.0], [180.0, 85.05112877980659], [-180.0, -85.05112877980659]]))
    assert points == pytest.approx(np.array([[0, 0], [1, 1], [-1, -1]]) * WORLD_M / 2, abs=1e-3)


@pytest.mark.parametrize("content", [b"", b"not gzip", gzip.compress(b'{"type":"FeatureCollection"')[:-5]])
def test_a_file_that_is_empty_foreign_or_cut_is_told(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cut.geojson.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read"):
        tile(path, 0, 0, 0)


def test_a_file_that_was_removed_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.geojson\.gz: cannot be read"):
        tile(tmp_path / "gone.geojson.gz", 0, 0, 0)
