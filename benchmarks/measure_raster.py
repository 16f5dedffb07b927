"""Measure class areas in zones by rasterstats and by the engine, on the same raster and zones, in the same run.

    python -m benchmarks.measure_raster [--area 4] [--repeat 3] [--out benchmarks/measure_raster.md] [--scene FOLDER]

Three ways: rasterstats as it is usually called, on the path of the raster; ``ocsge`` with each method. Each measure is
a fresh process on one core, its kernels loaded before the clock starts. The areas of all three are compared.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import statistics
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely

from benchmarks.measure import measured
from benchmarks.scene import make_scene, open_scene

RESULTS = Path(__file__).parent / "measure_raster.md"
NUMBERING = "cosia_vector_numero"
ZONES = ((1, 0), (16, 0), (400, 0), (10_000, 0), (10, 20))
"""Number of zones, and their diameter in metres; 0 makes them fill the scene."""
LIBRARIES = ("numpy", "numba", "rasterio", "rasterstats", "shapely")


@dataclass(frozen=True, slots=True)
class Counted:
    """What one way of counting cost inside its process, and what it found."""

    seconds: float
    areas: dict[tuple[str, int], float]
    """m² by zone and class number."""


def make_zones(bounds: tuple[float, float, float, float], count: int, diameter_m: float, path: Path) -> Path:
    """Write discs of 64 vertices on a square net."""
    xmin, ymin, xmax, _ = bounds
    columns = max(1, round(np.sqrt(count)))
    side = (xmax - xmin) / columns
    places = [
        shapely.Point(xmin + (k % columns + 0.5) * side + 0.03, ymin + (k // columns + 0.5) * side + 0.07)
        for k in range(count)
    ]
    discs = shapely.buffer(places, (diameter_m or 0.98 * side) / 2, quad_segs=16)
    gpd.GeoDataFrame(geometry=discs, crs=2154).to_file(path)
    return path


def by_ocsge(raster: Path, zones: Path, warm: Path, method: str) -> Counted:
    """Measure with this package, reading of the zones included."""
    from ocsge.measure_raster import measure_raster  # noqa: PLC0415  (the parent only compares)

    measure_raster(raster, warm, numbering=NUMBERING, method=method, threads=1)  # type: ignore[arg-type]
    start = time.perf_counter()
    found = measure_raster(raster, zones, numbering=NUMBERING, method=method, threads=1)  # type: ignore[arg-type]
    seconds = time.perf_counter() - start
    known = found.table.dropna(subset="class_number")
    keys = zip(known["zone"], known["class_number"].astype(int), strict=True)
    return Counted(seconds, dict(zip(keys, known["area_m2"], strict=True)))


def by_rasterstats(raster: Path, zones: Path, warm: Path) -> Counted:
    """Measure with rasterstats alone, on the paths of the raster and of the zones."""
    from rasterstats import zonal_stats  # noqa: PLC0415

    warnings.simplefilter("ignore")
    zonal_stats(str(warm), str(raster), categorical=True)
    start = time.perf_counter()
    found = zonal_stats(str(zones), str(raster), categorical=True)
    seconds = time.perf_counter() - start
    return Counted(
        seconds,
        {
            (str(zone), number): pixels * 0.04
            for zone, counts in enumerate(found, start=1)
            for number, pixels in counts.items()
            if isinstance(number, int) and number > 0
        },
    )


def difference_m2(a: Counted, b: Counted) -> float:
    """Return the sum of the absolute differences of two results, m²."""
    return sum(abs(a.areas.get(key, 0.0) - b.areas.get(key, 0.0)) for key in {*a.areas, *b.areas})


def results(folder: Path, area_km2: float, repeat: int) -> str:
    """Return the table, as Markdown."""
    scene = open_scene(folder)
    if not isinstance(scene.raster, Path):
        raise SystemExit("one raster file is wanted: at most 16 km²")
    header = ["zones", "total ha", "rasterstats s", "ocsge, rasterstats s", "ocsge, runs s", "ratio", "peak MB"]
    lines = ["| " + " | ".join([*header, "differ m²"]) + " |", "|" + "---|" * (len(header) + 1)]
    with tempfile.TemporaryDirectory() as name:
        warm = make_zones(scene.bounds, 1, 10, Path(name) / "warm.gpkg")
        for count, diameter in ZONES:
            zones = make_zones(scene.bounds, count, diameter, Path(name) / f"{count}_{diameter}.gpkg")
            ways = {"plain": (by_rasterstats,), "masked": (by_ocsge, "rasterstats"), "runs": (by_ocsge, "runs")}
            # one after the other, again and again, so that a slow moment of the machine does not fall on one of them
            runs = [
                {way: measured(fn, scene.raster, zones, warm, *more) for way, (fn, *more) in ways.items()}
                for _ in range(repeat)
            ]
            last = {way: m.result for way, m in runs[-1].items()}
            if difference_m2(last["masked"], last["runs"]) != 0:
                raise SystemExit(f"{zones.name}: the two methods of ocsge differ")
            seconds = {way: statistics.median(r[way].result.seconds for r in runs) for way in ways}
            peaks = [f"{max(r[way].peak_rss_mb for r in runs):.0f}" for way in ways]
            ground = gpd.read_file(zones).area
            label = f"{count} of {ground.mean() / 10_000:.3g} ha" if count > 1 else "1"
            lines.append(
                f"| {label} | {ground.sum() / 10_000:.1f} | "
                + " | ".join(f"{seconds[way]:.2f}" for way in ways)
                + f" | {seconds['plain'] / seconds['runs']:.1f} | {' / '.join(peaks)} "
                + f"| {difference_m2(last['plain'], last['runs']):.2f} |"
            )
            print(lines[-1], flush=True)
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    machine = f"{os.cpu_count()} cores {platform.machine()}, Python {platform.python_version()}, {versions}"
    about = (
        f"Measured by `python -m benchmarks.measure_raster` on {machine}; a scene of {area_km2:g} km² at 0.2 m, discs "
        f"as zones. Medians of --repeat {repeat}, each a fresh process with its kernels loaded, on one core. "
        "*rasterstats*: `zonal_stats` on the paths; *ocsge*: `measure_raster` with each method. Ratio: "
        "rasterstats over ocsge, runs. "
        "Peak: of the three, in that order. Differ: area that rasterstats and ocsge class otherwise (pixel centres on "
        "an edge); the two methods of ocsge never differ, or the benchmark stops. The "
        "machine is shared and noisy: compare ratios."
    )
    return "\n".join(["# Measuring at the pixel", "", about, "", *lines, ""])


def main() -> None:
    """Make the scene unless it is given, measure, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--area", type=float, default=4, help="km², 16 at most")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--scene", type=Path, help="folder of a scene, made when it is empty")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = asked.scene or Path(name)
        if not (folder / "cosia.tif").exists():
            make_scene(folder, area_km2=asked.area)
        asked.out.write_text(results(folder, asked.area, asked.repeat), encoding="utf-8")


if __name__ == "__main__":
    main()
