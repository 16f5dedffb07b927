"""Carry the figures of former communes to the communes they became, COG after COG.

A merge adds the figures of the former communes, as territories do. A split divides them by the shares of its table;
without shares they are null, for a figure in hectares says nothing of where in the commune it lies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ocsge.commune_sums import Kind, kind_of, sum_communes
from ocsge.csv_tables import commune_codes, typed_table
from ocsge.errors import DataError
from ocsge.tables import require
from ocsge.territory_tables import MOVEMENTS, summed_columns

if TYPE_CHECKING:
    from collections.abc import Iterable

WHERE = "movements of communes"
SHARE_GAP = 1e-6
_IDENTITY = ("nom", "epci_siren", "departement_code", "region_code")


def movements(cells: pd.DataFrame, *, where: str = "movements") -> pd.DataFrame:
    """Return the movements of communes from a table of text cells.

    Parameters
    ----------
    cells
        Columns of ``MOVEMENTS``: ``cog_year``, ``commune_before``, ``commune_after``, and ``share`` and
        ``nom_after`` if known.
    where
        Name of the file, for messages.

    Raises
    ------
    DataError
        When a column cannot be read, a movement stands twice, or the shares of a split are not a whole.
    """
    table = typed_table(cells, MOVEMENTS, where=where)
    for name in ("commune_before", "commune_after"):
        table[name] = commune_codes(table[name], where=where)
    if "share" not in table.columns:
        table["share"] = float("nan")
    if table.duplicated(["cog_year", "commune_before", "commune_after"]).any():
        raise DataError(f"{where}: a movement stands twice; keep one row a former commune, new commune and COG")
    for (year, code), shares in table.groupby(["cog_year", "commune_before"])["share"]:
        if shares.isna().any():
            continue
        if (shares < 0).any() or abs(shares.sum() - 1) > SHARE_GAP:
            raise DataError(f"{where}: the shares of commune {code} at COG {year} sum to {shares.sum():g}, not 1")
    return table


def follow_movements(table: pd.DataFrame, movements: pd.DataFrame, *, cog_year: int) -> pd.DataFrame:
    """Return a table of communes in the codes of a COG: figures of former communes stand under the new ones.

    Parameters
    ----------
    table
        ``STOCK`` or ``FLOW``. A row is in the codes of its ``cog_year``; where it is null the row is taken as
        older than every movement of its commune.
    movements
        Table ``MOVEMENTS``; those after ``cog_year`` are not applied.
    cog_year
        COG to come to.

    Returns
    -------
    pandas.DataFrame
        The same table, by commune, source and millésimes. A merged commune has the sum of those that have data
        at the same millésimes, and the coverage that leaves; flags ``merged``, ``split`` (null figures) or
        ``split_by_share`` say what was done.

    Raises
    ------
    DataError
        When a row is of a later COG, or a commune that was split says of no COG.
    """
    require(movements, MOVEMENTS, where=WHERE)
    kind = kind_of(table, where=WHERE)
    later = table[(table["cog_year"] > cog_year).fillna(value=False).astype(bool)]
    if len(later):
        first = later.iloc[0]
        raise DataError(
            f"{WHERE}: commune {first['commune_code']} is of COG {first['cog_year']}, after {cog_year}; "
            "movements are followed forwards only"
        )
    current = table
    for year in sorted(int(found) for found in movements["cog_year"].unique() if found <= cog_year):
        current = _one_year(current, movements[movements["cog_year"] == year], year, kind)
    current = current.assign(cog_year=pd.array([cog_year] * len(current), dtype="Int64"))
    return current.sort_values(["commune_code", "source", *kind.years], ignore_index=True)


def _one_year(table: pd.DataFrame, moves: pd.DataFrame, year: int, kind: Kind) -> pd.DataFrame:
    """Return the table after the movements of one COG."""
    touched = set(moves["commune_before"]) | set(moves["commune_after"])
    older = (table["cog_year"].isna() | (table["cog_year"] < year)).fillna(value=True).astype(bool)
    concerned = table[older & table["commune_code"].isin(touched)]
    if concerned.empty:
        return table
    arrows = moves[["commune_before", "commune_after", "share"]]
    staying = sorted(set(concerned["commune_code"]) - set(arrows["commune_before"]))
    stays = pd.DataFrame({"commune_before": staying, "commune_after": staying, "share": 1.0})
    arrows = pd.concat([arrows, stays]) if staying else arrows
    _refuse_undated_splits(concerned, arrows)
    sums = sum_communes(*_divided(concerned, arrows), kind)
    names = pd.Series(dtype="str")
    if "nom_after" in moves.columns:
        names = moves.dropna(subset=["nom_after"]).groupby("commune_after")["nom_after"].first()
    moved = _as_communes(sums, concerned, kind, year, names)
    rest = table.drop(index=concerned.index)
    return pd.concat([moved, rest], ignore_index=True).astype(table.dtypes.to_dict()) if len(rest) else moved


def _refuse_undated_splits(concerned: pd.DataFrame, arrows: pd.DataFrame) -> None:
    split = arrows["commune_before"][arrows["commune_before"].duplicated()]
    undated = concerned[concerned["cog_year"].isna() & concerned["commune_code"].isin(split)]
    if len(undated):
        raise DataError(
            f"{WHERE}: commune {undated['commune_code'].iloc[0]} was split and its row has no cog_year: before or "
            "after? fill cog_year in"
        )


def _divided(concerned: pd.DataFrame, arrows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of former communes, one a commune they went to under a code of its own, and these members."""
    several = arrows["commune_before"].duplicated(keep=False)
    arrows = arrows.assign(
        several=several,
        part=arrows["commune_before"] + ">" + arrows["commune_after"],
        share=arrows["share"].where(several, 1.0),
    )
    rows = concerned.merge(arrows, left_on="commune_code", right_on="commune_before")
    areas = [name for name in rows.columns if name.endswith(("_ha", "_ha_an"))]
    rows[areas] = rows[areas].mul(rows["share"], axis=0)
    rows["population"] = rows["population"].mask(rows["several"])
    unknown = rows["share"].isna()
    rows.loc[unknown, [name for name in rows.columns if name.endswith("_pct")]] = float("nan")
    cut = rows["several"].map({True: "split_by_share", False: ""}).mask(unknown, "split")
    rows["flags"] = _joined(rows["flags"], cut)
    rows["commune_code"] = rows["part"]
    members = pd.DataFrame(
        {"group": arrows["commune_after"], "commune_code": arrows["part"], "extent_ha": float("nan")}
    )
    return rows[concerned.columns], members


def _as_communes(sums: pd.DataFrame, concerned: pd.DataFrame, kind: Kind, year: int, names: pd.Series) -> pd.DataFrame:
    """Return sums as rows of communes: those of one former commune keep what is said of it."""
    known = concerned.drop_duplicates("commune_code", keep="last").set_index("commune_code")
    result = sums.rename(columns={"group": "commune_code"})
    for name in _IDENTITY:
        result[name] = result["commune_code"].map(known[name])
    result["nom"] = result["commune_code"].map(names).astype("str").fillna(result["nom"])
    if "net_ha_an" in kind.schema.columns:
        result["net_ha_an"] = result["net_ha"] / (result["millesime_2"] - result["millesime_1"]).astype("float64")
    if "outline_ha" in kind.schema.columns:
        result["outline_ha"] = result["surface_ha"]
    result["surface_ha"] = result["measured_ha"]
    result["cog_year"] = pd.array([year] * len(result), dtype="Int64")
    merged = ["merged" if count > 1 else "" for count in result["communes"]]
    result["flags"] = _joined(result["flags"], merged)
    empty = result["communes_with_data"] == 0
    result.loc[empty, [*summed_columns(kind.schema), "coverage_pct"]] = float("nan")
    return result.reindex(columns=list(concerned.columns)).astype(concerned.dtypes.to_dict())


def _joined(flags: Iterable[str], more: Iterable[str]) -> list[str]:
    return ["+".join(filter(None, pair)) for pair in zip(flags, more, strict=True)]
