"""Draw a commune as a PNG: land cover, or artificialisation, with a legend that gives hectares.

A map is for reading and printing; measures come from the tables. The same polygons give the same bytes.
"""

from __future__ import annotations

import math
import textwrap
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import matplotlib as mpl
import numpy as np
import shapely
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle
from matplotlib.path import Path as DrawnPath

from ocsge.errors import CodeError, CrsError, ParameterError
from ocsge.legal_notice import NO_BUILDING_RULE
from ocsge.publish import publish
from ocsge.styles import ARTIF_STATES, CHANGE_STATES, artif_states, change_states
from ocsge.tables import M2_PER_HECTARE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import geopandas as gpd
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

Kind = Literal["couverture", "artificialisation", "changement"]

WIDTH_PX = 1600
"""Width of a map, pixels."""

_DPI = 160
_WIDTH_IN = WIDTH_PX / _DPI
_LEGEND_IN, _MARGIN_IN, _TITLE_IN, _FOOT_IN = 3.1, 0.15, 0.5, 0.55
_MAP_WIDTH_IN = _WIDTH_IN - _LEGEND_IN - 2 * _MARGIN_IN
_MAP_HEIGHTS_IN = (4.5, 12.0)
_LINE_IN = 0.165
_NOTE_CHARACTERS = 44
_INK, _FAINT = "#222222", "#666666"


def draw_map(
    frame: gpd.GeoDataFrame,
    path: Path,
    *,
    kind: Kind,
    title: str,
    colours: Mapping[str, str] = MappingProxyType({}),
    labels: Mapping[str, str] = MappingProxyType({}),
    outline: shapely.Geometry | None = None,
    credit: str = "",
    notes: Sequence[str] = (),
) -> None:
    """Draw polygons as a PNG 1600 pixels wide, with a legend in hectares, a scale bar and the grid's north.

    Parameters
    ----------
    frame
        The table of ``artificialise``, in a projected CRS in metres; rows outside the territory
        (``in_territory`` false) are left out. Uses ``area_m2`` and ``code_cs``, or ``artif``, ``crit_seuil``.
    kind
        What the colours mean.
    title
        First line, French: the commune and the millésime.
    colours, labels
        For ``couverture``: colour ``#rrggbb`` and French label by cover code, in the order of the legend.
    outline
        Limit of the territory, drawn as a line, same CRS; None draws none.
    credit
        Sources, producers and dates of the data, on the last line.
    notes
        What a reader must know of the data, French, under the totals.

    Raises
    ------
    CodeError
        When a polygon has a cover code without a colour.
    CrsError
        When the CRS is missing or not in metres.
    ParameterError
        When there is no polygon to draw, or ``kind`` is unknown.
    OutputError
        When the file cannot be written.
    """
    if "in_territory" in frame:
        frame = frame[frame["in_territory"].to_numpy(bool)]
    if frame.crs is None or not frame.crs.is_projected:
        raise CrsError("a map needs polygons in a projected coordinate reference system in metres")
    if frame.empty:
        raise ParameterError(f"{path}: no polygon to draw; choose a territory with data")
    classes, legend = _classes(frame, kind, colours, labels)
    xmin, ymin, xmax, ymax = frame.total_bounds if outline is None else shapely.bounds(outline)
    hectares = _hectares(frame, classes)
    totals = _totals(hectares, kind)
    remarks = [line for note in notes for line in textwrap.wrap(note, _NOTE_CHARACTERS)]
    height = np.clip(_MAP_WIDTH_IN * (ymax - ymin) / max(xmax - xmin, 1e-9), *_MAP_HEIGHTS_IN)
    height = max(float(height), _legend_height(legend, [*totals, *remarks]))
    # matplotlib's own defaults: a user's matplotlibrc does not change the bytes.
    with mpl.rc_context():
        mpl.rcdefaults()
        figure = Figure(figsize=(_WIDTH_IN, height + _TITLE_IN + _FOOT_IN), dpi=_DPI, facecolor="white")
        FigureCanvasAgg(figure)
        axes = _map_axes(figure, height, (xmin, ymin, xmax, ymax))
        for value, colour, _ in legend:
            _fill(axes, frame.geometry.to_numpy()[classes == value], colour)
        if outline is not None:
            _stroke(axes, outline)
        _write_legend(figure, legend, hectares, totals, remarks)
        _draw_scale_and_north(axes)
        _write_texts(figure, title, credit)
        publish(
            path,
            lambda temporary: figure.savefig(
                temporary, format="png", metadata={"Software": None}, pil_kwargs={"compress_level": 3}
            ),
        )


def _classes(
    frame: pd.DataFrame, kind: str, colours: Mapping[str, str], labels: Mapping[str, str]
) -> tuple[NDArray[np.object_], list[tuple[str, str, str]]]:
    """Return the class of each polygon and the legend of the classes met: (class, colour, label)."""
    if kind == "artificialisation":
        classes = artif_states(frame).to_numpy(object)
        legend = [(state.value, state.colour, state.label) for state in ARTIF_STATES]
    elif kind == "changement":
        classes = change_states(frame).to_numpy(object)
        legend = [(state.value, state.colour, state.label) for state in CHANGE_STATES]
    elif kind == "couverture":
        classes = frame["code_cs"].to_numpy(object)
        unknown = sorted({str(code) for code in classes} - set(colours))
        if unknown:
            raise CodeError(f"cover code {', '.join(unknown)}: no colour in the nomenclature of the rules")
        legend = [(code, colour, f"{code} {labels.get(code, '')}".strip()) for code, colour in colours.items()]
    else:
        raise ParameterError(f"map of {kind!r}: choose couverture, artificialisation or changement")
    met = set(classes)
    return classes, [entry for entry in legend if entry[0] in met]


def _hectares(frame: pd.DataFrame, classes: NDArray[np.object_]) -> dict[str, float]:
    areas = frame["area_m2"].groupby(classes).sum() / M2_PER_HECTARE
    return {str(value): float(area) for value, area in areas.items()}


def _totals(hectares: Mapping[str, float], kind: str) -> list[str]:
    """Return the lines under the legend: the whole, and what of it is artificialised."""
    whole = sum(hectares.values())
    lines = [f"Total : {_french(whole)} ha"]
    if kind == "artificialisation":
        artif = sum(area for value, area in hectares.items() if value.startswith("artif"))
        share = f"{100 * artif / whole:.1f}".replace(".", ",") if whole > 0 else "–"
        lines.append(f"dont artificialisé : {_french(artif)} ha ({share}\u00a0%)")
    if kind == "changement":
        gain, loss = (hectares.get(name, 0.0) for name in ("gain", "loss"))
        lines.append(f"Flux net : {_french(gain - loss)} ha")
    return lines


def _entry_lines(label: str) -> list[str]:
    """Return the lines of a legend entry, without the examples that the nomenclature gives in brackets."""
    return textwrap.wrap(label.partition(" (")[0], 36) or [""]


def _legend_height(legend: list[tuple[str, str, str]], notes: list[str]) -> float:
    lines = sum(len(_entry_lines(label)) + 1.6 for _, _, label in legend) + len(notes)
    return 0.2 + lines * _LINE_IN


def _map_axes(figure: Figure, height: float, bounds: tuple[float, float, float, float]) -> Axes:
    """Return axes whose units are metres in both directions, centred on the bounds."""
    total = height + _TITLE_IN + _FOOT_IN
    axes = figure.add_axes((_MARGIN_IN / _WIDTH_IN, _FOOT_IN / total, _MAP_WIDTH_IN / _WIDTH_IN, height / total))
    xmin, ymin, xmax, ymax = bounds
    half = 0.51 * max((xmax - xmin) / _MAP_WIDTH_IN, (ymax - ymin) / height)
    x, y = (xmin + xmax) / 2, (ymin + ymax) / 2
    axes.set_xlim(x - half * _MAP_WIDTH_IN, x + half * _MAP_WIDTH_IN)
    axes.set_ylim(y - half * height, y + half * height)
    axes.set_axis_off()
    return axes


def _fill(axes: Axes, geometries: NDArray[np.object_], colour: str) -> None:
    """Fill polygons of one colour, holes left open, as one collection."""
    parts = shapely.orient_polygons(shapely.get_parts(geometries))
    parts = parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON]
    # The thin edge of the same colour hides the hairlines that antialiasing leaves between neighbours.
    paths = _paths(parts)
    axes.add_collection(PathCollection(paths, facecolor=colour, edgecolor=colour, linewidth=0.25), autolim=False)


def _stroke(axes: Axes, outline: shapely.Geometry) -> None:
    paths = _paths(shapely.get_parts(outline))
    axes.add_collection(PathCollection(paths, facecolor="none", edgecolor=_INK, linewidth=1.0), autolim=False)


def _paths(polygons: NDArray[np.object_]) -> list[DrawnPath]:
    """Return one path a polygon: its rings one after the other."""
    rings, owner = shapely.get_rings(polygons, return_index=True)
    coordinates, ring_of = shapely.get_coordinates(rings, return_index=True)
    codes = np.full(len(coordinates), DrawnPath.LINETO, dtype=DrawnPath.code_type)
    starts = np.flatnonzero(np.diff(ring_of, prepend=-1))
    codes[starts] = DrawnPath.MOVETO
    codes[np.append(starts[1:], len(codes)) - 1] = DrawnPath.CLOSEPOLY
    cuts = np.flatnonzero(np.diff(owner[ring_of])) + 1
    pieces = zip(np.split(coordinates, cuts), np.split(codes, cuts), strict=True)
    return [DrawnPath(vertices, kinds, readonly=True) for vertices, kinds in pieces]


def _write_legend(
    figure: Figure,
    legend: list[tuple[str, str, str]],
    hectares: Mapping[str, float],
    totals: list[str],
    remarks: list[str],
) -> None:
    """Write one entry a class from the top right downwards: swatch, label, area; then the totals and remarks."""
    width, height = figure.get_size_inches()
    left, top = width - _LEGEND_IN, height - _TITLE_IN - 0.05

    def write(text: str, indent: float, *, color: str, weight: str = "normal") -> None:
        """Write one line of the legend at the height reached."""
        figure.text((left + indent) / width, top / height, text, fontsize=8, va="top", color=color, weight=weight)

    for value, colour, label in legend:
        corner = (left / width, (top - 0.15) / height)
        swatch = Rectangle(corner, 0.26 / width, 0.16 / height, transform=figure.transFigure)
        swatch.set(facecolor=colour, edgecolor=_FAINT, linewidth=0.5)
        figure.add_artist(swatch)
        for line in _entry_lines(label):
            write(line, 0.36, color=_INK)
            top -= _LINE_IN
        write(f"{_french(hectares[value])} ha", 0.36, color=_FAINT)
        top -= 1.6 * _LINE_IN
    for total in totals:
        write(total, 0, color=_INK, weight="bold")
        top -= _LINE_IN
    for remark in remarks:
        write(remark, 0, color=_INK)
        top -= _LINE_IN


def _french(value: float) -> str:
    """Return a number as French prints it: one decimal, comma, no-break spaces between thousands."""
    return f"{value:,.1f}".replace(",", "\u00a0").replace(".", ",")


def _draw_scale_and_north(axes: Axes) -> None:
    """Draw a bar of a round length, about a fifth of the map, and the north of the grid."""
    (xmin, xmax), (ymin, ymax) = axes.get_xlim(), axes.get_ylim()
    length = _round_length((xmax - xmin) / 5)
    unit = (ymax - ymin) / axes.get_window_extent().height * _DPI  # metres in one inch of paper
    x, y = xmin + 0.1 * unit, ymin + 0.1 * unit
    halo = Rectangle((x - 0.05 * unit, y - 0.05 * unit), length + 0.7 * unit, 0.4 * unit, facecolor="white", alpha=0.8)
    axes.add_patch(halo).set_zorder(5)
    axes.add_patch(Rectangle((x, y), length, 0.05 * unit, facecolor=_INK)).set_zorder(6)
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    axes.text(x, y + 0.08 * unit, text.replace(".", ","), fontsize=8, color=_INK, zorder=6)
    tip = x + length + 0.4 * unit
    corners = [(tip - 0.08 * unit, y), (tip, y + 0.06 * unit), (tip + 0.08 * unit, y), (tip, y + 0.2 * unit)]
    axes.add_patch(Polygon(corners, facecolor=_INK)).set_zorder(6)
    axes.text(tip, y + 0.21 * unit, "N", fontsize=7, ha="center", color=_INK, zorder=6)


def _round_length(metres: float) -> float:
    """Return the largest of 1, 2 or 5 times a power of ten that is not above ``metres``."""
    power = 10.0 ** math.floor(math.log10(metres))
    return max(step * power for step in (1, 2, 5) if step * power <= metres * (1 + 1e-9))


def _write_texts(figure: Figure, title: str, credit: str) -> None:
    width, height = figure.get_size_inches()
    left = _MARGIN_IN / width
    figure.text(left, (height - 0.15) / height, title, fontsize=13, weight="bold", va="top", color=_INK)
    figure.text(left, 0.38 / height, NO_BUILDING_RULE, fontsize=8, va="center", color=_INK)
    line = textwrap.shorten(credit, 190, placeholder=" …") if credit else ""
    figure.text(left, 0.17 / height, line, fontsize=6.5, va="center", color=_FAINT)
