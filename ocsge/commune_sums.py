"""Sum the figures of communes over the groups they form, as whole cm², with what the sum covers.

Hectares are brought to whole cm² before they are added, so that a sum depends neither on the order of the rows nor
on how they are grouped, and differences stay exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ocsge.errors import DataError
from ocsge.indicators import COMPLETE_PCT
from ocsge.tables import CM2_PER_HECTARE, FLOW, STOCK, Schema, require
from ocsge.territory_tables import summed_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

_OF_ONE_COMMUNE = ("no_data", "coverage", "incomplete")
"""Beginnings of flags that say what a commune lacks; the sum says it for itself."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Which of the two tables a frame is."""

    schema: Schema
    """``STOCK`` or ``FLOW``."""

    years: tuple[str, ...]
    """Columns of its millésimes."""

    known: str
    """Column whose null says that a commune has no data."""

    shares: tuple[tuple[str, str], ...]
    """Columns of percentages of the surface and the areas they come from."""


STOCK_KIND = Kind(STOCK, ("millesime",), "stock_ha", (("part_pct", "stock_ha"),))
FLOW_KIND = Kind(
    FLOW, ("millesime_1", "millesime_2"), "net_ha", (("part_1_pct", "stock_1_ha"), ("part_2_pct", "stock_2_ha"))
)


def kind_of(table: pd.DataFrame, *, where: str) -> Kind:
    """Return whether a table is ``STOCK`` or ``FLOW``, checked, with one row a commune, source and millésimes.

    Raises
    ------
    DataError
        When it is neither, or holds a commune twice.
    """
    kind = FLOW_KIND if "millesime_2" in table.columns else STOCK_KIND
    require(table, kind.schema, where=where)
    key = ["commune_code", "source", *kind.years]
    twice = table[table.duplicated(key)]
    if len(twice):
        first = twice.iloc[0]
        years = "–".join(str(first[name]) for name in kind.years)
        raise DataError(
            f"{where}: table {kind.schema.name}, commune {first['commune_code']} has two rows of source "
            f"'{first['source']}' at {years}; keep one (one perimeter, one model)"
        )
    return kind


def whole_cm2(hectares: pd.Series) -> pd.Series:
    """Return areas as whole cm², Int64, null where unknown.

    Examples
    --------
    >>> whole_cm2(pd.Series([1.0, 0.000004])).tolist()
    [100000000, 400]
    """
    return (hectares.astype("float64") * CM2_PER_HECTARE).round().astype("Int64")


def sum_hectares(table: pd.DataFrame, by: Sequence[str], columns: Sequence[str]) -> pd.DataFrame:
    """Return the sums of columns in hectares by group; a sum with an unknown term is null.

    Parameters
    ----------
    table
        Columns ``by`` without null, and ``columns`` in hectares.
    """
    keys = [table[name] for name in by]
    parts = {}
    for name in columns:
        cm2 = whole_cm2(table[name])
        total = cm2.fillna(0).astype("int64").groupby(keys).sum()
        unknown = cm2.isna().groupby(keys).any()
        parts[name] = (total.astype("float64") / CM2_PER_HECTARE).mask(unknown)
    return pd.DataFrame(parts)


def sum_communes(table: pd.DataFrame, members: pd.DataFrame, kind: Kind) -> pd.DataFrame:
    """Sum the rows of communes by group, source and millésimes, in hectares, and say what the sums cover.

    Parameters
    ----------
    table
        ``STOCK`` or ``FLOW``, as ``kind`` says; each of its communes is in ``members``.
    members
        One row a commune and group: ``group``, ``commune_code``, ``extent_ha`` (null takes the outline, else the
        surface of the commune's row).
    kind
        Which table.

    Returns
    -------
    pandas.DataFrame
        One row a group, source and millésimes, by these: the areas, ``communes``, ``communes_with_data``,
        ``population``, ``surface_ha`` (extent of the group), ``measured_ha`` (surface of the communes with data),
        percentages of the measured surface, ``coverage_pct``, ``coverage_status``, ``model``, ``rules_version``,
        ``flags``. A commune without row or with null figures adds nothing and lowers the coverage; a figure that
        one commune with data lacks is null.
    """
    key = ["group", "source", *kind.years]
    rows = table.merge(members[["group", "commune_code"]], on="commune_code", how="inner")
    grid = rows[key].drop_duplicates().merge(members, on="group").merge(rows, on=[*key, "commune_code"], how="left")
    return _summed(grid, key, kind)


def sum_last_pairs(table: pd.DataFrame, members: pd.DataFrame) -> pd.DataFrame:
    """Sum the yearly paces of the last pair of each commune, where the communes of a group differ in it.

    Parameters
    ----------
    table
        ``FLOW``.
    members
        As for :func:`sum_communes`.

    Returns
    -------
    pandas.DataFrame
        As :func:`sum_communes`, without areas other than the extents, with ``gain_ha_an``, ``loss_ha_an``,
        ``net_ha_an`` in hectares a year, ``millesimes`` that lists the pairs, and the flag ``mixed_millesimes``.
    """
    kind, years = FLOW_KIND, list(FLOW_KIND.years)
    rows = table[table[kind.known].notna()].merge(members[["group", "commune_code"]], on="commune_code")
    rows = rows.sort_values(["millesime_2", "millesime_1"]).drop_duplicates(
        ["group", "source", "commune_code"], keep="last"
    )
    key = ["group", "source"]
    pairs = rows[[*key, *years]].drop_duplicates().groupby(key).size()
    mixed = pairs[pairs > 1].reset_index()[key]
    rows = rows.merge(mixed, on=key)
    grid = mixed.merge(members, on="group").merge(rows, on=[*key, "commune_code"], how="left")
    result = _summed(grid, key, kind).drop(columns=list(summed_columns(FLOW)))
    by_pair = sum_hectares(rows, [*key, *years], ["gain_ha", "loss_ha", "net_ha"])
    span = by_pair.index.get_level_values("millesime_2") - by_pair.index.get_level_values("millesime_1")
    paces = by_pair.div(np.asarray(span, np.float64), axis=0).add_suffix("_an")
    names = ["–".join(map(str, pair)) for pair in zip(*(by_pair.index.get_level_values(y) for y in years), strict=True)]
    for name in paces.columns:
        total = paces[name].groupby(level=key).agg(lambda column: column.sum(skipna=False))
        result[name] = total.reindex(pd.MultiIndex.from_frame(result[key])).to_numpy()
    listed = pd.Series(names, index=by_pair.index, dtype="str").groupby(level=key).agg("+".join)
    result["millesimes"] = listed.reindex(pd.MultiIndex.from_frame(result[key])).to_numpy()
    result["flags"] = ["+".join(filter(None, ("mixed_millesimes", flags))) for flags in result["flags"]]
    return result.drop(columns=[name for name, _ in kind.shares])


def _summed(grid: pd.DataFrame, key: list[str], kind: Kind) -> pd.DataFrame:
    grid = grid.assign(_known=grid[kind.known].notna(), _extent=_extents(grid))
    with_data = grid[grid["_known"]]
    result = grid.groupby(key)["_known"].agg(communes="size", communes_with_data="sum")
    areas = sum_hectares(with_data, key, [*summed_columns(kind.schema), "surface_ha"])
    extents = sum_hectares(grid, key, ["_extent"])["_extent"]
    result = result.join(areas.rename(columns={"surface_ha": "measured_ha"})).assign(surface_ha=extents)
    people = grid["population"].groupby([grid[name] for name in key])
    result["population"] = people.sum().astype("Int64").mask(people.apply(lambda column: column.isna().any()))
    for name, area in kind.shares:
        result[name] = 100 * result[area] / result["measured_ha"]
    default = (with_data["usage_default_pct"] * with_data["surface_ha"]).groupby([with_data[name] for name in key])
    result["usage_default_pct"] = default.agg(lambda column: column.sum(skipna=False)) / result["measured_ha"]
    covered = with_data.assign(_covered=with_data["coverage_pct"] / 100 * with_data["_extent"])
    covered_ha = sum_hectares(covered, key, ["_covered"])["_covered"].reindex(result.index)
    covered_ha = covered_ha.where(result["communes_with_data"] > 0, 0.0)
    # pixels that straddle an outline can sum to slightly more than it
    result["coverage_pct"] = (100 * covered_ha / result["surface_ha"]).clip(upper=100)
    result["coverage_status"] = [
        _status(row.communes, row.communes_with_data, row.coverage_pct) for row in result.itertuples()
    ]
    result = result.join(with_data[["model", "rules_version"]].groupby([with_data[name] for name in key]).agg(_joined))
    said = grid[grid["flags"].notna()]
    result = result.join(said["flags"].groupby([said[name] for name in key]).agg(_joined))
    result[["model", "rules_version", "flags"]] = result[["model", "rules_version", "flags"]].fillna("")
    result["flags"] = [_flags(row) for row in result.itertuples()]
    summed: pd.DataFrame = result.reset_index()
    return summed


def _extents(grid: pd.DataFrame) -> pd.Series:
    extent = grid["extent_ha"].astype("float64")
    if "outline_ha" in grid.columns:
        extent = extent.fillna(grid["outline_ha"])
    return extent.fillna(grid["surface_ha"])


def _status(communes: int, with_data: int, coverage_pct: float) -> str:
    if with_data == 0:
        return "no_data"
    if np.isnan(coverage_pct):
        return "unknown" if with_data == communes else "incomplete"
    return "complete" if coverage_pct >= COMPLETE_PCT else "incomplete"


def _joined(texts: pd.Series) -> str:
    """Return the different parts of texts that are joined by ``+``, in order."""
    return "+".join(sorted({part for text in texts for part in str(text).split("+") if part}))


def _flags(row: tuple[object, ...]) -> str:
    status, flags = str(getattr(row, "coverage_status", "")), str(getattr(row, "flags", ""))
    own = [] if status == "complete" else ["coverage_unknown" if status == "unknown" else status]
    own += [f"mixed_{name}" for name, text in _several(row)]
    kept = [flag for flag in flags.split("+") if flag and not flag.startswith(_OF_ONE_COMMUNE)]
    return "+".join(dict.fromkeys((*own, *kept)))


def _several(row: tuple[object, ...]) -> list[tuple[str, str]]:
    texts = {"models": str(getattr(row, "model", "")), "rules": str(getattr(row, "rules_version", ""))}
    return [(name, text) for name, text in texts.items() if "+" in text]
