"""Vector files are read whole or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import shapely
from layer_fixtures import (
    HERE,
    add_raw_geometry,
    buildings,
    circle_wkb,
    cut_in_half,
    measured_wkb,
    open_ring_wkb,
    square,
    vegetation,
    write_gpkg,
    write_shapefile,
)
from pyproj import CRS

from ocsge.errors import CrsError, GeometryError, LayerError, ParameterError
from ocsge.vector_files import (
    RawFeatures,
    check_complete,
    check_plausible,
    list_vector_layers,
    probe_vector_layer,
    read_features,
    text_encodings,
)

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path, layer: str | None = None, *, columns: list[str], stop: bool = False) -> RawFeatures:
    return read_features(path, layer, columns=columns, bbox=None, encoding=None, stop_on_invalid=stop)


def test_layers_of_a_file_are_listed_with_fields_and_crs(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([square()]), haie=vegetation(["Haie"]))
    first, second = list_vector_layers(path)
    assert (first.name, second.name) == ("batiment", "haie")
    assert first.fields == ("cleabs", "nature", "usage_1")
    assert first.crs == "EPSG:2154"
    assert (first.features, first.has_geometry) == (1, True)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LayerError, match="no such file"):
        list_vector_layers(tmp_path / "absent.gpkg")


def test_a_missing_layer_is_refused(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([square()]))
    with pytest.raises(LayerError, match="layer absent: cannot be read"):
        probe_vector_layer(path, "absent")


def test_a_cut_geopackage_is_refused(tmp_path: Path) -> None:
    path = cut_in_half(write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([square(20.0 * n) for n in range(300)])))
    with pytest.raises(LayerError, match=r"bd\.gpkg: truncated"):
        check_complete(path)


def test_a_text_file_named_gpkg_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bd.gpkg"
    path.write_text("<html>not found</html>", encoding="utf-8")
    with pytest.raises(LayerError, match="truncated"):
        check_complete(path)


def test_a_damaged_geopackage_of_the_right_length_is_refused(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([square(20.0 * n) for n in range(300)]))
    whole = bytearray(path.read_bytes())
    whole[200:] = bytes(len(whole) - 200)
    path.write_bytes(bytes(whole))
    with pytest.raises(LayerError, match="cannot be read"):
        list_vector_layers(path)


@pytest.mark.parametrize("part", [".shp", ".dbf", ".shx"])
def test_a_shapefile_with_a_cut_part_is_refused(tmp_path: Path, part: str) -> None:
    path = write_shapefile(tmp_path / "ZONE_DE_VEGETATION.shp", vegetation(["Haie"] * 100))
    cut_in_half(path.with_suffix(part))
    with pytest.raises(LayerError, match=rf"ZONE_DE_VEGETATION\{part}: truncated"):
        check_complete(path)


@pytest.mark.parametrize("part", [".shp", ".dbf"])
def test_a_shapefile_cut_inside_a_header_is_refused(tmp_path: Path, part: str) -> None:
    path = write_shapefile(tmp_path / "haies.shp", vegetation(["Haie"]))
    path.with_suffix(part).write_bytes(b"\x00" * 20)
    with pytest.raises(LayerError, match="truncated"):
        check_complete(path)


def test_whole_files_pass(tmp_path: Path) -> None:
    check_complete(write_shapefile(tmp_path / "haies.shp", vegetation(["Haie"] * 7)))
    check_complete(write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([square()])))


FRENCH = "Forêt de L’Œuvre à 3 €"


@pytest.mark.parametrize("encoding", ["UTF-8", "cp1252"])
def test_text_of_a_shapefile_without_cpg_is_read_in_utf8_and_else_in_cp1252(tmp_path: Path, encoding: str) -> None:
    path = write_shapefile(tmp_path / "haies.shp", vegetation([FRENCH]), encoding=encoding)
    assert read(path, columns=["NATURE"]).frame["NATURE"].tolist() == [FRENCH]


def test_the_cpg_of_a_shapefile_decides(tmp_path: Path) -> None:
    path = write_shapefile(tmp_path / "haies.shp", vegetation([FRENCH]), encoding="UTF-8", cpg=True)
    assert text_encodings(path, "cp1252") == (None,)
    assert read(path, columns=["NATURE"]).frame["NATURE"].tolist() == [FRENCH]


def test_the_encoding_given_is_the_only_one_tried(tmp_path: Path) -> None:
    path = write_shapefile(tmp_path / "haies.shp", vegetation([FRENCH]), encoding="cp1252")
    with pytest.raises(LayerError, match=r"text is not UTF-8.*--encoding"):
        read_features(path, None, columns=["NATURE"], bbox=None, encoding="UTF-8", stop_on_invalid=False)


def test_an_unknown_encoding_is_refused(tmp_path: Path) -> None:
    path = write_shapefile(tmp_path / "haies.shp", vegetation(["Haie"]))
    with pytest.raises(ParameterError, match="encoding 'klingon' is not known"):
        read_features(path, None, columns=["NATURE"], bbox=None, encoding="klingon", stop_on_invalid=False)


def test_a_geopackage_needs_no_encoding(tmp_path: Path) -> None:
    assert text_encodings(tmp_path / "bd.gpkg", "cp1252") == (None,)


def test_a_curve_is_read_as_chords(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([square()]))
    add_raw_geometry(path, "batiment", circle_wkb(*HERE, 10.0), nature="Réservoir")
    disc = read(path, "batiment", columns=["nature"]).frame.set_index("nature").geometry["Réservoir"]
    assert disc.area == pytest.approx(314.159, rel=1e-3)


def test_measures_are_dropped(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([square()]))
    add_raw_geometry(path, "batiment", measured_wkb(*HERE, 10.0), nature="Silo")
    shape = read(path, "batiment", columns=["nature"]).frame.set_index("nature").geometry["Silo"]
    assert not shape.has_z
    assert shape.area == pytest.approx(50.0)


def test_an_open_ring_is_closed_and_counted(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([square()]))
    add_raw_geometry(path, "batiment", open_ring_wkb(*HERE, 10.0), nature="Silo")
    add_raw_geometry(path, "batiment", None, nature="Serre")
    result = read(path, "batiment", columns=["nature"])
    assert (result.closed, result.unreadable) == (1, 0)
    assert result.frame.set_index("nature").geometry["Silo"].area == pytest.approx(100.0)
    assert result.frame.set_index("nature").geometry["Serre"] is None


def test_stop_names_the_feature_with_the_open_ring(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([square()]))
    add_raw_geometry(path, "batiment", open_ring_wkb(*HERE, 10.0), nature="Silo")
    with pytest.raises(GeometryError, match="layer batiment feature 2: ring not closed"):
        read(path, "batiment", columns=["nature"], stop=True)


def test_only_features_that_meet_the_box_are_read(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([square(), square(500.0)]))
    x, y = HERE
    box = (x, y, x + 100, y + 100)
    result = read_features(path, "batiment", columns=["cleabs"], bbox=box, encoding=None, stop_on_invalid=False)
    assert len(result.frame) == 1


@pytest.mark.parametrize("epsg", [2154, 4326])
def test_coordinates_inside_the_area_of_use_are_plausible(epsg: int) -> None:
    bounds = {2154: (660000.0, 6350000.0, 670000.0, 6360000.0), 4326: (2.4, 44.3, 2.6, 44.4)}[epsg]
    check_plausible(bounds, crs=CRS.from_epsg(epsg), where="file")


@pytest.mark.parametrize(
    ("epsg", "bounds"),
    [
        (2154, (2.4, 44.3, 2.6, 44.4)),
        (4326, (660000.0, 6350000.0, 670000.0, 6360000.0)),
        (2975, (660000.0, 6350000.0, 670000.0, 6360000.0)),
    ],
)
def test_coordinates_outside_the_area_of_use_are_refused(epsg: int, bounds: tuple[float, float, float, float]) -> None:
    with pytest.raises(CrsError, match="file: coordinates around"):
        check_plausible(bounds, crs=CRS.from_epsg(epsg), where="file")


def test_a_crs_without_area_of_use_has_no_implausible_coordinates() -> None:
    crs = CRS.from_proj4("+proj=lcc +lat_0=46.5 +lon_0=3 +lat_1=49 +lat_2=44 +x_0=700000 +y_0=6600000 +ellps=GRS80")
    check_plausible((0.0, 0.0, 1.0, 1.0), crs=crs, where="file")


def test_coordinates_that_are_nowhere_on_earth_are_unreadable_and_stop_names_them(tmp_path: Path) -> None:
    lost = square()
    damaged = shapely.box(1e300, 0, 2e300, 10)
    path = write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([lost, damaged]))
    result = read(path, "batiment", columns=["cleabs"])
    assert (result.closed, result.unreadable) == (0, 1)
    assert result.frame.geometry.isna().tolist() == [False, True]
    with pytest.raises(GeometryError, match="feature 2: ring not closed or geometry unreadable"):
        read(path, "batiment", columns=["cleabs"], stop=True)
