"""The page Méthode says what the rules and the provenance say, and nothing of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from test_app_pages import opened
from village import CODE, LAST

from app.results import Results
from app.ui import method
from ocsge.catalog import embedded_credits
from ocsge.legal_notice import DEMONSTRATION
from ocsge.rules import load_rules

if TYPE_CHECKING:
    import pytest

    from ocsge.derivation import Derivation

RULES = load_rules()


def test_the_matrix_has_a_cell_a_pair_coloured_by_its_state() -> None:
    html = method.matrix_html(RULES)
    pairs = len(RULES.couverture_codes) * len(RULES.usage_codes)
    artificialised = sum(cell.artificialise for cell in RULES.matrix.values())
    assert html.count(" : artificialisé, catégorie") == artificialised
    assert html.count("catégorie") == pairs == len(method.matrix_table(RULES))
    assert "CS2.2.1 × US5 : artificialisé, catégorie 4" in html


def test_a_changed_rule_changes_the_page() -> None:
    other = load_rules(changes={"minimum_area_m2.elsewhere": 3210.0, "interpretation_threshold.built_m2": 77.0})
    shown = [row[1] for row in method.value_rows(other, "minimum_area_m2")]
    assert "3\u202f210\u202fm²" in shown
    assert method.thresholds_html(other) != method.thresholds_html(RULES)
    assert "77\u202fm²" in method.thresholds_html(other)


def test_every_value_that_is_shown_has_french_words() -> None:
    tables = {"minimum_area_m2", "minimum_width_m", "interpretation_threshold", "zone_construite", "exemption"}
    shown = {f"{value.table}.{value.name}" for value in RULES.named_values if value.table in tables}
    assert shown <= set(method.VALUES_FR)
    assert set(method.VALUES_FR) <= {f"{value.table}.{value.name}" for value in RULES.named_values}


def test_categories_are_in_the_words_of_the_decree() -> None:
    rows = method.category_rows(RULES)
    assert [row[0] for row in rows] == list(RULES.decree_categories)
    assert dict(row[:2] for row in rows)["4"] == "artificialisée"
    assert dict(row[:2] for row in rows)["8"] == "non artificialisée"
    assert any("R.101-1" in text for text in method.decree_sources(RULES))


def test_sources_are_those_of_the_provenance_with_their_credit(village_pair: Derivation) -> None:
    rows = method.source_rows(Results(village_pair.version).provenance(CODE, LAST))
    files = {row[2]: row for row in rows}
    assert {"commune.gpkg", "batiment.gpkg", f"cosia_{LAST}.tif"} <= set(files)
    assert files["batiment.gpkg"][3] == "IGN – BD TOPO®"
    assert "Licence Ouverte" in files["batiment.gpkg"][4]
    assert method.source_rows({}) == []


def test_a_generated_file_and_the_classes_of_a_model_are_not_credited_to_ign() -> None:
    digest, credit = next(iter(embedded_credits().items()))
    shipped = {"product": "bd_topo_v3", "file": "commune.gpkg", "sha256": digest}
    run = {"sources": [shipped], "classes": {"files": ["classes.tif"], "model": "m1"}}
    rows = {row[2]: row for row in method.source_rows(run)}
    assert rows["commune.gpkg"][3:] == (credit, "")
    assert rows["classes.tif"][3] == "Classes du sol : modèle m1"
    assert method.of_demonstration(run)
    assert not method.of_demonstration({"sources": [{**shipped, "sha256": "ff"}]})
    assert not method.of_demonstration({})


def test_the_edition_of_a_delivery_is_a_french_date() -> None:
    sources = [
        {"product": "bd_topo_v3", "edition": "2022-06-15", "file": "batiment.gpkg"},
        {"product": "bd_topo_v3", "edition": None, "file": "autre.gpkg"},
    ]
    assert [row[1] for row in method.source_rows({"sources": sources})] == ["15/06/2022", "–"]


def test_the_page_says_the_date_of_rules_that_were_chosen(
    village_pair: Derivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Results(village_pair.version).provenance(CODE, LAST)
    dated = {**told, "rules": {**told["rules"], "at": "2025-01-31"}}
    for provenance, shown in ((told, "jour du calcul"), (dated, "31/01/2025")):
        monkeypatch.setattr(Results, "provenance", lambda *_, given=provenance, **__: given)
        app = opened(village_pair, monkeypatch, "methode")
        assert any(f">{shown}<" in str(block.proto.body) for block in app.get("html"))


def test_the_pages_say_that_a_commune_is_a_demonstration(
    village_pair: Derivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = next(iter(embedded_credits()))
    told = {**Results(village_pair.version).provenance(CODE, LAST), "sources": [{"sha256": digest}]}
    monkeypatch.setattr(Results, "provenance", lambda *_, **__: told)
    for page in ("methode", "synthese"):
        assert [block.value for block in opened(village_pair, monkeypatch, page).warning] == [DEMONSTRATION]


def test_hostile_texts_of_rules_and_files_are_shown_not_run() -> None:
    html = method.html_table(("<b>",), [("<img src=x onerror=alert(1)>",)], label='"><script>')
    assert "<img" not in html
    assert "<script" not in html
    assert "&lt;img" in html


def test_the_page_gives_version_date_and_notice(village_pair: Derivation, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(village_pair, monkeypatch, "methode")
    shown = " ".join(str(block.proto.body) for block in app.get("html"))
    assert RULES.fingerprint[:12] in shown
    assert village_pair.version.name in shown
    assert "n'est pas une règle de constructibilité" in app.info[0].value
    assert not app.warning
