"""Open a page of the dashboard as a visitor does, and keep what goes wrong on the way."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import matplotlib.image
import numpy as np

from tools.browser import CHROMIUM

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

MISSING = CHROMIUM is None or os.name == "nt"
WITHOUT_CHROMIUM = "no Chromium on the PATH (apt-get install chromium), or Windows, which has no signals"
_KNOWN_404 = ("/_stcore/health", "/_stcore/host-config")
"""Streamlit asks for these below the path of a page first, then at the root."""
_PATIENCE_MS = 60_000
_FADING_MS = 1_000
"""What a run replaces fades away: half-faded text would fail any contrast."""


@dataclass
class Visit:
    """A page opened, with what went wrong on the way."""

    page: Page
    foreign: list[str] = field(default_factory=list)
    """Requests to another server."""
    faults: list[str] = field(default_factory=list)
    """Console errors, exceptions and failed answers, but those known."""

    def canvas(self) -> Locator:
        """Return the drawing of the map."""
        return self.page.locator("[data-testid=stDeckGlJsonChart] canvas").first

    def colours(self) -> np.ndarray:
        """Return the pixels of the map as the screen shows them, (n, 3), 0 to 255."""
        shot = self.page.locator("[data-testid=stDeckGlJsonChart]").screenshot(timeout=_PATIENCE_MS)
        pixels = matplotlib.image.imread(BytesIO(shot))[..., :3]
        return np.rint(pixels * 255).astype(int).reshape(-1, 3)

    def wait_for_colour(self, colour: tuple[int, int, int], *, seconds: float = 40) -> int:
        """Return how many pixels of the map have a colour, as soon as some have; 0 after a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if near := self.colour_count(colour):
                return near
            self.page.wait_for_timeout(300)
        return 0

    def colour_count(self, colour: tuple[int, int, int]) -> int:
        """Return how many pixels of the map have a colour now."""
        return int((np.abs(self.colours() - colour).max(axis=1) <= 3).sum())

    def click(self, east: float, south: float) -> None:
        """Click the map at a distance from its centre, pixels.

        The clock of the page stands still meanwhile: picking takes software a second, and deck.gl drops a click that
        lasts longer than a quarter of one.
        """
        self.page.evaluate("() => { const now = Date.now(); window._now = Date.now; Date.now = () => now; }")
        self.page.mouse.move(*self._at(east, south))
        self.page.mouse.down()
        self.page.mouse.up()
        self.page.wait_for_timeout(1500)
        self.page.evaluate("() => { Date.now = window._now; }")

    def hover(self, east: float, south: float) -> None:
        """Move the pointer to a distance from the centre of the map, pixels."""
        self.page.mouse.move(*self._at(east - 3, south))
        self.page.mouse.move(*self._at(east, south))

    def _at(self, east: float, south: float) -> tuple[float, float]:
        box = self.canvas().bounding_box()
        assert box is not None
        return box["x"] + box["width"] / 2 + east, box["y"] + box["height"] / 2 + south


def visit(
    browser: Browser, address: str, page: str = "", *, width: int = 1366, height: int = 768, **query: str
) -> Visit:
    """Open a page and wait until its title stands and nothing runs."""
    opened = browser.new_page(viewport={"width": width, "height": height}, accept_downloads=True)
    found = Visit(opened)
    opened.set_default_timeout(_PATIENCE_MS)
    ours = (address, "data:", "blob:")
    opened.on("request", lambda request: None if request.url.startswith(ours) else found.foreign.append(request.url))
    opened.on("pageerror", lambda error: found.faults.append(str(error)))
    opened.on(
        "response", lambda answer: found.faults.append(answer.url) if _failed(answer.status, answer.url) else None
    )
    opened.on("console", lambda said: found.faults.append(said.text) if _complains(said.type, said.text) else None)
    opened.goto(f"{address}/{page}?{urlencode(query)}")
    opened.locator("h1").first.wait_for()
    opened.locator("[data-testid=stStatusWidget]").wait_for(state="detached")
    opened.locator("[data-stale=true]").first.wait_for(state="detached")
    opened.wait_for_timeout(_FADING_MS)
    return found


def _failed(status: int, url: str) -> bool:
    return status >= 400 and not url.endswith(_KNOWN_404)


def _complains(kind: str, text: str) -> bool:
    return kind == "error" and "404" not in text  # the answer itself is looked at
