"""Tell the browser at once which script draws maps, where the page has one.

Streamlit asks for it only when the description of a map arrives, after the page's script has run: three megabytes are
then fetched and compiled while nothing else goes on.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGES_WITH_MAP = ("/carte", "/comparer")
_SCRIPTS, _MAP_SCRIPT = "static/js", "DeckGlJsonChart.*.js"


class PreloadMap:
    """Server whose pages with a map name, in their header ``Link``, the script that draws it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and what is answered with the header added where it is such a page."""
        if scope["type"] != "http" or not str(scope["path"]).endswith(PAGES_WITH_MAP):
            await self._app(scope, receive, send)
            return

        async def with_link(message: Message) -> None:
            """Add the header to a page; other answers pass as they are."""
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    for address in map_scripts():
                        headers.append("Link", f"<{address}>; rel=modulepreload; crossorigin=anonymous")
            await send(message)

        await self._app(scope, receive, with_link)


@cache
def map_scripts() -> tuple[str, ...]:
    """Return the addresses, seen from a page, of the script that draws maps; none if Streamlit names it otherwise."""
    import streamlit  # noqa: PLC0415  (heavy, and loaded by then)

    folder = Path(streamlit.__file__).parent / "static" / _SCRIPTS
    return tuple(f"./{_SCRIPTS}/{path.name}" for path in sorted(folder.glob(_MAP_SCRIPT)))
