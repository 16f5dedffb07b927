"""Apply the matrix and the thresholds of the decree to an official OCS GE layer, and measure the stock.

The polygons are IGN's and stay whole while the thresholds are applied: a commune border cuts none of them. They are cut
at the outlines of the communes after that, for the stock only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from ocsge.artificialise import artificialise
from ocsge.domain import Domain, domain_of, run_epsg
from ocsge.errors import LayerError, ParameterError
from ocsge.geometry_repair import polygonal
from ocsge.grid import Grid
from ocsge.indicators import stock, stock_long
from ocsge.inputs import find_sources
from ocsge.partial_codes import PairStates, Unclassified, pair_states
from ocsge.products.ocs_ge import PRODUCTS, OcsGeRead, read_ocs_ge, read_ocs_ge_sources
from ocsge.provenance import credit_of, described_report, described_rules, described_sources, extent_digest, losses_of
from ocsge.rules import Rules, load_rules
from ocsge.shared_edges import shared_edges
from ocsge.store import artefact_key, code_version
from ocsge.tables import CM2_PER_M2
from ocsge.territory import check_commune_code

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ocsge.catalog import Source
    from ocsge.geometry_repair import Invalid

FREE_EDGE_CM = 10
"""Border without neighbour from which a polygon is at the edge of the data."""
STATES = ("occupation", "artificialisation")
"""Products that hold a state of the whole ground."""
_GRID_M = 1.0
_NOT_MEASURED = ("exempt_parks_ha", "exempt_pv_ha", "exempt_either_ha")


@dataclass(frozen=True, slots=True)
class Decided:
    """The objects of a layer with the state that the decree gives them."""

    objects: gpd.GeoDataFrame
    """Table ``ARTIFICIALISED``, one row a part of an object, whole: ``id`` (of the delivery) in front, ``part`` (rank
    of the part in the layer), the delivered codes; ``area_px`` is in cm². Objects that are not classified are left
    out."""

    states: PairStates
    """What the matrix says of every delivered pair of codes; its rows are the parts before any is left out."""

    unclassified_m2: float
    """Area of the objects left out."""


@dataclass(frozen=True, slots=True)
class OfficialStock:
    """The stock of communes by an official layer."""

    stock: pd.DataFrame
    """Table ``STOCK``, ``source`` being ``official``; the exempt areas are null: they are not measured."""

    stock_long: pd.DataFrame
    """Table ``STOCK_LONG``; the codes are those delivered."""

    polygons: gpd.GeoDataFrame
    """Table ``ARTIFICIALISED`` cut at the outlines of the communes, with ``id`` and ``millesime`` in front."""

    objects: gpd.GeoDataFrame
    """The same objects whole, with those of the context: see :class:`Decided`."""

    read: OcsGeRead
    """What the layer is and what its reading met."""

    states: PairStates
    """Partial and unclassified pairs of codes, with their number of rows."""

    millesime: int
    """Year described."""

    communes: tuple[str, ...]
    """INSEE codes asked for; none when a perimeter alone says where."""

    perimetre: str | None
    """Name of the perimeter: its file's, then a digest of its ground; null for whole communes."""

    provenance: Mapping[str, object]
    """What the result was made from, as JSON values without time nor place: equal runs give equal bytes."""

    credit: str
    """Credit line of the layer and of the outlines."""

    warnings: tuple[str, ...]
    """What a reader of the result must know of its data, one line each."""


def derive_official(
    *,
    communes: Sequence[str] = (),
    millesime: int | None = None,
    workspace: Path,
    layer: Path | None = None,
    perimetre: Path | None = None,
    rules: Rules | None = None,
    unclassified: Unclassified = "error",
    invalid: Invalid = "repair",
    assume_crs: int | None = None,
) -> OfficialStock:
    """Measure the stock of a territory on an official OCS GE layer, in hectares: matrix and thresholds on its polygons.

    Does not take up IGN's own ``artif``: :mod:`ocsge.compare` sets the two beside one another. Does not measure
    exemptions: their columns are null.

    Parameters
    ----------
    communes
        INSEE codes; empty with a perimeter that limits every commune it meets.
    millesime
        Year to take when there are several; null takes the only one there.
    workspace
        Folder of the registered data: the outlines of the communes, and the layer when ``layer`` is null.
    layer
        Occupation or artificialisation: file, folder or archive.
    perimetre
        File of polygons that limits the territory.
    rules
        Rules; the shipped ones of today when null.
    unclassified
        ``keep`` leaves out, and reports, objects whose codes tell no state; ``error`` refuses them.
    invalid, assume_crs
        As :func:`ocsge.layers.read_layer`.

    Raises
    ------
    DataError
        When the layer or the outlines cannot be used, or the layer does not meet the territory.
    CodeError
        When codes tell no state and ``unclassified`` is ``error``.
    ParameterError
        When the millésime is nowhere said.
    """
    rules = rules or load_rules()
    sources = find_sources(workspace, communes=communes)
    grid = Grid.at_resolution(epsg=run_epsg(communes, perimetre, assume_crs=assume_crs), resolution_m=_GRID_M)
    domain = domain_of(
        communes=communes,
        perimetre=perimetre,
        sources=sources,
        grid=grid,
        context_m=rules.interpretation_threshold["context_m"],
        invalid=invalid,
        assume_crs=assume_crs,
    )
    read = _read(layer, sources, domain, millesime=millesime, invalid=invalid, assume_crs=assume_crs)
    near = read.frame[read.frame.intersects(domain.context)].reset_index(drop=True)
    if near.empty:
        raise LayerError(f"{_where(read)}: holds nothing of the territory; is it the right département?")
    year = millesime if millesime is not None else next(iter(read.millesimes), None)
    if year is None:
        raise ParameterError(f"{_where(read)}: nothing tells its millésime; give it with --millesime")
    decided = decide(near, rules, where=_where(read), unclassified=unclassified, context=domain.context)
    pieces = _cut(decided.objects, domain)
    pieces.insert(1, "millesime", np.full(len(pieces), year, dtype=np.int64))
    flags = _flags(decided)
    table = stock(pieces, rules, millesime=year, source="official", communes=_named(domain), flags=flags)
    table[list(_NOT_MEASURED)] = np.nan
    used = [*read.report.sources, *(source for report in domain.reports for source in report.sources)]
    if any(rules.options[name] == "yes" for name in ("exempt_parks", "exempt_photovoltaic")):
        table["stock_after_exemptions_ha"] = np.nan
    return OfficialStock(
        stock=table,
        stock_long=stock_long(pieces, millesime=year),
        polygons=pieces,
        objects=decided.objects,
        read=read,
        states=decided.states,
        millesime=year,
        communes=tuple(sorted(set(map(check_commune_code, communes)))),
        perimetre=domain.perimetre,
        provenance=_provenance(
            domain,
            rules,
            read,
            decided,
            used,
            millesime=year,
            unclassified=unclassified,
            invalid=invalid,
            assume_crs=assume_crs,
        ),
        credit=credit_of(used, None),
        warnings=losses_of([read.report, *domain.reports]),
    )


def decide(
    layer: gpd.GeoDataFrame,
    rules: Rules,
    *,
    where: str,
    unclassified: Unclassified = "error",
    context: shapely.Geometry | None = None,
) -> Decided:
    """Apply the matrix and the thresholds to the objects of a layer, as they are drawn.

    Parameters
    ----------
    layer
        Columns ``code_cs``, ``code_us``; ``id`` and ``ossature`` when known. A partition in a projected CRS, metres;
        multipolygons become one row a part, since their parts share no edge.
    rules
        Nomenclature, matrix, thresholds.
    where
        File and layer, for messages.
    unclassified
        ``keep`` leaves out objects whose codes tell no state; ``error`` refuses them.
    context
        Ground that was read: objects that go on outside are at the edge. Null: only those beside no data are.

    Raises
    ------
    CodeError
        As :func:`ocsge.partial_codes.pair_states`.
    """
    parts = layer.explode(ignore_index=True)
    area_cm2 = np.rint(parts.area.to_numpy(np.float64) * CM2_PER_M2).astype(np.int64)
    parts = parts.assign(part=np.arange(len(parts)), area_px=area_cm2)[area_cm2 > 0].reset_index(drop=True)
    states = pair_states(parts["code_cs"], parts["code_us"], rules, unclassified=unclassified, where=where)
    known = states.artif.notna().to_numpy(np.bool_)
    kept = parts[known].reset_index(drop=True)
    edges = shared_edges(np.asarray(kept.geometry.values))
    at_edge = edges.free_cm > FREE_EDGE_CM
    if context is not None:
        at_edge |= ~shapely.within(np.asarray(kept.geometry.values), context)
    table = _polygons(kept, states.leaf_cs[known], states.leaf_us[known], at_edge)
    decided = artificialise(table, edges.adjacency, rules)
    delivered = (kept["code_cs"] != decided["code_cs"]) | (kept["code_us"] != decided["code_us"])
    named = decided["reason"] + " [delivered as " + kept["code_cs"] + " × " + kept["code_us"] + "]"
    decided = decided.assign(
        code_cs=kept["code_cs"],
        code_us=kept["code_us"],
        reason=decided["reason"].where(~delivered, named),
        impermeable=states.impermeable[known],
        decree_category=pd.Series(states.decree_category[known], dtype="str"),
    )
    decided.insert(0, "id", _identifiers(kept))
    decided.insert(1, "part", kept["part"].to_numpy())
    return Decided(
        objects=gpd.GeoDataFrame(decided, geometry="geometry", crs=layer.crs),
        states=states,
        unclassified_m2=float(parts["area_px"][~known].sum()) / CM2_PER_M2,
    )


def _polygons(
    kept: gpd.GeoDataFrame, leaf_cs: NDArray[np.object_], leaf_us: NDArray[np.object_], at_edge: NDArray[np.bool_]
) -> pd.DataFrame:
    """Return the table ``POLYGONS`` of objects: what a derivation would measure in pixels is zero or unknown."""
    count = len(kept)
    no = np.zeros(count, dtype=np.bool_)
    ossature = kept["ossature"].fillna(False).to_numpy(np.bool_) if "ossature" in kept else no
    measures = ("usage_default_m2", "filled_m2", "default_cover_m2", "park_m2", "photovoltaic_m2")
    return pd.DataFrame(
        {
            "commune_code": pd.Series([""] * count, dtype="str"),
            "code_cs": pd.Series(leaf_cs, dtype="str"),
            "code_us": pd.Series(leaf_us, dtype="str"),
            "ossature": ossature,
            "area_px": kept["area_px"].to_numpy(np.int64),
            "area_m2": kept["area_px"].to_numpy(np.float64) / CM2_PER_M2,
            "usage_rule": np.zeros(count, dtype=np.int64),
            **{name: np.zeros(count) for name in (*measures, "park_and_photovoltaic_m2")},
            "zone_construite": no,
            "commune_cut": no,
            "at_edge": at_edge,
            "tree_share": np.full(count, np.nan),
            "in_territory": ~no,
            "geometry": kept.geometry,
        }
    )


def _cut(objects: gpd.GeoDataFrame, domain: Domain) -> gpd.GeoDataFrame:
    """Return the parts of objects that lie in each unit of the territory."""
    shapes = np.asarray(objects.geometry.values)
    codes, grounds = _units(domain)
    row, unit = shapely.STRtree(grounds).query(shapes, predicate="intersects")
    cut = shapely.intersection(shapes[row], grounds[unit])
    whole = shapely.area(cut) >= shapely.area(shapes[row]) * (1 - 1e-9)
    cut[whole] = shapes[row][whole]
    area_cm2 = np.where(
        whole, objects["area_px"].to_numpy(np.int64)[row], np.rint(shapely.area(cut) * CM2_PER_M2).astype(np.int64)
    )
    kept = area_cm2 > 0
    order = np.lexsort((row[kept], unit[kept]))
    chosen = np.flatnonzero(kept)[order]
    pieces = objects.iloc[row[chosen]].reset_index(drop=True)
    pieces["commune_code"] = pd.Series(codes[unit[chosen]], dtype="str")
    pieces["commune_cut"] = ~whole[chosen]
    pieces["area_px"] = area_cm2[chosen]
    pieces["area_m2"] = area_cm2[chosen] / CM2_PER_M2
    pieces["geometry"] = polygonal(cut[chosen])
    return pieces.drop(columns="part")


def _units(domain: Domain) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """Return the code and the ground of each unit of the territory; no ground is in two of them."""
    inside = [n for n in range(len(domain.unit_codes)) if domain.in_territory[n]]
    codes = np.array([domain.unit_codes[n] for n in inside], dtype=object)
    grounds = domain.unit_geometries[inside].copy()
    named = grounds[codes != ""]
    for n in np.flatnonzero(codes == ""):
        # the ground of a perimeter that lies in no known commune
        grounds[n] = shapely.difference(grounds[n], shapely.union_all(named)) if len(named) else grounds[n]
    return codes, grounds


def _provenance(
    domain: Domain,
    rules: Rules,
    read: OcsGeRead,
    decided: Decided,
    used: Sequence[Source],
    *,
    millesime: int,
    unclassified: Unclassified,
    invalid: Invalid,
    assume_crs: int | None,
) -> dict[str, object]:
    """Return what an official stock was made from, as JSON values without time nor place."""
    sources = described_sources(used)
    told = {
        name: {f"{cs} × {us}": count for (cs, us), count in pairs.items()}
        for name, pairs in (("partial_codes", decided.states.partial), ("unclassified", decided.states.unclassified))
    }
    key = artefact_key(
        rules=rules.fingerprint,
        sources=sources,
        extent=extent_digest(domain),
        units=list(domain.unit_codes),
        territory=[bool(inside) for inside in domain.in_territory],
        millesime=millesime,
        unclassified=unclassified,
        invalid=invalid,
        assume_crs=assume_crs,
    )
    return {
        "key": key,
        "code_version": code_version(),
        "rules": described_rules(rules),
        "source": "official",
        "product": read.product,
        "millesime": millesime,
        "communes": list(domain.communes["commune_code"]),
        "perimetre": domain.perimetre,
        "sources": sources,
        "layers": [described_report(report) for report in (read.report, *domain.reports)],
        **told,
        "unclassified_m2": decided.unclassified_m2,
        "flags": list(_flags(decided)),
        "warnings": list(losses_of([read.report, *domain.reports])),
    }


def _named(domain: Domain) -> pd.DataFrame:
    """Return what a stock tells of its communes; of a part of a commune, neither the outline nor the inhabitants."""
    named: pd.DataFrame = domain.communes
    return named if domain.perimetre is None else named.drop(columns=["geometry", "population"], errors="ignore")


def _flags(decided: Decided) -> tuple[str, ...]:
    flags = []
    if decided.states.partial:
        flags.append("partial_codes")
    if decided.unclassified_m2 > 0:
        flags.append("unclassified")
    return tuple(flags)


def _identifiers(parts: gpd.GeoDataFrame) -> pd.Series:
    """Return the identifiers of the delivery; the rank of the part where there is none."""
    ranks = parts["part"].astype("str")
    named: pd.Series = parts["id"].fillna(ranks).astype("str") if "id" in parts else ranks
    return named


def _read(
    layer: Path | None,
    sources: Sequence[Source],
    domain: Domain,
    *,
    millesime: int | None,
    invalid: Invalid,
    assume_crs: int | None,
) -> OcsGeRead:
    wanted = None if millesime is None else [millesime]
    epsg, bounds = domain.grid.epsg, domain.bounds
    if layer is None:
        there = {source.layer for source in sources}
        product = next((name for name in STATES if PRODUCTS[name].layer in there), STATES[0])
        return read_ocs_ge_sources(
            sources, product, millesimes=wanted, epsg=epsg, bounds=bounds, invalid=invalid, assume_crs=assume_crs
        )
    return read_ocs_ge(
        layer,
        STATES,
        millesimes=wanted,
        epsg=epsg,
        bounds=bounds,
        invalid=invalid,
        assume_crs=assume_crs,
    )


def _where(read: OcsGeRead) -> str:
    source = read.report.sources[0]
    return f"{source.path} layer {source.layer_name}"
