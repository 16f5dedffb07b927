"""Make a workspace of generated results: any number of communes and millésimes, every table and its partitions.

Each commune is a row of squares whose state is drawn at the first millésime, then changes for a few at each later one,
so the tables are known from the drawn numbers alone, without the code that reads or sums the files.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from ocsge.publication import combine_tables
from ocsge.publish import json_bytes
from ocsge.store import Workspace
from ocsge.tables import ARTIFICIALISED, CHANGE_MATRIX, CHANGES, FLOW, STOCK, STOCK_LONG, Schema

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

PX_PER_M2 = 25
_CHANGED_SHARE = 0.02


def filled(schema: Schema, rows: int, **columns: object) -> pd.DataFrame:
    """Return a table of a schema: the columns given, and empty, false or zero elsewhere, without geometry."""
    blank = {"text": "", "bool": False, "int64": 0, "float64": 0.0}
    kinds = {"text": "str", "bool": "bool", "int64": "int64", "float64": "float64"}
    data = {
        name: pd.Series(columns.get(name, blank[column.dtype]), index=range(rows)).astype(
            "Int64" if column.dtype == "int64" and column.nullable else kinds[column.dtype]
        )
        for name, column in schema.columns.items()
        if column.dtype != "geometry"
    }
    return pd.DataFrame(data)


def make_workspace(folder: Path, communes: Sequence[str], millesimes: Sequence[int], *, polygons: int) -> Path:
    """Publish generated results of every commune and millésime, and of every consecutive pair; return the workspace."""
    workspace = Workspace(folder)

    def fill(version: Path) -> None:
        for position, code in enumerate(communes):
            _write_commune(version, code, millesimes, polygons, np.random.default_rng(position))
        combine_tables(version)

    workspace.publish_version(fill, key="generated")
    return folder


def _write_commune(
    version: Path, code: str, millesimes: Sequence[int], count: int, random: np.random.Generator
) -> None:
    area_px = random.integers(200, 2500, count) * PX_PER_M2
    corners = np.arange(count) * 60.0
    squares = shapely.box(corners, 6_300_000.0, corners + 50, 6_300_050.0)
    states = [random.random(count) < 0.1]
    for _ in millesimes[1:]:
        states.append(states[-1] ^ (random.random(count) < _CHANGED_SHARE))
    for year, artif in zip(millesimes, states, strict=True):
        place = f"commune_code={code}/millesime={year}"
        columns = {"commune_code": code, "millesime": year}
        drawn = filled(
            ARTIFICIALISED,
            count,
            commune_code=code,
            area_px=area_px,
            area_m2=area_px / PX_PER_M2,
            artif=artif,
            matrix_artif=artif,
            impermeable=artif,
            artif_min=artif,
            artif_max=artif,
        )
        drawn.insert(0, "id", [f"{code}-{year}-{rank:06d}" for rank in range(count)])
        drawn.insert(1, "millesime", year)
        _write_polygons(version / "polygons" / place, drawn.drop(columns="in_territory"), squares)
        surface_ha, stock_ha = _ha(area_px), _ha(area_px[artif])
        figures = {"nom": f"Commune {code}", "surface_ha": surface_ha, "stock_ha": stock_ha}
        figures |= {"part_pct": 100 * stock_ha / surface_ha, "source": "derived", "coverage_pct": 100.0}
        _write(version / "tables" / place / "stock.parquet", filled(STOCK, 1, **columns, **figures))
        long = filled(STOCK_LONG, 1, **columns, dimension="couverture", area_ha=surface_ha, artif_area_ha=stock_ha)
        _write(version / "tables" / place / "stock_long.parquet", long)
        sources = [{"layer": "bd_topo:batiment", "product": "bd_topo_v3", "file": "bd_topo.gpkg", "sha256": "0" * 64}]
        _write_bytes(version / "runs" / place / "run.json", json_bytes({"key": "generated", "sources": sources}))
    for (year_1, artif_1), (year_2, artif_2) in pairwise(zip(millesimes, states, strict=True)):
        _write_pair(version, code, (year_1, year_2), area_px, artif_1, artif_2, squares)


def _write_pair(
    version: Path,
    code: str,
    years: tuple[int, int],
    area_px: NDArray[np.int64],
    artif_1: NDArray[np.bool_],
    artif_2: NDArray[np.bool_],
    squares: NDArray[np.object_],
) -> None:
    place = f"commune_code={code}/millesimes={years[0]}-{years[1]}"
    columns = {"commune_code": code, "millesime_1": years[0], "millesime_2": years[1]}
    gained, lost = artif_2 & ~artif_1, artif_1 & ~artif_2
    states = {"artif_1": artif_1, "artif_2": artif_2, "impermeable_1": artif_1, "impermeable_2": artif_2}
    kinds = np.select([gained, lost], ["gain", "loss"], "none")
    areas = {"area_px": area_px, "area_m2": area_px / PX_PER_M2}
    coverage = filled(CHANGES, len(area_px), **columns, **states, **areas, change=kinds)
    _write_polygons(version / "changes" / place, coverage, squares)
    gain_ha, loss_ha = _ha(area_px[gained]), _ha(area_px[lost])
    figures = {"stock_1_ha": _ha(area_px[artif_1]), "stock_2_ha": _ha(area_px[artif_2]), "gain_ha": gain_ha}
    figures |= {
        "loss_ha": loss_ha,
        "net_ha": gain_ha - loss_ha,
        "net_ha_an": (gain_ha - loss_ha) / (years[1] - years[0]),
    }
    _write(version / "tables" / place / "flow.parquet", filled(FLOW, 1, **columns, **figures, surface_ha=_ha(area_px)))
    matrix = filled(CHANGE_MATRIX, 1, **columns, dimension="usage", code_1="US1.1", code_2="US5", area_ha=gain_ha)
    _write(version / "tables" / place / "change_matrix.parquet", matrix)


def _ha(area_px: NDArray[np.int64]) -> float:
    return float(area_px.sum()) / (PX_PER_M2 * 10_000)


def _write_polygons(folder: Path, table: pd.DataFrame, squares: NDArray[np.object_]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    frame = gpd.GeoDataFrame(table, geometry=squares, crs=2154)
    frame.to_parquet(
        folder / "part.parquet", index=False, schema_version="1.1.0", write_covering_bbox=True, compression="zstd"
    )


def _write(path: Path, table: pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path, index=False)


def _write_bytes(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
