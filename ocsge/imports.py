"""Keep tables that others publish beside the results of a workspace: official figures, ENAF, membership.

::

    imports/portal.parquet       text cells of the national export of the portal, as they were read
    imports/enaf.parquet         table ENAF
    imports/membership.parquet   table MEMBERSHIP
    imports/<kind>.json          name and sha256 of the file it came from, sha256 of the table

A file is stored only once the reader that the command line uses has accepted the whole of it; importing a kind anew
replaces it. The results themselves do not change.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import pandas as pd

from ocsge.csv_tables import read_text_table
from ocsge.errors import DataError, ParameterError
from ocsge.portal import official_figures
from ocsge.publish import file_sha256, json_bytes, publish
from ocsge.store import Workspace
from ocsge.territories import membership
from ocsge.zan import enaf_consumption

if TYPE_CHECKING:
    from pathlib import Path

ImportKind = Literal["portal", "enaf", "membership"]
"""``portal``: national export; ``enaf``: consumption of ENAF by commune; ``membership``: territories of communes."""

FOLDER = "imports"


@dataclass(frozen=True, slots=True)
class Import:
    """A table that a workspace keeps, and where it comes from."""

    kind: ImportKind
    """What it is."""

    table: pd.DataFrame
    """``ENAF``, ``MEMBERSHIP``, or the text cells of the export, for :func:`ocsge.portal.official_figures`."""

    file: str
    """Name of the file it was read from, without its folder."""

    sha256: str
    """Digest of that file."""


def import_file(path: Path, workspace: Path, *, kind: ImportKind) -> Import:
    """Store a file that someone publishes in a workspace, checked whole, in the place of the former one.

    Parameters
    ----------
    path
        CSV, as ``docs/territories.md`` describes each kind.
    workspace
        Folder of results; made when absent.
    kind
        What the file is.

    Raises
    ------
    DataError
        When the file is not what the kind says, or holds no commune; nothing is stored.
    OutputError
        When it cannot be written.
    WorkspaceBusyError
        When a run is writing in the workspace.
    """
    _known(kind)
    cells = read_text_table(path)
    digest = file_sha256(path)
    table = _checked(cells, kind, where=str(path))
    if table.empty:
        raise DataError(f"{path}: holds no commune; give the whole table")
    folder = workspace / FOLDER
    target = folder / f"{kind}.parquet"
    with Workspace(workspace).locked():
        stored = publish(target, lambda temporary: table.to_parquet(temporary, index=False), verify=pd.read_parquet)
        said = json_bytes({"kind": kind, "file": path.name, "sha256": digest, "rows": len(table), "table": stored})
        publish(folder / f"{kind}.json", lambda temporary: temporary.write_bytes(said))
    return Import(kind, table, path.name, digest)


def read_import(workspace: Path, kind: ImportKind) -> Import | None:
    """Return what a workspace keeps of a kind, None when nothing was imported.

    Raises
    ------
    DataError
        When the table is not the one that was imported: cut, changed, or without its description.
    """
    _known(kind)
    path = workspace / FOLDER / f"{kind}.parquet"
    if not path.is_file():
        return None
    remedy = f"run `ocsge import {kind} FILE --workspace {workspace}` again"
    try:
        said = json.loads(path.with_suffix(".json").read_bytes())
        file, digest, stored = str(said["file"]), str(said["sha256"]), str(said["table"])
        if file_sha256(path) != stored:
            raise DataError(f"{path}: is not the table that was imported; {remedy}")
        table = pd.read_parquet(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: cannot be read ({type(error).__name__}); {remedy}") from error
    return Import(kind, table, file, digest)


def _known(kind: str) -> None:
    if kind not in get_args(ImportKind):
        raise ParameterError(f"kind '{kind}': choose one of {', '.join(get_args(ImportKind))}")


def _checked(cells: pd.DataFrame, kind: ImportKind, *, where: str) -> pd.DataFrame:
    """Return the table to keep; the reader of its kind refuses what it cannot use."""
    if kind == "enaf":
        return enaf_consumption(cells, where=where)
    if kind == "membership":
        return membership(cells, where=where)
    official_figures(cells, where=where)
    return cells.reset_index(drop=True)
