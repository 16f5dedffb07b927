"""Each page runs on a village, on one millésime, without change and on an unknown code, without an exception."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from streamlit.testing.v1 import AppTest
from village import CODE

if TYPE_CHECKING:
    from ocsge.derivation import Derivation

MAIN = Path(__file__).parents[1] / "app" / "main.py"
PAGES = ("synthese", "carte", "transitions", "comparer", "trajectoire", "exports", "methode", "signaler")
WITH_TABLES = ("synthese", "transitions", "comparer", "trajectoire")


def opened(derivation: Derivation, monkeypatch: pytest.MonkeyPatch, page: str = "synthese", **query: str) -> AppTest:
    """Run a page on the workspace of a derivation."""
    monkeypatch.setenv("OCSGE_WORKSPACE", str(derivation.version.parents[1]))
    return shown(page, **query)


def shown(page: str, **query: str) -> AppTest:
    """Run a page on the workspace that the environment names."""
    app = AppTest.from_file(str(MAIN), default_timeout=30)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    if page != "synthese":
        app.switch_page(f"views/{page}.py").run()
    assert not app.exception, app.exception
    return app


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("workspace", ["village_pair", "village_alone", "village_still"])
def test_a_page_runs(
    page: str, workspace: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(request.getfixturevalue(workspace), monkeypatch, page)
    assert app.title or app.header
    if page in WITH_TABLES:
        assert len(app.get("download_button")) == len(app.dataframe), "each table has its CSV"


def test_an_unknown_code_is_told_and_nothing_is_shown(
    village_pair: Derivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(village_pair, monkeypatch, insee="99999")
    assert "99999" in app.error[0].value
    assert not app.metric


def test_the_link_holds_the_commune_and_the_years(village_pair: Derivation, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(village_pair, monkeypatch, insee=CODE)
    assert (app.query_params["insee"], app.query_params["m"]) == (CODE, "2019-2022")
