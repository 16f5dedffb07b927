"""Polygons of a class raster: exact, without gap or overlap, the same whether a seam crosses them or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from ortho_scenes import write_image

from ocsge.segment import vectorise
from ocsge.segment.class_rasters import NumberedClass
from ocsge.segment.vectorise import VectorClass, draw_classes, vector_classes, write_polygons

if TYPE_CHECKING:
    from pathlib import Path

CLASSES = tuple(VectorClass(number, number + 10, f"classe {number}", "#aabbcc") for number in range(4))


@pytest.fixture
def blotches() -> np.ndarray:
    """Four classes in regions of a few pixels and more, with a hole without data."""
    random = np.random.default_rng(3)
    coarse = np.kron(random.integers(0, 4, (12, 15)), np.ones((9, 9), dtype=int))
    fine = random.integers(0, 4, coarse.shape)
    classes = np.where(random.random(coarse.shape) < 0.15, fine, coarse).astype(np.uint8)
    classes[40:60, 30:55] = 255
    return classes


def raster_of(path: Path, classes: np.ndarray, *, resolution_m: float = 1.0) -> Path:
    return write_image(path, classes[None], resolution_m=resolution_m, xmin=769_963, ymax=6_280_041, nodata=255)


def painted(frame: gpd.GeoDataFrame, raster: Path) -> np.ndarray:
    """Return the class under the centre of each pixel."""
    with rasterio.open(raster) as dataset:
        rows, cols = np.indices(dataset.shape)
        x, y = dataset.transform.c + cols + 0.5, dataset.transform.f - rows - 0.5
    found = np.full(rows.shape, 255, dtype=np.uint8)
    for numero, shape in zip(frame["numero"], frame.geometry, strict=True):
        found[shapely.contains_xy(shape, x, y)] = numero - 10
    return found


def test_a_square_of_one_class_is_a_square(tmp_path: Path) -> None:
    raster = raster_of(tmp_path / "a.tif", np.full((10, 20), 2, np.uint8))
    frame = draw_classes(raster, classes=CLASSES, tolerance_m=0)
    assert frame.crs.to_epsg() == 2154
    assert frame.drop(columns="geometry").to_dict("records") == [{"numero": 12, "classe": "classe 2", "area_m2": 200.0}]
    assert frame.geometry[0].equals(shapely.box(769_963, 6_280_031, 769_983, 6_280_041))


def test_polygons_are_the_pixels_of_their_class_without_gap_or_overlap(tmp_path: Path, blotches: np.ndarray) -> None:
    raster = raster_of(tmp_path / "a.tif", blotches)
    frame = draw_classes(raster, classes=CLASSES, tolerance_m=0)
    assert (painted(frame, raster) == blotches).all()
    assert frame["area_m2"].sum() == np.count_nonzero(blotches != 255)
    assert shapely.is_valid(frame.geometry.values).all()
    assert shapely.coverage_is_valid(frame.geometry.values)


@pytest.mark.parametrize("tolerance_m", [0.0, 2.5])
def test_seams_join_what_they_cut(
    tmp_path: Path, blotches: np.ndarray, monkeypatch: pytest.MonkeyPatch, tolerance_m: float
) -> None:
    raster = raster_of(tmp_path / "a.tif", blotches)
    whole = draw_classes(raster, classes=CLASSES, tolerance_m=tolerance_m)
    monkeypatch.setattr(vectorise, "_M_PER_KM", 20)  # squares of 40 m
    cut = draw_classes(raster, classes=CLASSES, tolerance_m=tolerance_m)
    assert len(cut) == len(whole)
    assert sorted(cut["classe"]) == sorted(whole["classe"])
    assert set(shapely.get_type_id(cut.geometry.values)) == {shapely.GeometryType.POLYGON}
    assert shapely.coverage_is_valid(cut.geometry.values)
    if tolerance_m == 0:
        one, other = ([shapely.normalize(g.simplify(0)).wkb for g in f.geometry] for f in (whole, cut))
        assert sorted(one) == sorted(other)
    else:
        assert cut["area_m2"].sum() == pytest.approx(whole["area_m2"].sum(), rel=0.02)


def test_four_squares_that_meet_make_one_polygon_of_one_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectorise, "_M_PER_KM", 20)
    raster = raster_of(tmp_path / "a.tif", np.full((90, 100), 1, np.uint8))
    frame = draw_classes(raster, classes=CLASSES, tolerance_m=1)
    assert len(frame) == 1
    assert frame["area_m2"].tolist() == [9000.0]


def test_pixels_that_touch_by_a_corner_alone_are_two_polygons(tmp_path: Path) -> None:
    raster = raster_of(tmp_path / "a.tif", np.array([[1, 255], [255, 1]], np.uint8))
    assert draw_classes(raster, classes=CLASSES, tolerance_m=0)["area_m2"].tolist() == [1.0, 1.0]


def test_a_raster_without_data_has_no_polygon(tmp_path: Path) -> None:
    raster = raster_of(tmp_path / "a.tif", np.full((5, 5), 255, np.uint8))
    frame = draw_classes(raster, classes=CLASSES, tolerance_m=0)
    assert list(frame.columns) == ["numero", "classe", "geometry", "area_m2"]
    assert frame.empty


def test_a_class_that_igns_polygons_lack_has_no_number() -> None:
    named = vector_classes(
        [NumberedClass(0, "Bâtiment", "#111111"), NumberedClass(8, "Coupe", "#222222")], {"Bâtiment": 1}
    )
    assert [(c.number, c.numero, c.name) for c in named] == [(0, 1, "Bâtiment"), (8, None, "Coupe")]


def test_both_files_hold_the_polygons_and_the_same_bytes_each_time(tmp_path: Path, blotches: np.ndarray) -> None:
    frame = draw_classes(raster_of(tmp_path / "a.tif", blotches), classes=CLASSES, tolerance_m=0.5)
    for folder in ("first", "second"):
        written = write_polygons(frame, tmp_path / folder / "0760_6290", classes=CLASSES)
        assert [path.suffix for path in written] == [".gpkg", ".parquet"]
    for name in ("0760_6290.gpkg", "0760_6290.parquet", "0760_6290.qml"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    read = gpd.read_file(tmp_path / "first" / "0760_6290.gpkg", layer="cosia_0760_6290")
    assert {"numero", "classe", "area_m2"} <= set(read.columns)
    assert len(read) == len(gpd.read_parquet(tmp_path / "first" / "0760_6290.parquet")) == len(frame)
