"""The script that draws maps is told to the browser with the page, and only with pages that have a map."""

from __future__ import annotations

import asyncio
from pathlib import Path

import streamlit
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from app.preload import PreloadMap, map_scripts


def links(path: str, answer: Response) -> list[str]:
    """Return the headers ``Link`` of the answer to a path."""
    told: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request"}

    async def send(message: dict[str, object]) -> None:
        told.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": []}
    asyncio.run(PreloadMap(answer)(scope, receive, send))  # type: ignore[arg-type]
    return [value.decode() for name, value in told[0]["headers"] if name == b"link"]  # type: ignore[attr-defined]


def test_the_script_is_a_file_of_this_streamlit() -> None:
    (address,) = map_scripts()
    assert (Path(streamlit.__file__).parent / "static" / address).is_file()


def test_a_page_with_a_map_names_it() -> None:
    for path in ("/carte", "/comparer", "/sous/chemin/carte"):
        (link,) = links(path, HTMLResponse("page"))
        assert link == f"<{map_scripts()[0]}>; rel=modulepreload; crossorigin=anonymous"


def test_other_pages_and_other_answers_do_not() -> None:
    assert links("/", HTMLResponse("page")) == []
    assert links("/methode", HTMLResponse("page")) == []
    assert links("/carte", PlainTextResponse("refused", status_code=403)) == []
