"""Exports: what other tools read, byte for byte the same."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import duckdb
import geopandas as gpd
import geoparquet_validator
import numpy as np
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely

from ocsge.errors import CrsError, OcsgeError, OutputError
from ocsge.export import ign_fields, write_gpkg, write_json, write_parquet
from ocsge.styles import ARTIF_STATES, artif_states, artif_style, couverture_style

COLOURS = {"CS1.1.1.1": "#ff377a", "CS2.1.1.1": "#80ff00", "CS2.2.1": "#ccf24d"}
LABELS = {"CS1.1.1.1": "Zones bâties", "CS2.1.1.1": "Peuplement de feuillus", "CS2.2.1": "Herbacé & prés"}


@pytest.fixture
def polygons():
    """Three squares of 100 m in two communes of Ain, and one beyond the territory, without geometry."""
    squares = [shapely.box(870_000 + 100 * n, 6_570_000, 870_100 + 100 * n, 6_570_100) for n in range(3)]
    return gpd.GeoDataFrame(
        {
            "id": ["01004-2021-1", "01004-2021-2", "01005-2021-1", "x"],
            "millesime": [2021] * 4,
            "commune_code": ["01004", "01004", "01005", ""],
            "code_cs": ["CS1.1.1.1", "CS2.1.1.1", "CS2.2.1", "CS2.2.1"],
            "code_us": ["US5", "US1.2", "US1.1", "US1.1"],
            "ossature": [True, False, False, False],
            "area_px": [250_000] * 4,
            "area_m2": [10_000.0] * 4,
            "tree_share": [np.nan, 0.8, 0.1, np.nan],
            "in_territory": [True, True, True, False],
            "artif": [True, False, False, False],
            "crit_seuil": [False, False, True, False],
            "reason": ["matrix.csv:2", "matrix.csv:160", "seuil: 1 200 m²", ""],
        },
        geometry=[*squares, None],
        crs=2154,
    )


# --- GeoParquet


def test_parquet_is_read_by_geopandas_with_its_types_and_crs(polygons, tmp_path):
    path = tmp_path / "commune_code=01004" / "millesime=2021" / "part.parquet"
    write_parquet(polygons, path)
    read = gpd.read_parquet(path)
    assert read["commune_code"].tolist() == ["01004", "01004", "01005"]
    assert read.crs.to_epsg() == 2154
    assert read.area.tolist() == [10_000.0] * 3
    assert "in_territory" not in read


def test_parquet_is_geoparquet_1_1_with_bbox_covering_zstd_and_provenance(polygons, tmp_path):
    path = tmp_path / "part.parquet"
    write_parquet(polygons, path, provenance={"rules": "abc", "inputs": ["é"]})
    metadata = pq.read_metadata(path)
    geo = json.loads(metadata.metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    assert geo["columns"]["geometry"]["covering"]["bbox"]["xmin"] == ["bbox", "xmin"]
    assert json.loads(metadata.metadata[b"ocsge"]) == {"rules": "abc", "inputs": ["é"]}
    assert metadata.row_group(0).column(0).compression == "ZSTD"
    west = gpd.read_parquet(path, bbox=(870_000, 6_570_000, 870_050, 6_570_050))
    assert west["id"].tolist() == ["01004-2021-1"]


def test_the_geometry_names_no_arrow_type_which_would_hide_its_crs_from_gdal(polygons, tmp_path):
    path = tmp_path / "part.parquet"
    write_parquet(polygons, path)
    schema = pq.read_schema(path)
    assert [name for name in schema.names if schema.field(name).metadata] == []
    crs = json.loads(schema.metadata[b"geo"])["columns"]["geometry"]["crs"]
    assert crs["id"] == {"authority": "EPSG", "code": 2154}


def test_the_validator_of_geoparquet_finds_the_parquet_conformant_and_duckdb_reads_it(polygons, tmp_path):
    path = tmp_path / "part.parquet"
    write_parquet(polygons, path, provenance={"rules": "abc"})
    report = geoparquet_validator.check(str(path))
    assert geoparquet_validator.failed(report) == []
    # passing by being skipped does not count: the covering is declared, and every test of it ran
    covering = [outcome["status"] for outcome in report["outcomes"] if "/covering/" in outcome["id"]]
    assert covering == ["pass"] * 6
    with duckdb.connect() as connection:
        (kind,) = connection.execute("select typeof(geometry) from read_parquet(?) limit 1", [str(path)]).fetchone()
    assert kind.startswith("GEOMETRY")


def test_duckdb_reads_a_folder_of_parts_and_keeps_the_leading_zero(polygons, tmp_path):
    for commune in ("01004", "01005"):
        part = polygons[polygons["commune_code"] == commune]
        write_parquet(part, tmp_path / f"commune_code={commune}" / "millesime=2021" / "part.parquet")
    rows = duckdb.execute(
        "select commune_code, millesime, sum(area_m2) from read_parquet(?, hive_partitioning = true)"
        " group by all order by all",
        [str(tmp_path / "**" / "*.parquet")],
    ).fetchall()
    assert rows == [("01004", 2021, 20_000.0), ("01005", 2021, 10_000.0)]


def test_parquet_bytes_do_not_depend_on_the_day_nor_on_the_name(polygons, tmp_path):
    write_parquet(polygons, tmp_path / "a.parquet", provenance={"b": 1, "a": 2})
    write_parquet(polygons, tmp_path / "b.parquet", provenance={"a": 2, "b": 1})
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_polygons_without_crs_are_refused(polygons, tmp_path):
    bare = gpd.GeoDataFrame(polygons.drop(columns="geometry"), geometry=polygons.geometry.to_numpy())
    for write in (
        lambda: write_parquet(bare, tmp_path / "a.parquet"),
        lambda: write_gpkg(bare, tmp_path / "a.gpkg", layer="artif"),
    ):
        with pytest.raises(CrsError, match="no coordinate reference system"):
            write()
    assert list(tmp_path.iterdir()) == []


# --- GeoPackage


def test_gpkg_has_the_fields_of_ign_then_ours(polygons, tmp_path):
    path = tmp_path / "01004_2021.gpkg"
    write_gpkg(polygons, path, layer="artif_2021_001")
    read = pyogrio.read_dataframe(path, layer="artif_2021_001")
    assert list(read.columns[:11]) == [
        "ID",
        "code_cs",
        "code_us",
        "millesime",
        "source",
        "ossature",
        "id_origine",
        "code_or",
        "aire",
        "artif",
        "crit_seuil",
    ]
    assert {"commune_code", "reason", "tree_share"} <= set(read.columns)
    assert {"area_px", "in_territory", "area_m2", "id"} & set(read.columns) == set()
    assert read["artif"].tolist() == ["artif", "non artif", "non artif"]
    assert read["ossature"].tolist() == [1, 0, 0]
    assert read["crit_seuil"].tolist() == [False, False, True]
    assert read["aire"].tolist() == read.area.tolist() == [10_000.0] * 3
    assert read["source"].unique().tolist() == ["ocsge"]
    assert read["id_origine"].isna().all()
    assert np.isnan(read["tree_share"][0]), "unknown stays null"
    info = pyogrio.read_info(path, layer="artif_2021_001")
    assert (info["geometry_type"], info["crs"], info["geometry_name"]) == (
        "MultiPolygon",
        "EPSG:2154",
        "the_geom",
    )


def test_gpkg_carries_two_styles_where_qgis_looks_for_them(polygons, tmp_path):
    path = tmp_path / "01004_2021.gpkg"
    styles = [artif_style(), couverture_style(COLOURS, LABELS)]
    write_gpkg(polygons, path, layer="artif", styles=styles, provenance={"rules": "abc", "inputs": [1]})
    table = pyogrio.read_dataframe(path, layer="layer_styles")
    assert table["styleName"].tolist() == ["artificialisation", "couverture"]
    assert table["useAsDefault"].tolist() == [True, False]
    assert table["f_table_name"].unique().tolist() == ["artif"]
    with sqlite3.connect(path) as connection:
        # QGIS selects on these being empty texts, not nulls.
        query = "select count(*) from layer_styles where f_table_catalog = '' and f_table_schema = ''"
        assert connection.execute(query).fetchone() == (2,)
        kinds = dict(connection.execute("select table_name, data_type from gpkg_contents").fetchall())
    connection.close()
    assert kinds == {"artif": "features", "layer_styles": "attributes"}
    assert (tmp_path / "01004_2021.qml").read_text() == styles[0].qml == table["styleQML"][0]
    assert pyogrio.read_info(path, layer="artif")["layer_metadata"]["rules"] == "abc"


def test_gpkg_bytes_do_not_depend_on_the_day_nor_on_the_name(polygons, tmp_path):
    contents = []
    for name in ("a.gpkg", "b.gpkg"):
        write_gpkg(polygons, tmp_path / name, layer="artif", styles=[artif_style()], provenance={"rules": "abc"})
        contents.append((tmp_path / name).read_bytes())
    with sqlite3.connect(tmp_path / "a.gpkg") as connection:
        days = connection.execute("select last_change from gpkg_contents").fetchall()
    connection.close()
    assert days == [("2000-01-01T00:00:00.000Z",)] * 2
    assert contents[0] == contents[1]
    assert pyogrio.get_gdal_config_option("OGR_CURRENT_DATE") is None, "left as it was found"


def test_polygons_without_their_columns_are_refused(polygons):
    with pytest.raises(OcsgeError, match="columns id, crit_seuil are missing"):
        ign_fields(polygons.drop(columns=["id", "crit_seuil"]))


SMALL_DISK = """
import resource, sys
from pathlib import Path
import geopandas as gpd, shapely
from ocsge.errors import OutputError
from ocsge.export import write_gpkg, write_parquet
from ocsge.table_files import write_csv
n = 3000
frame = gpd.GeoDataFrame(
    {"id": [f"{i * i}" for i in range(n)], "millesime": 2021, "code_cs": "a", "code_us": "b",
     "ossature": False, "area_m2": 1.0, "artif": True, "crit_seuil": False},
    geometry=[shapely.Point(i * i, i).buffer(3) for i in range(n)], crs=2154)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
folder = Path(sys.argv[1])
for name, write in {
    "a.gpkg": lambda path: write_gpkg(frame, path, layer="artif"),
    "a.parquet": lambda path: write_parquet(frame, path),
    "a.csv": lambda path: write_csv(frame, path),
}.items():
    try:
        write(folder / name)
    except OutputError as error:
        print(error.exit_code, name)
"""


def test_a_disk_that_cannot_take_the_file_is_exit_73_for_every_format(tmp_path):
    child = subprocess.run(
        [sys.executable, "-c", SMALL_DISK, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert child.stdout == "73 a.gpkg\n73 a.parquet\n73 a.csv\n", child.stderr
    assert list(tmp_path.iterdir()) == []


# --- styles


def test_a_style_is_well_formed_and_has_the_official_colours():
    qml = couverture_style(COLOURS, LABELS).qml
    root = ET.fromstring(qml.split("\n", 1)[1])  # noqa: S314 — our own text
    categories = root.findall("renderer-v2/categories/category")
    assert [(node.get("value"), node.get("label")) for node in categories] == [
        ("CS1.1.1.1", "CS1.1.1.1 Zones bâties"),
        ("CS2.1.1.1", "CS2.1.1.1 Peuplement de feuillus"),
        ("CS2.2.1", "CS2.2.1 Herbacé & prés"),
    ]
    fills = root.findall("renderer-v2/symbols/symbol/layer/Option/Option[@name='color']")
    assert [node.get("value") for node in fills] == ["255,55,122,255", "128,255,0,255", "204,242,77,255"]


def test_every_state_of_artificialisation_has_a_category(polygons):
    assert artif_states(polygons).tolist() == ["artif", "non artif", "non artif seuil", "non artif"]
    root = ET.fromstring(artif_style().qml.split("\n", 1)[1])  # noqa: S314 — our own text
    values = [node.get("value") for node in root.findall("renderer-v2/categories/category")]
    assert values == [state.value for state in ARTIF_STATES]


def test_the_two_states_differ_in_lightness_alone():
    """WCAG relative luminance: a contrast of 3 is readable without any colour vision."""

    def luminance(colour: str) -> float:
        channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    by_value = {state.value: luminance(state.colour) for state in ARTIF_STATES}
    assert (by_value["non artif"] + 0.05) / (by_value["artif"] + 0.05) >= 3


# --- JSON


def test_json_is_sorted_and_refuses_what_is_not_json(tmp_path):
    write_json({"b": None, "a": [1, "é"]}, tmp_path / "run.json")
    assert (tmp_path / "run.json").read_text().index('"a"') < (tmp_path / "run.json").read_text().index('"b"')
    assert json.loads((tmp_path / "run.json").read_bytes()) == {"a": [1, "é"], "b": None}
    with pytest.raises(TypeError):
        write_json({"path": Path("x")}, tmp_path / "bad.json")
    with pytest.raises(OutputError):
        write_json({}, tmp_path / "run.json" / "below.json")
