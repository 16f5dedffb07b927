"""Make ``tests/data/montpellier/`` from the chip of 50 m that IGN's tools are tested with.

    python tools/embed_montpellier.py FOLDER

``FOLDER`` holds ``rvb.tif`` and ``irc.tif`` (BD ORTHO, 0.2 m) and ``dsm.tif`` and ``dtm.tif`` (0.5 m, from classified
lidar points). The CRS of the images is written in words that bear no EPSG code, and their corner in numbers that miss
a multiple of 0.2 m by a hair: both are written as they are meant. The images declare 255 as no data, which is the
white of four pixels of a roof: that is left out. Pixels are not touched; altitudes are rounded to the centimetre.
The result is the same byte for byte on every run.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import Affine

EPSG = 2154
BESIDE = Path(__file__).parents[1] / "tests" / "data" / "montpellier"
CREDIT = """# Montpellier, 50 m × 50 m

`rvb.tif`, `irc.tif` (0.2 m), `mns.tif`, `mnt.tif` (0.5 m): IGN – BD ORTHO and LiDAR HD, Licence Ouverte / Open Licence
2.0 (Etalab), as redistributed with the tests of IGNF/ign-pdal-tools and IGNF/las-digital-models. Made by
`tools/embed_montpellier.py`, which says what was changed. Tests only.
"""
IMAGES = {"rvb": "rvb", "irc": "irc"}
ALTITUDES = {"dsm": "mns", "dtm": "mnt"}


def convert(source: Path, target: Path, *, altitudes: bool) -> None:
    """Write a file of the chip with its CRS and corner as they are meant."""
    with rasterio.open(source) as dataset:
        values, transform = dataset.read(), dataset.transform
        side = round(transform.a, 3)
        profile = {
            "driver": "GTiff",
            "count": dataset.count,
            "height": dataset.height,
            "width": dataset.width,
            "dtype": dataset.dtypes[0],
            "crs": f"EPSG:{EPSG}",
            "transform": Affine(side, 0, round(transform.c, 3), 0, -side, round(transform.f, 3)),
            "compress": "deflate",
            "predictor": 3 if altitudes else 2,
            "nodata": dataset.nodata if altitudes else None,
            "photometric": "minisblack" if altitudes else "rgb",
        }
        if altitudes:
            values = np.where(values == dataset.nodata, values, values.round(2))
    with rasterio.open(target, "w", **profile) as dataset:
        dataset.write(values)


def main() -> None:
    """Convert the four files and write the credit beside them."""
    parser = argparse.ArgumentParser(description="Make tests/data/montpellier from the chip.")
    parser.add_argument("folder", type=Path, help="folder of rvb.tif, irc.tif, dsm.tif and dtm.tif")
    folder = parser.parse_args().folder
    BESIDE.mkdir(parents=True, exist_ok=True)
    for source, target in {**IMAGES, **ALTITUDES}.items():
        convert(folder / f"{source}.tif", BESIDE / f"{target}.tif", altitudes=source in ALTITUDES)
    (BESIDE / "README.md").write_text(CREDIT, encoding="utf-8")


if __name__ == "__main__":
    main()
