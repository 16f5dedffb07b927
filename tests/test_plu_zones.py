"""Artificialised land by zone of a local plan: drawn areas, cut to the commune."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pytest
import shapely

from ocsge.errors import CatalogError, CrsError, DataError
from ocsge.plu_zones import read_plu_zones, sum_plu_zones

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

X, Y = 664_000.0, 6_360_000.0
"""South-west corner of a commune of 400 m × 100 m, Lambert 93."""


def ground(xmin: float, xmax: float, ymin: float = 0, ymax: float = 100) -> shapely.Polygon:
    return shapely.box(X + xmin, Y + ymin, X + xmax, Y + ymax)


def commune() -> gpd.GeoDataFrame:
    """One hectare built, one of lawn in residential use, two of fields."""
    return gpd.GeoDataFrame(
        {
            "commune_code": ["12174"] * 3,
            "millesime": [2022] * 3,
            "artif": [True, True, False],
            "impermeable": [True, False, False],
        },
        geometry=[ground(0, 100), ground(100, 200), ground(200, 400)],
        crs=2154,
    )


def plan(*rows: tuple[str | None, shapely.Polygon]) -> gpd.GeoDataFrame:
    zones = gpd.GeoDataFrame({"typezone": [t for t, _ in rows]}, geometry=[g for _, g in rows], crs=2154)
    return zones.astype({"typezone": "str"})


def measured(zones: gpd.GeoDataFrame) -> list[tuple[str | None, bool, float, float, float]]:
    table = sum_plu_zones(commune(), zones)
    return [
        (
            row.typezone if isinstance(row.typezone, str) else None,
            row.in_plu,
            *(round(value, 9) for value in (row.zone_ha, row.artif_ha, row.impermeable_ha)),
        )
        for row in table.itertuples()
    ]


def test_each_type_of_zone_has_its_area_and_the_rest_is_outside() -> None:
    zones = plan(("U", ground(0, 150)), ("A", ground(150, 300)))
    assert measured(zones) == [
        ("A", True, 1.5, 0.5, 0.0),
        ("U", True, 1.5, 1.5, 1.0),
        (None, False, 1.0, 0.0, 0.0),
    ]
    assert sum_plu_zones(commune(), zones)["part_pct"].round(2).tolist() == [33.33, 100.0, 0.0]


def test_zones_beyond_the_commune_are_cut_at_it() -> None:
    zones = plan(("N", ground(-5000, 5000, -5000, 5000)), ("U", ground(900, 1000)))
    assert measured(zones) == [("N", True, 4.0, 2.0, 1.0), (None, False, 0.0, 0.0, 0.0)]


def test_overlapping_zones_of_one_type_count_once() -> None:
    zones = plan(("U", ground(0, 150)), ("U", ground(100, 200)))
    assert measured(zones)[0] == ("U", True, 2.0, 2.0, 1.0)
    assert set(sum_plu_zones(commune(), zones)["flags"]) == {""}


def test_ground_in_zones_of_two_types_counts_in_each_and_is_flagged() -> None:
    zones = plan(("U", ground(0, 200)), ("A", ground(100, 400)))
    table = sum_plu_zones(commune(), zones)
    assert table["zone_ha"].round(9).tolist() == [3.0, 2.0, 0.0]
    assert set(table["flags"]) == {"overlap"}


def test_a_zone_of_unknown_type_is_null_and_not_outside() -> None:
    zones = plan((None, ground(0, 100)), ("U", ground(100, 200)))
    assert measured(zones) == [
        ("U", True, 1.0, 1.0, 0.0),
        (None, True, 1.0, 1.0, 1.0),
        (None, False, 2.0, 0.0, 0.0),
    ]


def test_without_any_zone_everything_is_outside() -> None:
    assert measured(plan()) == [(None, False, 4.0, 2.0, 1.0)]


@pytest.mark.parametrize("seed", range(3))
def test_the_parts_of_a_plan_without_overlap_sum_to_the_drawn_commune(seed: int) -> None:
    random = np.random.default_rng(seed)
    cuts = np.sort(random.uniform(0, 400, 5))
    zones = plan(*zip(("U", "AUc", "A", "N"), [ground(a, b) for a, b in pairwise(cuts)], strict=True))
    table = sum_plu_zones(commune(), zones)
    assert table["zone_ha"].sum() == pytest.approx(4.0, abs=1e-9)
    assert table["artif_ha"].sum() == pytest.approx(2.0, abs=1e-9)


def write_cnig(path: Path, types: Sequence[str], crs: int = 4326) -> Path:
    """Write a ZONE_URBA file as the Géoportail de l'urbanisme does: degrees, upper-case fields."""
    width = 400 / len(types)
    boxes = [ground(place * width, (place + 1) * width) for place in range(len(types))]
    frame = gpd.GeoDataFrame({"LIBELLE": types, "TYPEZONE": types}, geometry=boxes, crs=2154)
    frame.to_crs(crs).to_file(path)
    return path


def test_a_cnig_file_in_degrees_is_read_in_the_projected_crs_with_current_letters(tmp_path: Path) -> None:
    path = write_cnig(tmp_path / "12174_ZONE_URBA_20220101.shp", ["U", "Ah", "Nh", "Nd", "99", "AUc", "AUs", "N"])
    zones = read_plu_zones(path, commune_code="12174").frame
    assert zones.crs.to_epsg() == 2154
    assert [t if isinstance(t, str) else None for t in zones["typezone"]] == [
        "U",
        "A",
        "N",
        "N",
        None,
        "AUc",
        "AUs",
        "N",
    ]
    table = sum_plu_zones(commune(), zones).set_index("typezone")
    assert table.loc["N", "zone_ha"] == pytest.approx(1.5, abs=1e-5)
    assert table.loc["U", "artif_ha"] == pytest.approx(0.5, abs=1e-5)


def test_a_file_that_is_no_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no such file"):
        read_plu_zones(tmp_path / "nothing.shp", commune_code="12174")


def test_zones_in_degrees_are_not_measured() -> None:
    with pytest.raises(CrsError, match="polygons are in EPSG:2154, zones in EPSG:4326"):
        sum_plu_zones(commune(), plan(("U", ground(0, 100))).to_crs(4326))
    with pytest.raises(CrsError, match="no projected CRS"):
        sum_plu_zones(commune().to_crs(4326), plan())


def test_polygons_of_two_communes_are_refused() -> None:
    two = commune().assign(commune_code=["12174", "12174", "12202"])
    with pytest.raises(DataError, match="polygons of 2 communes"):
        sum_plu_zones(two, plan())
