"""Covers: what layers paint, and the look-up tables of the engine."""

from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import shapely

from ocsge.covers import (
    absorb_fallback,
    class_cover_table,
    cover_flags,
    cover_layers,
    cover_shapes,
    layer_cover_tables,
)
from ocsge.errors import ParameterError, RulesError
from ocsge.regions.evidence import ABSORB, COMPLETE, COVERS, IGNORE, OVERRIDE, USAGES
from ocsge.regions.shapes import Channel
from ocsge.rules import load_rules

RULES = load_rules()
COSIA = "cosia_vector_numero"


def cover(code: str) -> int:
    return 1 + RULES.couverture_codes.index(code)


def usage(code: str) -> int:
    return 1 + RULES.usage_codes.index(code)


def position(order: int) -> int:
    return 1 + next(i for i, row in enumerate(RULES.layer_covers) if row.order == order)


def number(name: str) -> int:
    found = next(c.numbers[COSIA] for c in RULES.cosia_classes if c.name == name)
    assert found is not None
    return found


def frame(**columns: list[object]) -> gpd.GeoDataFrame:
    count = len(next(iter(columns.values())))
    boxes = [shapely.box(50 * i, 0, 50 * i + 40, 40) for i in range(count)]
    return gpd.GeoDataFrame(columns, geometry=boxes, crs=2154)


def test_every_layer_is_read_once_in_rule_order() -> None:
    layers = cover_layers(RULES)
    assert layers[:3] == ("bd_topo:batiment", "bd_topo:reservoir", "bd_topo:troncon_de_route")
    assert len(layers) == len(set(layers)) == 12


def test_a_building_paints_the_built_channel() -> None:
    shapes = cover_shapes({"bd_topo:batiment": frame(nature=["Indifférenciée"], etat_de_l_objet=["En service"])}, RULES)
    assert (shapes.channel.tolist(), shapes.value.tolist()) == ([Channel.BUILT], [1])


def test_a_building_to_come_is_no_built_ground_and_one_under_construction_is_bare_laid_ground() -> None:
    states = ["En projet", "En construction"]
    shapes = cover_shapes({"bd_topo:batiment": frame(nature=["Indifférenciée"] * 2, etat_de_l_objet=states)}, RULES)
    assert (shapes.channel.tolist(), shapes.value.tolist()) == ([Channel.COVER], [position(48)])
    assert shapes.bounds[0].tolist() == [50, 0, 90, 40]


def test_a_greenhouse_below_its_minimum_is_not_built() -> None:
    greenhouses = gpd.GeoDataFrame(
        {"nature": ["Serre"] * 2, "etat_de_l_objet": ["En service"] * 2},
        geometry=[shapely.box(0, 0, 10, 19), shapely.box(50, 0, 60, 20)],
        crs=2154,
    )
    shapes = cover_shapes({"bd_topo:batiment": greenhouses}, RULES)
    assert shapes.bounds[:, 0].tolist() == [50]


def test_a_smaller_order_is_painted_last_so_it_covers_the_others() -> None:
    layers = {
        "bd_topo:zone_de_vegetation": frame(nature=["Lande ligneuse", "Verger"]),
        "bd_topo:surface_hydrographique": frame(
            nature=["Lac"], persistance=["Permanent"], position_par_rapport_au_sol=[0]
        ),
    }
    shapes = cover_shapes(layers, RULES)
    assert shapes.value.tolist() == [position(73), position(62), position(31)]


def test_a_layer_that_is_not_there_paints_nothing() -> None:
    assert len(cover_shapes({}, RULES).channel) == 0


def test_the_tables_of_the_cover_rules_start_at_one() -> None:
    codes, modes, ossature = layer_cover_tables(RULES)
    assert len(codes) == len(modes) == len(ossature) == 1 + len(RULES.layer_covers) + len(RULES.couverture_codes)
    assert (codes[0], ossature[0]) == (0, 0)


@pytest.mark.parametrize(
    ("order", "code", "mode", "ossature"),
    [
        (10, "CS1.1.1.1", OVERRIDE, 0),
        (20, "CS1.1.1.2", OVERRIDE, 1),
        (21, "CS1.1.2.1", OVERRIDE, 1),
        (31, "CS1.2.2", OVERRIDE, 1),
        (45, "CS2.2.1", COMPLETE, 0),
        (49, "CS1.2.2", COMPLETE, 0),
        (66, "CS2.1.1.1", IGNORE, 0),
    ],
)
def test_a_cover_rule_says_its_cover_its_mode_and_its_ossature(order: int, code: str, mode: int, ossature: int) -> None:
    codes, modes, flags = layer_cover_tables(RULES)
    at = position(order)
    assert (codes[at], modes[at], flags[at]) == (cover(code), mode, ossature)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Bâtiment", "CS1.1.1.1"),
        ("Zone imperméable", "CS1.1.1.2"),
        ("Zone perméable", "CS1.1.2.1"),
        ("Sol nu", "CS1.2.1"),
        ("Surface eau", "CS1.2.2"),
        ("Neige", "CS1.2.3"),
        ("Feuillu", "CS2.1.1.1"),
        ("Conifère", "CS2.1.1.2"),
        ("Broussaille", "CS2.1.2"),
        ("Vigne", "CS2.1.3"),
        ("Pelouse", "CS2.2.1"),
        ("Culture", "CS2.2.1"),
        ("Terre labourée", "CS2.2.1"),
    ],
)
def test_a_class_without_usage_has_its_own_cover(name: str, code: str) -> None:
    assert class_cover_table(RULES, COSIA)[number(name), 0] == cover(code)


def test_a_pool_takes_the_cover_around_it_whatever_its_usage() -> None:
    assert (class_cover_table(RULES, COSIA)[number("Piscine")] == ABSORB).all()


def test_a_light_greenhouse_is_a_cover_over_crops() -> None:
    assert (class_cover_table(RULES, COSIA)[number("Serre")] == cover("CS2.2.1")).all()


@pytest.mark.parametrize("code", ["US1.3", "US2", "US235", "US3", "US4.1.1", "US4.3", "US5", "US6.1"])
def test_bare_ground_of_a_developed_place_is_laid_ground(code: str) -> None:
    assert class_cover_table(RULES, COSIA)[number("Sol nu"), usage(code)] == cover("CS1.1.2.1")


@pytest.mark.parametrize("code", ["US1.1", "US1.2", "US1.4", "US6.2", "US6.3"])
def test_bare_ground_elsewhere_stays_natural(code: str) -> None:
    assert class_cover_table(RULES, COSIA)[number("Sol nu"), usage(code)] == cover("CS1.2.1")


def test_turned_earth_of_a_building_site_is_laid_ground() -> None:
    table = class_cover_table(RULES, COSIA)[number("Terre labourée")]
    changed = {code for code in RULES.usage_codes if table[usage(code)] == cover("CS1.1.2.1")}
    assert changed == {"US6.1"}


def test_a_number_of_no_class_and_nodata_say_nothing() -> None:
    table = class_cover_table(RULES, COSIA)
    assert table.shape == (256, USAGES)
    assert not table[[0, 16, 99, 255]].any()
    autre = next(c.numbers["flair_hub"] for c in RULES.cosia_classes if c.name == "Autre")
    assert not class_cover_table(RULES, "flair_hub")[autre].any()


def test_an_unknown_numbering_is_refused() -> None:
    with pytest.raises(ParameterError, match="'flair' is unknown"):
        class_cover_table(RULES, "flair")


def test_a_large_pool_is_sealed_from_the_minimum_of_the_zone_construite() -> None:
    assert absorb_fallback(RULES) == (cover("CS1.1.1.2"), 500.0)


@pytest.mark.parametrize("codes", [(), ("CS1.1.1.2", "CS2.2.1")])
def test_no_fallback_or_two_are_refused(codes: tuple[str, ...]) -> None:
    pool = next(c for c in RULES.cosia_classes if c.handling == "absorb")
    classes = tuple(replace(pool, fallback_code_cs=code) for code in codes)
    with pytest.raises(RulesError, match=f"{len(codes)} different fallbacks; give them one cover"):
        absorb_fallback(replace(RULES, cosia_classes=classes))


def test_the_flags_of_a_trait_stand_at_the_indices_of_its_covers() -> None:
    flags = cover_flags(RULES, "herbaceous")
    assert flags.shape == (COVERS,)
    assert np.flatnonzero(flags).tolist() == sorted([cover("CS2.2.1"), cover("CS2.2.2")])
