"""The shipped data are Olemps and its surroundings, each ground once, and say where they come from."""

from __future__ import annotations

import hashlib
import json
import runpy
import shutil
import sqlite3
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely

from ocsge import catalog as catalog_module
from ocsge.catalog import Source, embedded_communes, embedded_sources, load_catalog
from ocsge.commune_outlines import read_communes
from ocsge.errors import LayerError
from ocsge.layers import read_layer
from ocsge.resources import shipped_directory

FOLDER = shipped_directory("data_catalog") / "embedded"
FILE = FOLDER / "olemps.gpkg"
EDITION_3, EDITION_2 = "BD TOPO 3 (2022)", "BD TOPO 2.2"
TOOL = Path(__file__).parents[1] / "tools" / "embed_olemps.py"


@pytest.fixture(scope="module")
def sources() -> tuple[Source, ...]:
    return embedded_sources(["12174"])


@pytest.fixture(scope="module")
def outline(sources: tuple[Source, ...]) -> shapely.Geometry:
    return read_communes(sources, epsg=2154).frame.geometry.iloc[0]


def read(sources: tuple[Source, ...], layer: str, millesime: int | None = None) -> gpd.GeoDataFrame:
    return read_layer(sources, layer, bounds=None, epsg=2154, millesime=millesime).frame


def test_the_shipped_commune_is_olemps(sources: tuple[Source, ...]) -> None:
    assert embedded_communes()[0] == "12174"
    frame = read_communes(sources, epsg=2154).frame
    row = frame.drop(columns="geometry").iloc[0].to_dict()
    assert row == {
        "commune_code": "12174",
        "nom": "Olemps",
        "population": 3439.0,
        "siren_epci": "241200187",
        "departement_code": "12",
        "region_code": "76",
        "cog_year": 2022,
    }
    assert frame.geometry.area.iloc[0] == pytest.approx(12_792_862, abs=5)


def test_other_communes_are_not_shipped() -> None:
    assert embedded_sources(["12202"]) == ()
    assert len(embedded_sources(["12202", "12174"])) == len(embedded_sources(["12174"]))


def test_the_layers_have_the_names_and_columns_of_the_catalogue(sources: tuple[Source, ...]) -> None:
    catalog = load_catalog()
    for name in pyogrio.list_layers(FILE)[:, 0]:
        (source,) = [source for source in sources if source.layer_name == name]
        fields = set(pyogrio.read_info(FILE, layer=name)["fields"])
        assert fields <= set(catalog.columns(source.layer)), name
        assert "edition" in fields


def test_a_reading_of_the_shipped_data_needs_no_repair(sources: tuple[Source, ...]) -> None:
    for source in sources:
        report = read_layer(sources, source.layer, bounds=None, epsg=2154, millesime=None).report
        assert report.kept == report.read, source.layer
        assert (report.repaired, report.unreadable_values, report.reprojected) == (0, 0, 0), source.layer


@pytest.mark.parametrize(
    ("layer", "count"),
    [
        ("bd_topo:batiment", 2273),
        ("bd_topo:zone_d_activite_ou_d_interet", 21),
        ("bd_topo:zone_de_vegetation", 665),
        ("bd_topo:surface_hydrographique", 28),
        ("bd_topo:cimetiere", 3),
        ("bd_topo:reservoir", 2),
        ("bd_topo:terrain_de_sport", 7),
        ("bd_topo:equipement_de_transport", 10),
    ],
)
def test_every_object_of_version_three_is_there_with_its_date(
    sources: tuple[Source, ...], layer: str, count: int
) -> None:
    frame = read(sources, layer)
    recent = frame[frame["edition"] == EDITION_3]
    assert len(recent) == count
    assert recent["date_creation"].notna().all()
    assert frame.loc[frame["edition"] == EDITION_2, "date_creation"].isna().all()


def test_every_object_of_version_three_meets_the_commune(
    sources: tuple[Source, ...], outline: shapely.Geometry
) -> None:
    for layer in ("bd_topo:batiment", "bd_topo:zone_de_vegetation", "bd_topo:surface_hydrographique"):
        frame = read(sources, layer)
        inside = shapely.intersects(frame.geometry.array, outline)
        assert inside[frame["edition"].to_numpy() == EDITION_3].all(), layer


def test_no_object_of_version_two_covers_ground_of_the_commune(
    sources: tuple[Source, ...], outline: shapely.Geometry
) -> None:
    for layer in ("bd_topo:batiment", "bd_topo:zone_de_vegetation", "bd_topo:surface_hydrographique"):
        frame = read(sources, layer)
        old = frame[frame["edition"] == EDITION_2]
        overlap = shapely.area(shapely.intersection(old.geometry.array, outline)).sum()
        assert overlap < 1.0, layer


def test_no_two_buildings_of_different_versions_overlap(sources: tuple[Source, ...]) -> None:
    frame = read(sources, "bd_topo:batiment")
    old, recent = frame[frame["edition"] == EDITION_2], frame[frame["edition"] == EDITION_3]
    first, second = shapely.STRtree(recent.geometry.array).query(old.geometry.array, predicate="intersects")
    shared = shapely.intersection(old.geometry.array[first], recent.geometry.array[second])
    assert shapely.area(shared).sum() < 1.0


def test_an_identifier_stands_once_in_each_layer(sources: tuple[Source, ...]) -> None:
    for layer in ("bd_topo:batiment", "bd_topo:troncon_de_route", "bd_topo:surface_hydrographique"):
        assert not read(sources, layer)["cleabs"].duplicated().any(), layer


def test_a_building_on_the_outline_is_whole(sources: tuple[Source, ...], outline: shapely.Geometry) -> None:
    frame = read(sources, "bd_topo:batiment").set_index("cleabs")
    building = frame.loc["BATIMENT0000000257028133"]
    assert building["edition"] == EDITION_3
    assert building["geometry"].area == pytest.approx(3552.6, abs=1)
    assert building["geometry"].intersection(outline).area == pytest.approx(2435.8, abs=1)


def test_the_surroundings_reach_a_kilometre_on_every_side(
    sources: tuple[Source, ...], outline: shapely.Geometry
) -> None:
    frame = read(sources, "bd_topo:zone_de_vegetation")
    xmin, ymin, xmax, ymax = frame.total_bounds - np.array(outline.bounds)
    assert xmin < -1000
    assert ymin < -1000
    assert xmax > 1000
    assert ymax > 1000


def test_no_object_of_the_surroundings_is_farther_than_the_ring(
    sources: tuple[Source, ...], outline: shapely.Geometry
) -> None:
    for layer in ("bd_topo:batiment", "bd_topo:troncon_de_route", "bd_topo:zone_de_vegetation"):
        assert shapely.distance(read(sources, layer).geometry.array, outline).max() <= 1100.1, layer


def test_roads_have_widths_and_zero_is_unknown(sources: tuple[Source, ...]) -> None:
    roads = read(sources, "bd_topo:troncon_de_route")
    assert (roads["edition"] == EDITION_2).all()
    assert roads["largeur_de_chaussee"].min() == 2.0
    assert 400 < roads["largeur_de_chaussee"].isna().sum() < 700
    assert set(roads["nature"]) >= {"Type autoroutier", "Route à 1 chaussée", "Chemin"}
    assert not roads["fictif"].any()


def test_old_building_natures_give_usages_of_version_three(sources: tuple[Source, ...]) -> None:
    frame = read(sources, "bd_topo:batiment")
    old = frame[frame["edition"] == EDITION_2]
    greenhouses = old[old["nature"] == "Serre"]
    assert len(greenhouses) > 0
    assert set(greenhouses["usage_1"]) == {"Agricole"}
    assert set(old.loc[old["nature"] == "Chapelle", "usage_1"]) == {"Religieux"}
    assert set(old["usage_1"]) == {
        "Agricole",
        "Commercial et services",
        "Indifférencié",
        "Industriel",
        "Religieux",
        "Sportif",
    }


def test_the_buildings_of_2018_are_a_true_earlier_state(sources: tuple[Source, ...]) -> None:
    whole, earlier = read(sources, "bd_topo:batiment"), read(sources, "bd_topo:batiment", 2018)
    missing = whole[~whole["cleabs"].isin(earlier["cleabs"])]
    assert missing["date_creation"].dt.year.value_counts().to_dict() == {2021: 57, 2022: 19}
    same = whole[whole["cleabs"].isin(earlier["cleabs"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.DataFrame(same), pd.DataFrame(earlier))


def test_empty_layers_say_that_there_is_none(sources: tuple[Source, ...]) -> None:
    for layer in ("bd_topo:aerodrome", "bd_topo:piste_d_aerodrome"):
        result = read_layer(sources, layer, bounds=None, epsg=2154, millesime=2022)
        assert len(result.frame) == 0
        assert len(result.report.sources) == 1


def test_coordinates_are_in_two_dimensions_and_to_the_centimetre() -> None:
    for name in ("batiment", "zone_de_vegetation", "troncon_de_route"):
        frame = pyogrio.read_dataframe(FILE, layer=name)
        points = shapely.get_coordinates(frame.geometry.array)
        assert not frame.geometry.has_z.any()
        assert np.abs(points * 100 - np.round(points * 100)).max() < 1e-3, name


def test_the_attributes_of_the_commune_are_not_repeated_on_its_objects() -> None:
    assert not {"insee_com", "population", "nom"} & set(pyogrio.read_info(FILE, layer="batiment")["fields"])


def test_the_file_carries_a_fixed_date_and_no_path() -> None:
    with sqlite3.connect(f"file:{FILE}?mode=ro", uri=True) as connection:
        dates = {row[0] for row in connection.execute("SELECT last_change FROM gpkg_contents")}
    connection.close()
    assert dates == {"2025-01-01T00:00:00.000Z"}
    assert FILE.stat().st_size < 7_000_000


def test_the_readme_states_licence_credit_and_the_older_notice() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for words in (
        "Licence Ouverte / Open Licence 2.0",
        "IGN – BD TOPO",
        "1 January 2021",
        "orbisgis/geoclimate",
    ):
        assert words in text


def test_a_damaged_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data_catalog" / "embedded"
    folder.mkdir(parents=True)
    shutil.copy(FILE, folder / "olemps.gpkg")
    with (folder / "olemps.gpkg").open("ab") as stream:
        stream.write(b"\x00")
    monkeypatch.setattr(catalog_module, "shipped_directory", lambda name: tmp_path / name)
    with pytest.raises(LayerError, match=r"olemps\.gpkg: damaged"):
        embedded_sources(["12174"])


def _square(x: float, width: float, **values: object) -> dict[str, object]:
    return {"geometry": shapely.box(x, 0, x + width, 10), **values}


def test_the_tool_joins_both_parts_of_an_object_cut_at_the_outline() -> None:
    whole_objects = runpy.run_path(str(TOOL))["whole_objects"]
    commune = shapely.box(0, -100, 100, 100)
    number = "0000000000000001"
    inside = gpd.GeoDataFrame([_square(90, 10, cleabs=f"EQ_RESEA{number}", edition="3")], crs=2154)
    around = gpd.GeoDataFrame(
        [
            _square(88, 22, cleabs=f"SURFROUT{number}", edition="2"),
            _square(95, 15, cleabs="SURFROUT0000000000000002", edition="2"),
            _square(20, 10, cleabs="SURFROUT0000000000000003", edition="2"),
            _square(99, 1.05, cleabs="SURFROUT0000000000000004", edition="2"),
        ],
        crs=2154,
    )
    result = whole_objects(inside, around, commune).set_index("cleabs")
    assert result.loc[f"EQ_RESEA{number}", "geometry"].bounds == (90, 0, 110, 10)
    assert result.loc["SURFROUT0000000000000002", "geometry"].bounds == (100, 0, 110, 10)
    assert sorted(result["edition"]) == ["2", "3"]


def test_the_index_names_the_file_and_its_digest() -> None:
    rows = json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))["files"]
    row = next(row for row in rows if row["file"] == "olemps.gpkg")
    assert len(row["sha256"]) == 64


def test_a_file_that_is_listed_again_takes_the_place_of_what_was_said_of_it(tmp_path: Path) -> None:
    list_shipped = runpy.run_path(str(TOOL))["list_shipped"]
    for name in ("b.gpkg", "a.gpkg"):
        (tmp_path / name).write_text(name)
        list_shipped(tmp_path / "index.json", tmp_path / name, communes=["12001"])
    (tmp_path / "b.gpkg").write_text("changed")
    list_shipped(tmp_path / "index.json", tmp_path / "b.gpkg", communes=["12002"])
    rows = json.loads((tmp_path / "index.json").read_text(encoding="utf-8"))["files"]
    assert [row["file"] for row in rows] == ["a.gpkg", "b.gpkg"]
    assert rows[1]["communes"] == ["12002"]
    assert rows[1]["sha256"] == hashlib.sha256(b"changed").hexdigest()
