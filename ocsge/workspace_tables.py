"""Read the tables of a workspace over any number of communes, straight from its Parquet and GeoParquet files.

DuckDB reads what is asked for and nothing else: a commune is a folder, a figure a column. The stock and the flow can
also be summed again from the polygons and the changes; the sums are those of whole pixels, hence equal to the published
ones.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import pandas as pd

from ocsge.catalog import credit_and_licence
from ocsge.errors import DataError, ParameterError
from ocsge.pixel_sums import FLOW_CONDITIONS, PIXELS_PER_HECTARE, STOCK_CONDITIONS, open_duckdb, sums_where
from ocsge.table_schema import KEYS
from ocsge.tables import ARTIFICIALISED, CHANGE_MATRIX, CHANGES, FLOW, STOCK, STOCK_LONG, Schema, dtypes
from ocsge.territory import check_commune_code
from ocsge.version_layout import PART, RUN, current_version, described_by, partition_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import duckdb

SOURCE_COLUMNS = ("years", "layer", "product", "edition", "file", "sha256", "credit", "licence", "communes")
"""Columns of the table of sources."""


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A table of a version: one file for each commune and millésime, or pair of millésimes."""

    folder: str
    """Folder of the version that holds its partitions."""

    file: str
    """Name of the file of each partition."""

    schema: Schema
    """Its columns."""

    spatial: bool = False
    """Whether its files are GeoParquet."""


STORED: Mapping[str, StoredTable] = {
    "stock": StoredTable("tables", "stock.parquet", STOCK),
    "stock_long": StoredTable("tables", "stock_long.parquet", STOCK_LONG),
    "flow": StoredTable("tables", "flow.parquet", FLOW),
    "change_matrix": StoredTable("tables", "change_matrix.parquet", CHANGE_MATRIX),
    "polygons": StoredTable("polygons", PART, ARTIFICIALISED, spatial=True),
    "changes": StoredTable("changes", PART, CHANGES, spatial=True),
}
"""Tables a workspace may hold, by name."""

_OF_POLYGONS = ("stock", "stock_impermeable", "matrix", "artif_min", "artif_max")

_STOCK_SQL = f"""
WITH sums AS (
    SELECT commune_code, millesime, count(*) AS polygons,
        {PIXELS_PER_HECTARE} AS px_per_ha,
        sum(area_px) AS surface,
        {sums_where({name: STOCK_CONDITIONS[name] for name in _OF_POLYGONS})}
    FROM read_parquet(?, hive_partitioning = false)
    GROUP BY commune_code, millesime
)
SELECT commune_code, millesime, polygons,
    surface / px_per_ha AS surface_ha,
    stock / px_per_ha AS stock_ha,
    100 * (stock / px_per_ha) / (surface / px_per_ha) AS part_pct,
    stock_impermeable / px_per_ha AS stock_impermeable_ha,
    matrix / px_per_ha AS matrix_ha,
    artif_min / px_per_ha AS artif_min_ha,
    artif_max / px_per_ha AS artif_max_ha
FROM sums
ORDER BY commune_code, millesime
"""  # noqa: S608  (made of constants)

_FLOW_SQL = f"""
WITH sums AS (
    SELECT commune_code, millesime_1, millesime_2,
        {PIXELS_PER_HECTARE} AS px_per_ha,
        sum(area_px) AS surface,
        {sums_where(FLOW_CONDITIONS)}
    FROM read_parquet(?, hive_partitioning = false)
    GROUP BY commune_code, millesime_1, millesime_2
)
SELECT commune_code, millesime_1, millesime_2,
    surface / px_per_ha AS surface_ha,
    stock_1 / px_per_ha AS stock_1_ha,
    stock_2 / px_per_ha AS stock_2_ha,
    gain / px_per_ha AS gain_ha,
    loss / px_per_ha AS loss_ha,
    (gain - loss) / px_per_ha AS net_ha,
    (gain - loss) / px_per_ha / (millesime_2 - millesime_1) AS net_ha_an,
    gain_impermeable / px_per_ha AS gain_impermeable_ha,
    loss_impermeable / px_per_ha AS loss_impermeable_ha
FROM sums
ORDER BY commune_code, millesime_1, millesime_2
"""  # noqa: S608  (made of constants)


def files_of(version: Path, name: str, *, communes: Sequence[str] | None = None) -> list[Path]:
    """Return the files that hold a table, sorted; results limited by a perimeter are not among them.

    A table without geometry stands whole in one file of the version too, which is read when every commune is wanted:
    opening a file takes longer than reading a commune. Some communes are read from their own partitions.

    Raises
    ------
    ParameterError
        When there is no table of that name, or a code is not an INSEE code.
    """
    if name not in STORED:
        raise ParameterError(f"{name}: is not a table of a workspace; the tables are {', '.join(STORED)}")
    table = STORED[name]
    codes = None if communes is None else [check_commune_code(code) for code in communes]
    whole = version / table.file
    if codes is None and not table.spatial and whole.is_file():
        return [whole]
    return partition_files(version, table.folder, table.file, communes=codes)


def read_table(workspace: Path | str, name: str, *, communes: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a table of a workspace: every commune and millésime, or some communes.

    Parameters
    ----------
    workspace
        Folder that holds the results.
    name
        ``stock``, ``stock_long``, ``flow``, ``change_matrix``; ``polygons`` and ``changes`` come as GeoDataFrames, in
        the CRS of the communes.
    communes
        INSEE codes; every commune by default.

    Raises
    ------
    CrsError, DataError
        When the workspace holds no such table of these communes, or the communes are in several CRS.
    ParameterError
        When there is no table of that name, or a code is not an INSEE code.

    Examples
    --------
    >>> read_table("demo", "stock")[["commune_code", "stock_ha"]]  # doctest: +SKIP
    """
    return read_version_table(current_version(workspace), name, communes=communes)


def read_version_table(version: Path, name: str, *, communes: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a table of one version of a workspace, whatever is published meanwhile; as :func:`read_table`."""
    paths = _some_files(version, name, communes)
    if not STORED[name].spatial:
        schema = STORED[name].schema
        rows = _query("SELECT * FROM read_parquet(?, hive_partitioning = false)", paths)
        rows = rows.sort_values(list(KEYS[schema.name]), ignore_index=True)
        # DuckDB gives back whole numbers with nulls as floats; a column that an older result lacks stays out
        return rows.astype({name: kind for name, kind in dtypes(schema).items() if name in rows.columns})
    parts = [gpd.read_parquet(path) for path in paths]
    systems = {part.crs.to_string() for part in parts}
    if len(systems) > 1:
        found = ", ".join(sorted(systems))
        raise DataError(f"{version}: the {name} are in several CRS ({found}); read the communes of one territory")
    together: pd.DataFrame = gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=parts[0].crs)
    return together


def stock_of_polygons(workspace: Path | str, *, communes: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the stock summed again from the polygons, in hectares: one row a commune and millésime that has some.

    Columns ``commune_code, millesime, polygons, surface_ha, stock_ha, part_pct, stock_impermeable_ha, matrix_ha,
    artif_min_ha, artif_max_ha``, those of table ``STOCK`` but for the number of polygons.

    Raises
    ------
    DataError
        When the workspace holds no polygon of these communes.
    ParameterError
        When a code is not an INSEE code.
    """
    return _query(_STOCK_SQL, _some_files(current_version(workspace), "polygons", communes))


def flow_of_changes(workspace: Path | str, *, communes: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the flow summed again from the coverages of two millésimes, in hectares: one row a commune and pair.

    Columns ``commune_code, millesime_1, millesime_2, surface_ha, stock_1_ha, stock_2_ha, gain_ha, loss_ha, net_ha,
    net_ha_an, gain_impermeable_ha, loss_impermeable_ha``, those of table ``FLOW``.

    Raises
    ------
    DataError
        When the workspace holds no change of these communes.
    ParameterError
        When a code is not an INSEE code.
    """
    return _query(_FLOW_SQL, _some_files(current_version(workspace), "changes", communes))


def read_sources(version: Path, *, communes: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the data that the partitions of a version were made from: one row a layer of a file and millésime.

    Columns ``SOURCE_COLUMNS``: ``years`` is the millésime, or the pair of millésimes, ``communes`` the number of
    communes made from it; the others are text.
    """
    chosen = None if communes is None else {check_commune_code(code) for code in communes}
    rows = []
    for path in partition_files(version, "runs", RUN):
        described = described_by(path)
        if chosen is not None and described.commune_code not in chosen:
            continue
        run = json.loads(path.read_text(encoding="utf-8"))
        for source in (*run.get("sources", ()), *_class_files(run.get("classes"))):
            credit, licence = credit_and_licence(source, model=source.get("model"))
            of_run = {"commune_code": described.commune_code, "years": described.years}
            rows.append({**source, **of_run, "credit": credit, "licence": licence})
    *columns, counted = SOURCE_COLUMNS
    found = pd.DataFrame(rows, columns=[*columns, "commune_code"]).astype("str")
    groups = found.groupby(columns, dropna=False)["commune_code"].nunique()
    counts: pd.DataFrame = groups.rename(counted).reset_index()
    return counts


def _class_files(classes: Mapping[str, Any] | None) -> list[dict[str, object]]:
    if classes is None:
        return []
    pairs = zip(classes.get("files", ()), classes.get("sha256", ()), strict=False)
    model = classes.get("model")
    return [{"layer": "classes", "file": file, "sha256": sha256, "model": model} for file, sha256 in pairs]


def _some_files(version: Path, name: str, communes: Sequence[str] | None) -> list[Path]:
    paths = files_of(version, name, communes=communes)
    if not paths:
        of_whom = "" if communes is None else f" of {', '.join(communes)}"
        raise DataError(f"{version}: holds no table '{name}'{of_whom}; derive it first")
    return paths


def _query(sql: str, paths: Sequence[Path]) -> pd.DataFrame:
    with _engine().cursor() as cursor:
        found: pd.DataFrame = cursor.execute(sql, [[str(path) for path in paths]]).to_arrow_table().to_pandas()
    return found


@lru_cache(maxsize=1)
def _engine() -> duckdb.DuckDBPyConnection:
    """Return the one DuckDB of this process, without data of its own: opening it takes longer than a commune."""
    return open_duckdb()
