"""Routes of the server that give the maps their data: prepared files, streamed as they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from app.results import Results, workspace_path
from ocsge.errors import OcsgeError

if TYPE_CHECKING:
    from starlette.requests import Request

_VERSION = re.compile(r"[0-9a-f]{16}")
_COMMUNE = re.compile(r"[0-9][0-9AB][0-9]{3}")
_WHEN = re.compile(r"[0-9]{4}(-[0-9]{4})?")


def map_url(results: Results, commune: str, when: str) -> str:
    """Return the address of the map file of a commune at ``2022`` or over ``2019-2022``."""
    return f"/cartes/{results.id}/{commune}/{when}.geojson"


def communes_url(results: Results) -> str:
    """Return the address of the outlines of the communes of a version."""
    return f"/cartes/{results.id}/communes.geojson"


async def serve_communes(request: Request) -> Response:
    """Answer with the outlines of the communes of a version."""
    version = request.path_params["version"]
    path = workspace_path() / "versions" / version / "communes.geojson.gz"
    if not _VERSION.fullmatch(version) or not path.is_file():
        return PlainTextResponse("Carte absente de cette version ; rechargez la page.", status_code=404)
    return FileResponse(path, media_type="application/geo+json", headers={"Content-Encoding": "gzip"})


async def serve_map(request: Request) -> Response:
    """Answer with a map file of a version: gzipped GeoJSON in EPSG:4326, never to change."""
    version, commune, when = (request.path_params[name] for name in ("version", "commune", "when"))
    if not (_VERSION.fullmatch(version) and _COMMUNE.fullmatch(commune) and _WHEN.fullmatch(when)):
        return PlainTextResponse("Adresse inconnue.", status_code=404)
    try:
        folder = workspace_path() / "versions" / version
    except OcsgeError:
        return PlainTextResponse("Aucun espace de travail.", status_code=404)
    path = Results(folder).map_file(commune, when)
    if path is None:
        return PlainTextResponse("Carte absente de cette version ; rechargez la page.", status_code=404)
    etag = f'"{version}-{commune}-{when}"'
    headers = {"ETag": etag, "Cache-Control": "private, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return FileResponse(
        path, media_type="application/geo+json", headers={**headers, "Content-Encoding": "gzip"}, filename=None
    )


ROUTES = [
    Route("/cartes/{version}/communes.geojson", serve_communes, methods=["GET"]),
    Route("/cartes/{version}/{commune}/{when}.geojson", serve_map, methods=["GET"]),
]
