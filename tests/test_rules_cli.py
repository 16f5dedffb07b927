"""``ocsge rules``: what a reader and an author of rules see."""

import csv
import io
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ocsge.cli.rules import rules
from ocsge.errors import ParameterError, RulesError
from ocsge.resources import shipped_directory
from ocsge.rule_tables import TABLES
from ocsge.rules import load_rules

INVALID = Path(__file__).parent / "rules_invalid"


def run(*arguments: str | Path, columns: int = 200) -> Result:
    return CliRunner(env={"COLUMNS": str(columns)}).invoke(rules, [str(argument) for argument in arguments])


@pytest.fixture
def without_erosion(tmp_path: Path) -> Path:
    folder = tmp_path / "overlay"
    folder.mkdir()
    (folder / "zone_construite.csv").write_text(
        "name,value,unit,low,high,source,confidence\nerosion_m,0,m,0,25,délibération,medium\n",
        encoding="utf-8",
    )
    return folder


def test_show_lists_the_tables_with_their_rows_and_the_fingerprint() -> None:
    result = run("show", "--at", "2025-06-01")
    assert result.exit_code == 0
    line = next(line for line in result.output.splitlines() if " matrix " in line)
    assert "280" in line
    assert "2025-06-01" in result.output
    assert "fingerprint" in result.output


def test_show_gives_each_value_with_its_source_and_row() -> None:
    result = run("show", "interpretation_threshold")
    assert result.exit_code == 0
    line = next(line for line in result.output.splitlines() if "surface_m2" in line)
    assert "2500" in line
    assert "m²" in line
    assert "décret" in result.output


@pytest.mark.parametrize("table", TABLES)
def test_show_keeps_every_name_and_column_whole_on_a_terminal_of_80_columns(table: str) -> None:
    result = run("show", table, columns=80)
    assert result.exit_code == 0
    rows = load_rules().tables[table]
    for row in rows:
        for part in row.key:
            assert part in result.output
    filled = {
        column for row in rows for column, cell in row.facts.model_dump().items() if cell not in (None, "", [], ())
    }
    assert {column for column in filled if column not in result.output} == set()


def test_show_of_the_classes_names_the_numbering_systems_at_80_columns() -> None:
    result = run("show", "cosia_classes", columns=80)
    systems = {system for found in load_rules().cosia_classes for system in found.numbers}
    assert systems
    assert {system for system in systems if system not in result.output} == set()
    assert max(map(len, result.output.splitlines())) <= 80


def test_show_takes_the_file_name_too_and_prints_csv() -> None:
    result = run("show", "matrix.csv", "--csv")
    rows = list(csv.DictReader(io.StringIO(result.output)))
    assert len(rows) == 280
    assert sum(row["artificialise"] == "1" for row in rows) == 105
    assert rows[0]["row"] == "matrix.csv:2"


def test_show_applies_the_overlay(without_erosion: Path) -> None:
    result = run("show", "zone_construite", "--csv", "--overlay", without_erosion)
    values = {row["name"]: row for row in csv.DictReader(io.StringIO(result.output))}
    assert values["erosion_m"]["value"] == "0"
    assert values["erosion_m"]["row"] == "overlay/zone_construite.csv:2"
    assert values["dilation_m"]["value"] == "25"


def test_show_of_an_unknown_table_names_the_tables() -> None:
    result = run("show", "matrice")
    assert isinstance(result.exception, ParameterError)
    assert "matrix" in str(result.exception)


def test_check_says_that_the_shipped_rules_have_no_fault() -> None:
    result = run("check")
    assert result.exit_code == 0
    assert "no fault" in result.output


def test_check_prints_every_fault_and_leaves_with_65() -> None:
    result = run("check", "--overlay", INVALID / "role_missing")
    assert result.exit_code == RulesError.exit_code == 65
    assert f"{INVALID / 'role_missing'}/couverture.csv:2: column role: is empty" in result.stderr
    assert "overlay/couverture.csv" not in result.stderr
    assert "couverture.csv: no leaf has the role herbaceous" in result.stderr
    assert "2 fault(s)" in result.stderr


def test_check_reads_a_folder_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    shutil.copytree(shipped_directory("rules"), folder)
    assert run("check", folder).exit_code == 0
    (folder / "usage.csv").unlink()
    result = run("check", folder)
    assert result.exit_code == 65
    assert "usage.csv: the file is missing" in result.stderr


def test_check_of_an_overlay_given_as_a_folder_of_rules_says_how_to_check_it(without_erosion: Path) -> None:
    result = run("check", without_erosion)
    assert result.exit_code == 65
    assert f"`ocsge rules check --overlay {without_erosion}`" in result.stderr
    assert run("check", "--overlay", without_erosion).exit_code == 0


def test_check_refuses_a_date_before_the_decree() -> None:
    result = run("check", "--at", "2020-01-01")
    assert result.exit_code == 65
    assert "2023-11-28" in result.stderr


def test_diff_shows_what_an_overlay_changes(without_erosion: Path) -> None:
    result = run("diff", without_erosion)
    assert result.exit_code == 0
    line = next(line for line in result.output.splitlines() if " value " in line)
    assert "erosion_m" in line
    assert "15" in line
    assert "difference(s)" in result.output


def test_diff_compares_two_folders(tmp_path: Path, without_erosion: Path) -> None:
    folder = tmp_path / "rules"
    shutil.copytree(shipped_directory("rules"), folder)
    assert "the same rules" in run("diff", folder).output
    assert "the same rules" in run("diff", folder, folder).output
    assert "erosion_m" in run("diff", without_erosion, folder).output


def test_help_of_each_command_says_what_it_does() -> None:
    assert "check" in run("--help").output
    for command in ("show", "check", "diff"):
        assert run(command, "--help").exit_code == 0
