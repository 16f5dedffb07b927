"""A village of 400 m × 400 m derived at two years, for the tests of the dashboard: figures a person can check.

Grass everywhere (numbering ``cosia_vector_numero``, 1 m), a house of 400 m² in the middle; in the second image a car
park of 60 m × 60 m, in the south-west, 130 m from the house.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from small_commune import GRASS, box, buildings, communes, write, write_raster

from ocsge.catalog import register
from ocsge.derive import derive

if TYPE_CHECKING:
    from pathlib import Path

    from ocsge.derivation import Derivation

CODE, NOM = "12001", "Petite commune"
FIRST, LAST = 2019, 2022
SIDE, CAR_PARK_M2 = 400, 3600
SEALED = 3
"""Zone imperméable in the numbering."""


def village(folder: Path, *, millesimes: tuple[int, ...] = (FIRST, LAST), changed: bool = True) -> Derivation:
    """Derive the village into ``folder/workspace``; without change, both images are the first one."""
    folder.mkdir(parents=True, exist_ok=True)
    workspace = folder / "workspace"
    outline = communes(box(0, -200, SIDE, SIDE - 200))
    for name, frame in {"commune": outline, "batiment": buildings()}.items():
        register(workspace, write(folder / f"{name}.gpkg", **{name: frame}))
    images = []
    for millesime in millesimes:
        values = np.full((SIDE, SIDE), GRASS, np.uint8)
        if changed and millesime == LAST:
            values[-70:-10, 10:70] = SEALED
        images.append(write_raster(folder / f"cosia_{millesime}.tif", values))
    return derive(
        communes=[CODE],
        millesime=millesimes,
        workspace=workspace,
        cosia=images,
        numbering="cosia_vector_numero",
        resolution=1,
    )
