"""Exports of a workspace: which files each profile makes, and what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import openpyxl
import pandas as pd
import pytest

import ocsge
from benchmarks.table_partitions import make_workspace
from ocsge.cli import main
from ocsge.errors import DataError, ParameterError
from ocsge.table_exports import export_tables
from ocsge.version_layout import current_version
from ocsge.workspace_tables import read_table

if TYPE_CHECKING:
    from pathlib import Path

CODES = ["01004", "12174"]
TABLES = ["stock", "stock_long", "flow", "change_matrix"]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_workspace(tmp_path_factory.mktemp("exports") / "w", CODES, [2018, 2021, 2024], polygons=30)


@pytest.mark.parametrize(("profile", "separator", "decimal"), [("machine", ",", "."), ("excel-fr", ";", ",")])
def test_a_csv_and_its_schema_are_made_for_each_table(
    workspace: Path, tmp_path: Path, profile: str, separator: str, decimal: str
) -> None:
    made = export_tables(workspace, tmp_path / "out", profile=profile)
    expected = [name for table in TABLES for name in (f"{table}.csv", f"{table}.schema.json")]
    assert [path.name for path in made] == [*expected, "sources.csv"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {path.name for path in made}
    read = pd.read_csv(made[0], sep=separator, decimal=decimal, dtype={"commune_code": str}, encoding="utf-8-sig")
    stock = read_table(workspace, "stock")
    assert read["commune_code"].tolist() == stock["commune_code"].tolist()
    assert read["stock_ha"].tolist() == pytest.approx(stock["stock_ha"].tolist(), abs=5e-5)


def test_the_portal_profile_holds_every_millesime_and_flow_in_m2(workspace: Path, tmp_path: Path) -> None:
    path, schema, sources = export_tables(workspace, tmp_path, profile="portal")
    assert (path.name, schema.name, sources.name) == ("portal.csv", "portal.schema.json", "sources.csv")
    table = pd.read_csv(path, dtype={"commune_code": str}).set_index("commune_code")
    assert table.loc["01004", ["millesimes_1", "millesimes_2", "millesimes_3"]].tolist() == [2018, 2021, 2024]
    for first, second in ((1, 2), (2, 3)):
        difference = table[f"surface_artif_{second}"] - table[f"surface_artif_{first}"]
        assert table[f"flux_surface_{first}_{second}"].tolist() == pytest.approx(difference.tolist(), abs=0.001)
    share = 100 * table["surface_artif_3"] / table["commune_surface"]
    assert table["pourcent_artif_3"].tolist() == pytest.approx(share.tolist())


def test_the_workbook_has_a_sheet_a_table_and_one_of_sources(workspace: Path, tmp_path: Path) -> None:
    (path,) = export_tables(workspace, tmp_path, profile="xlsx")
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == [*TABLES, "columns", "sources"]
    assert book["flow"]["A2"].value == "01004"
    assert book["sources"]["A2"].value == "2018"


def test_only_the_communes_asked_for_are_exported(workspace: Path, tmp_path: Path) -> None:
    export_tables(workspace, tmp_path, communes=["12174"])
    assert pd.read_csv(tmp_path / "flow.csv")["commune_code"].unique().tolist() == [12174]
    assert pd.read_csv(tmp_path / "sources.csv")["communes"].unique().tolist() == [1]


def test_without_flow_there_is_no_file_of_flow(tmp_path: Path) -> None:
    alone = make_workspace(tmp_path / "w", CODES, [2021], polygons=2)
    made = [path.name for path in export_tables(alone, tmp_path / "out")]
    assert "flow.csv" not in made
    assert "stock.csv" in made
    assert "flux_surface_1_2" not in export_tables(alone, tmp_path / "out", profile="portal")[0].read_text()


def test_a_profile_or_a_commune_that_is_not_there_is_refused(workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="profile 'pdf': choose one of machine, excel-fr, portal, xlsx"):
        export_tables(workspace, tmp_path / "out", profile="pdf")
    with pytest.raises(DataError, match="holds no stock of these communes"):
        export_tables(workspace, tmp_path / "out", communes=["34172"])
    assert not (tmp_path / "out").exists()


def test_the_command_prints_the_files_it_made(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["export", str(tmp_path), "--workspace", str(workspace), "--profile", "xlsx", "--commune", "01004"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "ocsge.xlsx")]


def test_an_export_leaves_the_workspace_as_it_was(workspace: Path, tmp_path: Path) -> None:
    before = current_version(workspace)
    ocsge.export_tables(workspace, tmp_path)
    assert current_version(workspace) == before
