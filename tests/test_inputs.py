"""What a run reads: its sources, its layers, its classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from small_commune import CODE, HOUSE, box, buildings, classes, communes, write, write_raster

from ocsge.catalog import recognise, register
from ocsge.covers import cover_layers
from ocsge.domain import Domain, domain_of
from ocsge.errors import CodeError, DataError, LayerError, ParameterError, RasterError
from ocsge.grid import Grid
from ocsge.inputs import (
    COMMUNES,
    MODEL_TAG,
    NUMBERING_TAG,
    ZONE,
    find_class_evidence,
    find_sources,
    read_inputs,
    read_zone_construite,
    shipped_files,
)
from ocsge.publish import file_sha256
from ocsge.rules import load_rules
from ocsge.usage import usage_layers

if TYPE_CHECKING:
    from pathlib import Path

RULES = load_rules()
GRID = Grid(epsg=2154, pixels_per_m=1)


@pytest.fixture
def domain(tmp_path: Path) -> Domain:
    sources = recognise(write(tmp_path / "commune.gpkg", commune=communes()))
    return domain_of(communes=[CODE], perimetre=None, sources=sources, grid=GRID, context_m=100.0)


def class_polygons(names: list[str | None], numbers: list[int | None]) -> gpd.GeoDataFrame:
    boxes = [box(20 * i, 0, 20 * i + 20, 200) for i in range(len(names))]
    return gpd.GeoDataFrame({"numero": numbers, "classe": names}, geometry=boxes, crs=2154)


def test_an_empty_workspace_takes_the_layers_shipped_for_the_commune(tmp_path: Path) -> None:
    layers = {source.layer for source in find_sources(tmp_path / "w", communes=["12174"])}
    assert {COMMUNES, "bd_topo:batiment", "bd_topo:troncon_de_route"} <= layers


def test_without_data_the_command_that_adds_it_is_given(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no data registered; add BD TOPO and ADMIN EXPRESS with `ocsge catalog add"):
        find_sources(tmp_path / "w", communes=[CODE])


def test_the_shipped_files_that_a_run_reads_are_known_before_it(tmp_path: Path) -> None:
    (file,) = shipped_files(tmp_path, communes=["12174"])
    assert file.name == "olemps.gpkg"
    assert shipped_files(tmp_path, communes=["12001"]) == ()


def test_registered_communes_take_the_place_of_the_shipped_ones(tmp_path: Path) -> None:
    register(tmp_path / "w", write(tmp_path / "commune.gpkg", commune=communes(code="12174")))
    sources = find_sources(tmp_path / "w", communes=["12174"])
    assert [(source.layer, source.path.name) for source in sources] == [(COMMUNES, "commune.gpkg")]


def test_a_file_given_for_one_run_is_added_to_the_registered_ones(tmp_path: Path) -> None:
    register(tmp_path / "w", write(tmp_path / "commune.gpkg", commune=communes()))
    zone = write(tmp_path / "zone_construite.gpkg", zone_construite=communes())
    sources = find_sources(tmp_path / "w", communes=[CODE], zone_construite=zone)
    assert [source.layer for source in sources] == [COMMUNES, ZONE]
    assert len(find_sources(tmp_path / "w", communes=[CODE])) == 1


def test_a_registered_file_that_changed_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "commune.gpkg", commune=communes())
    register(tmp_path / "w", path)
    path.unlink()
    write(path, commune=communes(box(0, 0, 100, 100)))
    with pytest.raises(LayerError, match=r"commune.gpkg: changed since it was registered"):
        find_sources(tmp_path / "w", communes=[CODE])


def test_every_layer_of_the_rules_is_read_and_reported_even_without_source(tmp_path: Path, domain: Domain) -> None:
    sources = recognise(write(tmp_path / "batiment.gpkg", batiment=buildings()))
    found = read_inputs(sources, domain=domain, rules=RULES, millesime=2022, layers_decide=False)
    assert set(found.layers) == {*cover_layers(RULES), *usage_layers(RULES)}
    assert [report.layer for report in found.reports] == list(found.layers)
    assert len(found.layers["bd_topo:batiment"]) == 1
    assert len(found.layers["bd_topo:cimetiere"]) == 0
    assert {report.layer for report in found.reports if report.sources} == {"bd_topo:batiment"}


def test_the_zone_construite_is_reported_with_the_layers(tmp_path: Path, domain: Domain) -> None:
    zone = gpd.GeoDataFrame({"nom": ["a", "a", "b"]}, geometry=[*[box(0, 0, 9, 9)] * 2, box(20, 0, 29, 9)], crs=2154)
    sources = recognise(write(tmp_path / "zone_construite.gpkg", zone_construite=zone))
    found = read_inputs(sources, domain=domain, rules=RULES, millesime=2022, layers_decide=False)
    (report,) = (report for report in found.reports if report.layer == ZONE)
    assert (report.sources[0].path.name, report.read, report.duplicates) == ("zone_construite.gpkg", 3, 1)


def test_only_what_meets_the_domain_is_read(tmp_path: Path, domain: Domain) -> None:
    frame = buildings([HOUSE, box(280, 0, 290, 10), box(400, 0, 410, 10)])
    sources = recognise(write(tmp_path / "batiment.gpkg", batiment=frame))
    found = read_inputs(sources, domain=domain, rules=RULES, millesime=2022, layers_decide=False)
    assert len(found.layers["bd_topo:batiment"]) == 2


def test_a_zone_construite_in_no_source_is_derived_later(tmp_path: Path, domain: Domain) -> None:
    assert read_zone_construite((), domain=domain) is None
    sources = recognise(write(tmp_path / "zone_construite.gpkg", zone_construite=communes()))
    read = read_zone_construite(sources, domain=domain)
    assert read is not None
    assert read.frame.geometry.tolist() == [box(0, 0, 200, 200)]


def test_without_raster_nor_polygons_there_is_no_class(domain: Domain) -> None:
    assert find_class_evidence(None, (), domain=domain, rules=RULES, numbering=None) is None


def test_a_raster_is_placed_and_digested(tmp_path: Path, domain: Domain) -> None:
    path = write_raster(tmp_path / "dalle.tif", classes())
    found = find_class_evidence(path, (), domain=domain, rules=RULES, numbering="flair_hub")
    assert found is not None
    assert (found.numbering, found.polygons, found.sha256) == ("flair_hub", None, (file_sha256(path),))
    assert [tile.path for tile in found.tiles] == [path]


def test_a_registered_raster_is_taken_when_none_is_given(tmp_path: Path, domain: Domain) -> None:
    path = write_raster(tmp_path / "cosia_dalle.tif", classes())
    found = find_class_evidence(None, recognise(path), domain=domain, rules=RULES, numbering="flair_hub")
    assert found is not None
    assert [tile.path for tile in found.tiles] == [path]


def test_a_raster_may_say_its_own_numbering(tmp_path: Path, domain: Domain) -> None:
    path = write_raster(tmp_path / "dalle.tif", classes())
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(**{NUMBERING_TAG: "flair_inc_mask"})
    found = find_class_evidence(path, (), domain=domain, rules=RULES, numbering=None)
    assert found is not None
    assert found.numbering == "flair_inc_mask"
    assert found.model == "", "an untagged model is not guessed"


def test_a_raster_may_say_the_model_that_made_it(tmp_path: Path, domain: Domain) -> None:
    folder = tmp_path / "dalles"
    folder.mkdir()
    for name, offset, model in (("a", 0.0, "unet-2"), ("b", 100.0, None), ("c", 150.0, "unet-1")):
        path = write_raster(folder / f"{name}.tif", classes(), offset=offset)
        if model is not None:
            with rasterio.open(path, "r+") as dataset:
                dataset.update_tags(**{MODEL_TAG: model})
    found = find_class_evidence(folder, (), domain=domain, rules=RULES, numbering="flair_hub")
    assert found is not None
    assert found.model == "unet-1+unet-2+unknown", "two models are not comparable without saying so"


def test_a_raster_that_does_not_say_its_numbering_is_not_guessed(tmp_path: Path, domain: Domain) -> None:
    path = write_raster(tmp_path / "dalle.tif", classes())
    with pytest.raises(ParameterError, match=r"dalle.tif: state the numbering .* \(cosia_argmax_2023, .*never guessed"):
        find_class_evidence(path, (), domain=domain, rules=RULES, numbering=None)


def test_one_dalle_that_meets_the_territory_is_enough(tmp_path: Path, domain: Domain) -> None:
    folder = tmp_path / "dalles"
    folder.mkdir()
    for name, offset in (("a", -5000.0), ("b", 199.0)):
        write_raster(folder / f"{name}.tif", classes(), offset=offset)
    found = find_class_evidence(folder, (), domain=domain, rules=RULES, numbering="flair_hub")
    assert found is not None
    assert len(found.tiles) == 2


def test_dalles_that_only_touch_the_territory_are_refused(tmp_path: Path, domain: Domain) -> None:
    path = write_raster(tmp_path / "dalle.tif", classes(), offset=200.0)
    with pytest.raises(RasterError, match=r"dalle.tif: the class raster \(1 file\(s\)\) meets none of the territory"):
        find_class_evidence(path, (), domain=domain, rules=RULES, numbering="flair_hub")


def test_class_polygons_are_numbered_by_name_and_by_number_only_without_name(tmp_path: Path, domain: Domain) -> None:
    frame = class_polygons(["Feuillu", " feuillu", "FEUILLU", None, " "], [1, None, 99, 9, 9])
    path = write(tmp_path / "blocs.gpkg", blocs=frame)
    found = find_class_evidence(path, (), domain=domain, rules=RULES, numbering=None)
    assert found is not None
    assert (found.numbering, found.tiles) == ("cosia_vector_numero", ())
    assert found.polygons is not None
    assert found.polygons["number"].tolist() == [9, 9, 9, 9, 9]
    assert found.polygons["number"].dtype == np.int64


def test_class_polygons_of_unknown_name_are_refused_whatever_their_number(tmp_path: Path, domain: Domain) -> None:
    frame = class_polygons(["Feuillu", "arbre", "maison", None], [9, 9, 1, 99])
    path = write(tmp_path / "blocs.gpkg", blocs=frame)
    with pytest.raises(CodeError, match=r"3 polygons of unknown class \(arbre, maison, no name\)"):
        find_class_evidence(path, (), domain=domain, rules=RULES, numbering=None)


def test_class_polygons_away_from_the_territory_are_refused(tmp_path: Path, domain: Domain) -> None:
    frame = class_polygons(["Feuillu"], [9]).set_geometry([box(250, 0, 290, 200)])
    path = write(tmp_path / "blocs.gpkg", blocs=frame)
    with pytest.raises(LayerError, match="no class polygon meets the territory"):
        find_class_evidence(path, (), domain=domain, rules=RULES, numbering=None)
