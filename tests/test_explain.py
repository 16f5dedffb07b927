"""Why a place counts: the polygon it lies in, the rule behind its usage and what makes the answer uncertain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import pytest
import shapely

from ocsge.cli import main
from ocsge.errors import DataError, ParameterError
from ocsge.explain import Explanation, explain
from ocsge.rules import load_rules
from ocsge.store import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from ocsge.derivation import Derivation

OLEMPS = "12174"


@pytest.fixture(scope="module")
def workspace(olemps: Derivation) -> Path:
    return olemps.version.parents[1]


@pytest.fixture(scope="module")
def polygons(olemps: Derivation) -> gpd.GeoDataFrame:
    return olemps.polygons()


def at(workspace: Path, row: gpd.GeoSeries) -> Explanation:
    """Explain a point inside a polygon, at 2022."""
    inside = row.geometry.representative_point()
    return explain(workspace, commune=OLEMPS, point=(inside.x, inside.y), millesime=2022)


def cli(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["explain", *map(str, arguments)])
    printed = capsys.readouterr()
    return int(stop.value.code or 0), printed.out, printed.err


def test_every_state_is_told_with_its_reason_and_its_rule(workspace: Path, polygons: gpd.GeoDataFrame) -> None:
    rules = {row.order: row.row for row in load_rules().layer_usages}
    for _, row in polygons.drop_duplicates(["code_cs", "code_us", "artif"]).iterrows():
        found = at(workspace, row)
        assert (found.polygon_id, found.artif, found.reason) == (row["id"], row["artif"], row["reason"])
        assert found.couverture.split(" ", 1)[0] == row["code_cs"]
        assert found.usage.split(" ", 1)[0] == row["code_us"]
        assert found.usage_rule.startswith(f"{rules[row['usage_rule']]}: ")
        assert found.area_m2 == row["area_m2"]


def test_the_labels_are_those_of_the_nomenclature(workspace: Path, polygons: gpd.GeoDataFrame) -> None:
    house = polygons[(polygons["code_cs"] == "CS1.1.1.1") & (polygons["code_us"] == "US5")].iloc[0]
    found = at(workspace, house)
    assert found.couverture == "CS1.1.1.1 Zones bâties"
    assert found.usage == "US5 Résidentiel"
    assert "matrix.csv:" in found.reason
    assert found.artif


def test_a_threshold_that_changed_the_state_is_a_remark(workspace: Path, polygons: gpd.GeoDataFrame) -> None:
    row = polygons[polygons["crit_seuil"]].iloc[0]
    found = at(workspace, row)
    assert any("threshold" in remark for remark in found.remarks)
    assert "threshold case" in found.reason


def test_a_polygon_near_a_limit_is_called_fragile(workspace: Path, polygons: gpd.GeoDataFrame) -> None:
    row = polygons[polygons["fragile"] != ""].iloc[0]
    assert any(remark.startswith("fragile: ") for remark in at(workspace, row).remarks)
    plain = polygons[(polygons["fragile"] == "") & ~polygons["crit_seuil"]].iloc[0]
    assert at(workspace, plain).remarks == ()


def test_longitude_and_latitude_give_the_same_answer(workspace: Path, polygons: gpd.GeoDataFrame) -> None:
    row = polygons.loc[polygons["area_m2"].idxmax()]
    inside = row.geometry.representative_point()
    degrees = gpd.GeoSeries([inside], crs=2154).to_crs(4326).iloc[0]
    found = explain(workspace, commune=OLEMPS, point=(degrees.x, degrees.y), millesime=2022)
    assert found.polygon_id == row["id"]
    assert shapely.distance(shapely.Point(found.point), inside) < 0.01


def test_without_a_millesime_the_last_one_answers(
    workspace: Path, polygons: gpd.GeoDataFrame, olemps_2018: Derivation
) -> None:
    inside = polygons.geometry.iloc[0].representative_point()
    asked = {"commune": OLEMPS, "point": (inside.x, inside.y)}
    assert explain(workspace, **asked).millesime == 2022
    assert explain(workspace, **asked, millesime=2018).polygon_id.startswith("12174-2018-")
    assert olemps_2018.millesime == 2018


def test_a_point_elsewhere_is_refused(workspace: Path) -> None:
    with pytest.raises(ParameterError, match="not in commune 12174; check the order X,Y"):
        explain(workspace, commune=OLEMPS, point=(0.0, 6_000_000.0))


def test_what_was_not_derived_is_refused_with_the_command_to_run(workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no result of commune 12202 \(it holds communes .*12174\); run `ocsge derive"):
        explain(workspace, commune="12202", point=(1.0, 2.0))
    with pytest.raises(DataError, match=r"of commune 12174 at 1999 \(it holds .*2022\)"):
        explain(workspace, commune=OLEMPS, point=(1.0, 2.0), millesime=1999)
    with pytest.raises(DataError, match="it holds none"):
        explain(tmp_path / "nothing", commune=OLEMPS, point=(1.0, 2.0))


def test_a_workspace_with_a_perimeter_only_names_it(tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        (folder / "perimetre=zac-1b2c3d4e").mkdir()
        (folder / "perimetre=zac-1b2c3d4e" / "stock.csv").write_text("x", encoding="utf-8")

    Workspace(tmp_path / "w").publish_version(fill)
    with pytest.raises(DataError, match=r"within a perimeter, which it does not explain: zac-1b2c3d4e"):
        explain(tmp_path / "w", commune=OLEMPS, point=(1.0, 2.0))


def test_the_command_prints_state_reason_and_rule(
    workspace: Path, polygons: gpd.GeoDataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    row = polygons[polygons["artif"]].iloc[0]
    inside = row.geometry.representative_point()
    where = ("--commune", OLEMPS, "--millesime", 2022, "--workspace", workspace)
    code, out, err = cli(capsys, *where, "--point", f"{inside.x},{inside.y}")
    assert (code, err) == (0, "")
    printed = dict(line.split(maxsplit=1) for line in out.splitlines() if not line.startswith("usage from"))
    assert printed["state"] == "artificialised"
    assert printed["reason"] == row["reason"]
    assert "layer_usages.csv:" in out
    found = explain(workspace, commune=OLEMPS, point=(inside.x, inside.y), millesime=2022)
    assert [line.split(maxsplit=1)[1] for line in out.splitlines() if line.startswith("reason")] == [found.reason]
    other = polygons[~polygons["artif"]].iloc[0].geometry.representative_point()
    _, out, _ = cli(capsys, *where, "--point", f"{other.x};{other.y}")
    assert "state        not artificialised" in out


def test_a_wrong_point_is_a_usage_error_and_no_result_a_data_error(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--commune", OLEMPS, "--workspace", workspace)
    for point in ("0,6000000", "here", "1,2,3", "1"):
        code, _, err = cli(capsys, *where, "--point", point)
        assert code == 2
        assert len(err.splitlines()) == 1
    code, _, err = cli(capsys, "--commune", OLEMPS, "--point", "1,2", "--workspace", tmp_path)
    assert code == 65
    assert "ocsge derive --commune 12174" in err
    code, _, err = cli(capsys, "--commune", "Olemps", "--point", "1,2", "--workspace", workspace)
    assert code == 2
    assert "12174" in err
