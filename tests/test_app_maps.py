"""Maps are light descriptions of addresses and colours; colours differ; legends and explanations are safe."""

from __future__ import annotations

import gzip
import json
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shapely

from app import places
from app.places import bounds_of, commune_outline, place_of
from app.results import Results
from app.ui import maps, palettes
from app.ui.legend import legend
from app.ui.pourquoi import change_lines, panel, polygon_lines, verdict
from ocsge.errors import DataError
from ocsge.rules import load_rules
from ocsge.styles import CHANGE_STATES, change_style

if TYPE_CHECKING:
    from pathlib import Path

    from ocsge.derivation import Derivation

CODE = "12001"
SQUARE = {"type": "Polygon", "coordinates": [[[2.0, 44.0], [2.001, 44.0], [2.001, 44.001], [2.0, 44.0]]]}
EVERY = {
    "e": palettes.states(),
    "cs": palettes.couvertures(load_rules()),
    "us": palettes.usages(load_rules()),
}


def frame(**changes: Any) -> maps.Frame:
    given = {"outline": SQUARE, "bounds": (2.0, 44.0, 2.1, 44.1), **changes}
    return maps.Frame(**given)


def spec(deck: Any) -> dict[str, Any]:
    return json.loads(deck.to_json())


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21, by WCAG 2.2."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    linear = [
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in (value / 255 for value in palettes.rgb(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_black_and_white_have_the_greatest_contrast() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)


def decks(**changes: Any) -> list[Any]:
    drawn = [maps.polygons_map("/p.geojson", prop, shades, frame(**changes)) for prop, shades in EVERY.items()]
    return [*drawn, maps.flow_map("/f.geojson", "/p.geojson", palettes.flows(), frame(**changes))]


def ring(points: int, decimals: int) -> dict[str, Any]:
    """Return a limit of as many points, written to as many decimals."""
    turn = np.linspace(0, 2 * np.pi, points)
    corners = np.column_stack([2.123456 + 0.1 * np.cos(turn), 44.123456 + 0.1 * np.sin(turn)]).round(decimals)
    return {"type": "Polygon", "coordinates": [corners.tolist()]}


def test_a_map_is_described_in_less_than_20_kb_with_every_class_and_the_longest_limits() -> None:
    for deck in decks(outline=ring(places._OUTLINE_POINTS, 5), aim=ring(places._MOST_POINTS, places._DECIMALS)):
        assert len(deck.to_json().encode()) <= 20_000


def test_polygons_come_by_address_from_this_server_and_nothing_from_elsewhere() -> None:
    for deck in decks():
        layers = {layer["id"]: layer["data"] for layer in spec(deck)["layers"]}
        assert layers.pop(maps.COMMUNE)["geometry"] == SQUARE
        assert all(address.startswith("/") for address in layers.values())
        assert "//" not in deck.to_json()


def test_without_a_background_no_style_and_no_provider_is_named() -> None:
    for deck in decks():
        assert spec(deck)["mapStyle"] == "__MAP_STYLE__"  # what the browser takes for none
        assert "mapProvider" not in spec(deck)


def test_a_background_is_that_of_our_server_and_shows_through() -> None:
    for deck in decks(basemap="ortho"):
        assert spec(deck)["mapStyle"] == "/fond/ortho.json"
        assert ",150]" in deck.to_json()


def test_layers_have_ids_and_only_the_subject_answers_a_click() -> None:
    *polygons, flow = ({layer["id"]: layer["pickable"] for layer in spec(deck)["layers"]} for deck in decks(aim=SQUARE))
    assert all(found == {"polygones": True, "commune": False, "objet": False} for found in polygons)
    assert flow == {"fond": False, "flux": True, "commune": False, "objet": False}


def test_a_width_in_pixels_is_a_word_not_an_expression() -> None:
    for deck in decks():
        assert {layer.get("lineWidthUnits", "pixels") for layer in spec(deck)["layers"]} == {"pixels"}


def test_every_code_of_the_rules_has_its_colour_in_the_expression() -> None:
    for prop, shades in EVERY.items():
        text = maps.fill_expression(prop, shades)
        assert all(f"properties.{prop}=='{shade.code}'" in text for shade in shades)


def test_another_colouring_of_the_same_file_is_drawn_again() -> None:
    triggers = [spec(deck)["layers"][0]["updateTriggers"]["getFillColor"] for deck in decks()[:3]]
    assert len({json.dumps(trigger) for trigger in triggers}) == 3


def test_tiles_are_read_with_the_script_of_this_server() -> None:
    deck = maps.polygons_map("/tuiles/v/12001/2022/{z}/{x}/{y}.mvt", "e", palettes.states(), frame())
    layer = spec(deck)["layers"][0]
    assert (layer["@@type"], layer["loadOptions"]["mvt"]["workerUrl"]) == ("MVTLayer", "/outils/mvt-worker.js")


def test_limits_of_many_polygons_are_left_out() -> None:
    deck = maps.polygons_map("/p.geojson", "e", palettes.states(), frame(), limits=False)
    assert spec(deck)["layers"][0]["stroked"] is False


def test_a_smaller_extent_is_seen_from_nearer_and_never_too_near() -> None:
    wide, narrow = (maps.view_of((2.0, 44.0, 2.0 + size, 44.0 + size)) for size in (0.1, 0.01))
    assert narrow.zoom == pytest.approx(wide.zoom + 3.32, abs=0.05)  # ten times smaller: log2(10) steps
    assert maps.view_of((2.0, 44.0, 2.0, 44.0)).zoom <= 18


def test_limits_part_every_pale_colour_from_white() -> None:
    assert contrast(palettes.OUTLINE, "#FFFFFF") >= 4.5
    assert contrast(palettes.SELECTED, "#FFFFFF") >= 4.5


def test_flows_stand_out_from_the_ground_that_stays() -> None:
    for colour in (palettes.GAIN, palettes.LOSS):
        assert contrast(colour, palettes.STABLE) >= 3


def test_states_and_flows_are_told_apart() -> None:
    for shades in (palettes.states(), palettes.flows()):
        for one, other in combinations(shades, 2):
            steps = [abs(a - b) for a, b in zip(palettes.rgb(one.colour), palettes.rgb(other.colour), strict=True)]
            assert max(steps) >= 60, (one, other)


def test_cividis_grows_lighter_step_by_step() -> None:
    lightness = [contrast(colour, "#000000") for colour in palettes.CIVIDIS]
    assert lightness == sorted(lightness)


def test_a_code_that_no_rule_knows_has_a_class_of_its_own() -> None:
    found = palettes.present(palettes.states(), ["a", "?"])
    assert [(shade.code, shade.colour) for shade in found][1] == ("?", palettes.UNKNOWN)


def test_a_legend_is_a_named_list_with_areas() -> None:
    text = legend("Flux, 2019–2022", palettes.flows(), {"gain": "4,64 ha"})
    assert text.startswith('<ul role="list" aria-label="Flux, 2019–2022"')
    assert (text.count("<li "), text.count("4,64 ha")) == (2, 1)


def test_classes_of_one_colour_share_a_square_of_the_legend_which_names_each_with_its_area() -> None:
    shades = palettes.present(palettes.usages(load_rules()), ["US2", "US5", "US235"])
    text = legend("Usage", shades, {"US2": "1,0 ha", "US5": "2,0 ha", "US235": "3,0 ha"})
    squares = text.split("<li ")[1:]
    assert [square.count("background:#E6004D") for square in squares] == [1, 0]
    assert [square.count(" ha</strong>") for square in squares] == [2, 1]
    assert "Secondaire <strong>1,0 ha</strong><br>Production secondaire" in squares[0]


def test_two_usages_alone_have_the_same_official_colour() -> None:
    """A map shows them alike: its tooltip and its legend tell them apart. Covers all differ."""
    for shades, shared in (
        (palettes.usages(load_rules()), {"US2", "US235"}),
        (palettes.couvertures(load_rules()), set()),
    ):
        colours = [shade.colour for shade in shades]
        assert {shade.code for shade in shades if colours.count(shade.colour) > 1} == shared


def test_a_legend_leaves_the_examples_of_a_label_to_the_table() -> None:
    text = legend("Couverture", [palettes.Shade("CS2.2.1", "Formations herbacées (Pelouses, prairies)", "#CCF24D")])
    assert "Formations herbacées<" in text


def test_hostile_texts_are_escaped() -> None:
    hostile = "<img src=x onerror=alert(1)>"
    for text in (
        legend(hostile, [palettes.Shade("x", hostile, "#FFFFFF")], {"x": hostile}),
        panel(hostile, [(hostile, hostile)]),
    ):
        assert "<img" not in text
        assert "&lt;img" in text


# --- why ---


def car_park(village: Derivation) -> dict[str, Any]:
    results = Results(village.version)
    rows = results._query(
        "SELECT * FROM read_parquet(?) WHERE area_m2 = 3600", [str(results.polygons_path(CODE, 2022))]
    )
    return dict(rows.iloc[0])


def test_a_car_park_is_explained_in_french(village_pair: Derivation) -> None:
    row = car_park(village_pair)
    told = dict(polygon_lines(row, load_rules()))
    assert verdict(row) == "Artificialisé"
    assert told["Couverture"] == "Zones non bâties (Routes, places, parking…) (CS1.1.1.2)"
    assert told["Surface"] == "3\u202f600\u202fm²"
    assert told["Règle"] == "la matrice du décret décide seule"
    assert told["Matrice du décret"].startswith("artificialisé, catégorie 2 (matrix.csv:")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (
            "artificialised: enclosed group of 904 m² < 2 500 m² in artificialised land (threshold case 1)",
            "groupe enclavé de 904\u202fm², sous le seuil de 2\u202f500\u202fm², dans un sol artificialisé",
        ),
        (
            "not artificialised: enclosed group of 1 904 m² < 2 500 m² in non-artificialised land (threshold case 2)",
            "groupe enclavé de 1\u202f904\u202fm², sous le seuil de 2\u202f500\u202fm², dans un sol non artificialisé",
        ),
        ("artificialised: built surface ≥ 50 m² kept (threshold case 3)", "le bâti d'au moins 50\u202fm² reste"),
        ("x (adjacent_built = keep_artif)", "touche un bâti d'au moins 50\u202fm²"),
        ("x; local correction c1: <b>revu</b>", "correction locale\u202f: c1: <b>revu</b>"),
    ],
)
def test_each_case_of_the_thresholds_is_told(village_pair: Derivation, reason: str, words: str) -> None:
    told = dict(polygon_lines({**car_park(village_pair), "reason": reason}, load_rules()))
    assert words in told["Règle"]


def test_doubts_and_exemptions_are_told(village_pair: Derivation) -> None:
    row = {**car_park(village_pair), "fragile": "tree_share+edge", "artif_min": False, "exemption": "park"}
    row |= {"exempt_park_m2": 3000.0, "reason": "x; exemption possible: park"}
    told = dict(polygon_lines(row, load_rules()))
    assert "part d'arbres" in told["Fragile"]
    assert "bord des données" in told["Fragile"]
    assert "valeur par défaut" in told["Bornes"]
    assert told["Exemption (parc ou jardin public)"].startswith("possible, au choix de la collectivité, sur 3\u202f000")


def test_the_source_of_a_usage_is_a_layer_and_a_row_of_the_rules(village_pair: Derivation) -> None:
    told = dict(polygon_lines({**car_park(village_pair), "usage_rule": 83}, load_rules()))["Origine de l'usage"]
    assert "BD TOPO, couche «\u202fbatiment\u202f»" in told
    assert "layer_usages.csv:" in told


def test_other_rules_than_those_that_decided_are_never_shown(village_pair: Derivation) -> None:
    told = dict(polygon_lines(car_park(village_pair), None))
    assert (told["Couverture"], told["Matrice du décret"]) == ("CS1.1.1.2", "catégorie 2")


def test_a_change_is_told_at_both_years(village_pair: Derivation) -> None:
    results = Results(village_pair.version)
    first = results.changes(CODE, (2019, 2022), most=1).iloc[0]
    row = results.change(CODE, (2019, 2022), str(first["id"]))
    assert row is not None
    told = dict(change_lines(row, load_rules()))
    assert told["En 2019"].endswith("non artificialisé")
    assert told["En 2022"].endswith(", artificialisé")
    assert told["Sol"] == "imperméabilisé"


# --- places ---


def test_the_village_spans_400_m_and_its_car_park_lies_in_the_south_west(village_pair: Derivation) -> None:
    path = Results(village_pair.version).polygons_path(CODE, 2022)
    west, south, east, north = bounds_of(path)
    assert (north - south) * 111_195 == pytest.approx(400, rel=0.02)
    place = place_of(path, str(car_park(village_pair)["id"]))
    assert place is not None
    assert (place.bounds[3] - place.bounds[1]) * 111_195 == pytest.approx(60, rel=0.02)
    assert place.bounds[0] - west < (east - west) / 4
    assert place.bounds[1] - south < (north - south) / 4


def test_the_limit_of_the_village_is_that_of_the_map_of_communes(village_pair: Derivation) -> None:
    results = Results(village_pair.version)
    path = results.communes_file()
    assert path is not None
    limit = shapely.from_geojson(json.dumps(commune_outline(path, CODE)))
    assert shapely.get_num_coordinates(limit) <= 250
    assert limit.bounds == pytest.approx(bounds_of(results.polygons_path(CODE, 2022)), abs=2e-5)
    assert commune_outline(path, "99999") is None


def test_a_limit_of_very_many_points_is_told_in_some_hundreds(tmp_path: Path) -> None:
    turn = np.linspace(0, 2 * np.pi, 5_000)
    ring = np.column_stack([2 + 0.05 * np.cos(turn), 44 + 0.05 * np.sin(turn)]).tolist()
    shape = {"type": "Polygon", "coordinates": [ring]}
    path = tmp_path / "communes.geojson.gz"
    feature = {"type": "Feature", "properties": {"code": CODE}, "geometry": shape}
    path.write_bytes(gzip.compress(json.dumps({"features": [feature]}).encode()))
    limit = shapely.from_geojson(json.dumps(commune_outline(path, CODE)))
    assert 30 < shapely.get_num_coordinates(limit) <= 250
    assert limit.area == pytest.approx(np.pi * 0.05**2, rel=0.01)


def test_a_cut_map_of_communes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "communes.geojson.gz"
    path.write_bytes(gzip.compress(b'{"features": []}')[:-6])
    with pytest.raises(DataError, match="cannot be read"):
        commune_outline(path, CODE)


def test_a_map_without_a_known_limit_is_drawn_without_it() -> None:
    assert [layer["id"] for layer in spec(decks(outline=None)[0])["layers"]] == [maps.POLYGONS]


def test_a_polygon_that_is_not_there_has_no_place(village_pair: Derivation) -> None:
    assert place_of(Results(village_pair.version).polygons_path(CODE, 2022), "'; DROP TABLE x") is None


def test_a_flow_has_the_colours_and_words_of_the_printed_map_and_of_qgis() -> None:
    printed = [(state.label, state.colour.upper()) for state in CHANGE_STATES]
    assert [(shade.label, shade.colour) for shade in (*palettes.flows(), *palettes.backdrop())] == printed
    assert [shade.code for shade in palettes.flows()] == ["gain", "perte"]
    for label, _ in printed:
        assert label in change_style().qml
