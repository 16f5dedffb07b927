"""Views of a workspace in DuckDB: what an analyst may ask, and what no statement may do."""

from __future__ import annotations

import builtins
import csv
import sys
from typing import TYPE_CHECKING

import geopandas as gpd
import pytest

import ocsge
from benchmarks.table_partitions import make_workspace
from ocsge import sql
from ocsge.cli import main
from ocsge.errors import DataError, OcsgeError, ParameterError
from ocsge.publish import file_sha256
from ocsge.sql import open_views, query
from ocsge.version_layout import current_version
from ocsge.workspace_tables import files_of, read_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

CODES, YEARS, POLYGONS = ["01004", "12174"], [2018, 2021], 30


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_workspace(tmp_path_factory.mktemp("sql") / "w's", CODES, YEARS, polygons=POLYGONS)


@pytest.fixture
def views(workspace: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_views(workspace) as connection:
        yield connection


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["sql", *map(str, arguments)])
    printed = capsys.readouterr()
    return int(stop.value.code or 0), printed.out, printed.err


def test_every_table_of_the_workspace_is_a_view(views: duckdb.DuckDBPyConnection) -> None:
    names = {name for (name,) in views.sql("show tables").fetchall()}
    assert names == {"stock", "stock_long", "flow", "change_matrix", "polygons", "changes"}


def test_the_views_hold_the_published_rows_with_text_codes(views: duckdb.DuckDBPyConnection, workspace: Path) -> None:
    stock = read_table(workspace, "stock")
    rows = views.sql("select commune_code, millesime, stock_ha from stock order by all").fetchall()
    assert rows == list(zip(stock["commune_code"], stock["millesime"], stock["stock_ha"], strict=True))


def test_a_sum_over_the_polygons_is_the_stock(views: duckdb.DuckDBPyConnection) -> None:
    gaps = views.sql(
        "select max(abs(stock_ha - ha)) from stock join (select commune_code, millesime, sum(area_m2) / 10000 ha"
        " from polygons where artif group by all) using (commune_code, millesime)"
    ).fetchone()
    assert gaps is not None
    assert gaps[0] < 1e-9


def test_geometries_have_the_spatial_functions_and_their_crs(views: duckdb.DuckDBPyConnection) -> None:
    rows = views.sql(
        "select ST_Area(geometry), typeof(geometry) from polygons"
        " where ST_Intersects(geometry, ST_Point(10, 6300010)) and millesime = 2018 and commune_code = '01004'"
    ).fetchall()
    assert rows == [(2500.0, "GEOMETRY('EPSG:2154')")]


def test_geometries_of_several_crs_have_none(tmp_path: Path) -> None:
    copy = make_workspace(tmp_path / "w", ["01004", "97411"], [2018], polygons=2)
    path = files_of(current_version(copy), "polygons", communes=["97411"])[0]
    path.chmod(0o644)
    gpd.read_parquet(path).set_crs(2975, allow_override=True).to_parquet(path, write_covering_bbox=True)
    with open_views(copy) as connection:
        rows = connection.sql("select distinct typeof(geometry), ST_Area(geometry) from polygons").fetchall()
        names = {name for (name,) in connection.sql("show tables").fetchall()}
    assert rows == [("GEOMETRY", 2500.0)]
    assert "polygons" in names


@pytest.mark.parametrize(
    "statement",
    [
        "copy (select 1) to '{file}' (format parquet, use_tmp_file false)",
        "copy stock to '{folder}/stolen.csv'",
        "select * from read_parquet('{file}')",
        "select * from '{file}'",
        "select * from read_text('{folder}/run.json')",
        "attach '{folder}/other.db'",
        "export database '{folder}/dump'",
        "install httpfs",
        "load '{file}'",
        "set enable_external_access = true",
        "reset enable_external_access",
    ],
)
def test_no_statement_reads_or_writes_a_file(
    views: duckdb.DuckDBPyConnection, workspace: Path, tmp_path: Path, statement: str
) -> None:
    file = files_of(current_version(workspace), "stock")[0]
    before = file_sha256(file)
    with pytest.raises(sql.duckdb.Error):
        views.execute(statement.format(file=str(file).replace("'", "''"), folder=tmp_path))
    assert file_sha256(file) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("create table a as select 1", "give one statement that reads"),
        ("drop view stock", "give one statement that reads"),
        ("select 1; select 2", "give one statement that reads"),
        ("", "give one statement that reads"),
        ("selekt 1", "SQL: Parser Error"),
        ("select nothing from stock", "SQL: Binder Error"),
        ("from nowhere", "SQL: Catalog Error"),
    ],
)
def test_a_statement_that_does_not_read_is_refused_on_one_line(
    views: duckdb.DuckDBPyConnection, statement: str, reason: str
) -> None:
    with pytest.raises(ParameterError, match=reason) as refused:
        query(views, statement)
    assert "\n" not in str(refused.value)


def test_describe_summarize_and_pivot_are_readings(views: duckdb.DuckDBPyConnection) -> None:
    assert "commune_code" in query(views, "describe stock")["column_name"].tolist()
    assert len(query(views, "summarize stock")) == len(views.table("stock").columns)
    assert query(views, "pivot stock on millesime in (2018, 2021) using sum(stock_ha) group by commune_code").shape == (
        2,
        3,
    )
    assert len(query(views, "show tables;")) == 6


def test_geometries_are_printed_as_text(views: duckdb.DuckDBPyConnection) -> None:
    assert query(views, 'select geometry as "a ""place" from polygons limit 1').iloc[0, 0].startswith("POLYGON ((")


def test_an_empty_workspace_and_a_missing_extension_are_told(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="holds no result"):
        open_views(tmp_path)
    monkeypatch.setattr(sql, "_SPATIAL", "no_such_package")
    with pytest.raises(OcsgeError, match="no_such_package is missing from the environment"):
        open_views(workspace)


def test_a_damaged_partition_is_named(tmp_path: Path) -> None:
    copy = make_workspace(tmp_path / "w", CODES, YEARS, polygons=2)
    path = files_of(current_version(copy), "stock")[0]
    path.chmod(0o644)
    path.write_bytes(b"PAR1 cut")
    with pytest.raises(DataError, match="table 'stock' cannot be read"):
        open_views(copy)


def test_the_command_prints_a_table_or_csv(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    statement = "select commune_code, nom from stock where millesime = 2018 order by 1"
    code, shown, _ = run(capsys, statement, "--workspace", workspace)
    assert code == 0
    assert "01004" in shown
    code, shown, _ = run(capsys, statement, "--workspace", workspace, "--csv")
    assert list(csv.reader(shown.splitlines())) == [
        ["commune_code", "nom"],
        ["01004", "Commune 01004"],
        ["12174", "Commune 12174"],
    ]


def test_the_command_shows_the_first_rows_of_many_and_short_cells(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, shown, err = run(capsys, "select n, repeat('[b]x', 100) from range(500) t(n)", "--workspace", workspace)
    assert "100 of 500 rows; --csv prints them all" in err
    assert "…" in shown
    assert "[b]x" in shown, "a text is no markup"


def test_a_table_wider_than_the_terminal_is_printed_a_line_a_column(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(["sql", "select * from stock order by commune_code, millesime limit 2", "--workspace", str(workspace)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "-- row 1 --"
    told = [line.split(maxsplit=1) for line in lines]
    assert ["commune_code", "01004"] in told
    assert ["stock_ha", str(read_table(workspace, "stock")["stock_ha"].iloc[0])] in told
    assert sum(line.startswith("-- row") for line in lines) == 2


def test_the_command_refuses_a_wrong_statement_or_none(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(capsys, "drop view stock", "--workspace", workspace)[0] == 2
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    code, _, err = run(capsys, "--workspace", workspace)
    assert code == 2
    assert "give a statement" in err


def test_a_prompt_takes_statements_up_to_their_semicolon_and_outlives_errors(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = iter(["select count(*) as n", "from stock;", "selekt;", "select 'still here';"])

    def typed(prompt: str) -> str:
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr(builtins, "input", typed)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    code, shown, err = run(capsys, "--workspace", workspace, "--csv")
    assert code == 0
    assert shown.splitlines()[:2] == ["n", "4"]
    assert "still here" in shown
    assert "Parser Error" in err


def test_the_public_name_is_the_function() -> None:
    assert ocsge.open_views is open_views
