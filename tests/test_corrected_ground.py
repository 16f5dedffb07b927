"""Corrected ground in the engine, by hand: a road across a meadow, a house, and what a correction makes of them."""

from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import shapely
from engine_scenes import (
    BROADLEAF,
    BUILT,
    CORRECTED_COVERS,
    COVER_RULES,
    HERBACEOUS,
    ROAD_RULE,
    SEALED,
    WATER,
    Scene,
    derived,
    keys,
    random_scene,
    tables,
)

from ocsge.covers import corrected_cover_shapes, layer_cover_tables
from ocsge.grid import Window
from ocsge.regions.evidence import ABSORB, CORRECTED, CORRECTED_RULE, OSSATURE_SHIFT, USAGE_SHIFT
from ocsge.regions.shapes import Channel, Shapes
from ocsge.rules import load_rules
from ocsge.usage import corrected_usage_shapes

RULES = load_rules()
SIDE = 60
GRASS_CLASS, BUILT_CLASS, SEALED_CLASS, GREENHOUSE_CLASS = 10, 1, 3, 12
WINDOW = Window(row=0, col=0, height=SIDE, width=SIDE)


def ground(row: int, col: int, height: int, width: int) -> shapely.Polygon:
    """Return the square metres of some rows and columns of the scene."""
    return shapely.box(col, -row - height, col + width, -row)


ALL, ROAD, WOOD = ground(0, 0, SIDE, SIDE), ground(28, 0, 4, SIDE), ground(20, 20, 20, 20)
USAGE_OF_ROADS = 1


def paint(channel: Channel, shape: shapely.Polygon, value: int) -> Shapes:
    return Shapes.from_geometries(np.array([shape]), channel=channel, values=np.array([value], np.uint16))


def cover(shape: shapely.Polygon, code: int) -> list[Shapes]:
    """Return what paints a corrected cover."""
    place = 1 + len(COVER_RULES) + CORRECTED_COVERS.index(ABSORB if code == BUILT else code)
    built = [paint(Channel.BUILT, shape, 1)] if code == BUILT else []
    return [paint(Channel.COVER, shape, place), *built]


def usage(shape: shapely.Polygon, index: int) -> list[Shapes]:
    """Return what paints a corrected usage."""
    return [paint(Channel.USAGE, shape, CORRECTED_RULE + index)]


def scene(*corrections: list[Shapes], class_number: int = GRASS_CLASS) -> Scene:
    """Return a meadow with a road across it, both of the raster and of the layers, and corrections over them."""
    base = random_scene(0)
    classes = np.full((SIDE, SIDE), class_number, np.uint8)
    shapes = [
        paint(Channel.DOMAIN, ALL, 1),
        paint(Channel.COVER, ROAD, ROAD_RULE),
        paint(Channel.USAGE, ROAD, USAGE_OF_ROADS),
        *(shape for correction in corrections for shape in correction),
    ]
    engine = replace(base.engine, tables=tables(has_raster=True), minimum=replace(base.engine.minimum, into_built=0))
    zone = replace(base.zone, dilation_m=0.0, erosion_m=0.0)
    return Scene(base.grid, WINDOW, classes, Shapes.concatenated(shapes), engine, zone)


def at(found: Scene, row: int, col: int) -> tuple[int, int, bool]:
    """Return cover, usage and ossature of a pixel once derived."""
    key = int(keys(derived(found).pieces)[row, col])
    return key & 15, key >> USAGE_SHIFT & 31, bool(key >> OSSATURE_SHIFT & 1)


def test_the_road_is_ossature_without_correction() -> None:
    assert at(scene(), 30, 30) == (SEALED, 4, True)


def test_a_corrected_cover_takes_the_place_of_the_road_but_not_its_usage() -> None:
    found = scene(cover(WOOD, BROADLEAF))
    assert at(found, 30, 30) == (BROADLEAF, 4, False)
    assert at(found, 22, 30)[0] == BROADLEAF
    assert at(found, 30, 5) == (SEALED, 4, True)


def test_a_corrected_usage_leaves_the_ossature() -> None:
    assert at(scene(usage(WOOD, 11)), 30, 30) == (SEALED, 11, True)


def test_corrected_built_ground_is_built_over_the_road() -> None:
    assert at(scene(cover(WOOD, BUILT)), 30, 30)[::2] == (BUILT, False)


def test_corrected_cover_comes_before_a_building_of_the_raster_and_none_grows_on_it() -> None:
    found = scene(cover(ALL, HERBACEOUS), class_number=BUILT_CLASS)
    assert derived(found).pieces.cover_px.sum(axis=0).tolist()[HERBACEOUS] == SIDE * SIDE


def test_a_speck_of_corrected_built_ground_takes_the_enclosing_cover() -> None:
    speck = ground(10, 10, 1, 2)
    found = scene(cover(speck, BUILT))
    assert found.engine.minimum.built_evidence_px > 2
    assert at(found, 10, 10)[0] == HERBACEOUS


def test_the_class_of_the_raster_gives_no_usage_under_a_corrected_cover() -> None:
    by_class = at(scene(class_number=GREENHOUSE_CLASS), 22, 30)[1]
    assert by_class == 6
    assert at(scene(cover(WOOD, WATER), class_number=GREENHOUSE_CLASS), 22, 30)[:2] != (WATER, by_class)


def test_what_continues_a_road_goes_on_over_corrected_sealed_ground_only() -> None:
    beside = paint(Channel.USAGE_ON_SEALED, ALL, USAGE_OF_ROADS)
    assert at(scene([beside], cover(WOOD, SEALED)), 22, 30)[1] == 4
    assert at(scene([beside], cover(WOOD, WATER), class_number=SEALED_CLASS), 22, 30)[1] != 4


def test_the_corrected_pixels_are_counted_under_their_own_rule() -> None:
    pieces = derived(scene(usage(WOOD, 11))).pieces
    assert pieces.rule_px[:, CORRECTED_RULE].sum() == 400


def test_corrected_covers_stand_after_the_rules_in_the_tables() -> None:
    covers, modes, ossature = layer_cover_tables(RULES)
    first = len(RULES.layer_covers) + 1
    assert (modes[first:] == CORRECTED).all()
    assert not ossature[first:].any()
    built = RULES.couverture_codes.index(RULES.couverture_by_role["built"])
    expected = [ABSORB if place == built else place + 1 for place in range(len(RULES.couverture_codes))]
    assert covers[first:].tolist() == expected


@pytest.mark.parametrize(("code_cs", "channels"), [("CS2.2.1", ["COVER"]), ("CS1.1.1.1", ["COVER", "BUILT"])])
def test_a_correction_paints_what_it_gives(code_cs: str, channels: list[str]) -> None:
    columns = {"code_cs": np.array([code_cs, None], object), "code_us": np.array([None, "US5"], object)}
    corrections = gpd.GeoDataFrame(columns, geometry=[WOOD, WOOD], crs=2154)
    covers, usages = corrected_cover_shapes(corrections, RULES), corrected_usage_shapes(corrections, RULES)
    assert [Channel(int(channel)).name for channel in covers.channel] == channels
    assert covers.value[0] == len(RULES.layer_covers) + 1 + RULES.couverture_codes.index(code_cs)
    assert [Channel(int(channel)).name for channel in usages.channel] == ["USAGE"]
    assert usages.value.tolist() == [CORRECTED_RULE + 1 + RULES.usage_codes.index("US5")]


def test_without_correction_nothing_is_painted() -> None:
    none = gpd.GeoDataFrame({"code_cs": [], "code_us": []}, geometry=[], crs=2154)
    assert len(corrected_cover_shapes(none, RULES).channel) == len(corrected_usage_shapes(none, RULES).channel) == 0
