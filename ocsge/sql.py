"""Open the tables of a workspace in DuckDB, for analysts: read only, offline, geometries included.

The files are read through Arrow: DuckDB itself is left without access to any file, so that no statement can change a
result, nor read anything else on the machine.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow.dataset

from ocsge.errors import DataError, OcsgeError, ParameterError
from ocsge.pixel_sums import confine, open_duckdb
from ocsge.territory import territory_epsg
from ocsge.version_layout import current_version, described_by
from ocsge.workspace_tables import STORED, files_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

_SPATIAL = "duckdb_extension_spatial"
_WKB = "ARROW:extension:name"


def open_views(workspace: Path | str) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection whose views are the tables of a workspace's current version.

    ``stock``, ``stock_long``, ``polygons``, and ``flow``, ``change_matrix``, ``changes`` when there are any; every
    commune and millésime. Geometries have the spatial functions (``ST_Area``, ``ST_Intersects`` …), and their CRS
    unless the communes are in several. A version published later is not seen: open again.

    Parameters
    ----------
    workspace
        Folder that holds the results.

    Raises
    ------
    DataError
        When the workspace holds no result.

    Examples
    --------
    >>> open_views("demo").sql("select commune_code, stock_ha from stock").df()  # doctest: +SKIP
    """
    version = current_version(workspace)
    connection = open_duckdb()
    load_spatial(connection)
    for name in STORED:
        if paths := files_of(version, name):
            _register(connection, name, paths)
    confine(connection)
    return connection


def query(connection: duckdb.DuckDBPyConnection, statement: str) -> pd.DataFrame:
    """Return the rows of one SELECT; geometries as WKT.

    Raises
    ------
    ParameterError
        When the text is not one statement that only reads, or DuckDB refuses it.
    """
    try:
        parsed = connection.extract_statements(statement)
        if len(parsed) != 1 or parsed[0].type != duckdb.StatementType.SELECT:
            raise ParameterError("give one statement that reads: SELECT, FROM, DESCRIBE, SUMMARIZE, SHOW TABLES …")
        rows = connection.sql(statement)
        if rows is None:
            raise ParameterError("the statement gives no rows; give a SELECT")
        spatial = [column for column, kind in zip(rows.columns, rows.types, strict=True) if "GEOMETRY" in str(kind)]
        if spatial:
            texts = ", ".join(f'ST_AsText("{_quoted(column)}") AS "{_quoted(column)}"' for column in spatial)
            rows = rows.project(f"* REPLACE ({texts})")
        found: pd.DataFrame = rows.to_arrow_table().to_pandas()
    except duckdb.Error as error:
        raise ParameterError(f"SQL: {' '.join(str(error).split())}") from error
    return found


def _quoted(column: str) -> str:
    return column.replace('"', '""')


def load_spatial(connection: duckdb.DuckDBPyConnection) -> None:
    """Load the spatial extension that is installed beside DuckDB, by its path: nothing is fetched.

    Raises
    ------
    OcsgeError
        When it is not installed.
    """
    package = find_spec(_SPATIAL)
    places = [Path(place) for place in package.submodule_search_locations or ()] if package else []
    files = [path for place in places for path in place.rglob("spatial.duckdb_extension")]
    if not files:
        raise OcsgeError(f"the package {_SPATIAL} is missing from the environment; install ocsge again")
    path = str(files[0]).replace("'", "''")
    connection.execute(f"LOAD '{path}'")


def _register(connection: duckdb.DuckDBPyConnection, name: str, paths: Sequence[Path]) -> None:
    """Make the files of a table a view of the connection."""
    files = [str(path) for path in paths]
    try:
        table = pyarrow.dataset.dataset(files, format="parquet", partitioning=None)
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise DataError(f"{paths[0].parent}: table '{name}' cannot be read ({error}); derive it again") from error
    if not STORED[name].spatial or len(_systems(paths)) == 1:
        connection.register(name, table)
        return
    # files in several CRS: the CRS of the first must not be taken for that of all
    position = table.schema.get_field_index("geometry")
    bare = table.schema.set(position, pyarrow.field("geometry", pyarrow.binary()))
    connection.register(f"_{name}", table.replace_schema(bare))
    drawn = connection.table(f"_{name}").project("* REPLACE (ST_GeomFromWKB(geometry) AS geometry)")
    drawn.create_view(name)


def _systems(paths: Sequence[Path]) -> set[int | None]:
    """Return the EPSG codes of the territories of partitions; None for ground in no known commune."""
    codes = {described_by(path).commune_code for path in paths}
    systems: set[int | None] = {territory_epsg(code) for code in codes if code}
    return systems or {None}
