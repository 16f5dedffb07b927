"""Tables of what changed between two millésimes: transitions by code, and the largest changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from app.ui.codes import code_of
from ocsge.styles import CHANGE_LABELS

if TYPE_CHECKING:
    from ocsge.rules import Rules


def transitions(matrix: pd.DataFrame, pair: tuple[int, int], dimension: str, rules: Rules) -> pd.DataFrame:
    """Return the transitions of a dimension over a pair, what did not change last; ha.

    Parameters
    ----------
    matrix
        Table ``CHANGE_MATRIX`` of a commune.
    pair, dimension
        What to keep.
    rules
        Give the labels.

    Returns
    -------
    pandas.DataFrame
        ``code_1``, ``libelle_1``, ``label_1`` (short), the same of the second year, ``area_ha``, ``gain_ha``,
        ``loss_ha``.
    """
    columns = ["code_1", "libelle_1", "label_1", "code_2", "libelle_2", "label_2", "area_ha", "gain_ha", "loss_ha"]
    if matrix.empty:
        return pd.DataFrame(columns=columns)
    here = (matrix["millesime_1"] == pair[0]) & (matrix["millesime_2"] == pair[1])
    rows = matrix[here & (matrix["dimension"] == dimension)].reset_index(drop=True)
    for rank in (1, 2):
        known = [code_of(rules, dimension, str(code)) for code in rows[f"code_{rank}"]]
        rows[f"libelle_{rank}"] = [entry.label for entry in known]
        rows[f"label_{rank}"] = [entry.short for entry in known]
    rows["stable"] = rows["code_1"] == rows["code_2"]
    order = rows.sort_values(["stable", "area_ha"], ascending=[True, False], ignore_index=True)
    return order[columns]


def largest_changes(changes: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """Return pieces that gained or lost, the largest first, with codes and words.

    Parameters
    ----------
    changes
        Rows of ``CHANGES`` that gained or lost.
    rules
        Give the labels.

    Returns
    -------
    pandas.DataFrame
        ``id``, ``change``, ``nature`` (in words), ``area_m2``, ``code_cs_1``, ``code_cs_2``, ``code_us_1``,
        ``code_us_2``, ``couverture`` and ``usage``: before → after, short labels.
    """
    rows = changes.sort_values(["area_m2", "id"], ascending=[False, True]).reset_index(drop=True)
    rows["nature"] = [CHANGE_LABELS[kind] for kind in rows["change"]]
    for column, dimension, code in (("couverture", "couverture", "code_cs"), ("usage", "usage", "code_us")):
        both = zip(rows[f"{code}_1"], rows[f"{code}_2"], strict=True)
        rows[column] = [_arrow(rules, dimension, str(before), str(after)) for before, after in both]
    return rows[
        ["id", "change", "nature", "area_m2", "couverture", "usage", "code_cs_1", "code_cs_2", "code_us_1", "code_us_2"]
    ]


def _arrow(rules: Rules, dimension: str, before: str, after: str) -> str:
    first, second = (code_of(rules, dimension, code).short for code in (before, after))
    return f"{first} (inchangé)" if before == after else f"{first} → {second}"
