"""Why a polygon counts, from rows written by hand: where a usage comes from, what is doubtful, what may be exempted."""

from __future__ import annotations

from typing import Any

import pytest

from app.ui.pourquoi import change_lines, panel, polygon_lines, verdict
from ocsge.rules import load_rules

RULES = load_rules()
GARDEN: dict[str, Any] = {
    "code_cs": "CS2.2.1",
    "code_us": "US5",
    "usage_rule": 83,
    "reason": "artificialised: matrix",
    "decree_category": "4",
    "area_m2": 12_345.0,
    "artif": True,
    "artif_min": True,
    "artif_max": True,
    "fragile": "",
    "exemption": "",
}
"""Grass around houses, 1.2345 ha."""
UNSEALED: dict[str, Any] = {
    "code_cs_1": "CS1.1.1.2",
    "code_us_1": "US3",
    "artif_1": True,
    "impermeable_1": True,
    "reason_1": "matrix",
    "millesime_1": 2019,
    "code_cs_2": "CS2.2.1",
    "code_us_2": "US6.3",
    "artif_2": False,
    "impermeable_2": False,
    "reason_2": "not artificialised: enclosed group of 904 m² (threshold case 2)",
    "millesime_2": 2022,
    "area_m2": 904.0,
}
"""A car park that became grass without usage."""


def told(**changed: object) -> dict[str, str]:
    """Return what explains the garden with some columns changed."""
    return dict(polygon_lines({**GARDEN, **changed}, RULES))


def test_a_garden_is_told_by_its_words_its_area_and_its_category() -> None:
    lines = told()
    assert verdict(GARDEN) == "Artificialisé"
    assert verdict({"artif": False}) == "Non artificialisé"
    assert lines["Couverture"] == "Formations herbacées (Pelouses et prairies, terres arables, roselières, …) (CS2.2.1)"
    assert lines["Usage"] == "Résidentiel (US5)"
    assert lines["Surface"] == "1,2\u202fha"
    assert "herbacée" in lines["Matrice du décret"]
    assert not {"Fragile", "Bornes"} & set(lines)


def test_a_usage_that_spreads_from_a_building_asks_for_caution() -> None:
    assert "page Méthode" in told()["À savoir"]
    assert "À savoir" not in told(usage_rule=94)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (0, "correction locale"),
        (83, "BD TOPO, couche «\u202fbatiment\u202f»\u202f: l'objet et le sol qui l'entoure (confiance "),
        (94, "BD Forêt, couche «\u202fformation_vegetale\u202f»"),
        (97, "par défaut, faute de source (confiance "),
        (12_345, "règle 12345"),
    ],
)
def test_the_origin_of_a_usage_is_a_correction_a_layer_a_default_or_a_number(rule: int, words: str) -> None:
    assert words in told(usage_rule=rule)["Origine de l'usage"]


def test_a_category_that_the_pair_does_not_tell_apart_is_told_by_both_texts() -> None:
    text = told(decree_category="9-10")["Matrice du décret"]
    assert "catégorie 9-10" in text
    assert text.count("\u202f; ou ") == 1


def test_a_pair_and_codes_that_no_rule_knows_are_told_by_their_codes() -> None:
    lines = told(code_cs="CS9", code_us="US9", decree_category="12")
    assert (lines["Couverture"], lines["Usage"], lines["Matrice du décret"]) == ("CS9", "US9", "catégorie 12")


def test_an_unknown_doubt_is_told_as_it_stands() -> None:
    assert told(fragile="edge+other")["Fragile"].endswith("\u202f; other")


def test_an_exemption_chosen_is_told_from_one_that_is_only_possible() -> None:
    both = {"exemption": "park+photovoltaic", "exempt_park_m2": 3000.0, "exempt_photovoltaic_m2": 20_000.0}
    lines = told(**both, reason="x; exempted by choice: park; exemption possible: photovoltaic")
    park, panels = (
        lines[f"Exemption ({name})"] for name in ("parc ou jardin public", "panneaux photovoltaïques au sol")
    )
    assert park.startswith("retirée du stock par choix de la collectivité, sur 3\u202f000\u202fm²")
    assert panels.startswith("possible, au choix de la collectivité, sur 2,0\u202fha")


def test_a_change_is_told_year_by_year_with_the_sealing_it_ends() -> None:
    lines = dict(change_lines(UNSEALED, RULES))
    assert lines["En 2019"].endswith("Tertiaire (US3), artificialisé")
    assert lines["En 2022"].endswith("Sans usage (US6.3), non artificialisé")
    assert lines["Règle en 2019"] == "la matrice du décret décide seule"
    assert "groupe enclavé de 904\u202fm²" in lines["Règle en 2022"]
    assert (lines["Sol"], lines["Surface"]) == ("désimperméabilisé", "904\u202fm²")


def test_ground_that_gets_sealed_is_told_and_ground_that_stays_as_sealed_is_not() -> None:
    assert (
        dict(change_lines({**UNSEALED, "impermeable_1": False, "impermeable_2": True}, None))["Sol"] == "imperméabilisé"
    )
    assert "Sol" not in dict(change_lines({**UNSEALED, "impermeable_1": False}, None))


def test_the_panel_is_a_named_part_of_the_page_with_a_term_a_line() -> None:
    text = panel("Artificialisé en 2022", polygon_lines(GARDEN, RULES))
    assert text.startswith('<section aria-label="Pourquoi"')
    assert text.count("<dt ") == text.count("<dd ") == len(polygon_lines(GARDEN, RULES))
