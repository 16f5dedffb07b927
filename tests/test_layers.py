"""Layers of any delivery reach the stages in one form, and the report says what it took."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from layer_fixtures import (
    HERE,
    add_raw_geometry,
    bow_tie,
    buildings,
    communes,
    open_ring_wkb,
    square,
    vegetation,
    write_gpkg,
    write_shapefile,
)

from ocsge.catalog import Source, recognise
from ocsge.commune_outlines import read_communes
from ocsge.errors import CrsError, DataError, GeometryError, LayerError, ParameterError
from ocsge.layers import LayerRead, ReadReport, read_layer

if TYPE_CHECKING:
    from pathlib import Path

BUILDINGS = "bd_topo:batiment"


def read(path: Path, layer: str = BUILDINGS, **options: object) -> LayerRead:
    given = {"bounds": None, "epsg": 2154, "millesime": None, **options}
    return read_layer(recognise(path), layer, **given)  # type: ignore[arg-type]


def gpkg(tmp_path: Path, frame: gpd.GeoDataFrame, name: str = "batiment") -> Path:
    return write_gpkg(tmp_path / "bd.gpkg", **{name: frame})


def test_the_canonical_columns_come_in_one_order_whatever_the_delivery(tmp_path: Path) -> None:
    first = read(gpkg(tmp_path, buildings([square()]))).frame
    renamed = buildings([square()]).rename(columns={"cleabs": "ID", "nature": "NATURE", "usage_1": "USAGE1"})
    second = read(write_shapefile(tmp_path / "BATIMENT.shp", renamed)).frame
    assert list(first.columns) == list(second.columns)
    assert second["usage_1"].tolist() == ["Résidentiel"]
    assert first.crs.to_epsg() == 2154


def test_an_optional_column_that_the_file_lacks_is_null(tmp_path: Path) -> None:
    frame = read(gpkg(tmp_path, buildings([square()]))).frame
    assert frame["hauteur"].isna().all()
    assert frame["date_creation"].isna().all()


def test_a_required_column_that_the_file_lacks_is_refused_with_the_fields_found(tmp_path: Path) -> None:
    path = gpkg(tmp_path, buildings([square()]))
    (source,) = recognise(path)
    write_gpkg(tmp_path / "other.gpkg", batiment=buildings([square()])[["cleabs", "geometry"]])
    moved = Source(**{**_fields(source), "path": tmp_path / "other.gpkg"})
    with pytest.raises(LayerError, match=r"needs nature, usage_1; fields found: cleabs"):
        read_layer([moved], BUILDINGS, bounds=None, epsg=2154, millesime=None)


def _fields(source: Source) -> dict[str, object]:
    return {name: getattr(source, name) for name in Source.__slots__}


def test_no_source_gives_an_empty_frame_with_the_canonical_columns() -> None:
    result = read_layer([], "rpg:parcelles_graphiques", bounds=None, epsg=2154, millesime=2022)
    assert list(result.frame.columns) == ["id_parcel", "surf_parc", "code_cultu", "code_group", "geometry"]
    assert len(result.frame) == 0
    assert result.frame.crs.to_epsg() == 2154
    assert result.report.sources == ()


def test_an_empty_layer_is_a_source_without_features(tmp_path: Path) -> None:
    result = read(gpkg(tmp_path, buildings([square()]).iloc[:0]))
    assert len(result.frame) == 0
    assert len(result.report.sources) == 1
    assert str(result.frame["hauteur"].dtype) == "float64"


def test_null_and_empty_geometries_are_dropped_and_counted(tmp_path: Path) -> None:
    result = read(gpkg(tmp_path, buildings([square(), None, shapely.Polygon()])))
    assert (result.report.read, result.report.kept, result.report.null_or_empty) == (3, 1, 2)


def test_features_without_geometry_are_unknown_and_not_none_in_a_layer_too_large_to_count_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = gpkg(tmp_path, buildings([square(), None]))
    around = (HERE[0], HERE[1], HERE[0] + 10, HERE[1] + 10)
    counted = read(path, bounds=around).report
    assert (counted.read, counted.null_or_empty) == (2, 1)
    monkeypatch.setattr("ocsge.vector_files._COUNTED_FEATURES", 1)
    report = read(path, bounds=around).report
    assert (report.read, report.kept, report.null_or_empty, report.warnings()) == (1, 1, None, ())
    assert read(path).report.null_or_empty == 1


def test_a_bow_tie_is_repaired_and_its_change_of_area_reported(tmp_path: Path) -> None:
    result = read(gpkg(tmp_path, buildings([bow_tie()])))
    assert result.frame.geometry.area.sum() == pytest.approx(50.0)
    assert result.report.repaired == 1
    assert result.report.repaired_area_m2 == pytest.approx(50.0)
    assert result.frame.geometry.is_valid.all()


def test_what_reading_lost_is_told_on_one_line_with_its_file_and_nothing_else_is(tmp_path: Path) -> None:
    line = shapely.LineString([(HERE[0], HERE[1]), (HERE[0] + 5, HERE[1])])
    (tmp_path / "whole").mkdir()
    assert read(gpkg(tmp_path / "whole", buildings([square(), square()]))).report.warnings() == ()
    frame = buildings([square(), bow_tie(), line, None], hauteur=["3", "high", "5", "6"])
    (told,) = read(gpkg(tmp_path, frame)).report.warnings()
    assert told == (
        "bd_topo:batiment (bd.gpkg): 1 features without geometry left out; 1 features of another kind of geometry left "
        "out; 1 unreadable values taken as unknown; 1 invalid geometries repaired, 50.0 m² moved"
    )


def test_a_repair_that_moves_less_than_a_square_metre_is_not_told() -> None:
    assert ReadReport(layer="a:b", repaired=3, repaired_area_m2=0.99).warnings() == ()
    assert ReadReport(layer="a:b", unreadable=2).warnings() == ("a:b (): 2 features of unreadable geometry left out",)


def test_stop_names_the_feature_by_its_identifier(tmp_path: Path) -> None:
    path = gpkg(tmp_path, buildings([square(), bow_tie()]))
    with pytest.raises(GeometryError, match=r"bd\.gpkg layer batiment feature BATIMENT0000000000000001"):
        read(path, invalid="stop")


def test_an_open_ring_is_repaired_and_a_null_beside_it_is_counted_apart(tmp_path: Path) -> None:
    path = gpkg(tmp_path, buildings([square(20)]))
    add_raw_geometry(path, "batiment", open_ring_wkb(*HERE, 10.0), nature="Silo", usage_1="Agricole")
    add_raw_geometry(path, "batiment", None, nature="Silo", usage_1="Agricole")
    report = read(path).report
    assert (report.read, report.kept, report.repaired, report.null_or_empty, report.unreadable) == (
        3,
        2,
        1,
        1,
        0,
    )


def test_a_layer_of_the_wrong_kind_is_refused(tmp_path: Path) -> None:
    points = buildings([shapely.Point(*HERE), shapely.Point(HERE[0] + 5, HERE[1])])
    with pytest.raises(LayerError, match="Point geometries where polygons are expected"):
        read(gpkg(tmp_path, points))


def test_heights_are_dropped(tmp_path: Path) -> None:
    frame = read(gpkg(tmp_path, buildings([shapely.force_3d(square(), 600.0)]))).frame
    assert not frame.geometry.has_z.any()


def test_exact_copies_are_dropped_and_counted(tmp_path: Path) -> None:
    frame = pd.concat([buildings([square(), square(20)]), buildings([square()])], ignore_index=True)
    result = read(gpkg(tmp_path, gpd.GeoDataFrame(frame, crs=2154)))
    assert (result.report.read, result.report.duplicates, result.report.kept) == (3, 1, 2)


def test_the_same_outline_drawn_from_another_corner_is_a_copy(tmp_path: Path) -> None:
    x, y = HERE
    turned = shapely.Polygon([(x + 10, y + 10), (x, y + 10), (x, y), (x + 10, y)])
    result = read(gpkg(tmp_path, buildings([square(), turned], cleabs=["B", "B"])))
    assert result.report.duplicates == 1


def test_equal_outlines_with_other_values_are_two_objects(tmp_path: Path) -> None:
    result = read(gpkg(tmp_path, buildings([square(), square()], nature=["Serre", "Silo"])))
    assert (result.report.duplicates, result.report.kept) == (0, 2)


def test_equal_outlines_of_the_zone_construite_are_copies_whatever_their_identifiers(tmp_path: Path) -> None:
    zones = gpd.GeoDataFrame({"ID": ["a", "b"]}, geometry=[square(), square()], crs=2154)
    result = read(gpkg(tmp_path, zones, "zone_construite"), "ocs_ge:zone_construite")
    assert (result.report.duplicates, result.report.kept) == (1, 1)


def test_several_sources_are_put_end_to_end_and_border_objects_counted_once(tmp_path: Path) -> None:
    (tmp_path / "D012").mkdir()
    (tmp_path / "D048").mkdir()
    write_gpkg(tmp_path / "D012" / "bd.gpkg", batiment=buildings([square(), square(20)]))
    write_gpkg(tmp_path / "D048" / "bd.gpkg", batiment=buildings([square(), square(40)], cleabs=["B0", "B9"]))
    first = read(tmp_path)
    assert (first.report.read, first.report.kept, len(first.report.sources)) == (4, 4, 2)
    write_gpkg(tmp_path / "D048" / "twin.gpkg", batiment=buildings([square()]))
    assert read(tmp_path).report.duplicates == 1


def test_versions_two_and_three_stand_in_one_layer(tmp_path: Path) -> None:
    write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([square()], hauteur=[4.5]))
    old = gpd.GeoDataFrame({"id": ["BATIMENT1"], "nature": ["Bâtiment commercial"]}, geometry=[square(50)], crs=2154)
    write_shapefile(tmp_path / "BATI_INDUSTRIEL.shp", old)
    frame = read(tmp_path).frame
    assert sorted(frame["usage_1"]) == ["Commercial et services", "Résidentiel"]
    assert frame.set_index("usage_1")["hauteur"].isna().to_dict() == {
        "Commercial et services": True,
        "Résidentiel": False,
    }


DATES = {
    "date_creation": ["2011-04-13", "2019-06-01", None, "2022-01-01", "2018-12-31 23:00:00"],
    "date_d_apparition": [None, "2017-03-04", None, None, None],
}


def test_a_millesime_keeps_the_objects_created_by_the_end_of_its_year(tmp_path: Path) -> None:
    shapes = [square(20.0 * number) for number in range(5)]
    path = gpkg(
        tmp_path,
        buildings(shapes, **{name: pd.to_datetime(v, format="ISO8601") for name, v in DATES.items()}),
    )
    result = read(path, millesime=2018)
    assert result.frame["cleabs"].str[-1].tolist() == ["0", "1", "2", "4"]
    assert result.report.after_millesime == 1
    assert read(path, millesime=2022).report.kept == 5
    assert read(path, millesime=2010).frame["cleabs"].str[-1].tolist() == ["2"]
    assert read(path).report.after_millesime == 0


def test_a_layer_without_dates_is_the_same_at_every_millesime(tmp_path: Path) -> None:
    parcels = gpd.GeoDataFrame({"CODE_CULTU": ["BTH"], "CODE_GROUP": ["1"]}, geometry=[square()], crs=2154)
    path = gpkg(tmp_path, parcels, "PARCELLES_GRAPHIQUES")
    assert read(path, "rpg:parcelles_graphiques", millesime=1990).report.kept == 1


def test_degrees_are_reprojected_before_anything_is_measured(tmp_path: Path) -> None:
    path = gpkg(tmp_path, buildings([square(side=100.0), bow_tie()]).to_crs(4326))
    result = read(path)
    assert result.report.reprojected == 2
    assert result.frame.geometry.area.max() == pytest.approx(10_000.0, rel=1e-4)
    assert result.report.repaired_area_m2 == pytest.approx(50.0, rel=1e-3)


def test_bounds_select_in_the_crs_of_the_run_whatever_that_of_the_file(tmp_path: Path) -> None:
    path = gpkg(tmp_path, buildings([square(), square(5000.0)]).to_crs(4326))
    bounds = (HERE[0] - 10, HERE[1] - 10, HERE[0] + 100, HERE[1] + 100)
    assert read(path, bounds=bounds).frame["cleabs"].str[-1].tolist() == ["0"]


def test_the_antilles_may_come_in_the_older_crs(tmp_path: Path) -> None:
    shape = shapely.box(650000.0, 1790000.0, 650100.0, 1790100.0)
    frame = buildings([square()]).set_geometry([shape], crs=32620)
    result = read(gpkg(tmp_path, frame), epsg=5490)
    assert result.frame.crs.to_epsg() == 5490
    assert result.frame.geometry.area.sum() == pytest.approx(10_000.0, rel=1e-6)


def test_sources_in_different_crs_meet_in_that_of_the_run(tmp_path: Path) -> None:
    write_gpkg(tmp_path / "a.gpkg", batiment=buildings([square()]))
    write_gpkg(tmp_path / "b.gpkg", batiment=buildings([square(50)]).to_crs(4326))
    frame = read(tmp_path).frame
    assert frame.crs.to_epsg() == 2154
    assert frame.geometry.area.tolist() == pytest.approx([100.0, 100.0], rel=1e-4)


def test_a_file_without_crs_is_refused(tmp_path: Path) -> None:
    path = write_shapefile(tmp_path / "ZONE_DE_VEGETATION.shp", vegetation(["Haie"]))
    path.with_suffix(".prj").unlink()
    with pytest.raises(CrsError, match="declares no CRS; give it with --assume-crs"):
        read(path, "bd_topo:zone_de_vegetation")


def test_the_crs_may_be_assumed_when_the_coordinates_agree(tmp_path: Path) -> None:
    path = write_shapefile(tmp_path / "ZONE_DE_VEGETATION.shp", vegetation(["Haie"]))
    path.with_suffix(".prj").unlink()
    assert read(path, "bd_topo:zone_de_vegetation", assume_crs=2154).report.kept == 1
    with pytest.raises(CrsError, match="coordinates around"):
        read(path, "bd_topo:zone_de_vegetation", assume_crs=4326)


def test_an_unknown_assumed_crs_is_refused(tmp_path: Path) -> None:
    path = write_shapefile(tmp_path / "ZONE_DE_VEGETATION.shp", vegetation(["Haie"]))
    path.with_suffix(".prj").unlink()
    with pytest.raises(CrsError, match="is not known"):
        read(path, "bd_topo:zone_de_vegetation", assume_crs="Lambert quatre-vingt-treize")


def test_a_declared_crs_that_the_coordinates_contradict_is_refused(tmp_path: Path) -> None:
    frame = buildings([square()]).set_crs(4326, allow_override=True)
    with pytest.raises(CrsError, match="are outside WGS 84"):
        read(gpkg(tmp_path, frame))


@pytest.mark.parametrize("epsg", [4326, 3857])
def test_a_run_in_degrees_or_web_mercator_is_refused(epsg: int) -> None:
    with pytest.raises(CrsError, match="areas cannot be measured"):
        read_layer([], BUILDINGS, bounds=None, epsg=epsg, millesime=None)


def test_values_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    result = read(gpkg(tmp_path, buildings([square(), square(20)], construction_legere=["Oui", "?"])))
    assert result.report.unreadable_values == 1
    assert result.frame["construction_legere"].isna().tolist() == [False, True]


def test_a_truncated_file_is_refused_and_never_read_as_nothing(tmp_path: Path) -> None:
    path = write_shapefile(tmp_path / "ZONE_DE_VEGETATION.shp", vegetation(["Haie"] * 100))
    sources = recognise(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LayerError, match="truncated"):
        read_layer(sources, "bd_topo:zone_de_vegetation", bounds=None, epsg=2154, millesime=None)


def test_the_report_is_json(tmp_path: Path) -> None:
    report = read(gpkg(tmp_path, buildings([square()]))).report
    row = json.loads(json.dumps(report.as_dict()))
    assert row["kept"] == 1
    assert row["sources"][0]["sha256"] == report.sources[0].sha256


def test_reading_again_gives_the_same_rows_in_the_same_order(tmp_path: Path) -> None:
    path = gpkg(tmp_path, buildings([square(20.0 * n) for n in range(20)]))
    pd.testing.assert_frame_equal(pd.DataFrame(read(path).frame), pd.DataFrame(read(path).frame))


def test_road_widths_of_version_two_are_null_where_they_are_zero(tmp_path: Path) -> None:
    x, y = HERE
    roads = gpd.GeoDataFrame(
        {
            "nature": ["Autoroute", "Chemin"],
            "importance": ["1", "NC"],
            "largeur": [7.0, 0.0],
            "nb_voies": [2, 0],
            "pos_sol": [0, -1],
            "fictif": ["Non", "Oui"],
            "numero": ["A75", "NC"],
        },
        geometry=[shapely.LineString([(x, y), (x + 50, y)]), shapely.LineString([(x, y), (x, y + 50)])],
        crs=2154,
    )
    frame = read(write_shapefile(tmp_path / "ROUTE.shp", roads), "bd_topo:troncon_de_route").frame
    assert frame["nature"].tolist() == ["Type autoroutier", "Chemin"]
    assert frame["largeur_de_chaussee"].isna().tolist() == [False, True]
    assert frame["nombre_de_voies"].isna().tolist() == [False, True]
    assert frame["position_par_rapport_au_sol"].tolist() == [0.0, -1.0]
    assert frame["fictif"].tolist() == [False, True]
    assert frame["numero"].isna().tolist() == [False, True]
    assert frame["importance"].isna().tolist() == [False, True]


def test_a_difference_takes_its_years_from_the_names_of_its_fields(tmp_path: Path) -> None:
    changes = gpd.GeoDataFrame(
        {"CS_2022": ["CS1.1.1.1"], "US_2022": ["US5"], "CS_2019": [" cs2.2.1"], "US_2019": ["US1.1"]},
        geometry=[square()],
        crs=2154,
    )
    frame = read(gpkg(tmp_path, changes, "DIIF_D012"), "ocs_ge:difference").frame
    assert frame.loc[0, ["cs_avant", "us_avant", "cs_apres", "us_apres"]].tolist() == [
        "CS2.2.1",
        "US1.1",
        "CS1.1.1.1",
        "US5",
    ]


def test_the_zones_of_a_plan_are_read_with_the_current_letters(tmp_path: Path) -> None:
    shapes = [square(20.0 * number) for number in range(4)]
    zones = gpd.GeoDataFrame(
        {"LIBELLE": ["1", "2", "3", "4"], "TYPEZONE": ["Ah", "Nd", "99", "AUc"]}, geometry=shapes, crs=2154
    ).to_crs(4326)
    frame = read(write_shapefile(tmp_path / "12174_ZONE_URBA_20200128.shp", zones), "plu:zone_urba").frame
    assert [None if pd.isna(zone) else zone for zone in frame["typezone"]] == ["A", "N", None, "AUc"]


def read_towns(path: Path, **options: object) -> gpd.GeoDataFrame:
    return read_communes(recognise(path), epsg=2154, **options).frame  # type: ignore[arg-type]


def test_communes_are_sorted_by_code_with_the_columns_of_the_stages(tmp_path: Path) -> None:
    path = gpkg(tmp_path, communes(["12202", "12174"], POPULATION=[24000, 3439], INSEE_DEP=["12", "12"]), "COMMUNE")
    frame = read_towns(path)
    assert list(frame.columns) == [
        "commune_code",
        "nom",
        "population",
        "siren_epci",
        "departement_code",
        "region_code",
        "cog_year",
        "geometry",
    ]
    assert frame["commune_code"].tolist() == ["12174", "12202"]
    assert frame["population"].tolist() == [3439.0, 24000.0]
    assert frame["siren_epci"].isna().all()


def test_communes_of_version_four_have_other_names(tmp_path: Path) -> None:
    renamed = communes(["12174"]).rename(columns={"INSEE_COM": "code_insee", "NOM": "nom_officiel"})
    frame = read_towns(gpkg(tmp_path, renamed.assign(codes_siren_des_epci="241200187"), "commune"))
    assert frame.loc[0, ["commune_code", "nom", "siren_epci"]].tolist() == [
        "12174",
        "Commune 12174",
        "241200187",
    ]


def test_year_of_the_communes_is_that_of_the_edition_they_state_then_of_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "ADMIN-EXPRESS-COG_3-2__GPKG_LAMB93_FXX_2023-05-03"
    folder.mkdir()
    stated = communes(["12174", "12202"], EDITION=["BD TOPO 3 (2022)", None])
    assert read_towns(gpkg(folder, stated, "COMMUNE"))["cog_year"].tolist() == [2022, 2023]
    undated = tmp_path / "undated"
    undated.mkdir()
    assert read_towns(gpkg(undated, communes(["75101", "75102"]), "COMMUNE"))["cog_year"].isna().tolist() == [True]


def test_communes_may_be_asked_for_by_code_and_by_bounds(tmp_path: Path) -> None:
    path = gpkg(tmp_path, communes(["12174", "12202", "12133"]), "COMMUNE")
    assert read_towns(path, codes=["12202"])["commune_code"].tolist() == ["12202"]
    near = (HERE[0] + 10, HERE[1] + 10, HERE[0] + 20, HERE[1] + 20)
    assert read_towns(path, bounds=near)["commune_code"].tolist() == ["12174"]


def test_a_commune_that_no_source_holds_is_refused(tmp_path: Path) -> None:
    path = gpkg(tmp_path, communes(["12174"]), "COMMUNE")
    with pytest.raises(LayerError, match="commune 12999: in no source"):
        read_towns(path, codes=["12174", "12999"])
    with pytest.raises(ParameterError, match="INSEE code"):
        read_towns(path, codes=["Olemps"])


def test_arrondissements_are_joined_into_their_commune(tmp_path: Path) -> None:
    path = gpkg(tmp_path, communes(["75101", "75102"], POPULATION=[16000, 21000]), "COMMUNE")
    frame = read_towns(path, codes=["75112"])
    assert frame["commune_code"].tolist() == ["75056"]
    assert frame["population"].tolist() == [37000.0]
    assert frame.geometry.area.tolist() == pytest.approx([20_000.0])


def test_the_population_of_joined_arrondissements_is_unknown_when_one_is(tmp_path: Path) -> None:
    path = gpkg(tmp_path, communes(["75101", "75102"], POPULATION=[16000, None]), "COMMUNE")
    assert read_towns(path)["population"].isna().tolist() == [True]


def _damaged(data: bytes, seed: int) -> bytes:
    """Return bytes with a few of them changed at random, sometimes cut."""
    random = np.random.default_rng(seed)
    changed = bytearray(data)
    for place in random.integers(0, len(changed), size=int(random.choice([1, 3, 20]))):
        changed[place] = int(random.integers(0, 256))
    return bytes(changed if random.random() > 0.1 else changed[: random.integers(1, len(changed))])


@pytest.mark.parametrize("seed", range(40))
def test_damaged_files_give_a_layer_or_a_named_error(tmp_path: Path, seed: int) -> None:
    table = write_shapefile(tmp_path / "ZONE_DE_VEGETATION.shp", vegetation(["Forêt"] * 60))
    file = gpkg(tmp_path, buildings([square(20.0 * n) for n in range(60)]))
    sources = recognise(tmp_path)
    parts = [file, *(table.with_suffix(end) for end in (".shp", ".shx", ".dbf", ".prj"))]
    part = parts[seed % len(parts)]
    part.write_bytes(_damaged(part.read_bytes(), seed))
    for layer in (BUILDINGS, "bd_topo:zone_de_vegetation"):
        with contextlib.suppress(DataError):
            result = read_layer(sources, layer, bounds=None, epsg=2154, millesime=2020)
            assert result.frame.geometry.is_valid.all()
            assert result.report.kept == len(result.frame)


@pytest.mark.parametrize("text", ["rubbish", 'PROJCS["RGF93_Lambert_93",GEOGCS["GCS_RGF93"', ""])
def test_a_damaged_projection_file_is_refused(tmp_path: Path, text: str) -> None:
    path = write_shapefile(tmp_path / "ZONE_DE_VEGETATION.shp", vegetation(["Haie"]))
    path.with_suffix(".prj").write_text(text, encoding="ascii")
    with pytest.raises(CrsError, match=r"ZONE_DE_VEGETATION\.shp"):
        read(path, "bd_topo:zone_de_vegetation")
