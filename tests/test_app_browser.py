"""What a visitor sees of the village in a browser: maps drawn, a click explained, no request outside."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from browser import MISSING, WITHOUT_CHROMIUM, Visit, visit
from village import CODE

from app.ui import palettes
from tools.browser import chromium, served

pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")
pytestmark = pytest.mark.skipif(MISSING, reason=WITHOUT_CHROMIUM)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from ocsge.derivation import Derivation

PAGES = ("", "carte", "transitions", "comparer", "trajectoire", "exports", "methode", "signaler")
CAR_PARK = (-155, 155)
"""Pixels from the centre of the map: its own is 160 m west and south of that of the village, at 0.97 pixel a metre."""
ARTIFICIALISED = palettes.rgb(palettes.states()[0].colour)


@pytest.fixture(scope="module")
def address(village_pair: Derivation) -> Iterator[str]:
    with served(village_pair.version.parents[1]) as found:
        yield found.url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def carte(browser: Browser, address: str) -> Visit:
    """The page Carte; the first visit of a fresh server is the link of a page."""
    return visit(browser, address, "carte", insee=CODE)


def test_the_link_of_a_page_opens_on_a_fresh_server(carte: Visit) -> None:
    assert "Petite commune" in carte.page.locator("h1").inner_text()


def test_the_map_is_drawn(carte: Visit) -> None:
    assert carte.wait_for_colour(ARTIFICIALISED) > 500


def test_the_map_is_told_to_those_who_do_not_see_it(carte: Visit) -> None:
    told = carte.page.get_by_role("figure").first.get_attribute("aria-label")
    assert told is not None
    assert "Artificialisé" in told


def test_a_polygon_is_named_under_the_pointer(carte: Visit) -> None:
    carte.wait_for_colour(ARTIFICIALISED)
    carte.hover(*CAR_PARK)
    carte.page.get_by_text("3\u202f600\u202fm²").first.wait_for()


def test_a_click_says_why_and_the_link_says_it_again(carte: Visit, browser: Browser, address: str) -> None:
    carte.wait_for_colour(ARTIFICIALISED)
    carte.click(*CAR_PARK)
    carte.page.get_by_label("Pourquoi").wait_for()
    told = carte.page.get_by_label("Pourquoi").inner_text()
    assert "Zones non bâties" in told
    named = re.search(r"objet=([^&]+)", carte.page.url)
    assert named is not None
    again = visit(browser, address, "carte", insee=CODE, objet=named[1])
    again.page.get_by_label("Pourquoi").wait_for()
    assert again.page.get_by_label("Pourquoi").inner_text() == told
    again.page.close()


def test_the_flow_shows_the_car_park_only(browser: Browser, address: str) -> None:
    flow = visit(browser, address, "carte", insee=CODE, vue="flux")
    assert flow.wait_for_colour(palettes.rgb(palettes.GAIN)) > 500
    assert flow.colour_count(palettes.rgb(palettes.LOSS)) == 0
    assert (flow.foreign, flow.faults) == ([], [])
    flow.page.close()


def test_the_file_downloaded_holds_the_figures_of_the_page(carte: Visit, tmp_path: Path) -> None:
    with carte.page.expect_download() as waited:
        carte.page.get_by_role("button", name="Télécharger").first.click()
    waited.value.save_as(tmp_path / "classes.csv")
    head, *lines = (tmp_path / "classes.csv").read_text(encoding="utf-8-sig").splitlines()
    assert head == "code;classe;polygones;surface_ha;part_pct"
    areas = {line.split(";")[0]: float(line.split(";")[3].replace(",", ".")) for line in lines}
    assert sum(areas.values()) == pytest.approx(16)
    shown = carte.page.get_by_role("list", name="Artificialisation, 2022").inner_text()
    assert f"{areas['n']:.1f}".replace(".", ",") in shown


@pytest.mark.parametrize("page", PAGES)
def test_a_page_asks_nothing_outside_breaks_nothing_and_is_accessible(
    page: str, browser: Browser, address: str
) -> None:
    opened = visit(browser, address, page, insee=CODE)
    found = axe.Axe().run(opened.page, options={"resultTypes": ["violations"]}).response["violations"]
    grave = {
        rule["id"]: [node["html"][:160] for node in rule["nodes"]]
        for rule in found
        if rule["impact"] in {"serious", "critical"}
    }
    opened.page.close()
    assert (opened.foreign, opened.faults, grave) == ([], [], {})


def test_the_first_page_opens_under_its_own_name_too(browser: Browser, address: str) -> None:
    opened = visit(browser, address, "synthese", insee=CODE)
    assert opened.page.url.startswith(f"{address}/?insee={CODE}")
    assert "Petite commune" in opened.page.locator("h1").inner_text()
    assert opened.page.get_by_text("not found").count() == 0
    assert opened.faults == []
    opened.page.close()


def test_the_map_fits_a_phone(browser: Browser, address: str) -> None:
    phone = visit(browser, address, "carte", insee=CODE, width=390, height=844)
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390
    box = phone.canvas().bounding_box()
    assert box is not None
    assert box["width"] <= 390
    phone.page.close()
