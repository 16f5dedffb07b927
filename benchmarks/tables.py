"""Measure how long the tables of many communes take, straight from the partitions of a workspace.

    python -m benchmarks.tables [--communes 460] [--polygons 1000] [--repeat 5] [--out benchmarks/tables_results.md]

A workspace is generated (``table_partitions``), then each table is read or summed in a fresh process, once cold and
``--repeat`` times warm (median). The peer reads the same files with pandas, one after the other, in the same run; its
answer must be equal. Bars: 2 s for every commune, cold; 50 ms for one commune, warm.
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

import pandas as pd

from benchmarks.measure import measured
from benchmarks.table_partitions import make_workspace
from ocsge.version_layout import current_version, partition_files
from ocsge.workspace_tables import STORED, flow_of_changes, read_table, stock_of_polygons

RESULTS = Path(__file__).parent / "tables_results.md"
MILLESIMES = (2018, 2021, 2024)
ALL_BAR_S, ONE_BAR_S = 2.0, 0.05
PX_PER_HA = 250_000
TASKS = ("stock", "flow", "stock summed from polygons", "flow summed from changes")


@dataclass(frozen=True, slots=True)
class Times:
    """What one task took in a fresh process."""

    cold_s: float
    """First call, with the imports it makes."""

    cold_cpu_s: float
    """Processor seconds of the first call: what the wall time tends to when nothing else runs."""

    warm_s: float
    """Median of the next calls."""

    answer: list[tuple[object, ...]]
    """What it found, to compare."""


def ours(workspace: Path, task: str, communes: list[str] | None) -> pd.DataFrame:
    """Return a table by the public functions."""
    if task in {"stock", "flow"}:
        return read_table(workspace, task, communes=communes)
    return (stock_of_polygons if task == TASKS[2] else flow_of_changes)(workspace, communes=communes)


def by_pandas(workspace: Path, task: str, communes: list[str] | None) -> pd.DataFrame:
    """Return the same table by pandas, file by file."""
    name = {TASKS[2]: "polygons", TASKS[3]: "changes"}.get(task, task)
    version, stored = current_version(workspace), STORED[name]
    files = partition_files(version, stored.folder, stored.file, communes=communes)
    if name in {"stock", "flow"}:
        parts = [pd.read_parquet(path, partitioning=None) for path in files]
        return pd.concat(parts, ignore_index=True)
    if name == "polygons":
        columns = ["commune_code", "millesime", "artif", "area_px"]
        rows = pd.concat([pd.read_parquet(path, columns=columns, partitioning=None) for path in files])
        stock = rows["area_px"].where(rows["artif"], 0) / PX_PER_HA
        return stock.groupby([rows["commune_code"], rows["millesime"]]).sum().rename("stock_ha").reset_index()
    columns = ["commune_code", "millesime_1", "millesime_2", "artif_1", "artif_2", "area_px"]
    rows = pd.concat([pd.read_parquet(path, columns=columns, partitioning=None) for path in files])
    net = rows["area_px"] * (rows["artif_2"].astype(int) - rows["artif_1"].astype(int)) / PX_PER_HA
    keys = [rows["commune_code"], rows["millesime_1"], rows["millesime_2"]]
    return net.groupby(keys).sum().rename("net_ha").reset_index()


def timed(workspace: Path, task: str, communes: list[str] | None, peer: bool, repeat: int) -> Times:
    """Call a task once cold and ``repeat`` times warm, in this process."""
    call = by_pandas if peer else ours
    seconds, processor = [], time.process_time()
    for rank in range(repeat + 1):
        started = time.perf_counter()
        table = call(workspace, task, communes)
        seconds.append(time.perf_counter() - started)
        if rank == 0:
            processor = time.process_time() - processor
    figure = "stock_ha" if task in {TASKS[0], TASKS[2]} else "net_ha"
    answer = [(code, round(value, 6) + 0.0) for code, value in zip(table["commune_code"], table[figure], strict=True)]
    return Times(seconds[0], processor, statistics.median(seconds[1:]), answer)


def measure_tables(workspace: Path, commune: str, repeat: int) -> list[str]:
    """Measure every task, ours and the peer's; return the rows of the table."""
    lines = []
    for task in TASKS:
        for label, communes, bar in (("all", None, ALL_BAR_S), ("one", [commune], ONE_BAR_S)):
            mine = measured(timed, workspace, task, communes, False, repeat).result
            peer = measured(timed, workspace, task, communes, True, repeat).result
            if mine.answer != peer.answer:
                raise AssertionError(f"{task}, {label}: the two answers differ")
            judged = mine.cold_s if communes is None else mine.warm_s
            cells = (mine.cold_s, mine.cold_cpu_s, mine.warm_s, peer.cold_s, peer.cold_cpu_s, peer.warm_s)
            times = " | ".join(f"{cell * 1000:,.0f}".replace(",", " ") for cell in cells)
            met = "yes" if judged <= bar else "no"
            lines.append(f"| {task} | {label} | {len(mine.answer)} | {times} | {bar * 1000:.0f} | {met} |")
            print(lines[-1], flush=True)
    return lines


def report(lines: list[str], communes: int, polygons: int, files: int, size_mb: float) -> str:
    """Return the text of the results: machine, scene, table."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("duckdb", "pandas", "pyarrow"))
    years = len(MILLESIMES)
    drawn, pieces = (f"{communes * count * polygons:,}".replace(",", " ") for count in (years, years - 1))
    return f"""# Tables of many communes

`python -m benchmarks.tables`: {communes} communes × {years} millésimes, {drawn} polygons and {pieces} pieces of change
in {files} files, {size_mb:.0f} MB.

{platform.system()} {platform.machine()}, {os.cpu_count()} cores shared with other work (load {os.getloadavg()[0]:.1f}
at the end); Python {platform.python_version()}, {versions}. Milliseconds. *Cold* is the first call of a process, its
files in the cache of the system; *warm* the median of the next; *processor* what the cold call used on all cores. The
bar is on the cold time of all communes and on the warm time of one. *Summed* means from the GeoParquet files.

| table | communes | rows | cold | processor | warm | pandas cold | processor | warm | bar | met |
|---|---|---|---|---|---|---|---|---|---|---|
{chr(10).join(lines)}
"""


def main() -> None:
    """Generate, measure, write."""
    parser = argparse.ArgumentParser(description="Measure the tables of many communes.")
    parser.add_argument("--communes", type=int, default=460)
    parser.add_argument("--polygons", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--workspace", type=Path, help="Folder to make and keep; used as it is when it is there.")
    options = parser.parse_args()
    codes = [f"01{rank:03d}" for rank in range(1, options.communes + 1)]
    with tempfile.TemporaryDirectory() as folder:
        workspace = options.workspace or Path(folder) / "workspace"
        if not workspace.exists():
            make_workspace(workspace, codes, MILLESIMES, polygons=options.polygons)
        version = current_version(workspace)
        sizes = [path.stat().st_size for path in version.rglob("*.parquet")]
        lines = measure_tables(workspace, codes[len(codes) // 2], options.repeat)
    text = report(lines, options.communes, options.polygons, len(sizes), sum(sizes) / 1e6)
    options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
