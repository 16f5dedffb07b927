"""Give polygons their colours, on maps and in QGIS.

The colours of the covers are those of the nomenclature (a column of ``rules/``); those of artificialisation
are chosen here: they differ in lightness as well as in hue, hence readable without colour vision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class ArtifState:
    """A state of a polygon after the decree's thresholds."""

    value: str
    """Value in the column ``artif`` followed by ``seuil`` where the threshold changed it."""

    label: str
    """French label of the legend."""

    colour: str
    """Fill, ``#rrggbb``."""


ARTIF_STATES = (
    ArtifState("artif", "Artificialisé", "#b5441c"),
    ArtifState("artif seuil", "Artificialisé par le seuil d'interprétation", "#f0a04b"),
    ArtifState("non artif seuil", "Non artificialisé par le seuil d'interprétation", "#7fb2cf"),
    ArtifState("non artif", "Non artificialisé", "#e3ecdc"),
)
"""The four states, in the order of legends."""


def artif_states(frame: pd.DataFrame) -> pd.Series:
    """Return the state of each polygon: a ``value`` of :data:`ARTIF_STATES`.

    Parameters
    ----------
    frame
        Columns ``artif`` and ``crit_seuil``, booleans without null.
    """
    artif = np.where(frame["artif"].to_numpy(bool), "artif", "non artif")
    seuil = np.where(frame["crit_seuil"].to_numpy(bool), " seuil", "")
    return pd.Series(np.char.add(artif, seuil), index=frame.index, name="artif_state", dtype="str")


GAIN, LOSS = "#d55e00", "#0072b2"
"""Okabe and Ito's vermilion and blue, told apart without colour vision."""

CHANGE_STATES = (
    ArtifState("gain", "Devenu artificialisé", GAIN),
    ArtifState("loss", "Désartificialisé", LOSS),
    ArtifState("artif", "Artificialisé aux deux dates", "#a8a8a8"),
    ArtifState("non artif", "Non artificialisé aux deux dates", "#e8e8e8"),
)
"""The four states of a coverage of two millésimes, in the order of legends: flows stand out of greys."""
CHANGE_LABELS = {state.value: state.label for state in CHANGE_STATES}
"""What each of them is called."""


def change_states(frame: pd.DataFrame) -> pd.Series:
    """Return the state of each piece of a coverage of two millésimes: a ``value`` of :data:`CHANGE_STATES`.

    Parameters
    ----------
    frame
        Columns ``change`` (text) and ``artif_2`` (boolean), without null.
    """
    still = np.where(frame["artif_2"].to_numpy(bool), "artif", "non artif")
    changed = (frame["change"] != "none").to_numpy(bool)
    return pd.Series(np.where(changed, frame["change"], still), index=frame.index, name="etat", dtype="str")


@dataclass(frozen=True, slots=True)
class LayerStyle:
    """A style of a layer for QGIS."""

    name: str
    """Name in the list of styles."""

    qml: str
    """The QML document."""


def couverture_style(colours: Mapping[str, str], labels: Mapping[str, str]) -> LayerStyle:
    """Return the style by land cover.

    Parameters
    ----------
    colours, labels
        Official colour ``#rrggbb`` and French label by leaf code, in the order of the legend.
    """
    categories = [(code, f"{code} {labels[code]}", colour) for code, colour in colours.items()]
    return LayerStyle(name="couverture", qml=_categorised('"code_cs"', categories))


def artif_style() -> LayerStyle:
    """Return the style by artificialisation, with what the threshold changed in tones of its own."""
    attribute = """concat("artif", if("crit_seuil", ' seuil', ''))"""
    categories = [(state.value, state.label, state.colour) for state in ARTIF_STATES]
    return LayerStyle(name="artificialisation", qml=_categorised(attribute, categories))


def change_style() -> LayerStyle:
    """Return the style of a coverage of two millésimes, by gain and loss."""
    categories = [(state.value, state.label, state.colour) for state in CHANGE_STATES]
    return LayerStyle(name="changement", qml=_categorised('"etat"', categories))


def class_polygons_style(classes: Sequence[tuple[str, str, str]]) -> LayerStyle:
    """Return the style of class polygons; ``classes`` = (value of ``classe``, French label, colour ``#rrggbb``)."""
    return LayerStyle(name="classes", qml=_categorised('"classe"', list(classes)))


def class_raster_style(classes: Sequence[tuple[int, str, str]]) -> LayerStyle:
    """Return the style of a raster of classes.

    Parameters
    ----------
    classes
        (value, French label, colour ``#rrggbb``) of each, in the order of the legend.
    """
    root = ET.Element("qgis", version="3.34.0", styleCategories="Symbology")
    renderer = ET.SubElement(
        ET.SubElement(root, "pipe"),
        "rasterrenderer",
        type="paletted",
        band="1",
        opacity="1",
        alphaBand="-1",
        nodataColor="",
    )
    palette = ET.SubElement(renderer, "colorPalette")
    for value, label, colour in classes:
        ET.SubElement(palette, "paletteEntry", value=str(value), label=label, color=colour, alpha="255")
    ET.indent(root)
    return LayerStyle(name="classes", qml=_document(root))


def _document(root: ET.Element) -> str:
    return "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" + ET.tostring(root, "unicode") + "\n"


def _categorised(attribute: str, categories: list[tuple[str, str, str]]) -> str:
    """Return the QML document of a categorised fill; ``categories`` = (value, label, colour)."""
    root = ET.Element("qgis", version="3.34.0", styleCategories="Symbology")
    renderer = ET.SubElement(
        root,
        "renderer-v2",
        type="categorizedSymbol",
        attr=attribute,
        enableorderby="0",
        forceraster="0",
        symbollevels="0",
    )
    entries, symbols = ET.SubElement(renderer, "categories"), ET.SubElement(renderer, "symbols")
    for position, (value, label, colour) in enumerate(categories):
        symbol = str(position)
        ET.SubElement(entries, "category", value=value, type="string", label=label, symbol=symbol, render="true")
        _add_fill(symbols, symbol, colour)
    ET.indent(root)
    return _document(root)


def _add_fill(symbols: ET.Element, name: str, colour: str) -> None:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    symbol = ET.SubElement(symbols, "symbol", type="fill", name=name, alpha="1", clip_to_extent="1", force_rhr="0")
    layer = ET.SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1", "locked": "0", "pass": "0"})
    options = ET.SubElement(layer, "Option", type="Map")
    settings = {
        "color": f"{red},{green},{blue},255",
        "style": "solid",
        "outline_color": "90,90,90,255",
        "outline_style": "solid",
        "outline_width": "0.05",
        "outline_width_unit": "MM",
        "joinstyle": "bevel",
    }
    for key, value in settings.items():
        ET.SubElement(options, "Option", type="QString", name=key, value=value)
