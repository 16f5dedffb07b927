"""Make the files that the maps of the dashboard read: gzipped GeoJSON in degrees, light enough for a browser.

``polygons.geojson`` holds the state of a commune at a millésime, ``changes.geojson`` what it gained and lost over a
pair, ``communes.geojson`` the outlines and figures of every commune of a version. They are drawings: shapes are
simplified together, so that neighbours still share their borders, and areas come from the tables, never from a shape.

Texts are those of the data, as they are: what shows them escapes them. Equal tables give equal bytes.
"""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from ocsge.errors import CrsError
from ocsge.figures import as_filed, net_per_thousand_ha
from ocsge.french import area, hectares, percent, signed, typographic, with_unit

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from ocsge.rules import Rules

TOLERANCE_M = 1.0
"""How far the border of a polygon may move on a map, at first."""
MOST_POINTS = 800_000
"""Points that the polygons of a map may have in all; beyond, the tolerance doubles. A browser without graphics card
reads and draws as many in some seconds."""
COMMUNES_TOLERANCE_M = 0.5
"""The same of a commune's outline, at first."""
COMMUNE_BYTES = 1_150
"""Most bytes an outline takes on the average; beyond, the tolerance doubles. A département then stays below 0.7 MB."""
FEW_BYTES = 120_000
"""Bytes that outlines may take however few they are: those of some communes stay close to their polygons."""
_DEGREES = "EPSG:4326"
_DECIMALS = 6
_COMMUNE_DECIMALS = 5
_MOST_DOUBLINGS = 13


def polygons_geojson(polygons: gpd.GeoDataFrame, *, rules: Rules) -> bytes:
    """Return the map file of a commune's polygons at one millésime, gzipped.

    Properties: ``id``; ``e``, the state: ``a`` artificialised, ``as`` artificialised by a threshold, ``ns`` not by a
    threshold, ``n`` not; ``cs`` and ``us``, codes, with ``l`` and ``u``, their labels; ``s``, the area in French.

    Parameters
    ----------
    polygons
        Table ``ARTIFICIALISED`` with ``id``, in a projected CRS; those without a shape are left out.
    rules
        Give the labels.

    Raises
    ------
    CrsError
        When the polygons have no CRS.
    """
    drawn = _drawn(polygons)
    covers, usages = _labels(rules)
    states = np.where(
        drawn["artif"].to_numpy(bool),
        np.where(drawn["crit_seuil"].to_numpy(bool), "as", "a"),
        np.where(drawn["crit_seuil"].to_numpy(bool), "ns", "n"),
    )
    properties = {
        "id": _written(drawn["id"]),
        "e": _written(states),
        "cs": _written(drawn["code_cs"]),
        "us": _written(drawn["code_us"]),
        "l": _written(drawn["code_cs"], covers),
        "u": _written(drawn["code_us"], usages),
        "s": _written([area(m2) for m2 in drawn["area_m2"]]),
    }
    return _collection(properties, _in_degrees(_light_polygons(drawn.geometry)))


def changes_geojson(changes: gpd.GeoDataFrame, *, rules: Rules) -> bytes:
    """Return the map file of what a commune gained and lost over a pair of millésimes, gzipped.

    Properties: ``id``; ``f``, ``gain`` or ``perte``; ``cs1``, ``us1``, ``cs2``, ``us2``, codes at each millésime, with
    ``l1``, ``u1``, ``l2``, ``u2``, their labels; ``s``, the area in French. Without change there is no feature.

    Parameters
    ----------
    changes
        Table ``CHANGES`` with ``id``, in a projected CRS; what did not change is left out.
    rules
        Give the labels.

    Raises
    ------
    CrsError
        When the pieces have no CRS.
    """
    moved = changes[changes["change"].isin(["gain", "loss"])]
    drawn = _drawn(gpd.GeoDataFrame(moved, geometry=changes.geometry.name, crs=changes.crs))
    covers, usages = _labels(rules)
    properties = {
        "id": _written(drawn["id"]),
        "f": _written(drawn["change"], {"gain": "gain", "loss": "perte"}),
    }
    for when in (1, 2):
        properties[f"cs{when}"] = _written(drawn[f"code_cs_{when}"])
        properties[f"us{when}"] = _written(drawn[f"code_us_{when}"])
        properties[f"l{when}"] = _written(drawn[f"code_cs_{when}"], covers)
        properties[f"u{when}"] = _written(drawn[f"code_us_{when}"], usages)
    properties["s"] = _written([area(m2) for m2 in drawn["area_m2"]])
    return _collection(properties, _in_degrees(_light_polygons(drawn.geometry)))


def communes_geojson(outlines: Sequence[gpd.GeoDataFrame], stock: pd.DataFrame, flow: pd.DataFrame) -> bytes:
    """Return the map file of the communes of a version, gzipped: outlines, and figures to colour them by.

    Properties: ``code``, ``nom``; ``m``, the last millésime, with ``stock`` (ha) and ``part`` (%); ``p``, the last pair
    (``2019-2022``), with ``net`` (ha), ``net_an`` (ha a year), ``pour_mille`` (ha a year for 1 000 ha measured);
    ``t`` and ``f``, stock and flow in words, ``f`` empty without flow. What is unknown is null.

    Parameters
    ----------
    outlines
        One row a commune, ``commune_code`` and outline, each table in a projected CRS.
    stock, flow
        Tables ``STOCK`` and ``FLOW`` of these communes; ``flow`` may be empty.
    """
    figures = _figures(stock, flow)
    parts = []
    for _, alike in pd.Series(list(outlines), dtype=object).groupby([str(table.crs) for table in outlines]):
        joined = pd.concat(list(alike), ignore_index=True).drop_duplicates("commune_code", keep="last")
        parts.append(_drawn(gpd.GeoDataFrame(joined, crs=alike.iloc[0].crs)))
    known = [code for part in parts for code in part["commune_code"]]
    rows = [figures.get(code, {"code": code, "nom": code}) for code in known]
    names = ("code", "nom", "m", "stock", "part", "p", "net", "net_an", "pour_mille", "t", "f")
    properties = {name: [json.dumps(row.get(name), ensure_ascii=False) for row in rows] for name in names}
    return _collection(properties, _light_outlines([part.geometry for part in parts]))


def _light_outlines(shapes: list[gpd.GeoSeries]) -> list[str]:
    """Return outlines as GeoJSON geometries, of so few points that they fit :data:`COMMUNE_BYTES` each, on the average.

    Together they may take :data:`FEW_BYTES` in any case.
    """
    written: list[str] = []
    for doublings in range(_MOST_DOUBLINGS):
        shapes = [_simplified(part, COMMUNES_TOLERANCE_M * 2**doublings) for part in shapes]
        written = [text for part in shapes for text in _in_degrees(part, decimals=_COMMUNE_DECIMALS)]
        if sum(map(len, written)) <= max(COMMUNE_BYTES * len(written), FEW_BYTES):
            break
    return written


def _light_polygons(shapes: gpd.GeoSeries) -> gpd.GeoSeries:
    """Return polygons of at most :data:`MOST_POINTS` points together, or as few as doublings make them."""
    for doublings in range(_MOST_DOUBLINGS):
        shapes = _simplified(shapes, TOLERANCE_M * 2**doublings)
        if shapely.get_num_coordinates(shapes.to_numpy()).sum() <= MOST_POINTS:
            break
    return shapes


def _labels(rules: Rules) -> tuple[dict[str, str], dict[str, str]]:
    covers = {entry.code: entry.label_fr for entry in rules.couvertures}
    return covers, {entry.code: entry.label_fr for entry in rules.usages}


def _written(values: Iterable[object], labels: dict[str, str] | None = None) -> list[str]:
    """Return texts as JSON; with labels, those of the values, which stand where there is none."""
    known: dict[object, str] = {}
    written = []
    for value in values:
        if value not in known:
            text = str(value) if labels is None else labels.get(str(value), str(value))
            known[value] = json.dumps(text, ensure_ascii=False)
        written.append(known[value])
    return written


def _drawn(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return the rows that have a shape."""
    if frame.crs is None:
        raise CrsError("the shapes of a map have no coordinate reference system; give the frame one")
    has_shape = ~(frame.geometry.isna() | frame.geometry.is_empty)
    return frame[has_shape.to_numpy(bool)].reset_index(drop=True)


def _simplified(shapes: gpd.GeoSeries, tolerance_m: float) -> gpd.GeoSeries:
    """Return shapes with fewer points; the border of two neighbours stays one line."""
    if shapes.empty:
        return shapes
    return gpd.GeoSeries(shapely.coverage_simplify(shapes.to_numpy(), tolerance_m), crs=shapes.crs)


def _in_degrees(shapes: gpd.GeoSeries, *, decimals: int = _DECIMALS) -> NDArray[np.object_]:
    """Return shapes as GeoJSON geometries, longitude before latitude, rounded alike on both sides of a border."""
    degrees = shapes.to_crs(_DEGREES).to_numpy()
    rounded = shapely.transform(degrees, lambda points: np.round(points, decimals))
    texts: NDArray[np.object_] = np.asarray(shapely.to_geojson(rounded), dtype=object)
    return texts


def _collection(properties: dict[str, list[str]], geometries: Iterable[str]) -> bytes:
    """Return a feature collection of values already written as JSON; no date of the day enters it."""
    names = [json.dumps(name) for name in properties]
    features = [
        '{"type":"Feature","properties":{'
        + ",".join([f"{name}:{value}" for name, value in zip(names, row, strict=True)])
        + f'}},"geometry":{geometry}}}'
        for geometry, *row in zip(geometries, *properties.values(), strict=True)
    ]
    text = '{"type":"FeatureCollection","features":[\n' + ",\n".join(features) + "\n]}\n"
    return gzip.compress(text.encode(), compresslevel=6, mtime=0)


def _figures(stock: pd.DataFrame, flow: pd.DataFrame) -> dict[str, dict[str, object]]:
    """Return the properties of each commune, by code."""
    found: dict[str, dict[str, object]] = {}
    for row in stock.sort_values("millesime", kind="stable").to_dict("records"):
        code = str(row["commune_code"])
        nom = code if pd.isna(row["nom"]) else str(row["nom"])
        found[code] = {"code": code, "nom": nom, "m": int(row["millesime"])}
        found[code] |= {"stock": _known(row, "stock_ha"), "part": _known(row, "part_pct")}
    if not flow.empty:
        rates = flow.assign(net_pour_mille=net_per_thousand_ha(flow))
        for row in rates.sort_values(["millesime_1", "millesime_2"], kind="stable").to_dict("records"):
            found[str(row["commune_code"])].update(
                p=f"{row['millesime_1']}-{row['millesime_2']}",
                net=_known(row, "net_ha"),
                net_an=_known(row, "net_ha_an"),
                pour_mille=_known(row, "net_pour_mille"),
            )
    for commune in found.values():
        commune["t"], commune["f"] = _in_words(commune)
    return found


def _known(row: Mapping[Hashable, Any], column: str) -> float | None:
    """Return a figure as files hold it, None when it is not known."""
    return None if pd.isna(row[column]) else as_filed(float(row[column]), column)


def _in_words(commune: dict[str, object]) -> tuple[str, str]:
    """Return the stock and the flow of a commune in words; the second is empty without two millésimes."""
    stock, part, net, net_an = (commune.get(name) for name in ("stock", "part", "net", "net_an"))
    if isinstance(stock, float) and isinstance(part, float):
        state = f"{commune['m']} : {hectares(stock)} artificialisés ({percent(part)})"
    else:
        state = f"{commune['m']} : sans donnée"
    change = ""
    if isinstance(net, float) and isinstance(net_an, float):
        years = str(commune["p"]).replace("-", "–")
        yearly = with_unit(signed(net_an, 2), "ha")
        change = f"Solde {years} : {with_unit(signed(net), 'ha')}, soit {yearly} par an"
    return typographic(state), typographic(change)
