"""Measure how far the uncertain values of the rules move the stock of a territory."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ocsge.errors import OcsgeError
from ocsge.rules import Rules, load_rules
from ocsge.states import Execution, Measured, Request, measure
from ocsge.store import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WITHOUT_EFFECT_ON_A_STOCK = {"simplification", "change"}


def sensitivity(
    *,
    communes: Sequence[str],
    millesime: int,
    workspace: Path | str,
    rules: Path | str | None = None,
    request: Request | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> pd.DataFrame:
    """Return the stock of a territory at the low and high end of each low-confidence value, hectares.

    One value is moved at a time; nothing is published. Values that only change the drawing, or only
    count between two millésimes, are left out.

    Parameters
    ----------
    communes, millesime, workspace, rules
        As :func:`ocsge.derive.derive`; ``rules`` is an overlay.
    request
        Other parameters of a derivation; its communes and millésime are replaced.
    progress
        Called with the value being moved, the derivations done and those in all.

    Returns
    -------
    DataFrame
        One row a value, largest effect first: ``rule``, ``row`` (file, line), ``unit``, ``low``, ``value``, ``high``,
        ``stock_low_ha``, ``stock_ha``, ``stock_high_ha``, ``effect_pct`` (largest change, % of the stock). The last row
        is the default usage: the bounds ``artif_min`` and ``artif_max``.
    """
    overlay = None if rules is None else Path(rules)
    base_rules = load_rules(overlay=overlay)
    asked = replace(
        request or Request(communes=(), millesimes=(millesime,)), communes=tuple(communes), millesimes=(millesime,)
    )
    store = Workspace(Path(workspace))
    moved = [
        value
        for value in base_rules.named_values
        if value.confidence == "low" and value.table not in _WITHOUT_EFFECT_ON_A_STOCK
    ]
    total, done = 1 + 2 * len(moved), 0
    tell = progress or (lambda *_: None)
    scratch = Workspace(store.path / "cache" / "sensitivity")

    def stock_of(law: Rules, name: str) -> pd.DataFrame:
        """Return the stock derived under other rules, and leave no trace of the run on the disk."""
        nonlocal done
        tell(name, done, total)
        try:
            found = measure(asked, law, store, Execution(), scratch=scratch)
        finally:
            # no later run asks for these rules again: what two dozen derivations leave would only fill the disk
            shutil.rmtree(scratch.path, ignore_errors=True)
        done += 1
        if not isinstance(found, Measured):  # nothing is known to it before it derives
            raise OcsgeError("a sensitivity run was answered by a published result; please report it")
        return found.states[-1].stock

    with store.locked(), store.timed("sensitivity", communes=list(communes), millesime=millesime):
        base = stock_of(base_rules, "base")
        stock_ha = float(base["stock_ha"].sum())
        rows = []
        for value in moved:
            name = f"{value.table}.{value.name}"
            ends = [
                stock_ha
                if end is None or end == value.value
                else float(stock_of(load_rules(overlay=overlay, changes={name: end}), name)["stock_ha"].sum())
                for end in (value.low, value.high)
            ]
            rows.append((name, value.row, value.unit, value.low, value.value, value.high, ends[0], stock_ha, ends[1]))
        tell("done", total, total)
    table = pd.DataFrame(
        rows,
        columns=["rule", "row", "unit", "low", "value", "high", "stock_low_ha", "stock_ha", "stock_high_ha"],
    )
    bounds = pd.DataFrame(
        [("default usage", "layer_usages.csv", "", None, None, None,
          float(base["artif_min_ha"].sum()), stock_ha, float(base["artif_max_ha"].sum()))],
        columns=table.columns,
    )  # fmt: skip
    return pd.concat([_by_effect(table), _by_effect(bounds)], ignore_index=True)


def _by_effect(table: pd.DataFrame) -> pd.DataFrame:
    change = table[["stock_low_ha", "stock_high_ha"]].sub(table["stock_ha"], axis=0).abs().max(axis=1)
    table = table.assign(effect_pct=100 * change / table["stock_ha"])
    return table.sort_values("effect_pct", ascending=False, kind="stable")
