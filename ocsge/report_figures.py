"""Gather the figures of a commune's printable report from one version of a workspace."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from ocsge.errors import DataError, ParameterError
from ocsge.imports import read_import
from ocsge.rules import load_rules
from ocsge.tables import require
from ocsge.triennial_report import TRIENNIAL_REPORT, triennial_report
from ocsge.version_layout import PART, RUN, current_version, pair_partition_of, partition_of
from ocsge.workspace_tables import files_of, read_sources
from ocsge.zan import ENAF
from ocsge.zan_files import read_changes

if TYPE_CHECKING:
    from pathlib import Path

    from ocsge.rules import Rules

NO_LINES = pd.DataFrame(columns=list(TRIENNIAL_REPORT.columns))
"""The report of a commune that has one millésime, or no data."""


@dataclass(frozen=True, slots=True)
class ReportFigures:
    """Everything the report of a commune says, read from one version."""

    version: Path
    """Folder of the version."""

    code: str
    """INSEE code."""

    nom: str
    """Name, or the code when the results do not know it."""

    millesime: int
    """Year of the stock: the second of the pair."""

    pair: tuple[int, int] | None
    """The two years compared; None with one millésime."""

    stock: pd.Series
    """Row of ``STOCK`` of the year."""

    flow: pd.Series | None
    """Row of ``FLOW`` of the pair."""

    composition: pd.DataFrame
    """Rows of ``STOCK_LONG`` of the year."""

    lines: pd.DataFrame
    """Rows of ``TRIENNIAL_REPORT``; none with one millésime or no data; no parts 1 and 4 when no ENAF was imported."""

    sources: pd.DataFrame
    """Data the results were made from."""

    run: dict[str, Any]
    """Provenance of the year."""

    rules: Rules
    """Rules whose words and areas the report quotes."""

    same_rules: bool
    """Whether they are those that the results were derived by."""


def read_figures(
    workspace: Path,
    *,
    commune: str,
    millesimes: tuple[int, ...] | None = None,
    reduction_pct: float | None = None,
    guaranteed: bool | None = None,
    version: Path | None = None,
) -> ReportFigures:
    """Return the figures of a commune's report, in hectares.

    Parameters
    ----------
    workspace
        Folder that holds the results and, when it was imported, the consumption of ENAF.
    commune
        INSEE code.
    millesimes
        One year, or a pair; None takes the last pair, or the last year when there is no pair.
    reduction_pct
        As :func:`ocsge.zan.trajectory`.
    guaranteed
        Whether the commune is under the communal guarantee; None when that is not known.
    version
        Folder of the version of the workspace to read; None takes the one it holds now.

    Raises
    ------
    DataError
        When the workspace holds no result of the commune, or an import cannot be used.
    ParameterError
        When the code is not an INSEE code, or there is no such year or pair.
    """
    version = version or current_version(workspace)
    stocks = _table(version, "stock", commune)
    if stocks.empty:
        raise DataError(
            f"{workspace}: holds no result of commune {commune}; run `ocsge derive --commune {commune} --workspace "
            f"{workspace}` first"
        )
    flows = _table(version, "flow", commune)
    pair, millesime = _years(stocks, flows, millesimes, where=f"{workspace}: commune {commune}")
    run = version / partition_of(commune, millesime, perimetre=None, kind="runs") / RUN
    told: dict[str, Any] = json.loads(run.read_text(encoding="utf-8"))
    at = told["rules"].get("at")
    rules = load_rules(dt.date.fromisoformat(at) if at else None)
    stock = stocks[stocks["millesime"] == millesime].iloc[0]
    composition = _table(version, "stock_long", commune)
    covered = None if guaranteed is None else [commune] * guaranteed
    return ReportFigures(
        version=version,
        code=commune,
        nom=commune if pd.isna(stock["nom"]) else str(stock["nom"]),
        millesime=millesime,
        pair=pair,
        stock=stock,
        flow=None if pair is None else _flow_of(flows, pair),
        composition=composition[composition["millesime"] == millesime],
        lines=_lines(version, commune, pair, rules, enaf_of(workspace, commune), reduction_pct, covered),
        sources=read_sources(version, communes=[commune]),
        run=told,
        rules=rules,
        same_rules=rules.fingerprint == told["rules"]["fingerprint"],
    )


def _flow_of(flows: pd.DataFrame, pair: tuple[int, int]) -> pd.Series:
    return flows[(flows["millesime_1"] == pair[0]) & (flows["millesime_2"] == pair[1])].iloc[0]


def enaf_of(workspace: Path, commune: str) -> pd.DataFrame | None:
    """Return the imported consumption of ENAF of a commune, table ``ENAF``, m²; None when there is none.

    Raises
    ------
    DataError
        When it is not the table that was imported.
    """
    kept = read_import(workspace, "enaf")
    if kept is None:
        return None
    require(kept.table, ENAF, where=f"{workspace}: {kept.file}")
    rows = kept.table[kept.table["commune_code"] == commune]
    return None if rows.empty else rows.reset_index(drop=True)


def _lines(
    version: Path,
    commune: str,
    pair: tuple[int, int] | None,
    rules: Rules,
    enaf: pd.DataFrame | None,
    reduction_pct: float | None,
    guaranteed: list[str] | None,
) -> pd.DataFrame:
    if pair is None:
        return NO_LINES
    changes = version / pair_partition_of(commune, pair, perimetre=None, kind="changes") / PART
    if not changes.is_file():  # a commune without data has no piece
        return NO_LINES
    return triennial_report(enaf, read_changes(changes), rules, reduction_pct=reduction_pct, guaranteed=guaranteed)


def _table(version: Path, name: str, commune: str) -> pd.DataFrame:
    """Return the rows of a commune: of this very version, whatever is published meanwhile."""
    paths = files_of(version, name, communes=[commune])
    parts = [pd.read_parquet(path, partitioning=None) for path in paths]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _years(
    stocks: pd.DataFrame, flows: pd.DataFrame, asked: tuple[int, ...] | None, *, where: str
) -> tuple[tuple[int, int] | None, int]:
    """Return the pair and the year of a report."""
    known = sorted(int(year) for year in stocks["millesime"])
    pairs = [] if flows.empty else sorted(zip(flows["millesime_1"], flows["millesime_2"], strict=True))
    if asked is None:
        asked = pairs[-1] if pairs else (known[-1],)
    if len(asked) == 1 and asked[0] in known:
        return None, asked[0]
    if asked in pairs:
        return (int(asked[0]), int(asked[1])), int(asked[1])
    held = ", ".join([*map(str, known), *("-".join(map(str, pair)) for pair in pairs)])
    raise ParameterError(f"{where}: no result of {'-'.join(map(str, asked))}; it holds {held}")
