"""Measure the dashboard: start, first page, reruns, the map of 30,000 polygons, the map of a département.

    python -m benchmarks.dashboard [--polygons 30000] [--repeat 3] [--out benchmarks/dashboard_results.md]
                                   [--workspace FOLDER] [--no-naive]

The workspace is generated (``departement``). Each map is opened by a fresh browser, cold, and timed from the start of
the page to the moment its polygons stand on the screen; the naive map (``naive_map``) shows the same polygons in the
same run. Reruns are those of Streamlit's own test runner: the script of a page without browser nor network.
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
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.browser import (
    MAIN,
    PAGES,
    ROOT,
    chromium,
    drawn_after_s,
    free_port,
    running,
    served,
    wait_until_ready,
    watched_page,
)
from benchmarks.departement import DRAWN, MILLESIMES, make_departement
from benchmarks.measure import measured
from ocsge.workspace_tables import current_version

if TYPE_CHECKING:
    from playwright.sync_api import Browser, WebSocket
    from streamlit.testing.v1 import AppTest

RESULTS = Path(__file__).parent / "dashboard_results.md"
CORNERS_OF_A_POLYGON = 45
"""Corners of triangles that the polygons draw at least, on the average: 17 points each. The map file draws 51 a polygon
after simplification, the naive map 120."""
COMMUNES = 462
NAIVE_S = 120
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

    @property
    def met(self) -> bool:
        """Return whether the bar is met; without bar, it is."""
        return self.bar is None or self.value <= self.bar


@dataclass(frozen=True, slots=True)
class Opened:
    """A page opened by a fresh browser."""

    ready_s: float
    """Seconds to the end of its script, titles shown."""

    drawn_s: float
    """Seconds to its polygons on the screen."""

    socket_mb: float
    """What the server sent over the websocket, MB."""


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


def opened(browser: Browser, url: str, *, corners: int, timeout_s: float) -> Opened:
    """Open a page cold; with ``corners``, wait until that many corners of triangles are drawn."""
    page = watched_page(browser)
    received: list[int] = []

    def listen(websocket: WebSocket) -> None:
        """Count what the server sends."""
        websocket.on("framereceived", lambda content: received.append(len(content)))

    page.on("websocket", listen)
    began = time.perf_counter()
    page.goto(url)
    drawn = drawn_after_s(page, corners, timeout_s=timeout_s) if corners else 0.0
    if math.isinf(drawn):  # there may be no page left to wait for
        return Opened(math.inf, drawn, sum(received) / 1e6)
    wait_until_ready(page, timeout_s=timeout_s)
    ready = time.perf_counter() - began
    page.context.close()
    return Opened(ready, drawn, sum(received) / 1e6)


def cold(url: str, *, repeat: int, corners: int = 0, timeout_s: float = 60) -> Opened:
    """Return the medians of pages opened by fresh browsers."""
    found = []
    for _ in range(repeat):
        with chromium() as browser:
            found.append(opened(browser, url, corners=corners, timeout_s=timeout_s))
    ready, drawn, socket = (
        statistics.median(getattr(one, name) for one in found) for name in ("ready_s", "drawn_s", "socket_mb")
    )
    return Opened(ready, drawn, socket)


def measure_served(workspace: Path, polygons: int, repeat: int) -> list[Figure]:
    """Return what a browser sees of the served workspace."""
    years = "-".join(map(str, MILLESIMES[-2:]))
    ups, firsts = [], []
    for _ in range(repeat):
        with served(workspace) as server:
            ups.append(server.up_s)
            firsts.append(cold(f"{server.url}/?insee={DRAWN}&m={years}", repeat=1).ready_s)
    with served(workspace) as server:
        carte = cold(
            f"{server.url}/carte?insee={DRAWN}&m={years}", repeat=repeat, corners=CORNERS_OF_A_POLYGON * polygons
        )
        comparer = cold(
            f"{server.url}/comparer?insee={DRAWN}&m={years}", repeat=repeat, corners=CORNERS_OF_A_POLYGON * COMMUNES
        )
    return [
        Figure("server answers", statistics.median(ups), "s", 5),
        Figure("first page after the start", statistics.median(firsts), "s", 3),
        Figure(f"map of {polygons:,} polygons drawn, cold", carte.drawn_s, "s", 6),
        Figure("the same, over the websocket", carte.socket_mb, "MB"),
        Figure(f"map of {COMMUNES} communes drawn, cold", comparer.drawn_s, "s", 5),
    ]


def measure_naive(workspace: Path, polygons: int) -> list[Figure]:
    """Return what a browser sees of the naive map of the same polygons, once."""
    place = f"polygons/commune_code={DRAWN}/millesime={MILLESIMES[-1]}/part.parquet"
    port = free_port()
    options = [f"--server.port={port}", "--server.headless=true", "--server.address=127.0.0.1"]
    # by default Streamlit refuses a message above 200 MB, and the map would never come
    options += ["--browser.gatherUsageStats=false", "--server.fileWatcherType=none", "--server.maxMessageSize=4000"]
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "benchmarks" / "naive_map.py"), *options]
    with running([*command, "--", str(current_version(workspace) / place)], port) as server:
        naive = cold(server.url, repeat=1, corners=CORNERS_OF_A_POLYGON * polygons, timeout_s=NAIVE_S)
    return [
        Figure(f"naive map of {polygons:,} polygons drawn, cold", naive.drawn_s, "s"),
        Figure("the same, over the websocket", naive.socket_mb, "MB"),
    ]


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
        f"| {one.what} | {_shown(one)} | "
        f"{'' if one.bar is None else f'{one.bar:g} {one.unit}'} | "
        f"{'' if one.bar is None else 'yes' if one.met else '**no**'} |"
        for one in figures
    )
    return f"""# Dashboard

`python -m benchmarks.dashboard`: generated results of {COMMUNES} communes × {len(MILLESIMES)} millésimes, one of them
drawn in {polygons:,} polygons.

{platform.system()} {platform.machine()}, {os.cpu_count()} cores shared with other work (load {os.getloadavg()[0]:.1f}
at the end), no graphics card: Chromium draws in software; Python {platform.python_version()}, {versions}. Medians.
*Cold*: a fresh browser, from the start of the page to its polygons on the screen. *Naive*: the same polygons by
geopandas, inside the description of the map, in the same run; *never*: not within {NAIVE_S} s.

| measure | value | bar | met |
|---|---|---|---|
{rows}
"""


def _shown(figure: Figure) -> str:
    if math.isinf(figure.value):
        return "never"
    return f"{figure.value:.{2 if figure.value < 10 else 0}f} {figure.unit}"


def main() -> None:
    """Generate, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--polygons", type=int, default=30_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--workspace", type=Path, help="folder to make and keep; used as it is when it is there")
    parser.add_argument("--no-naive", action="store_true", help="leave the naive map out (it takes minutes)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = asked.workspace or Path(folder) / "workspace"
        if not workspace.exists():
            make_departement(workspace, polygons=asked.polygons, partitions=False)
        figures = measure_served(workspace, asked.polygons, asked.repeat)
        figures += measure_files(workspace) + measure_reruns(workspace, asked.repeat)
        figures += [] if asked.no_naive else measure_naive(workspace, asked.polygons)
    text = report(figures, asked.polygons)
    asked.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
