"""GDAL reads our GeoParquet, in a process of its own, as QGIS would.

Its Parquet driver is in no wheel. These tests run by themselves where a GDAL has it: an ``ogrinfo`` (3.7 or later) on
the ``PATH``, such as the one of conda-forge beside ``libgdal-arrow-parquet``, or the GDAL of pyogrio when the shell's
``GDAL_DRIVER_PATH`` names a folder that holds the plugin ``ogr_Parquet``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pytest
import shapely
from shell_environment import SHELL

from ocsge.export import write_parquet

WITH_PYOGRIO = """
import json, sys
import pyogrio
info = pyogrio.read_info(sys.argv[1], force_feature_count=True, force_total_bounds=True)
rows = pyogrio.read_dataframe(sys.argv[1], read_geometry=False).to_json(orient="records")
measured = {"crs": info["crs"], "geometry_type": info["geometry_type"], "bounds": info["total_bounds"]}
print(json.dumps({**measured, "count": info["features"], "rows": json.loads(rows)}))
"""


@dataclass(frozen=True)
class Read:
    """What GDAL says of a file: one row is the attributes of a feature; bounds are xmin, ymin, xmax, ymax in metres."""

    crs: str | None
    geometry_type: str
    bounds: list[float]
    count: int
    rows: list[dict[str, object]]


def answer_of(*command):
    """Return what a command of GDAL writes, run with the variables of the shell."""
    return subprocess.run(command, env=SHELL, stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout


def read_with_pyogrio(path):
    """Read a file with the GDAL inside pyogrio."""
    return Read(**json.loads(answer_of(sys.executable, "-c", WITH_PYOGRIO, str(path))))


def read_with_ogrinfo(path):
    """Read a file with the GDAL of the machine."""
    (layer,) = json.loads(answer_of("ogrinfo", "-json", "-ro", "-al", "-features", str(path)))["layers"]
    (geometry,) = layer["geometryFields"]
    code = ((geometry["coordinateSystem"] or {}).get("projjson") or {}).get("id")
    return Read(
        crs=code and f"{code['authority']}:{code['code']}",
        geometry_type=geometry["type"],
        bounds=geometry["extent"],
        count=layer["featureCount"],
        rows=[feature["properties"] for feature in layer["features"]],
    )


@pytest.fixture(scope="module")
def readers():
    """Readers of the GDALs of this machine that have the Parquet driver."""
    found = []
    if "Parquet" in answer_of(sys.executable, "-c", "import pyogrio; print(*pyogrio.list_drivers())").split():
        found.append(read_with_pyogrio)
    if shutil.which("ogrinfo", path=SHELL.get("PATH")) and "Parquet" in answer_of("ogrinfo", "--formats").split():
        found.append(read_with_ogrinfo)
    if not found:
        pytest.skip("no GDAL here has its Parquet driver: neither pyogrio's nor ogrinfo's")
    return found


@pytest.fixture
def two_squares():
    """A built square of 100 m in Ain, where nothing grows, and beside it open ground in two strips of 5 000 m²."""
    west = shapely.box(870_000, 6_570_000, 870_100, 6_570_100)
    strips = [shapely.box(870_100 + 150 * n, 6_570_000, 870_150 + 150 * n, 6_570_100) for n in range(2)]
    return gpd.GeoDataFrame(
        {
            "id": ["01004-2021-1", "01004-2021-2"],
            "millesime": [2021, 2021],
            "commune_code": ["01004", "01004"],
            "area_m2": [10_000.0, 10_000.0],
            "tree_share": [np.nan, 0.5],
            "artif": [True, False],
            "reason": ["bâti", None],
        },
        geometry=[west, shapely.MultiPolygon(strips)],
        crs=2154,
    )


def test_gdal_reads_rows_crs_extent_and_nulls_of_the_geoparquet(readers, two_squares, tmp_path):
    path = tmp_path / "commune_code=01004" / "millesime=2021" / "part.parquet"
    write_parquet(two_squares, path, provenance={"key": "é"})
    built = {"id": "01004-2021-1", "area_m2": 10_000.0, "tree_share": None, "artif": True, "reason": "bâti"}
    open_ground = {"id": "01004-2021-2", "area_m2": 10_000.0, "tree_share": 0.5, "artif": False, "reason": None}
    for read in readers:
        layer = read(path)
        assert (layer.crs, layer.geometry_type, layer.count) == ("EPSG:2154", "MultiPolygon", 2)
        assert layer.bounds == [870_000, 6_570_000, 870_300, 6_570_100]
        # the commune code is text: its leading zero stays
        assert layer.rows == [{**row, "millesime": 2021, "commune_code": "01004"} for row in (built, open_ground)]
