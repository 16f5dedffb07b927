"""Make a workspace of generated results for the communes of a real département, the Gers: figures are not true.

    python -m benchmarks.departement WORKSPACE [--polygons 30000]

Outlines, names and populations are real (``benchmarks/data``), everything else is generated and bears the flag
``generated``: 462 communes at three millésimes, through the functions that measure and write real results. With
``--polygons``, one commune is drawn: a partition of that many polygons, with its changes and map files.
"""

from __future__ import annotations

import argparse
import gzip
import json
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd

from benchmarks.generated_land import BECOMES, LAND, OPEN, changes_of, land_of, states_of
from benchmarks.tessellation import Tessellation, tessellate
from ocsge.export import write_json, write_parquet
from ocsge.flow import change_matrix, flow
from ocsge.indicators import stock, stock_long
from ocsge.map_files import changes_geojson, communes_geojson, polygons_geojson
from ocsge.publish import publish
from ocsge.rules import load_rules
from ocsge.store import Workspace
from ocsge.table_files import write_csv
from ocsge.tables import CHANGE_MATRIX, FLOW, STOCK, STOCK_LONG
from ocsge.version_layout import pair_partition_of, partition_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ocsge.rules import Rules

OUTLINES = Path(__file__).parent / "data" / "gers.geojson.gz"
MILLESIMES = (2016, 2019, 2022)
FLAG = "generated"
DRAWN = "32013"
"""Auch: the commune that is drawn."""
BORDER_POINTS = 15
"""Points of a border between two polygons: then a polygon of a map has as many corners as those of a derived scene."""
_SCHEMAS = {"stock": STOCK, "stock_long": STOCK_LONG, "flow": FLOW, "change_matrix": CHANGE_MATRIX}


@dataclass(frozen=True, slots=True)
class Ground:
    """Pieces of ground of every commune and their kind at each millésime."""

    codes: NDArray[np.object_]
    area_m2: NDArray[np.int64]
    kinds: NDArray[np.int64]
    """Shape (pieces, millésimes)."""


def communes_of_gers() -> gpd.GeoDataFrame:
    """Return table ``COMMUNES`` of the Gers, in Lambert-93; the intercommunal code is generated: a square of 20 km."""
    features = json.loads(gzip.decompress(OUTLINES.read_bytes()))["features"]
    frame = gpd.GeoDataFrame.from_features(features, crs=4326).to_crs(2154).rename(columns={"code": "commune_code"})
    centre = frame.centroid
    squares = pd.Series((centre.x // 20_000).astype(int) * 1000 + (centre.y // 20_000).astype(int))
    frame["siren_epci"] = (900_000_000 + squares.rank(method="dense").astype(int)).astype(str)
    return frame.assign(departement_code="32", region_code="76", cog_year=2018)


def make_departement(
    folder: Path,
    *,
    millesimes: Sequence[int] = MILLESIMES,
    polygons: int = 0,
    points: int = BORDER_POINTS,
    partitions: bool = True,
    seed: int = 0,
) -> Path:
    """Publish generated results of the communes of the Gers; return the workspace.

    Parameters
    ----------
    folder
        The workspace to make.
    millesimes
        Years, the earliest first.
    polygons
        Fewest polygons of the commune that is drawn; 0 draws none.
    points
        Points of the border of two of these polygons.
    partitions
        Whether each commune has its own files too; the dashboard reads the tables of all of them.
    seed
        The same seed gives the same figures.
    """
    rules, everyone = load_rules(), communes_of_gers()
    land = land_of(everyone, len(millesimes), seed=seed)
    cells = None
    if polygons:
        outline = everyone.geometry[everyone["commune_code"] == DRAWN].iloc[0]
        cells = tessellate(outline, polygons, points=points, seed=seed)
        land = land[land["commune_code"] != DRAWN]
    kinds = np.array(land["kinds"].to_list()).reshape(-1, len(millesimes))
    ground = Ground(land["commune_code"].to_numpy(object), land["area_m2"].to_numpy(np.int64), kinds)
    if cells is not None:
        ground = _with_cells(ground, cells, len(millesimes), np.random.default_rng(seed))

    def fill(version: Path) -> None:
        """Write the files of every commune."""
        tables = _write_version(version, everyone, ground, cells, tuple(millesimes), rules=rules)
        if partitions:
            _write_partitions(version, tables)

    Workspace(folder).publish_version(fill, key="generated")
    return folder


def _with_cells(ground: Ground, cells: Tessellation, steps: int, random: np.random.Generator) -> Ground:
    """Return the ground with the cells of the drawn commune last: a town in the middle, blocks of one kind around."""
    blocks = np.stack([cells.row // 4, cells.column // 4])
    drawn_block = random.random(blocks.max(axis=1) + 1)[tuple(blocks)]
    away = np.hypot(cells.row / cells.row.max() - 0.5, cells.column / cells.column.max() - 0.5)
    town = random.random(len(away)) < np.clip(0.9 - 2.2 * away, 0.04, 1)
    shares = np.array([part for *_, part in LAND])
    first = np.searchsorted(np.cumsum(shares[:OPEN]) / shares[:OPEN].sum(), drawn_block)
    built = OPEN + np.searchsorted(np.cumsum(shares[OPEN:]) / shares[OPEN:].sum(), random.random(len(away)))
    kinds = [np.where(town, built, first)]
    for _ in range(1, steps):
        chosen = random.random(len(away)) < 0.01
        target = np.array([BECOMES.get(kind, (0,))[0] for kind in range(len(LAND))])[kinds[-1]]
        kinds.append(np.where(chosen, target, kinds[-1]))
    codes = np.full(len(away), DRAWN, dtype=object)
    return Ground(
        codes=np.concatenate([ground.codes, codes]),
        area_m2=np.concatenate([ground.area_m2, cells.area_m2]),
        kinds=np.concatenate([ground.kinds, np.stack(kinds, axis=1)]),
    )


def _write_version(
    version: Path,
    communes: gpd.GeoDataFrame,
    ground: Ground,
    cells: Tessellation | None,
    millesimes: tuple[int, ...],
    *,
    rules: Rules,
) -> dict[str, pd.DataFrame]:
    """Write the tables and maps of every commune; return the tables."""
    measured: dict[str, list[pd.DataFrame]] = {name: [] for name in _SCHEMAS}
    states = []
    for step, millesime in enumerate(millesimes):
        state = states_of(ground.codes, ground.kinds[:, step], ground.area_m2, millesime, rules=rules)
        states.append(state)
        table = stock(state, rules, millesime=millesime, communes=communes, flags=(FLAG,))
        measured["stock"].append(table)
        measured["stock_long"].append(stock_long(state, millesime=millesime))
        if cells is not None:
            _write_polygons(version, state, cells, millesime, rules)
    for step, pair in enumerate(pairwise(millesimes)):
        changes = changes_of(states[step], states[step + 1], pair)
        measured["flow"].append(flow(*measured["stock"][step : step + 2], changes))
        measured["change_matrix"].append(change_matrix(changes))
        if cells is not None:
            _write_changes(version, changes, cells, pair, rules)
    tables = {name: pd.concat(parts, ignore_index=True) for name, parts in measured.items() if parts}
    for name, table in tables.items():
        _write_table(version, name, table)
    drawn = communes_geojson([communes], tables["stock"], tables.get("flow", pd.DataFrame()))
    (version / "communes.geojson.gz").write_bytes(drawn)
    return tables


def _write_polygons(version: Path, state: pd.DataFrame, cells: Tessellation, millesime: int, rules: Rules) -> None:
    """Write the polygons and the map file of the drawn commune at a millésime."""
    rows = state[state["commune_code"] == DRAWN].reset_index(drop=True)
    frame = gpd.GeoDataFrame(rows, geometry=cells.geometry, crs=2154)
    parts, maps = (
        _place(version, partition_of(DRAWN, millesime, perimetre=None, kind=kind)) for kind in ("polygons", "maps")
    )
    write_parquet(frame, parts / "part.parquet")
    (maps / "polygons.geojson.gz").write_bytes(polygons_geojson(frame, rules=rules))


def _write_changes(
    version: Path, changes: pd.DataFrame, cells: Tessellation, pair: tuple[int, int], rules: Rules
) -> None:
    """Write the coverage and the map file of the drawn commune over a pair of millésimes."""
    rows = changes[changes["commune_code"] == DRAWN].reset_index(drop=True)
    frame = gpd.GeoDataFrame(rows, geometry=cells.geometry, crs=2154)
    parts, maps = (
        _place(version, pair_partition_of(DRAWN, pair, perimetre=None, kind=kind)) for kind in ("changes", "maps")
    )
    write_parquet(frame, parts / "part.parquet")
    (maps / "changes.geojson.gz").write_bytes(changes_geojson(frame, rules=rules))


def _write_table(version: Path, name: str, table: pd.DataFrame) -> None:
    """Write the rows of every commune as one file, and as CSV."""
    whole = table.sort_values(_keys(table), kind="stable", ignore_index=True)
    publish(version / f"{name}.parquet", partial(whole.to_parquet, index=False))
    write_csv(whole, version / f"{name}.csv", profile="machine", schema=_SCHEMAS[name])
    if name in {"stock", "flow"}:
        write_csv(whole, version / f"{name}_excel.csv", profile="excel-fr", schema=_SCHEMAS[name])


def _write_partitions(version: Path, tables: dict[str, pd.DataFrame]) -> None:
    """Write the files of each commune and millésime, or pair of them."""
    for name, table in tables.items():
        for (code, *when), rows in table.groupby(_keys(table)):
            if len(when) == 2:
                place = pair_partition_of(code, (when[0], when[1]), perimetre=None, kind="tables")
            else:
                place = partition_of(code, when[0], perimetre=None, kind="tables")
            rows.to_parquet(_place(version, place) / f"{name}.parquet", index=False)
            if name == "stock":
                run = partition_of(code, when[0], perimetre=None, kind="runs")
                write_json({"key": "generated", "sources": [], "warnings": []}, _place(version, run) / "run.json")


def _keys(table: pd.DataFrame) -> list[str]:
    return [name for name in ("commune_code", "millesime", "millesime_1", "millesime_2") if name in table]


def _place(version: Path, partition: Path) -> Path:
    folder = version / partition
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main() -> None:
    """Make the workspace."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--polygons", type=int, default=0, help="polygons of the commune that is drawn")
    asked = parser.parse_args()
    print(make_departement(asked.workspace, polygons=asked.polygons))


if __name__ == "__main__":
    main()
