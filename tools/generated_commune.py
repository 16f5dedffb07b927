"""Generate a commune that is nowhere, with its photographs, its layers and the truth about its ground.

    python -m tools.generated_commune [FOLDER]

writes the one that ``ocsge demo --from-ortho`` segments and derives, into ``data_catalog/embedded/ortho`` by default:

==================  ==================================================================================
``rvb.jp2``         red, green, blue at 0.2 m
``irc.jp2``         infrared, red, green
``hauteur.jp2``     height above ground, one unit 20 cm
``verite.tif``      the true classes, numbering ``cosia_argmax_2023``; only the accuracy is read from it
``commune.gpkg``    outline, and layers of BD TOPO and of the RPG that agree with the truth but for a few buildings
==================  ==================================================================================

The commune lies in the Bay of Biscay and its code belongs to no commune: it cannot be taken for a place.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from rasterio.transform import Affine

from benchmarks.landscape import Ground
from benchmarks.scene import XMIN, YMIN, vector_layers
from ocsge.class_numbers import numbered_classes
from ocsge.rules import load_rules
from tools.embed_olemps import list_shipped, write
from tools.generated_ortho import PIXELS_PER_M, RESOLUTION_M, Conditions, Place, photograph
from tools.ground_colours import COSIA_NAMES

if TYPE_CHECKING:
    from numpy.typing import NDArray

CODE, NOM = "12999", "Ortho-la-Démonstration"
CREDIT = "Couches générées par ocsge pour sa démonstration : aucune donnée réelle"
EPSG = 2154
AT_SEA = (200_000.0, 6_380_000.0)
"""South-west corner of the generated commune, in the Bay of Biscay."""
SIDE_M, BORDER_M, AROUND_M = 600.0, 25.0, 200.0
"""Side of the photographs, how far inside them the outline stays, and how far around them the layers go on."""
GROUND_M, CORNER_M = 1400.0, (150.0, 400.0)
"""Side of the ground that the photographs are taken of, and their south-west corner in it: where town meets country."""
SEED = 2154
NUMBERING = "cosia_argmax_2023"
SEASON = 0.55
"""BD ORTHO is flown when leaves are out: communes are photographed from here on, 1 being when everything grows."""
FOLDER = Path(__file__).parents[1] / "data_catalog" / "embedded" / "ortho"
JP2 = {"driver": "JP2OpenJPEG", "reversible": "NO", "ycbcr420": "NO", "blockxsize": 1024, "blockysize": 1024}
RATES = {"rvb": 4.5, "irc": 3.5, "hauteur": 2.5}
"""Share of the raw size that each delivery keeps, percent."""


@dataclass(frozen=True, slots=True)
class Commune:
    """A generated commune, in memory."""

    bands: NDArray[np.uint8]
    """(5, h, w) red, green, blue, infrared, height."""
    truth: NDArray[np.uint8]
    """(h, w) classes, numbering ``cosia_argmax_2023``."""
    layers: dict[str, gpd.GeoDataFrame]
    """Layers by canonical name, the outline among them."""


def commune_of(seed: int) -> Commune:
    """Return the commune of a seed: its own ground, sun and radiometry, in the season when BD ORTHO is flown."""
    place = place_of(seed)
    classes = place.truth()
    flight = Conditions.drawn(np.random.default_rng([seed, 5]))
    bands = photograph(classes, place, replace(flight, growing=SEASON + (1 - SEASON) * flight.growing))
    return Commune(
        bands, numbers_of_truth()[classes], {"admin_express:commune": outline(seed), **layers_of(place.ground)}
    )


def place_of(seed: int) -> Place:
    """Return the ground that is photographed."""
    west, south = XMIN + CORNER_M[0], YMIN + CORNER_M[1]
    side = round(SIDE_M * PIXELS_PER_M)
    row, col = -round((south + SIDE_M) * PIXELS_PER_M), round(west * PIXELS_PER_M)
    return Place(Ground(XMIN, YMIN, GROUND_M, seed), row, col, side, side)


def numbers_of_truth() -> NDArray[np.uint8]:
    """Return the number in ``cosia_argmax_2023`` of each class of the generator."""
    known = {one.name: number for one, number in numbered_classes(load_rules(), NUMBERING)}
    table = np.zeros(max(COSIA_NAMES) + 1, dtype=np.uint8)
    for cover, name in COSIA_NAMES.items():
        table[cover] = known[name]
    return table


def outline(seed: int) -> gpd.GeoDataFrame:
    """Return the outline of the commune: a square whose border sways, inside the photographs."""
    turn = np.linspace(0, 2 * math.pi, 240, endpoint=False)
    rng = np.random.default_rng([seed, 9])
    sway = sum(rng.uniform(0, 5) * np.sin(k * turn + rng.uniform(0, 6)) for k in (3, 5, 8, 13))
    reach = (SIDE_M / 2 - BORDER_M + np.clip(sway, -18, 18)) / np.maximum(np.abs(np.cos(turn)), np.abs(np.sin(turn)))
    points = np.column_stack([reach * np.cos(turn), reach * np.sin(turn)]) + np.array(AT_SEA) + SIDE_M / 2
    row = {"insee_com": CODE, "nom": NOM, "population": 420, "insee_dep": CODE[:2], "insee_reg": "76"}
    return gpd.GeoDataFrame([row], geometry=[shapely.Polygon(np.round(points, 2))], crs=EPSG)


def layers_of(ground: Ground) -> dict[str, gpd.GeoDataFrame]:
    """Return the layers of a ground around its photographs, moved to sea; those that hold nothing are left out."""
    move = AT_SEA[0] - ground.xmin - CORNER_M[0], AT_SEA[1] - ground.ymin - CORNER_M[1]
    around = shapely.box(*AT_SEA, AT_SEA[0] + SIDE_M, AT_SEA[1] + SIDE_M).buffer(AROUND_M)
    found = {}
    for name, frame in vector_layers(ground).items():
        moved = shapely.set_precision(frame.geometry.translate(*move).array, 0.01)
        there = frame.set_geometry(moved).set_crs(EPSG, allow_override=True)
        there = there[~there.geometry.is_empty & there.geometry.intersects(around)].reset_index(drop=True)
        product = "rpg" if name == "parcelles_graphiques" else "bd_topo"
        if len(there):
            found[f"{product}:{name}"] = there
    return found


def write_raster(path: Path, bands: NDArray[np.uint8], **profile: object) -> None:
    """Write bands whose north-west corner is that of the photographs."""
    transform = Affine(RESOLUTION_M, 0, AT_SEA[0], 0, -RESOLUTION_M, AT_SEA[1] + SIDE_M)
    count, height, width = bands.shape
    with rasterio.open(
        path, "w", dtype="uint8", count=count, height=height, width=width, crs=EPSG, transform=transform, **profile
    ) as sink:
        sink.write(bands)


def write_commune(commune: Commune, folder: Path) -> None:
    """Write the photographs, the truth and the layers of a commune."""
    folder.mkdir(parents=True, exist_ok=True)
    deliveries = {"rvb": [0, 1, 2], "irc": [3, 0, 1], "hauteur": [4]}
    for name, bands in deliveries.items():
        write_raster(folder / f"{name}.jp2", commune.bands[bands], quality=RATES[name], **JP2)
    tiles = {"tiled": True, "blockxsize": 512, "blockysize": 512, "nodata": 255}
    write_raster(
        folder / "verite.tif", commune.truth[np.newaxis], driver="GTiff", compress="deflate", zlevel=9, **tiles
    )
    with rasterio.open(folder / "verite.tif", "r+") as truth:
        truth.update_tags(OCSGE_NUMBERING=NUMBERING, OCSGE_MODEL="truth of generated ground")
    write(commune.layers, folder / "commune.gpkg")


def main() -> None:
    """Write the shipped commune."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    arguments = parser.parse_args()
    write_commune(commune_of(SEED), arguments.folder)
    list_shipped(
        arguments.folder.parent / "index.json", arguments.folder / "commune.gpkg", communes=[CODE], credit=CREDIT
    )
    for path in sorted(arguments.folder.iterdir()):
        print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
