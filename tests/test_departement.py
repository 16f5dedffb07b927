"""The generated département: its figures keep the laws of real ones, and the pages that compare communes hold it."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import shapely

from benchmarks.dashboard import opened_app
from benchmarks.departement import DRAWN, FLAG, MILLESIMES, OUTLINES, communes_of_gers, make_departement
from benchmarks.generated_land import LAND
from benchmarks.tessellation import tessellate
from ocsge.rules import load_rules
from ocsge.tables import CHANGE_MATRIX, FLOW, STOCK, STOCK_LONG, require
from ocsge.workspace_tables import current_version, flow_of_changes, read_table, stock_of_polygons
from tools.browser import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from streamlit.testing.v1 import AppTest

COMMUNES, POLYGONS = 462, 150


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_departement(
        tmp_path_factory.mktemp("departement") / "workspace", polygons=POLYGONS, points=2, partitions=False
    )


@pytest.fixture(scope="module")
def version(workspace: Path) -> Path:
    return current_version(workspace)


def table(version: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(version / f"{name}.parquet")


def test_every_commune_of_the_gers_has_its_outline_and_its_name() -> None:
    communes = communes_of_gers()
    assert len(communes) == communes["commune_code"].nunique() == COMMUNES
    assert communes["commune_code"].str.startswith("32").all()
    assert communes.set_index("commune_code")["nom"][DRAWN] == "Auch"
    assert shapely.coverage_is_valid(communes.geometry.to_numpy())
    # the Gers has 6 257 km² in the tables of INSEE; outlines for maps are close to it, not equal
    assert communes.area.sum() / 1e6 == pytest.approx(6257, rel=0.01)


def test_the_outlines_are_small_and_carry_their_credit() -> None:
    assert OUTLINES.stat().st_size <= 250_000
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    assert "benchmarks/data/gers.geojson.gz" in notice
    assert "Etalab" in (OUTLINES.parent / "etalab_LICENSE").read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_pipeline_for_every_commune_and_year(version: Path) -> None:
    pairs = len(MILLESIMES) - 1
    for name, schema in {
        "stock": STOCK,
        "stock_long": STOCK_LONG,
        "flow": FLOW,
        "change_matrix": CHANGE_MATRIX,
    }.items():
        require(table(version, name), schema, where="test")
        assert table(version, name)["commune_code"].nunique() == COMMUNES
    assert len(table(version, "stock")) == COMMUNES * len(MILLESIMES)
    assert len(table(version, "flow")) == COMMUNES * pairs


def test_no_generated_figure_passes_for_a_true_one(version: Path) -> None:
    for name in ("stock", "flow"):
        assert table(version, name)["flags"].str.split("+").map(lambda flags: FLAG in flags).all()


def test_the_net_flow_is_the_difference_of_the_stocks(version: Path) -> None:
    stock = table(version, "stock").set_index(["commune_code", "millesime"])["stock_ha"]
    flow = table(version, "flow")
    for year_1, year_2 in ((2016, 2019), (2019, 2022)):
        rows = flow[flow["millesime_1"] == year_1].set_index("commune_code")
        difference = stock.xs(year_2, level="millesime") - stock.xs(year_1, level="millesime")
        np.testing.assert_allclose(rows["gain_ha"] - rows["loss_ha"], difference[rows.index], atol=1e-6)
        np.testing.assert_allclose(rows["net_ha_an"] * 3, rows["net_ha"], atol=1e-9)


def test_some_communes_do_not_change_and_some_lose(version: Path) -> None:
    flow = table(version, "flow")
    still = (flow["gain_ha"] == 0) & (flow["loss_ha"] == 0)
    assert 20 < flow.loc[still, "commune_code"].nunique() < 120
    assert (flow["net_ha"] < 0).any()
    assert flow["net_ha"].sum() > 0


def test_the_ground_of_each_dimension_sums_to_the_surface(version: Path) -> None:
    surface = table(version, "stock").set_index(["commune_code", "millesime"])["surface_ha"]
    sums = table(version, "stock_long").groupby(["commune_code", "millesime", "dimension"])["area_ha"].sum()
    for dimension in ("couverture", "usage", "decree_category"):
        np.testing.assert_allclose(sums.xs(dimension, level="dimension")[surface.index], surface, rtol=1e-9)


def test_kinds_of_ground_are_pairs_of_the_matrix_open_before_artificialised() -> None:
    cells = [load_rules().matrix[cover, usage] for cover, usage, _ in LAND]
    assert [cell.artificialise for cell in cells] == sorted(cell.artificialise for cell in cells)


def test_the_drawn_commune_has_polygons_that_sum_to_its_stock_and_flow(workspace: Path) -> None:
    published = table(current_version(workspace), "stock").query("commune_code == @DRAWN")
    drawn = stock_of_polygons(workspace, communes=[DRAWN])
    assert (drawn["polygons"] >= POLYGONS).all()
    np.testing.assert_allclose(drawn["stock_ha"], published["stock_ha"])
    flow = table(current_version(workspace), "flow").query("commune_code == @DRAWN")
    np.testing.assert_allclose(flow_of_changes(workspace, communes=[DRAWN])["net_ha"], flow["net_ha"], atol=1e-9)


def test_the_map_of_the_communes_has_all_of_them_and_stays_light(version: Path) -> None:
    raw = gzip.decompress((version / "communes.geojson.gz").read_bytes())
    assert len(raw) <= 700_000
    features = json.loads(raw)["features"]
    assert {feature["properties"]["code"] for feature in features} == set(communes_of_gers()["commune_code"])
    assert all(feature["properties"]["net_an"] is not None for feature in features)


def test_the_map_files_hold_the_polygons_and_only_what_changed(version: Path) -> None:
    maps = version / "maps" / f"commune_code={DRAWN}"
    polygons = json.loads(gzip.decompress((maps / "millesime=2022" / "polygons.geojson.gz").read_bytes()))["features"]
    changes = json.loads(gzip.decompress((maps / "millesimes=2019-2022" / "changes.geojson.gz").read_bytes()))[
        "features"
    ]
    assert len(polygons) >= POLYGONS > len(changes)
    assert {feature["properties"]["f"] for feature in changes} <= {"gain", "perte"}


def test_each_commune_can_have_files_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = communes_of_gers()[lambda rows: rows["commune_code"].isin(["32001", "32002"])].reset_index(drop=True)
    monkeypatch.setattr("benchmarks.departement.communes_of_gers", lambda: few)
    workspace = make_departement(tmp_path / "workspace", millesimes=(2019, 2022))
    assert len(read_table(workspace, "stock")) == 4
    assert len(read_table(workspace, "flow", communes=["32002"])) == 1
    run = current_version(workspace) / "runs" / "commune_code=32001" / "millesime=2022" / "run.json"
    assert json.loads(run.read_text(encoding="utf-8"))["key"] == "generated"


@pytest.mark.parametrize("points", [0, 3])
def test_a_tessellation_is_a_partition_whose_neighbours_share_their_borders(points: int) -> None:
    outline = shapely.Point(600_000, 6_270_000).buffer(1000)
    cells = tessellate(outline, 200, points=points, seed=1)
    assert len(cells.geometry) >= 200
    assert shapely.get_num_coordinates(cells.geometry[0]) == 4 * (points + 1) + 1
    assert shapely.is_valid(cells.geometry).all()
    assert shapely.coverage_is_valid(cells.geometry)
    assert shapely.union_all(cells.geometry).area == pytest.approx(shapely.area(cells.geometry).sum())
    assert cells.area_m2.sum() == pytest.approx(outline.area, rel=0.03)


def test_the_same_seed_gives_the_same_polygons_and_another_seed_others() -> None:
    outline = shapely.box(0, 0, 1000, 1000)
    first, same, other = (tessellate(outline, 50, points=1, seed=seed).geometry for seed in (1, 1, 2))
    assert shapely.equals_exact(first, same).all()
    assert not shapely.equals_exact(first[0], other[0])


@pytest.fixture
def comparer(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The page Comparer on Auch, navigation included."""
    monkeypatch.setenv("OCSGE_WORKSPACE", str(workspace))
    app = opened_app(workspace, "comparer")
    assert not app.exception, app.exception
    return app


def test_the_choice_of_communes_holds_all_of_them(comparer: AppTest) -> None:
    assert len(comparer.selectbox(key="insee").options) == COMMUNES
    assert comparer.selectbox(key="insee").value == DRAWN


def test_the_communes_are_compared_by_a_table_of_all_and_a_map_without_their_shapes(
    comparer: AppTest, version: Path
) -> None:
    (whole,) = [one.value for one in comparer.dataframe if len(one.value) == COMMUNES]
    assert set(whole["Code"]) == set(communes_of_gers()["commune_code"])
    stock = table(version, "stock").query("millesime == 2022").set_index("commune_code")["stock_ha"]
    np.testing.assert_allclose(whole.set_index("Code")["Stock (ha)"].astype(float)[stock.index], stock)
    (drawn,) = comparer.get("deck_gl_json_chart")
    assert len(drawn.proto.json) <= 20_000


def test_sums_by_epci_are_those_of_their_communes(comparer: AppTest, version: Path) -> None:
    (sums,) = [one.value for one in comparer.dataframe if "SIREN" in one.value.columns]
    stock = table(version, "stock").query("millesime == 2022").groupby("epci_siren")["stock_ha"].sum()
    shown = sums.groupby("SIREN")["Stock (ha)"].max().astype(float)  # a row a pair of millésimes too, without stock
    np.testing.assert_allclose(shown[stock.index], stock)
