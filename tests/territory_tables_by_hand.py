"""Small STOCK, FLOW and MEMBERSHIP tables whose sums can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ocsge.tables import FLOW, STOCK, Schema

KINDS = {"text": "str", "int64": "int64", "float64": "float64"}


def table(schema: Schema, rows: list[dict[str, object]]) -> pd.DataFrame:
    """Return a table of a schema; what a row does not say is null, 0 for an area that it leaves out."""
    filled = []
    for row in rows:
        known = row.get("stock_ha", row.get("net_ha")) is not None
        line: dict[str, object] = {}
        for name, column in schema.columns.items():
            default: object = "" if column.dtype == "text" and not column.nullable else None
            if column.dtype == "float64" and known:
                default = 100.0 if name == "coverage_pct" else 0.0
            line[name] = row.get(name, default)
        filled.append(line)
    wanted = {
        name: "Int64" if column.dtype == "int64" and column.nullable else KINDS[column.dtype]
        for name, column in schema.columns.items()
    }
    return pd.DataFrame(filled, columns=list(schema.columns)).astype(wanted)


def stock_row(code: str, millesime: int, stock_ha: float | None, *, surface_ha: float = 100.0, **more: object) -> dict:  # type: ignore[type-arg]
    """Return one commune at one millésime; ``stock_ha`` None is a commune without data."""
    known = stock_ha is not None
    row: dict[str, object] = {
        "commune_code": code,
        "millesime": millesime,
        "source": "derived",
        "stock_ha": stock_ha,
        "surface_ha": surface_ha if known else None,
        "outline_ha": surface_ha,
        "flags": "" if known else "no_data",
    }
    return {**row, **more}


def flow_row(code: str, pair: tuple[int, int], stocks: tuple[float, float] | None, **more: object) -> dict:  # type: ignore[type-arg]
    """Return one commune of 100 ha over one pair; its gain is the net when that is positive, its loss otherwise."""
    row: dict[str, object] = {
        "commune_code": code,
        "millesime_1": pair[0],
        "millesime_2": pair[1],
        "source": "derived",
        "net_ha": None,
        "flags": "" if stocks else "no_data",
    }
    if stocks:
        net = stocks[1] - stocks[0]
        row |= {"surface_ha": 100.0, "stock_1_ha": stocks[0], "stock_2_ha": stocks[1], "net_ha": net}
        row |= {"gain_ha": max(net, 0.0), "loss_ha": max(-net, 0.0), "net_ha_an": net / (pair[1] - pair[0])}
    return {**row, **more}


def stocks(*rows: dict[str, object]) -> pd.DataFrame:
    return table(STOCK, list(rows))


def flows(*rows: dict[str, object]) -> pd.DataFrame:
    return table(FLOW, list(rows))


def members(epci: dict[str, str | None], *, surface_ha: float | None = 100.0) -> pd.DataFrame:
    """Return a membership of COG 2024: EPCI by commune, all of département 12."""
    return pd.DataFrame(
        {
            "commune_code": pd.Series(list(epci), dtype="str"),
            "cog_year": pd.array([2024] * len(epci), dtype="Int64"),
            "surface_ha": np.full(len(epci), np.nan if surface_ha is None else surface_ha),
            "epci_siren": pd.Series(list(epci.values()), dtype="str"),
            "departement_code": pd.Series(["12"] * len(epci), dtype="str"),
        }
    )
