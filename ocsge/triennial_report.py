"""Lay out the local report on artificialisation that article R.2231-1 CGCT asks for every three years.

Four parts: the consumption of ENAF; the balance of artificialised and de-artificialised land by decree category; the
sealed ground; the objectives. Figures only: the report of a council is its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ocsge.errors import DataError
from ocsge.legal_notice import COMPLIANCE
from ocsge.tables import CHANGES, M2_PER_HECTARE, Column, Schema, pixels_per_m2, require, typed
from ocsge.zan import ENAF, trajectory

if TYPE_CHECKING:
    from collections.abc import Collection

    from ocsge.rules import Rules

WHERE = "triennial report"
MOST_LISTED = 10
"""Codes of communes that a message lists."""

TRIENNIAL_REPORT = Schema(
    "TRIENNIAL_REPORT",
    MappingProxyType(
        {
            "commune_code": Column("text"),
            "part": Column("text"),
            "item": Column("text"),
            "label_fr": Column("text"),
            "from_year": Column("int64", "year", nullable=True),
            "to_year": Column("int64", "year", nullable=True),
            "value": Column("float64", "unit of the row", nullable=True),
            "unit": Column("text"),
            "note": Column("text"),
        }
    ),
)
"""One row a figure. ``part``: ``1_enaf``, ``2_artificialisation``, ``3_impermeable``, ``4_objectifs``."""

_BALANCE_FR = {
    "artificialised": "Surfaces artificialisées",
    "desartificialised": "Surfaces désartificialisées",
    "net": "Solde",
}


@dataclass(frozen=True, slots=True)
class _Line:
    """One figure of the report."""

    part: str
    item: str
    label_fr: str
    value: float
    unit: str = "ha"
    from_year: int | None = None
    to_year: int | None = None
    note: str = ""


def triennial_report(
    enaf: pd.DataFrame | None,
    changes: pd.DataFrame,
    rules: Rules,
    *,
    reduction_pct: float | None = None,
    guaranteed: Collection[str] | None = None,
) -> pd.DataFrame:
    """Return the figures of the *rapport triennal local* of each commune that both tables hold, in hectares.

    Parameters
    ----------
    enaf
        Table ``ENAF``; None leaves out the two parts that are counted in ENAF, of every commune.
    changes
        Table ``CHANGES`` of one pair of millésimes a commune: its rows partition each commune.
    rules
        Decree categories, and the ZAN.
    reduction_pct, guaranteed
        As :func:`ocsge.zan.trajectory`.

    Returns
    -------
    pandas.DataFrame
        Table ``TRIENNIAL_REPORT``, by commune and part. Land that becomes artificialised counts in its new
        category, land that ceases to be in its former one; a category of the decree's artificialised ones without
        change is 0. Sealed ground is that of the impermeable covers; the note names their categories.

    Raises
    ------
    DataError
        When a table is not what it must be, a commune has several pairs, or no commune is in both tables.
    """
    require(changes, CHANGES, where=WHERE)
    per_ha = pixels_per_m2(changes, where=WHERE) * M2_PER_HECTARE
    of_commune = {} if enaf is None else _objectives(enaf, changes, rules, reduction_pct, guaranteed)
    reported = changes if enaf is None else changes[changes["commune_code"].isin(list(of_commune))]
    parts = []
    for code, rows in reported.groupby("commune_code"):
        years = _pair(rows, str(code))
        surface_ha = int(rows["area_px"].sum()) / per_ha
        lines = [*_balance_lines(rows, rules, years, per_ha), *_sealed_lines(rows, rules, years, per_ha)]
        if enaf is not None:
            consumed = _enaf_lines(enaf[enaf["commune_code"] == code], surface_ha)
            lines = [*consumed, *lines, *_objective_lines(of_commune[str(code)])]
        parts.append(_frame(str(code), lines))
    return pd.concat(parts, ignore_index=True)


def _objectives(
    enaf: pd.DataFrame,
    changes: pd.DataFrame,
    rules: Rules,
    reduction_pct: float | None,
    guaranteed: Collection[str] | None,
) -> dict[str, pd.Series]:
    """Return the row of the trajectory of each commune of the ENAF table; refuse one without any of the changes."""
    require(enaf, ENAF, where=WHERE)
    objectives = trajectory(enaf, rules, reduction_pct=reduction_pct, guaranteed=guaranteed)
    of_commune = {str(row["commune_code"]): row for _, row in objectives.iterrows()}
    if not changes["commune_code"].isin(list(of_commune)).any():
        raise DataError(
            f"{WHERE}: no commune of the changes ({_listed(changes['commune_code'])}) is in the ENAF file; give the "
            "file that holds them"
        )
    return of_commune


def left_out(enaf: pd.DataFrame, changes: pd.DataFrame) -> tuple[str, ...]:
    """Return one line when communes of the changes are not in the ENAF table, so that no report is made of them."""
    missing = changes["commune_code"][~changes["commune_code"].isin(enaf["commune_code"])]
    missing = missing[missing != ""]
    if missing.empty:
        return ()
    return (f"{WHERE}: {missing.nunique()} communes are not in the ENAF file and left out: {_listed(missing)}",)


def _listed(codes: pd.Series) -> str:
    """Return codes for a message, the first ten of many."""
    found = sorted({str(code) for code in codes if code})
    more = f" and {len(found) - MOST_LISTED} more" if len(found) > MOST_LISTED else ""
    return ", ".join(found[:MOST_LISTED]) + more if found else "none"


def _pair(rows: pd.DataFrame, code: str) -> tuple[int, int]:
    pairs = rows[["millesime_1", "millesime_2"]].drop_duplicates()
    if len(pairs) > 1:
        raise DataError(f"{WHERE}: commune {code} has changes of {len(pairs)} pairs of millésimes; give one pair")
    return int(rows["millesime_1"].to_numpy()[0]), int(rows["millesime_2"].to_numpy()[0])


def _enaf_lines(enaf: pd.DataFrame, surface_ha: float) -> list[_Line]:
    lines = []
    for year, consumed_m2 in sorted(zip(enaf["year"].tolist(), enaf["consumed_m2"].tolist(), strict=True)):
        consumed_ha = consumed_m2 / M2_PER_HECTARE
        share = 100 * consumed_ha / surface_ha
        lines.append(_Line("1_enaf", "consumed", "Consommation d'ENAF", consumed_ha, from_year=year, to_year=year))
        lines.append(_Line("1_enaf", "consumed_pct", "Part du territoire", share, "%", from_year=year, to_year=year))
    return lines


def _balance_lines(rows: pd.DataFrame, rules: Rules, years: tuple[int, int], per_ha: int) -> list[_Line]:
    gained, lost = _by_category(rows, "gain", 2), _by_category(rows, "loss", 1)
    artificialised = {row.key[0] for row in rules.tables["decree_categories"] if _is_artificialised(row.facts)}
    categories = sorted(artificialised | set(gained) | set(lost), key=_rank)
    net = {category: gained.get(category, 0) - lost.get(category, 0) for category in categories}
    lines = []
    for item, pixels in (("artificialised", gained), ("desartificialised", lost), ("net", net)):
        label = _BALANCE_FR[item]
        for category in (*categories, ""):
            counted = pixels.get(category, 0) if category else sum(pixels.values())
            line = _Line(
                part="2_artificialisation",
                item=f"{item}_category_{category}" if category else item,
                label_fr=f"{label}, catégorie {category}" if category else label,
                value=counted / per_ha,
                from_year=years[0],
                to_year=years[1],
                note=rules.decree_categories.get(category, ""),
            )
            lines.append(line)
    return lines


def _rank(category: str) -> tuple[int, str]:
    """Return what puts categories in the order of their numbers."""
    return len(category), category


def _is_artificialised(facts: object) -> bool:
    return bool(getattr(facts, "artificialise", False))


def _by_category(rows: pd.DataFrame, change: str, state: int) -> dict[str, int]:
    """Return the pixels that changed by category of one of the two states."""
    changed = rows[rows["change"] == change]
    sums = changed["area_px"].groupby(changed[f"decree_category_{state}"].astype("str")).sum()
    return {str(category): int(pixels) for category, pixels in sums.items()}


def _sealed_lines(rows: pd.DataFrame, rules: Rules, years: tuple[int, int], per_ha: int) -> list[_Line]:
    label = "Surfaces dont les sols ont été rendus imperméables"
    sealed = sorted({cell.decree_category for cell in rules.matrix.values() if cell.impermeable}, key=_rank)
    note = f"couvertures imperméables : catégories {', '.join(sealed)} du décret"
    before, after = rows["impermeable_1"].to_numpy(np.bool_), rows["impermeable_2"].to_numpy(np.bool_)
    pixels = rows["area_px"].to_numpy(np.int64)
    figures = {
        "stock_1": (before, f"Surfaces imperméables en {years[0]}"),
        "stock_2": (after, f"Surfaces imperméables en {years[1]}"),
        "gain": (after & ~before, label),
        "loss": (before & ~after, "Surfaces désimperméabilisées"),
    }
    return [
        _Line(
            part="3_impermeable",
            item=item,
            label_fr=text,
            value=int(pixels[chosen].sum()) / per_ha,
            from_year=years[0],
            to_year=years[1],
            note=note,
        )
        for item, (chosen, text) in figures.items()
    ]


def _objective_lines(row: pd.Series) -> list[_Line]:
    labels = {
        "enaf_reference_ha": "Consommation d'ENAF de la période de référence",
        "enaf_allowed_ha": "Consommation permise sur la tranche",
        "enaf_consumed_ha": "Consommation constatée sur la tranche",
        "enaf_projection_ha": "Projection au rythme constaté",
        "enaf_remaining_ha": "Reste",
    }
    state = row["compliance"]
    note = COMPLIANCE[state] if isinstance(state, str) else "données insuffisantes"
    lines = [_Line("4_objectifs", name.removesuffix("_ha"), label, row[name]) for name, label in labels.items()]
    rate = f"taux de réduction {row['reduction_pct']:g} %"
    over = row["enaf_projection_ha"] - row["enaf_allowed_ha"]
    return [*lines, _Line("4_objectifs", "gap", "Projection moins permise", over, note=f"{note} ; {rate}")]


def _frame(code: str, lines: list[_Line]) -> pd.DataFrame:
    columns = list(TRIENNIAL_REPORT.columns)
    rows = [[code, *(getattr(line, name) for name in columns[1:])] for line in lines]
    return typed(pd.DataFrame(rows, columns=columns), TRIENNIAL_REPORT, where=WHERE)
