"""From stitched pieces to the table of polygons: composition, codes, provenance of usages, geometry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd

from ocsge.drawing import draw
from ocsge.errors import RasterError
from ocsge.regions.adjacency import merged_adjacency, piece_adjacency
from ocsge.regions.composition import Composed, anchored_keys, composed_keys, tree_share
from ocsge.regions.evidence import CORRECTED_RULE, OSSATURE_SHIFT, cover_of, usage_of
from ocsge.regions.pieces import DEFAULT_COVER, PARK, PARK_AND_PHOTOVOLTAIC, PHOTOVOLTAIC, at_edge, recoded
from ocsge.tables import CORRECTED_USAGE_RULE
from ocsge.usage import usage_steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ocsge.domain import Domain
    from ocsge.regions.composition import Composition
    from ocsge.regions.pieces import Pieces
    from ocsge.rules import Rules


@dataclass(frozen=True, slots=True)
class Partition:
    """The polygons of a domain."""

    polygons: gpd.GeoDataFrame
    """Table ``POLYGONS`` of :mod:`ocsge.tables`, in the row order of first pixels; ``geometry`` only inside the
    territory, EPSG of the grid."""

    adjacency: NDArray[np.int64]
    """(m, 3) row, row, shared pixel sides."""

    pieces: Pieces
    """Where each polygon lies: the label of a run is the row of its polygon."""

    composed: Composed
    """What a later state is anchored to."""


def partition(
    pieces: Pieces,
    *,
    domain: Domain,
    rules: Rules,
    composition: Composition,
    before: Composed | None = None,
) -> Partition:
    """Return the polygons of a domain and their adjacency.

    Parameters
    ----------
    pieces
        Pieces of the whole domain, after the minimum areas.
    domain
        Grid, units and territory.
    rules
        Codes and usage rules.
    composition
        Shares that decide the final cover.
    before
        State that this one is anchored to.

    Raises
    ------
    RasterError
        When some ground has no known cover and no neighbour to take one from.
    """
    runs = pieces.runs
    borders = piece_adjacency(runs.row_ptr, runs.start, pieces.label, runs.width, len(pieces.value))
    goes_on = _goes_on_over_a_border(pieces, borders)
    key = composed_keys(pieces, composition)
    if before is not None:
        key = anchored_keys(pieces, key, before, unchanged_share=rules.change["unchanged_share"])
    composed = Composed(pieces=pieces, key=key)
    pieces, became = recoded(pieces, key)
    cut = np.zeros(len(pieces.value), dtype=np.bool_)
    np.logical_or.at(cut, became, goes_on)
    _check_known(pieces, rules)
    adjacency = merged_adjacency(borders, became)
    object_px = _object_px(pieces, adjacency, composition.built)
    table = _table(pieces, cut=cut, object_px=object_px, domain=domain, rules=rules, composition=composition)
    wanted = table["in_territory"].to_numpy(np.bool_)
    geometry = draw(pieces.runs, pieces.label, wanted=wanted, domain=domain, rules=rules)
    polygons = gpd.GeoDataFrame(table, geometry=geometry, crs=domain.grid.epsg)
    return Partition(polygons=polygons, adjacency=adjacency, pieces=pieces, composed=composed)


def _check_known(pieces: Pieces, rules: Rules) -> None:
    """Refuse pieces without a known cover and usage: nothing said what they are."""
    cover, usage = cover_of(pieces.key), usage_of(pieces.key)
    if len(cover) == 0 or not ((cover > 0) & (cover <= len(rules.couverture_codes))).all() or not (usage > 0).all():
        raise RasterError(
            "the class raster says nothing of the whole domain; check its extent, its nodata value and --numbering"
        )


def _table(
    pieces: Pieces,
    *,
    cut: NDArray[np.bool_],
    object_px: NDArray[np.int64],
    domain: Domain,
    rules: Rules,
    composition: Composition,
) -> pd.DataFrame:
    """Return table ``POLYGONS`` of the pieces, without their geometry."""
    cover, usage = cover_of(pieces.key), usage_of(pieces.key)
    unit = pieces.commune - 1
    known = unit >= 0
    rule, default_px = _usage_provenance(pieces, usage, rules)
    area = domain.grid.area_m2
    return pd.DataFrame(
        {
            "commune_code": np.where(known, np.array(domain.unit_codes, dtype=object)[unit], ""),
            "code_cs": np.array(rules.couverture_codes, dtype=object)[cover - 1],
            "code_us": np.array(rules.usage_codes, dtype=object)[usage - 1],
            "ossature": (pieces.key >> OSSATURE_SHIFT & 1).astype(np.bool_),
            "area_px": pieces.area_px,
            "area_m2": area(pieces.area_px),
            "object_px": object_px,
            "usage_rule": rule,
            "usage_default_m2": area(default_px),
            "filled_m2": area(pieces.cover_px[:, 0]),
            "default_cover_m2": area(pieces.flag_px[:, DEFAULT_COVER]),
            "zone_construite": pieces.in_zone,
            "commune_cut": cut,
            "at_edge": at_edge(pieces),
            "tree_share": tree_share(pieces, composition),
            "park_m2": area(pieces.flag_px[:, PARK]),
            "photovoltaic_m2": area(pieces.flag_px[:, PHOTOVOLTAIC]),
            "park_and_photovoltaic_m2": area(pieces.flag_px[:, PARK_AND_PHOTOVOLTAIC]),
            "in_territory": known & domain.in_territory[unit],
        }
    ).astype({"commune_code": "str", "code_cs": "str", "code_us": "str"})


def _goes_on_over_a_border(pieces: Pieces, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which pieces have a neighbour of the same key in another unit."""
    same = pairs[pieces.key[pairs[:, 0]] == pieces.key[pairs[:, 1]]]
    cut = np.zeros(len(pieces.value), dtype=np.bool_)
    cut[same[:, :2].ravel()] = True
    return cut


def _object_px(pieces: Pieces, pairs: NDArray[np.int64], built: int) -> NDArray[np.int64]:
    """Return the pixels of the object each piece belongs to: of built ground, also what lies over a border."""
    same = pairs[(pieces.key[pairs[:, 0]] == pieces.key[pairs[:, 1]]) & (cover_of(pieces.key[pairs[:, 0]]) == built)]
    first = np.arange(len(pieces.value))
    changed = True
    while changed:  # a building crosses few borders: the smallest number of a group spreads in as many steps
        before = first.copy()
        np.minimum.at(first, same[:, 0], before[same[:, 1]])
        np.minimum.at(first, same[:, 1], before[same[:, 0]])
        changed = bool((first != before).any())
    total = np.zeros(len(first), dtype=np.int64)
    np.add.at(total, first, pieces.area_px)
    return total[first]


def _usage_provenance(
    pieces: Pieces, usage: NDArray[np.int32], rules: Rules
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the order of the rule behind most of each piece's own usage, and its pixels of default usage.

    Only rules that give the piece's usage are candidates; a piece that took its usage from a neighbour has the rule
    that covers most of it. Ties go to the first rule. Corrections of at least half of a piece come before any rule.
    """
    steps = usage_steps(rules)
    index = {code: i for i, code in enumerate(rules.usage_codes, start=1)}
    step_usage = np.array([index[str(step.row.us)] for step in steps])
    order = np.array([step.row.order for step in steps], dtype=np.int64)
    is_default = np.array([step.row.mode == "default" for step in steps])
    px = pieces.rule_px[:, 1 : len(steps) + 1]
    own = np.where(step_usage[None, :] == usage[:, None], px, 0)
    chosen = np.where(own.any(axis=1), own.argmax(axis=1), px.argmax(axis=1))
    corrected = 2 * pieces.rule_px[:, CORRECTED_RULE] >= pieces.area_px
    return np.where(corrected, CORRECTED_USAGE_RULE, order[chosen]), px[:, is_default].sum(axis=1)
