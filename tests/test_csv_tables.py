"""CSV tables as people save them: separators, decimal commas, encodings, lost zeros."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from territory_tables_by_hand import flow_row, flows, stock_row, stocks

from ocsge.csv_tables import commune_codes, numbers, read_text_table, typed_table, whole_numbers
from ocsge.errors import DataError
from ocsge.table_files import write_csv
from ocsge.tables import CHANGES, FLOW, STOCK

if TYPE_CHECKING:
    from pathlib import Path


def cells(*values: str | None) -> pd.Series:
    return pd.Series(values, dtype="str", name="surface", index=pd.RangeIndex(2, 2 + len(values)))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_found(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"commune_code{separator}nom\n01004{separator}Ambérieu\n\n", encoding="utf-8")
    assert read_text_table(path).to_dict("list") == {"commune_code": ["01004"], "nom": ["Ambérieu"]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_accents_survive_every_usual_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes("nom;code\nSébazac-Concourès;12264\n".encode(encoding))
    assert read_text_table(path).columns.tolist() == ["nom", "code"]
    assert read_text_table(path)["nom"].tolist() == ["Sébazac-Concourès"]


def test_rows_are_named_by_their_line_and_empty_cells_are_null(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text('a,b\n1,\n"x, y",2\n', encoding="utf-8")
    found = read_text_table(path)
    assert found.index.tolist() == [2, 3]
    assert found["b"].isna().tolist() == [True, False]
    assert found["a"].tolist() == ["1", "x, y"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no header"),
        (b"a,a\n1,2\n", "column 'a' stands twice"),
        (b"a,b\n1,2\n1\n", "line 3: 1 cells for 2 columns"),
        (b"PK\0\0", "is no text file"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_text_table(path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_text_table(tmp_path / "nothing.csv")


def test_numbers_take_spaces_and_a_decimal_comma() -> None:
    assert numbers(cells("1 234,5", "1\u202f234.5", "-3"), where="t").tolist() == [1234.5, 1234.5, -3.0]
    assert numbers(cells(None), where="t").isna().tolist() == [True]


@pytest.mark.parametrize("text", ["1.234,5", "abc", "inf", "nan"])
def test_anything_else_is_no_number(text: str) -> None:
    with pytest.raises(DataError, match="t line 3, column 'surface'"):
        numbers(cells("1", text), where="t")


def test_a_year_is_a_whole_number() -> None:
    assert whole_numbers(cells("2024", None), where="t").tolist() == [2024, pd.NA]
    with pytest.raises(DataError, match="is not a whole number"):
        whole_numbers(cells("2024,5"), where="t")


def test_a_code_without_its_zero_is_refused_and_an_arrondissement_gives_its_commune() -> None:
    assert commune_codes(cells("2a004", "75112"), where="t").tolist() == ["2A004", "75056"]
    with pytest.raises(DataError, match="leading zero is lost"):
        commune_codes(cells("1004"), where="t")
    with pytest.raises(DataError, match="write five characters"):
        commune_codes(cells(None), where="t")


@pytest.mark.parametrize("profile", ["machine", "excel-fr"])
def test_our_own_tables_are_read_back(tmp_path: Path, profile: str) -> None:
    stock = stocks(stock_row("01004", 2022, 12.5, cog_year=2024, nom="Ambérieu", flags="preview"))
    flow = flows(flow_row("12174", (2019, 2022), (10.0, 7.0)), flow_row("12202", (2019, 2022), None))
    for table, schema in ((stock, STOCK), (flow, FLOW)):
        write_csv(table, tmp_path / "table.csv", profile=profile)  # type: ignore[arg-type]
        found = typed_table(read_text_table(tmp_path / "table.csv"), schema, where="table.csv")
        pd.testing.assert_frame_equal(found, table)


def test_yes_and_no_are_read_in_two_languages() -> None:
    row = {name: "0" if column.dtype in {"int64", "float64"} else "x" for name, column in CHANGES.columns.items()}
    row |= {"commune_code": "12174", "artif_1": "VRAI", "artif_2": "false", "impermeable_1": "1", "impermeable_2": "0"}
    frame = pd.DataFrame([row], dtype="str").drop(columns="geometry")
    found = typed_table(frame, CHANGES, where="t").iloc[0]
    assert [found[f"{name}_{n}"] for name in ("artif", "impermeable") for n in (1, 2)] == [True, False, True, False]
    with pytest.raises(DataError, match="neither true nor false"):
        typed_table(frame.assign(artif_1="peut-être"), CHANGES, where="t")


def test_a_column_that_may_not_be_null_is_asked_for() -> None:
    with pytest.raises(DataError, match="no column 'millesime'"):
        typed_table(pd.DataFrame({"commune_code": ["12174"]}, dtype="str"), STOCK, where="t")
