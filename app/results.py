"""Read the published results of a workspace for the pages: small tables by DuckDB, nothing else.

A version is read whole or not at all: its id is taken once a run of a page, so that a workspace published anew while
the page is open changes nothing under it.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocsge.errors import DataError
from ocsge.store import Workspace
from ocsge.version_layout import PART, RUN, pair_partition_of, partition_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb
    import pandas as pd

WORKSPACE_VARIABLE = "OCSGE_WORKSPACE"
"""Environment variable by which ``ocsge app`` says which workspace to open."""


NAME_VARIABLE = "OCSGE_WORKSPACE_NAME"
"""The workspace as the command line was given it: all that a browser may know of where it lies."""


def workspace_name() -> str:
    """Return the name of the workspace for readers: as it was given, never the whole path of this machine."""
    return os.environ.get(NAME_VARIABLE) or Path(os.environ.get(WORKSPACE_VARIABLE, "")).name


def workspace_path() -> Path:
    """Return the folder of the workspace that this server shows.

    Raises
    ------
    DataError
        When the server was started without one.
    """
    path = os.environ.get(WORKSPACE_VARIABLE)
    if not path:
        raise DataError(f"no workspace: start the dashboard with `ocsge app --workspace FOLDER` ({WORKSPACE_VARIABLE})")
    return Path(path)


@dataclass(frozen=True, slots=True)
class Results:
    """The tables of one version of a workspace."""

    version: Path
    """Folder of the version."""

    @property
    def id(self) -> str:
        """Identifier of the version: equal results have equal identifiers."""
        return self.version.name

    def has(self, table: str) -> bool:
        """Return whether the version holds a table."""
        return (self.version / f"{table}.parquet").is_file()

    def table(self, name: str, *, communes: Sequence[str] | None = None) -> pd.DataFrame:
        """Read ``stock``, ``stock_long``, ``flow`` or ``change_matrix``, of every commune or of some; ha.

        A table that the version does not hold (no flow with one millésime) has no row.
        """
        path = self.version / f"{name}.parquet"
        if not self.holds(path):
            import pandas as pd  # noqa: PLC0415  (needed here only)

            return pd.DataFrame()
        where = "" if communes is None else "WHERE commune_code IN (SELECT unnest(?))"
        given: list[Any] = [str(path)] if communes is None else [str(path), list(communes)]
        return self._query(f"SELECT * FROM read_parquet(?) {where}", given)  # noqa: S608  (nothing of the user in it)

    def polygon(self, commune: str, millesime: int, polygon_id: str) -> dict[str, Any] | None:
        """Return the columns of a polygon at a millésime, geometry left out, or None."""
        return self._row(self.polygons_path(commune, millesime), polygon_id)

    def largest_polygons(self, commune: str, millesime: int, *, most: int = 300) -> pd.DataFrame:
        """Read id, codes, area and state of the largest polygons of a commune, largest first."""
        path = self.polygons_path(commune, millesime)
        if not self.holds(path):
            import pandas as pd  # noqa: PLC0415

            return pd.DataFrame()
        return self._query(
            "SELECT id, code_cs, code_us, area_m2, artif FROM read_parquet(?, hive_partitioning = false) "
            "ORDER BY area_px DESC, id LIMIT ?",
            [str(path), most],
        )

    def changes(self, commune: str, pair: tuple[int, int], *, most: int) -> pd.DataFrame:
        """Read the largest pieces of a commune that gained or lost between two millésimes, largest first."""
        import pandas as pd  # noqa: PLC0415

        path = self.changes_path(commune, pair)
        if not self.holds(path):
            return pd.DataFrame()
        return self._query(
            "SELECT * EXCLUDE (geometry, bbox) FROM read_parquet(?, hive_partitioning = false) "
            "WHERE change <> 'none' ORDER BY area_px DESC, id LIMIT ?",
            [str(path), most],
        )

    def change_classes(self, commune: str, pair: tuple[int, int]) -> pd.DataFrame:
        """Read how many pieces of a commune gained and lost (``change``: ``gain``, ``loss``), and their area, m²."""
        import pandas as pd  # noqa: PLC0415

        path = self.changes_path(commune, pair)
        if not self.holds(path):
            return pd.DataFrame(columns=["change", "polygons", "area_m2"])
        return self._query(
            "SELECT change, count(*) AS polygons, sum(area_m2) AS area_m2 "
            "FROM read_parquet(?, hive_partitioning = false) WHERE change <> 'none' GROUP BY change ORDER BY change",
            [str(path)],
        )

    def change(self, commune: str, pair: tuple[int, int], change_id: str) -> dict[str, Any] | None:
        """Return the columns of a piece of ground over a pair of millésimes, geometry left out, or None."""
        return self._row(self.changes_path(commune, pair), change_id)

    def classes(self, commune: str, millesime: int) -> pd.DataFrame:
        """Read how many polygons a commune has, and their area (m²), by cover, usage and state; largest first."""
        import pandas as pd  # noqa: PLC0415

        path = self.polygons_path(commune, millesime)
        if not self.holds(path):
            return pd.DataFrame(columns=["code_cs", "code_us", "artif", "crit_seuil", "polygons", "area_m2"])
        return self._query(
            "SELECT code_cs, code_us, artif, crit_seuil, count(*) AS polygons, sum(area_m2) AS area_m2 "
            "FROM read_parquet(?, hive_partitioning = false) GROUP BY ALL ORDER BY area_m2 DESC, code_cs, code_us",
            [str(path)],
        )

    def polygons_path(self, commune: str, millesime: int) -> Path:
        """Return the GeoParquet of the polygons of a commune at a millésime; a commune without data has none."""
        return self._file("polygons", commune, str(millesime), PART)

    def changes_path(self, commune: str, pair: tuple[int, int]) -> Path:
        """Return the GeoParquet of the pieces of a commune over a pair of millésimes; it need not exist."""
        return self._file("changes", commune, f"{pair[0]}-{pair[1]}", PART)

    def provenance(self, commune: str, millesime: int) -> dict[str, Any]:
        """Return where the result of a commune at a millésime comes from; empty when there is none.

        Raises
        ------
        DataError
            When it cannot be read: removed meanwhile with its version, or cut.
        """
        path = self._file("runs", commune, str(millesime), RUN)
        if not self.holds(path):
            return {}
        try:
            found: dict[str, Any] = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: cannot be read ({type(error).__name__}); derive the commune again") from error
        return found

    def map_file(self, commune: str, when: str) -> Path | None:
        """Return the map file of a commune at ``2022`` or over ``2019-2022``, gzipped GeoJSON, or None."""
        path = self._file("maps", commune, when, f"{'changes' if '-' in when else 'polygons'}.geojson.gz")
        return path if path.is_file() else None

    def communes_file(self) -> Path | None:
        """Return the map file of every commune of the version, gzipped GeoJSON, or None."""
        path = self.version / "communes.geojson.gz"
        return path if path.is_file() else None

    def shape_count(self, commune: str, when: str) -> int:
        """Return how many shapes the map of a commune at ``2022`` or over ``2019-2022`` holds."""
        table, where = ("changes", "WHERE change <> 'none'") if "-" in when else ("polygons", "")
        path = self._file(table, commune, when, PART)
        if not self.holds(path):
            return 0
        counted = f"SELECT count(*) AS shapes FROM read_parquet(?, hive_partitioning = false) {where}"  # noqa: S608
        return int(self._query(counted, [str(path)])["shapes"].iloc[0])

    def holds(self, path: Path) -> bool:
        """Return whether a file of the version is there.

        Raises
        ------
        DataError
            When the whole version is gone: what it held is then not known.
        """
        if path.is_file():
            return True
        if not self.version.is_dir():
            raise DataError(f"{self.version}: was removed meanwhile; read the current version again")
        return False

    def _file(self, kind: str, commune: str, when: str, name: str) -> Path:
        """Return where a file of a commune at ``2022`` or over ``2019-2022`` stands, there or not."""
        first, _, second = when.partition("-")
        if second:
            return (
                self.version / pair_partition_of(commune, (int(first), int(second)), perimetre=None, kind=kind) / name
            )
        return self.version / partition_of(commune, int(first), perimetre=None, kind=kind) / name

    def _row(self, path: Path, row_id: str) -> dict[str, Any] | None:
        if not self.holds(path):
            return None
        found = self._query(
            "SELECT * EXCLUDE (geometry, bbox) FROM read_parquet(?, hive_partitioning = false) WHERE id = ?",
            [str(path), row_id],
        )
        return None if found.empty else dict(found.iloc[0])

    def _query(self, sql: str, given: list[Any]) -> pd.DataFrame:
        """Return the rows of a query; the first value given is the file.

        Raises
        ------
        DataError
            When the file cannot be read: removed meanwhile with its version, or cut.
        """
        import duckdb  # noqa: PLC0415  (as the engine)

        try:
            with _engine(self.version.parents[1]).cursor() as cursor:
                found: pd.DataFrame = cursor.execute(sql, given).df()
        except duckdb.Error as error:
            told = str(error).splitlines()[0]
            raise DataError(f"{given[0]}: cannot be read ({told}); read the current version again") from error
        return found


def current_results() -> Results:
    """Return the results that the workspace holds now.

    Raises
    ------
    DataError
        When the workspace is missing or holds no result.
    """
    path = workspace_path()
    version = Workspace(path).current() if path.is_dir() else None
    if version is None:
        raise DataError(f"{path}: holds no result; run `ocsge derive --workspace {path}` first")
    return Results(version)


@lru_cache(maxsize=2)
def _engine(workspace: Path) -> duckdb.DuckDBPyConnection:
    """Return the DuckDB that reads a workspace, and no other file of the machine."""
    from ocsge.pixel_sums import confine, open_duckdb  # noqa: PLC0415  (not needed to answer for a map)

    connection = open_duckdb()
    confine(connection, workspace)
    return connection
