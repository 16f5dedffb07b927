"""Bad vectors, codes, CRS and rasters: their exit code, one clear line, nothing published; or mended and counted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from small_commune import (
    BOW_TIE,
    BUILT,
    CODE,
    HOUSE,
    SIDE,
    Bench,
    X,
    Y,
    box,
    buildings,
    classes,
    communes,
    cut,
    write,
    write_raster,
)

USAGE, DATA, UNWRITABLE, BUSY = 2, 65, 73, 75


@pytest.fixture
def bench(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr("ocsge.cli.derive._first_run", lambda: False)
    return Bench(tmp_path, capfd)


@pytest.fixture
def ready(bench: Bench) -> Bench:
    """A workspace with one commune and one house."""
    bench.deliver(batiment=buildings())
    return bench


def run_json(bench: Bench, folder: str = "") -> dict[str, Any]:
    version = bench.published()
    assert version is not None
    (path,) = version.glob(f"{folder}runs/commune_code={CODE}/millesime=2022/run.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def reading_of(bench: Bench, layer: str, folder: str = "") -> dict[str, object]:
    """Return what run.json says of the reading of a layer."""
    found: dict[str, object] = next(row for row in run_json(bench, folder)["layers"] if row["layer"] == layer)
    return found


def polygons_of(bench: Bench) -> gpd.GeoDataFrame:
    version = bench.published()
    assert version is not None
    return gpd.read_parquet(version / f"polygons/commune_code={CODE}/millesime=2022/part.parquet")


def stock_of(bench: Bench) -> pd.Series:
    version = bench.published()
    assert version is not None
    return pd.read_csv(version / "stock.csv", dtype={"commune_code": "str"}).iloc[0]


def built_m2(bench: Bench) -> float:
    found = polygons_of(bench)
    return float(found.loc[found["code_cs"] == "CS1.1.1.1", "area_m2"].sum())


def test_sound_files_give_a_result_and_say_nothing_on_stderr(ready: Bench) -> None:
    done = ready.derive()
    assert (done.code, done.errors) == (0, [])
    assert built_m2(ready) == 400
    assert stock_of(ready)["coverage_pct"] == 100


# --- geometries


def test_an_invalid_geometry_is_refused_when_told_to_stop(bench: Bench) -> None:
    bench.deliver(batiment=buildings([HOUSE, BOW_TIE]))
    words = ("batiment.gpkg", "layer batiment", "BATIMENT0000000000000001", "Self-intersection", "correct it")
    bench.refuses(bench.derive("--invalid", "stop"), DATA, *words)


def test_an_invalid_geometry_is_repaired_and_counted_with_its_change_of_area(bench: Bench) -> None:
    bench.deliver(batiment=buildings([HOUSE, BOW_TIE]))
    assert bench.derive().code == 0
    reading = reading_of(bench, "bd_topo:batiment")
    assert reading["repaired"] == 1
    assert reading["repaired_area_m2"] == pytest.approx(BOW_TIE.area + 800)
    assert built_m2(bench) == pytest.approx(400 + 800, rel=0.05)


def test_null_and_empty_geometries_are_dropped(bench: Bench) -> None:
    bench.deliver(batiment=buildings([HOUSE, None, shapely.Polygon()]))
    assert bench.derive().code == 0
    assert reading_of(bench, "bd_topo:batiment")["kept"] == 1
    assert built_m2(bench) == 400


def test_what_reading_the_communes_the_zone_and_the_perimeter_met_is_in_run_json(ready: Bench) -> None:
    outline = shapely.MultiPolygon([box(0, 0, SIDE, SIDE), box(0, 0, 10, 10)])
    path = write(ready.folder / "moitie.gpkg", moitie=communes(BOW_TIE))
    zone = write(ready.folder / "zone_construite.gpkg", zone_construite=pd.concat([communes(), communes(BOW_TIE)]))
    (ready.folder / "commune.gpkg").unlink()
    assert ready.add(write(ready.folder / "commune.gpkg", commune=communes(outline))).code == 0
    assert ready.derive("--perimetre", path, "--zone-construite", zone).code == 0
    for layer, name in (("admin_express:commune", "commune"), ("ocs_ge:zone_construite", "zone_construite")):
        reading = reading_of(ready, layer, "perimetre=*/")
        assert (reading["files"], reading["repaired"]) == ([f"{name}.gpkg"], 1), layer
    reading = reading_of(ready, "perimetre", "perimetre=*/")
    assert (reading["files"], reading["repaired"], reading["repaired_area_m2"]) == (["moitie.gpkg"], 1, 800)


def test_what_reading_lost_is_told_to_the_user_and_in_run_json(bench: Bench) -> None:
    bench.deliver(batiment=buildings([HOUSE, None, box(20, 20, 40, 40)], hauteur=["3", "4", "high"]))
    done = bench.derive()
    lost = (
        "bd_topo:batiment (batiment.gpkg): 1 features without geometry left out; 1 unreadable values taken as unknown"
    )
    assert (done.code, done.errors) == (0, [f"warning: {lost}"])
    assert run_json(bench)["warnings"] == [lost]


def test_duplicated_buildings_are_dropped_and_counted_and_the_stock_is_the_same(ready: Bench) -> None:
    assert ready.derive().code == 0
    once = stock_of(ready)["stock_ha"]
    path = ready.folder / "batiment.gpkg"
    path.unlink()
    twice = buildings([HOUSE, HOUSE], cleabs=["A", "A"])
    assert ready.add(write(path, batiment=twice)).code == 0
    assert ready.derive().code == 0
    assert reading_of(ready, "bd_topo:batiment")["duplicates"] == 1
    assert stock_of(ready)["stock_ha"] == once


def test_two_buildings_of_one_outline_count_once_in_area(bench: Bench) -> None:
    bench.deliver(batiment=buildings([HOUSE, HOUSE]))
    assert bench.derive().code == 0
    assert reading_of(bench, "bd_topo:batiment")["duplicates"] == 0
    assert built_m2(bench) == 400


def test_objects_created_after_the_millesime_are_dropped_and_counted(bench: Bench) -> None:
    dates = pd.to_datetime(["2022-12-31", "2023-01-01"])
    bench.deliver(batiment=buildings([HOUSE, box(20, 20, 40, 40)], date_creation=dates))
    assert bench.derive().code == 0
    assert reading_of(bench, "bd_topo:batiment")["after_millesime"] == 1
    assert built_m2(bench) == 400


def test_fictitious_zones_give_no_usage(bench: Bench) -> None:
    zones = gpd.GeoDataFrame(
        {
            "categorie": ["Industriel et commercial"] * 2,
            "nature": ["Carrière"] * 2,
            "nature_detaillee": [""] * 2,
            "fictif": ["Oui", "Non"],
        },
        geometry=[box(0, 0, 100, 200), box(100, 0, 200, 200)],
        crs=2154,
    )
    bench.deliver(zone_d_activite_ou_d_interet=zones, batiment=buildings())
    assert bench.derive().code == 0
    found = polygons_of(bench)
    quarries = found[found["code_us"] == "US1.3"]
    assert quarries["area_m2"].sum() == 20_000
    assert quarries.geometry.bounds["minx"].min() == X + 100


# --- coordinate reference systems


@pytest.fixture
def without_crs(bench: Bench) -> Bench:
    bench.deliver()
    with pytest.warns(UserWarning, match="crs"):
        write(bench.folder / "batiment.shp", batiment=buildings(crs=None))
    assert bench.add(bench.folder / "batiment.shp").code == 0
    return bench


def test_a_layer_without_crs_is_refused_and_told_how_to_go_on(without_crs: Bench) -> None:
    without_crs.refuses(without_crs.derive(), DATA, "batiment.shp", "layer batiment", "no CRS", "--assume-crs")


def test_a_layer_without_crs_is_read_in_the_crs_stated(without_crs: Bench) -> None:
    assert without_crs.derive("--assume-crs", 2154).code == 0
    assert built_m2(without_crs) == 400


def test_communes_whose_coordinates_are_outside_their_crs_are_refused(bench: Bench) -> None:
    mislabelled = communes().set_crs(4326, allow_override=True)
    assert bench.add(write(bench.folder / "commune.gpkg", commune=mislabelled)).code == 0
    bench.refuses(bench.derive(), DATA, "commune.gpkg", "layer commune", "(664100, 6360100)", "correct the file")


def test_a_layer_in_another_known_crs_is_reprojected_before_anything_is_measured(bench: Bench) -> None:
    bench.deliver(batiment=buildings().to_crs(4326))
    assert bench.derive().code == 0
    assert reading_of(bench, "bd_topo:batiment")["reprojected"] == 1
    assert built_m2(bench) == pytest.approx(400, abs=4)


@pytest.mark.parametrize(("epsg", "words"), [(4326, ("perimetre.gpkg", "EPSG:2154")), (3857, ("EPSG:3857", "2154"))])
def test_a_perimeter_alone_is_refused_in_a_crs_that_measures_no_area(
    ready: Bench, epsg: int, words: tuple[str, ...]
) -> None:
    path = write(ready.folder / "perimetre.gpkg", perimetre=communes().to_crs(epsg))
    ready.refuses(ready.derive("--perimetre", path, commune=None), DATA, *words)


@pytest.mark.parametrize("epsg", [4326, 3857])
def test_a_perimeter_with_its_commune_is_reprojected_and_measured_in_the_official_crs(ready: Bench, epsg: int) -> None:
    half = communes(box(0, 0, 100, SIDE))
    path = write(ready.folder / "moitie.gpkg", moitie=half.to_crs(epsg))
    assert ready.derive("--perimetre", path).code == 0
    version = ready.published()
    assert version is not None
    (path,) = version.glob("perimetre=moitie-*/stock.csv")
    table = pd.read_csv(path)
    assert table["surface_ha"].tolist() == [pytest.approx(2.0, abs=0.02)]


def test_a_perimeter_alone_takes_the_communes_it_meets(ready: Bench) -> None:
    path = write(ready.folder / "moitie.gpkg", moitie=communes(box(0, 0, 100, SIDE)))
    assert ready.derive("--perimetre", path, commune=None).code == 0
    version = ready.published()
    assert version is not None
    (path,) = version.glob("perimetre=moitie-*/stock.csv")
    table = pd.read_csv(path, dtype={"commune_code": "str"})
    assert table[["commune_code", "surface_ha"]].to_numpy().tolist() == [[CODE, 2.0]]


@pytest.mark.parametrize("commune", [CODE, None])
def test_a_perimeter_away_from_every_commune_is_refused(ready: Bench, commune: str | None) -> None:
    path = write(ready.folder / "loin.gpkg", loin=communes(box(5000, 5000, 5100, 5100)))
    outcome = ready.derive("--perimetre", path, commune=commune)
    ready.refuses(outcome, DATA, "loin.gpkg", "commune", "check its CRS and extent")


def test_a_perimeter_in_degrees_labelled_in_metres_is_refused(ready: Bench) -> None:
    wrong = communes().to_crs(4326).set_crs(2154, allow_override=True)
    path = write(ready.folder / "degres.gpkg", degres=wrong)
    ready.refuses(ready.derive("--perimetre", path), DATA, "degres.gpkg", "layer degres", "outside RGF93")


def test_a_perimeter_without_crs_is_refused(ready: Bench) -> None:
    with pytest.warns(UserWarning, match="crs"):
        path = write(ready.folder / "zone.shp", zone=communes(crs=None))
    ready.refuses(ready.derive("--perimetre", path), DATA, "zone.shp", "no CRS")


def test_a_perimeter_without_crs_is_read_in_the_crs_stated(ready: Bench) -> None:
    with pytest.warns(UserWarning, match="crs"):
        path = write(ready.folder / "zone.shp", zone=communes(box(0, 0, 100, SIDE), crs=None))
    assert ready.derive("--perimetre", path, "--assume-crs", 2154, commune=None).code == 0


def test_a_perimeter_that_is_no_vector_file_says_what_a_perimeter_is(ready: Bench) -> None:
    path = ready.folder / "perimetre.txt"
    path.write_text("not a layer", encoding="utf-8")
    ready.refuses(
        ready.derive("--perimetre", path), DATA, "perimetre.txt", "a layer of polygons (GPKG, Shapefile, GeoJSON)"
    )


def test_what_was_asked_is_checked_before_the_data(bench: Bench) -> None:
    path = bench.folder / "perimetre.txt"
    path.write_text("not a layer", encoding="utf-8")
    bench.refuses(bench.derive("--perimetre", path), DATA, "perimetre.txt", "a layer of polygons")
    bench.refuses(bench.derive(commune=None), USAGE, "nothing to derive")
    bench.refuses(bench.derive(commune="99999"), USAGE, "unknown INSEE code", "data_catalog/millesimes.csv")
    square = write(bench.folder / "zone.gpkg", zone=communes())
    bench.refuses(bench.derive("--perimetre", square, commune=None), DATA, "no data registered", "name the --commune")


def test_a_perimeter_without_polygon_is_refused(ready: Bench) -> None:
    points = gpd.GeoDataFrame({"a": [1, 2]}, geometry=[shapely.Point(X, Y), None], crs=2154)
    path = write(ready.folder / "points.gpkg", points=points)
    ready.refuses(ready.derive("--perimetre", path), DATA, "points.gpkg", "no polygon")


def test_a_table_given_as_perimeter_is_refused(ready: Bench) -> None:
    path = ready.folder / "table.gpkg"
    pyogrio.write_dataframe(pd.DataFrame({"a": [1]}), path, layer="table")
    ready.refuses(ready.derive("--perimetre", path), DATA, "table.gpkg", "one layer of polygons")


def test_a_perimeter_of_several_layers_is_refused_and_they_are_listed(ready: Bench) -> None:
    path = write(ready.folder / "deux.gpkg", nord=communes(), sud=communes())
    ready.refuses(ready.derive("--perimetre", path), DATA, "deux.gpkg", "nord, sud")


# --- vector files and codes


@pytest.mark.parametrize(("name", "share"), [("batiment.gpkg", 0.5), ("batiment.shp", 0.8)])
def test_a_truncated_vector_file_is_not_registered(bench: Bench, name: str, share: float) -> None:
    path = cut(write(bench.folder / name, batiment=buildings()), share)
    bench.refuses(bench.add(path), DATA, name, "truncated", "download or copy it again")
    assert not (bench.workspace / "sources.json").exists()


def test_a_file_truncated_after_it_was_registered_is_refused(ready: Bench) -> None:
    cut(ready.folder / "batiment.gpkg")
    ready.refuses(ready.derive(), DATA, "batiment.gpkg", "changed since it was registered", "ocsge catalog add")


def test_a_registered_file_that_is_gone_is_refused(ready: Bench) -> None:
    (ready.folder / "batiment.gpkg").unlink()
    ready.refuses(ready.derive(), DATA, "batiment.gpkg", "no such file", "ocsge catalog add")


@pytest.mark.parametrize("name", ["zone_construite.gpkg", "zone_construite.shp"])
def test_a_truncated_zone_construite_is_refused(ready: Bench, name: str) -> None:
    path = cut(write(ready.folder / name, zone_construite=communes()))
    ready.refuses(ready.derive("--zone-construite", path), DATA, name, "truncated")


def test_a_missing_field_is_refused_with_the_fields_found(bench: Bench) -> None:
    path = write(bench.folder / "batiment.gpkg", batiment=buildings().drop(columns="usage_1"))
    words = ("batiment.gpkg", "layer batiment", "needs usage_1", "fields found: cleabs, nature")
    bench.refuses(bench.add(path), DATA, *words)


def test_a_damaged_list_of_sources_is_refused(ready: Bench) -> None:
    (ready.workspace / "sources.json").write_text("{")
    ready.refuses(ready.derive(), DATA, "sources.json", "register the sources again")


def test_a_workspace_without_data_is_refused(bench: Bench) -> None:
    bench.refuses(bench.derive(), DATA, "no data registered", "ocsge catalog add")


def test_a_commune_in_no_source_is_refused(ready: Bench) -> None:
    ready.refuses(ready.derive(commune="12002"), DATA, "12002", "admin_express:commune", "ocsge catalog add")


@pytest.mark.parametrize("code", ["1200", "2C004", "Olemps", "99123", "../12"])
def test_a_text_that_is_no_insee_code_is_a_wrong_parameter(ready: Bench, code: str) -> None:
    ready.refuses(ready.derive(commune=code), USAGE, code, "commune")


def test_communes_of_two_projections_are_a_wrong_parameter(ready: Bench) -> None:
    ready.refuses(ready.derive("--commune", "97411"), USAGE, "different CRS", "separate runs")


def test_nothing_to_derive_is_a_wrong_parameter(ready: Bench) -> None:
    ready.refuses(ready.derive(commune=None), USAGE, "--commune", "--perimetre")


# --- rasters


def wrong_type(path: Path) -> Path:
    return write_raster(path, classes().astype(np.uint16))


def three_bands(path: Path) -> Path:
    return write_raster(path, np.stack([classes()] * 3))


def twelve_bands(path: Path) -> Path:
    return write_raster(path, np.stack([classes()] * 12))


def no_crs(path: Path) -> Path:
    return write_raster(path, classes(), crs=None)


def another_crs(path: Path) -> Path:
    return write_raster(path, classes(), crs="EPSG:32631")


def misaligned(path: Path) -> Path:
    return write_raster(path, classes(), offset=0.3)


def another_resolution(path: Path) -> Path:
    return write_raster(path, classes(), resolution=0.3)


def truncated(path: Path) -> Path:
    return cut(write_raster(path, classes()))


def truncated_head(path: Path) -> Path:
    return cut(write_raster(path, classes()), 0.001)


def unknown_numbers(path: Path) -> Path:
    values = classes()
    values[50:60, 50:60] = 99
    return write_raster(path, values)


def undeclared_nodata(path: Path) -> Path:
    values = classes()
    values[50:60, 50:60] = 0
    return write_raster(path, values)


def elsewhere(path: Path) -> Path:
    return write_raster(path, classes(), offset=50_000.0)


RASTER_FAULTS = {
    wrong_type: ("1 band(s) of uint16", "expected one uint8 band"),
    three_bands: ("3 band(s) of uint8", "expected one uint8 band"),
    twelve_bands: ("12 bands of scores", "15 classes", "--numbering"),
    no_crs: ("declares no CRS", "EPSG:2154"),
    another_crs: ("EPSG:32631", "EPSG:2154", "reproject"),
    misaligned: ("664000.300", "--resample"),
    another_resolution: ("0.3 m", "--resample"),
    truncated: ("cannot be read", "truncated", "fetch it again"),
    truncated_head: ("cannot be opened", "whole"),
    unknown_numbers: ("[99]", "cosia_vector_numero", "--numbering"),
    undeclared_nodata: ("[0]", "cosia_vector_numero"),
    elsewhere: ("meets none of the territory", "(664000, 6360000, 664200, 6360200)"),
}


@pytest.mark.parametrize("fault", RASTER_FAULTS, ids=lambda fault: fault.__name__)
def test_a_raster_that_cannot_be_used_is_refused(ready: Bench, fault) -> None:  # type: ignore[no-untyped-def]
    path = fault(ready.folder / "dalle.tif")
    ready.refuses(ready.derive_with(path), DATA, "dalle.tif", *RASTER_FAULTS[fault])


def test_a_raster_off_the_grid_is_read_when_told_to_resample(ready: Bench) -> None:
    path = write_raster(ready.folder / "dalle.tif", classes(side=400), resolution=0.5, offset=0.2)
    assert ready.derive_with(path, "--resample").code == 0
    assert stock_of(ready)["surface_ha"] == 4


@pytest.mark.parametrize("value", [0, 255])
def test_a_hole_of_declared_nodata_is_filled_and_reported(ready: Bench, value: int) -> None:
    values = classes()
    values[20:40, 20:40] = value
    assert ready.derive_with(write_raster(ready.folder / "dalle.tif", values, nodata=value)).code == 0
    row = stock_of(ready)
    assert row["filled_ha"] == 0.04
    assert row["coverage_pct"] == pytest.approx(99)
    assert "coverage<99.5" in row["flags"]
    assert set(polygons_of(ready)["code_cs"]) == {"CS1.1.1.1", "CS2.2.1"}


def test_a_small_hole_is_filled_and_reported_without_a_flag(ready: Bench) -> None:
    values = classes()
    values[20:30, 20:30] = 255
    assert ready.derive_with(write_raster(ready.folder / "dalle.tif", values, nodata=255)).code == 0
    row = stock_of(ready)
    assert (row["filled_ha"], row["coverage_pct"]) == (0.01, pytest.approx(99.75))
    assert "coverage" not in row["flags"]


def test_a_raster_of_half_the_commune_is_used_and_flagged(ready: Bench) -> None:
    path = write_raster(ready.folder / "dalle.tif", classes()[:, :100])
    assert ready.derive_with(path).code == 0
    row = stock_of(ready)
    # half of the house is west of the middle; its other half is known from BD TOPO
    assert row["filled_ha"] == 2 - 0.02
    assert row["coverage_pct"] == pytest.approx(50.5)
    assert row["flags"].startswith("coverage<99.5")


def test_the_first_dalle_by_name_wins_where_two_overlap_and_area_counts_once(ready: Bench) -> None:
    folder = ready.folder / "dalles"
    folder.mkdir()
    write_raster(folder / "a.tif", classes())
    write_raster(folder / "b.tif", classes(BUILT))
    done = ready.derive_with(folder)
    assert built_m2(ready) == 400
    assert stock_of(ready)["surface_ha"] == 4
    overlap = (
        "class raster: 2 dalles overlap on 4.00 ha (a.tif, b.tif); the first by name wins, and the area counts once"
    )
    assert (done.code, done.errors) == (0, [f"warning: {overlap}"])
    assert run_json(ready)["warnings"] == [overlap]


def test_the_numbering_of_a_raster_is_never_guessed(ready: Bench) -> None:
    path = write_raster(ready.folder / "dalle.tif", classes())
    ready.refuses(ready.derive("--cosia", path), USAGE, "dalle.tif", "--numbering", "flair_hub", "never guessed")


def test_an_unknown_numbering_is_refused_with_the_known_ones(ready: Bench) -> None:
    path = write_raster(ready.folder / "dalle.tif", classes())
    outcome = ready.derive("--cosia", path, "--numbering", "flair")
    ready.refuses(outcome, USAGE, "'flair'", "cosia_vector_numero", "flair_hub")


def test_a_numbering_without_any_raster_is_a_wrong_parameter(ready: Bench) -> None:
    ready.refuses(ready.derive("--numbering", ready.numbering), USAGE, "--numbering", "--cosia", "leave it out")


def test_a_folder_without_raster_is_refused(ready: Bench) -> None:
    (ready.folder / "vide").mkdir()
    ready.refuses(ready.derive_with(ready.folder / "vide"), DATA, "vide", "no raster found", "GeoTIFF")


# --- class polygons


def class_polygons(path: Path, names: list[str], numbers: list[int]) -> Path:
    halves = [box(0, 0, 200, 100), box(0, 100, 200, 200)]
    return write(path, vecto=gpd.GeoDataFrame({"numero": numbers, "classe": names}, geometry=halves, crs=2154))


def test_class_polygons_of_unknown_class_are_refused_and_counted(ready: Bench) -> None:
    path = class_polygons(ready.folder / "D012_2022_660_6370_vecto.gpkg", ["Pelouse", "Pelouze"], [12, 99])
    ready.refuses(ready.derive("--cosia", path), DATA, "cosia:vector", "1 polygons of unknown class (Pelouze)")


def test_what_reading_the_class_polygons_met_is_in_run_json(ready: Bench) -> None:
    frame = gpd.GeoDataFrame(
        {"numero": [12, 12, 12, 1], "classe": ["Pelouse", "Pelouse", "Pelouse", "Bâtiment"]},
        geometry=[box(0, 0, 200, 200), box(0, 0, 200, 200), BOW_TIE, None],
        crs=2154,
    )
    assert ready.derive("--cosia", write(ready.folder / "D012_2022_660_6370_vecto.gpkg", vecto=frame)).code == 0
    reading = reading_of(ready, "cosia:vector")
    assert {name: reading[name] for name in ("read", "kept", "null_or_empty", "duplicates", "repaired")} == {
        "read": 4,
        "kept": 2,
        "null_or_empty": 1,
        "duplicates": 1,
        "repaired": 1,
    }


@pytest.mark.parametrize("suffix", [".fgb", ".geojson", ".shp"])
def test_class_polygons_are_read_in_every_vector_format_that_is_opened(suffix: str, ready: Bench) -> None:
    source = class_polygons(ready.folder / "vecto.gpkg", ["Pelouse", "Pelouse"], [12, 12])
    path = ready.folder / f"D012_2022_660_6370_vecto{suffix}"
    gpd.read_file(source).to_file(path)
    assert ready.derive("--cosia", path).code == 0
    assert set(polygons_of(ready)["code_cs"]) == {"CS1.1.1.1", "CS2.2.1"}


def test_class_polygons_in_a_format_that_is_not_opened_are_refused(ready: Bench) -> None:
    source = class_polygons(ready.folder / "vecto.gpkg", ["Pelouse", "Pelouse"], [12, 12])
    path = ready.folder / "D012_2022_660_6370_vecto.parquet"
    gpd.read_file(source).to_parquet(path)
    ready.refuses(ready.derive("--cosia", path), DATA, "vecto.parquet")


def test_class_polygons_are_read_by_name_whatever_their_case_and_number(ready: Bench) -> None:
    # the numbers are those of another delivery: 9 is Feuillu in the vector product
    path = class_polygons(ready.folder / "D012_2022_660_6370_vecto.gpkg", ["pelouse ", "PELOUSE"], [9, 9])
    assert ready.derive("--cosia", path).code == 0
    assert set(polygons_of(ready)["code_cs"]) == {"CS1.1.1.1", "CS2.2.1"}


def test_class_polygons_away_from_the_territory_are_refused(ready: Bench) -> None:
    frame = gpd.GeoDataFrame({"numero": [12], "classe": ["Pelouse"]}, geometry=[box(300, 0, 400, 100)], crs=2154)
    path = write(ready.folder / "D012_2022_660_6370_vecto.gpkg", vecto=frame)
    ready.refuses(ready.derive("--cosia", path), DATA, "cosia:vector", "no class polygon meets the territory")


# --- rules, parameters, workspace


def test_a_wrong_value_in_an_overlay_of_the_rules_is_refused(ready: Bench) -> None:
    overlay = ready.folder / "regles"
    overlay.mkdir()
    header = "name,value,unit,low,high,source,article,applies_from,applies_to,confidence,note\n"
    (overlay / "minimum_area_m2.csv").write_text(f"{header}built,deux cents,m²,,,choix,,,,low,\n", encoding="utf-8")
    outcome = ready.derive("--rules", overlay)
    ready.refuses(outcome, DATA, "minimum_area_m2.csv:2", "value", "deux cents")


def test_a_table_that_does_not_exist_in_an_overlay_is_refused(ready: Bench) -> None:
    overlay = ready.folder / "regles"
    overlay.mkdir()
    (overlay / "seuils.csv").write_text("name,value\n")
    ready.refuses(ready.derive("--rules", overlay), DATA, "seuils.csv", "not a rule table")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"millesime": "2O22"}, ("--millesime", "2O22", "ocsge derive --help")),
        ({"millesime": 22}, ("22", "2022 for instance")),
        ({"millesime": 20222}, ("20222",)),
    ],
)
def test_a_bad_millesime_is_a_wrong_parameter(ready: Bench, options: dict[str, object], words: tuple[str]) -> None:
    ready.refuses(ready.derive(**options), USAGE, *words)


@pytest.mark.parametrize("resolution", ["0.3", "0", "-1", "2", "fin"])
def test_a_bad_resolution_is_a_wrong_parameter(ready: Bench, resolution: str) -> None:
    ready.refuses(ready.derive("--resolution", resolution), USAGE, "resolution", resolution.strip("-"))


def test_a_missing_file_is_a_wrong_parameter(ready: Bench) -> None:
    outcome = ready.derive("--cosia", ready.folder / "absent.tif")
    ready.refuses(outcome, USAGE, "--cosia", "absent.tif", "does not exist")


def test_a_workspace_that_cannot_be_written_is_refused(ready: Bench) -> None:
    (ready.folder / "fichier").write_text("not a folder")
    ready.workspace = ready.folder / "fichier" / "w"
    outcome = ready.derive()
    assert (outcome.code, len(outcome.errors)) == (UNWRITABLE, 1)
    assert "fichier/w" in outcome.errors[0]
    assert "choose a folder you may write to" in outcome.errors[0]


def test_a_workspace_that_the_system_cannot_make_is_refused(ready: Bench) -> None:
    ready.workspace = Path("/proc/foo")  # no permission is missing: there, nothing can be made
    outcome = ready.derive()
    assert (outcome.code, len(outcome.errors)) == (UNWRITABLE, 1)
    assert "/proc/foo" in outcome.errors[0]
    assert "choose a folder you may write to" in outcome.errors[0]


def test_a_workspace_in_use_is_refused_with_its_holder(ready: Bench) -> None:
    hold = (
        "import sys\nfrom pathlib import Path\nfrom ocsge.store import Workspace\n"
        "with Workspace(Path(sys.argv[1])).locked():\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(ready.workspace)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        ready.refuses(ready.derive(), BUSY, ready.workspace, f"process {holder.pid}", "wait for it to end")
        holder.communicate("")
    assert ready.derive().code == 0


def test_a_refused_run_leaves_the_published_result_as_it_was(ready: Bench) -> None:
    assert ready.derive().code == 0
    before = ready.published()
    refused = ready.derive_with(truncated(ready.folder / "dalle.tif"))
    assert refused.code == DATA
    assert ready.published() == before
    assert built_m2(ready) == 400


@pytest.mark.parametrize("epsg", [4326, 2975])
def test_a_layer_whose_coordinates_lie_outside_its_crs_is_refused(bench: Bench, epsg: int) -> None:
    bench.deliver(batiment=buildings().set_crs(epsg, allow_override=True))
    bench.refuses(bench.derive(), DATA, "batiment.gpkg", "layer batiment", "(664100, 6360100)", "correct the file")


def test_an_assumed_crs_is_part_of_what_the_result_depends_on(bench: Bench) -> None:
    bench.deliver()
    with pytest.warns(UserWarning, match="crs"):
        write(bench.folder / "batiment.shp", batiment=buildings(crs=None))
    assert bench.add(bench.folder / "batiment.shp").code == 0
    bench.refuses(bench.derive("--assume-crs", 4326), DATA, "batiment.shp")
    assert bench.derive("--assume-crs", 2154).code == 0
    assert built_m2(bench) == 400


def test_an_assumed_crs_reaches_the_communes(bench: Bench) -> None:
    with pytest.warns(UserWarning, match="crs"):
        write(bench.folder / "commune.shp", batiment=communes(crs=None))
    assert bench.add(bench.folder / "commune.shp").code == 0
    assert bench.add(write(bench.folder / "batiment.gpkg", batiment=buildings())).code == 0
    bench.refuses(bench.derive(), DATA, "commune.shp", "--assume-crs")
    assert bench.derive("--assume-crs", 2154).code == 0


def test_a_workspace_under_a_file_cannot_be_written(bench: Bench) -> None:
    (bench.folder / "file").write_text("x", encoding="utf-8")
    bench.workspace = bench.folder / "file" / "workspace"
    assert bench.add(write(bench.folder / "batiment.gpkg", batiment=buildings())).code == 73


def test_a_commune_alone_is_not_derived_without_buildings_nor_raster(bench: Bench) -> None:
    bench.deliver()
    bench.refuses(bench.derive(), DATA, "bd_topo:batiment", "no class raster", "register BD TOPO")


def test_layers_of_another_departement_are_refused(bench: Bench) -> None:
    elsewhere = buildings()
    elsewhere.geometry = elsewhere.translate(100_000, 0)
    bench.deliver(batiment=elsewhere)
    bench.refuses(bench.derive(), DATA, "batiment.gpkg", "nothing there meets the territory")


def test_a_zone_construite_of_another_departement_is_refused(bench: Bench) -> None:
    elsewhere = communes()
    elsewhere.geometry = elsewhere.translate(100_000, 0)
    bench.deliver(batiment=buildings())
    zone = write(bench.folder / "zone_construite.gpkg", zone_construite=elsewhere)
    bench.refuses(bench.derive("--zone-construite", zone), DATA, "zone_construite.gpkg", "meets the territory")


def test_a_commune_of_two_files_counts_once_and_admin_express_comes_first(bench: Bench) -> None:
    bench.deliver(batiment=buildings())
    assert bench.derive().code == 0
    before = polygons_of(bench)["area_m2"].sum()
    assert bench.add(write(bench.folder / "admin_express.gpkg", commune=communes())).code == 0
    assert bench.derive().code == 0
    assert polygons_of(bench)["area_m2"].sum() == before == 40_000
