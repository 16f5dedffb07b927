"""What the stages receive from ``rules/``: frozen values, names resolved into numbers."""

from __future__ import annotations

import copyreg
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from ocsge.nomenclature import leaves_under, weight_table

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from ocsge.nomenclature import NomenclatureEntry
    from ocsge.rule_files import RuleRow
    from ocsge.rule_filter import Filter
    from ocsge.rule_tables import (
        Condition,
        Confidence,
        CoverGeometry,
        Flag,
        Handling,
        Mode,
        UsageGeometry,
        Width,
        WithRaster,
    )


def read_only(mapping: dict[object, object]) -> MappingProxyType[object, object]:
    """Return a view of a dictionary that cannot be changed."""
    return MappingProxyType(mapping)


# Workers receive the rules by pickle, and a mapping proxy does not pickle by itself.
copyreg.pickle(MappingProxyType, lambda mapping: (read_only, (dict(mapping),)))


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """The state of one cover × usage pair."""

    artificialise: bool
    """Whether the pair is artificialised, before thresholds and exemptions."""

    impermeable: bool
    """Whether the ground is sealed."""

    decree_category: str
    """Category of the annex to R.101-1; ``9-10`` when either holds."""

    source: str
    """Text that says so."""

    row: str
    """The rule row: ``matrix.csv:43``."""


@dataclass(frozen=True, slots=True)
class CosiaClass:
    """A CoSIA or FLAIR class and what it becomes."""

    name: str
    """Name of the class, the only key that does not depend on a numbering."""

    numbers: Mapping[str, int | None]
    """Number by system (``flair_inc_argmax`` is the mask − 1); None where a system lacks the class."""

    colour: str
    """Colour of the CoSIA palette."""

    code_cs: str | None
    """Cover; None for nodata and for a class that takes the enclosing cover."""

    handling: Handling
    """``cover``; ``nodata`` (filled from the neighbours); ``absorb`` (takes the enclosing cover)."""

    fallback_code_cs: str | None
    """Cover of an ``absorb`` region that reaches ``fallback_minimum_m2``."""

    fallback_minimum_m2: float | None
    """Area from which ``fallback_code_cs`` applies, m²."""

    usage_rule: int | None
    """Order of the usage rule the class triggers."""

    row: str
    """The rule row."""


@dataclass(frozen=True, slots=True)
class CosiaContext:
    """A cover that a class takes under some usages of a source layer."""

    cosia_class: str
    """Name of the class."""

    usage_prefixes: tuple[str, ...]
    """Usage codes; a code stands for all those below it."""

    code_cs: str
    """Cover under these usages."""

    row: str
    """The rule row."""


@dataclass(frozen=True, slots=True)
class LayerCover:
    """A layer whose features give a cover; the smallest order wins."""

    order: int
    """Priority."""

    layer: str
    """Layer of the catalogue: ``bd_topo:batiment``."""

    filter: Filter
    """Which of its features."""

    geometry_op: CoverGeometry
    """``polygon`` as it is, or ``axis`` widened by the width policy."""

    width: Width | None
    """Width policy of an axis: ``largeur`` (carriageway, else by importance) or ``voies`` (tracks)."""

    code_cs: str
    """Cover."""

    with_raster: WithRaster
    """``override`` a class raster, ``complete`` it where it is silent, or ``ignore`` the rule beside one."""

    ossature: bool
    """Whether the features belong to the network that partitions the territory and is never merged away."""

    minimum_width_m: float | None
    """Narrower features are left out, m: the drawn width of an axis, the width of a polygon."""

    minimum_area_m2: float | None
    """Smaller features are left out, m²."""

    confidence: Confidence
    """How sure the rule is."""

    row: str
    """The rule row."""


@dataclass(frozen=True, slots=True)
class LayerUsage:
    """A layer whose features give a usage; the smallest order wins."""

    order: int
    """Priority; identifies the rule in results."""

    layer: str
    """Layer of the catalogue; ``any`` for a default."""

    filter: Filter
    """Which of its features."""

    geometry_op: UsageGeometry
    """``polygon``, ``footprint`` of a building, ``axis``, ``class`` of the raster, or ``any`` ground."""

    width: Width | None
    """Width policy of an axis."""

    us: str
    """Usage; empty for a rule that only flags."""

    mode: Mode
    """``carve`` overrides later rules, ``fill`` sets where none is set, ``spread`` also fills the ground
    within ``reach_m``, ``flag`` only marks, ``default`` comes last."""

    minimum_area_m2: float | None
    """Smaller features are left out, m²."""

    minimum_width_m: float | None
    """Narrower features are left out, m."""

    reach_m: float | None
    """How far a spread goes, or how near a road is, m."""

    condition: Condition
    """Where the rule holds; for a building's ``spread``, where its surroundings take the usage."""

    covers: tuple[str, ...]
    """Covers it applies to, a code standing for all those below it; empty is any."""

    cosia_classes: tuple[str, ...]
    """Classes of the raster, for ``geometry_op`` ``class``."""

    flag: Flag | None
    """Mark for the optional exemptions."""

    default_usages: tuple[str, ...]
    """Other usages the ground could have: they bound the result."""

    reason: str
    """Why, in words."""

    confidence: Confidence
    """How sure the rule is."""

    source: str
    """Text or data that says so."""

    row: str
    """The rule row."""


@dataclass(frozen=True, slots=True)
class NamedValue:
    """A named number of the rules and the range it may have."""

    table: str
    """Table: ``zone_construite``."""

    name: str
    """Name in the table: ``erosion_m``."""

    value: float
    """Value, in ``unit``."""

    unit: str
    """Unit."""

    low: float | None
    """Lower bound, for a sensitivity analysis; None when the value is not varied."""

    high: float | None
    """Upper bound."""

    confidence: Confidence
    """How sure the value is."""

    source: str
    """Text that says so, or *project choice*."""

    row: str
    """The rule row."""


@dataclass(frozen=True, slots=True, repr=False)
class Rules:
    """Everything the stages ask of the law and of the specification, at one date."""

    fingerprint: str
    """SHA-256 of the effective rows: equal rules give equal results."""

    at: dt.date
    """Date the rows apply on."""

    at_chosen: bool
    """Whether that date was asked for; otherwise it is the day of the reading, of which nothing is written."""

    couvertures: tuple[NomenclatureEntry, ...]
    """Every code of the nomenclature of covers, in table order."""

    usages: tuple[NomenclatureEntry, ...]
    """Every code of the nomenclature of usages, in table order."""

    couverture_codes: tuple[str, ...]
    """Leaf covers; the engine index of one is 1 + its position (0 = unknown)."""

    usage_codes: tuple[str, ...]
    """Leaf usages; the engine index of one is 1 + its position (0 = none)."""

    couverture_by_role: Mapping[str, str]
    """Cover code of each role."""

    decree_categories: Mapping[str, str]
    """Wording of each category of the annex to R.101-1."""

    matrix: Mapping[tuple[str, str], MatrixCell]
    """State of every (cover, usage) pair; exhaustive."""

    cosia_classes: tuple[CosiaClass, ...]
    """Classes of CoSIA and FLAIR."""

    cosia_context: tuple[CosiaContext, ...]
    """Covers that depend on the usage."""

    layer_covers: tuple[LayerCover, ...]
    """Layers that give covers, by order."""

    layer_usages: tuple[LayerUsage, ...]
    """Layers that give usages, by order; defaults last."""

    minimum_area_m2: Mapping[str, float]
    """Minimum areas of the survey, m²: built, built_evidence, zone_construite, elsewhere, …"""

    minimum_width_m: Mapping[str, float]
    """Minimum widths of the survey, m: network, cover, forestry."""

    built_aggregation: Mapping[str, float]
    """gap_m, growth_limit_m."""

    zone_construite: Mapping[str, float]
    """dilation_m, erosion_m, minimum_area_m2, minimum_hole_m2."""

    composition: Mapping[str, float]
    """Shares: tree_share, fragile_low, fragile_high, stand_purity, composite_share, fragile_area_margin."""

    interpretation_threshold: Mapping[str, float]
    """Thresholds of the decree: surface_m2, built_m2, and context_m."""

    network_width_m: Mapping[str, float]
    """Widths, m: importance_1 to importance_5, minimum, rail_minimum, rail_per_track."""

    usage_spread: Mapping[str, float]
    """Reaches, m: reach_m, road_extension_m, verge_reach_m."""

    exemption: Mapping[str, float]
    """parks_minimum_m2."""

    change: Mapping[str, float]
    """Smallest area and width of a change between two millésimes."""

    simplification: Mapping[str, float]
    """tolerance_m, for drawing only."""

    zan: Mapping[str, float]
    """Years of the reference and of the tranche of the ZAN, reduction_pct, communal_guarantee (ha), projection
    (years), net_regime_first_year."""

    merging_weights: Mapping[str, float]
    """into_built, into_ossature: weights of the absorbers of last resort."""

    couverture_weight: Mapping[int, int]
    """Weight of merging by levels to climb before two covers meet."""

    usage_weight: Mapping[int, int]
    """The same for usages."""

    options: Mapping[str, str]
    """Named choices: adjacent_built, default_cover, exempt_parks, exempt_photovoltaic."""

    default_cover_code: str
    """Cover of the ground that no raster and no layer describes."""

    named_values: tuple[NamedValue, ...]
    """Every named number with its unit and bounds, for a sensitivity analysis."""

    tables: Mapping[str, tuple[RuleRow, ...]]
    """The effective rows of every table."""

    def __repr__(self) -> str:
        return f"Rules(at={self.at}, fingerprint={self.fingerprint[:12]}…)"

    def couverture_weights(self) -> NDArray[np.int32]:
        """Return the weight of merging covers, (15, 15), by engine index; 0 for the unknown."""
        return weight_table([entry for entry in self.couvertures if entry.is_leaf], self.couverture_weight)

    def usage_weights(self) -> NDArray[np.int32]:
        """Return the weight of merging usages, (21, 21), by engine index; 0 for none."""
        return weight_table([entry for entry in self.usages if entry.is_leaf], self.usage_weight)

    def usage_leaves(self, codes: Iterable[str]) -> tuple[str, ...]:
        """Return the leaf usages that are one of ``codes`` or lie below one."""
        return leaves_under(self.usages, codes)
