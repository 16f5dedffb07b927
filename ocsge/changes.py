"""Cross two states of a territory into one coverage that carries both, piece by piece.

Both states partition the same pixels, so every piece of the coverage lies in one polygon of each, and the areas are
those of whole pixels: what is gained less what is lost is the difference of the stocks, to the pixel. No overlay of
drawn polygons takes place, hence no sliver.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd

from ocsge.drawing import draw
from ocsge.errors import OcsgeError
from ocsge.regions.anchor import crossed
from ocsge.regions.labels import label_runs
from ocsge.regions.runs import Runs
from ocsge.tables import ARTIFICIALISED, CHANGES, require

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ocsge.domain import Domain
    from ocsge.regions.pieces import Pieces
    from ocsge.rules import Rules

WHERE = "changes"
NONE, GAIN, LOSS = "none", "gain", "loss"
_CARRIED = ("code_cs", "code_us", "artif", "impermeable", "decree_category", "reason")


@dataclass(frozen=True, slots=True)
class State:
    """A state of a domain at a millésime."""

    millesime: int
    """Year described."""

    pieces: Pieces
    """Where each polygon lies: the label of a run is the row of its polygon."""

    polygons: pd.DataFrame
    """Table ``ARTIFICIALISED`` of the whole domain, context included."""


def change_coverage(first: State, second: State, *, domain: Domain, rules: Rules) -> gpd.GeoDataFrame:
    """Return the coverage of the territory that carries two millésimes.

    Does not say what caused a change: it tells of the ground as both states describe it.

    Parameters
    ----------
    first, second
        States of one domain; the second is anchored to the first, else noise along every border counts as change.
    domain
        Grid and territory.
    rules
        Give the tolerance of drawing.

    Returns
    -------
    GeoDataFrame
        Table ``CHANGES``: one row a connected piece of one pair of polygons, in the row order of first pixels; areas
        in pixels and m²; ``change`` is ``gain`` where land became artificialised, ``loss`` where it ceased to be,
        ``none`` elsewhere, even where its cover or usage changed.

    Raises
    ------
    OcsgeError
        When gain less loss is not the difference of the stocks, commune by commune, to the pixel.
    """
    for state in (first, second):
        require(state.polygons, ARTIFICIALISED, where=WHERE)
    row_ptr, start, before, after = crossed(first.pieces.labelled, second.pieces.labelled)
    row_1, row_2 = before.view(np.int32), after.view(np.int32)
    known = (row_1 >= 0) & (row_2 >= 0)
    pair = np.where(known, row_1.astype(np.int64) * len(second.polygons) + row_2, -1)
    width = first.pieces.runs.width
    label, count = label_runs(row_ptr, start, pair, width, -1)
    run = _first_runs(label, count)
    rows = {1: row_1[run], 2: row_2[run]}
    wanted = first.polygons["in_territory"].to_numpy(np.bool_)[rows[1]]
    runs = Runs(row_ptr=row_ptr, start=start, value=label.view(np.uint32), width=width)
    geometry = draw(runs, label, wanted=wanted, domain=domain, rules=rules)
    table = _table(first, second, rows, _areas(runs, label, count), domain=domain)
    coverage = gpd.GeoDataFrame(table, geometry=geometry, crs=domain.grid.epsg)[wanted].reset_index(drop=True)
    require(coverage, CHANGES, where=WHERE)
    check_conservation(first, second, coverage)
    return coverage


def check_conservation(first: State, second: State, coverage: pd.DataFrame) -> None:
    """Check that gain − loss = stock₂ − stock₁ in each commune, to the pixel.

    Raises
    ------
    OcsgeError
        When it is not so: a bug, never to be published.
    """
    signed = coverage["area_px"] * coverage["change"].map({GAIN: 1, LOSS: -1, NONE: 0})
    net = signed.groupby(coverage["commune_code"]).sum()
    stocks = [_stock_px(state).reindex(net.index, fill_value=0) for state in (first, second)]
    wrong = net.index[net != stocks[1] - stocks[0]]
    if len(wrong):
        code = wrong[0]
        raise OcsgeError(
            f"{WHERE}: commune {code}: gain less loss is {net[code]} pixels, the stocks differ by "
            f"{stocks[1][code] - stocks[0][code]} ({len(wrong)} communes in all); please report it with the data"
        )


def _stock_px(state: State) -> pd.Series:
    polygons = state.polygons[state.polygons["in_territory"] & state.polygons["artif"]]
    total: pd.Series = polygons.groupby("commune_code")["area_px"].sum()
    return total


def _first_runs(label: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return the first run of each label."""
    first = np.empty(count + 1, dtype=np.int64)  # label −1 writes the last entry
    first[label[::-1]] = np.arange(len(label))[::-1]
    return first[:count]


def _areas(runs: Runs, label: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return the pixels of each label."""
    stop = np.append(runs.start[1:], runs.width)
    stop[runs.row_ptr[1:] - 1] = runs.width
    inside = label >= 0
    return np.bincount(label[inside], weights=(stop - runs.start)[inside], minlength=count).astype(np.int64)


def _table(
    first: State, second: State, rows: dict[int, NDArray[np.int32]], area_px: NDArray[np.int64], *, domain: Domain
) -> pd.DataFrame:
    states = {1: first, 2: second}
    columns: dict[str, object] = {"commune_code": first.polygons["commune_code"].to_numpy()[rows[1]]}
    columns |= {f"millesime_{k}": np.full(len(area_px), state.millesime, np.int64) for k, state in states.items()}
    for name in _CARRIED:
        columns |= {f"{name}_{k}": state.polygons[name].to_numpy()[rows[k]] for k, state in states.items()}
    artif_1, artif_2 = (np.asarray(columns[f"artif_{k}"], dtype=np.bool_) for k in states)
    columns["change"] = np.select([artif_2 & ~artif_1, artif_1 & ~artif_2], [GAIN, LOSS], default=NONE)
    columns["area_px"] = area_px
    columns["area_m2"] = domain.grid.area_m2(area_px)
    table = pd.DataFrame(columns)
    texts = [name for name in CHANGES.columns if name in table and CHANGES.columns[name].dtype == "text"]
    return table[[name for name in CHANGES.columns if name in table]].astype(dict.fromkeys(texts, "str"))
