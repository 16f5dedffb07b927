"""Tables read over many communes: the same rows as were written, the same sums as the polygons give."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import geopandas as gpd
import pandas as pd
import pytest

import ocsge
from benchmarks.table_partitions import make_workspace
from ocsge.catalog import embedded_credits
from ocsge.derive import derive
from ocsge.errors import DataError, ParameterError
from ocsge.tables import STOCK, require
from ocsge.version_layout import current_version, partition_of
from ocsge.workspace_tables import (
    SOURCE_COLUMNS,
    STORED,
    files_of,
    flow_of_changes,
    read_sources,
    read_table,
    stock_of_polygons,
)

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.scene import Scene
    from tests.conftest import Registered

CODES, YEARS, POLYGONS = ["01004", "12174", "2A004"], [2018, 2021, 2024], 40


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_workspace(tmp_path_factory.mktemp("tables") / "w", CODES, YEARS, polygons=POLYGONS)


def test_a_table_has_a_row_a_commune_and_millesime_in_order_with_the_types_of_its_schema(workspace: Path) -> None:
    stock = read_table(workspace, "stock")
    expected = [(code, year) for code in CODES for year in YEARS]
    assert list(zip(stock["commune_code"], stock["millesime"], strict=True)) == expected
    for name in ("stock", "stock_long", "flow", "change_matrix"):
        require(read_table(workspace, name), STORED[name].schema, where=name)


def test_unknown_whole_numbers_stay_unknown_and_known_ones_whole(workspace: Path, tmp_path: Path) -> None:
    version = current_version(workspace)
    row = pd.read_parquet(files_of(version, "stock", communes=["12174"])[0], partitioning=None)
    copy = make_workspace(tmp_path / "w", CODES[:2], YEARS[:1], polygons=2)
    first, second = files_of(current_version(copy), "stock", communes=CODES[:2])
    for path, population in ((first, None), (second, 3000)):
        path.chmod(0o644)
        code = path.parents[1].name[-5:]
        row.assign(commune_code=code, population=pd.array([population], dtype="Int64")).to_parquet(path, index=False)
    population = read_table(copy, "stock", communes=CODES[:2])["population"]
    assert population.dtype == "Int64"
    assert population.isna().tolist() == [True, False]
    assert population[1] == 3000


def test_every_commune_is_read_from_one_file_and_some_from_their_own(workspace: Path) -> None:
    version = current_version(workspace)
    for name in ("stock", "stock_long", "flow", "change_matrix"):
        assert files_of(version, name) == [version / f"{name}.parquet"]
        assert len(files_of(version, name, communes=["12174"])) == (3 if name.startswith("stock") else 2)
        pd.testing.assert_frame_equal(read_table(workspace, name), read_table(workspace, name, communes=CODES))


def test_pairs_of_millesimes_are_consecutive_ones(workspace: Path) -> None:
    flow = read_table(workspace, "flow", communes=["01004"])
    assert flow[["millesime_1", "millesime_2"]].to_numpy().tolist() == [[2018, 2021], [2021, 2024]]


def test_communes_are_chosen_by_their_code(workspace: Path) -> None:
    assert read_table(workspace, "stock", communes=["2A004", "2a004"])["commune_code"].tolist() == ["2A004"] * 3


def test_polygons_come_with_their_geometry_and_crs(workspace: Path) -> None:
    polygons = read_table(workspace, "polygons", communes=["01004"])
    assert isinstance(polygons, gpd.GeoDataFrame)
    assert (len(polygons), polygons.crs.to_epsg()) == (len(YEARS) * POLYGONS, 2154)
    assert len(read_table(workspace, "changes")) == len(CODES) * 2 * POLYGONS


def test_the_stock_of_the_polygons_is_the_published_stock_to_the_last_bit(workspace: Path) -> None:
    columns = ["commune_code", "millesime", "surface_ha", "stock_ha", "part_pct"]
    again, published = stock_of_polygons(workspace)[columns], read_table(workspace, "stock")[columns]
    pd.testing.assert_frame_equal(again, published, check_exact=True, check_dtype=False)


def test_the_flow_of_the_changes_is_the_published_flow_and_the_difference_of_the_stocks(workspace: Path) -> None:
    again, published = flow_of_changes(workspace), read_table(workspace, "flow")
    for column in ("stock_1_ha", "stock_2_ha", "gain_ha", "loss_ha", "net_ha", "net_ha_an"):
        assert again[column].tolist() == pytest.approx(published[column].tolist(), abs=1e-12)
    assert (again["net_ha"] - (again["stock_2_ha"] - again["stock_1_ha"])).abs().max() < 1e-9
    stocks = stock_of_polygons(workspace).set_index(["commune_code", "millesime"])["stock_ha"]
    assert again.loc[0, "stock_2_ha"] == stocks["01004", 2021]


def test_the_stock_of_a_derived_commune_is_summed_again_from_its_geoparquet(
    hamlet: Scene, registered: Registered, tmp_path: Path
) -> None:
    workspace = registered(hamlet, tmp_path / "w")
    result = derive(communes=["32001"], millesime=2022, workspace=workspace, resolution=1)
    again = stock_of_polygons(workspace, communes=["32001"])
    shared = [column for column in again.columns if column in STOCK.columns]
    assert len(shared) == 9
    pd.testing.assert_frame_equal(again[shared], result.stock[shared], check_exact=True, check_dtype=False)
    pd.testing.assert_frame_equal(read_table(workspace, "stock"), result.stock)


def test_results_of_a_perimeter_are_not_among_those_of_communes(tmp_path: Path) -> None:
    copy = make_workspace(tmp_path / "w", CODES[:1], YEARS[:1], polygons=2)
    version = current_version(copy)
    inside = version / partition_of("01004", 2018, perimetre="zac", kind="tables")
    inside.mkdir(parents=True)
    (inside / "stock.parquet").write_bytes(files_of(version, "stock")[0].read_bytes())
    assert len(files_of(version, "stock")) == 1


def test_sources_are_listed_once_a_layer_and_millesime_with_credit_and_licence(workspace: Path) -> None:
    sources = read_sources(current_version(workspace))
    assert list(sources.columns) == list(SOURCE_COLUMNS)
    assert sources["years"].tolist() == ["2018", "2021", "2024"]
    assert sources["communes"].tolist() == [3, 3, 3]
    assert sources["credit"].unique().tolist() == ["IGN – BD TOPO®"]
    assert "Licence Ouverte" in sources["licence"][0]
    assert read_sources(current_version(workspace), communes=["01004"])["communes"].tolist() == [1, 1, 1]


def test_the_files_of_a_class_raster_are_sources_too(tmp_path: Path) -> None:
    copy = make_workspace(tmp_path / "w", CODES[:1], YEARS[:1], polygons=2)
    (path,) = current_version(copy).glob("runs/*/*/run.json")
    path.chmod(0o644)
    path.write_text(json.dumps({"key": "k", "classes": {"files": ["a.tif"], "sha256": ["ff"]}}), encoding="utf-8")
    sources = read_sources(current_version(copy))
    assert sources[["layer", "file", "sha256"]].to_numpy().tolist() == [["classes", "a.tif", "ff"]]


def test_a_generated_file_and_the_classes_of_a_model_have_their_own_credit(tmp_path: Path) -> None:
    copy = make_workspace(tmp_path / "w", CODES[:1], YEARS[:1], polygons=2)
    (path,) = current_version(copy).glob("runs/*/*/run.json")
    digest, credit = next(iter(embedded_credits().items()))
    shipped = {"layer": "batiment", "product": "bd_topo_v3", "file": "commune.gpkg", "sha256": digest}
    classes = {"files": ["a.tif"], "sha256": ["ff"], "model": "m1"}
    path.chmod(0o644)
    path.write_text(json.dumps({"key": "k", "sources": [shipped], "classes": classes}), encoding="utf-8")
    sources = read_sources(current_version(copy)).set_index("layer")
    assert sources["credit"].to_dict() == {"batiment": credit, "classes": "Classes du sol : modèle m1"}
    assert sources["licence"].isna().all()


def test_what_is_not_there_is_one_clear_line(workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no result; run `ocsge derive"):
        read_table(tmp_path / "nothing", "stock")
    with pytest.raises(DataError, match=r"holds no table 'stock' of 34172; derive it first"):
        read_table(workspace, "stock", communes=["34172"])
    with pytest.raises(ParameterError, match=r"stocks: is not a table of a workspace; the tables are stock, "):
        read_table(workspace, "stocks")
    with pytest.raises(ParameterError, match=r"\.\./x"):
        read_table(workspace, "stock", communes=["../x"])


def test_communes_in_several_crs_are_not_drawn_on_one_map(tmp_path: Path) -> None:
    copy = make_workspace(tmp_path / "w", ["01004", "97411"], YEARS[:1], polygons=2)
    path = files_of(current_version(copy), "polygons", communes=["97411"])[0]
    path.chmod(0o644)
    gpd.read_parquet(path).set_crs(2975, allow_override=True).to_parquet(path)
    with pytest.raises(DataError, match=r"several CRS \(EPSG:2154, EPSG:2975\); read the communes of one territory"):
        read_table(copy, "polygons")


def test_the_public_name_is_the_function() -> None:
    assert ocsge.read_table is read_table
