"""The rules in the engine's terms: pixels of a grid, small integers, look-up tables."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from ocsge.engine import engine_of
from ocsge.errors import ParameterError
from ocsge.grid import Grid
from ocsge.regions.evidence import COVERS, USAGES
from ocsge.rules import load_rules

RULES = load_rules()
COSIA = engine_of(RULES, Grid(epsg=2154, pixels_per_m=5), numbering="cosia_vector_numero")
PREVIEW = engine_of(RULES, Grid(epsg=2154, pixels_per_m=1), numbering=None)


def cover(code: str) -> int:
    return 1 + RULES.couverture_codes.index(code)


def usage(code: str) -> int:
    return 1 + RULES.usage_codes.index(code)


def test_minimum_areas_are_counted_in_pixels_of_the_grid() -> None:
    fine, coarse = COSIA.windows.minimum, PREVIEW.windows.minimum
    assert (fine.built_evidence_px, fine.built_px, fine.zone_px, fine.elsewhere_px) == (1250, 5000, 12_500, 62_500)
    assert (coarse.built_evidence_px, coarse.built_px, coarse.zone_px, coarse.elsewhere_px) == (50, 200, 500, 2500)


def test_distances_of_the_built_aggregation_are_pixels_of_the_grid() -> None:
    assert (COSIA.windows.aggregation.gap_px, COSIA.windows.aggregation.growth_limit_px) == (5, 50)
    assert (PREVIEW.windows.aggregation.gap_px, PREVIEW.windows.aggregation.growth_limit_px) == (1, 10)


def test_the_aggregation_and_the_merging_have_the_same_built_minima() -> None:
    assert COSIA.windows.aggregation.minimum_px == COSIA.windows.minimum.built_px
    assert COSIA.windows.aggregation.evidence_px == COSIA.windows.minimum.built_evidence_px


def test_distances_of_the_zone_construite_stay_in_metres() -> None:
    zone = PREVIEW.zone
    assert (zone.dilation_m, zone.erosion_m, zone.minimum_area_m2, zone.minimum_hole_m2) == (25, 15, 2500, 2500)


def test_without_numbering_no_class_says_anything_and_the_default_cover_is_herbaceous() -> None:
    tables = PREVIEW.windows.tables
    assert not tables.has_raster
    assert not tables.class_cover.any()
    assert not tables.class_usage.any()
    assert tables.default_cover == cover("CS2.2.1")


def test_with_a_numbering_classes_say_their_cover() -> None:
    tables = COSIA.windows.tables
    assert tables.has_raster
    assert tables.class_cover[1, 0] == cover("CS1.1.1.1")
    assert (tables.built_cover, tables.sealed_cover) == (cover("CS1.1.1.1"), cover("CS1.1.1.2"))


def test_an_unknown_numbering_is_refused() -> None:
    with pytest.raises(ParameterError, match="numbering system 'x' is unknown"):
        engine_of(RULES, Grid(epsg=2154, pixels_per_m=5), numbering="x")


def test_merging_weights_are_indexed_by_engine_index_and_padded_with_zeros() -> None:
    minimum = COSIA.windows.minimum
    assert minimum.cover_weight.shape == (COVERS, COVERS)
    assert minimum.usage_weight.shape == (USAGES, USAGES)
    assert minimum.cover_weight[cover("CS2.2.1"), cover("CS2.2.1")] == 64
    assert minimum.cover_weight[cover("CS2.1.1.1"), cover("CS2.1.1.2")] == 16
    assert minimum.cover_weight[cover("CS1.1.1.1"), cover("CS2.2.1")] == 1
    assert minimum.usage_weight[usage("US5"), usage("US5")] == 8
    assert minimum.usage_weight[usage("US5"), usage("US235")] == 3
    assert not minimum.cover_weight[0].any()
    assert not minimum.cover_weight[15:].any()
    assert not minimum.usage_weight[21:].any()


def test_a_weight_is_the_same_both_ways() -> None:
    minimum = COSIA.windows.minimum
    assert np.array_equal(minimum.cover_weight, minimum.cover_weight.T)
    assert np.array_equal(minimum.usage_weight, minimum.usage_weight.T)


def test_the_composition_knows_its_covers_by_their_role() -> None:
    found = COSIA.composition
    assert (found.tree_share, found.stand_purity, found.composite_share) == (0.25, 0.75, 0.25)
    assert (found.broadleaf, found.conifer, found.mixed_stand) == tuple(
        cover(code) for code in ("CS2.1.1.1", "CS2.1.1.2", "CS2.1.1.3")
    )
    assert (found.sealed, found.mineral, found.composite) == tuple(
        cover(code) for code in ("CS1.1.1.2", "CS1.1.2.1", "CS1.1.2.2")
    )
    vegetated = {code for code in RULES.couverture_codes if found.vegetated[cover(code)]}
    assert vegetated == {code for code in RULES.couverture_codes if code.startswith("CS2")}
    trees = {code for code in RULES.couverture_codes if found.tree[cover(code)]}
    assert trees == {"CS2.1.1.1", "CS2.1.1.2", "CS2.1.1.3"}
    herbaceous = {code for code in RULES.couverture_codes if found.herbaceous[cover(code)]}
    assert herbaceous == {"CS2.2.1", "CS2.2.2"}


def test_a_value_changed_in_the_rules_changes_the_engine() -> None:
    areas = MappingProxyType({**RULES.minimum_area_m2, "built": 100.0})
    changed = engine_of(replace(RULES, minimum_area_m2=areas), Grid(epsg=2154, pixels_per_m=1), numbering=None)
    assert changed.windows.minimum.built_px == 100
    assert changed.windows.aggregation.minimum_px == 100
