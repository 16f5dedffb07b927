"""Draw the generated commune as it is photographed, mapped by the shipped model, and true.

    python -m tools.demonstration_picture

writes ``docs/images/ortho.jpg``: three squares, the colours of the classes those of CoSIA.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import Affine

from ocsge.class_numbers import numbered_classes
from ocsge.demonstration import shipped_ortho
from ocsge.from_ortho import DEMONSTRATION, Ortho, class_rasters
from ocsge.products.cosia import raster_files
from ocsge.rules import load_rules
from tools.generated_commune import NUMBERING

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "ortho.jpg"
STEP = 7
"""One pixel of so many is drawn."""
GAP_PX = 8


def colours() -> np.ndarray:
    """Return (256, 3) the colour of each class number, white where there is none."""
    table = np.full((256, 3), 255, dtype=np.uint8)
    for one, number in numbered_classes(load_rules(), NUMBERING):
        table[number] = [int(one.colour[k : k + 2], 16) for k in (1, 3, 5)]
    return table


def main() -> None:
    """Write the picture."""
    folder = shipped_ortho()
    ortho = Ortho(rvb=folder / "rvb.jp2", irc=folder / "irc.jp2", elevation=folder / "hauteur.jp2")
    with tempfile.TemporaryDirectory() as workspace:
        (mapped,) = class_rasters([ortho], model=DEMONSTRATION, workspace=Path(workspace))
        (raster,) = raster_files(mapped)
        with rasterio.open(raster) as classes, rasterio.open(folder / "verite.tif") as truth:
            maps = [colours()[dataset.read(1)[::STEP, ::STEP]] for dataset in (classes, truth)]
    with rasterio.open(ortho.rvb) as photograph:
        seen = photograph.read().transpose(1, 2, 0)[::STEP, ::STEP]
    gap = np.full((len(seen), GAP_PX, 3), 255, dtype=np.uint8)
    picture = np.concatenate([seen, gap, maps[0], gap, maps[1]], axis=1).transpose(2, 0, 1)
    height, width = picture.shape[1:]
    with rasterio.MemoryFile() as file:
        with file.open(
            driver="GTiff", dtype="uint8", count=3, height=height, width=width, transform=Affine.scale(1, -1)
        ) as sink:
            sink.write(picture)
        rasterio.shutil.copy(file.name, PICTURE, driver="JPEG", quality=80)
    PICTURE.with_name(f"{PICTURE.name}.aux.xml").unlink(missing_ok=True)
    print(f"{PICTURE.name}: {PICTURE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
