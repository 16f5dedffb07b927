"""Routes of the server beside its pages: what gives the maps their data, and the other address of the first page."""

from __future__ import annotations

import json
import re
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse
from starlette.routing import Route

from app.answers import BRIEF, GONE, UNKNOWN, answer, refused, squeezed, tag_of
from app.basemaps import BASEMAPS
from app.results import Results, workspace_path
from app.tiles import MAX_ZOOM, tile
from ocsge.errors import OcsgeError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_VERSION = re.compile(r"[0-9a-f]{16}")
_COMMUNE = re.compile(r"[0-9][0-9AB][0-9]{3}")
_WHEN = re.compile(r"[0-9]{4}(-[0-9]{4})?")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,6}")
_PARTS = ("cartes", "tuiles", "outils", "fond")
"""What our addresses begin with: all the rest of them is unknown, and not a page."""
_GEOJSON = "application/geo+json"
_TILE = "application/vnd.mapbox-vector-tile"
_WORKER = Path(__file__).with_name("static") / "mvt-worker.js"
TILE_WORKER_URL = "/outils/mvt-worker.js"
"""Address of the script that reads tiles in the browser: ``loadOptions`` ``mvt.workerUrl`` of a layer of tiles."""


def map_url(results: Results, commune: str, when: str) -> str:
    """Return the address of the map file of a commune at ``2022`` or over ``2019-2022``."""
    return f"/cartes/{results.id}/{commune}/{when}.geojson"


def communes_url(results: Results) -> str:
    """Return the address of the map file of every commune of the version."""
    return f"/cartes/{results.id}/communes.geojson"


async def serve_map(request: Request) -> Response:
    """Answer with the map file of a commune: GeoJSON in EPSG:4326, never to change."""
    results, commune, when = _asked(request)
    if results is None:
        return refused()
    return await _map_answer(request, results.map_file(commune, when), f"{results.id}-{commune}-{when}")


async def serve_communes(request: Request) -> Response:
    """Answer with the outlines and figures of every commune of a version."""
    results = _version(request)
    if results is None:
        return refused()
    return await _map_answer(request, results.communes_file(), f"{results.id}-communes")


async def serve_tile(request: Request) -> Response:
    """Answer with a vector tile of the map of a commune; empty where it shows nothing."""
    results, commune, when = _asked(request)
    texts = [request.path_params[name] for name in "zxy"]
    if results is None or not all(_NUMBER.fullmatch(text) for text in texts):
        return refused()
    z, x, y = map(int, texts)
    if z > MAX_ZOOM or max(x, y) >= 2**z:
        return refused()
    path = results.map_file(commune, when)
    if path is None:
        return refused(GONE)
    tag = f"{results.id}-{commune}-{when}-{z}-{x}-{y}"
    try:
        return await answer(request, partial(tile, path, z, x, y), tag=tag, media_type=_TILE)
    except (FileNotFoundError, OcsgeError):  # removed after it was looked for, or cut
        return refused(GONE)


async def serve_tile_worker(request: Request) -> Response:
    """Answer with the script that reads tiles in the browser."""
    content, tag = await run_in_threadpool(_worker)
    return await answer(request, lambda: content, tag=tag, media_type="text/javascript", keep=BRIEF, gzipped=True)


async def serve_basemap(request: Request) -> Response:
    """Answer with the style of a basemap, which names the tiles of IGN: the browser asks IGN for them."""
    name = request.path_params["name"]
    if name not in BASEMAPS:
        return refused()
    content, tag = _basemap(name)
    return await answer(request, lambda: content, tag=tag, media_type="application/json", keep=BRIEF)


async def lead_to_first_page(request: Request) -> Response:
    """Lead from the address that the first page would have, beside those of the others, to its own: the root."""
    asked = request.url.query
    return RedirectResponse(f"./?{asked}" if asked else "./")


async def serve_nothing(request: Request) -> Response:  # noqa: ARG001  (the form of a route)
    """Answer that there is nothing at an address: the page of the dashboard would be taken for data."""
    return refused(UNKNOWN)


@cache
def _worker() -> tuple[bytes, str]:
    """Return the script that reads tiles, gzipped, and its tag."""
    content = _WORKER.read_bytes()
    return squeezed(content), tag_of(content)


@cache
def _basemap(name: str) -> tuple[bytes, str]:
    """Return the style of a basemap and its tag."""
    content = json.dumps(BASEMAPS[name], ensure_ascii=False, separators=(",", ":")).encode()
    return content, tag_of(content)


def _version(request: Request) -> Results | None:
    """Return the version that an address names; None when it is none, or there is no workspace."""
    version = request.path_params["version"]
    if not _VERSION.fullmatch(version):
        return None
    try:
        return Results(workspace_path() / "versions" / version)
    except OcsgeError:
        return None


def _asked(request: Request) -> tuple[Results | None, str, str]:
    """Return the version, commune and time that an address names; no version when one of them cannot be."""
    commune, when = request.path_params["commune"], request.path_params["when"]
    if not (_COMMUNE.fullmatch(commune) and _WHEN.fullmatch(when)):
        return None, commune, when
    return _version(request), commune, when


async def _map_answer(request: Request, path: Path | None, tag: str) -> Response:
    if path is None:
        return refused(GONE)
    try:
        return await answer(request, path.read_bytes, tag=tag, media_type=_GEOJSON, gzipped=True)
    except FileNotFoundError:  # the version was removed after it was looked for
        return refused(GONE)


ROUTES = [
    Route("/cartes/{version}/communes.geojson", serve_communes, methods=["GET"]),
    Route("/cartes/{version}/{commune}/{when}.geojson", serve_map, methods=["GET"]),
    Route("/tuiles/{version}/{commune}/{when}/{z}/{x}/{y}.mvt", serve_tile, methods=["GET"]),
    Route(TILE_WORKER_URL, serve_tile_worker, methods=["GET"]),
    Route("/fond/{name}.json", serve_basemap, methods=["GET"]),
    Route("/synthese", lead_to_first_page, methods=["GET"]),
    *(Route(f"/{part}/{{rest:path}}", serve_nothing, methods=["GET"]) for part in _PARTS),
]
