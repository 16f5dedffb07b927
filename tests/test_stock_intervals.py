"""The interval of a commune's stock: classes under its polygons, state by state, and reasons when there is none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from small_commune import BUILT, GRASS, box, write_raster

from ocsge.errors import DataError
from ocsge.grid import Grid
from ocsge.products.class_probability import probability_levels
from ocsge.products.confusion import Confusion, Level
from ocsge.products.cosia import place_tiles
from ocsge.rules import load_rules
from ocsge.stock_intervals import stock_intervals

if TYPE_CHECKING:
    from pathlib import Path

GRID = Grid(epsg=2154, pixels_per_m=1)
RULES = load_rules()
NUMBERING = "cosia_vector_numero"
MATRIX = Confusion(NUMBERING, (GRASS, BUILT), np.array([[90, 10], [0, 100]]), "a test")
"""A tenth of what is mapped grass is built."""


@pytest.fixture
def tiles(tmp_path: Path) -> list[Any]:
    """Grass west of 100 m, built ground east of it."""
    values = np.full((200, 200), GRASS, np.uint8)
    values[:, 100:] = BUILT
    return place_tiles([write_raster(tmp_path / "a.tif", values)], grid=GRID)


def polygons() -> gpd.GeoDataFrame:
    """Two communes, north and south; in the north the grass is artificialised too, in the south it is not."""
    return gpd.GeoDataFrame(
        {
            "commune_code": ["12001", "12001", "12002", "12002", "12003"],
            "artif": [True, True, False, True, True],
            "in_territory": [True, True, True, True, False],
        },
        geometry=[
            box(0, 100, 100, 200),
            box(100, 100, 200, 200),
            box(0, 0, 100, 100),
            box(100, 0, 200, 100),
            box(0, 0, 10, 10),
        ],
        crs=2154,
    )


def intervals(raster: list[Any], **changes: Any) -> pd.DataFrame:
    asked = {"tiles": raster, "grid": GRID, "rules": RULES, "numbering": NUMBERING, "confusion": MATRIX, **changes}
    return stock_intervals(asked.pop("polygons", polygons()), **asked).set_index("commune_code")


def test_a_confusion_costs_the_stock_only_where_it_changes_the_state(tiles: list[Any]) -> None:
    found = intervals(tiles)
    assert list(found.index) == ["12001", "12002"]
    assert found.loc["12001", ["stock_adjusted_ha", "ci95_ha"]].tolist() == [2.0, 0.0]
    # 1 ha of built ground, and a tenth of 1 ha of grass that is built
    assert found.loc["12002", "stock_adjusted_ha"] == pytest.approx(1.1)
    assert found.loc["12002", "ci95_ha"] == pytest.approx(1.96 * (0.1 * 0.9 / 99) ** 0.5)
    assert set(found["no_interval"]) == {""}


def test_the_interval_does_not_depend_on_threads_or_on_the_order_of_polygons(tiles: list[Any]) -> None:
    turned = intervals(tiles, threads=2, polygons=polygons().iloc[::-1])
    pd.testing.assert_frame_equal(turned, intervals(tiles))


def test_published_polygons_which_are_all_of_the_territory_give_the_same(tiles: list[Any]) -> None:
    published = polygons().query("in_territory").drop(columns="in_territory")
    pd.testing.assert_frame_equal(intervals(tiles, polygons=published), intervals(tiles))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"confusion": None}, "no confusion matrix"),
        ({"tiles": []}, "no class raster"),
        ({"numbering": None}, "no class raster"),
    ],
)
def test_without_matrix_or_raster_each_commune_says_why_it_has_no_interval(
    tiles: list[Any], changes: dict[str, Any], reason: str
) -> None:
    found = intervals(tiles, **changes)
    assert found["no_interval"].tolist() == [reason, reason]
    assert found["ci95_ha"].isna().all()


def test_polygons_without_geometry_are_refused(tiles: list[Any]) -> None:
    bare = polygons()
    bare.loc[0, "geometry"] = None
    with pytest.raises(DataError, match="polygons without geometry"):
        intervals(tiles, polygons=bare)


def test_each_commune_is_adjusted_by_the_probability_of_its_own_ground(tmp_path: Path) -> None:
    values = np.full((200, 200), GRASS, np.uint8)
    values[:, 100:] = BUILT
    probability = np.full((200, 200), 250, np.uint8)
    probability[100:] = 100  # the model was unsure of the south
    for kind, pixels in (("classes", values), ("probability", probability)):
        (tmp_path / kind).mkdir()
        write_raster(tmp_path / kind / "a.tif", pixels)
    tiles = place_tiles([tmp_path / "classes" / "a.tif"], grid=GRID)
    unsure, sure = Level(GRASS, 0, np.array([40, 10])), Level(GRASS, 200, np.array([50, 0]))
    told = replace(MATRIX, levels=(unsure, sure))
    levels, _ = probability_levels(tiles, told, grid=GRID, window=tiles[0].window)
    none_artif = polygons().assign(artif=[False, True, False, True, True])
    found = intervals(tiles, polygons=none_artif, confusion=told, levels=levels)
    # north and south: 1 ha of built ground, 1 ha of grass; a fifth of the unsure grass is built, of the sure none
    assert found["stock_adjusted_ha"].tolist() == pytest.approx([1.0, 1.2])
    assert found["ci95_ha"].tolist() == pytest.approx([0.0, 1.96 * (0.2 * 0.8 / 49) ** 0.5])
    # told by class, both have the tenth of all grass
    assert intervals(tiles, polygons=none_artif, confusion=told)["stock_adjusted_ha"].tolist() == pytest.approx(
        [1.1, 1.1]
    )
