"""How far the low-confidence values of the rules move the stock."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from ocsge.cli import main
from ocsge.cli.rules import _print_sensitivity
from ocsge.derive import derive
from ocsge.rules import load_rules
from ocsge.sensitivity import sensitivity
from ocsge.states import Request
from ocsge.store import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.scene import Scene
    from ocsge.derivation import Derivation
    from tests.conftest import Registered

OLEMPS = "12174"


@pytest.fixture(scope="module")
def quarter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A square of 300 m with houses, fields and a road, in the south of Olemps."""
    path = tmp_path_factory.mktemp("quarter") / "quarter.gpkg"
    gpd.GeoDataFrame(geometry=[shapely.box(665_300, 6_358_400, 665_600, 6_358_700)], crs=2154).to_file(path)
    return path


@pytest.fixture(scope="module")
def request_of_quarter(quarter: Path) -> Request:
    return Request(communes=(OLEMPS,), millesimes=(2022,), perimetre=quarter, resolution=1)


@pytest.fixture(scope="module")
def measured(request_of_quarter: Request, tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, list, Path]:
    calls: list[tuple[str, int, int]] = []
    workspace = tmp_path_factory.mktemp("sensitivity")
    table = sensitivity(
        communes=[OLEMPS],
        millesime=2022,
        workspace=workspace,
        request=request_of_quarter,
        progress=lambda *call: calls.append(call),
    )
    return table, calls, workspace


def test_every_low_confidence_value_has_a_row_and_the_default_usage_the_last(
    measured: tuple[pd.DataFrame, list, Path],
) -> None:
    table, *_ = measured
    low = {
        f"{value.table}.{value.name}"
        for value in load_rules().named_values
        if value.confidence == "low" and value.table not in {"simplification", "change"}
    }
    assert set(table["rule"]) == low | {"default usage"}
    assert table["rule"].iloc[-1] == "default usage"
    assert table["rule"].is_unique
    assert table["row"].str.contains(r"\.csv").all()


def test_the_erosion_of_the_zone_construite_moves_the_stock(measured: tuple[pd.DataFrame, list, Path]) -> None:
    table, *_ = measured
    erosion = table.set_index("rule").loc["zone_construite.erosion_m"]
    assert (erosion["low"], erosion["value"], erosion["high"]) == (0, 15, 25)
    # the less the zone is eroded, the more ground is in it
    assert erosion["stock_low_ha"] > erosion["stock_ha"] >= erosion["stock_high_ha"]
    assert erosion["effect_pct"] > 1


def test_the_effect_is_the_largest_change_and_the_largest_comes_first(
    measured: tuple[pd.DataFrame, list, Path],
) -> None:
    table, *_ = measured
    assert (table["stock_ha"] == table["stock_ha"].iloc[0]).all()
    change = np.maximum(
        (table["stock_low_ha"] - table["stock_ha"]).abs(), (table["stock_high_ha"] - table["stock_ha"]).abs()
    )
    np.testing.assert_allclose(table["effect_pct"], 100 * change / table["stock_ha"])
    assert table["effect_pct"].iloc[:-1].is_monotonic_decreasing


def test_an_end_is_the_stock_of_a_derivation_with_that_value(
    measured: tuple[pd.DataFrame, list, Path], quarter: Path, tmp_path: Path
) -> None:
    table, *_ = measured
    options = {"communes": [OLEMPS], "millesime": 2022, "workspace": tmp_path, "perimetre": quarter, "resolution": 1}
    usual: Derivation = derive(**options)
    assert usual.stock["stock_ha"].sum() == table["stock_ha"].iloc[0]
    without_erosion = derive(**options, rules=load_rules(changes={"zone_construite.erosion_m": 0}))
    row = table.set_index("rule").loc["zone_construite.erosion_m"]
    assert without_erosion.stock["stock_ha"].sum() == row["stock_low_ha"]


def test_nothing_is_published_nor_kept(measured: tuple[pd.DataFrame, list, Path]) -> None:
    _, calls, workspace = measured
    assert Workspace(workspace).current() is None
    assert [path for path in workspace.rglob("*") if path.is_file() and path.suffix == ".arrays"] == []
    done = [call[1] for call in calls]
    assert done == sorted(done)
    assert calls[-1][0] == "done"
    assert calls[-1][1] == calls[-1][2]


def test_the_command_prints_the_table_and_its_progress_apart(
    hamlet: Scene,
    registered: Registered,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    workspace = registered(hamlet, tmp_path / "workspace")
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    # a collectivity that knows every value but the erosion: the others are no longer moved
    header = "name,value,unit,low,high,source,confidence\n"
    for value in load_rules().named_values:
        if value.confidence == "low" and value.name != "erosion_m":
            path = overlay / f"{value.table}.csv"
            rows = path.read_text(encoding="utf-8") if path.exists() else header
            row = f"{value.name},{value.value},{value.unit},{value.low},{value.high},délibération,high\n"
            path.write_text(rows + row, encoding="utf-8")
    monkeypatch.setenv("COLUMNS", "80")
    where = ["--commune", "32001", "--millesime", "2022", "--workspace", str(workspace), "--resolution", "1"]
    with pytest.raises(SystemExit) as stop:
        main(["rules", "sensitivity", *where, "--rules", str(overlay)])
    printed = capsys.readouterr()
    assert stop.value.code == 0
    (erosion,) = [line.split() for line in printed.out.splitlines() if "erosion_m" in line]
    assert erosion[:4] == ["zone_construite.erosion_m", "0", "15", "25"]
    assert "default usage" in printed.out
    assert "Stock of 32001 at 2022" in printed.out
    with pytest.raises(SystemExit):
        main(["rules", "sensitivity", *where, "--rules", str(overlay), "--csv"])
    read = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert list(read["rule"]) == ["zone_construite.erosion_m", "default usage"]
    assert read["row"].iloc[0] == "zone_construite.csv:3"
    assert {"unit", "stock_low_ha", "stock_ha", "stock_high_ha", "effect_pct"} <= set(read)
    assert (read["stock_ha"] == read["stock_ha"].iloc[0]).all()


def test_every_rule_name_is_whole_on_a_terminal_of_80_columns(
    measured: tuple[pd.DataFrame, list, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    # the stock of a large commune: one digit more than any
    table = measured[0].assign(stock_low_ha=99_999.9, stock_ha=99_999.9, stock_high_ha=99_999.9)
    _print_sensitivity(table, title="Stock of 32001 at 2022")
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    assert {name for name in table["rule"] if name not in printed} == set()
    assert printed.count("99 999.9") == 2 * len(table) + 1
