"""Give each commune its stock adjusted for the errors of the class raster, with the 95 % interval, hectares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ocsge.class_areas import ClassCounts, count_classes
from ocsge.errors import DataError
from ocsge.tables import M2_PER_HECTARE, STOCK_INTERVALS, typed
from ocsge.uncertainty import NO_MATRIX, Estimate, stock_estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    import geopandas as gpd
    from numpy.typing import NDArray

    from ocsge.grid import Grid
    from ocsge.products.class_probability import ProbabilityLevels
    from ocsge.products.confusion import Confusion
    from ocsge.products.cosia import RasterTile
    from ocsge.rules import Rules

WHERE = "stock_intervals"
NO_RASTER = "no class raster"


def stock_intervals(
    polygons: gpd.GeoDataFrame,
    *,
    tiles: Sequence[RasterTile],
    grid: Grid,
    rules: Rules,
    numbering: str | None,
    confusion: Confusion | None,
    levels: ProbabilityLevels | None = None,
    threads: int = 1,
) -> pd.DataFrame:
    """Return the error-adjusted stock of each commune, with its 95 % interval, in hectares.

    The raster is read once more under the polygons: how much of each class became artificialised says what each
    confusion of classes costs the stock.

    Parameters
    ----------
    polygons
        Table ``ARTIFICIALISED`` with its geometry, CRS of the grid; only the rows of the territory count (all
        of them in published polygons, which have lost the column).
    tiles, grid, numbering
        The class raster of the run; no tile and None without one.
    rules
        Give the classes.
    confusion
        Samples of the model that made the raster; None gives no interval.
    levels
        Probability of its classes; None takes the samples of a class together.
    threads
        Threads of this process.

    Returns
    -------
    pandas.DataFrame
        Table ``STOCK_INTERVALS``, one row a commune that has polygons, by code. The interval stands around
        ``stock_adjusted_ha``, not around the stock.

    Raises
    ------
    DataError
        When the polygons have no geometry.
    """
    ours = polygons[polygons["in_territory"].to_numpy(bool)] if "in_territory" in polygons else polygons
    codes = sorted(set(ours["commune_code"].astype(str)))
    if confusion is None or numbering is None or not tiles:
        reason = NO_RASTER if numbering is None or not tiles else NO_MATRIX
        return _table(dict.fromkeys(codes, Estimate(reason=reason)))
    if "geometry" not in ours or ours["geometry"].isna().any():
        raise DataError(f"{WHERE}: polygons without geometry; draw them before asking for the interval of their stock")
    counts = count_classes(
        np.asarray(ours["geometry"].array, dtype=object),
        tiles=tiles,
        grid=grid,
        rules=rules,
        numbering=numbering,
        levels=levels,
        threads=threads,
    )
    # whole pixels are summed, and divided once: the result does not depend on the order of the polygons
    pixels = pd.DataFrame(counts.pixels, index=ours["commune_code"].astype("str").to_numpy())
    artif = ours["artif"].to_numpy(bool)
    every = pixels.groupby(level=0).sum()
    state = pixels[artif].groupby(level=0).sum().reindex(every.index, fill_value=0)
    by_level = _by_level(counts, ours["commune_code"].astype("str").to_numpy(), grid)
    found = {}
    for code in codes:
        whole, part = (grid.area_m2(sums.loc[code].to_numpy()).tolist() for sums in (every, state))
        by_class, artificialised = (dict(zip(counts.numbers, areas, strict=True)) for areas in (whole, part))
        found[code] = stock_estimate(by_class, artificialised, confusion, by_level=by_level.get(code))
    return _table(found)


def _by_level(counts: ClassCounts, commune: NDArray[np.str_], grid: Grid) -> dict[str, dict[int, list[float]]]:
    """Return the area of each class and level in each commune, m²; nothing where levels were not told apart."""
    if counts.levels is None:
        return {}
    codes, place = np.unique(commune, return_inverse=True)
    sums = np.zeros((len(codes), *counts.levels.shape[1:]), dtype=np.int64)
    np.add.at(sums, place, counts.levels)
    areas = grid.area_m2(sums).tolist()
    return {code: dict(zip(counts.numbers, one, strict=True)) for code, one in zip(codes.tolist(), areas, strict=True)}


def _table(found: dict[str, Estimate]) -> pd.DataFrame:
    rows = [(code, one.adjusted, one.ci95, one.reason) for code, one in found.items()]
    table = typed(pd.DataFrame(rows, columns=list(STOCK_INTERVALS.columns)), STOCK_INTERVALS, where=WHERE)
    areas = ["stock_adjusted_ha", "ci95_ha"]
    return table.assign(**{name: table[name] / M2_PER_HECTARE for name in areas})
