"""Styles of the basemaps a reader may ask for: IGN's map and orthophotos, on grey ground where they cannot be had.

Nothing is asked of IGN before: without basemap, a map of the dashboard needs no network.
"""

from __future__ import annotations

from urllib.parse import urlencode

IGN_HOST = "data.geopf.fr"
"""The only foreign host that the dashboard ever names."""
_WMTS = f"https://{IGN_HOST}/wmts"
_GREY = "#E8E8E8"
_CREDIT = "© IGN"
_MAX_ZOOM = 19


def basemap_url(name: str) -> str:
    """Return the address of the style of a basemap: ``plan`` or ``ortho``."""
    return f"/fond/{name}.json"


def _style(layer: str, image: str) -> dict[str, object]:
    """Return a style document of one layer of raster tiles of IGN's WMTS, in Web Mercator."""
    asked = urlencode(
        {
            "SERVICE": "WMTS",
            "REQUEST": "GetTile",
            "VERSION": "1.0.0",
            "LAYER": layer,
            "STYLE": "normal",
            "TILEMATRIXSET": "PM",
            "FORMAT": image,
        }
    )
    source = {
        "type": "raster",
        "tiles": [f"{_WMTS}?{asked}&TILEMATRIX={{z}}&TILEROW={{y}}&TILECOL={{x}}"],
        "tileSize": 256,
        "maxzoom": _MAX_ZOOM,
        "attribution": _CREDIT,
    }
    ground = {"id": "sol", "type": "background", "paint": {"background-color": _GREY}}
    tiles = {"id": "fond", "type": "raster", "source": "ign", "paint": {"raster-fade-duration": 0}}
    return {"version": 8, "name": _CREDIT, "sources": {"ign": source}, "layers": [ground, tiles]}


BASEMAPS: dict[str, dict[str, object]] = {
    "plan": _style("GEOGRAPHICALGRIDSYSTEMS.PLANIGNV2", "image/png"),
    "ortho": _style("ORTHOIMAGERY.ORTHOPHOTOS", "image/jpeg"),
}
"""Style document by name."""
