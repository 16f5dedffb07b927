"""Zones of any vector file: layer, names, CRS, invalid geometries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import pytest
import shapely
from small_commune import BOW_TIE, box, write

from ocsge.errors import CrsError, GeometryError, LayerError, ParameterError
from ocsge.zones import Zones, read_zones

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

A, B = box(0, 0, 50, 100), box(50, 0, 100, 100)


def zones(
    geometries: Sequence[shapely.Geometry | None] = (A, B), *, crs: int | None = 2154, **columns: Sequence[object]
) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(columns, geometry=list(geometries), crs=crs)


def read(path: Path, **options: object) -> Zones:
    return read_zones(path, **{"epsg": 2154, **options})  # type: ignore[arg-type]


def test_each_feature_is_a_zone_named_by_its_identifier_in_the_file(tmp_path: Path) -> None:
    found = read(write(tmp_path / "z.gpkg", z=zones()))
    assert found.frame["zone"].tolist() == ["1", "2"]
    assert found.frame.area.tolist() == [5000, 5000]
    assert found.warnings == ()


def test_features_of_one_name_are_one_zone_and_what_they_share_counts_once(tmp_path: Path) -> None:
    frame = zones([B, A, box(40, 0, 60, 100)], name=["U", "A", "U"])
    found = read(write(tmp_path / "z.gpkg", z=frame), name_field="name").frame.set_index("zone")
    assert found.index.tolist() == ["U", "A"]
    assert found.area.tolist() == [6000, 5000]


def test_a_name_that_is_a_number_becomes_text(tmp_path: Path) -> None:
    found = read(write(tmp_path / "z.gpkg", z=zones(code=[7, 8])), name_field="code")
    assert found.frame["zone"].tolist() == ["7", "8"]


def test_zones_in_another_crs_are_reprojected(tmp_path: Path) -> None:
    found = read(write(tmp_path / "z.gpkg", z=zones().to_crs(4326)))
    assert found.frame.crs.to_epsg() == 2154
    assert found.frame.area.tolist() == pytest.approx([5000, 5000], rel=1e-6)


def test_zones_without_crs_are_refused_unless_it_is_given(tmp_path: Path) -> None:
    bare = write(tmp_path / "z.shp", z=zones())
    bare.with_suffix(".prj").unlink()
    with pytest.raises(CrsError, match="declares no CRS; give it with --assume-crs"):
        read(bare)
    assert len(read(bare, assume_crs=2154).frame) == 2


def test_coordinates_that_cannot_belong_to_the_crs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CrsError, match="are outside"):
        read(write(tmp_path / "z.gpkg", z=zones(crs=2975)))


def test_an_invalid_zone_is_repaired_and_told_or_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "z.gpkg", z=zones([A, BOW_TIE]))
    found = read(path)
    assert found.frame.area.tolist() == [5000, 800]
    assert "1 invalid zones repaired, 800.0 m² moved" in found.warnings[0]
    with pytest.raises(GeometryError, match="feature 2"):
        read(path, invalid="stop")


def test_features_without_polygon_are_left_out_and_told(tmp_path: Path) -> None:
    line = shapely.LineString([(664000, 6360000), (664010, 6360010)])
    found = read(write(tmp_path / "z.gpkg", z=zones([A, None, line])))
    assert found.frame["zone"].tolist() == ["1"]
    assert "2 features without polygon are left out" in found.warnings[0]


def test_a_layer_must_be_named_when_there_are_several(tmp_path: Path) -> None:
    path = write(tmp_path / "z.gpkg", plu=zones(), rest=zones([A]))
    with pytest.raises(ParameterError, match="say which layer holds the zones; layers found: plu, rest"):
        read(path)
    assert len(read(path, layer="rest").frame) == 1
    with pytest.raises(ParameterError, match="has no layer 'psmv'"):
        read(path, layer="psmv")


def test_a_field_that_is_not_there_or_null_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "z.gpkg", z=zones(name=["U", None]))
    with pytest.raises(ParameterError, match="has no field 'libelle'; fields found: name"):
        read(path, name_field="libelle")
    with pytest.raises(LayerError, match="feature 2: its name is null"):
        read(path, name_field="name")


@pytest.mark.parametrize("geometries", [[None], [shapely.Point(664000, 6360000)]])
def test_a_layer_without_polygon_is_refused(tmp_path: Path, geometries: list[shapely.Geometry | None]) -> None:
    with pytest.raises(LayerError, match=r"holds no polygon|where polygons are expected"):
        read(write(tmp_path / "z.gpkg", z=zones(geometries)))
