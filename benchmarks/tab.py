"""Open a page in a Chromium of its own and tell when it is drawn, whatever its server sends.

The browser is driven by its own protocol, bare: Playwright has every message of a websocket told to its driver, and one
of 200 MB exhausts the driver before the page draws anything. Here the page itself is watched from before its scripts
run: it counts what its websockets receive and the corners of each call that draws triangles, keeps the moment at which
a large one has reached the screen, and is asked for them.
"""

from __future__ import annotations

import base64
import json
import math
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tools.browser import FLAGS, LAPTOP, chromium_path, end

if TYPE_CHECKING:
    from collections.abc import Iterator

    from websockets.sync.client import ClientConnection

_QUIET = (
    "--headless",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-sync",
    "--lang=fr-FR",
    "--remote-debugging-port=0",
)
"""Options of a browser that no person looks at; the port is one that is free."""
_WATCH = """
window.__received = 0; window.__largest = 0; window.__drawnAt = {};
window.WebSocket = class extends window.WebSocket {
  constructor(...rest) {
    super(...rest);
    this.addEventListener("message", ({data}) => { window.__received += data.byteLength ?? data.size ?? data.length; });
  }
};
for (const name of ["drawElements", "drawArrays", "drawElementsInstanced", "drawArraysInstanced"]) {
  const prototype = WebGL2RenderingContext.prototype, original = prototype[name];
  prototype[name] = function (mode, ...rest) {
    const result = original.call(this, mode, ...rest);
    const count = (name.startsWith("drawArrays") ? rest[1] : rest[0]) * (name.endsWith("Instanced") ? rest.at(-1) : 1);
    if (count > window.__largest) {
      window.__largest = count;
      const context = this;
      requestAnimationFrame(() => requestAnimationFrame(() => {
        context.readPixels(0, 0, 1, 1, context.RGBA, context.UNSIGNED_BYTE, new Uint8Array(4));
        window.__drawnAt[count] = performance.now();
      }));
    }
    return result;
  };
}
"""
_READY = """
document.querySelector("h1, h2") !== null
  && document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState === "notRunning"
"""
_DRAWN = "Math.min(...Object.entries(window.__drawnAt).filter(([n]) => Number(n) >= {least}).map(([, when]) => when))"
_BETWEEN_S = 0.05
"""Seconds between two questions to a page."""


class TabLostError(Exception):
    """The page is lost: its process has ended, or that of the browser."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A page opened by a fresh browser; what did not come in time took infinitely long."""

    ready_s: float
    """Seconds to the end of its script, titles shown."""

    drawn_s: float
    """Seconds to its polygons on the screen; 0 when none were waited for."""

    socket_mb: float
    """What it received over its websockets, MB."""


class Tab:
    """A page of a browser, asked by the browser's protocol; no event of the network is asked for."""

    def __init__(self, connection: ClientConnection, session: str, *, end: float) -> None:
        self._connection, self._session, self._end, self._asked = connection, session, end, 0

    def call(self, method: str, **given: object) -> dict[str, Any]:
        """Return the answer of the browser.

        Raises
        ------
        TabLostError
            When the page has gone, alone or with the whole browser.
        TimeoutError
            When the answer does not come before the end of the tab's time.
        RuntimeError
            When the browser refuses.
        """
        self._asked += 1
        question = {"id": self._asked, "method": method, "params": given}
        if self._session:
            question["sessionId"] = self._session
        try:
            return self._answer(method, json.dumps(question))
        except ConnectionClosed as error:
            raise TabLostError(method) from error

    def _answer(self, method: str, question: str) -> dict[str, Any]:
        """Send the question just asked and return its answer; what else the browser says meanwhile is left."""
        self._connection.send(question)
        while True:
            said = json.loads(self._connection.recv(timeout=max(0.0, self._end - time.perf_counter())))
            if said.get("method") == "Inspector.targetCrashed":
                raise TabLostError(method)
            if said.get("id") == self._asked and said.get("sessionId", "") == self._session:
                if "error" in said:
                    raise RuntimeError(f"{method}: {said['error']['message']}")
                result: dict[str, Any] = said["result"]
                return result

    def value(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        said = self.call("Runtime.evaluate", expression=expression)
        if "exceptionDetails" in said:
            raise RuntimeError(f"{expression}: {said['exceptionDetails']['text']}")
        result = said["result"]
        return result.get("value", math.inf if result.get("unserializableValue") == "Infinity" else None)

    def wait_for(self, expression: str) -> None:
        """Wait until an expression is true in the page."""
        while not self.value(expression):
            if time.perf_counter() > self._end:
                raise TimeoutError(expression)
            time.sleep(_BETWEEN_S)

    def picture(self) -> bytes:
        """Return what the page shows, PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])


@contextmanager
def tab(*, timeout_s: float) -> Iterator[Tab]:
    """Give an empty page of a fresh browser, whose drawing and receiving are counted, for so many seconds at most."""
    until = time.perf_counter() + timeout_s
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        size = f"--window-size={LAPTOP[0]},{LAPTOP[1]}"
        process = subprocess.Popen(
            [chromium_path(), *FLAGS, *_QUIET, size, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            url = _address(Path(profile) / "DevToolsActivePort", until)
            with connect(url, max_size=None, compression=None, ping_interval=None) as connection:
                browser = Tab(connection, "", end=until)
                target = browser.call("Target.createTarget", url="about:blank")["targetId"]
                session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
                page = Tab(connection, session, end=until)
                for domain in ("Inspector", "Page"):
                    page.call(f"{domain}.enable")
                width, height = LAPTOP
                page.call(
                    "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
                )
                page.call("Page.addScriptToEvaluateOnNewDocument", source=_WATCH)
                yield page
        finally:
            end(process)


def _address(told: Path, until: float) -> str:
    """Return the address of the protocol of a browser, from the file in which it tells its port."""
    while True:
        lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        if time.perf_counter() > until:
            raise TimeoutError(f"{told}: the browser told no port")
        time.sleep(0.02)


def opened(url: str, *, corners: int = 0, timeout_s: float = 60, picture: Path | None = None) -> Opened:
    """Open a page cold; with ``corners``, wait until that many corners of triangles are drawn.

    Parameters
    ----------
    url : str
    corners : int
        Corners that one drawing has at least.
    timeout_s : float
        Seconds after which the page is given up.
    picture : path, optional
        Where what is drawn is written, PNG.
    """
    ready = drawn = received = math.inf
    try:
        with tab(timeout_s=timeout_s) as page:
            began = time.perf_counter()
            page.call("Page.navigate", url=url)
            page.wait_for(_READY)
            ready = time.perf_counter() - began
            received = page.value("window.__received")
            when = _DRAWN.format(least=corners)
            if corners:
                page.wait_for(f"{when} < Infinity")
            drawn = page.value(when) / 1000 if corners else 0.0
            if picture is not None:
                picture.write_bytes(page.picture())
    except (TabLostError, TimeoutError):
        pass  # what was not reached stays infinite
    return Opened(ready, drawn, received / 1e6)
