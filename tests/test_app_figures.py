"""What the pages show is what the tables hold: on the villages, on several communes, with and without imports."""

from __future__ import annotations

from html import unescape
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from several_communes import EMPTY, HOSTILE, STOCKS, enaf_csv, fill, portal_csv, several, stock
from streamlit.testing.v1 import AppTest
from territory_tables_by_hand import stock_row, stocks
from test_app_pages import MAIN, PAGES, WITH_TABLES, opened
from village import CAR_PARK_M2

from app.results import NAME_VARIABLE, Results
from app.ui import french, texts
from ocsge.imports import FOLDER, import_file
from ocsge.legal_notice import NO_BUILDING_RULE
from ocsge.store import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from ocsge.derivation import Derivation

CAR_PARK_HA = CAR_PARK_M2 / 10_000


@pytest.fixture
def communes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Publish several communes; return the workspace, which the server shows."""
    version = several(tmp_path)
    monkeypatch.setenv("OCSGE_WORKSPACE", str(version.parents[1]))
    return version.parents[1]


def page(name: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(MAIN), default_timeout=30)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    if name != "synthese":
        app.switch_page(f"views/{name}.py").run()
    assert not app.exception, app.exception
    return app


def said(app: AppTest) -> str:
    """Return every text of a page."""
    kinds = (app.markdown, app.caption, app.info, app.warning, app.error, app.subheader, app.title)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def table_with(app: AppTest, heading: str) -> pd.DataFrame:
    found: pd.DataFrame = next(shown.value for shown in app.dataframe if heading in shown.value.columns)
    return found


def test_the_key_figures_are_those_of_the_tables(village_pair: Derivation, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(village_pair, monkeypatch)
    flow = pd.read_csv(village_pair.version / "flow.csv", dtype={"commune_code": str}).iloc[0]
    shown = {metric.label: metric.value for metric in app.metric}
    assert flow["gain_ha"] == pytest.approx(CAR_PARK_HA, abs=0.02)
    assert shown["Devenu artificialisé"] == french.hectares(flow["gain_ha"], 2)
    assert shown["Désartificialisé"] == french.hectares(flow["loss_ha"], 2)
    assert shown["Artificialisé en 2022"] == french.hectares(flow["stock_2_ha"])
    assert shown["Artificialisation nette"] == f"{french.signed(flow['net_ha'], 2)}\u202fha"


def test_the_synthesis_always_says_millesimes_reservations_and_what_it_is_not(
    village_pair: Derivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = said(opened(village_pair, monkeypatch))
    assert "2019, 2022" in text
    assert NO_BUILDING_RULE in text
    assert "95\u202f%" in text
    flags = Results(village_pair.version).table("stock").iloc[-1]["flags"]
    assert all(sentence in text for sentence in texts.flag_sentences(flags))


def test_the_composition_sums_to_the_stock(village_pair: Derivation, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(village_pair, monkeypatch)
    stock = pd.read_csv(village_pair.version / "stock.csv").set_index("millesime").loc[2022, "stock_ha"]
    composed = [shown.value["Artificialisée (ha)"] for shown in app.dataframe if "Artificialisée (ha)" in shown.value]
    assert len(composed) == 3
    for areas in composed:
        assert areas.sum() == pytest.approx(stock, abs=1e-4)


def test_one_millesime_has_no_flow_and_it_is_said(village_alone: Derivation, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(village_alone, monkeypatch)
    assert [metric.label for metric in app.metric] == ["Artificialisé en 2022"]
    assert "Un seul millésime" in said(app)
    assert "Un seul millésime" in opened(village_alone, monkeypatch, "transitions").info[0].value


def test_no_change_is_said(village_still: Derivation, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "aucun sol n'a changé d'état" in said(opened(village_still, monkeypatch))
    text = said(opened(village_still, monkeypatch, "transitions"))
    assert "rien n'a changé" in text
    assert "Aucun sol n'est devenu artificialisé" in text


def test_the_car_park_is_the_transition_of_the_village(
    village_pair: Derivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(village_pair, monkeypatch, "transitions")
    shown = table_with(app, "dont artificialisée (ha)").iloc[0]
    assert shown["Surface (ha)"] == pytest.approx(CAR_PARK_HA, abs=0.02)
    assert "Zones non bâties" in shown["Après"]
    changes = table_with(app, "Nature")
    assert changes["Nature"].unique().tolist() == ["Devenu artificialisé"]
    assert changes["Surface (m²)"].sum() == pytest.approx(CAR_PARK_M2, abs=200)


@pytest.mark.parametrize("dimension", ["couverture", "usage", "decree_category"])
def test_every_dimension_of_the_transitions_covers_the_village(
    dimension: str, village_pair: Derivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(village_pair, monkeypatch, "transitions")
    app.button_group(key="dimension").set_value(dimension).run()
    assert not app.exception
    assert table_with(app, "dont artificialisée (ha)")["Surface (ha)"].sum() == pytest.approx(16.0, abs=0.01)


def test_every_commune_is_ranked(communes: Path) -> None:
    app = page("comparer", insee="12001")
    order = table_with(app, "Rang")
    assert order["Code"].tolist() == ["12006", "12005", "12004", "12003", "12002", "12001", "12007"]
    assert "rang **6** sur 6" in said(app)


def test_another_measure_ranks_anew(communes: Path) -> None:
    app = page("comparer", insee="12002")
    next(box for box in app.selectbox if box.label.startswith("Colorer")).select_index(1).run()
    order = table_with(app, "Rang").set_index("Code")
    assert order.loc["12002", "Rang"] == 1  # 6 ha, the largest net
    assert pd.isna(order.loc["12006", "Rang"])
    assert order.loc["12004", "Net (ha)"] == STOCKS["12004"][1] - STOCKS["12004"][0]


def commands_of(app: AppTest) -> str:
    """Return the commands that a page gives to copy."""
    return " ".join(unescape(block.proto.body) for block in app.get("html") if "<pre" in block.proto.body)


def test_the_comparison_says_how_to_import_what_is_missing(communes: Path) -> None:
    app = page("comparer", insee="12001")
    assert "ocsge import portal" in commands_of(app)
    assert "ocsge import membership" in said(app)


def test_imported_official_figures_stand_beside_the_derived_ones(communes: Path, tmp_path: Path) -> None:
    import_file(portal_csv(tmp_path / "export.csv"), communes, kind="portal")
    beside = table_with(page("comparer", insee="12001"), "Écart (ha)").set_index("Millésime")
    assert beside.loc[2022].tolist()[:3] == [13.0, 12.0, 1.0]
    assert "ne contiennent pas cette commune" in said(page("comparer", insee="12002"))


@pytest.mark.parametrize("name", PAGES)
def test_a_commune_without_data_has_every_page_and_no_figure(name: str, communes: Path) -> None:
    app = page(name, insee=EMPTY)
    assert app.title
    assert all(french.NO_VALUE in metric.value for metric in app.metric)


@pytest.mark.parametrize("view", ["artificialisation", "flux", "couverture", "usage"])
def test_the_map_of_a_commune_without_data_says_that_there_is_nothing(view: str, communes: Path) -> None:
    app = page("carte", insee=EMPTY, vue=view)
    assert "Aucune donnée ne décrit le sol" in app.info[0].value
    assert not app.dataframe


def test_a_year_derived_alone_leaves_the_pair_and_can_be_looked_at(communes: Path) -> None:
    between = stock_row("12001", 2020, 11.0, nom="Ouest", surface_ha=1000.0, part_pct=1.1, rules_version="abc")

    def more(folder: Path) -> None:
        fill(folder)
        pd.concat([stock(), stocks(between)], ignore_index=True).to_parquet(folder / "stock.parquet", index=False)

    Workspace(communes).publish_version(more, key="alone", carry=lambda _: False)
    app = page("synthese", insee="12001")
    assert app.sidebar.selectbox[1].options == ["2019–2022", "2019", "2020", "2022"]
    assert app.query_params["m"] in ("2019-2022", ["2019-2022"])
    assert "Devenu artificialisé" in [metric.label for metric in app.metric]
    alone = page("synthese", insee="12001", m="2020")
    assert [(metric.label, metric.value) for metric in alone.metric] == [("Artificialisé en 2020", "11,0\u202fha")]
    assert alone.query_params["m"] in ("2020", ["2020"])


def test_the_command_to_import_names_the_workspace_as_a_shell_reads_it(
    communes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME_VARIABLE, "mes données")
    for name in ("comparer", "trajectoire"):
        assert "--workspace 'mes données'" in commands_of(page(name, insee="12001"))


def test_without_import_the_trajectory_says_how_to_import(communes: Path) -> None:
    app = page("trajectoire", insee="12001")
    assert "ocsge import enaf" in commands_of(app)
    assert texts.TWO_MEASURES in said(app)
    assert [metric.value for metric in app.metric] == ["+3,00\u202fha", "+1,00\u202fha"]


def test_the_two_regimes_stand_apart(communes: Path, tmp_path: Path) -> None:
    import_file(enaf_csv(tmp_path / "conso.csv"), communes, kind="enaf")
    app = page("trajectoire", insee="12001")
    figures = {metric.label: metric.value for metric in app.metric}
    assert figures["Permis"] == "10,00\u202fha"
    assert figures["Déjà consommé"] == "1,50\u202fha"
    assert figures["Reste"] == "8,50\u202fha"
    assert texts.COMPLIANCE["within"] in said(app)
    assert "ne contient pas cette commune" in said(page("trajectoire", insee="12002"))


def test_the_rate_and_the_guarantee_of_the_territory_decide(communes: Path, tmp_path: Path) -> None:
    import_file(enaf_csv(tmp_path / "conso.csv"), communes, kind="enaf")
    app = page("trajectoire", insee="12001")
    app.number_input[0].set_value(100.0).run()
    assert app.metric[0].value == "0,00\u202fha"
    app.radio[0].set_value("oui").run()
    assert app.metric[0].value == "1,00\u202fha"


@pytest.mark.parametrize(
    ("kind", "name"), [("enaf", "trajectoire"), ("portal", "comparer"), ("membership", "comparer")]
)
def test_a_damaged_import_is_said_and_the_rest_of_the_page_stands(communes: Path, kind: str, name: str) -> None:
    (communes / FOLDER).mkdir()
    (communes / FOLDER / f"{kind}.parquet").write_bytes(b"nothing")
    (communes / FOLDER / f"{kind}.json").write_text("{}", encoding="utf-8")
    app = page(name, insee="12001")
    assert "mportez-l" in said(app)
    assert str(communes) not in said(app)
    assert len(app.subheader) >= 2


@pytest.mark.parametrize("name", WITH_TABLES)
def test_a_hostile_name_is_shown_as_it_is(name: str, communes: Path) -> None:
    app = page(name, insee="12003")
    assert texts.markdown(HOSTILE) in app.title[0].value
    assert "<img" not in said(app).replace("\\<img", "")
