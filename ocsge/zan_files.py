"""Answer questions about the ZAN from files: read, make one call, return the table."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ocsge.csv_tables import read_text_table, typed_table
from ocsge.errors import DataError
from ocsge.tables import CHANGES, FLOW
from ocsge.triennial_report import left_out, triennial_report
from ocsge.zan import enaf_consumption, trajectory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ocsge.rules import Rules

ALL, NONE = "all", "none"


def zan_trajectory(
    enaf: Path,
    rules: Rules,
    *,
    reduction_pct: float | None = None,
    guaranteed: Sequence[str] = (),
    flow: Path | None = None,
) -> pd.DataFrame:
    """Return the ZAN trajectory of the communes of a file, in hectares.

    Parameters
    ----------
    enaf
        Cerema's table by commune, m².
    rules
        The rules at a date.
    reduction_pct
        As :func:`ocsge.zan.trajectory`.
    guaranteed
        Communes under the communal guarantee; ``("all",)``, ``("none",)``; empty is unknown.
    flow
        CSV of ``FLOW``, for the columns of net artificialisation.

    Raises
    ------
    DataError
        When a file cannot be used.
    """
    consumed = enaf_consumption(read_text_table(enaf), where=str(enaf))
    flows = None if flow is None else typed_table(read_text_table(flow), FLOW, where=str(flow))
    covered = _covered(guaranteed, consumed)
    return trajectory(consumed, rules, reduction_pct=reduction_pct, guaranteed=covered, flow=flows)


def zan_report(
    enaf: Path,
    changes: Path,
    rules: Rules,
    *,
    reduction_pct: float | None = None,
    guaranteed: Sequence[str] = (),
    tell: Callable[[str], object] = warnings.warn,
) -> pd.DataFrame:
    """Return the figures of the *rapport triennal local* of the communes of two files, in hectares.

    Parameters
    ----------
    enaf, rules, reduction_pct, guaranteed
        As :func:`zan_trajectory`.
    changes
        ``CHANGES`` as GeoParquet (a file, or a folder of them) or CSV.
    tell
        Receives the communes of the changes that the ENAF file lacks, on one line.

    Raises
    ------
    DataError
        When a file cannot be used, or they have no commune in common.
    """
    consumed = enaf_consumption(read_text_table(enaf), where=str(enaf))
    covered = _covered(guaranteed, consumed)
    changed = read_changes(changes)
    table = triennial_report(consumed, changed, rules, reduction_pct=reduction_pct, guaranteed=covered)
    for text in left_out(consumed, changed):
        tell(text)
    return table


def _covered(guaranteed: Sequence[str], consumed: pd.DataFrame) -> list[str] | None:
    if not guaranteed:
        return None
    if tuple(guaranteed) == (NONE,):
        return []
    return sorted(set(consumed["commune_code"])) if tuple(guaranteed) == (ALL,) else list(guaranteed)


def read_changes(path: Path) -> pd.DataFrame:
    """Return the table ``CHANGES`` of a file or folder, without its geometry.

    Raises
    ------
    DataError
        When nothing can be read, or a column is missing.
    """
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path}: holds no .parquet file; give the folder of the changes")
    if path.suffix == ".csv":
        return typed_table(read_text_table(path), CHANGES, where=str(path))
    parts: list[pd.DataFrame] = []
    for file in files:
        try:
            # opened by itself: the folders of a partition must not be read as columns
            held = pq.ParquetFile(file)
            names = [name for name in CHANGES.columns if name in held.schema_arrow.names and name != "geometry"]
            parts.append(held.read(columns=names).to_pandas())
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(f"{file}: cannot be read as Parquet ({str(error).splitlines()[0]})") from None
    return pd.concat(parts, ignore_index=True)
