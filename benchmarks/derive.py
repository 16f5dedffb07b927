"""Measure the derivation, its decode floor and its peers, on the same scenes in the same run.

    python -m benchmarks.derive [--areas 1 4 16 64] [--repeat 3] [--out benchmarks/results.md] [--scenes FOLDER]

Every measure is a fresh process with compiled kernels in numba's cache (a tiny scene is derived first). Seconds are
medians of the repeats; each row is divided by the decode floor of its own scene, measured between the repeats.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd

from benchmarks.measure import Measurement, measured
from benchmarks.peers import decode_floor, measure_peers
from benchmarks.scene import Scene, make_scene, open_scene

RESULTS = Path(__file__).parent / "results.md"
MARKERS = "<!-- benchmark table -->", "<!-- /benchmark table -->"
NUMBERING = "cosia_vector_numero"
MILLESIME = 2022
BUILT_CODE, BUILT_MINIMUM_M2, SURFACE_MINIMUM_M2 = "CS1.1.1.1", 200, 500
TOGETHER = {
    "layers": "layers and class raster",
    "class raster": "layers and class raster",
    "polygons": "polygons and artificialisation",
    "artificialisation": "polygons and artificialisation",
}
"""Stages told as one: threads read layers and raster side by side, and the end of the drawing is not told."""
LIBRARIES = ("numpy", "numba", "rasterio", "shapely", "geopandas", "duckdb")


@dataclass(frozen=True, slots=True)
class Derived:
    """What one derivation cost, inside its process, and what it gave."""

    to_stock_s: float
    """Seconds from opening the sources to the stock: reading, burning, merging, drawing, deciding."""

    with_files_s: float
    """The same, with GeoParquet, GeoPackage, maps and tables published."""

    polygons: int
    invalid: int
    too_small: int
    """Polygons under 200 m² (built) or 500 m² that are neither ossature nor cut by a commune border."""

    stages_s: dict[str, float]


def derive_scene(folder: Path, tiny: Path | None, communes: tuple[str, ...], threads: int) -> Derived:
    """Derive the communes of a scene in this process, once the kernels are loaded on a tiny scene (for the clock)."""
    from ocsge.catalog import register  # noqa: PLC0415  (the parent process measures, it does not derive)
    from ocsge.derive import derive  # noqa: PLC0415

    def once(scene: Scene, codes: tuple[str, ...], threads: int) -> tuple[Any, float, list[tuple[str, float]]]:
        with tempfile.TemporaryDirectory() as name:
            workspace = Path(name)
            for path in (scene.vectors, scene.rpg, scene.communes):
                register(workspace, path)
            marks: list[tuple[str, float]] = []
            start = time.perf_counter()
            result = derive(
                communes=codes or tuple(gpd.read_file(scene.communes)["insee_com"]),
                millesime=MILLESIME,
                workspace=workspace,
                cosia=scene.raster if isinstance(scene.raster, Path) else scene.raster[0].parent,
                numbering=NUMBERING,
                threads=threads,
                progress=lambda stage, *_: marks.append((stage, time.perf_counter() - start)),
            )
            total = time.perf_counter() - start
            return result.polygons(), total, marks

    if tiny is not None:
        once(open_scene(tiny), (), 1)
    polygons, total, marks = once(open_scene(folder), communes, threads)
    ends = dict(marks)
    previous, stages = 0.0, {}
    for stage, at in {TOGETHER.get(stage, stage): at for stage, at in marks}.items():
        stages[stage], previous = at - previous, at
    minimum = polygons["code_cs"].map(lambda code: BUILT_MINIMUM_M2 if code == BUILT_CODE else SURFACE_MINIMUM_M2)
    small = polygons["area_m2"] < minimum
    return Derived(
        to_stock_s=ends["artificialisation"],
        with_files_s=total,
        polygons=len(polygons),
        invalid=int((~polygons.is_valid).sum()),
        too_small=int((small & ~polygons["ossature"] & ~polygons["commune_cut"]).sum()),
        stages_s=stages,
    )


def central_communes(scene: Scene, share: float) -> tuple[str, ...]:
    """Return the communes of a scene that lie nearest to its centre, up to a share of its area."""
    communes = gpd.read_file(scene.communes)
    xmin, ymin, xmax, ymax = scene.bounds
    centre = gpd.points_from_xy([(xmin + xmax) / 2], [(ymin + ymax) / 2], crs=communes.crs)[0]
    ordered = communes.assign(away=communes.centroid.distance(centre)).sort_values(["away", "insee_com"])
    area = ordered.area.cumsum()
    return tuple(ordered.loc[area <= share * area.iloc[-1] * 1.001, "insee_com"])


def _row(name: str, area: float, runs: list[Measurement], floors: list[float], peak: float) -> str:
    results: list[Derived] = [m.result for m in runs]
    to_stock = statistics.median(r.to_stock_s for r in results)
    files = statistics.median(r.with_files_s for r in results)
    floor = statistics.median(floors)
    return (
        f"| {name} | {to_stock:.1f} | {to_stock / area:.2f} | {files / area:.2f} | {floor:.3f} | "
        f"{to_stock / area / floor:.1f} | {peak:.0f} | {500 + 15 * area:.0f} | {results[0].polygons} | "
        f"{results[0].invalid} |"
    )


def _stages(name: str, area: float, runs: list[Measurement]) -> str:
    stages = runs[0].result.stages_s
    medians = {stage: statistics.median(m.result.stages_s[stage] for m in runs) / area for stage in stages}
    return f"| {name} | " + " | ".join(f"{medians[stage]:.3f}" for stage in stages) + " |"


def machine() -> str:
    """Return one line that says what the figures were measured on."""
    models = (
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    )
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    cores = f"{os.cpu_count()} cores ({next(models, 'unknown')})"
    return f"{cores}, {platform.system()}, Python {platform.python_version()}; {versions}"


def main() -> None:
    """Measure, print the tables, and write them to a Markdown file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--areas", type=int, nargs="+", default=[1, 4, 16, 64], help="scene areas, km²")
    parser.add_argument("--repeat", type=int, default=3, help="derivations of each scene")
    parser.add_argument("--no-peers", action="store_true", help="leave the peers out (they take minutes)")
    parser.add_argument("--scenes", type=Path, help="folder that keeps the scenes; temporary if absent")
    parser.add_argument("--out", type=Path, default=RESULTS, help="Markdown file to write")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        text = _measure_all(asked, asked.scenes or Path(temporary))
    asked.out.write_text(text, encoding="utf-8")
    print(text)
    if asked.out == RESULTS and not asked.no_peers:
        quote_in_readme(text)


def quote_in_readme(text: str) -> None:
    """Put the tables of scenes and peers in the README, between its markers."""
    lines = text.splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith("|") and not lines[i - 1].startswith("|")]
    tables = []
    for start in (starts[0], starts[-1]):
        stop = next((i for i in range(start, len(lines)) if not lines[i].startswith("|")), len(lines))
        tables.append("\n".join(lines[start:stop]))
    readme = RESULTS.parent.parent / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(MARKERS[0])
    after = rest.partition(MARKERS[1])[2]
    quoted = "\n\n".join(["", *tables, ""])
    readme.write_text(before + MARKERS[0] + quoted + MARKERS[1] + after, encoding="utf-8")


def _scene(root: Path, area: float) -> Path:
    folder = root / f"{area:g}km2"
    if not (folder / "admin_express.gpkg").is_file():
        print(f"making a scene of {area:g} km²", flush=True)
        make_scene(folder, area_km2=area)
    return folder


def _measure_all(asked: argparse.Namespace, root: Path) -> str:
    tiny = _scene(root, 0.04)
    measured(derive_scene, tiny, tiny, (), 1)  # compiles what is not cached yet
    rows, stages = [], []
    header: list[str] = []

    def measure(name: str, folder: Path, area: float, communes: tuple[str, ...] = (), threads: int = 1) -> None:
        nonlocal header
        runs, floors = [], []
        scene_area = open_scene(folder).area_km2
        for _ in range(asked.repeat):
            floors.append(measured(decode_floor, folder).result / scene_area)
            runs.append(measured(derive_scene, folder, tiny, communes, threads))
        # memory as a user has it: one derivation in its process
        peak = measured(derive_scene, folder, None, communes, threads).peak_rss_mb
        rows.append(_row(name, area, runs, floors, peak))
        stages.append(_stages(name, area, runs))
        header = list(runs[0].result.stages_s)
        print(rows[-1], flush=True)

    for area in asked.areas:
        measure(f"{area} km²", _scene(root, area), area)
    if max(asked.areas) >= 64:
        folder = _scene(root, 64)
        measure("64 km², two threads", folder, 64, threads=2)
        communes = central_communes(open_scene(folder), 0.25)
        within = "16 km² territory inside 64 km² (36 km² derived, context included)"
        measure(within, folder, 16, communes)
        measure(f"{within}, two threads", folder, 16, communes, threads=2)
    about = (
        f"Measured by `python -m benchmarks.derive` on {machine()}. Medians of {asked.repeat} runs, each a fresh "
        "process with compiled kernels cached, on one core unless two threads are named. *To stock*: from opening the "
        "sources to the stock, reading the raster included; *with files*: GeoParquet, GeoPackage, two maps and tables "
        "of every commune too. Ratio: s/km² to stock over the seconds/km² of decoding the raster alone. The machine "
        "is shared and noisy: compare ratios."
    )
    columns = ["scene", "s to stock", "s/km²", "s/km² with files", "decode s/km²", "ratio"]
    columns += ["peak MB", "bar MB", "polygons", "invalid"]
    lines = [
        "# Results",
        "",
        about,
        "",
        "| " + " | ".join(columns) + " |",
        "|" + "---|" * len(columns),
        *rows,
        "",
        "Seconds/km² by stage (*files* last):",
        "",
        "| scene | " + " | ".join(header) + " |",
        "|" + "---|" * (len(header) + 1),
        *stages,
        "",
    ]
    if not asked.no_peers:
        lines += _peer_table(_scene(root, 1), tiny)
    return "\n".join(lines)


def _peer_table(folder: Path, tiny: Path) -> list[str]:
    """Return the table of the peers at 1 km², ours first, measured one after the other."""
    ours = measured(derive_scene, folder, tiny, (), 1)
    seconds = ours.result.to_stock_s
    about = (
        "Peers on the 1 km² scene, one run each, one after the other. *Too small*: under 200 m² for built ground, "
        "500 m² for the rest."
    )
    first = (
        f"| ocsge, to stock | {seconds:.2f} | 1 | {ours.peak_rss_mb:.0f} | {ours.result.polygons} | "
        f"{ours.result.invalid} | {ours.result.too_small} |"
    )
    header = "| | s/km² | times ours | peak MB | polygons | invalid | too small |"
    lines = [about, "", header, "|" + "---|" * 7, first]
    for name, m in measure_peers(folder).items():
        r = m.result
        lines.append(
            f"| {name} | {m.wall_s:.1f} | {m.wall_s / seconds:.0f} | {m.peak_rss_mb:.0f} | {r.polygons} | "
            f"{r.invalid} | {r.too_small} |"
        )
    return [*lines, ""]


if __name__ == "__main__":
    main()
