"""Translate ``Rules`` into what the region engine works with: pixels of a grid, small integers, look-up tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ocsge.covers import absorb_fallback, class_cover_table, cover_flags, layer_cover_tables
from ocsge.regions.anchor import ChangeMinima
from ocsge.regions.built import BuiltAggregation
from ocsge.regions.composition import Composition
from ocsge.regions.evidence import COVERS, USAGES, EvidenceTables
from ocsge.regions.minimum_areas import MinimumAreas
from ocsge.regions.windows import EngineRules
from ocsge.regions.zone import ZoneConstruite
from ocsge.usage import class_usage_table, default_rule_table, rule_usage_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ocsge.grid import Grid
    from ocsge.rules import Rules


@dataclass(frozen=True, slots=True)
class Engine:
    """The rules of a run in the engine's terms."""

    windows: EngineRules
    """Tables and minimum areas of the window stages."""

    zone: ZoneConstruite
    """Distances of the derived zone construite."""

    composition: Composition
    """Shares that decide the final cover of a piece."""

    change: ChangeMinima
    """What a change between two states must reach."""


def engine_of(rules: Rules, grid: Grid, *, numbering: str | None) -> Engine:
    """Return the engine's view of ``rules`` on ``grid``.

    Parameters
    ----------
    rules
        The rules in force.
    grid
        The pixel grid, which turns areas into pixels.
    numbering
        Numbering system of the class raster, or None when the covers come from layers alone.
    """
    cover_index = {role: 1 + rules.couverture_codes.index(code) for role, code in rules.couverture_by_role.items()}
    minimum = _minimum_areas(rules, grid, cover_index)
    aggregation = BuiltAggregation(
        gap_px=round(rules.built_aggregation["gap_m"] * grid.pixels_per_m),
        growth_limit_px=round(rules.built_aggregation["growth_limit_m"] * grid.pixels_per_m),
        evidence_px=minimum.built_evidence_px,
        minimum_px=minimum.built_px,
    )
    zone = rules.zone_construite
    return Engine(
        windows=EngineRules(tables=_tables(rules, numbering, cover_index), aggregation=aggregation, minimum=minimum),
        zone=ZoneConstruite(
            dilation_m=zone["dilation_m"],
            erosion_m=zone["erosion_m"],
            minimum_area_m2=zone["minimum_area_m2"],
            minimum_hole_m2=zone["minimum_hole_m2"],
        ),
        change=ChangeMinima(
            area_px=grid.pixels(rules.change["minimum_area_m2"]),
            width_px=rules.change["minimum_width_m"] * grid.pixels_per_m,
        ),
        composition=_composition(rules, cover_index),
    )


def _minimum_areas(rules: Rules, grid: Grid, cover_index: dict[str, int]) -> MinimumAreas:
    """Return the minimum areas in pixels, with the weights of merging."""
    area = rules.minimum_area_m2
    absorb_cover, absorb_m2 = absorb_fallback(rules)
    return MinimumAreas(
        built_px=grid.pixels(area["built"]),
        built_evidence_px=grid.pixels(area["built_evidence"]),
        zone_px=grid.pixels(area["zone_construite"]),
        elsewhere_px=grid.pixels(area["elsewhere"]),
        absorb_px=grid.pixels(absorb_m2),
        absorb_cover=absorb_cover,
        built_cover=cover_index["built"],
        cover_weight=_padded(rules.couverture_weights(), COVERS),
        usage_weight=_padded(rules.usage_weights(), USAGES),
        into_built=int(rules.merging_weights["into_built"]),
        into_ossature=int(rules.merging_weights["into_ossature"]),
    )


def _composition(rules: Rules, cover_index: dict[str, int]) -> Composition:
    """Return the shares that decide the final cover of a piece, and the covers they speak of."""
    return Composition(
        tree_share=rules.composition["tree_share"],
        stand_purity=rules.composition["stand_purity"],
        composite_share=rules.composition["composite_share"],
        built=cover_index["built"],
        broadleaf=cover_index["broadleaf"],
        conifer=cover_index["conifer"],
        mixed_stand=cover_index["mixed_stand"],
        sealed=cover_index["sealed"],
        mineral=cover_index["permeable_mineral"],
        composite=cover_index["composite"],
        vegetated=cover_flags(rules, "vegetated"),
        tree=cover_flags(rules, "tree"),
        herbaceous=cover_flags(rules, "herbaceous"),
    )


def _tables(rules: Rules, numbering: str | None, cover_index: dict[str, int]) -> EvidenceTables:
    layer_cover, layer_mode, layer_ossature = layer_cover_tables(rules)
    return EvidenceTables(
        has_raster=numbering is not None,
        default_cover=1 + rules.couverture_codes.index(rules.default_cover_code),
        built_cover=cover_index["built"],
        sealed_cover=cover_index["sealed"],
        class_cover=np.zeros((256, USAGES), dtype=np.uint8)
        if numbering is None
        else class_cover_table(rules, numbering),
        class_usage=np.zeros(256, dtype=np.uint8) if numbering is None else class_usage_table(rules, numbering),
        layer_cover=layer_cover,
        layer_mode=layer_mode,
        layer_ossature=layer_ossature,
        rule_usage=rule_usage_table(rules),
        default_rule=default_rule_table(rules),
    )


def _padded(weights: NDArray[np.int32], size: int) -> NDArray[np.int32]:
    out = np.zeros((size, size), dtype=np.int32)
    out[: len(weights), : len(weights)] = weights
    return out
