"""What classes and layers become: covers and usages by the rule tables."""

import datetime as dt

import pandas as pd
import pytest

from ocsge.catalog import load_catalog
from ocsge.rules import Rules, load_rules

TODAY = dt.date(2025, 6, 1)


@pytest.fixture
def rules() -> Rules:
    return load_rules(TODAY)


# --- classes of CoSIA


def test_the_six_numbering_systems_disagree_and_are_kept_apart(rules: Rules) -> None:
    by_name = {cosia_class.name: cosia_class for cosia_class in rules.cosia_classes}
    assert len(by_name) == 19
    assert by_name["Zone perméable"].numbers == {
        "cosia_vector_numero": 2,
        "flair_hub": 4,
        "flair_inc_mask": 2,
        "flair_inc_argmax": 1,
        "cosia_argmax_2023": 1,
        "gers_2022": 2,
    }
    assert by_name["Zone imperméable"].numbers["flair_hub"] == 3
    assert by_name["Coupe"].numbers["cosia_vector_numero"] is None
    assert by_name["Bâtiment"].colour == "#CE7079"


def test_pools_take_the_enclosing_cover_and_the_unknown_none(rules: Rules) -> None:
    handling = {cosia_class.name: cosia_class.handling for cosia_class in rules.cosia_classes}
    assert [name for name, what in handling.items() if what == "absorb"] == ["Piscine"]
    assert [name for name, what in handling.items() if what == "nodata"] == ["Autre"]
    pool = next(c for c in rules.cosia_classes if c.name == "Piscine")
    assert (pool.code_cs, pool.fallback_code_cs, pool.fallback_minimum_m2) == (None, "CS1.1.1.2", 500)


def test_crop_classes_trigger_the_agricultural_usage_rule(rules: Rules) -> None:
    rule_of = {c.name: c.usage_rule for c in rules.cosia_classes}
    assert rule_of["Culture"] == rule_of["Vigne"] == rule_of["Terre labourée"] == 91
    assert rule_of["Pelouse"] is None


def test_bare_ground_is_mineral_where_it_is_used(rules: Rules) -> None:
    context = {c.cosia_class: c for c in rules.cosia_context}
    assert rules.usage_leaves(context["Sol nu"].usage_prefixes) == rules.usage_leaves(
        ["US1.3", "US2", "US235", "US3", "US4", "US5", "US6.1"]
    )
    assert context["Terre labourée"].usage_prefixes == ("US6.1",)
    assert {c.code_cs for c in rules.cosia_context} == {"CS1.1.2.1"}


# --- layers


def test_layer_rules_are_sorted_and_their_orders_unique(rules: Rules) -> None:
    for rows in (rules.layer_covers, rules.layer_usages):
        orders = [row.order for row in rows]
        assert orders == sorted(set(orders))


def test_the_ossature_is_roads_rail_and_permanent_water(rules: Rules) -> None:
    ossature = {row.layer: row for row in rules.layer_covers if row.ossature}
    assert sorted(ossature) == [
        "bd_topo:surface_hydrographique",
        "bd_topo:troncon_de_route",
        "bd_topo:troncon_de_voie_ferree",
    ]
    assert {row.with_raster for row in ossature.values()} == {"override"}
    assert ossature["bd_topo:troncon_de_route"].minimum_width_m == 5
    assert ossature["bd_topo:troncon_de_voie_ferree"].width == "voies"


def cover_of(rules: Rules, layer: str, **fields: object) -> str | None:
    """Return the cover that the first matching layer rule gives to one feature."""
    for row in rules.layer_covers:
        if row.layer == layer and row.filter.mask(pd.DataFrame([fields]), layer=layer)[0]:
            return row.code_cs
    return None


def usage_of(rules: Rules, layer: str, **fields: object) -> tuple[int, str] | None:
    """Return order and usage of the first layer rule that sets a usage for one feature."""
    for row in rules.layer_usages:
        if row.layer == layer and row.us and row.filter.mask(pd.DataFrame([fields]), layer=layer)[0]:
            return row.order, row.us
    return None


@pytest.mark.parametrize(
    ("nature", "cover"),
    [
        ("Haie", "CS2.1.1.1"),
        ("Bois", "CS2.1.1.1"),
        ("Forêt fermée de feuillus", "CS2.1.1.1"),
        ("Forêt fermée de conifères", "CS2.1.1.2"),
        ("Forêt fermée mixte", "CS2.1.1.3"),
        ("Forêt ouverte", "CS2.1.1.1"),
        ("Peupleraie", "CS2.1.1.1"),
        ("Mangrove", "CS2.1.1.1"),
        ("Lande ligneuse", "CS2.1.2"),
        ("Verger", "CS2.1.1.1"),
        ("Vigne", "CS2.1.3"),
        ("Houblonnière", "CS2.1.3"),
        ("Bananeraie", "CS2.2.2"),
        ("Canne à sucre", "CS2.2.1"),
    ],
)
def test_every_nature_of_vegetation_has_a_cover(rules: Rules, nature: str, cover: str) -> None:
    assert cover_of(rules, "bd_topo:zone_de_vegetation", nature=nature) == cover


def test_vegetation_of_the_layers_never_covers_a_raster(rules: Rules) -> None:
    rows = [
        row for row in rules.layer_covers if row.layer in {"bd_topo:zone_de_vegetation", "rpg:parcelles_graphiques"}
    ]
    assert {row.with_raster for row in rows} == {"ignore"}


def test_buildings_are_built_and_those_under_construction_are_not_yet(rules: Rules) -> None:
    layer = "bd_topo:batiment"
    house = {"nature": "Indifférenciée", "etat_de_l_objet": "En service"}
    assert cover_of(rules, layer, **house) == "CS1.1.1.1"
    assert cover_of(rules, layer, nature=None, etat_de_l_objet=None) == "CS1.1.1.1"
    assert cover_of(rules, layer, nature="Indifférenciée", etat_de_l_objet="En construction") == "CS1.1.2.1"
    assert cover_of(rules, layer, nature="Indifférenciée", etat_de_l_objet="En projet") is None
    greenhouse = next(row for row in rules.layer_covers if "= 'Serre'" in row.filter.text and row.order == 11)
    assert (greenhouse.code_cs, greenhouse.minimum_area_m2) == ("CS1.1.1.1", 200)


def test_permanent_water_overrides_the_raster_and_intermittent_water_completes_it(rules: Rules) -> None:
    water = [row for row in rules.layer_covers if row.code_cs == "CS1.2.2"]
    assert [(row.with_raster, row.ossature) for row in water] == [("override", True), ("complete", False)]
    fields = {"nature": "Mare", "position_par_rapport_au_sol": "0"}
    assert cover_of(rules, "bd_topo:surface_hydrographique", persistance="Permanent", **fields) == "CS1.2.2"
    assert (
        cover_of(
            rules,
            "bd_topo:surface_hydrographique",
            nature="Glacier, névé",
            persistance="Permanent",
            position_par_rapport_au_sol="0",
        )
        == "CS1.2.3"
    )


@pytest.mark.parametrize(
    ("group", "cover"),
    [("1", "CS2.2.1"), ("17", "CS2.2.1"), ("20", "CS2.1.1.1"), ("21", "CS2.1.3"), ("23", "CS2.1.1.1")],
)
def test_parcels_take_the_cover_of_their_group_of_crops(rules: Rules, group: str, cover: str) -> None:
    assert cover_of(rules, "rpg:parcelles_graphiques", code_group=group) == cover


ZONE = {"categorie": "Industriel et commercial", "nature_detaillee": None, "fictif": "Non"}


@pytest.mark.parametrize(
    ("fields", "usage"),
    [
        ({"nature": "Carrière"}, (50, "US1.3")),
        ({"nature": "Aquaculture"}, (51, "US1.4")),
        ({"nature": "Station d'épuration", "categorie": "Gestion des eaux"}, (55, "US4.3")),
        ({"nature": "Déchèterie"}, (58, "US4.3")),
        ({"nature": "Zone industrielle", "nature_detaillee": "Zone artisanale"}, (60, "US2")),
        ({"nature": "Zone industrielle", "nature_detaillee": "Plateforme logistique"}, (65, "US4.2")),
        ({"nature": "Zone industrielle", "nature_detaillee": "Parc d'activités tertiaires"}, (66, "US3")),
        (
            {"nature": "Espace public", "nature_detaillee": "Square", "categorie": "Culture et loisirs"},
            (69, "US3"),
        ),
        ({"nature": "Hôpital", "categorie": "Santé"}, (70, "US3")),
        ({"nature": "Divers commercial"}, (70, "US3")),
        ({"nature": "Divers agricole"}, None),
        ({"nature": "Carrière", "fictif": "Oui"}, None),
        ({"nature": "Hôpital", "categorie": "Santé", "fictif": "Vrai"}, None),
    ],
)
def test_activity_zones_take_the_usage_of_their_nature_and_fictive_ones_none(
    rules: Rules, fields: dict[str, object], usage: tuple[int, str] | None
) -> None:
    assert usage_of(rules, "bd_topo:zone_d_activite_ou_d_interet", **{**ZONE, **fields}) == usage


@pytest.mark.parametrize(
    ("usage_1", "nature", "usage"),
    [
        ("Agricole", "Indifférenciée", "US1.1"),
        ("Indifférencié", "Serre", "US1.1"),
        ("Industriel", "Indifférenciée", "US2"),
        ("Commercial et services", "Indifférenciée", "US3"),
        ("Religieux", "Eglise", "US3"),
        ("Sportif", "Tribune", "US3"),
        ("Résidentiel", "Indifférenciée", "US5"),
        ("Annexe", "Indifférenciée", "US5"),
        ("Indifférencié", "Indifférenciée", "US235"),
        (None, "Indifférenciée", "US235"),
    ],
)
def test_a_building_gives_its_usage_to_itself_and_25_m_around(
    rules: Rules, usage_1: str | None, nature: str, usage: str
) -> None:
    found = usage_of(rules, "bd_topo:batiment", usage_1=usage_1, nature=nature, etat_de_l_objet="En service")
    assert found is not None
    assert found[1] == usage
    row = next(row for row in rules.layer_usages if row.order == found[0])
    assert (row.mode, row.reach_m, row.condition) == ("spread", 25, "in_zone_construite")


def test_a_building_under_construction_is_in_transition_before_anything_else(rules: Rules) -> None:
    fields = {"usage_1": "Résidentiel", "nature": "Indifférenciée", "etat_de_l_objet": "En construction"}
    assert usage_of(rules, "bd_topo:batiment", **fields) == (10, "US6.1")


def road(**fields: object) -> dict[str, object]:
    usual = {"nature": "Route à 1 chaussée", "fictif": "Non", "position_par_rapport_au_sol": "0"}
    return {**usual, "etat_de_l_objet": "En service", **fields}


def test_roads_leave_out_tunnels_tracks_and_fictive_axes(rules: Rules) -> None:
    layer = "bd_topo:troncon_de_route"
    assert usage_of(rules, layer, **road()) == (40, "US4.1.1")
    assert usage_of(rules, layer, **road(position_par_rapport_au_sol="1")) == (40, "US4.1.1")
    assert usage_of(rules, layer, **road(position_par_rapport_au_sol="-1")) is None
    assert usage_of(rules, layer, **road(nature="Chemin")) is None
    assert usage_of(rules, layer, **road(fictif="Oui")) is None
    assert usage_of(rules, layer, **road(etat_de_l_objet="En construction")) is None
    assert cover_of(rules, layer, **road(etat_de_l_objet="En projet")) is None
    assert cover_of(rules, layer, **road()) == "CS1.1.1.2"
    assert cover_of(rules, layer, **road(nature="Sentier")) is None


def test_closed_and_underground_lines_are_no_rail(rules: Rules) -> None:
    layer = "bd_topo:troncon_de_voie_ferree"
    line = {
        "nature": "Voie ferrée principale",
        "position_par_rapport_au_sol": "0",
        "etat_de_l_objet": "En service",
    }
    assert usage_of(rules, layer, **line) == (30, "US4.1.2")
    assert usage_of(rules, layer, **{**line, "nature": "Sans objet"}) is None
    assert usage_of(rules, layer, **{**line, "position_par_rapport_au_sol": "-1"}) is None


def test_a_bus_station_is_road_and_a_railway_station_rail(rules: Rules) -> None:
    layer = "bd_topo:equipement_de_transport"
    assert usage_of(rules, layer, nature="Gare routière", fictif="Non") == (73, "US4.1.1")
    assert usage_of(rules, layer, nature="Gare voyageurs et fret", fictif="Non") == (31, "US4.1.2")
    assert usage_of(rules, layer, nature="Port", fictif="Non") == (45, "US4.1.4")
    assert usage_of(rules, layer, nature="Carrefour", fictif="Oui") is None


def test_every_default_says_what_else_the_ground_could_be(rules: Rules) -> None:
    defaults = [row for row in rules.layer_usages if row.mode == "default"]
    assert [(row.order, row.us, row.condition) for row in defaults] == [
        (97, "US235", "in_zone_construite"),
        (98, "US4.1.1", "near_road"),
        (99, "US6.3", "always"),
    ]
    assert all(row.default_usages and row.us not in row.default_usages for row in defaults)
    assert defaults[-1] == rules.layer_usages[-1]
    inside = {rules.matrix["CS2.2.1", usage].artificialise for usage in ("US235", *defaults[0].default_usages)}
    outside = {rules.matrix["CS2.2.1", usage].artificialise for usage in ("US6.3", *defaults[2].default_usages)}
    assert inside == {True, False}, "on grass of the zone construite the default decides"
    assert outside == {False}, "grass beyond every building is not bounded as a garden"


def test_flags_mark_parks_and_ground_photovoltaics(rules: Rules) -> None:
    flagged = {(row.layer, row.flag, row.us) for row in rules.layer_usages if row.flag}
    assert flagged == {
        ("ign:installations_photovoltaiques_sol", "photovoltaic", "US2"),
        ("bd_topo:zone_d_activite_ou_d_interet", "park", "US3"),
        ("ign:parcs_jardins", "park", ""),
    }


def test_every_layer_rule_says_in_its_filter_which_row_it_is(rules: Rules) -> None:
    for row in (*rules.layer_covers, *rules.layer_usages):
        assert row.filter.row == row.row or not row.filter.text


def test_every_field_of_a_filter_is_a_column_of_its_layer_in_the_catalogue(rules: Rules) -> None:
    catalog = load_catalog()
    for row in (*rules.layer_covers, *rules.layer_usages):
        if row.layer != "any":
            known = {column for _, layer in catalog.entries(row.layer) for column in layer.columns}
            assert row.filter.fields <= known, row.row
