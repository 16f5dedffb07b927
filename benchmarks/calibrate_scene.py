"""Measure the texture of a real CoSIA and keep it as the aim of the synthetic scenes.

``python -m benchmarks.calibrate_scene FOLDER CLASS_CODES_CSV`` reads ``cosia.tiff`` (CoSIA drawn by a map
service: colours, about 1 m, longitude and latitude) and writes ``calibration.json`` beside this file. The
README says how figures at 1 m carry to 0.2 m.
"""

from __future__ import annotations

import csv
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.scene import Scene

CALIBRATION = Path(__file__).with_name("calibration.json")
CREDIT = "IGN, CoSIA (La Rochelle), Licence Ouverte / Open Licence 2.0"
PURE_DISTANCE2 = 150
"""Squared RGB distance under which a pixel is its palette colour; beyond, it mixes two neighbours."""
TARGET_RUNS_PER_KM2 = 410_000
NAMES = (
    "",
    "Bâtiment",
    "Zone perméable",
    "Zone imperméable",
    "Piscine",
    "Sol nu",
    "Surface eau",
    "Neige",
    "Conifère",
    "Feuillu",
    "Broussaille",
    "Vigne",
    "Pelouse",
    "Culture",
    "Terre labourée",
    "Serre",
)


def read_palette(path: Path) -> NDArray[np.int64]:
    """Return the RGB colours of classes 1 to 15 of the vector product, shape (15, 3)."""
    with path.open(encoding="utf-8") as text:
        rows = {
            int(r["cosia_vector_numero"]): r["colour_cosia"] for r in csv.DictReader(text) if r["cosia_vector_numero"]
        }
    return np.array([[int(rows[k][i : i + 2], 16) for i in (1, 3, 5)] for k in range(1, 16)])


def majority(classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the commonest class of each 3 × 3 window; the centre wins ties, then the lowest class."""
    best, out = np.zeros(classes.shape, dtype=np.float32), classes.copy()
    for k in range(1, 16):
        here = (classes == k).astype(np.float32)
        votes = np.round(ndimage.uniform_filter(here, 3, mode="nearest") * 9) + 0.5 * here
        better = votes > best
        out[better], best[better] = k, votes[better]
    return out


def classes_of_colours(rgb: NDArray[np.uint8], palette: NDArray[np.int64]) -> dict[str, NDArray[np.uint8]]:
    """Return the classes of a drawn map, shape (rows, columns), after each step of the cleaning.

    ``nearest``: nearest palette colour. ``pure``: a pixel that mixes two colours takes the class of the
    nearest pixel that does not, since the mixture of two classes often is the colour of a third (building
    and grass look like vine). ``majority``: the latter after a 3 × 3 majority.
    """
    distance = ((rgb[..., None, :].astype(np.int32) - palette.astype(np.int32)) ** 2).sum(axis=-1)
    nearest = (distance.argmin(axis=-1) + 1).astype(np.uint8)
    mixed = distance.min(axis=-1) > PURE_DISTANCE2
    where = ndimage.distance_transform_edt(mixed, return_distances=False, return_indices=True)
    pure = nearest[tuple(where)]
    return {"nearest": nearest, "pure": pure, "majority": majority(pure)}


def texture(classes: NDArray[np.uint8], width_m: float, height_m: float) -> dict[str, Any]:
    """Return the texture of a class raster of given pixel size: shares, runs, borders and patches.

    A run is a stretch of one class in one row; a patch is a 4-connected region; a border is the length of
    pixel sides between two classes (a straight border at 45° counts √2 times its length).
    """
    rows, columns = classes.shape
    area = rows * columns * width_m * height_m / 1e6
    across = int((classes[:, 1:] != classes[:, :-1]).sum())
    down = int((classes[1:] != classes[:-1]).sum())
    patches = {}
    for k in range(1, 16):
        labels, count = ndimage.label(classes == k)
        if count:
            sizes = np.bincount(labels.ravel())[1:] * width_m * height_m
            quantiles = np.percentile(sizes, (10, 25, 50, 75, 90))
            patches[NAMES[k]] = {
                "per_km2": round(count / area, 1),
                "p10_p25_p50_p75_p90_m2": np.round(quantiles, 1).tolist(),
            }
    counts = np.bincount(classes.ravel(), minlength=16)
    return {
        "area_km2": round(area, 4),
        "runs_per_row_km": round((across + rows) / rows / (columns * width_m / 1000), 2),
        "runs_per_km2": round((across + rows) / area),
        "border_km_per_km2": round((across * height_m + down * width_m) / 1000 / area, 2),
        "patches_per_km2": round(sum(p["per_km2"] for p in patches.values())),
        "class_shares": {NAMES[k]: round(float(counts[k] / classes.size), 4) for k in range(1, 16)},
        "patches": patches,
    }


def calibrate(folder: Path, class_codes: Path) -> dict[str, Any]:
    """Return the content of ``calibration.json`` from the drawn CoSIA of a folder."""
    with rasterio.open(folder / "cosia.tiff") as source:
        rgb = np.moveaxis(source.read((1, 2, 3)), 0, 2)
        middle = math.radians((source.bounds.top + source.bounds.bottom) / 2)
        width_m, height_m = source.res[0] * 111_320 * math.cos(middle), source.res[1] * 111_150
    steps = {
        name: texture(c, width_m, height_m) for name, c in classes_of_colours(rgb, read_palette(class_codes)).items()
    }
    final = steps["majority"]
    return {
        "credit": CREDIT,
        "pixel_m": [round(width_m, 4), round(height_m, 4)],
        "target_runs_per_km2_0_2m": TARGET_RUNS_PER_KM2,
        "runs_per_km2_0_2m_from_rows": {name: round(s["runs_per_row_km"] * 5000) for name, s in steps.items()},
        "patches_per_km2_by_step": {name: s["patches_per_km2"] for name, s in steps.items()},
        "class_shares": final["class_shares"],
        "texture_1m": final,
    }


def read_calibration() -> dict[str, Any]:
    """Return the committed ``calibration.json``."""
    return json.loads(CALIBRATION.read_text(encoding="utf-8"))


def scene_texture(scene: Scene) -> dict[str, Any]:
    """Return the texture of the first raster file of a scene, and ``texture_1m``: every fifth pixel, then
    a majority."""
    with rasterio.open(scene.rasters[0]) as source:
        classes, pixel = source.read(1), source.res[0]
    counts = np.bincount(classes.ravel(), minlength=16)
    across = int((classes[:, 1:] != classes[:, :-1]).sum()) + classes.shape[0]
    step = round(1 / pixel)
    coarse = classes[step // 2 :: step, step // 2 :: step]
    return {
        "runs_per_km2": round(across / (classes.size * pixel**2 / 1e6)),
        "class_shares": {NAMES[k]: round(float(counts[k] / classes.size), 4) for k in range(1, 16)},
        "texture_1m": texture(majority(coarse), 1.0, 1.0),
    }


if __name__ == "__main__":
    CALIBRATION.write_text(
        json.dumps(calibrate(Path(sys.argv[1]), Path(sys.argv[2])), ensure_ascii=False, indent=1) + "\n",
        encoding="utf-8",
    )
    print(f"{CALIBRATION.name} written")
