"""An area of interest keeps the pixels whose centre lies in it, whatever window they are looked at in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from ocsge.errors import CrsError, LayerError
from ocsge.grid import Grid, Window
from ocsge.segment.area import AreaPixels, read_area

if TYPE_CHECKING:
    from pathlib import Path

GRID = Grid.at_resolution(epsg=2154, resolution_m=0.2)
ROW, COL = -31_400_000, 3_850_000
SHAPE = shapely.Point(770_006.03, 6_279_994.07).buffer(5.01).difference(shapely.Point(770_007, 6_279_995).buffer(1.3))


def window(row: int, col: int, height: int, width: int) -> Window:
    return Window(row=ROW + row, col=COL + col, height=height, width=width)


def written(path: Path, shapes: list[shapely.Geometry], crs: int = 2154, layer: str = "a") -> Path:
    gpd.GeoDataFrame(geometry=shapes, crs=crs).to_file(path, layer=layer)
    return path


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 30), st.integers(1, 30))
def test_a_pixel_is_in_when_its_centre_is(row: int, col: int, height: int, width: int) -> None:
    pixels = AreaPixels(shapely.to_wkb(SHAPE), grid=GRID)
    part = window(row, col, height, width)
    x = (part.col + np.arange(width) + 0.5) * 0.2
    y = -(part.row + np.arange(height) + 0.5) * 0.2
    inside = pixels.inside(part)
    assert (inside == shapely.contains_xy(SHAPE, *np.meshgrid(x, y))).all()
    assert pixels.meets(part) or not inside.any()


def test_a_window_within_the_area_is_in_without_being_drawn() -> None:
    pixels = AreaPixels(shapely.to_wkb(shapely.box(770_000, 6_279_990, 770_010, 6_280_000)), grid=GRID)
    assert pixels.inside(window(5, 5, 20, 20)).all()
    assert not pixels.meets(window(500, 5, 20, 20))


def test_the_polygons_of_a_file_are_one_area_in_the_crs_of_the_imagery(tmp_path: Path) -> None:
    boxes = [shapely.box(3.0, 46.5, 3.001, 46.501), shapely.box(3.001, 46.5, 3.002, 46.501)]
    area, digest = read_area(written(tmp_path / "a.gpkg", boxes, crs=4326), epsg=2154)
    # three degrees east and 46.5 north are the origin of Lambert-93
    assert area.bounds[0] == pytest.approx(700_000, abs=0.01)
    assert area.bounds[1] == pytest.approx(6_600_000, abs=0.1)
    assert shapely.from_wkb(area.wkb).geom_type == "Polygon"
    assert len(digest) == 64


def test_the_digest_is_that_of_the_ground_not_of_the_file(tmp_path: Path) -> None:
    halves = [shapely.box(0, 0, 5, 10), shapely.box(5, 0, 10, 10)]
    one = read_area(written(tmp_path / "a.gpkg", halves), epsg=2154)[1]
    two = read_area(written(tmp_path / "b.fgb", halves[::-1]), epsg=2154)[1]
    other = read_area(written(tmp_path / "c.gpkg", halves[:1]), epsg=2154)[1]
    assert one == two != other


def test_a_file_that_is_no_area_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LayerError, match="no polygon"):
        read_area(written(tmp_path / "points.gpkg", [shapely.Point(0, 0)]), epsg=2154)
    two = written(tmp_path / "two.gpkg", [SHAPE])
    written(two, [SHAPE], layer="b")
    with pytest.raises(LayerError, match="2 layers"):
        read_area(two, epsg=2154)
    bare = tmp_path / "bare.shp"
    gpd.GeoDataFrame(geometry=[SHAPE], crs=2154).to_file(bare)
    bare.with_suffix(".prj").unlink()
    with pytest.raises(CrsError, match="declares no CRS"):
        read_area(bare, epsg=2154)
