"""An error noted on a polygon becomes a correction of the workspace; nothing written is lost, nothing is run."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock
from streamlit.testing.v1 import AppTest
from test_app_pages import MAIN
from village import CAR_PARK_M2, CODE, LAST

from app import corrections, polygon_list
from app.results import Results
from app.ui import downloads, signal
from ocsge.corrections import read_corrections, set_status
from ocsge.errors import DataError, LayerError, OcsgeError, OutputError, WorkspaceBusyError
from ocsge.rules import load_rules

if TYPE_CHECKING:
    from pathlib import Path

    from ocsge.derivation import Derivation

RULES = load_rules()
HOSTILE = "=cmd|'/C calc'!A0 <script>alert(1)</script> ![x](http://evil.example/a.png)"


@pytest.fixture
def workspace(village_pair: Derivation, tmp_path: Path) -> Path:
    """Return a copy of the village's workspace, to write corrections in."""
    return shutil.copytree(village_pair.version.parents[1], tmp_path / "mairie", symlinks=True)


@pytest.fixture
def car_park(village_pair: Derivation) -> str:
    polygons = Results(village_pair.version).largest_polygons(CODE, LAST)
    return str(polygons.loc[polygons["area_m2"] == CAR_PARK_M2, "id"].iloc[0])


def page(workspace: Path, monkeypatch: pytest.MonkeyPatch, **query: str) -> AppTest:
    monkeypatch.setenv("OCSGE_WORKSPACE", str(workspace))
    app = AppTest.from_file(str(MAIN), default_timeout=30)
    app.run()
    for name, value in query.items():
        app.query_params[name] = value
    app.switch_page("views/signaler.py").run()
    assert not app.exception, app.exception
    return app


def fill(app: AppTest, *, cover: str | None = "CS1.2.2", author: str = "Mairie", reason: str = "visite") -> AppTest:
    boxes = {box.label: box for box in app.main.selectbox}
    if cover:
        boxes["Bonne couverture"].select(cover)
    app.main.text_input[1].input(author)
    app.text_area[0].input(reason)
    next(button for button in app.button if button.label == "Proposer la correction").click()
    return app.run()


def test_a_link_opens_the_polygon_and_the_form_proposes_a_correction_on_its_ground(
    workspace: Path, car_park: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = fill(page(workspace, monkeypatch, objet=car_park))
    assert "c0001 proposée" in app.success[0].value
    row = read_corrections(workspace).iloc[0]
    assert (row["code_cs"], row["code_us"], row["status"], row["author"]) == ("CS1.2.2", None, "proposed", "Mairie")
    assert row.geometry.area == pytest.approx(CAR_PARK_M2, rel=0.02)
    assert app.dataframe[0].value["Statut"].tolist() == ["proposée"]


def test_a_proposal_without_code_author_or_reason_says_what_it_lacks(
    workspace: Path, car_park: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = fill(page(workspace, monkeypatch, objet=car_park), cover=None, author=" ", reason="")
    assert app.error[0].value == "Il manque\u202f: une couverture ou un usage, l'auteur, le motif."
    assert corrections.listed(workspace).empty


def test_while_another_program_writes_it_is_said_and_the_answers_stay(
    workspace: Path, car_park: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocsge.corrections._LOCK_S", 0.1)
    app = page(workspace, monkeypatch, objet=car_park)
    with FileLock(workspace / "corrections.lock"):
        fill(app, reason="visite du 2 mai")
    assert "Un autre programme" in app.error[0].value
    assert app.text_area[0].value == "visite du 2 mai"
    next(button for button in app.button if button.label == "Proposer la correction").click().run()
    assert corrections.listed(workspace)["reason"].tolist() == ["visite du 2 mai"]


def test_accepting_says_what_to_derive_again_and_withdrawing_too(
    workspace: Path, car_park: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = fill(page(workspace, monkeypatch, objet=car_park))
    app.multiselect[0].select("c0001").run()
    for label, said in (("Accepter", "acceptée"), ("Retirer", "retirée")):
        next(button for button in app.button if button.label == label).click().run()
        assert not app.exception
        assert app.success[0].value == f"c0001\u202f: {said}."
        assert any(f"commune {CODE}, millésime {LAST}" in str(block.proto.body) for block in app.get("html"))
        told = " ".join(block.proto.body for block in app.get("html") if "<pre" in block.proto.body)
        assert f"--millesime {LAST} --workspace {workspace.name}</code>" in told, "to be copied"
        assert app.dataframe[0].value["Statut"].tolist() == [said]


def test_a_commune_is_derived_again_at_every_year_in_one_command_and_a_perimeter_by_none() -> None:
    concerned = [("12174", 2022, None), ("12174", 2019, None), ("12202", 2022, None), ("12202", 2022, "quartier")]
    assert signal.commands(concerned, "mes communes") == [
        "ocsge derive --commune 12174 --millesime 2019 --millesime 2022 --workspace 'mes communes'",
        "ocsge derive --commune 12202 --millesime 2022 --workspace 'mes communes'",
    ]
    assert signal.commands([("", 2022, None)], "demo") == [], "ground of no commune has no command"


def test_an_unknown_polygon_is_told(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = page(workspace, monkeypatch, objet="<script>'; DROP TABLE--")
    assert "Aucun polygone" in app.error[0].value
    assert not app.text_area


def test_hostile_texts_are_kept_as_texts_and_no_cell_of_the_csv_is_a_formula(
    workspace: Path, car_park: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = fill(page(workspace, monkeypatch, objet=car_park), author="=1+1", reason=HOSTILE)
    assert app.dataframe[0].value["Motif"].tolist() == [HOSTILE]
    assert "<script>" not in " ".join(str(block.proto.body) for block in app.get("html"))
    assert not any(HOSTILE in element.value for element in app.markdown)
    text = downloads.csv_bytes(corrections.listed(workspace)).decode("utf-8-sig")
    assert f"'{HOSTILE}" in text
    assert ";'=1+1;" in text


def test_the_list_is_that_of_the_layer_without_its_ground(workspace: Path) -> None:
    results = Results(next((workspace / "versions").glob("[0-9a-f]*")))
    polygon = results.largest_polygons(CODE, LAST)["id"].iloc[0]
    for years in ((None, None), (2019, None), (2019, 2022)):
        corrections.propose(
            workspace,
            results,
            RULES,
            commune=CODE,
            millesime=LAST,
            polygon_id=polygon,
            author="a",
            reason="b",
            code_cs=None,
            code_us="US6.3",
            years=years,
        )
    set_status(workspace, ["c0002"], "rejected", RULES)
    listed, layer = corrections.listed(workspace), read_corrections(workspace)
    for column in corrections.COLUMNS:
        assert listed[column].fillna(0).astype(str).tolist() == [
            str(int(value)) if isinstance(value, float) else str(value) for value in layer[column].fillna(0)
        ]
    assert signal.shown(listed.assign(date="2026-03-01T08:30:00+00:00"))["Date"].tolist() == ["01/03/2026"] * 3
    assert signal.shown(listed)["Millésimes"].tolist() == ["tous", "2019–", "2019–2022"]


def test_a_polygon_that_is_gone_is_refused_and_a_broken_layer_told(workspace: Path) -> None:
    results = Results(next((workspace / "versions").glob("[0-9a-f]*")))
    given = {"author": "a", "reason": "b", "code_cs": "CS1.2.2", "code_us": None, "years": (None, None)}
    for millesime in (LAST, 1900):
        with pytest.raises(DataError):
            corrections.propose(workspace, results, RULES, commune=CODE, millesime=millesime, polygon_id="no", **given)  # type: ignore[arg-type]
    (workspace / "corrections.gpkg").write_bytes(b"not a layer")
    with pytest.raises(LayerError):
        corrections.listed(workspace)


def test_what_is_refused_is_said_in_french_without_a_path() -> None:
    for kind in (WorkspaceBusyError, OutputError, LayerError, DataError, OcsgeError):
        said = corrections.why_refused(kind("/srv/mairie/corrections.gpkg: refused"))
        assert "/srv" not in said
        assert said.endswith((".", "décrit."))


def test_a_span_is_counted_from_the_millesime_of_the_polygon() -> None:
    assert [signal.span_years(span, 2022) for span in signal.SPANS] == [
        (None, None),
        (2022, None),
        (None, 2022),
        (2022, 2022),
    ]
    assert signal.span_name(2022)("only") == "2022 seulement"


def test_the_codes_offered_are_the_leaves_and_the_names_say_cover_usage_area_and_state(
    village_pair: Derivation,
) -> None:
    names = polygon_list.polygon_names(Results(village_pair.version).largest_polygons(CODE, LAST), RULES)
    assert any(name.endswith("3\u202f600\u202fm², artificialisé") for name in names.values())
