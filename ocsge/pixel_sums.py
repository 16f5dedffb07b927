"""Which pixels count in each measure of a stock and of a flow, and the DuckDB that sums them, offline."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ocsge.tables import M2_PER_HECTARE

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb
    import pandas as pd
    import pyarrow as pa

STOCK_CONDITIONS: Mapping[str, str] = MappingProxyType(
    {
        "stock": "artif",
        "stock_impermeable": "impermeable",
        "matrix": "matrix_artif",
        "threshold_gain": "artif AND NOT matrix_artif",
        "threshold_loss": "matrix_artif AND NOT artif",
        "artif_min": "artif_min",
        "artif_max": "artif_max",
        "fragile": "fragile <> ''",
    }
)
"""Measure of table ``STOCK`` → condition on the polygons whose pixels it counts."""

FLOW_CONDITIONS: Mapping[str, str] = MappingProxyType(
    {
        "stock_1": "artif_1",
        "stock_2": "artif_2",
        "gain": "artif_2 AND NOT artif_1",
        "loss": "artif_1 AND NOT artif_2",
        "gain_impermeable": "impermeable_2 AND NOT impermeable_1",
        "loss_impermeable": "impermeable_1 AND NOT impermeable_2",
    }
)
"""Measure of table ``FLOW`` → condition on the pieces whose pixels it counts."""

PIXELS_PER_HECTARE = f"round(sum(area_px) / sum(area_m2)) * {M2_PER_HECTARE}"
"""SQL of the number of pixels in a hectare, as both area columns imply it: a whole number a m²."""


def sums_where(conditions: Mapping[str, str]) -> str:
    """Return the SQL that counts the pixels of each measure, 0 where none.

    Examples
    --------
    >>> sums_where({"stock": "artif"})
    'coalesce(sum(area_px) FILTER (artif), 0)::BIGINT AS stock'
    """
    return ", ".join(
        f"coalesce(sum(area_px) FILTER ({condition}), 0)::BIGINT AS {measure}"
        for measure, condition in conditions.items()
    )


def open_duckdb() -> duckdb.DuckDBPyConnection:
    """Return a DuckDB in memory that looks for no extension on the network and spills to the system's temporary folder.

    DuckDB's own choice is the current folder, under a name that two databases would share. Nothing is made there before
    a query needs more than the memory; where no folder is temporary, none may.
    """
    import duckdb  # noqa: PLC0415  (it weighs on the engine's memory until it is needed)

    try:
        spill = str(Path(tempfile.gettempdir()) / f"ocsge-duckdb-{secrets.token_hex(8)}")
    except FileNotFoundError:
        spill = ""
    extensions = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    return duckdb.connect(config={**extensions, "temp_directory": spill})


def confine(connection: duckdb.DuckDBPyConnection, folder: Path | None = None) -> None:
    """Let a DuckDB read one folder and nothing else, or no file at all, for as long as it is open."""
    if folder is not None:
        place = str(folder).replace("'", "''")
        connection.execute(f"SET allowed_directories = ['{place}']")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def query_rows(sql: str, **tables: pa.Table) -> pd.DataFrame:
    """Return the rows of a query over tables, each known by its name."""
    with open_duckdb() as connection:
        for name, table in tables.items():
            connection.register(name, table)
        found: pd.DataFrame = connection.execute(sql).df()
    return found
