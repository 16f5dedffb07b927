"""Which pixels a measure counts, and that they are summed in one place."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pytest

from ocsge.pixel_sums import (
    FLOW_CONDITIONS,
    PIXELS_PER_HECTARE,
    STOCK_CONDITIONS,
    confine,
    open_duckdb,
    query_rows,
    sums_where,
)
from ocsge.tables import CHANGES, FLOW, STOCK

POLYGONS = pa.table(
    {
        "area_px": [100, 20, 3],
        "area_m2": [4.0, 0.8, 0.12],
        "artif": [True, False, True],
        "matrix_artif": [True, True, False],
        "impermeable": [False, False, True],
        "artif_min": [False, False, False],
        "artif_max": [True, True, True],
        "fragile": ["", "edge", ""],
    }
)
PIECES = pa.table(
    {
        "area_px": [1, 20, 300, 4000],
        "artif_1": [False, True, False, True],
        "artif_2": [False, False, True, True],
        "impermeable_1": [True, False, False, True],
        "impermeable_2": [False, False, True, True],
    }
)


def test_each_measure_of_a_stock_counts_the_pixels_of_its_polygons() -> None:
    sql = " ".join(("SELECT", sums_where(STOCK_CONDITIONS), "FROM polygons"))
    assert query_rows(sql, polygons=POLYGONS).iloc[0].to_dict() == {
        "stock": 103,
        "stock_impermeable": 3,
        "matrix": 120,
        "threshold_gain": 3,
        "threshold_loss": 20,
        "artif_min": 0,
        "artif_max": 123,
        "fragile": 20,
    }


def test_gain_less_loss_is_the_difference_of_the_stocks() -> None:
    sql = " ".join(("SELECT", sums_where(FLOW_CONDITIONS), "FROM changes"))
    found = query_rows(sql, changes=PIECES).iloc[0].to_dict()
    assert (found["stock_1"], found["stock_2"], found["gain"], found["loss"]) == (4020, 4300, 300, 20)
    assert found["gain"] - found["loss"] == found["stock_2"] - found["stock_1"]
    assert (found["gain_impermeable"], found["loss_impermeable"]) == (300, 1)


def test_a_hectare_of_fifth_of_a_metre_pixels_holds_250_000() -> None:
    sql = f"SELECT {PIXELS_PER_HECTARE} AS n FROM polygons"  # noqa: S608  (made of constants)
    assert query_rows(sql, polygons=POLYGONS)["n"].tolist() == [250_000]


def test_every_measure_is_a_column_of_its_table() -> None:
    assert {f"{name}_ha" for name in STOCK_CONDITIONS} <= set(STOCK.columns)
    assert {f"{name}_ha" for name in FLOW_CONDITIONS} <= set(FLOW.columns)
    assert all(word in CHANGES.columns for word in ("artif_1", "artif_2", "impermeable_1", "impermeable_2"))


@pytest.mark.parametrize("setting", ["autoinstall_known_extensions", "autoload_known_extensions"])
def test_duckdb_looks_for_nothing_on_the_network(setting: str) -> None:
    with open_duckdb() as connection:
        assert connection.sql(f"SELECT current_setting('{setting}')").fetchall() == [(False,)]


def test_only_one_module_opens_duckdb() -> None:
    root = Path(__file__).resolve().parent.parent / "ocsge"
    assert [path.name for path in root.rglob("*.py") if "duckdb.connect(" in path.read_text("utf-8")] == [
        "pixel_sums.py"
    ]


def test_a_query_larger_than_the_memory_spills_to_the_temporary_folder_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, spill = tmp_path / "work", tmp_path / "temporary"
    for folder in (work, spill):
        folder.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setattr(tempfile, "tempdir", str(spill))
    connections = [open_duckdb(), open_duckdb()]
    for connection in connections:
        connection.execute("SET memory_limit = '40MB'")
        confine(connection)
        connection.execute("CREATE TABLE long AS SELECT range AS i, md5(range::VARCHAR) AS s FROM range(1_000_000)")
    assert len(list(spill.iterdir())) == 2  # two databases share no folder
    assert {connection.execute("SELECT count(*) FROM long").fetchone() for connection in connections} == {(1_000_000,)}
    for connection in connections:
        connection.close()
    assert not list(tmp_path.glob("*/*"))
