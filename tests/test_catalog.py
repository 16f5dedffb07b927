"""The catalogue is complete, files are recognised or refused, and a workspace remembers its sources."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import geopandas as gpd
import pytest
import yaml
from layer_fixtures import buildings, communes, cut_in_half, square, vegetation, write_gpkg, write_shapefile

from ocsge.catalog import (
    check_source,
    entry_of,
    load_catalog,
    recognise,
    register,
    registered_sources,
)
from ocsge.errors import CatalogError, LayerError, OutputError
from ocsge.resources import shipped_directory
from ocsge.rules import load_rules

if TYPE_CHECKING:
    from pathlib import Path

CANONICAL = {
    "admin_express:commune",
    "bd_foret:formation_vegetale",
    "bd_topo:aerodrome",
    "bd_topo:batiment",
    "bd_topo:cimetiere",
    "bd_topo:construction_surfacique",
    "bd_topo:equipement_de_transport",
    "bd_topo:piste_d_aerodrome",
    "bd_topo:poste_de_transformation",
    "bd_topo:reservoir",
    "bd_topo:surface_hydrographique",
    "bd_topo:terrain_de_sport",
    "bd_topo:troncon_de_route",
    "bd_topo:troncon_de_voie_ferree",
    "bd_topo:zone_d_activite_ou_d_interet",
    "bd_topo:zone_de_vegetation",
    "cosia:raster",
    "cosia:vector",
    "ign:installations_photovoltaiques_sol",
    "ign:parcs_jardins",
    "ocs_ge:artificialisation",
    "ocs_ge:artificialisation_difference",
    "ocs_ge:difference",
    "ocs_ge:occupation",
    "ocs_ge:patch",
    "ocs_ge:zone_construite",
    "rpg:parcelles_graphiques",
}

MINIMAL = {
    "product": "essai",
    "title": "Essai",
    "producer": "Moi",
    "licence": "LO 2.0",
    "licence_url": "https://example.org",
    "credit": "Moi",
    "documentation": "https://example.org",
    "kind": "vector",
    "formats": ["GPKG"],
    "crs": {"metropole": 2154},
    "layers": [{"id": "essai:zone", "title": "Zones", "geometry": "polygon", "patterns": ["^zone$"]}],
}


def write_product(folder: Path, **changes: object) -> Path:
    name = str(changes.get("product", "essai"))
    (folder / f"{name}.yaml").write_text(yaml.safe_dump({**MINIMAL, **changes}), encoding="utf-8")
    return folder


def test_the_catalogue_holds_every_layer_the_stages_name() -> None:
    assert set(load_catalog().layer_ids()) >= CANONICAL


def test_every_product_says_its_licence_and_credit() -> None:
    for product in load_catalog().products:
        assert product.licence.startswith("Licence Ouverte"), product.product
        assert product.credit, product.product
        assert product.documentation.startswith("https://"), product.product
        assert all(url.startswith("https://data.geopf.fr/") for url in product.url_templates), product.product


def test_every_file_is_named_after_its_product() -> None:
    for path in shipped_directory("data_catalog").glob("*.yaml"):
        assert yaml.safe_load(path.read_text(encoding="utf-8"))["product"] == path.stem


def test_every_layer_and_field_that_a_rule_names_is_in_the_catalogue() -> None:
    catalog, rules = load_catalog(), load_rules()
    for rule in [*rules.layer_covers, *rules.layer_usages]:
        if ":" in rule.layer:
            assert rule.filter.fields <= set(catalog.columns(rule.layer)), rule.row


def test_two_products_of_one_layer_agree_on_the_type_of_their_columns() -> None:
    catalog = load_catalog()
    for layer in catalog.layer_ids():
        types: dict[str, str] = {}
        for product, entry in catalog.entries(layer):
            for name, column in entry.columns.items():
                assert types.setdefault(name, column.type) == column.type, (product.product, layer, name)


def test_an_unknown_product_or_layer_is_refused_with_the_known_ones() -> None:
    with pytest.raises(CatalogError, match=r"unknown product 'bd_topo'.*bd_topo_v3"):
        load_catalog().product("bd_topo")
    with pytest.raises(CatalogError, match=r"unknown layer 'bd_topo:bati'.*bd_topo:batiment"):
        load_catalog().entries("bd_topo:bati")


def test_a_catalogue_of_ones_own_is_read(tmp_path: Path) -> None:
    catalog = load_catalog(write_product(tmp_path))
    assert catalog.layer_ids() == ("essai:zone",)
    assert catalog.geometry("essai:zone") == "polygon"


def test_a_column_shared_by_the_product_is_in_each_layer_and_a_layer_may_say_it_otherwise(
    tmp_path: Path,
) -> None:
    layer = {**MINIMAL["layers"][0], "columns": {"date": {"type": "date", "optional": True}}}  # type: ignore[index]
    shared = {"date": {"type": "date"}, "id": {"optional": True}}
    columns = load_catalog(write_product(tmp_path, shared_columns=shared, layers=[layer])).columns("essai:zone")
    assert list(columns) == ["date", "id"]
    assert columns["date"].optional


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "vecteur"}, r"essai\.yaml: kind"),
        ({"colour": "red"}, r"essai\.yaml: colour"),
        ({"layers": [{"id": "essai:zone"}]}, r"essai\.yaml: layers\.0\.title: Field required \(2 more\)"),
        (
            {"layers": [{**MINIMAL["layers"][0], "patterns": ["("]}]},  # type: ignore[index]
            r"essai\.yaml: layers\.0.*not a regular expression",
        ),
        ({"layers": [{**MINIMAL["layers"][0], "columns": {"a": {"type": "texte"}}}]}, "columns"),  # type: ignore[index]
    ],
)
def test_a_product_file_with_a_mistake_is_refused_by_file_and_key(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(CatalogError, match=message):
        load_catalog(write_product(tmp_path, **changes))


def test_a_file_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "essai.yaml").write_text("product: [", encoding="utf-8")
    with pytest.raises(CatalogError, match=r"essai\.yaml: cannot be read as YAML"):
        load_catalog(tmp_path)


def test_a_folder_without_product_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no product file"):
        load_catalog(tmp_path)


def test_a_product_described_twice_is_refused(tmp_path: Path) -> None:
    write_product(tmp_path)
    (tmp_path / "copie.yaml").write_text((tmp_path / "essai.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(CatalogError, match="described by two files"):
        load_catalog(tmp_path)


def test_a_layer_of_two_kinds_of_geometry_is_refused(tmp_path: Path) -> None:
    write_product(tmp_path)
    line = {**MINIMAL["layers"][0], "geometry": "line"}  # type: ignore[index]
    write_product(tmp_path, product="essai_2", layers=[line])
    with pytest.raises(CatalogError, match="essai:zone is line, polygon in another product"):
        load_catalog(tmp_path)


def recognised(path: Path) -> list[tuple[str, str]]:
    return [(source.layer, source.product) for source in recognise(path)]


def frame_of(**columns: str) -> gpd.GeoDataFrame:
    values = {name: [value] for name, value in columns.items()}
    return gpd.GeoDataFrame(values, geometry=[square()], crs=2154)


@pytest.mark.parametrize("name", ["BATIMENT", "batiment", "Batiment", "D012_BATIMENT"])
def test_a_layer_is_recognised_whatever_the_case_of_its_name(tmp_path: Path, name: str) -> None:
    assert recognised(write_gpkg(tmp_path / "a.gpkg", **{name: buildings([square()])})) == [
        ("bd_topo:batiment", "bd_topo_v3")
    ]


OCCUPATION = {"code_cs": "CS1.1.1.1", "code_us": "US5"}
CHANGE = {"CS_2022": "CS1.1.1.1", "CS_2019": "CS2.2.1", "US_2022": "US5", "US_2019": "US1.1"}


@pytest.mark.parametrize(
    ("name", "columns", "layer"),
    [
        ("OCCUPATION_SOL", {"ID": "1", **OCCUPATION}, "ocs_ge:occupation"),
        ("occupation_du_sol", {"couverture": "CS1.1.1.1", "usage": "US5"}, "ocs_ge:occupation"),
        ("ZONE_CONSTRUITE", {"ID": "1"}, "ocs_ge:zone_construite"),
        ("OCS_GE_DIIF_2019_2022", CHANGE, "ocs_ge:difference"),
        ("diff", {"cs_apres": "1", "cs_avant": "2", "us_apres": "3", "us_avant": "4"}, "ocs_ge:difference"),
        ("artif_2022_12", {**OCCUPATION, "artif": "artif", "crit_seuil": "0"}, "ocs_ge:artificialisation"),
        ("zan_evol_artif", {**CHANGE, "artificialisation": "1"}, "ocs_ge:artificialisation_difference"),
        ("PATCH_CORR_D012_2019", {"cs_corr": "RAS", "us_corr": "US5"}, "ocs_ge:patch"),
        ("PARCELLES_GRAPHIQUES", {"CODE_CULTU": "BTH", "CODE_GROUP": "1"}, "rpg:parcelles_graphiques"),
        ("D022_2021_270_6790_vecto", {"numero": "1", "classe": "Bâtiment"}, "cosia:vector"),
        ("COMMUNE", {"INSEE_COM": "12174", "NOM": "Olemps"}, "admin_express:commune"),
        ("FORMATION_VEGETALE", {"CODE_TFV": "FF1"}, "bd_foret:formation_vegetale"),
        ("parcs_et_jardins", {"nom": "Square"}, "ign:parcs_jardins"),
        ("installations_photovoltaiques_sol", {"nom": "Parc"}, "ign:installations_photovoltaiques_sol"),
    ],
)
def test_each_product_is_recognised_under_the_names_of_its_deliveries(
    tmp_path: Path, name: str, columns: dict[str, str], layer: str
) -> None:
    path = write_gpkg(tmp_path / "delivery.gpkg", **{name: frame_of(**columns)})
    assert [source.layer for source in recognise(path)] == [layer]


def test_versions_of_a_product_are_told_apart_by_their_fields(tmp_path: Path) -> None:
    write_gpkg(tmp_path / "a.gpkg", COMMUNE=communes(["12174"]))
    write_gpkg(tmp_path / "b.gpkg", commune=frame_of(code_insee="12174", nom_officiel="Olemps"))
    assert recognised(tmp_path) == [
        ("admin_express:commune", "admin_express_v3"),
        ("admin_express:commune", "admin_express_v4"),
    ]


def test_the_three_building_files_of_version_two_feed_one_layer(tmp_path: Path) -> None:
    write_shapefile(tmp_path / "BATI_INDIFFERENCIE.shp", frame_of(id="B1"))
    write_shapefile(tmp_path / "BATI_INDUSTRIEL.shp", frame_of(id="B2", nature="Serre"))
    write_shapefile(tmp_path / "BATI_REMARQUABLE.shp", frame_of(id="B3", nature="Chapelle"))
    sources = recognise(tmp_path)
    assert {(source.layer, source.product) for source in sources} == {("bd_topo:batiment", "bd_topo_v2")}
    titles = [entry_of(source).title for source in sources]
    assert titles == ["Bâti indifférencié", "Bâti industriel, agricole ou commercial", "Bâti remarquable"]


def test_layers_of_a_delivery_that_no_product_names_are_passed_over(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([square()]), lieu_dit=frame_of(nature="Lieu"))
    assert [source.layer_name for source in recognise(path)] == ["batiment"]


def test_the_seat_of_a_commune_is_not_its_outline(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "ade.gpkg", commune=communes(["12174"]), chflieu_commune=communes(["12174"]))
    assert [source.layer_name for source in recognise(path)] == ["commune"]


def test_the_name_of_the_file_tells_when_it_holds_one_layer(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "OCCUPATION_SOL.gpkg", **{"export.1": frame_of(**OCCUPATION)})
    assert recognised(path) == [("ocs_ge:occupation", "ocs_ge")]


def test_a_json_that_is_no_map_does_not_disturb_a_folder(tmp_path: Path) -> None:
    (tmp_path / "sources.json").write_text("{}", encoding="utf-8")
    write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([square()]))
    assert recognised(tmp_path) == [("bd_topo:batiment", "bd_topo_v3")]


def test_the_remains_of_another_system_are_dropped(tmp_path: Path) -> None:
    write_shapefile(tmp_path / "ZONE_DE_VEGETATION.shp", vegetation(["Haie"]))
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "BATIMENT.shp").write_bytes(b"\x00\x05\x16\x07")
    (tmp_path / "._BATIMENT.shp").write_bytes(b"\x00\x05\x16\x07")
    assert [source.layer for source in recognise(tmp_path)] == ["bd_topo:zone_de_vegetation"]


def test_a_known_name_without_its_fields_is_refused_with_the_fields_found(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "bd.gpkg", batiment=frame_of(cleabs="B1", usage="Résidentiel"))
    with pytest.raises(LayerError, match=r"needs nature, usage_1; fields found: cleabs, usage"):
        recognise(path)


def test_a_shapefile_without_its_table_is_refused(tmp_path: Path) -> None:
    path = write_shapefile(tmp_path / "BATIMENT.shp", buildings([square()]))
    path.with_suffix(".dbf").unlink()
    with pytest.raises(LayerError, match=r"fields found: none.*needs its \.dbf"):
        recognise(tmp_path)


def test_an_unknown_file_is_refused_with_the_layers_and_fields_found(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "mine.gpkg", things=frame_of(colour="red", weight="3"))
    with pytest.raises(CatalogError, match=r"Layers and fields found: things \(colour, weight\)"):
        recognise(path)


def test_a_folder_without_known_files_or_a_missing_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no file of a known product"):
        recognise(tmp_path)
    with pytest.raises(CatalogError, match="no such file or folder"):
        recognise(tmp_path / "absent")


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    cut_in_half(write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([square()])))
    with pytest.raises(LayerError, match="truncated"):
        recognise(tmp_path)


def test_a_file_of_ones_own_may_be_named_a_layer(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "mine.gpkg", espaces_verts=frame_of(nom="Square"))
    (source,) = recognise(path, layer="ign:parcs_jardins")
    assert (source.layer, source.product) == ("ign:parcs_jardins", "parcs_jardins")
    with pytest.raises(CatalogError, match="unknown layer"):
        recognise(path, layer="ign:parcs")
    with pytest.raises(LayerError, match="needs code_cultu, code_group"):
        recognise(path, layer="rpg:parcelles_graphiques")


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("D012_2022_660_6360_argmax.tif", "cosia:raster"),
        ("COSIA_12_2022.tif", "cosia:raster"),
        ("RGEALTI_FXX_0660_6360_MNT_LAMB93_IGN69.asc", "rge_alti:mnt"),
        ("12-2022-0660-6360-LA93-0M20-E080.jp2", "bd_ortho:rvb"),
        ("12-2022-0660-6360-LA93-IRC-0M20-E080.jp2", "bd_ortho:irc"),
    ],
)
def test_rasters_are_recognised_by_name(tmp_path: Path, name: str, layer: str) -> None:
    (tmp_path / name).write_bytes(b"II*\x00")
    (source,) = recognise(tmp_path / name)
    assert (source.layer, source.layer_name) == (layer, None)


def test_a_raster_of_unknown_name_is_refused_unless_named(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    path.write_bytes(b"II*\x00")
    with pytest.raises(CatalogError, match="name its --layer"):
        recognise(path)
    assert recognise(path, layer="cosia:raster")[0].product == "cosia_raster"


def test_the_edition_is_the_date_in_the_name_of_the_delivery(tmp_path: Path) -> None:
    folder = tmp_path / "BDTOPO_3-3_TOUSTHEMES_GPKG_LAMB93_D012_2023-03-15" / "1_DONNEES"
    folder.mkdir(parents=True)
    dated = write_gpkg(folder / "bd.gpkg", batiment=buildings([square()]))
    bare = write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([square()]))
    assert recognise(dated)[0].edition == "2023-03-15"
    assert recognise(bare)[0].edition is None


def test_a_workspace_without_list_has_no_source(tmp_path: Path) -> None:
    assert registered_sources(tmp_path) == ()


def test_registered_sources_are_found_again(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([square()]))
    workspace = tmp_path / "workspace"
    added = register(workspace, path)
    assert registered_sources(workspace) == added
    assert added[0].path.is_absolute()


def test_registering_a_file_again_replaces_its_rows_and_keeps_the_others(tmp_path: Path) -> None:
    first = write_gpkg(tmp_path / "a.gpkg", batiment=buildings([square()]))
    second = write_gpkg(tmp_path / "b.gpkg", commune=communes(["12174"]))
    workspace = tmp_path / "workspace"
    register(workspace, first)
    before = register(workspace, second)
    first.unlink()
    write_gpkg(first, batiment=buildings([square(), square(20)]))
    (changed,) = register(workspace, first)
    assert set(registered_sources(workspace)) == {changed, *before}


def test_nothing_is_written_when_a_file_is_refused(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "mine.gpkg", things=frame_of(colour="red"))
    with pytest.raises(CatalogError):
        register(tmp_path / "workspace", path)
    assert not (tmp_path / "workspace").exists()


def test_no_partial_list_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([square()]))
    workspace = tmp_path / "workspace"

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ocsge.catalog.os.fsync", full_disk)
    with pytest.raises(OutputError, match="No space left"):
        register(workspace, path)
    assert list(workspace.iterdir()) == []


@pytest.mark.parametrize("text", ["{", "[]", '{"sources": [{"layer": "x"}]}', '{"sources": 3}'])
def test_a_damaged_list_of_sources_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "sources.json").write_text(text, encoding="utf-8")
    with pytest.raises(CatalogError, match=r"sources\.json: cannot be read"):
        registered_sources(tmp_path)


def test_a_source_that_moved_or_changed_is_refused(tmp_path: Path) -> None:
    path = write_shapefile(tmp_path / "ZONE_DE_VEGETATION.shp", vegetation(["Haie"]))
    (source,) = recognise(path)
    check_source(source)
    path.with_suffix(".dbf").write_bytes(path.with_suffix(".dbf").read_bytes() + b" ")
    with pytest.raises(LayerError, match="changed since it was registered"):
        check_source(source)
    path.unlink()
    with pytest.raises(LayerError, match="no such file"):
        check_source(source)


def test_a_source_whose_product_lost_its_layer_is_refused(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([square()]))
    register(tmp_path, path)
    listed = json.loads((tmp_path / "sources.json").read_text(encoding="utf-8"))
    listed["sources"][0]["layer"] = "rpg:parcelles_graphiques"
    (tmp_path / "sources.json").write_text(json.dumps(listed), encoding="utf-8")
    with pytest.raises(CatalogError, match="has no layer rpg:parcelles_graphiques"):
        entry_of(registered_sources(tmp_path)[0])
