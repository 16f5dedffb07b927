"""Map of every commune of a version coloured by a figure: geometry by address only, classes by quantile."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pydeck as pdk

from app.ui import french
from app.ui.maps import Map, limit_layer, view_of
from app.ui.palettes import CIVIDIS, GAIN, LOSS, rgb
from ocsge.figures import as_filed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from app.places import Bounds

LAYER, OWN = "communes", "commune"
"""Identifiers of the layers."""
MOST_WITH_BORDERS = 150
"""Communes beyond which only the limit of one is drawn: on a whole département borders hide what they separate, and
take a browser without graphics card longer than all the rest."""

_RISING = tuple(rgb(CIVIDIS[step]) for step in (9, 7, 4, 2, 0))
"""cividis at five places, the smallest figure, the lightest, first."""
_FALLING = rgb(LOSS)
_UNKNOWN = (200, 200, 200)
_LINE = (255, 255, 255)
_CLASSES = len(_RISING)


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure that communes are coloured by."""

    column: str
    """Of the tables."""

    property: str
    """Of the file of the map."""

    label: str
    """In words, unit included."""


MEASURES = (
    Measure("part_pct", "part", "Part artificialisée (%)"),
    Measure("net_ha", "net", "Artificialisation nette (ha)"),
    Measure("net_ha_an", "net_an", "Artificialisation nette par an (ha)"),
    Measure("net_pour_mille", "pour_mille", "Nette par an pour 1\u202f000 ha de territoire (ha)"),
)


@dataclass(frozen=True, slots=True)
class Band:
    """A class of the legend."""

    label: str
    """Bounds in words."""

    colour: tuple[int, int, int]
    """Red, green, blue."""

    below: float
    """Figures of the class are below it; infinite for the last."""


def outlines_bounds(path: Path) -> Bounds:
    """Return west, south, east and north of a gzipped GeoJSON, degrees.

    Raises
    ------
    ValueError
        When it holds no coordinate.
    """
    with gzip.open(path) as stream:
        features = json.load(stream)["features"]
    points = np.array([point for feature in features for point in _points(feature["geometry"]["coordinates"])])
    if not len(points):
        raise ValueError(f"{path.name}: no outline")
    west, south = points.min(axis=0)
    east, north = points.max(axis=0)
    return float(west), float(south), float(east), float(north)


def _points(coordinates: Any) -> list[list[float]]:
    if coordinates and isinstance(coordinates[0], (int, float)):
        return [coordinates[:2]]
    return [point for part in coordinates for point in _points(part)]


def measured(measure: Measure, figures: Iterable[float]) -> list[float]:
    """Return figures as the file of the map holds them: a finer one could be counted in a class and drawn in another.

    Examples
    --------
    >>> measured(MEASURES[0], [1.004, 1.006])
    [1.0, 1.01]
    """
    return [as_filed(figure, measure.column) for figure in figures]


def bands(figures: Sequence[float]) -> list[Band]:
    """Return the classes of some figures: one of those below zero, then up to five of equal count.

    Unknown figures are in none. Bounds are written to as many decimals as tell them apart.

    Examples
    --------
    >>> [band.label for band in bands([1.0, 2.0])]
    ['de 1,0 à 2,0']
    """
    known = np.sort(np.array([figure for figure in figures if figure is not None and np.isfinite(figure)]))
    rising = known[known >= 0]
    found = []
    if len(known) and known[0] < 0:
        found.append(Band("moins de 0 (diminution)", _FALLING, 0.0))
    if not len(rising):
        return found
    count = min(_CLASSES, max(1, len(np.unique(rising)) // 2))
    limits = np.unique(np.quantile(rising, np.linspace(0, 1, count + 1)))
    limits = np.array([limits[0], limits[0]]) if len(limits) == 1 else limits
    colours = [_RISING[round(place)] for place in np.linspace(0, _CLASSES - 1, len(limits) - 1)]
    decimals = next((n for n in range(1, 6) if len({f"{x:.{n}f}" for x in limits}) == len(limits)), 1)
    for place, (low, high) in enumerate(pairwise(limits)):
        last = place == len(limits) - 2
        label = f"de {french.number(low, decimals)} à {french.number(high, decimals)}"
        found.append(Band(label, colours[place], np.inf if last else float(high)))
    return found


def fill(measure: Measure, classes: Sequence[Band]) -> str:
    """Return the deck.gl expression that colours a commune by its class, grey when its figure is unknown."""
    value = f"properties.{measure.property}"
    text = f"[{', '.join(map(str, classes[-1].colour if classes else _UNKNOWN))}]"
    for band in reversed(classes[:-1]):
        text = f"{value} < {band.below!r} ? [{', '.join(map(str, band.colour))}] : {text}"
    return f"{value} == null ? [{', '.join(map(str, _UNKNOWN))}] : {text}"


def choropleth(
    url: str,
    measure: Measure,
    classes: Sequence[Band],
    *,
    outline: Mapping[str, Any] | None,
    bounds: Bounds,
    borders: bool,
) -> pdk.Deck:
    """Return the map of the communes coloured by a figure, one commune outlined.

    Parameters
    ----------
    url
        Address of the GeoJSON, on the same server.
    measure, classes
        What colours the communes.
    outline
        GeoJSON geometry, simplified, of the commune that is outlined; None outlines none.
    bounds
        West, south, east and north, degrees.
    borders
        Whether a line separates the communes.
    """
    layer = pdk.Layer(
        "GeoJsonLayer",
        data=url,
        id=LAYER,
        pickable=True,
        stroked=borders,
        get_fill_color=fill(measure, classes),
        get_line_color=list(_LINE),
        get_line_width=1,
        line_width_units=pdk.types.String("pixels"),
        auto_highlight=True,
    )
    own = [] if outline is None else [limit_layer(OWN, outline, GAIN, width_px=4)]
    return Map(
        layers=[layer, *own],
        initial_view_state=view_of(bounds),
        map_provider=None,
        # Streamlit escapes the values for HTML
        tooltip={"html": "<b>{nom}</b> ({code})<br>{t}<br>{f}"},
    )


def legend_html(classes: Sequence[Band]) -> str:
    """Return the legend as HTML: a colour and its bounds a class, and what is unknown."""
    entries = [*((band.colour, band.label) for band in classes), (_UNKNOWN, "inconnu")]
    return "".join(
        f'<span style="display:inline-block;margin:0 1em .3em 0;white-space:nowrap">'
        f'<span aria-hidden="true" style="display:inline-block;width:1.1em;height:1.1em;vertical-align:-.15em;'
        f'border:1px solid #666;background:rgb{colour}"></span> {label}</span>'
        for colour, label in entries
    )
