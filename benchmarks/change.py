"""Measure how much change is false between two millésimes, anchored and derived apart.

    python -m benchmarks.change [--out benchmarks/change_results.md]

A scene of 4 km². The second image is the first one moved by 0.4 m, as buildings are from one survey to the next, with
every border moved by a smooth noise of some decimetres besides; 52 squares of 50 m of open ground become car parks
(gain), and as many lawns as can hold one of 8 become woods (loss). The truth is the state of the first derivation with
these squares decided by hand; what else changes is false.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from scipy import ndimage

from benchmarks.derive import NUMBERING, machine
from benchmarks.scene import Scene, make_scene
from ocsge.catalog import register
from ocsge.derive import derive

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ocsge.derivation import Derivation

RESULTS = Path(__file__).parent / "change_results.md"
YEARS = (2023, 2024)
"""After every date of the scene: only the images differ."""
SIDE_M, SHIFT_M, NOISE_M, WAVE_M = 50, 0.4, 0.4, 3.0
GAINS, LOSSES = 52, 8
SEALED, WOOD = 3, 9
HECTARE = 10_000


def moved(image: NDArray[np.uint8], *, pixels_per_m: int, seed: int) -> NDArray[np.uint8]:
    """Return an image whose borders move by a smooth noise, and all of it by ``SHIFT_M``."""
    random = np.random.default_rng(seed)
    rows, cols = np.indices(image.shape, dtype=np.float32)

    def noise() -> NDArray[np.float32]:
        """Return a smooth noise, pixels."""
        smooth = ndimage.gaussian_filter(random.standard_normal(image.shape).astype(np.float32), WAVE_M * pixels_per_m)
        scaled: NDArray[np.float32] = smooth / smooth.std() * NOISE_M * pixels_per_m
        return scaled

    rows += noise()
    cols += noise() - SHIFT_M * pixels_per_m
    found: NDArray[np.uint8] = ndimage.map_coordinates(image, (rows, cols), order=0, mode="nearest")
    return found


def squares(polygons: gpd.GeoDataFrame, wanted: NDArray[np.bool_], count: int, seed: int) -> list[shapely.Geometry]:
    """Return squares that lie in polygons of a kind, none near another."""
    random = np.random.default_rng(seed)
    ground = shapely.union_all(polygons.geometry.to_numpy()[wanted])
    shapely.prepare(ground)
    xmin, ymin, xmax, ymax = polygons.total_bounds + np.array([100, 100, -100, -100])
    found: list[shapely.Geometry] = []
    for _ in range(200_000):
        if len(found) == count:
            break
        x, y = np.round(random.uniform((xmin, ymin), (xmax, ymax)))
        square = shapely.box(x, y, x + SIDE_M, y + SIDE_M)
        if shapely.contains(ground, square) and all(shapely.distance(square, other) > SIDE_M for other in found):
            found.append(square)
    return found


def derived(scene: Scene, folder: Path, years: tuple[int, ...], images: tuple[Path, ...]) -> tuple[Derivation, float]:
    """Derive a scene at years, from images; return the result and the seconds it took."""
    for path in (scene.vectors, scene.rpg, scene.communes):
        register(folder, path)
    start = time.perf_counter()
    codes = tuple(gpd.read_file(scene.communes)["insee_com"])
    result = derive(communes=codes, millesime=years, workspace=folder, cosia=images, numbering=NUMBERING)
    return result, time.perf_counter() - start


def _false(changed: gpd.GeoDataFrame, truth: shapely.Geometry) -> float:
    """Return the area of changes outside the true ones, ha."""
    return float(shapely.area(shapely.difference(changed.geometry.to_numpy(), truth)).sum()) / HECTARE


def _measured(folder: Path) -> list[str]:
    scene = make_scene(folder / "scene", area_km2=4)
    with rasterio.open(scene.rasters[0]) as dataset:
        image, profile, transform = dataset.read(1), dataset.profile, dataset.transform
    first, _ = derived(scene, folder / "first", YEARS[:1], (scene.rasters[0],))
    state = first.polygons()
    grass = state["code_cs"].str.startswith("CS2").to_numpy()
    gains = squares(state, grass & ~state["artif"].to_numpy(), GAINS, 1)
    losses = squares(state, (state["artif"] & (state["code_cs"] == "CS2.2.1")).to_numpy(), LOSSES, 2)
    later = moved(image, pixels_per_m=round(1 / transform.a), seed=3)
    for ground, value in ((gains, SEALED), (losses, WOOD)):
        for square in ground:
            window = rasterio.windows.from_bounds(*square.bounds, transform).round()
            later[window.toslices()] = value
    path = folder / "later.tif"
    profile.update(driver="GTiff", tiled=True, blockxsize=512, blockysize=512)
    with rasterio.open(path, "w", **profile) as out:
        out.write(later, 1)
    return _compared(scene, folder, path, first, gains, losses)


def _compared(
    scene: Scene,
    folder: Path,
    path: Path,
    first: Derivation,
    gains: list[shapely.Geometry],
    losses: list[shapely.Geometry],
) -> list[str]:
    pair, seconds = derived(scene, folder / "pair", YEARS, (scene.rasters[0], path))
    second, _ = derived(scene, folder / "second", YEARS[1:], (path,))
    changes = pair.changes()
    columns = ["artif", "geometry"]
    naive = gpd.overlay(first.polygons()[columns], second.polygons()[columns], how="intersection", keep_geom_type=True)
    up, down = shapely.union_all(gains), shapely.union_all(losses)
    true_gain, true_loss = shapely.area(up) / HECTARE, shapely.area(down) / HECTARE
    rows = [
        "| | gain ha | of it false | loss ha | of it false | net ha |",
        "|---|---|---|---|---|---|",
        f"| truth | {true_gain:.2f} | | {true_loss:.2f} | | {true_gain - true_loss:.2f} |",
    ]
    for name, gained, lost in (
        ("anchored", changes[changes["change"] == "gain"], changes[changes["change"] == "loss"]),
        (
            "derived apart, overlaid",
            naive[naive["artif_2"] & ~naive["artif_1"]],
            naive[naive["artif_1"] & ~naive["artif_2"]],
        ),
    ):
        gain, loss = gained.area.sum() / HECTARE, lost.area.sum() / HECTARE
        rows.append(
            f"| {name} | {gain:.2f} | {_false(gained, up):.2f} | {loss:.2f} | {_false(lost, down):.2f} | "
            f"{gain - loss:.2f} |"
        )
    return [*rows, "", f"The pair took {seconds:.1f} s, files included."]


def main() -> None:
    """Measure, print the table, and write it to a Markdown file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=RESULTS, help="Markdown file to write")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        table = _measured(Path(name))
    about = (
        f"Measured by `python -m benchmarks.change` on {machine()}: a scene of 4 km², its second image moved by "
        f"{SHIFT_M} m, every border by a smooth noise of {NOISE_M} m (standard deviation). Bars: false gain 1.5 ha, "
        "false loss 0.8 ha. The layers are the same at both years: only the images differ."
    )
    text = "\n".join(["# False change", "", about, "", *table, ""])
    asked.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
