"""Make ``tests/data/arcachon/arcachon_2015_2018.zip`` from the OCS GE change polygons of the Bassin d'Arcachon.

    python tools/convert_arcachon.py FOLDER

``FOLDER`` holds ``difference_2015_2018.gpkg`` (layers ``gain`` and ``loss``, codes at both dates), ``communes.gpkg``
and ``published_figures.csv``. Gain and loss become one layer, as IGN delivers a difference; their field ``Surface``,
which is not the area of the geometry, is left out. The result is the same byte for byte on every run.
"""

from __future__ import annotations

import argparse
import shutil
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import geopandas as gpd
import pandas as pd
import pyogrio

TIMESTAMP = "2025-01-01T00:00:00.000Z"
ZIP_DATE = (2025, 1, 1, 0, 0, 0)
ARCHIVE = "arcachon_2015_2018.zip"
LAYER = "DIFFERENCE_2015_2018"
CODES = ["CS_2015", "US_2015", "CS_2018", "US_2018"]


def difference_of(folder: Path) -> gpd.GeoDataFrame:
    """Return the change polygons of both layers under the field names of IGN's difference product."""
    path = folder / "difference_2015_2018.gpkg"
    parts = [pyogrio.read_dataframe(path, layer=layer, on_invalid="ignore") for layer in ("gain", "loss")]
    whole = gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=parts[0].crs)
    return whole.rename(columns=str.upper).rename(columns={"GEOMETRY": "geometry"})[[*CODES, "geometry"]]


def communes_of(folder: Path) -> gpd.GeoDataFrame:
    """Return the outlines of the communes, by code."""
    communes = pyogrio.read_dataframe(folder / "communes.gpkg")
    return communes[["INSEE_COM", "NOM", "SIREN_EPCI", "geometry"]].sort_values("INSEE_COM", ignore_index=True)


def write_layer(frame: gpd.GeoDataFrame, path: Path, layer: str) -> None:
    """Write a layer without spatial index, dated of a fixed day."""
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": TIMESTAMP})
    pyogrio.write_dataframe(
        frame.set_geometry("geometry"), path, layer=layer, driver="GPKG", layer_options={"SPATIAL_INDEX": "NO"}
    )


def main() -> None:
    """Write the archive and the published figures beside the tests."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    source = parser.parse_args().folder
    into = Path(__file__).parents[1] / "tests" / "data" / "arcachon"
    into.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as made:
        write_layer(difference_of(source), Path(made) / "difference.gpkg", LAYER)
        write_layer(communes_of(source), Path(made) / "communes.gpkg", "COMMUNE")
        with zipfile.ZipFile(into / ARCHIVE, "w", zipfile.ZIP_LZMA) as archive:
            for name in ("communes.gpkg", "difference.gpkg"):
                entry = zipfile.ZipInfo(name, ZIP_DATE)
                entry.compress_type = zipfile.ZIP_LZMA
                archive.writestr(entry, (Path(made) / name).read_bytes())
    shutil.copyfile(source / "published_figures.csv", into / "published_figures.csv")


if __name__ == "__main__":
    main()
