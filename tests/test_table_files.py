"""Tables as CSV: what each reader gets, what a spreadsheet must not run, and the schema beside the file."""

from __future__ import annotations

import csv
import datetime as dt
import json
import math

import frictionless
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from benchmarks.table_partitions import filled
from ocsge.errors import CatalogError, OcsgeError
from ocsge.portal_profile import portal_schema, portal_table
from ocsge.table_files import write_csv
from ocsge.table_schema import KEYS, describe_column, table_schema
from ocsge.tables import CHANGE_MATRIX, FLOW, STOCK, STOCK_LONG, require

TABLES = [STOCK, STOCK_LONG, FLOW, CHANGE_MATRIX]


@pytest.fixture
def stock():
    return pd.DataFrame(
        {
            "commune_code": ["01004", "2A004"],
            "nom": ["Ambérieu; en, Bugey", None],
            "population": pd.array([14_000, None], dtype="Int64"),
            "stock_ha": [1234.56789, np.nan],
            "net_ha_an": [-0.00001, -0.25],
            "part_pct": [12.345, 0.0],
            "area_m2": [10_000.0, 0.1],
            "complete": [True, False],
            "imagery_date": [dt.date(2021, 7, 1), pd.NaT],
        }
    )


def test_the_machine_profile_has_commas_dots_and_line_feeds(stock, tmp_path):
    write_csv(stock, tmp_path / "stock.csv")
    assert (tmp_path / "stock.csv").read_bytes().decode() == (
        "commune_code,nom,population,stock_ha,net_ha_an,part_pct,area_m2,complete,imagery_date\n"
        '01004,"Ambérieu; en, Bugey",14000,1234.5679,0.0000,12.35,10000,true,2021-07-01\n'
        "2A004,,,,-0.2500,0.00,0.1,false,\n"
    )


def test_the_excel_profile_has_semicolons_decimal_commas_a_mark_and_crlf(stock, tmp_path):
    write_csv(stock, tmp_path / "stock.csv", profile="excel-fr")
    content = (tmp_path / "stock.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbfcommune_code;nom;")
    lines = content.decode("utf-8-sig").split("\r\n")
    assert lines[1] == '01004;"Ambérieu; en, Bugey";14000;1234,5679;0,0000;12,35;10000;VRAI;2021-07-01'
    assert lines[2] == "2A004;;;;-0,2500;0,00;0,1;FAUX;"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
@pytest.mark.parametrize("profile", ["machine", "excel-fr"])
def test_a_text_that_starts_a_formula_gets_an_apostrophe(tmp_path, start, profile):
    text = f'{start}HYPERLINK("x";1,2)'
    write_csv(pd.DataFrame({"nom": [text, "a=b"], "n": [-1, -2]}), tmp_path / "a.csv", profile=profile)
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.reader(stream, delimiter=";" if profile == "excel-fr" else ","))
    assert rows == [["nom", "n"], [f"'{text}", "-1"], ["a=b", "-2"]]


def test_a_csv_leaves_the_geometry_out(tmp_path):
    write_csv(gpd.GeoDataFrame({"n": [1]}, geometry=[shapely.box(0, 0, 1, 1)], crs=2154), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "n\n1\n"


def test_an_infinite_number_is_refused(tmp_path):
    with pytest.raises(OcsgeError, match="column part_pct: an infinite number"):
        write_csv(pd.DataFrame({"part_pct": [np.inf]}), tmp_path / "a.csv")


# --- every table and its schema


def known(schema):
    """Two rows of a table: hand-readable values, and an unknown in each column that may hold one."""
    values = {"text": "Ambérieu, en Bugey", "int64": 2021, "float64": 12.5, "bool": True}
    columns = {name: [values[column.dtype]] * 2 for name, column in schema.columns.items()}
    for name, column in schema.columns.items():
        if column.nullable:
            columns[name][1] = None
    columns["commune_code"] = ["01004", "2A004"]
    return filled(schema, 2, **{name: pd.array(value) for name, value in columns.items()})


def read_back(path, schema):
    """Read a machine CSV by its schema alone."""
    numbers = {"float64": "float64", "int64": "Int64"}
    kinds = {name: numbers.get(column.dtype, "str") for name, column in schema.columns.items()}
    table = pd.read_csv(path, dtype=kinds, keep_default_na=False, na_values={n: [""] for n in numbers_of(schema)})
    for name, column in schema.columns.items():
        if column.dtype == "text" and column.nullable:
            table[name] = table[name].replace("", None)
        if column.dtype == "int64" and not column.nullable:
            table[name] = table[name].astype("int64")
    return table


def numbers_of(schema):
    return [name for name, column in schema.columns.items() if column.dtype in {"int64", "float64"}]


@pytest.mark.parametrize("schema", TABLES, ids=lambda schema: schema.name)
def test_a_machine_csv_read_by_its_schema_is_the_table_again(schema, tmp_path):
    table = known(schema)
    write_csv(table, tmp_path / "a.csv", schema=schema)
    again = read_back(tmp_path / "a.csv", schema)
    require(again, schema, where="read back")
    pd.testing.assert_frame_equal(again, table)


@pytest.mark.parametrize("profile", ["machine", "excel-fr"])
@pytest.mark.parametrize("schema", TABLES, ids=lambda schema: schema.name)
def test_frictionless_finds_no_fault_in_a_csv_nor_in_the_schema_beside_it(schema, profile, tmp_path):
    write_csv(known(schema), tmp_path / "a.csv", profile=profile, schema=schema)
    report = validated(tmp_path, french=profile == "excel-fr")
    assert report.valid, report.flatten(["rowNumber", "fieldName", "note"])
    assert report.tasks[0].stats["rows"] == 2


def test_frictionless_refuses_a_text_where_the_schema_says_number(tmp_path):
    write_csv(known(STOCK), tmp_path / "a.csv", schema=STOCK)
    path = tmp_path / "a.csv"
    path.write_text(path.read_text().replace("12.5000", "douze", 1))
    assert not validated(tmp_path).valid


def validated(folder, *, french=False):
    """Return the report of frictionless on ``a.csv`` and ``a.schema.json``."""
    descriptor = json.loads((folder / "a.schema.json").read_text(encoding="utf-8"))
    assert frictionless.Schema.metadata_import(frictionless.Schema.from_descriptor(descriptor).to_descriptor())
    dialect = frictionless.Dialect(controls=[frictionless.formats.CsvControl(delimiter=";" if french else ",")])
    resource = frictionless.Resource(
        path="a.csv",
        basepath=str(folder),
        schema=frictionless.Schema.from_descriptor(descriptor),
        dialect=dialect,
        encoding="utf-8-sig" if french else "utf-8",
    )
    return resource.validate()


def test_a_schema_says_type_unit_key_and_both_languages():
    described = table_schema(FLOW, list(FLOW.columns))
    fields = {field["name"]: field for field in described["fields"]}
    assert fields["net_ha"] == {
        "name": "net_ha",
        "type": "number",
        "unit": "ha",
        "description": "Net artificialisation: gain less loss",
        "description_fr": "Artificialisation nette : gain moins perte",
    }
    assert fields["commune_code"]["type"] == "string", "01004 is no number"
    assert fields["millesime_1"]["constraints"] == {"required": True}
    assert described["primaryKey"] == ["commune_code", "millesime_1", "millesime_2"]
    french = {field["name"]: field for field in table_schema(FLOW, list(FLOW.columns), french=True)["fields"]}
    assert french["net_ha"]["decimalChar"] == ","


@pytest.mark.parametrize("schema", TABLES, ids=lambda schema: schema.name)
def test_every_column_is_described_in_two_languages_and_every_key_is_a_column(schema):
    for name in schema.columns:
        english, french = describe_column(schema.name, name)
        assert english
        assert french
        assert english != french
    assert set(KEYS[schema.name]) <= set(schema.columns)


def test_yes_and_no_are_named_in_the_language_of_the_file():
    yes_no = type(STOCK)("YES_NO", {"artif_area_ha": type(STOCK.columns["nom"])("bool")})
    (field,) = table_schema(yes_no, ["artif_area_ha"], french=True)["fields"]
    assert (field["trueValues"], field["falseValues"]) == (["VRAI"], ["FAUX"])


def test_a_column_that_no_schema_or_no_description_knows_is_refused(tmp_path):
    with pytest.raises(CatalogError, match="columns extra are not of its schema"):
        write_csv(known(STOCK).assign(extra=1), tmp_path / "a.csv", schema=STOCK)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(CatalogError, match="column extra of STOCK is not described"):
        describe_column("STOCK", "extra")


# --- the national export

PORTAL_COLUMNS = [
    *("commune_code", "nom", "millesimes_1", "pourcent_artif_1", "surface_artif_1"),
    *("millesimes_2", "pourcent_artif_2", "surface_artif_2", "flux_surface_1_2", "flux_percent_1_2"),
    *("departement_code", "region_code", "epci_code", "scot_code", "commune_surface"),
]
"""Columns of the file that the portal publishes for communes, but for its geometry."""


def states(*rows):
    """Rows of STOCK from (commune, millésime, stock in ha), each commune of 1 000 ha."""
    codes, years, stocks = zip(*rows, strict=True)
    share = [None if stock is None else stock / 10 for stock in stocks]
    known = {"commune_code": codes, "millesime": years, "stock_ha": pd.array(stocks, dtype="float64"), "nom": "Nom"}
    return filled(STOCK, len(rows), **columns_of(known, part_pct=share, surface_ha=1000.0, epci_siren="200000032"))


def flows(*rows):
    """Rows of FLOW from (commune, first, second millésime, net in ha)."""
    codes, first, second, net = zip(*rows, strict=True)
    return filled(
        FLOW, len(rows), **columns_of({"commune_code": codes, "millesime_1": first}, millesime_2=second, net_ha=net)
    )


def columns_of(columns, **more):
    return {name: list(value) if isinstance(value, tuple) else value for name, value in {**columns, **more}.items()}


def test_the_portal_profile_has_the_columns_and_units_of_the_national_export(tmp_path):
    table = portal_table(states(("34022", 2018, 379.19), ("34022", 2021, 384.86)), flows(("34022", 2018, 2021, 5.67)))
    assert list(table.columns) == PORTAL_COLUMNS
    row = table.iloc[0]
    assert (row["millesimes_1"], row["millesimes_2"]) == ("2018", "2021")
    assert (row["surface_artif_1"], row["surface_artif_2"]) == (3_791_900, 3_848_600), "m²"
    assert row["commune_surface"] == 10_000_000
    assert row["flux_surface_1_2"] == row["surface_artif_2"] - row["surface_artif_1"] == 56_700
    assert row["pourcent_artif_1"] == pytest.approx(100 * row["surface_artif_1"] / row["commune_surface"])
    assert row["flux_percent_1_2"] == pytest.approx(row["pourcent_artif_2"] - row["pourcent_artif_1"])
    write_csv(table, tmp_path / "a.csv", schema=portal_schema(list(table.columns)))
    assert validated(tmp_path).valid
    units = {f["name"]: f.get("unit") for f in json.loads((tmp_path / "a.schema.json").read_text())["fields"]}
    assert {units["surface_artif_1"], units["flux_surface_1_2"], units["commune_surface"]} == {"m²"}
    assert {units["pourcent_artif_2"], units["flux_percent_1_2"]} == {"%"}


def test_the_portal_ranks_the_millesimes_of_each_commune_apart():
    stock = states(
        ("01004", 2018, 10.0),
        ("01004", 2021, 11.0),
        ("01004", 2024, 11.0),
        ("12174", 2019, 20.0),
        ("12176", 2022, None),
    )
    table = portal_table(stock, flows(("01004", 2018, 2021, 1.0), ("01004", 2021, 2024, 0.0))).set_index("commune_code")
    assert table["millesimes_1"].tolist() == ["2018", "2019", "2022"]
    assert table.loc["01004", ["flux_surface_1_2", "flux_surface_2_3"]].tolist() == [10_000, 0], "no change is 0"
    assert table.loc["12174", ["millesimes_2", "surface_artif_2", "flux_surface_1_2"]].isna().all(), "one millésime"
    assert math.isnan(table.loc["12176", "surface_artif_1"]), "without data it is unknown"


def test_the_portal_gives_no_flow_between_states_derived_apart():
    table = portal_table(states(("01004", 2018, 10.0), ("01004", 2021, 11.0)))
    assert table[["flux_surface_1_2", "flux_percent_1_2"]].isna().all(axis=None)


def test_ground_in_no_commune_is_not_in_the_portal_profile():
    assert portal_table(states(("", 2018, 1.0), ("01004", 2018, 2.0)))["commune_code"].tolist() == ["01004"]


def test_a_stock_of_nothing_gives_an_empty_portal_profile():
    assert portal_table(filled(STOCK, 0)).empty


def test_a_flow_that_is_not_the_difference_of_its_stocks_is_refused():
    stock = states(("01004", 2018, 10.0), ("01004", 2021, 11.0))
    with pytest.raises(OcsgeError, match=r"01004: the net flow, 20000.0 m², is not the difference .* 10000.0 m²"):
        portal_table(stock, flows(("01004", 2018, 2021, 2.0)))


def test_two_rows_of_one_commune_and_millesime_are_refused():
    with pytest.raises(OcsgeError, match="commune 01004 has two rows of stock at 2018"):
        portal_table(states(("01004", 2018, 10.0), ("01004", 2018, 11.0)))
