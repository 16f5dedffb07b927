"""Hostile names, broken workspaces and bad addresses: right answers, nothing run, no path of the machine told."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Block, Element
from test_app_pages import MAIN, PAGES, shown
from village import CODE, village

from app.export_files import report_bytes, table_files
from app.results import current_results
from app.ui import state
from ocsge.publication import partition_of
from ocsge.store import Workspace
from ocsge.version_layout import current_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsge.derivation import Derivation

HOSTILE = "Évil <img src=x onerror=alert(1)> ![p](http://evil.example/p.png) [l](javascript:x) :red[r] $x^2$ =1+1"


def run(workspace: Path | None, monkeypatch: pytest.MonkeyPatch, page: str = "synthese", **query: str) -> AppTest:
    if workspace is None:
        monkeypatch.delenv("OCSGE_WORKSPACE", raising=False)
    else:
        monkeypatch.setenv("OCSGE_WORKSPACE", str(workspace))
    return shown(page, **query)


def told(app: AppTest) -> str:
    """Return every text that a browser gets."""
    return "\n".join(str(element.proto) for block in (app.main, app.sidebar) for element in elements(block))


def elements(block: Block) -> Iterator[Element]:
    for child in block.children.values():
        if isinstance(child, Block):
            yield from elements(child)
        else:
            yield child


def copied(derivation: Derivation, folder: Path) -> Path:
    return Path(shutil.copytree(derivation.version.parents[1], folder / "mairie", symlinks=True))


@pytest.fixture(scope="module")
def hostile(village_pair: Derivation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace whose commune has a hostile name, and whose sources have one too."""
    workspace = copied(village_pair, tmp_path_factory.mktemp("hostile"))
    run_json = partition_of(CODE, 2022, perimetre=None, kind="runs") / "run.json"

    def fill(folder: Path) -> None:
        for path in [*folder.glob("*.parquet"), *folder.glob("tables/*/*/*.parquet")]:
            table = pd.read_parquet(path, partitioning=None)
            if "nom" in table:
                path.unlink()
                table.assign(nom=HOSTILE).to_parquet(path, index=False)
        told_run = Workspace(workspace).current()
        assert told_run is not None
        text = (told_run / run_json).read_text(encoding="utf-8").replace("batiment.gpkg", "<b>batiment</b>.gpkg")
        (folder / run_json).unlink()
        (folder / run_json).write_text(text, encoding="utf-8")

    Workspace(workspace).publish_version(fill, carry=lambda _: True)
    return workspace


@pytest.mark.parametrize("page", PAGES)
def test_a_hostile_name_is_text_on_every_page(page: str, hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = run(hostile, monkeypatch, page)
    for element in (*app.markdown, *app.title, *app.header, *app.subheader, *app.caption):
        bare = re.sub(r"\\.", "", element.value)
        for live in ("![p](", "[l](", ":red[", " $x^2$", "<img"):
            assert live not in bare, f"{page}: {element.value!r} runs what the name holds"
    for block in app.get("html"):
        assert "<img src=x" not in str(block.proto.body)
        assert "<b>batiment" not in str(block.proto.body)


def test_a_hostile_name_is_escaped_in_the_report_and_no_cell_of_the_csv_is_a_formula(hostile: Path) -> None:
    version = current_version(hostile)
    report = report_bytes(hostile, version=version, commune=CODE, millesimes=(2022,)).decode()
    assert "<img src=x" not in report
    assert "<b>batiment" not in report
    assert "&lt;img src=x" in report
    for name, content in table_files(hostile, version=version, profile="excel-fr", communes=None).items():
        if name.endswith(".csv"):
            cells = content.decode("utf-8-sig").replace("\r\n", ";").split(";")
            assert not [cell for cell in cells if cell.startswith(("=", "@"))], name


def test_a_missing_an_empty_and_a_half_published_workspace_are_told_without_a_path(
    village_pair: Derivation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vide").mkdir()
    half = copied(village_pair, tmp_path)
    (half / "CURRENT").write_text("0123456789abcdef\n")
    garbage = tmp_path / "garbage"
    garbage.mkdir()
    (garbage / "CURRENT").write_text("../../etc\n")
    for workspace in (None, tmp_path / "absent", tmp_path / "vide", half, garbage):
        app = run(workspace, monkeypatch)
        assert app.error[0].value == "Aucun résultat à montrer."
        assert str(tmp_path) not in told(app)
        assert workspace is None or workspace.name in told(app)


@pytest.mark.parametrize(
    "query",
    [
        {"insee": "99999"},
        {"insee": "../../etc/passwd"},
        {"insee": "<script>alert(1)</script>"},
        {"insee": CODE, "m": "1900-3000"},
        {"insee": CODE, "m": "'; DROP TABLE stock"},
        {"insee": "", "m": ""},
        {"insee": CODE, "m": "2022-2019", "vue": "<b>", "objet": "x" * 5000},
    ],
)
def test_a_bad_address_gives_a_page_or_a_message(
    query: dict[str, str], village_pair: Derivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = village_pair.version.parents[1]
    app = run(workspace, monkeypatch, **query)
    assert "<script>" not in told(app)
    assert str(workspace) not in told(app)
    if query["insee"] != CODE:
        assert app.error
        assert not app.metric
        return
    assert app.query_params["m"] in ("2019-2022", ["2019-2022"])
    for page in PAGES[1:]:
        assert str(workspace) not in told(run(workspace, monkeypatch, page, **query))


@pytest.mark.parametrize("page", ["carte", "transitions", "signaler"])
def test_a_cut_file_of_the_results_asks_to_reload(
    page: str, village_pair: Derivation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = copied(village_pair, tmp_path)

    def fill(folder: Path) -> None:
        for path in (*folder.glob("polygons/*/*/*.parquet"), *folder.glob("changes/*/*/*.parquet")):
            cut = path.read_bytes()[:100]
            path.unlink()
            path.write_bytes(cut)

    Workspace(workspace).publish_version(fill, carry=lambda _: True)
    app = run(workspace, monkeypatch, page, insee=CODE)
    assert "rechargez la page" in app.error[0].value
    assert str(tmp_path) not in told(app)


def test_a_version_removed_under_an_open_map_asks_to_reload(
    village_pair: Derivation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = copied(village_pair, tmp_path)
    app = run(workspace, monkeypatch, "carte", insee=CODE)
    assert not app.error
    held = current_results()
    monkeypatch.setattr(state, "current_results", lambda: held)  # the page asked just before the version went
    shutil.rmtree(held.version)
    app.button_group(key="carte_vue").set_value("flux").run()
    assert not app.exception
    assert "rechargez la page" in app.error[0].value


def test_a_workspace_published_anew_while_a_page_is_open_shows_the_new_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    derivation = village(tmp_path, millesimes=(2022,))
    workspace = derivation.version.parents[1]
    monkeypatch.setenv("OCSGE_WORKSPACE", str(workspace))
    app = AppTest.from_file(str(MAIN), default_timeout=30).run()
    assert "98,7\u202fha" not in told(app)

    def fill(folder: Path) -> None:
        for path in [*folder.glob("stock.parquet"), *folder.glob("tables/*/*/stock.parquet")]:
            table = pd.read_parquet(path, partitioning=None).assign(stock_ha=98.7)
            path.unlink()
            table.to_parquet(path, index=False)

    Workspace(workspace).publish_version(fill, carry=lambda _: True)
    shutil.rmtree(derivation.version)
    app.run()
    assert not app.exception
    assert "98,7\u202fha" in told(app)
