"""What a view of the map says of itself, and what a territory gives the pages: small tables written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from app.map_page import COVER, FLOW, STATE, USAGE, View, explain, hint
from app.results import Results
from app.ui import palettes
from app.ui.state import Territory
from ocsge.rules import load_rules

if TYPE_CHECKING:
    from app.ui.palettes import Shade

NARROW = "\u202f"
STOCK = pd.DataFrame({"millesime": [2016, 2019, 2022], "stock_ha": [10.0, 11.0, 13.5]})
FLOWS = pd.DataFrame({"millesime_1": [2016, 2019], "millesime_2": [2019, 2022], "net_ha": [1.0, 2.5]})


def territory(pair: tuple[int, int] | None = (2019, 2022), flow: pd.DataFrame = FLOWS) -> Territory:
    """Return a commune of three years at the end of a pair, or at its last year alone."""
    results = Results(Path("versions", "0123456789abcdef"))
    return Territory(results, "32013", "Auch", (2016, 2019, 2022), pair, 2022, STOCK, flow)


def view(kind: str, areas_ha: dict[str, float], *, here: Territory | None = None) -> View:
    """Return a view of classes with their areas, in the colours of its kind."""
    rules = load_rules()
    shades: dict[str, tuple[Shade, ...]] = {
        STATE: palettes.states(),
        FLOW: palettes.flows(),
        COVER: palettes.couvertures(rules),
        USAGE: palettes.usages(rules),
    }
    table = pd.DataFrame({"code": list(areas_ha), "surface_ha": list(areas_ha.values())})
    return View(here or territory(), kind, 2022, None, table, shades[kind])


@pytest.mark.parametrize(
    ("kind", "when", "title"),
    [
        (STATE, "2022", "Artificialisation, 2022"),
        (COVER, "2022", "Couverture, 2022"),
        (USAGE, "2022", "Usage, 2022"),
        (FLOW, "2019-2022", "Flux, 2019–2022"),
    ],
)
def test_a_view_is_of_its_year_and_that_of_flows_of_the_pair(kind: str, when: str, title: str) -> None:
    found = view(kind, {})
    assert (found.when, found.name, found.title) == (when, f"32013_{when}_{kind}", title)


def test_what_can_be_clicked_is_a_polygon_of_the_year_or_a_change_of_the_pair() -> None:
    of_state, of_flow = view(STATE, {}).path.as_posix(), view(FLOW, {}).path.as_posix()
    assert "polygons/commune_code=32013/millesime=2022/" in of_state
    assert "changes/commune_code=32013/millesimes=2019-2022/" in of_flow
    assert "un polygone de la carte" in hint(view(STATE, {}))
    assert "un changement de la carte" in hint(view(FLOW, {}))


def test_the_legend_has_the_classes_of_the_commune_in_the_order_of_the_nomenclature() -> None:
    found = view(COVER, {"CS2.2.1": 3.0, "CS1.1.1.1": 1.0, "CS9": 0.5})
    assert [shade.code for shade in found.legend] == ["CS1.1.1.1", "CS2.2.1", "CS9"]
    assert found.legend[-1].colour == palettes.UNKNOWN


def test_the_legend_of_flows_has_gain_loss_and_what_stays_though_nothing_moved() -> None:
    found = view(FLOW, {"gain": 0.0, "perte": 0.0})
    assert [shade.code for shade in found.legend] == ["gain", "perte", "", ""]
    assert found.areas == {"gain": f"0,00{NARROW}ha", "perte": f"0,00{NARROW}ha"}


def test_areas_have_a_decimal_and_those_of_flows_two() -> None:
    assert view(STATE, {"a": 1234.56}).areas == {"a": f"1{NARROW}234,6{NARROW}ha"}
    assert view(FLOW, {"gain": 0.36, "perte": 0.0}).areas["gain"] == f"0,36{NARROW}ha"


def test_who_does_not_see_the_map_is_told_commune_year_and_each_class_with_its_area() -> None:
    told = view(STATE, {"a": 2.0, "n": 14.0}).alt
    assert told.startswith(f"Carte{NARROW}: Auch. Artificialisation, 2022 : ")
    assert f"2,0{NARROW}ha" in told
    assert f"14,0{NARROW}ha" in told
    assert told.count(f"{NARROW}ha") == 2


def test_nothing_is_explained_before_a_polygon_is_chosen() -> None:
    assert explain(view(STATE, {}), None) is None
    assert explain(view(FLOW, {}), "") is None


def test_the_stock_is_that_of_the_year_asked() -> None:
    assert [territory().stock_at(year)["stock_ha"] for year in (2016, 2022)] == [10.0, 13.5]


@pytest.mark.parametrize(("pair", "net"), [((2016, 2019), 1.0), ((2019, 2022), 2.5)])
def test_the_flow_is_that_of_the_pair_looked_at(pair: tuple[int, int], net: float) -> None:
    found = territory(pair).flow_of_pair()
    assert found is not None
    assert found["net_ha"] == net


def test_a_year_alone_a_pair_never_derived_and_a_commune_without_flow_have_none() -> None:
    assert territory(None).flow_of_pair() is None
    assert territory((2016, 2022)).flow_of_pair() is None
    assert territory((2019, 2022), pd.DataFrame()).flow_of_pair() is None
