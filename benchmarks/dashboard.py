"""Measure the dashboard: start, first page, reruns, the map of 30,000 polygons, the map of a département.

    python -m benchmarks.dashboard [--polygons 30000] [--repeat 3] [--out benchmarks/dashboard_results.md]
                                   [--workspace FOLDER] [--no-naive] [--pictures FOLDER]

The workspace is generated (``departement``). Each map is opened by a fresh browser, cold, and timed from the start of
the page to the moment its polygons stand on the screen; the naive maps (``naive_map``) show the same polygons in the
same run, watched in the same way (``tab``). Reruns are those of Streamlit's own test runner: the script of a page
without browser nor network.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.metadata
import math
import os
import platform
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from benchmarks.departement import DRAWN, MILLESIMES, communes_of_gers, make_departement
from benchmarks.measure import measured
from benchmarks.tab import Opened, opened
from ocsge.workspace_tables import current_version
from tools.browser import (
    MAIN,
    PAGES,
    ROOT,
    free_port,
    running,
    served,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlit.testing.v1 import AppTest

RESULTS = Path(__file__).parent / "dashboard_results.md"
CORNERS_OF_A_POLYGON = 45
"""Corners of triangles that the polygons draw at least, on the average: 17 points each. The map file draws 51 a polygon
after simplification, the naive map 120."""
COMMUNES = 462
NAIVE_S = 300
"""Seconds after which the naive map is given up."""
_LIBRARIES = ("streamlit", "pydeck", "duckdb", "pandas", "playwright")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure."""

    what: str
    value: float
    unit: str
    bar: float | None = None
    """The most it may be."""

    naive: float | None = None
    """The same measure of the naive map."""

    @property
    def met(self) -> bool:
        """Return whether the bar is met; without bar, it is."""
        return self.bar is None or self.value <= self.bar


@dataclass(frozen=True, slots=True)
class Rerun:
    """Running the script of a page again."""

    processor_ms: float
    wall_ms: float
    spec_kb: float
    """The description of its map, kB; 0 without map."""


def opened_app(workspace: Path, page: str) -> AppTest:
    """Open a page on the drawn commune in this process, navigation included."""
    os.environ["OCSGE_WORKSPACE"] = str(workspace)
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    from streamlit.testing.v1 import AppTest  # noqa: PLC0415  (the parent process does without)

    app = AppTest.from_file(str(MAIN), default_timeout=120)
    app.query_params["insee"] = DRAWN
    app.run()
    app.switch_page(os.path.relpath(PAGES[page], MAIN.parent))
    return app.run()


def rerun(workspace: Path, page: str, repeat: int) -> Rerun:
    """Run a page of the drawn commune ``repeat`` times again, in this process; return medians."""
    app = opened_app(workspace, page)
    processor, wall = [], []
    for _ in range(repeat):
        began = time.process_time(), time.perf_counter()
        app.run()
        processor.append(time.process_time() - began[0])
        wall.append(time.perf_counter() - began[1])
    if app.exception:
        raise RuntimeError(f"{page}: {app.exception[0].message}")
    specs = [len(chart.proto.json.encode()) for chart in app.get("deck_gl_json_chart")]
    return Rerun(1000 * statistics.median(processor), 1000 * statistics.median(wall), max(specs, default=0) / 1000)


def cold(url: str, *, repeat: int, corners: int = 0, timeout_s: float = 60) -> Opened:
    """Return the medians of pages opened by fresh browsers."""
    found = [opened(url, corners=corners, timeout_s=timeout_s) for _ in range(repeat)]
    ready, drawn, socket = (
        statistics.median(getattr(one, name) for one in found) for name in ("ready_s", "drawn_s", "socket_mb")
    )
    return Opened(ready, drawn, socket)


def map_figures(what: str, ours: Opened, naive: Opened | None, bar: float) -> list[Figure]:
    """Return what was seen of a map, and of the naive one beside it where it was opened."""
    beside = (None, None, None) if naive is None else (naive.drawn_s, naive.ready_s, naive.socket_mb)
    return [
        Figure(f"map of {what} drawn, cold", ours.drawn_s, "s", bar, beside[0]),
        Figure("the same, until its script has ended", ours.ready_s, "s", naive=beside[1]),
        Figure("the same, over the websocket", ours.socket_mb, "MB", naive=beside[2]),
    ]


def measure_served(
    workspace: Path, polygons: int, repeat: int, naive_of: Callable[[], dict[str, Opened]]
) -> list[Figure]:
    """Return what a browser sees of the served workspace, its maps beside the naive ones, which are opened next."""
    years = "-".join(map(str, MILLESIMES[-2:]))
    ups, firsts = [], []
    for _ in range(repeat):
        with served(workspace) as server:
            ups.append(server.up_s)
            firsts.append(cold(f"{server.url}/?insee={DRAWN}&m={years}", repeat=1).ready_s)
    maps = {}
    with served(workspace) as server:
        for page, count in {"carte": polygons, "comparer": COMMUNES}.items():
            corners = CORNERS_OF_A_POLYGON * count
            maps[page] = cold(f"{server.url}/{page}?insee={DRAWN}&m={years}", repeat=repeat, corners=corners)
    naive = naive_of()
    return [
        Figure("server answers", statistics.median(ups), "s", 5),
        Figure("first page after the start", statistics.median(firsts), "s", 3),
        *map_figures(f"{polygons:,} polygons", maps["carte"], naive.get("polygons"), 6),
        *map_figures(f"{COMMUNES} communes", maps["comparer"], naive.get("communes"), 5),
    ]


def naive_maps(workspace: Path, folder: Path) -> dict[str, tuple[Path, str]]:
    """Return the file of each naive map and the column of its colour, by what it shows.

    The communes are written into a folder, with their share of artificialised land; the polygons are in the workspace.
    """
    version = current_version(workspace)
    stock = pd.read_parquet(version / "stock.parquet").query(f"millesime == {MILLESIMES[-1]}")
    communes = communes_of_gers().merge(stock[["commune_code", "part_pct"]], on="commune_code")
    communes.to_parquet(folder / "communes.parquet")
    polygons = version / f"polygons/commune_code={DRAWN}/millesime={MILLESIMES[-1]}/part.parquet"
    return {"polygons": (polygons, "artif"), "communes": (folder / "communes.parquet", "part_pct")}


def measure_naive(workspace: Path, polygons: int, pictures: Path | None) -> dict[str, Opened]:
    """Return what a browser sees of the naive maps, each opened once, by what they show."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for what, (file, column) in naive_maps(workspace, Path(folder)).items():
            port = free_port()
            options = [f"--server.port={port}", "--server.headless=true", "--server.address=127.0.0.1"]
            # by default Streamlit refuses a message above 200 MB, and the map would never come
            options += ["--server.maxMessageSize=4000", "--server.fileWatcherType=none"]
            options += ["--browser.gatherUsageStats=false", "--", str(file), column]
            script = str(ROOT / "benchmarks" / "naive_map.py")
            with running([sys.executable, "-m", "streamlit", "run", script, *options], port) as server:
                found[what] = opened(
                    server.url,
                    corners=CORNERS_OF_A_POLYGON * (polygons if what == "polygons" else COMMUNES),
                    timeout_s=NAIVE_S,
                    picture=pictures / f"naive_{what}.png" if pictures else None,
                )
    return found


def measure_files(workspace: Path) -> list[Figure]:
    """Return the sizes of the map files."""
    version = current_version(workspace)
    polygons = version / f"maps/commune_code={DRAWN}/millesime={MILLESIMES[-1]}/polygons.geojson.gz"
    communes = gzip.decompress((version / "communes.geojson.gz").read_bytes())
    return [
        Figure("map file of the polygons, gzipped", polygons.stat().st_size / 1e6, "MB", 6),
        Figure("map file of the communes, raw", len(communes) / 1e6, "MB", 0.7),
    ]


def measure_reruns(workspace: Path, repeat: int) -> list[Figure]:
    """Return the times of the script of each page, and the largest description of a map."""
    runs = {page: measured(rerun, workspace, page, repeat).result for page in PAGES}
    figures = [Figure(f"rerun of page {page}, processor", run.processor_ms, "ms", 300) for page, run in runs.items()]
    return [*figures, Figure("largest description of a map", max(run.spec_kb for run in runs.values()), "kB", 20)]


def report(figures: list[Figure], polygons: int) -> str:
    """Return the text of the results: machine, scene, table."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _LIBRARIES)
    rows = "\n".join(
        f"| {one.what} | {_shown(one.value, one.unit)} | "
        f"{'' if one.bar is None else f'{one.bar:g} {one.unit}'} | "
        f"{'' if one.bar is None else 'yes' if one.met else '**no**'} | "
        f"{'' if one.naive is None else _shown(one.naive, one.unit)} |"
        for one in figures
    )
    return f"""# Dashboard

`python -m benchmarks.dashboard`: generated results of {COMMUNES} communes × {len(MILLESIMES)} millésimes, one of them
drawn in {polygons:,} polygons.

{platform.system()} {platform.machine()}, {os.cpu_count()} cores shared with other work (load {os.getloadavg()[0]:.1f}
at the end), no graphics card: Chromium draws in software; Python {platform.python_version()}, {versions}. Medians.
*Cold*: a fresh browser, from the start of the page to its polygons on the screen. *Naive*: the same polygons by
geopandas, inside the description of the map (`naive_map.py`), opened once in the same run and watched in the same way;
*never*: not within {NAIVE_S} s. Its page holds nothing but the map, and it is spared the limits of polygons, which
pydeck draws unless told otherwise, and the 200 MB above which Streamlit refuses a message.

| measure | value | bar | met | naive |
|---|---|---|---|---|
{rows}
"""


def _shown(value: float, unit: str) -> str:
    if math.isinf(value):
        return "never"
    return f"{value:.{2 if value < 10 else 0}f} {unit}"


def main() -> None:
    """Generate, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--polygons", type=int, default=30_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--workspace", type=Path, help="folder to make and keep; used as it is when it is there")
    parser.add_argument("--no-naive", action="store_true", help="leave the naive maps out (they take minutes)")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of the naive maps as they are drawn")
    asked = parser.parse_args()
    if asked.pictures:
        asked.pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        workspace = asked.workspace or Path(folder) / "workspace"
        if not workspace.exists():
            make_departement(workspace, polygons=asked.polygons, partitions=False)
        naive_of = dict if asked.no_naive else partial(measure_naive, workspace, asked.polygons, asked.pictures)
        figures = measure_served(workspace, asked.polygons, asked.repeat, naive_of)
        figures += measure_files(workspace) + measure_reruns(workspace, asked.repeat)
    text = report(figures, asked.polygons)
    asked.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
