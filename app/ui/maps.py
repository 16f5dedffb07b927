"""Build the maps: pure functions from addresses and colours to a pydeck map, whose geometry the browser fetches.

No geometry enters the description of a map, but two simplified limits, of the commune and of the one polygon that the
page explains: Streamlit sends and parses that description at every run of a page.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pydeck
from pydeck.types import String

from app.basemaps import basemap_url
from app.routes import TILE_WORKER_URL
from app.ui.palettes import ALREADY, OUTLINE, SELECTED, STABLE, UNKNOWN, rgb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.places import Bounds
    from app.ui.palettes import Shade

POLYGONS, FLOWS, BACKDROP, COMMUNE, AIM = "polygones", "flux", "fond", "commune", "objet"
"""Ids of the layers."""
_TILE_PX, _MAP_PX, _CLOSEST = 512, (620, 430), 18.0
_PIXELS = String("pixels")
"""A word, where a bare text would be taken for an expression."""
_OPAQUE, _OVER_BASEMAP = 255, 150
_TOOLTIP_STYLE = {
    "backgroundColor": "#FFFFFF",
    "color": "#161616",
    "border": "1px solid #3A3A3A",
    "fontFamily": "Arial, sans-serif",
    "fontSize": "13px",
    "maxWidth": "320px",
}


@dataclass(frozen=True, slots=True)
class Frame:
    """What a map shows beside its subject."""

    outline: Mapping[str, Any] | None
    """GeoJSON geometry, simplified, of the limit of the commune; None when it is not known."""

    bounds: Bounds
    """What is in sight at first."""

    aim: Mapping[str, Any] | None = None
    """GeoJSON geometry, simplified, of the polygon that the page explains."""

    basemap: str | None = None
    """Name of the background map: ``plan`` or ``ortho``."""


class Map(pydeck.Deck):  # type: ignore[misc]
    """A map described without the spaces that pydeck adds: with the points of limits they take three quarters of it."""

    def to_json(self) -> str:
        """Return the description that the browser is sent."""
        return json.dumps(json.loads(super().to_json()), separators=(",", ":"))


def polygons_map(url: str, prop: str, shades: Sequence[Shade], frame: Frame, *, limits: bool = True) -> pydeck.Deck:
    """Return the map of the polygons of a millésime, coloured by a property: ``e``, ``cs`` or ``us``.

    Parameters
    ----------
    url
        Address of the polygons: GeoJSON, or a template of tiles.
    prop
        Property that holds the class.
    shades
        Its classes.
    frame
        What is around.
    limits
        Whether the limits of polygons are drawn.
    """
    line_px = 0.5 if limits else None
    subject = _polygons(POLYGONS, url, fill_expression(prop, shades, alpha=_alpha(frame)), line_px=line_px)
    return _deck([subject], frame, "<b>{l}</b><br>{u}<br>{s}")


def flow_map(url: str, backdrop_url: str, shades: Sequence[Shade], frame: Frame) -> pydeck.Deck:
    """Return the map of what gained or lost over a pair of millésimes, on what was artificialised and stayed so.

    Parameters
    ----------
    url
        Address of the pieces that changed, with property ``f``: GeoJSON, or a template of tiles.
    backdrop_url
        Address of the polygons of the second millésime.
    shades
        Gain and loss.
    frame
        What is around.
    """
    ground = [*rgb(STABLE), _alpha(frame)]
    behind = f"properties.e=='a'||properties.e=='as'?{_list((*rgb(ALREADY), _alpha(frame)))}:{_list(ground)}"
    backdrop = pydeck.Layer(**_source(backdrop_url), id=BACKDROP, pickable=False, stroked=False, get_fill_color=behind)
    fill = fill_expression("f", shades, alpha=_OPAQUE)
    # a limit of the same colour, of at least 2 px, keeps the smallest change in sight at the scale of a commune
    subject = _polygons(FLOWS, url, fill, line=fill, line_px=2)
    return _deck([backdrop, subject], frame, "<b>{f}</b> ({s})<br>{l1} → {l2}<br>{u1} → {u2}")


def fill_expression(prop: str, shades: Sequence[Shade], *, alpha: int = 255) -> str:
    """Return the expression that gives a feature the colour of its class.

    Examples
    --------
    >>> from app.ui.palettes import Shade
    >>> fill_expression("f", [Shade("gain", "", "#D55E00")])
    "properties.f=='gain'?[213,94,0,255]:[184,184,184,255]"
    """
    by_colour: dict[str, list[str]] = {}
    for shade in shades:
        by_colour.setdefault(shade.colour, []).append(shade.code)
    cases = "".join(
        "||".join(f"properties.{prop}=='{code}'" for code in codes) + f"?{_list((*rgb(colour), alpha))}:"
        for colour, codes in by_colour.items()
    )
    return f"{cases}{_list((*rgb(UNKNOWN), alpha))}"


def view_of(bounds: Bounds) -> pydeck.ViewState:
    """Return the view that holds bounds in a map of ordinary size.

    Examples
    --------
    >>> view = view_of((2.0, 44.0, 2.1, 44.1))
    >>> round(view.longitude, 3), round(view.latitude, 3), 10 < view.zoom < 13
    (2.05, 44.05, True)
    """
    west, south, east, north = bounds
    wide = max(east - west, 1e-6) / 360
    high = max(_mercator(north) - _mercator(south), 1e-8)
    zoom = min(math.log2(px / (_TILE_PX * share)) for px, share in zip(_MAP_PX, (wide, high), strict=True))
    return pydeck.ViewState(
        longitude=(west + east) / 2, latitude=(south + north) / 2, zoom=round(min(zoom - 0.15, _CLOSEST), 2)
    )


def widened(bounds: Bounds, metres: float = 120) -> Bounds:
    """Return bounds with ground around them, that a small polygon is seen where it lies."""
    west, south, east, north = bounds
    up = metres / 111_320
    aside = up / max(math.cos(math.radians((south + north) / 2)), 0.1)
    return west - aside, south - up, east + aside, north + up


def _deck(subjects: list[pydeck.Layer], frame: Frame, tooltip: str) -> pydeck.Deck:
    layers = [*subjects]
    if frame.outline is not None:
        layers.append(limit_layer(COMMUNE, frame.outline, OUTLINE, width_px=2))
    if frame.aim is not None:
        layers.append(limit_layer(AIM, frame.aim, SELECTED, width_px=4))
    # without a background map no style is named: naming one, even None, brings that of a foreign server back
    ground: dict[str, Any] = {"map_provider": None}
    if frame.basemap is not None:
        ground = {"map_provider": "carto", "map_style": basemap_url(frame.basemap)}
    return Map(
        layers=layers,
        initial_view_state=view_of(frame.bounds),
        tooltip={"html": tooltip, "style": _TOOLTIP_STYLE},
        **ground,
    )


def _polygons(
    name: str, url: str, fill: str, *, line_px: float | None, line: str | list[int] | None = None
) -> pydeck.Layer:
    return pydeck.Layer(
        **_source(url),
        id=name,
        pickable=True,
        auto_highlight=True,
        highlight_color=[*rgb(SELECTED), 90],
        stroked=line_px is not None,
        get_fill_color=fill,
        get_line_color=line or [*rgb(OUTLINE), 120],
        get_line_width=line_px or 0,
        line_width_units=_PIXELS,
        # the address stays the same from one colouring to another: without it deck.gl would keep the first
        update_triggers={"getFillColor": [fill]},
    )


def _source(url: str) -> dict[str, Any]:
    """Return the type of a layer and where it reads, from the form of the address."""
    if url.endswith(".mvt"):
        return {"type": "MVTLayer", "data": url, "load_options": {"mvt": {"workerUrl": TILE_WORKER_URL}}}
    return {"type": "GeoJsonLayer", "data": url}


def limit_layer(name: str, geometry: Mapping[str, Any], colour: str, *, width_px: int) -> pydeck.Layer:
    """Return the layer of one line around a geometry, which cannot be clicked."""
    return pydeck.Layer(
        "GeoJsonLayer",
        id=name,
        data={"type": "Feature", "properties": {}, "geometry": geometry},
        pickable=False,
        filled=False,
        stroked=True,
        get_line_color=[*rgb(colour), _OPAQUE],
        get_line_width=width_px,
        line_width_units=_PIXELS,
    )


def _alpha(frame: Frame) -> int:
    return _OPAQUE if frame.basemap is None else _OVER_BASEMAP


def _list(numbers: Sequence[int]) -> str:
    return "[" + ",".join(map(str, numbers)) + "]"


def _mercator(latitude: float) -> float:
    """Return the northing of a latitude as a share of the world."""
    return math.asinh(math.tan(math.radians(latitude))) / (2 * math.pi)
