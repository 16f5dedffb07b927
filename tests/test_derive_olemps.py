"""The shipped commune, Olemps, derived from its real layers: a partition of it that says what counts, and why."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from rasterio.features import rasterize
from rasterio.transform import from_origin

from ocsge.catalog import embedded_sources
from ocsge.cli import main
from ocsge.commune_outlines import read_communes
from ocsge.layers import read_layer
from ocsge.rules import load_rules
from ocsge.tables import ARTIFICIALISED, STOCK, STOCK_LONG, require

if TYPE_CHECKING:
    from pathlib import Path

    from ocsge.derivation import Derivation

OLEMPS = "12174"


@pytest.fixture(scope="module")
def polygons(olemps: Derivation) -> gpd.GeoDataFrame:
    return olemps.polygons()


@pytest.fixture(scope="module")
def outline() -> shapely.Geometry:
    return read_communes(embedded_sources([OLEMPS]), epsg=2154, codes=[OLEMPS]).frame.geometry.iloc[0]


@pytest.fixture(scope="module")
def built_codes() -> set[str]:
    rules = load_rules()
    return {rules.couverture_by_role["built"]}


def touching(frame: gpd.GeoDataFrame) -> pd.DataFrame:
    """Return pairs of rows (a, b) whose polygons share more than a point."""
    a, b = frame.sindex.query(frame.geometry, predicate="intersects")
    a, b = a[a != b], b[a != b]
    lines = frame.geometry.to_numpy()
    shared = shapely.length(shapely.intersection(lines[a], lines[b]))
    return pd.DataFrame({"a": a[shared > 0], "b": b[shared > 0]})


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # rasterio with a newer affine
def test_the_pixels_of_the_polygons_are_those_whose_centre_lies_in_the_commune(
    polygons: gpd.GeoDataFrame, outline: shapely.Geometry
) -> None:
    xmin, ymin, xmax, ymax = np.round(shapely.bounds(shapely.buffer(outline, 1)))
    columns, rows = round((xmax - xmin) * 5), round((ymax - ymin) * 5)
    burned = 0
    for top in range(0, rows, 1000):
        band = from_origin(xmin, ymax - top / 5, 0.2, 0.2)
        burned += np.count_nonzero(rasterize([outline], (min(1000, rows - top), columns), transform=band))
    # vertices have one decimal: a pixel whose centre is one of them may fall on either side of the outline
    tenths = np.rint(shapely.get_coordinates(outline) * 10).astype(np.int64)
    ties = np.count_nonzero((tenths % 2 == 1).all(axis=1))
    assert ties < 1e-5 * burned
    assert abs(polygons["area_px"].sum() - burned) <= min(ties, 5)
    assert (polygons["area_px"] > 0).all()
    np.testing.assert_allclose(polygons["area_m2"], polygons["area_px"] * 0.04, rtol=1e-12)


def test_every_polygon_is_valid_and_of_one_part(polygons: gpd.GeoDataFrame) -> None:
    assert polygons.crs.to_epsg() == 2154
    assert set(polygons.geom_type) == {"Polygon"}
    assert polygons.is_valid.all()
    assert not polygons.is_empty.any()


def test_neighbours_share_their_vertices_and_never_overlap(polygons: gpd.GeoDataFrame) -> None:
    # edges of neighbours that did not match vertex by vertex would make the coverage invalid
    assert shapely.coverage_is_valid(polygons.geometry.to_numpy())


def test_no_hole_is_left_in_the_commune(polygons: gpd.GeoDataFrame, outline: shapely.Geometry) -> None:
    whole = shapely.coverage_union_all(polygons.geometry.to_numpy())
    assert shapely.area(whole) == pytest.approx(polygons.area.sum(), abs=1e-3)
    assert len(shapely.get_parts(whole)) == 1
    assert shapely.get_num_interior_rings(shapely.get_parts(whole)[0]) == 0
    # drawn within the tolerance of simplification, half a metre, and a pixel
    assert shapely.hausdorff_distance(whole.boundary, outline.boundary) < 0.5 + 0.3


def test_a_polygon_is_named_by_commune_millesime_and_rank(polygons: gpd.GeoDataFrame) -> None:
    assert polygons["id"].is_unique
    assert list(polygons["id"].iloc[:2]) == ["12174-2022-000001", "12174-2022-000002"]
    assert set(polygons["millesime"]) == {2022}
    assert set(polygons["commune_code"]) == {OLEMPS}


def test_nothing_is_under_its_minimum_except_what_a_rule_names(
    polygons: gpd.GeoDataFrame, outline: shapely.Geometry, built_codes: set[str]
) -> None:
    built = polygons["code_cs"].isin(built_codes)
    minimum = np.where(built, 200, np.where(polygons["zone_construite"], 500, 2500))
    small = polygons[(polygons["area_m2"] < minimum) & ~polygons["ossature"]]
    cut = small[small["commune_cut"]]
    # parts of objects that go on over the border lie on the border
    assert (cut.distance(outline.boundary) < 0.5 + 0.3).all()
    rest = small[~small["commune_cut"]]
    # isolated built ground that had no room to grow to 200 m²
    assert rest["code_cs"].isin(built_codes).all()
    assert (rest["area_m2"] >= 50).all()
    pairs = touching(polygons)
    for row in rest.index:
        around = polygons.loc[pairs.loc[pairs["a"] == row, "b"]]
        on_border = polygons.geometry[row].distance(outline.boundary) < 11
        assert around["ossature"].any() or on_border


def test_neighbours_differ_in_cover_usage_or_ossature(polygons: gpd.GeoDataFrame) -> None:
    pairs = touching(polygons)
    key = polygons["code_cs"] + polygons["code_us"] + polygons["ossature"].astype("str")
    assert (key.to_numpy()[pairs["a"]] != key.to_numpy()[pairs["b"]]).all()


def test_tables_hold_the_columns_of_their_schemas(olemps: Derivation, polygons: gpd.GeoDataFrame) -> None:
    # every row is of the territory: the column that says so is left out of the files
    require(polygons.assign(in_territory=True), ARTIFICIALISED, where="test")
    require(olemps.stock, STOCK, where="test")
    require(olemps.stock_long, STOCK_LONG, where="test")
    assert list(olemps.stock.columns) == list(STOCK.columns)
    rules = load_rules()
    assert set(polygons["code_cs"]) <= set(rules.couverture_codes)
    assert set(polygons["code_us"]) <= set(rules.usage_codes)
    assert set(polygons["usage_rule"]) <= {row.order for row in rules.layer_usages}


def test_the_stock_is_the_sum_of_the_polygons(olemps: Derivation, polygons: gpd.GeoDataFrame) -> None:
    row = olemps.stock.iloc[0]
    hectares = polygons["area_px"] / 250_000
    assert row["surface_ha"] == pytest.approx(hectares.sum(), abs=1e-9)
    assert row["stock_ha"] == pytest.approx(hectares[polygons["artif"]].sum(), abs=1e-9)
    assert row["matrix_ha"] + row["threshold_gain_ha"] - row["threshold_loss_ha"] == pytest.approx(row["stock_ha"])
    assert row["part_pct"] == pytest.approx(100 * row["stock_ha"] / row["surface_ha"])
    assert 0 <= row["artif_min_ha"] <= row["stock_ha"] <= row["artif_max_ha"] <= row["surface_ha"]
    assert row["surface_ha"] == pytest.approx(row["outline_ha"], rel=1e-5)


def test_each_dimension_of_the_long_table_sums_to_the_surface_and_the_stock(olemps: Derivation) -> None:
    row = olemps.stock.iloc[0]
    sums = olemps.stock_long.groupby("dimension")[["area_ha", "artif_area_ha"]].sum()
    assert set(sums.index) == {"couverture", "usage", "decree_category", "usage_rule", "reason_kind"}
    np.testing.assert_allclose(sums["area_ha"], row["surface_ha"])
    np.testing.assert_allclose(sums["artif_area_ha"], row["stock_ha"])


def test_the_result_says_that_it_had_no_raster_and_no_official_zone(olemps: Derivation) -> None:
    assert olemps.stock["flags"].iloc[0].split("+") == ["default_cover", "derived_zone_construite"]
    (run,) = olemps.version.glob("runs/*/*/run.json")
    said = json.loads(run.read_text())
    assert said["default_cover"] == load_rules().default_cover_code
    assert said["classes"] is None
    assert said["zone_construite"] == "derived"
    assert {layer["layer"] for layer in said["layers"]} >= {"bd_topo:batiment", "bd_topo:troncon_de_route"}
    assert all(re.fullmatch(r"[0-9a-f]{64}", source["sha256"]) for source in said["sources"])


def test_buildings_stand_only_in_the_states_after_their_creation(
    olemps: Derivation, olemps_2018: Derivation, outline: shapely.Geometry, built_codes: set[str]
) -> None:
    frame = read_layer(embedded_sources([OLEMPS]), "bd_topo:batiment", bounds=None, epsg=2154, millesime=None).frame
    known = pd.concat([pd.to_datetime(frame[name]) for name in ("date_creation", "date_d_apparition")], axis=1)
    year = known.min(axis=1).dt.year
    finished = frame["etat_de_l_objet"] == "En service"
    large = frame[finished & (frame["nature"] != "Serre") & (frame.area >= 250) & frame.within(outline)]
    new, old = (large[year[large.index].between(*years)] for years in ((2019, 2022), (1900, 2018)))
    assert len(new) == 20

    def built_share(buildings: gpd.GeoDataFrame, state: Derivation) -> pd.Series:
        drawn = state.polygons()
        ground = shapely.union_all(drawn.geometry[drawn["code_cs"].isin(built_codes)].to_numpy())
        return buildings.intersection(ground).area / buildings.area

    assert built_share(new, olemps).min() > 0.9
    assert built_share(old, olemps_2018).min() > 0.9
    # one that replaces an older building, or touches one, is partly on its ground
    assert built_share(new, olemps_2018).median() == 0
    (run,) = olemps_2018.version.glob("runs/*/millesime=2018/run.json")
    (report,) = [layer for layer in json.loads(run.read_text())["layers"] if layer["layer"] == "bd_topo:batiment"]
    assert report["after_millesime"] == (year > 2018).sum()


def test_a_commune_that_only_builds_gains_stock(olemps: Derivation, olemps_2018: Derivation) -> None:
    assert olemps_2018.stock["surface_ha"].iloc[0] == olemps.stock["surface_ha"].iloc[0]
    assert olemps_2018.stock["stock_ha"].iloc[0] < olemps.stock["stock_ha"].iloc[0]


def test_csv_parquet_geopackage_and_terminal_show_the_same_stock(
    olemps: Derivation, olemps_2018: Derivation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stock_ha = olemps.stock["stock_ha"].iloc[0]
    version: Path = olemps_2018.version
    folder = version / f"tables/commune_code={OLEMPS}/millesime=2022"
    assert pd.read_parquet(folder / "stock.parquet", partitioning=None)["stock_ha"].iloc[0] == stock_ha
    csv = pd.read_csv(version / "stock.csv", dtype={"commune_code": "str"}).set_index("millesime")
    assert csv["stock_ha"][2022] == pytest.approx(stock_ha, abs=5e-5)
    excel = pd.read_csv(version / "stock_excel.csv", sep=";", decimal=",", encoding="utf-8-sig")
    assert excel["stock_ha"].iloc[1] == pytest.approx(stock_ha, abs=5e-5)
    drawn = gpd.read_file(version / f"communes/{OLEMPS}_2022.gpkg", layer=f"artif_2022_{OLEMPS}")
    assert drawn.loc[drawn["artif"] == "artif", "aire"].sum() / 1e4 == pytest.approx(stock_ha, abs=1e-9)
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as stop:
        main(["derive", "--commune", OLEMPS, "--millesime", "2022", "--workspace", str(version.parents[1])])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    (line,) = [line for line in shown.splitlines() if line.startswith(f"│ {OLEMPS} ")]
    assert float(line.split("│")[4]) == round(stock_ha, 1)
    assert "an earlier run was reused" in shown
