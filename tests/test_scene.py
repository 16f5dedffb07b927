"""The benchmark scenes, their calibration, the measuring of a run and the peers."""

import sys
import time

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely

from benchmarks.calibrate_scene import (
    NAMES,
    classes_of_colours,
    majority,
    read_calibration,
    scene_texture,
    texture,
)
from benchmarks.landscape import BUILT, LAWN, SEALED, Ground
from benchmarks.measure import measured
from benchmarks.noise import ELLIPSE, QUAD, RECTANGLE, paint, smooth_noise
from benchmarks.peers import decode_floor, duckdb_spatial, gdal_sieve, usage_layers
from benchmarks.scene import class_tile, make_scene, open_scene
from ocsge.catalog import recognise

URBAN_CLASSES = ("Bâtiment", "Zone imperméable", "Zone perméable", "Pelouse", "Feuillu")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_scene(tmp_path_factory.mktemp("tiny"), area_km2=0.04, seed=3)


@pytest.fixture(scope="module")
def kilometre(tmp_path_factory):
    return make_scene(tmp_path_factory.mktemp("kilometre"), area_km2=1.0, seed=1)


def read(path):
    with rasterio.open(path) as source:
        return source.read(1)


def painted(kind, shape, size=20):
    tile = np.zeros((size, size), dtype=np.uint8)
    paint(
        tile,
        row=-size,
        col=0,
        pixels_per_m=1,
        kinds=np.array([kind], dtype=np.uint8),
        shapes=np.array([shape], dtype=np.float64),
        classes=np.array([7], dtype=np.uint8),
    )
    return tile


def test_a_rectangle_of_6_by_4_metres_covers_24_pixels_of_1_metre():
    tile = painted(RECTANGLE, (10, 10, 1, 0, 3, 2, 0, 0))
    assert int((tile == 7).sum()) == 24
    assert set(zip(*np.nonzero(tile), strict=True)) == {(r, c) for r in range(8, 12) for c in range(7, 13)}


def test_an_ellipse_covers_the_area_of_its_radii():
    tile = painted(ELLIPSE, (50, 50, 0, 1, 30, 15, 0, 0), size=100)
    assert (tile == 7).sum() == pytest.approx(np.pi * 30 * 15, rel=0.01)


def test_a_quadrilateral_covers_the_pixels_whose_centre_is_inside():
    tile = painted(QUAD, (2, 2, 12, 2, 12, 6, 2, 6))
    assert int((tile == 7).sum()) == 40


def test_noise_is_a_function_of_the_place_and_not_of_the_window():
    octaves = ((16, 1.0), (5, 0.5))
    whole = smooth_noise((64, 64), row=-40, col=-30, octaves=octaves, seed=4)
    part = smooth_noise((20, 24), row=-11, col=3, octaves=octaves, seed=4)
    assert np.array_equal(whole[29:49, 33:57], part)
    other = smooth_noise((20, 24), row=-11, col=3, octaves=octaves, seed=5)
    assert not np.array_equal(part, other)


def test_a_pixel_has_the_same_class_whatever_the_window_that_asks_for_it():
    ground = Ground(500_000.0, 6_280_000.0, 1000.0, 1)
    row, col = -6_280_600 * 5, 500_300 * 5
    whole = class_tile(ground, row=row, col=col, height=300, width=400, resolution=0.2)
    part = class_tile(ground, row=row + 120, col=col + 170, height=90, width=110, resolution=0.2)
    assert np.array_equal(whole[120:210, 170:280], part)


def test_the_same_seed_gives_the_same_files_and_another_seed_does_not(tiny, tmp_path):
    again = make_scene(tmp_path / "again", area_km2=0.04, seed=3)
    other = make_scene(tmp_path / "other", area_km2=0.04, seed=4)
    assert np.array_equal(read(tiny.raster), read(again.raster))
    assert not np.array_equal(read(tiny.raster), read(other.raster))
    first, second = (pyogrio.read_dataframe(s.vectors, layer="batiment") for s in (tiny, again))
    assert len(first) > 0
    assert first.equals(second)


def test_the_raster_is_a_cog_of_vector_class_numbers_aligned_on_multiples_of_its_pixel(kilometre):
    with rasterio.open(kilometre.raster) as source:
        assert source.dtypes == ("uint8",)
        assert source.shape == (5000, 5000)
        assert source.crs.to_epsg() == 2154
        assert source.nodata == 0
        assert source.block_shapes == [(512, 512)]
        assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert source.compression.name == "lzw"
        assert tuple(source.bounds) == kilometre.bounds
        values = np.unique(source.read(1))
    assert values.min() >= 1
    assert values.max() <= 15


def test_a_kilometre_has_the_runs_of_cosia_within_a_tenth(kilometre):
    found = scene_texture(kilometre)
    aim = read_calibration()["target_runs_per_km2_0_2m"]
    assert found["runs_per_km2"] == pytest.approx(aim, rel=0.10)
    assert sum(found["class_shares"].values()) == pytest.approx(1.0, abs=1e-3)


def test_the_urban_half_has_the_class_shares_of_la_rochelle_within_a_third_and_a_tenth_of_the_ground(
    kilometre,
):
    classes = read(kilometre.raster)
    ground = Ground(*kilometre.bounds[:2], 1000.0, 1)
    urban = np.array([[ground.urban(i, j) for i in range(1, 5)] for j in range(4, 0, -1)])
    inside = classes[np.kron(urban, np.ones((1250, 1250), dtype=bool))]
    aim = read_calibration()["class_shares"]
    for name in URBAN_CLASSES:
        share = float((inside == NAMES.index(name)).mean())
        assert abs(share - aim[name]) < 0.10, name
    built = float((inside == BUILT).mean())
    assert built == pytest.approx(aim["Bâtiment"], rel=1 / 3)


def test_most_buildings_of_the_vectors_are_built_in_the_raster(kilometre):
    buildings = pyogrio.read_dataframe(kilometre.vectors, layer="batiment")
    classes = read(kilometre.raster)
    middle = shapely.point_on_surface(buildings.geometry.to_numpy())
    xmin, _, _, ymax = kilometre.bounds
    col = np.floor((shapely.get_x(middle) - xmin) * 5).astype(int)
    row = np.floor((ymax - shapely.get_y(middle)) * 5).astype(int)
    inside = (col >= 0) & (col < 5000) & (row >= 0) & (row < 5000)
    assert (classes[row[inside], col[inside]] == BUILT).mean() > 0.75
    urban_density = len(buildings) / kilometre.area_km2 / 0.5
    assert 350 < urban_density < 900
    sheds = buildings.area[(buildings.area >= 20) & (buildings.area <= 50)]
    assert len(sheds) > 50


def test_the_vectors_hold_bd_topo_layers_and_columns(kilometre):
    layers = {name for name, _ in pyogrio.list_layers(kilometre.vectors)}
    assert {"batiment", "troncon_de_route", "troncon_de_voie_ferree", "surface_hydrographique"} <= layers
    assert {"zone_d_activite_ou_d_interet", "zone_de_vegetation", "terrain_de_sport", "cimetiere"} <= layers
    roads = pyogrio.read_dataframe(kilometre.vectors, layer="troncon_de_route")
    assert set(roads["position_par_rapport_au_sol"]) == {"0"}
    assert roads["largeur_de_chaussee"].isna().any()
    assert {"nature", "importance", "nombre_de_voies", "fictif"} <= set(roads.columns)
    for layer in layers:
        assert shapely.is_valid(pyogrio.read_dataframe(kilometre.vectors, layer=layer).geometry.to_numpy()).all()


def test_the_catalogue_recognises_every_file_of_a_scene(kilometre):
    known = {source.layer for source in recognise(kilometre.vectors.parent)}
    assert {"cosia:raster", "bd_topo:batiment", "rpg:parcelles_graphiques", "admin_express:commune"} <= known


def test_the_parcels_carry_their_area_in_hectares_and_a_crop_group(kilometre):
    parcels = pyogrio.read_dataframe(kilometre.rpg, layer="parcelles_graphiques")
    assert len(parcels) > 5
    assert np.allclose(parcels["surf_parc"], parcels.area / 1e4, atol=0.006)
    assert parcels["code_group"].astype(int).between(1, 28).all()
    assert parcels["id_parcel"].is_unique


def test_one_commune_covers_a_small_scene(kilometre):
    communes = pyogrio.read_dataframe(kilometre.communes, layer="commune")
    assert communes["insee_com"].tolist() == ["32001"]
    assert communes.total_bounds.tolist() == list(kilometre.bounds)


def test_several_communes_tile_a_large_scene_without_gap_or_overlap(tmp_path):
    scene = make_scene(tmp_path / "large", area_km2=9.0, resolution=1.0)
    communes = pyogrio.read_dataframe(scene.communes, layer="commune")
    assert len(communes) == 4
    assert shapely.coverage_is_valid(communes.geometry.to_numpy())
    assert communes.area.sum() == pytest.approx(9e6)
    assert shapely.union_all(communes.geometry.to_numpy()).area == pytest.approx(9e6)


def test_a_scene_above_16_km2_is_a_mosaic_of_dalles_that_covers_it(tmp_path):
    scene = make_scene(tmp_path / "mosaic", area_km2=18.0, resolution=1.0)
    assert len(scene.rasters) == 9
    total = sum(read(path).size for path in scene.rasters)
    assert total == 4243**2
    assert open_scene(tmp_path / "mosaic") == scene


def test_a_scene_is_opened_again_as_it_was_made(tiny):
    assert open_scene(tiny.vectors.parent) == tiny


def test_a_tiny_scene_holds_buildings_roads_and_fields(tiny):
    assert tiny.area_km2 == pytest.approx(0.04)
    assert {BUILT, SEALED, LAWN} <= set(np.unique(read(tiny.raster)))
    for layer in ("batiment", "troncon_de_route"):
        assert pyogrio.read_info(tiny.vectors, layer=layer)["features"] > 0


def test_a_tiny_scene_takes_under_two_seconds(tiny, tmp_path):
    start = time.perf_counter()
    make_scene(tmp_path / "timed", area_km2=0.04, seed=8)
    assert time.perf_counter() - start < 2.0


def test_the_texture_of_two_halves_is_two_runs_a_row_and_one_border():
    halves = np.repeat(np.array([[1, 1, 12, 12]], dtype=np.uint8), 4, axis=0)
    found = texture(halves, 1.0, 1.0)
    assert found["runs_per_row_km"] == 500.0
    assert found["runs_per_km2"] == 500_000
    assert found["border_km_per_km2"] == 250.0
    assert found["class_shares"]["Bâtiment"] == 0.5
    assert found["patches"]["Pelouse"]["per_km2"] == 62_500.0


def test_a_majority_removes_a_lone_pixel_and_keeps_a_straight_border():
    classes = np.full((6, 6), 12, dtype=np.uint8)
    classes[:, 3:] = 3
    speckled = classes.copy()
    speckled[2, 1] = 9
    assert np.array_equal(majority(speckled), classes)


def test_a_colour_between_two_classes_takes_the_class_of_its_pure_neighbour():
    palette = np.zeros((15, 3), dtype=np.int64)
    palette[0], palette[10], palette[11] = (200, 0, 0), (100, 100, 0), (0, 200, 0)
    palette[[1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14], 2] = 255
    row = [(200, 0, 0), (200, 0, 0), (104, 96, 20), (0, 200, 0), (0, 200, 0)]
    steps = classes_of_colours(np.array([row] * 3, dtype=np.uint8), palette)
    assert steps["nearest"][0].tolist() == [1, 1, 11, 12, 12]
    assert 11 not in steps["pure"]
    assert 11 not in steps["majority"]


def test_the_calibration_is_credited_and_near_the_target():
    calibration = read_calibration()
    assert "Licence Ouverte" in calibration["credit"]
    rows = calibration["runs_per_km2_0_2m_from_rows"]["majority"]
    assert rows == pytest.approx(calibration["target_runs_per_km2_0_2m"], rel=0.05)


def test_a_measured_function_returns_its_result_and_its_cost():
    found = measured(sum, [1, 2, 3])
    assert found.result == 6
    assert 0 <= found.wall_s < 5
    assert found.peak_rss_mb > 5


def test_a_large_parent_does_not_count_in_the_peak_of_its_child():
    ballast = np.ones(60_000_000, dtype=np.float64)
    assert measured(sum, [1]).peak_rss_mb < 400 < ballast.nbytes / 1e6


def test_a_measured_command_returns_its_output():
    found = measured([sys.executable, "-c", "print(40 + 2)"])
    assert found.result.strip() == "42"
    assert found.cpu_s > 0


def test_the_error_of_a_measured_function_reaches_the_caller():
    with pytest.raises(ValueError, match="invalid literal"):
        measured(int, "not a number")


def test_the_usages_of_the_peers_lie_within_the_scene(tiny):
    layers = usage_layers(tiny)
    assert layers["usage"].between(1, 20).all()
    assert shapely.box(*tiny.bounds).buffer(1e-6).contains(layers.geometry.to_numpy()).all()


def test_sieving_leaves_fewer_polygons_than_an_overlay_and_both_cover_the_scene(tiny):
    sieved, crossed = gdal_sieve(tiny.vectors.parent), duckdb_spatial(tiny.vectors.parent)
    assert 0 < sieved.polygons < crossed.polygons
    assert crossed.too_small > sieved.too_small
    for found in (sieved, crossed):
        assert found.area_km2 == pytest.approx(tiny.area_km2, rel=0.001)


def test_the_decode_floor_is_a_positive_time(tiny):
    assert decode_floor(tiny.vectors.parent) > 0
