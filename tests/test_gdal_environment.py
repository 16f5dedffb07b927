"""Settings of another GDAL are left aside."""

from __future__ import annotations

import os
import subprocess
import sys

from ocsge.gdal_environment import ignore_inherited_gdal


def test_paths_of_another_gdal_are_dropped_and_named() -> None:
    variables = {"GDAL_DATA": "/qgis/gdal", "PROJ_LIB": "/qgis/proj", "HOME": "/home"}
    assert ignore_inherited_gdal(variables) == ("GDAL_DATA", "PROJ_LIB")
    assert variables == {"HOME": "/home"}


def test_a_clean_environment_drops_nothing() -> None:
    assert ignore_inherited_gdal({"PATH": "/bin"}) == ()


def test_a_crs_is_found_in_a_shell_that_points_proj_elsewhere() -> None:
    code = (
        "import os, ocsge.gdal_environment, rasterio.crs, pyproj\n"
        "assert not {'GDAL_DATA', 'PROJ_DATA', 'PROJ_LIB'} & set(os.environ)\n"
        "print(rasterio.crs.CRS.from_epsg(2154).to_epsg(), pyproj.CRS.from_epsg(2154).to_epsg())\n"
    )
    elsewhere = {"GDAL_DATA": "/nowhere", "PROJ_LIB": "/nowhere", "PROJ_DATA": "/nowhere"}
    environment = {**os.environ, **elsewhere}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["2154", "2154"], done.stderr
