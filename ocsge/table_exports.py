"""Write the tables of a workspace in a folder, in the profile of who reads them, with what they were made from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from ocsge.errors import DataError, ParameterError
from ocsge.portal_profile import portal_schema, portal_table
from ocsge.table_files import Profile as CsvProfile
from ocsge.table_files import write_csv
from ocsge.version_layout import current_version
from ocsge.workbook import write_xlsx
from ocsge.workspace_tables import STORED, files_of, read_sources, read_version_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

Profile = Literal["machine", "excel-fr", "portal", "xlsx"]
"""``machine`` and ``excel-fr``: a CSV a table; ``portal``: one CSV; ``xlsx``: one workbook."""


def export_tables(
    workspace: Path | str,
    folder: Path | str,
    *,
    profile: Profile = "machine",
    communes: Sequence[str] | None = None,
    version: Path | None = None,
) -> list[Path]:
    """Write the tables of a workspace in a folder; return the files made.

    Each CSV has a frictionless Table Schema beside it, ``NAME.schema.json``, and ``sources.csv`` lists the data the
    tables were made from; the workbook holds the same as sheets. Files of the same names are replaced.

    Parameters
    ----------
    workspace
        Folder that holds the results.
    folder
        Where to write; made when absent.
    profile
        ``machine``: comma, decimal point. ``excel-fr``: semicolon, decimal comma, for a French spreadsheet.
        ``portal``: ``portal.csv``, the columns and units of the national export. ``xlsx``: ``ocsge.xlsx``.
    communes
        INSEE codes; every commune by default.
    version
        Folder of the version of the workspace to read; None takes the one it holds now.

    Raises
    ------
    DataError
        When the workspace holds no stock of these communes.
    OutputError
        When a file cannot be written.
    ParameterError
        When there is no such profile, or a code is not an INSEE code.
    """
    if profile not in get_args(Profile):
        raise ParameterError(f"profile '{profile}': choose one of {', '.join(get_args(Profile))}")
    version, target = version or current_version(workspace), Path(folder)
    names = [name for name, table in STORED.items() if not table.spatial and files_of(version, name, communes=communes)]
    if "stock" not in names:
        raise DataError(f"{workspace}: holds no stock of these communes; run `ocsge derive` first")
    tables = {name: read_version_table(version, name, communes=communes) for name in names}
    sources = read_sources(version, communes=communes)
    if profile == "xlsx":
        path = target / "ocsge.xlsx"
        write_xlsx(tables, path, schemas={name: STORED[name].schema for name in names}, sources=sources)
        return [path]
    if profile == "portal":
        return _write_portal(tables, sources, target)
    return _write_each(tables, sources, target, profile)


def _write_portal(tables: dict[str, pd.DataFrame], sources: pd.DataFrame, target: Path) -> list[Path]:
    table = portal_table(tables["stock"], tables.get("flow"))
    path = target / "portal.csv"
    write_csv(table, path, schema=portal_schema(list(table.columns)))
    write_csv(sources, target / "sources.csv")
    return [path, path.with_suffix(".schema.json"), target / "sources.csv"]


def _write_each(
    tables: dict[str, pd.DataFrame], sources: pd.DataFrame, target: Path, profile: CsvProfile
) -> list[Path]:
    written = []
    for name, table in tables.items():
        path = target / f"{name}.csv"
        write_csv(table, path, profile=profile, schema=STORED[name].schema)
        written += [path, path.with_suffix(".schema.json")]
    write_csv(sources, target / "sources.csv", profile=profile)
    return [*written, target / "sources.csv"]
