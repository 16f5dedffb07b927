"""Repairs keep what the drawing meant, and say what they changed."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from layer_fixtures import bow_tie, square

from ocsge.errors import GeometryError, LayerError
from ocsge.geometry_repair import Repaired, polygonal, repair


def repaired(*geometries: shapely.Geometry, kind: str = "polygon", invalid: str = "repair") -> Repaired:
    array = np.array(geometries, dtype=object)
    names = np.array([f"object {number}" for number in range(len(array))], dtype=object)
    return repair(array, kind=kind, invalid=invalid, where="file.gpkg layer batiment", names=names)  # type: ignore[arg-type]


def test_a_bow_tie_keeps_both_wings() -> None:
    result = repaired(bow_tie())
    assert shapely.area(result.geometries[0]) == pytest.approx(50.0)
    assert result.repaired == 1
    assert result.area_change_m2 == pytest.approx(50.0)


def test_a_valid_polygon_is_left_as_it_is() -> None:
    result = repaired(square())
    assert result.geometries[0].equals_exact(square())
    assert (result.repaired, result.area_change_m2, result.other_kind) == (0, 0.0, 0)


def test_stop_names_the_file_the_layer_and_the_feature() -> None:
    with pytest.raises(
        GeometryError, match=r"file\.gpkg layer batiment feature object 1: Self-intersection.*2 invalid"
    ):
        repaired(square(), bow_tie(), bow_tie(), invalid="stop")


def test_heights_are_dropped() -> None:
    result = repaired(shapely.force_3d(square(), 600.0))
    assert not shapely.has_z(result.geometries[0])


def test_a_spike_without_area_is_removed() -> None:
    x, y = square().bounds[:2]
    spiked = shapely.Polygon([(x, y), (x + 10, y), (x + 10, y + 10), (x + 10, y + 30), (x + 10, y + 10), (x, y + 10)])
    result = repaired(spiked)
    assert shapely.area(result.geometries[0]) == pytest.approx(100.0)
    assert shapely.bounds(result.geometries[0])[3] == pytest.approx(y + 10)


def test_a_polygon_collapsed_to_a_line_leaves_nothing() -> None:
    x, y = square().bounds[:2]
    result = repaired(square(), shapely.Polygon([(x, y), (x + 10, y), (x, y)]))
    assert result.repaired == 1
    assert shapely.is_missing(result.geometries[1]) or shapely.is_empty(result.geometries[1])


def test_a_collection_keeps_its_parts_of_the_kind_asked_for() -> None:
    collection = shapely.GeometryCollection([square(), shapely.Point(0, 0), square(20)])
    result = repaired(collection)
    assert result.geometries[0].geom_type == "MultiPolygon"
    assert shapely.area(result.geometries[0]) == pytest.approx(200.0)
    assert result.other_kind == 0


def test_a_point_among_polygons_is_dropped_and_counted() -> None:
    result = repaired(square(), shapely.Point(1, 2))
    assert result.other_kind == 1
    assert result.geometries[1] is None


def test_a_layer_of_lines_where_polygons_are_expected_is_refused() -> None:
    with pytest.raises(LayerError, match="LineString geometries where polygons are expected"):
        repaired(shapely.LineString([(0, 0), (1, 1)]))


def test_lines_stay_lines() -> None:
    line = shapely.LineString([(0, 0), (1, 1), (2, 0)])
    assert repaired(line, kind="line").geometries[0].equals(line)


def test_no_geometry_is_no_work() -> None:
    result = repaired()
    assert len(result.geometries) == 0
    assert result.repaired == 0


def test_the_lines_and_points_of_a_cut_go_and_polygons_stay_as_they_are() -> None:
    line, point, two = shapely.LineString([(0, 0), (1, 1)]), shapely.Point(0, 0), shapely.MultiPolygon([square()])
    cuts = np.array([square(), two, shapely.GeometryCollection([square(), line, point]), line], dtype=object)
    found = polygonal(cuts)
    assert found[0] is cuts[0]
    assert found[1] is cuts[1]
    assert found[2].equals(square())
    assert shapely.is_empty(found[3])
    assert cuts[3] is line, "what was given is not changed"
