"""Workbooks and French CSV, as a spreadsheet opens them: codes, accents, decimals, and nothing that runs."""

from __future__ import annotations

import csv
import datetime as dt
import shutil
import subprocess
import zipfile
from typing import TYPE_CHECKING

import openpyxl
import pandas as pd
import pytest

from benchmarks.table_partitions import filled
from ocsge import workbook
from ocsge.errors import OcsgeError, ParameterError
from ocsge.table_files import write_csv
from ocsge.tables import STOCK
from ocsge.workbook import write_xlsx

if TYPE_CHECKING:
    from pathlib import Path

FORMULA = '=HYPERLINK("x")'
SOURCES = pd.DataFrame({"file": ["bd_topo.gpkg"], "sha256": ["00"]})
OFFICE = shutil.which("soffice")
needs_office = pytest.mark.skipif(OFFICE is None, reason="LibreOffice (soffice) is not installed; .ci/run installs it")


@pytest.fixture
def stock():
    return filled(
        STOCK,
        2,
        commune_code=["01004", "2A004"],
        nom=["Ambérieu-en-Bugey", FORMULA],
        epci_siren=["240100883", None],
        population=pd.array([14_000, None], dtype="Int64"),
        millesime=2021,
        stock_ha=[1234.5678, None],
        part_pct=[12.34, None],
    )


@pytest.fixture
def path(stock, tmp_path):
    write_xlsx({"stock": stock}, tmp_path / "a.xlsx", schemas={"stock": STOCK}, sources=SOURCES)
    return tmp_path / "a.xlsx"


def rows_of(sheet) -> list[dict[str, object]]:
    header, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(header, row, strict=True)) for row in rows]


def converted(path: Path, kind: str, options: str = "") -> Path:
    """Return the file that LibreOffice makes of another, headless, with a profile of its own."""
    folder = path.parent / "converted"
    command = [
        str(OFFICE),
        f"-env:UserInstallation={(path.parent / 'profile').as_uri()}",
        *("--headless", "--norestore", *([f"--infilter={options}"] if options else [])),
        *("--convert-to", kind, "--outdir", str(folder), str(path)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    made = folder / f"{path.stem}.{kind.partition(':')[0]}"
    assert made.is_file(), done.stdout + done.stderr
    return made


def test_codes_are_cells_of_text_and_numbers_are_numbers(path):
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["stock", "columns", "sources"]
    first, second = rows_of(book["stock"])
    assert (first["commune_code"], second["commune_code"]) == ("01004", "2A004")
    assert first["epci_siren"] == "240100883", "a SIREN is no number"
    assert (first["millesime"], first["population"], first["stock_ha"]) == (2021, 14_000, 1234.5678)
    assert (second["population"], second["stock_ha"], second["epci_siren"]) == (None, None, None), "unknown is empty"


def test_a_text_that_looks_like_a_formula_stays_a_text(path):
    cell = openpyxl.load_workbook(path)["stock"]["B3"]
    assert (cell.value, cell.data_type) == (FORMULA, "s")
    assert "<f>" not in zipfile.ZipFile(path).read("xl/worksheets/sheet1.xml").decode()


def test_the_workbook_describes_its_columns_and_names_its_sources(path):
    book = openpyxl.load_workbook(path)
    described = {row["column"]: row for row in rows_of(book["columns"])}
    assert set(described) == set(STOCK.columns)
    assert described["stock_ha"]["unit"] == "ha"
    assert described["stock_ha"]["description_fr"] == "Surface artificialisée"
    assert rows_of(book["sources"]) == [{"file": "bd_topo.gpkg", "sha256": "00"}]


def test_hectares_and_percentages_are_shown_with_their_decimals(path):
    sheet = openpyxl.load_workbook(path)["stock"]
    shown = {cell.value: sheet.cell(2, cell.column).number_format for cell in sheet[1]}
    assert (shown["stock_ha"], shown["part_pct"], shown["millesime"]) == ("0.0000", "0.00", "General")


def test_a_workbook_has_the_same_bytes_whenever_it_is_written(path, stock):
    again = path.with_name("b.xlsx")
    write_xlsx({"stock": stock}, again, schemas={"stock": STOCK}, sources=SOURCES)
    assert again.read_bytes() == path.read_bytes()


def test_dates_and_yes_or_no_are_cells_of_their_kind(tmp_path):
    table = pd.DataFrame({"day": [dt.date(2021, 7, 1)], "complete": [True]})
    write_xlsx({"a": table}, tmp_path / "a.xlsx", schemas={}, sources=SOURCES)
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx")["a"]
    assert (sheet["A2"].value, sheet["A2"].number_format) == (dt.datetime(2021, 7, 1), "yyyy-mm-dd")  # noqa: DTZ001
    assert sheet["B2"].value is True


def test_a_table_longer_than_a_sheet_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(workbook, "MAXIMUM_ROWS", 3)
    with pytest.raises(ParameterError, match="table a has 3 rows, a sheet holds 2; choose communes, or write CSV"):
        write_xlsx({"a": pd.DataFrame({"n": [1, 2, 3]})}, tmp_path / "a.xlsx", schemas={}, sources=SOURCES)
    assert list(tmp_path.iterdir()) == []


def test_an_infinite_number_is_refused(tmp_path):
    with pytest.raises(OcsgeError, match="column n: an infinite number"):
        write_xlsx({"a": pd.DataFrame({"n": [float("inf")]})}, tmp_path / "a.xlsx", schemas={}, sources=SOURCES)


@needs_office
def test_libreoffice_keeps_the_codes_of_a_workbook_and_runs_nothing(path):
    text = converted(path, "csv:Text - txt - csv (StarCalc):44,34,76").read_text(encoding="utf-8-sig")
    first, second = csv.DictReader(text.splitlines())
    assert (first["commune_code"], first["nom"], first["stock_ha"]) == ("01004", "Ambérieu-en-Bugey", "1234.5678")
    assert second["nom"] == FORMULA, "shown, not computed"


@needs_office
def test_libreoffice_reads_accents_and_decimal_commas_of_the_french_csv(stock, tmp_path):
    """Opened as a French spreadsheet does: semicolon, UTF-8, standard columns, language 1036 (fr-FR)."""
    write_csv(stock, tmp_path / "stock.csv", profile="excel-fr", schema=STOCK)
    made = converted(tmp_path / "stock.csv", "xlsx", "CSV:59,34,UTF-8,1,,1036,false,true")
    first, second = rows_of(openpyxl.load_workbook(made).worksheets[0])
    assert "commune_code" in first, "the mark of UTF-8 is no part of the first name"
    assert first["nom"] == "Ambérieu-en-Bugey"
    assert (first["stock_ha"], first["part_pct"], first["population"]) == (1234.5678, 12.34, 14_000)
    assert second["nom"] == f"'{FORMULA}", "a text, neutralised"
    assert second["stock_ha"] is None
