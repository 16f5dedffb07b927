"""The ground of a layer's features: polygons, and axes by their widths."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from ocsge.footprints import axis_widths_m, footprints
from ocsge.rules import load_rules

RULES = load_rules()


@dataclass(frozen=True)
class Rule:
    geometry_op: str = "polygon"
    width: str | None = None
    minimum_width_m: float | None = None
    minimum_area_m2: float | None = None


ROAD = Rule("axis", width="largeur", minimum_width_m=5.0)
RAIL = Rule("axis", width="voies", minimum_width_m=5.0)
AXIS = shapely.LineString([(0, 0), (100, 0)])


def roads(widths: list[float | None], importances: list[str]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"largeur_de_chaussee": pd.array(widths, dtype="Float64"), "importance": importances},
        geometry=[AXIS] * len(widths),
        crs=2154,
    )


def tracks(numbers: list[int | None]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"nombre_de_voies": pd.array(numbers, dtype="Int64")}, geometry=[AXIS] * len(numbers), crs=2154
    )


def polygons(*boxes: tuple[float, float, float, float]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(geometry=[shapely.box(*b) for b in boxes], crs=2154)


def areas(found: np.ndarray) -> list[float]:
    return np.round(shapely.area(found), 6).tolist()


def test_a_surveyed_width_wins_over_the_usual_one() -> None:
    assert axis_widths_m(roads([8.0], ["5"]), "largeur", RULES).tolist() == [8.0]


def test_a_road_of_unknown_width_has_the_usual_width_of_its_importance() -> None:
    found = axis_widths_m(roads([None] * 5, ["1", "2", "3", "4", "5"]), "largeur", RULES)
    assert found.tolist() == [14, 10, 7, 5.5, 4.5]


def test_a_width_of_zero_is_unknown() -> None:
    assert axis_widths_m(roads([0.0], ["3"]), "largeur", RULES).tolist() == [7.0]


def test_a_road_of_unknown_width_and_importance_has_none() -> None:
    assert axis_widths_m(roads([None], ["6"]), "largeur", RULES).tolist() == [0.0]


def test_rail_has_a_width_for_each_track_and_one_track_when_unknown() -> None:
    assert axis_widths_m(tracks([1, 2, None, 0]), "voies", RULES).tolist() == [5, 10, 5, 5]


def test_a_road_is_a_strip_with_flat_ends() -> None:
    (strip,) = footprints(roads([8.0], ["3"]), ROAD, RULES)
    assert strip.bounds == (0, -4, 100, 4)
    assert strip.area == pytest.approx(800)


def test_a_road_narrower_than_five_metres_is_left_out_and_five_exactly_is_kept() -> None:
    found = footprints(roads([4.9, 5.0, None], ["1", "1", "5"]), ROAD, RULES)
    assert areas(found) == [500]


def test_a_kept_road_is_never_drawn_narrower_than_the_minimum() -> None:
    found = footprints(roads([2.0], ["5"]), Rule("axis", width="largeur"), RULES)
    assert areas(found) == [500]


def test_a_reach_widens_a_strip_on_both_sides_and_keeps_its_ends() -> None:
    (strip,) = footprints(roads([8.0], ["3"]), ROAD, RULES, reach_m=3.0)
    assert strip.bounds == (0, -7, 100, 7)


def test_a_reach_widens_a_polygon_on_every_side() -> None:
    (ground,) = footprints(polygons((0, 0, 10, 10)), Rule(), RULES, reach_m=25.0)
    assert ground.bounds == (-25, -25, 35, 35)
    assert 10 * 10 + 4 * 250 + 0.97 * np.pi * 25**2 < ground.area < 10 * 10 + 4 * 250 + np.pi * 25**2


def test_polygons_are_taken_as_they_are() -> None:
    assert areas(footprints(polygons((0, 0, 10, 10), (5, 0, 8, 1)), Rule(), RULES)) == [100, 3]


def test_the_narrow_parts_of_a_polygon_go_and_the_others_stay_as_they_are() -> None:
    # a wood of 40 m × 40 m with a hedge of 4 m × 60 m on its side
    shape = shapely.union_all([shapely.box(0, 0, 40, 40), shapely.box(40, 10, 100, 14)])
    frame = gpd.GeoDataFrame(geometry=[shape], crs=2154)
    (wood,) = footprints(frame, Rule(minimum_width_m=10.0), RULES)
    assert wood.equals(shapely.box(0, 0, 40, 40))


def test_a_hedge_narrower_than_the_minimum_covers_nothing() -> None:
    assert len(footprints(polygons((0, 0, 100, 9)), Rule(minimum_width_m=10.0), RULES)) == 0


def test_ground_below_the_minimum_area_goes_and_the_minimum_exactly_stays() -> None:
    found = footprints(polygons((0, 0, 10, 20), (0, 0, 10, 19.9)), Rule(minimum_area_m2=200.0), RULES)
    assert areas(found) == [200]


def test_parts_cut_apart_by_the_width_are_measured_one_by_one() -> None:
    # two woods of 40 m and 20 m joined by a strip of 2 m: only the large one reaches 1 000 m²
    shape = shapely.union_all([shapely.box(0, 0, 40, 40), shapely.box(40, 9, 60, 11), shapely.box(60, 0, 80, 20)])
    frame = gpd.GeoDataFrame(geometry=[shape], crs=2154)
    found = footprints(frame, Rule(minimum_width_m=10.0, minimum_area_m2=1000.0), RULES)
    assert areas(found) == [1600]


def test_no_feature_covers_nothing() -> None:
    assert len(footprints(polygons(), Rule(), RULES)) == 0
    assert len(footprints(roads([], []), ROAD, RULES)) == 0
