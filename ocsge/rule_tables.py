"""The shape of every table of ``rules/``: its columns, what a cell may hold, which columns are its key.

A table is a CSV file, UTF-8, comma separated, one fact a row. Every row says where it comes from (``source``,
``article``), when it applies (``applies_from`` and ``applies_to``, both included; empty = no limit known) and
how sure it is (``confidence``). Cells that hold several values separate them with ``;``.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from ocsge.errors import RulesError
from ocsge.rule_filter import Filter

Confidence = Literal["high", "medium", "low"]
Role = Literal[
    "built",
    "sealed",
    "permeable_mineral",
    "composite",
    "bare",
    "water",
    "snow",
    "broadleaf",
    "conifer",
    "mixed_stand",
    "shrub",
    "other_woody",
    "herbaceous",
    "other_non_woody",
]
"""What a leaf cover is to the engine; each role belongs to exactly one leaf of ``couverture.csv``."""

Trait = Literal["anthropised", "vegetated", "tree", "herbaceous"]
"""What a decision asks of a cover; a code of ``couverture.csv`` has its own traits and those of the codes above it."""

Handling = Literal["cover", "nodata", "absorb"]
WithRaster = Literal["override", "complete", "ignore"]
Width = Literal["largeur", "voies"]
CoverGeometry = Literal["polygon", "axis"]
UsageGeometry = Literal["polygon", "footprint", "axis", "class", "any"]
Mode = Literal["carve", "fill", "spread", "flag", "default"]
Condition = Literal["always", "in_zone_construite", "on_sealed", "near_road"]
Flag = Literal["park", "photovoltaic"]

_CODE = re.compile(r"[A-Z]{2}\d+(\.\d+)*")
_LAYER = re.compile(r"any|[a-z0-9_]+:[a-z0-9_]+")
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
_INTEGER = re.compile(r"0|[1-9]\d*")


def _filled(text: str) -> str:
    if not text:
        raise ValueError("is empty; every row needs a value here")
    return text


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        hint = f", {text.replace(',', '.')} for instance" if "," in text else ""
        raise ValueError(f"{text!r} is not a number; write digits with a decimal point{hint}") from None
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is not a finite number; write digits")
    if number < 0:
        raise ValueError(f"{text} is negative; areas, widths, distances, shares and weights start at 0")
    return number


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"{text!r} is not a whole number; write digits only, without leading zero")
    return int(text)


def _flag(text: str) -> bool:
    if text not in {"0", "1"}:
        raise ValueError(f"{text!r} is neither 1 (yes) nor 0 (no)")
    return text == "1"


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a date; write year-month-day, 2023-11-28 for instance") from None


def _colour(text: str) -> str:
    if not _COLOUR.fullmatch(text):
        raise ValueError(f"{text!r} is not a colour; write # and six hexadecimal digits")
    return text.upper()


def _code(text: str) -> str:
    if not _CODE.fullmatch(text):
        raise ValueError(f"{text!r} is not a nomenclature code; write two capitals, numbers and dots")
    return text


def _layer(text: str) -> str:
    if not _LAYER.fullmatch(text):
        raise ValueError(f"{text!r} is not a layer; write producer:layer in lower case, or any")
    return text


def _list(text: str) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in text.split(";"))
    if "" in parts:
        raise ValueError(f"{text!r} has an empty item; separate items with one ;")
    if len(set(parts)) < len(parts):
        raise ValueError(f"{text!r} names an item twice; keep one")
    return parts


def _filter(text: str) -> str:
    try:
        return Filter.parse(text).text
    except RulesError as error:
        raise ValueError(str(error)) from None


Filled = Annotated[str, AfterValidator(_filled)]
Number = Annotated[float, BeforeValidator(_number)]
Integer = Annotated[int, BeforeValidator(_integer)]
YesNo = Annotated[bool, BeforeValidator(_flag)]
Date = Annotated[dt.date, BeforeValidator(_date)]
Colour = Annotated[str, AfterValidator(_colour)]
Code = Annotated[str, AfterValidator(_code)]
Layer = Annotated[str, AfterValidator(_layer)]
Items = Annotated[tuple[str, ...], BeforeValidator(_list)]
Traits = Annotated[tuple[Trait, ...], BeforeValidator(_list)]
FilterText = Annotated[str, AfterValidator(_filter)]


class Row(BaseModel):
    """What every rule row carries beside its fact."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    KEY: ClassVar[tuple[str, ...]] = ()

    source: Filled
    article: str = ""
    applies_from: Date | None = None
    applies_to: Date | None = None
    confidence: Confidence
    note: str = ""


DOCUMENTATION = tuple(Row.model_fields)
"""Columns that say where a fact comes from and when it applies, in every table."""


class CodeRow(Row):
    """A code of a nomenclature."""

    KEY = ("code",)

    code: Code
    label_fr: Filled
    parent: Code | None = None
    is_leaf: YesNo
    colour: Colour


class CouvertureRow(CodeRow):
    """A cover of the OCS GE; a leaf has the role the engine knows it by, traits hold for the codes below too."""

    role: Role | None = None
    traits: Traits = ()


class UsageRow(CodeRow):
    """A usage of the OCS GE; ``merges`` lists the usages it stands for when they cannot be told apart."""

    merges: Items = ()


class MatrixRow(Row):
    """The state of one cover × usage pair."""

    KEY = ("code_cs", "code_us")

    code_cs: Code
    code_us: Code
    artificialise: YesNo
    impermeable: YesNo
    decree_category: Filled


class DecreeCategoryRow(Row):
    """A category of the annex to article R.101-1."""

    KEY = ("category",)

    category: Integer
    artificialise: YesNo
    label_fr: Filled


class CosiaClassRow(Row):
    """A CoSIA or FLAIR class: its numbers in five systems and what it becomes."""

    KEY = ("cosia_class",)

    cosia_class: Filled
    cosia_vector_numero: Integer | None = None
    flair_hub: Integer | None = None
    flair_inc_mask: Integer | None = None
    cosia_argmax_2023: Integer | None = None
    gers_2022: Integer | None = None
    colour: Colour
    colour_flair: Colour
    handling: Handling
    code_cs: Code | None = None
    fallback_code_cs: Code | None = None
    fallback_minimum: str | None = None


NUMBERINGS = ("cosia_vector_numero", "flair_hub", "flair_inc_mask", "cosia_argmax_2023", "gers_2022")
"""Numbering systems of ``cosia_classes.csv``."""


class CosiaContextRow(Row):
    """A cover that a class takes under some usages of a source layer."""

    KEY = ("cosia_class", "code_cs")

    cosia_class: Filled
    usage_prefixes: Items
    code_cs: Code


class LayerCoverRow(Row):
    """A layer whose features give a cover; the smallest order wins."""

    KEY = ("order",)

    order: Integer
    layer: Layer
    filter: FilterText = ""
    geometry_op: CoverGeometry
    width: Width | None = None
    code_cs: Code
    with_raster: WithRaster
    ossature: YesNo
    minimum_width: str | None = None
    minimum_area: str | None = None


class LayerUsageRow(Row):
    """A layer whose features give a usage; the smallest order wins."""

    KEY = ("order",)

    order: Integer
    layer: Layer
    filter: FilterText = ""
    geometry_op: UsageGeometry
    width: Width | None = None
    us: Code | None = None
    mode: Mode
    minimum_area: str | None = None
    minimum_width: str | None = None
    reach: str | None = None
    condition: Condition
    covers: Items = ()
    cosia_classes: Items = ()
    flag: Flag | None = None
    default_usages: Items = ()
    reason: Filled


class SemanticWeightRow(Row):
    """Weight of merging into a neighbour, by levels to climb before the two codes meet."""

    KEY = ("dimension", "steps_up")

    dimension: Literal["couverture", "usage"]
    steps_up: Integer
    weight: Integer


class ValueRow(Row):
    """A named number with its unit and, when it is uncertain, the range it may have."""

    KEY = ("name",)

    name: Filled
    value: Number
    unit: Filled
    low: Number | None = None
    high: Number | None = None


class OptionRow(Row):
    """A named choice between texts."""

    KEY = ("name",)

    name: Filled
    value: Filled
    choices: Items


VALUE_UNITS: dict[str, dict[str, str]] = {
    "minimum_area_m2": dict.fromkeys(
        (
            "built",
            "built_evidence",
            "zone_construite",
            "elsewhere",
            "greenhouse",
            "park_evidence",
            "forestry_usage_evidence",
        ),
        "m²",
    ),
    "minimum_width_m": dict.fromkeys(("network", "cover", "forestry"), "m"),
    "built_aggregation": {"gap_m": "m", "growth_limit_m": "m"},
    "zone_construite": {
        "dilation_m": "m",
        "erosion_m": "m",
        "minimum_area_m2": "m²",
        "minimum_hole_m2": "m²",
    },
    "composition": dict.fromkeys(
        (
            "tree_share",
            "fragile_low",
            "fragile_high",
            "stand_purity",
            "composite_share",
            "fragile_area_margin",
        ),
        "share",
    ),
    "interpretation_threshold": {"surface_m2": "m²", "built_m2": "m²", "context_m": "m"},
    "network_width_m": dict.fromkeys(
        (
            "importance_1",
            "importance_2",
            "importance_3",
            "importance_4",
            "importance_5",
            "minimum",
            "rail_minimum",
            "rail_per_track",
        ),
        "m",
    ),
    "usage_spread": {"reach_m": "m", "road_extension_m": "m", "verge_reach_m": "m"},
    "exemption": {"parks_minimum_m2": "m²"},
    "simplification": {"tolerance_m": "m"},
    "change": {"minimum_area_m2": "m²", "minimum_width_m": "m", "unchanged_share": "share"},
    "zan": {
        "reference_first_year": "year",
        "reference_last_year": "year",
        "tranche_first_year": "year",
        "tranche_last_year": "year",
        "reduction_pct": "%",
        "communal_guarantee": "ha",
        "projection": "years",
        "net_regime_first_year": "year",
    },
    "merging_weights": {"into_built": "weight", "into_ossature": "weight"},
}
"""Named values that the stages ask for, by table, with the unit each must be written in."""

OPTIONS = ("adjacent_built", "default_cover", "exempt_parks", "exempt_photovoltaic")
"""Named choices that the stages ask for."""

TABLES: dict[str, type[Row]] = {
    "couverture": CouvertureRow,
    "usage": UsageRow,
    "decree_categories": DecreeCategoryRow,
    "matrix": MatrixRow,
    "cosia_classes": CosiaClassRow,
    "cosia_context": CosiaContextRow,
    "layer_covers": LayerCoverRow,
    "layer_usages": LayerUsageRow,
    "semantic_weights": SemanticWeightRow,
    "options": OptionRow,
    **dict.fromkeys(VALUE_UNITS, ValueRow),
}
"""Every table of ``rules/`` by name; the file is the name with ``.csv``."""
