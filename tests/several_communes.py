"""A workspace of several communes, published by hand, for the pages that compare: figures a person can check.

Five communes of 1 000 ha in a row, 2019 and 2022; stock and people grow from west to east. 12006 has no
flow; 12007 has no data: neither figure nor polygon.
"""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pandas as pd
from territory_tables_by_hand import flow_row, flows, stock_row, stocks

from ocsge.store import Workspace
from ocsge.tables import CHANGE_MATRIX, STOCK_LONG

if TYPE_CHECKING:
    from pathlib import Path

PAIR = (2019, 2022)
SIREN = "200000001"
HOSTILE = '=1+1 <img src=x onerror="alert(1)"> [clic](https://exemple.invalid) :red[x] $x$'
NAMES = {
    "12001": "Ouest",
    "12002": "Deux",
    "12003": HOSTILE,
    "12004": "Quatre",
    "12005": "Est",
    "12006": "Seule",
    "12007": "Vide",
}
STOCKS = {
    "12001": (10.0, 13.0),
    "12002": (20.0, 26.0),
    "12003": (30.0, 33.0),
    "12004": (40.0, 38.5),
    "12005": (50.0, 50.0),
}
ALONE, ALONE_HA = "12006", 80.0
EMPTY = "12007"


def several(folder: Path) -> Path:
    """Publish the communes in ``folder/workspace``; return the folder of the version."""
    workspace = Workspace(folder / "workspace")
    return workspace.publish_version(fill, key="several", carry=lambda _: False)


def fill(folder: Path) -> None:
    tables = {"stock": stock(), "flow": flow(), "stock_long": stock_long(), "change_matrix": change_matrix()}
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    with gzip.open(folder / "communes.geojson.gz", "wt", encoding="utf-8") as stream:
        json.dump(outlines(), stream)


def stock() -> pd.DataFrame:
    rows = []
    for place, code in enumerate(NAMES):
        pairs = zip(PAIR, STOCKS[code], strict=True) if code in STOCKS else [(2022, ALONE_HA)]
        if code == EMPTY:
            rows += [stock_row(code, year, None, nom=NAMES[code], rules_version="abc") for year in PAIR]
            continue
        more = {"nom": NAMES[code], "epci_siren": SIREN, "cog_year": 2024, "population": 100 * (place + 1)}
        rows += [
            stock_row(code, year, area, surface_ha=1000.0, part_pct=area / 10, artif_min_ha=area - 1,
                      artif_max_ha=area + 1, stock_after_exemptions_ha=area, rules_version="abc", **more)
            for year, area in pairs
        ]  # fmt: skip
    return stocks(*rows)


def flow() -> pd.DataFrame:
    rows = [
        flow_row(code, PAIR, pair, nom=NAMES[code], epci_siren=SIREN, cog_year=2024, net_min_ha=0.0, net_max_ha=1.0)
        for code, pair in STOCKS.items()
    ]
    rows.append(flow_row(EMPTY, PAIR, None, nom=NAMES[EMPTY]))
    return flows(*rows).assign(surface_ha=1000.0)


def stock_long() -> pd.DataFrame:
    rows = [(code, 2022, "couverture", "CS1.1.1.1", pair[1], pair[1]) for code, pair in STOCKS.items()]
    return pd.DataFrame(rows, columns=list(STOCK_LONG.columns))


def change_matrix() -> pd.DataFrame:
    rows = [(code, *PAIR, "couverture", "CS2.2.1", "CS1.1.1.1", 3.0, 3.0, 0.0) for code in STOCKS]
    return pd.DataFrame(rows, columns=list(CHANGE_MATRIX.columns))


def outlines() -> dict[str, object]:
    """Return squares of a tenth of a degree in a row; the figures are those of the tables."""
    features = []
    for place, code in enumerate(NAMES):
        west, south = 2.0 + place / 10, 44.0
        ring = [[west, south], [west + 0.1, south], [west + 0.1, south + 0.1], [west, south + 0.1], [west, south]]
        first, last = STOCKS.get(code, (None, None if code == EMPTY else ALONE_HA))
        net = None if first is None or last is None else last - first
        properties = {
            "code": code,
            "nom": code,
            "part": None if last is None else last / 10,
            "stock": last,
            "net": net,
            "t": code,
        }
        properties |= {"net_an": None if net is None else net / 3, "pour_mille": None if net is None else net / 3}
        geometry = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "geometry": geometry, "properties": properties})
    return {"type": "FeatureCollection", "features": features}


def enaf_csv(path: Path, code: str = "12001", *, early_m2: int = 20_000, late_m2: int = 5_000) -> Path:
    """Write Cerema's table of a commune: 2 ha a year over 2011–2020, then 0.5 ha a year over 2021–2023."""
    years = dict.fromkeys(range(2011, 2021), early_m2) | dict.fromkeys(range(2021, 2024), late_m2)
    names = [f"naf{year % 100:02d}art{(year + 1) % 100:02d}" for year in years]
    lines = [";".join(["idcom", "idcomtxt", *names]), ";".join([code, "Ouest", *map(str, years.values())])]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def portal_csv(path: Path, code: str = "12001") -> Path:
    """Write the national export of a commune of 1 000 ha: 9 ha, then 12 ha."""
    header = (
        "commune_code,nom,millesimes_1,pourcent_artif_1,surface_artif_1,millesimes_2,pourcent_artif_2,surface_artif_2,"
        "flux_surface_1_2,flux_percent_1_2,commune_surface"
    )
    path.write_text(f"{header}\n{code},Ouest,2019,0.9,90000,2022,1.2,120000,30000,0.3,10000000\n", encoding="utf-8")
    return path
