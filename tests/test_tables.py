"""Schemas of the tables between stages: what the door lets through and what its refusal says."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
from decree_oracle import table_of
from shapely.geometry import box

from ocsge.errors import DataError
from ocsge.tables import ARTIFICIALISED, POLYGONS, STOCK, STOCK_LONG, Column, Schema, pixels_per_m2, require, typed

CODES = Schema("CODES", {"code": Column("text"), "area": Column("float64", "m²", nullable=True)})


def test_table_that_holds_its_schema_passes_with_other_columns_beside():
    require(table_of({}).assign(more=1), POLYGONS, where="here")


def test_missing_column_is_named_with_the_table_the_stage_and_what_was_found():
    with pytest.raises(DataError, match=r"here: table CODES has no column 'area' \(float64\); it holds: code, other"):
        require(pd.DataFrame({"code": ["a"], "other": [1]}), CODES, where="here")


@pytest.mark.parametrize(
    ("column", "value", "found"),
    [
        ("artif", 1, "int64, expected bool"),
        ("area_px", 1.0, "float64, expected int64"),
        ("area_m2", 1, "int64, expected float64"),
        ("commune_code", 12174, "int64, expected text"),
        ("tree_share", "0.2", "str, expected float64"),
    ],
)
def test_column_of_another_type_is_named(column, value, found):
    schema = Schema("POLYGONS", {column: ARTIFICIALISED.columns[column]})
    with pytest.raises(DataError, match=f"column '{column}' is {found}"):
        require(pd.DataFrame({column: [value]}), schema, where="here")


def test_null_where_a_value_must_be_known_is_counted_and_located():
    frame = pd.DataFrame({"code": ["a", None, None], "area": [1.0, None, 2.0]})
    with pytest.raises(DataError, match=r"column 'code' is null at row 1 \(2 rows in all\)"):
        require(frame, CODES, where="here")


def test_unknown_is_allowed_where_the_schema_says_so():
    require(table_of({"tree_share": None}), POLYGONS, where="here")
    require(pd.DataFrame({"code": ["a"], "area": [float("nan")]}), CODES, where="here")


def test_codes_may_be_categories_of_texts():
    require(pd.DataFrame({"code": pd.Categorical(["a", "b"]), "area": [1.0, 2.0]}), CODES, where="here")
    numbers = pd.DataFrame({"code": pd.Categorical([1, 2]), "area": [1.0, 2.0]})
    with pytest.raises(DataError, match="column 'code' is category, expected text"):
        require(numbers, CODES, where="here")


def test_geometry_may_be_absent_or_null_but_not_a_text():
    frame = table_of({}, {})
    require(gpd.GeoDataFrame(frame, geometry=[box(0, 0, 1, 1), None], crs=2154), POLYGONS, where="here")
    require(frame.assign(geometry=None), POLYGONS, where="here")
    with pytest.raises(DataError, match="column 'geometry' is str, expected geometry"):
        require(frame.assign(geometry="POINT (0 0)"), POLYGONS, where="here")


def test_every_measure_of_the_stock_has_a_unit():
    for schema in (POLYGONS, ARTIFICIALISED, STOCK, STOCK_LONG):
        for name, column in schema.columns.items():
            if column.dtype == "float64":
                assert column.unit, f"{schema.name}.{name}"


def test_units_in_the_names_are_those_of_the_schema():
    units = {"_ha": "ha", "_m2": "m²", "_pct": "%", "_px": "pixels"}
    for schema in (POLYGONS, ARTIFICIALISED, STOCK, STOCK_LONG):
        for name, column in schema.columns.items():
            for ending, unit in units.items():
                if name.endswith(ending):
                    assert column.unit == unit, f"{schema.name}.{name}"


def test_typed_keeps_the_columns_of_the_schema_in_its_order_and_types():
    schema = Schema("T", {"year": Column("int64", nullable=True), "code": Column("text"), "n": Column("int64")})
    found = typed(pd.DataFrame({"n": [2.0], "more": [1], "code": ["a"], "year": ["2022"]}), schema, where="here")
    assert found.dtypes.astype("str").to_dict() == {"year": "Int64", "code": "str", "n": "int64"}
    assert found.iloc[0].tolist() == [2022, "a", 2]


@pytest.mark.parametrize("unknown", [None, float("nan"), pd.NA])
def test_typed_keeps_an_unknown_whole_number_unknown(unknown):
    schema = Schema("T", {"year": Column("int64", nullable=True)})
    found = typed(pd.DataFrame({"year": [unknown, 2022]}), schema, where="here")["year"]
    assert found.isna().tolist() == [True, False]
    assert typed(pd.DataFrame({"year": [unknown]}), schema, where="here")["year"].isna().all()


def test_typed_names_the_column_that_is_missing_or_may_not_be_null():
    with pytest.raises(DataError, match="here: table CODES has no column 'area'; it holds: code"):
        typed(pd.DataFrame({"code": ["a"]}), CODES, where="here")
    with pytest.raises(DataError, match="column 'code' is null at row 0"):
        typed(pd.DataFrame({"code": [None], "area": [1.0]}), CODES, where="here")


def test_types_are_given_to_columns_in_one_place():
    kinds = '"text": "str", "int64"'
    root = Path(__file__).resolve().parent.parent / "ocsge"
    assert [path.name for path in root.rglob("*.py") if kinds in path.read_text("utf-8")] == ["tables.py"]


@pytest.mark.parametrize("per_m2", [1, 16, 25, 10_000])
def test_pixels_per_m2_follow_from_the_two_area_columns(per_m2):
    pixels = pd.Series([1, 7, 62_499, 62_500], dtype="int64")
    frame = pd.DataFrame({"area_px": pixels, "area_m2": pixels / per_m2})
    assert pixels_per_m2(frame, where="here") == per_m2


def test_area_columns_that_disagree_are_refused():
    frame = pd.DataFrame({"area_px": [25, 25, 26], "area_m2": [1.0, 1.0, 1.0]})
    with pytest.raises(DataError, match=r"row 2: area_m2 = 1\.0 is not area_px = 26 divided by 25"):
        pixels_per_m2(frame, where="here")


@pytest.mark.parametrize(("area_px", "area_m2"), [(0, 0.0), (25, float("nan")), (-25, -1.0)])
def test_polygon_without_area_is_refused(area_px, area_m2):
    frame = pd.DataFrame({"area_px": [25, area_px], "area_m2": [1.0, area_m2]})
    with pytest.raises(DataError, match="not positive at row 1"):
        pixels_per_m2(frame, where="here")
