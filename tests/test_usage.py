"""Usages: the order of the rules, what layers paint, and the look-up tables of the engine."""

from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from ocsge.errors import RulesError
from ocsge.regions.shapes import Channel, Shapes
from ocsge.rules import load_rules
from ocsge.usage import (
    class_usage_table,
    default_rule_table,
    rule_usage_table,
    usage_layers,
    usage_shapes,
    usage_steps,
)

RULES = load_rules()
STEPS = usage_steps(RULES)


def position(order: int, *, surroundings: bool = False) -> int:
    """Return the position of a step, from 1."""
    return 1 + next(i for i, step in enumerate(STEPS) if step.row.order == order and step.surroundings is surroundings)


def cover(code: str) -> int:
    return 1 + RULES.couverture_codes.index(code)


def houses(*usages: str | None) -> gpd.GeoDataFrame:
    boxes = [shapely.box(100 * i, 0, 100 * i + 10, 10) for i in range(len(usages))]
    return gpd.GeoDataFrame(
        {
            "nature": ["Indifférenciée"] * len(usages),
            "usage_1": pd.array(usages, dtype="str"),
            "etat_de_l_objet": ["En service"] * len(usages),
        },
        geometry=boxes,
        crs=2154,
    )


def road(**columns: object) -> gpd.GeoDataFrame:
    values = {
        "nature": "Route à 1 chaussée",
        "importance": "3",
        "largeur_de_chaussee": 8.0,
        "fictif": False,
        "position_par_rapport_au_sol": 0,
        "etat_de_l_objet": "En service",
        **columns,
    }
    line = shapely.LineString([(0, 0), (100, 0)])
    return gpd.GeoDataFrame({k: [v] for k, v in values.items()}, geometry=[line], crs=2154)


def painted(shapes: Shapes) -> dict[tuple[Channel, int], list[float]]:
    """Return the bounds painted by channel and value."""
    return {
        (Channel(channel), int(value)): bounds.tolist()
        for channel, value, bounds in zip(shapes.channel, shapes.value, shapes.bounds, strict=True)
    }


def test_networks_come_before_enclosures_buildings_farmland_and_defaults() -> None:
    order = [position(40), position(50), position(70), position(83), position(90), position(95), position(97)]
    assert order == sorted(order)
    assert position(10) == 1


def test_the_ground_around_buildings_comes_after_the_footprints_of_all_of_them() -> None:
    footprints = [position(order) for order in (80, 81, 82, 83, 84)]
    around = [position(order, surroundings=True) for order in (80, 81, 82, 83, 84)]
    assert max(footprints) < min(around)
    assert max(around) < position(90)


def test_the_extension_of_a_road_is_only_around_it() -> None:
    assert [step.surroundings for step in STEPS if step.row.order == 41] == [True]


def test_a_flag_gives_no_usage() -> None:
    assert all(step.row.us is not None for step in STEPS)
    assert 75 not in {step.row.order for step in STEPS}


def test_too_many_rules_for_the_engine_are_refused() -> None:
    rows = RULES.layer_usages * 3
    with pytest.raises(RulesError, match=r"layer_usages.csv: .* steps, .*the engine numbers 62"):
        usage_steps(replace(RULES, layer_usages=rows))


def test_the_layers_read_are_vector_layers_each_once() -> None:
    layers = usage_layers(RULES)
    assert len(layers) == len(set(layers))
    assert {"any", "cosia:raster"}.isdisjoint(layers)
    assert {"bd_topo:batiment", "rpg:parcelles_graphiques", "ign:parcs_jardins"} <= set(layers)


@pytest.mark.parametrize(
    ("usage_1", "order", "code"),
    [
        ("Agricole", 80, "US1.1"),
        ("Industriel", 81, "US2"),
        ("Commercial et services", 82, "US3"),
        ("Résidentiel", 83, "US5"),
        ("Annexe", 83, "US5"),
        ("Indifférencié", 84, "US235"),
        (None, 84, "US235"),
    ],
)
def test_a_building_gives_its_usage_to_its_footprint_and_to_the_ground_within_25_m(
    usage_1: str | None, order: int, code: str
) -> None:
    found = painted(usage_shapes({"bd_topo:batiment": houses(usage_1)}, RULES))
    assert found == {
        (Channel.USAGE, position(order)): [0, 0, 10, 10],
        (Channel.USAGE_IN_ZONE, position(order, surroundings=True)): [-25, -25, 35, 35],
    }
    assert STEPS[position(order) - 1].row.us == code


def test_the_ground_around_buildings_of_known_usage_is_painted_over_that_of_the_others() -> None:
    shapes = usage_shapes({"bd_topo:batiment": houses("Indifférencié", "Résidentiel", "Agricole")}, RULES)
    around = shapes.value[shapes.channel == Channel.USAGE_IN_ZONE].tolist()
    assert around == [position(order, surroundings=True) for order in (84, 83, 80)]


def test_a_road_gives_its_usage_to_its_strip_to_sealed_ground_beside_and_marks_what_is_near() -> None:
    found = painted(usage_shapes({"bd_topo:troncon_de_route": road()}, RULES))
    assert found == {
        (Channel.USAGE, position(40)): [0, -4, 100, 4],
        (Channel.USAGE_ON_SEALED, position(41, surroundings=True)): [0, -7, 100, 7],
        (Channel.NEAR_ROAD, 1): [0, -14, 100, 14],
    }


@pytest.mark.parametrize(
    "columns",
    [
        {"fictif": True},
        {"position_par_rapport_au_sol": -1},
        {"nature": "Chemin"},
        {"largeur_de_chaussee": 4.0},
        {"etat_de_l_objet": "En projet"},
    ],
)
def test_a_fictitious_underground_unpaved_or_narrow_road_paints_nothing(columns: dict[str, object]) -> None:
    assert painted(usage_shapes({"bd_topo:troncon_de_route": road(**columns)}, RULES)) == {}


def zone(**columns: object) -> gpd.GeoDataFrame:
    values = {"categorie": "", "nature": "", "nature_detaillee": "", "fictif": False, **columns}
    return gpd.GeoDataFrame({k: [v] for k, v in values.items()}, geometry=[shapely.box(0, 0, 90, 90)], crs=2154)


@pytest.mark.parametrize(
    ("columns", "orders"),
    [
        ({"nature": "Carrière"}, [50]),
        ({"nature": "Usine"}, [60]),
        ({"nature": "Zone industrielle", "nature_detaillee": "Plateforme logistique"}, [65]),
        ({"nature": "Zone industrielle", "nature_detaillee": "Parc d'activités tertiaires"}, [66]),
        ({"categorie": "Sport", "nature": "Stade"}, [70]),
        ({"categorie": "Gestion des eaux", "nature": "Station d'épuration"}, [55]),
        ({"nature": "Déchèterie"}, [58]),
        ({"nature": "Carrière", "fictif": True}, []),
        ({"nature": "Inconnue"}, []),
    ],
)
def test_a_zone_of_activity_gives_the_usage_of_its_nature_unless_it_is_fictitious(
    columns: dict[str, object], orders: list[int]
) -> None:
    found = painted(usage_shapes({"bd_topo:zone_d_activite_ou_d_interet": zone(**columns)}, RULES))
    assert set(found) == {(Channel.USAGE, position(order)) for order in orders}


def test_a_public_park_gives_its_usage_and_its_flag() -> None:
    park = zone(categorie="Culture et loisirs", nature="Parc")
    found = painted(usage_shapes({"bd_topo:zone_d_activite_ou_d_interet": park}, RULES))
    assert {(Channel.USAGE, position(69)), (Channel.PARK, 1)} <= set(found)


def test_a_park_of_the_supplied_layer_is_a_service_and_is_flagged_from_its_minimum() -> None:
    parks = gpd.GeoDataFrame(
        {"nature": ["", ""]}, geometry=[shapely.box(0, 0, 20, 25), shapely.box(50, 0, 70, 24)], crs=2154
    )
    found = painted(usage_shapes({"ign:parcs_jardins": parks}, RULES))
    assert found == {(Channel.USAGE, position(74)): [0, 0, 20, 25], (Channel.PARK, 1): [0, 0, 20, 25]}


def test_a_photovoltaic_plant_gives_its_usage_and_its_flag() -> None:
    plant = gpd.GeoDataFrame({"nature": [""]}, geometry=[shapely.box(0, 0, 90, 90)], crs=2154)
    found = painted(usage_shapes({"ign:installations_photovoltaiques_sol": plant}, RULES))
    assert set(found) == {(Channel.USAGE, position(61)), (Channel.PHOTOVOLTAIC, 1)}


def test_a_rule_that_comes_first_is_painted_last() -> None:
    layers = {"bd_topo:batiment": houses("Résidentiel"), "bd_topo:troncon_de_route": road()}
    shapes = usage_shapes(layers, RULES)
    values = shapes.value[shapes.channel == Channel.USAGE].tolist()
    assert values == [position(83), position(40)]


def test_no_layer_paints_nothing() -> None:
    assert len(usage_shapes({}, RULES).channel) == 0


def test_the_usage_of_a_position_is_that_of_its_rule() -> None:
    table = rule_usage_table(RULES)
    assert (len(table), table[0]) == (len(STEPS) + 1, 0)
    assert RULES.usage_codes[table[position(40)] - 1] == "US4.1.1"
    assert RULES.usage_codes[table[position(99)] - 1] == "US6.3"


def test_crops_seen_by_the_raster_give_farming_and_felled_stands_forestry() -> None:
    table = class_usage_table(RULES, "cosia_argmax_2023")
    numbers = {c.name: c.numbers["cosia_argmax_2023"] for c in RULES.cosia_classes}
    assert {name for name, n in numbers.items() if n is not None and table[n] == position(91)} == {
        "Culture",
        "Terre labourée",
        "Vigne",
    }
    assert table[numbers["Coupe"]] == position(93)
    assert np.count_nonzero(table) == 4


@pytest.mark.parametrize("code", ["CS1.1.1.1", "CS1.1.1.2", "CS1.1.2.1", "CS1.1.2.2", "CS2.2.1", "CS2.2.2"])
def test_residual_ground_of_the_zone_construite_has_the_default_usage(code: str) -> None:
    assert default_rule_table(RULES)[cover(code), 1].tolist() == [position(97)] * 2


@pytest.mark.parametrize("code", ["CS1.2.1", "CS1.2.2", "CS2.1.1.1", "CS2.1.2", "CS2.1.3"])
def test_trees_water_and_bare_ground_have_no_urban_default(code: str) -> None:
    assert (default_rule_table(RULES)[cover(code)] == position(99)).all()


@pytest.mark.parametrize("code", ["CS1.1.1.2", "CS1.1.2.1"])
def test_sealed_and_mineral_ground_near_a_road_is_a_verge(code: str) -> None:
    assert default_rule_table(RULES)[cover(code), 0].tolist() == [position(99), position(98)]


def test_grass_outside_the_zone_construite_is_without_use() -> None:
    assert default_rule_table(RULES)[cover("CS2.2.1"), 0].tolist() == [position(99)] * 2
