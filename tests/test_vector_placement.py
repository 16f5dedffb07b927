"""Which layer of a file is meant, and where its features lie."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import geopandas as gpd
import pytest
import shapely
from layer_fixtures import square
from pyproj import CRS

from ocsge.errors import CrsError, LayerError
from ocsge.vector_files import list_vector_layers
from ocsge.vector_placement import crs_of, names_of, only_layer, placed, same_crs, spatial_layers

if TYPE_CHECKING:
    from pathlib import Path

OLEMPS = shapely.Point(664_392, 6_360_610)


def frame(*shapes: shapely.Geometry, epsg: int = 2154) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"nom": ["x"] * len(shapes)}, geometry=list(shapes), crs=epsg)


def written(path: Path, *layers: str, epsg: int = 2154) -> Path:
    for layer in layers:
        frame(square(), epsg=epsg).to_file(path, layer=layer, engine="pyogrio")
    return path


def test_the_one_layer_with_geometries_is_taken(tmp_path: Path) -> None:
    path = written(tmp_path / "zac.gpkg", "zac")
    assert only_layer(path, what="a perimeter").name == "zac"


def test_several_layers_are_refused_and_named(tmp_path: Path) -> None:
    path = written(tmp_path / "plan.gpkg", "zac", "zup")
    assert names_of(spatial_layers(path)) == "zac, zup"
    with pytest.raises(LayerError, match=r"plan.gpkg: a perimeter is one layer of polygons; layers found: zac, zup$"):
        only_layer(path, what="a perimeter")


def test_no_layer_is_said() -> None:
    assert names_of(()) == "none"


def test_a_layer_that_declares_no_crs_takes_the_assumed_one_and_no_other(tmp_path: Path) -> None:
    bare = replace(only_layer(written(tmp_path / "zac.gpkg", "zac"), what="a perimeter"), crs=None)
    assert crs_of(bare, assume_crs=2154, where="bare").to_epsg() == 2154
    with pytest.raises(CrsError, match=r"^bare: declares no CRS; give it with --assume-crs, for instance 2154$"):
        crs_of(bare, assume_crs=None, where="bare")
    (told,) = list_vector_layers(written(tmp_path / "told.gpkg", "told", epsg=2975))
    assert crs_of(told, assume_crs=2154, where="told").to_epsg() == 2975


def test_an_assumed_crs_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    bare = replace(only_layer(written(tmp_path / "zac.gpkg", "zac"), what="a perimeter"), crs=None)
    with pytest.raises(CrsError, match="CRS 999999 is not known"):
        crs_of(bare, assume_crs=999_999, where="bare")


def test_features_of_the_crs_asked_for_stay_as_they_are() -> None:
    given = frame(OLEMPS)
    found, reprojected = placed(given, crs=CRS.from_epsg(2154), epsg=2154, where="w")
    assert (found.geometry.iloc[0], reprojected) == (OLEMPS, 0)
    assert same_crs(CRS.from_epsg(2154), 2154)
    assert not same_crs(CRS.from_epsg(2154), 2975)


def test_features_of_another_crs_are_reprojected_and_counted() -> None:
    degrees = frame(OLEMPS).to_crs(4326)
    found, reprojected = placed(degrees, crs=CRS.from_epsg(4326), epsg=2154, where="w")
    assert reprojected == 1
    assert found.geometry.iloc[0].distance(OLEMPS) < 0.001


def test_coordinates_that_cannot_be_expressed_are_refused() -> None:
    with pytest.raises(CrsError, match="w: coordinates cannot be expressed in EPSG:2154"):
        placed(frame(shapely.Point(0, 95), epsg=4326), crs=CRS.from_epsg(4326), epsg=2154, where="w")
